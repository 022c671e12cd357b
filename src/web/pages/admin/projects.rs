//! Projects: the list, and one with its environments.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use super::{Part, Tabs, may_configure, refused, settle, tabs};
use crate::access::Permit;
use crate::app::admin::inventory::{self, Inventory};
use crate::app::admin::projects::{self, ProjectForm};
use crate::domain::{Environment, ErrorKind, Project, Result, SyncMethod};
use crate::web::flash::Flash;
use crate::web::forms::Complaints;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::visitor::Visitor;
use crate::web::{format, urls};

/// What the methods are called in the form.
const METHODS: [(&str, &str); 2] = [
    (
        "symlink",
        "Symlink: each release in a directory of its own, switched at once",
    ),
    (
        "in_place",
        "In place: files are changed inside the target directory",
    ),
];

/// The contract of `templates/admin/projects.html`.
#[derive(Template)]
#[template(path = "admin/projects.html")]
struct ListPage {
    frame: Frame,
    tabs: Tabs,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    url: String,
    description: String,
    git_url: String,
    method: &'static str,
    environments: Vec<(String, String)>,
}

/// The contract of `templates/admin/project.html`.
#[derive(Template)]
#[template(path = "admin/project.html")]
struct ProjectPage {
    frame: Frame,
    trail: Vec<(&'static str, String)>,
    /// The name as it is; empty for one to be added.
    name: String,
    action: String,
    delete: String,
    new_environment: String,
    form: ProjectForm,
    complaints: Complaints,
    methods: [(&'static str, &'static str); 2],
    /// The branches that a test of the repository found.
    branches: Vec<String>,
    environments: Vec<EnvironmentRow>,
}

struct EnvironmentRow {
    name: String,
    url: String,
    shift: String,
    branch: String,
    target: String,
    clusters: String,
    servers: String,
    /// Nothing can be deployed there.
    is_bare: bool,
    auto_deploy: bool,
    is_first: bool,
    is_last: bool,
}

#[derive(Deserialize)]
pub(super) struct Sent {
    #[serde(flatten)]
    form: ProjectForm,
    /// Which button; `probe` only tries the repository.
    #[serde(default)]
    act: String,
}

/// `GET /admin/projects`
#[handler]
pub async fn list(visitor: Visitor) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let inventory = inventory::read(visitor.app(), &permit).await?;
    let row = |project: &Project| Row {
        name: project.name.to_string(),
        url: urls::admin_project(project.name.as_str()),
        description: project.description.clone(),
        git_url: project.git_url.clone(),
        method: method_word(project.method),
        environments: inventory
            .environments_of(project.id)
            .map(|one| {
                let url = urls::admin_environment(project.name.as_str(), one.name.as_str());
                (one.name.to_string(), url)
            })
            .collect(),
    };
    let rows = inventory.projects.iter().map(row).collect();
    html(&ListPage {
        frame: visitor.frame("Projects · Admin", Section::Admin).await?,
        tabs: tabs(&visitor, Part::Projects),
        rows,
    })
}

fn method_word(method: SyncMethod) -> &'static str {
    match method {
        SyncMethod::InPlace => "In place",
        SyncMethod::Symlink => "Symlink",
    }
}

/// `GET /admin/new/project`
#[handler]
pub async fn new(visitor: Visitor) -> Result<Response> {
    may_configure(&visitor).await?;
    let form = ProjectForm {
        method: SyncMethod::Symlink.as_str().to_owned(),
        ..ProjectForm::default()
    };
    html(&page(&visitor, None, form).await?)
}

/// `POST /admin/new/project`
#[handler]
pub async fn add(visitor: Visitor, Form(sent): Form<Sent>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    if sent.act == "probe" {
        return probe(&visitor, &permit, None, sent.form).await;
    }
    match projects::add(visitor.app(), &permit, &sent.form).await {
        Ok(project) => {
            let said = format!(
                "Project “{}” is added. Now say where it is deployed to.",
                project.name
            );
            visitor.flash(Flash::done(said)).await?;
            Ok(go_to(&urls::admin_project(project.name.as_str())))
        }
        Err(error) if error.kind() == ErrorKind::Invalid => {
            let page = page(&visitor, None, sent.form).await?;
            refused(&ProjectPage {
                complaints: Complaints::of_error(&error),
                ..page
            })
        }
        Err(error) => Err(error),
    }
}

/// `GET /admin/projects/{project}`
#[handler]
pub async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let (project, permit) = projects::open(visitor.app(), visitor.actor(), &name).await?;
    let form = ProjectForm::of(&project);
    html(&page(&visitor, Some((&project, &permit)), form).await?)
}

/// `POST /admin/projects/{project}`
#[handler]
pub async fn edit(visitor: Visitor, Path(name): Path<String>, Form(sent): Form<Sent>) -> Result<Response> {
    let (project, permit) = projects::open(visitor.app(), visitor.actor(), &name).await?;
    if sent.act == "probe" {
        return probe(&visitor, &permit, Some(&project), sent.form).await;
    }
    match projects::edit(visitor.app(), &permit, project.id, &sent.form).await {
        Ok(changed) => {
            visitor
                .flash(Flash::done(format!("Project “{}” is saved.", changed.name)))
                .await?;
            Ok(go_to(&urls::admin_project(changed.name.as_str())))
        }
        Err(error) if error.kind() == ErrorKind::Invalid => {
            let page = page(&visitor, Some((&project, &permit)), sent.form).await?;
            refused(&ProjectPage {
                complaints: Complaints::of_error(&error),
                ..page
            })
        }
        Err(error) => Err(error),
    }
}

/// Tries the repository and shows the form as it was sent, with what was found.
async fn probe(
    visitor: &Visitor,
    permit: &Permit,
    existing: Option<&Project>,
    form: ProjectForm,
) -> Result<Response> {
    let found = projects::probe(visitor.app(), permit, &form.git_url).await;
    let page = page(visitor, existing.map(|project| (project, permit)), form).await?;
    match found {
        Ok(branches) => html(&ProjectPage { branches, ..page }),
        Err(error) if error.kind() == ErrorKind::Invalid => refused(&ProjectPage {
            complaints: Complaints::of_error(&error),
            ..page
        }),
        Err(error) => Err(error),
    }
}

/// `POST /admin/projects/{project}/delete`
#[handler]
pub async fn delete(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let app = visitor.app();
    let outcome = async {
        let (project, permit) = projects::open(app, visitor.actor(), &name).await?;
        projects::delete(app, &permit, project.id).await?;
        Ok(format!(
            "Project “{}” is deleted. Its history stays; what is on the servers stays too.",
            project.name
        ))
    };
    let outcome = outcome.await;
    settle(
        &visitor,
        outcome,
        urls::admin_projects(),
        &urls::admin_project(&name),
    )
    .await
}

async fn page(
    visitor: &Visitor,
    existing: Option<(&Project, &Permit)>,
    form: ProjectForm,
) -> Result<ProjectPage> {
    let name = existing
        .map(|(project, _)| project.name.to_string())
        .unwrap_or_default();
    let title = if name.is_empty() {
        "Add a project"
    } else {
        name.as_str()
    };
    let action = if name.is_empty() {
        urls::admin_new_project().to_owned()
    } else {
        urls::admin_project(&name)
    };
    let environments = match existing {
        Some((project, permit)) => rows(&inventory::read(visitor.app(), permit).await?, project),
        None => Vec::new(),
    };
    Ok(ProjectPage {
        frame: visitor.frame(title, Section::Admin).await?,
        trail: vec![
            ("Admin", urls::admin().to_owned()),
            ("Projects", urls::admin_projects().to_owned()),
        ],
        delete: urls::admin_act(&action, "delete"),
        new_environment: urls::admin_new_environment(&name),
        name,
        action,
        form,
        complaints: Complaints::default(),
        methods: METHODS,
        branches: Vec::new(),
        environments,
    })
}

fn rows(inventory: &Inventory, project: &Project) -> Vec<EnvironmentRow> {
    let own: Vec<&Environment> = inventory.environments_of(project.id).collect();
    let last = own.len().saturating_sub(1);
    let row = |(place, environment): (usize, &&Environment)| {
        let clusters = environment
            .clusters
            .iter()
            .filter_map(|id| inventory.cluster(*id));
        let clusters: Vec<&str> = clusters.map(|cluster| cluster.name.as_str()).collect();
        let servers = inventory.servers_of(environment);
        let active = servers.iter().filter(|server| server.active).count();
        let url = urls::admin_environment(project.name.as_str(), environment.name.as_str());
        EnvironmentRow {
            name: environment.name.to_string(),
            shift: urls::admin_act(&url, "move"),
            url,
            branch: environment.branch.to_string(),
            target: format!("{}:{}", environment.remote_user, environment.target_path),
            clusters: clusters.join(", "),
            servers: format::count(i64::try_from(active).unwrap_or(i64::MAX), "active server"),
            is_bare: active == 0,
            auto_deploy: environment.auto_deploy,
            is_first: place == 0,
            is_last: place == last,
        }
    };
    own.iter().enumerate().map(row).collect()
}
