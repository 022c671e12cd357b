//! Projects and environments of measurements.

use deployer::domain::{
    ClusterId, Environment, EnvironmentId, EnvironmentOptions, Extras, Project, ProjectId, SyncMethod,
};

/// The environments of each project, in their order.
pub const NAMES: [&str; 3] = ["dev", "beta", "prod"];

/// The project of this number, not stored yet.
pub fn project(number: usize, git_url: String) -> Project {
    Project {
        id: ProjectId(0),
        name: format!("project-{number}").parse().unwrap(),
        description: String::new(),
        git_url,
        method: SyncMethod::Symlink,
        extras: Extras::default(),
        key: None,
        notify: Vec::new(),
    }
}

/// An environment of a stored project, not stored yet: its place in the order from 0, and its name.
pub fn environment(
    project: &Project,
    (position, name): (usize, &str),
    clusters: Vec<ClusterId>,
) -> Environment {
    Environment {
        id: EnvironmentId(0),
        project_id: project.id,
        name: name.parse().unwrap(),
        branch: "main".parse().unwrap(),
        target_path: format!("/srv/{name}/{}", project.name).parse().unwrap(),
        remote_user: "deploy".into(),
        position: i32::try_from(position).unwrap(),
        auto_deploy: false,
        fail_on_failed_tests: true,
        clusters,
        options: EnvironmentOptions::default(),
    }
}
