//! Stores the demo's servers, clusters, projects, environments and past deployments.
//!
//! All in one transaction, so a demo that was stopped during its first start is empty, not half
//! full.

use std::collections::HashMap;
use std::path::Path;

use serde_json::json;

use super::fleet::{FLEET, REMOTE_USER, SampleEnvironment};
use super::past::{SampleDeployment, SampleServer};
use super::policy;
use super::repositories::Sample;
use super::ssh_server::Listening;
use super::targets::{self, Laid};
use crate::access::Permit;
use crate::domain::log::{Line, Stream};
use crate::domain::server::Member;
use crate::domain::{
    Actor, Author, BalancerId, Cluster, ClusterId, DeploymentId, Environment, EnvironmentId, Error, Event,
    EventKind, HostKey, Project, ProjectId, Result, Server, ServerId, Target,
};
use crate::store::deployments::{
    NewDeployment, NewPart, PastDeployment, PastPart, PastStep, Terms, insert_past,
};
use crate::store::releases::NewRelease;
use crate::store::{Change, Store, clusters, environments, projects, servers};

/// The ids of what is stored already, by name.
#[derive(Default)]
struct Rows {
    servers: HashMap<String, ServerId>,
    clusters: HashMap<&'static str, ClusterId>,
    projects: HashMap<&'static str, ProjectId>,
    environments: HashMap<(&'static str, &'static str), EnvironmentId>,
}

/// Fills the store and returns what has to be on the servers, whose home directories are in
/// `homes`.
///
/// # Errors
/// Of the store.
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
        let id = insert_past(&change, &to_store(deployment, &rows, homes)?).await?;
        let (author, event) = requested(deployment, id);
        change.also_then(author, deployment.queued_at, event);
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
///
/// # Errors
/// Of the store.
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
        address: "127.0.0.1".to_owned(),
        port: listening.port,
        active: listening.name != FLEET.inactive,
        host_key: None,
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
            method: sample.project.method,
            notify: Vec::new(),
        };
        let id = projects::insert(change, &project).await?.id;
        rows.projects.insert(&sample.project.name, id);
    }
    Ok(())
}

async fn insert_environments(change: &Change, rows: &mut Rows) -> Result<()> {
    for place in &FLEET.environments {
        let Some(&project_id) = rows.projects.get(place.project.as_str()) else {
            continue;
        };
        let environment = Environment {
            id: EnvironmentId(0),
            project_id,
            name: name(&place.name)?,
            branch: checked(&place.branch)?,
            target_path: checked(&place.path)?,
            remote_user: REMOTE_USER.to_owned(),
            position: place.position,
            auto_deploy: place.auto_deploy,
            fail_on_failed_tests: true,
            clusters: place
                .clusters
                .iter()
                .filter_map(|cluster| rows.clusters.get(cluster.as_str()).copied())
                .collect(),
            options: place.options.clone(),
        };
        let id = environments::insert(change, &environment).await?.id;
        rows.environments.insert((&place.project, &place.name), id);
    }
    Ok(())
}

fn to_store(past: &SampleDeployment, rows: &Rows, homes: &Path) -> Result<PastDeployment> {
    let unknown = || Error::internal("the demo's history names something that the demo does not have");
    let place = past.place;
    let project_id = *rows.projects.get(place.project.as_str()).ok_or_else(unknown)?;
    let environment_id = rows.environment(place).ok_or_else(unknown)?;
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
        servers.push(new_part(server, id));
        if server.released {
            releases.push(release(past, server, id, environment_id, homes));
        }
    }
    Ok(PastDeployment {
        asked: NewDeployment {
            project_id,
            environment_id,
            project: place.project.clone(),
            environment: place.name.clone(),
            target,
            branch: place.branch.clone(),
            commit: past.commit.id.clone(),
            commit_title: past.commit.title.clone(),
            previous_commit: past.previous.clone(),
            kind: past.kind,
            actor: past.actor.to_owned(),
            groups: Vec::new(),
            impersonator: None,
            reason: past.reason.to_owned(),
            permit: policy::line_for(past.actor, past.kind, place),
            queued_at: past.queued_at,
            terms: Terms::default(),
            scheduled_at: None,
            priority: 0,
            request_key: None,
            servers,
        },
        state: past.state,
        phase: past.phase,
        started_at: Some(past.started_at),
        finished_at: past.finished_at,
        cancelled_by: past.cancelled_by.map(str::to_owned),
        outcome: past.outcome.clone(),
        parts: past.servers.iter().map(part).collect(),
        steps: steps(past),
        releases,
    })
}

fn new_part(server: &SampleServer, server_id: ServerId) -> NewPart {
    NewPart {
        server_id,
        server: server.name.to_owned(),
        cluster: server.cluster.to_owned(),
        skipped: None,
    }
}

fn part(server: &SampleServer) -> PastPart {
    PastPart {
        state: server.state,
        previous_commit: server.previous.clone(),
        detail: server.detail.clone(),
    }
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

fn steps(past: &SampleDeployment) -> Vec<PastStep> {
    let place_of = |server: &str| past.servers.iter().position(|part| part.name == server);
    past.steps
        .iter()
        .map(|step| PastStep {
            server: step.server.and_then(place_of),
            kind: step.kind,
            state: step.state,
            started_at: step.times.map(|(from, _)| from),
            finished_at: step.times.map(|(_, to)| to),
            exit_code: step.exit_code,
            detail: step.detail.clone(),
            lines: step
                .lines
                .iter()
                .map(|text| Line {
                    stream: Stream::Stdout,
                    text: text.clone(),
                })
                .collect(),
        })
        .collect()
}

fn brought_in(deployments: usize) -> Event {
    let detail = json!({ "deployments": deployments });
    Event::new(EventKind::HistoryBroughtIn, detail)
}

/// Who asked for a past deployment, and the event of it.
fn requested(past: &SampleDeployment, id: DeploymentId) -> (Author, Event) {
    let line = policy::line_for(past.actor, past.kind, past.place);
    let author = Author::new(
        &Actor::user(past.actor, "127.0.0.1"),
        line.map(|line| line.to_string()).unwrap_or_default(),
    );
    let detail = json!({
        "commit": past.commit.id.as_str(), "kind": past.kind.as_str(), "reason": past.reason,
    });
    let place = format!("{}/{}", past.place.project, past.place.name);
    let event = Event::deployment(EventKind::DeploymentRequested, id, detail).about(place);
    (author, event)
}

impl Rows {
    fn environment(&self, place: &SampleEnvironment) -> Option<EnvironmentId> {
        self.environments
            .get(&(place.project.as_str(), place.name.as_str()))
            .copied()
    }
}

fn name(text: &str) -> Result<crate::domain::Name> {
    checked(text)
}

fn checked<T: std::str::FromStr<Err = String>>(text: &str) -> Result<T> {
    text.parse().map_err(Error::invalid)
}
