//! Stores the demo's servers, clusters, projects, environments and past deployments.
//!
//! All in one transaction, so a demo that was stopped during its first start is empty, not half
//! full.

use std::collections::HashMap;
use std::path::Path;

use serde_json::json;

use super::fleet::{FLEET, REMOTE_USER};
use super::past::{SampleDeployment, SampleServer};
use super::policy;
use super::repositories::Sample;
use super::ssh_server::Listening;
use super::targets::{self, Laid};
use crate::access::Permit;
use crate::domain::server::Member;
use crate::domain::{
    Actor, Author, BalancerId, Cluster, ClusterId, Deployment, Environment, EnvironmentId, Error, Event,
    EventKind, Extras, HostKey, Project, ProjectId, Result, Server, ServerId, Target,
};
use crate::store::deployments::{NewDeployment, NewPart, PastDeployment, insert_past};
use crate::store::releases::NewRelease;
use crate::store::{Change, Store, clusters, environments, projects, servers};

/// Where servers and people are.
const HERE: &str = "127.0.0.1";

/// What is stored already, by name.
#[derive(Default)]
struct Rows {
    servers: HashMap<String, ServerId>,
    clusters: HashMap<&'static str, ClusterId>,
    projects: HashMap<&'static str, Project>,
    environments: HashMap<(&'static str, &'static str), Environment>,
}

/// Fills the store and returns what has to be on the servers, whose home directories are in
/// `homes`.
pub async fn fill(
    (store, operator): (&Store, &Permit),
    listening: &[Listening],
    samples: &[Sample],
    past: &[SampleDeployment],
    homes: &Path,
) -> Result<Vec<Laid>> {
    let mut change = store.change(operator, operator.at()).await?;
    let mut rows = Rows::default();
    for one in listening {
        let id = insert_server(&change, operator, one).await?;
        rows.servers.insert(one.name.clone(), id);
    }
    insert_clusters(&change, &mut rows).await?;
    insert_projects(&change, samples, &mut rows).await?;
    insert_environments(&change, &mut rows).await?;
    let mut laid: Vec<Laid> = Vec::new();
    for deployment in past {
        let stored = to_store(deployment, &rows, homes)?;
        let id = insert_past(&change, &stored).await?;
        let stored = Deployment {
            id,
            ..stored.ended.deployment
        };
        let author = Author {
            address: HERE.to_owned(),
            ..Author::of(&stored)
        };
        change.also_then(author, stored.queued_at, Event::requested(&stored));
        for server in deployment.servers.iter().filter(|server| server.released) {
            laid.retain(|one| (one.server, &one.place.path) != (server.name, &deployment.place.path));
            laid.push(Laid {
                server: server.name,
                place: deployment.place,
                commit: deployment.commit.id.clone(),
                deployment: id,
                at: deployment.finished_at,
            });
        }
    }
    change.commit(brought_in(past.len())).await?;
    Ok(laid)
}

/// Updates a store that was filled before: the servers' ports and host keys are new at each start.
pub async fn update_servers(store: &Store, operator: &Permit, listening: &[Listening]) -> Result<()> {
    let change = store.change(operator, operator.at()).await?;
    let known = servers::list(&change).await?;
    for mut server in known {
        // A server the visitor has added or renamed is theirs.
        let Some(now) = listening.iter().find(|one| one.name == server.name.as_str()) else {
            continue;
        };
        if server.port != now.port {
            server.port = now.port;
            servers::update(&change, &server).await?;
        }
        servers::pin_host_key(&change, server.id, &pinned(operator, now)).await?;
    }
    let detail = json!({ "servers": listening.len() });
    let event = Event::new(EventKind::ServerChanged, detail).about("the demo's servers");
    change.commit(event).await
}

/// The host key that a server shows, as pinned by the demo.
fn pinned(operator: &Permit, server: &Listening) -> HostKey {
    HostKey {
        openssh: server.host_key.openssh.clone(),
        fingerprint: server.host_key.fingerprint.clone(),
        pinned_at: operator.at(),
        pinned_by: operator.actor().name.clone(),
    }
}

async fn insert_server(change: &Change, operator: &Permit, listening: &Listening) -> Result<ServerId> {
    let server = Server {
        id: ServerId(0),
        name: name(&listening.name)?,
        address: HERE.to_owned(),
        port: listening.port,
        active: listening.name != FLEET.inactive,
        host_key: None,
        key: None,
        legacy: false,
        via: Vec::new(),
    };
    let id = servers::insert(change, &server).await?.id;
    servers::pin_host_key(change, id, &pinned(operator, listening)).await?;
    Ok(id)
}

async fn insert_clusters(change: &Change, rows: &mut Rows) -> Result<()> {
    for plan in &FLEET.clusters {
        let member = |server: &String| {
            let server = rows.servers.get(server.as_str()).copied();
            server.map(|server| Member {
                server,
                balancer_name: None,
            })
        };
        let cluster = Cluster {
            id: ClusterId(0),
            name: name(&plan.name)?,
            balancer: None::<BalancerId>,
            backends: Vec::new(),
            members: plan.servers.iter().filter_map(member).collect(),
            projects: Vec::new(),
            via: Vec::new(),
        };
        let id = clusters::insert(change, &cluster).await?.id;
        rows.clusters.insert(&plan.name, id);
    }
    Ok(())
}

async fn insert_projects(change: &Change, samples: &[Sample], rows: &mut Rows) -> Result<()> {
    for sample in samples {
        let url = url::Url::from_file_path(&sample.path)
            .map_err(|()| Error::invalid("The demo's directory has to be an absolute path."))?;
        let project = Project {
            id: ProjectId(0),
            name: name(&sample.project.name)?,
            description: sample.project.description.clone(),
            git_url: url.to_string(),
            key: None,
            method: sample.project.method,
            extras: Extras::default(),
            notify: Vec::new(),
        };
        let project = projects::insert(change, &project).await?;
        rows.projects.insert(&sample.project.name, project);
    }
    Ok(())
}

async fn insert_environments(change: &Change, rows: &mut Rows) -> Result<()> {
    for place in &FLEET.environments {
        let Some(project) = rows.projects.get(place.project.as_str()) else {
            continue;
        };
        let environment = Environment {
            id: EnvironmentId(0),
            project_id: project.id,
            name: name(&place.name)?,
            branch: checked(&place.branch)?,
            target_path: checked(&place.path)?,
            remote_user: REMOTE_USER.to_owned(),
            position: place.position,
            auto_deploy: false,
            fail_on_failed_tests: true,
            clusters: place
                .clusters
                .iter()
                .filter_map(|cluster| rows.clusters.get(cluster.as_str()).copied())
                .collect(),
            options: place.options.clone(),
        };
        let environment = environments::insert(change, &environment).await?;
        rows.environments
            .insert((&place.project, &place.name), environment);
    }
    Ok(())
}

fn to_store(past: &SampleDeployment, rows: &Rows, homes: &Path) -> Result<PastDeployment> {
    let unknown = || Error::internal("the demo's history names something that the demo does not have");
    let place = past.place;
    let project = rows.projects.get(place.project.as_str()).ok_or_else(unknown)?;
    let names = (place.project.as_str(), place.name.as_str());
    let environment = rows.environments.get(&names).ok_or_else(unknown)?;
    let server_id = |server: &str| rows.servers.get(server).copied().ok_or_else(unknown);
    let target = match past.only {
        None => Target::Environment,
        Some(server) => Target::Server {
            id: server_id(server)?,
            name: server.to_owned(),
        },
    };
    let mut servers = Vec::with_capacity(past.servers.len());
    let mut releases = Vec::new();
    for server in &past.servers {
        let id = server_id(server.name)?;
        servers.push(NewPart {
            state: server.state,
            previous_commit: server.previous.clone(),
            on_server: server.on_server,
            cause: server.cause.clone(),
            ..NewPart::new(id, server.name, server.cluster)
        });
        if server.released {
            releases.push(release(past, server, id, environment.id, homes));
        }
    }
    let actor = Actor::user(past.actor, HERE);
    let commit = past.commit.id.clone();
    let deployment = Deployment {
        target,
        commit_title: past.commit.title.clone(),
        previous_commit: past.previous.clone(),
        kind: past.kind,
        reason: past.reason.to_owned(),
        permit: policy::line_for(past.actor, past.kind, place),
        state: past.state,
        phase: past.phase,
        started_at: Some(past.started_at),
        finished_at: Some(past.finished_at),
        cancelled_by: past.cancelled_by.map(str::to_owned),
        outcome: past.outcome.clone(),
        ..Deployment::new(project, environment, commit, &actor, past.queued_at)
    };
    Ok(PastDeployment {
        ended: NewDeployment::new(deployment, servers),
        steps: past.steps.clone(),
        releases,
    })
}

fn release(
    past: &SampleDeployment,
    server: &SampleServer,
    server_id: ServerId,
    environment_id: EnvironmentId,
    homes: &Path,
) -> NewRelease {
    NewRelease {
        server_id,
        server: server.name.to_owned(),
        environment_id,
        branch: past.place.branch.clone(),
        commit: past.commit.id.clone(),
        path: targets::target(homes, server.name, past.place)
            .display()
            .to_string(),
        at: past.finished_at,
    }
}

fn brought_in(deployments: usize) -> Event {
    let detail = json!({ "deployments": deployments });
    Event::new(EventKind::HistoryBroughtIn, detail)
}

fn name(text: &str) -> Result<crate::domain::Name> {
    checked(text)
}

fn checked<T: std::str::FromStr<Err = String>>(text: &str) -> Result<T> {
    text.parse().map_err(Error::invalid)
}
