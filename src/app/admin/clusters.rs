//! Clusters: added, changed, deleted.

use serde_json::{Value, json};

use super::demand_everything;
use super::inventory::knows_project;
use super::jump_hosts::{self, JumpHosts, WithJumpHosts};
use super::server_events::via_lines;
use crate::access::Permit;
use crate::app::App;
use crate::balancer::BackendSlot;
use crate::domain::{
    BalancerId, Cluster, ClusterId, Error, Event, EventKind, FieldErrors, Hop, Member, Name, ProjectId,
    Result,
};
use crate::store::{Reader, balancers, clusters, environments, projects, servers};

/// The command to add or change a cluster. Its fields are those of [`Cluster`].
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    pub name: Name,
    pub members: Vec<Member>,
    pub balancer: Option<BalancerId>,
    pub backends: Vec<String>,
    pub projects: Vec<ProjectId>,
    pub via: JumpHosts,
}

impl ClusterSpec {
    fn check(mut self, id: ClusterId, via: Vec<Hop>) -> Result<Cluster> {
        self.projects.sort();
        self.projects.dedup();
        let mut wrong = FieldErrors::default();
        if self.balancer.is_some() && self.backends.is_empty() {
            wrong.add(
                "backends",
                "Enter the balancer's backends that its servers are in.",
            );
        }
        for member in &self.members {
            let slot = member.balancer_name.as_deref().unwrap_or("server");
            // “backend,server” names both.
            let (own, slot) = match slot.split_once(',') {
                Some((own, server)) => (own.trim(), server.trim()),
                None => ("backend", slot),
            };
            for backend in self.backends.iter().map(String::as_str).chain([own]) {
                if let Err(error) = BackendSlot::new(backend, slot) {
                    wrong.add("backends", error.to_string());
                }
            }
        }
        wrong.none()?;
        Ok(Cluster {
            id,
            name: self.name,
            balancer: self.balancer,
            backends: self.backends,
            members: self.members,
            projects: self.projects,
            via,
        })
    }
}

/// A cluster by its name.
pub async fn by_name(app: &App, permit: &Permit, name: &str) -> Result<Cluster> {
    demand_everything(permit)?;
    clusters::by_name(&app.store, name).await
}

/// Adds a cluster.
pub async fn add(app: &App, permit: &Permit, spec: ClusterSpec) -> Result<WithJumpHosts<Cluster>> {
    demand_everything(permit)?;
    let mut change = app.store.change(permit, app.now()).await?;
    let (via, added) = jump_hosts::settle(&mut change, spec.via.clone()).await?;
    let cluster = spec.check(ClusterId(0), via)?;
    demand_projects(&change, &cluster).await?;
    let cluster = clusters::insert(&change, &cluster).await?;
    jump_hosts::demand_ways(&change).await?;
    let detail = told(&change, &cluster).await?;
    change
        .commit(Event::new(EventKind::ClusterAdded, detail).about(resource(&cluster.name)))
        .await?;
    Ok(WithJumpHosts {
        stored: cluster,
        added,
    })
}

/// Changes a cluster; the same command again changes nothing.
pub async fn edit(
    app: &App,
    permit: &Permit,
    id: ClusterId,
    spec: ClusterSpec,
) -> Result<WithJumpHosts<Cluster>> {
    demand_everything(permit)?;
    let mut change = app.store.change(permit, app.now()).await?;
    let before = clusters::by_id(&change, id).await?;
    let (via, added) = jump_hosts::settle(&mut change, spec.via.clone()).await?;
    let mut changed = spec.check(id, via)?;
    keep_hidden(app, permit, &change, &before, &mut changed).await?;
    if before != changed {
        demand_projects(&change, &changed).await?;
        keep_open_to_users(&change, &changed).await?;
        let told_before = told(&change, &before).await?;
        clusters::update(&change, &changed).await?;
        jump_hosts::demand_ways(&change).await?;
        let detail = super::changes(&told_before, &told(&change, &changed).await?);
        change
            .commit(Event::new(EventKind::ClusterChanged, detail).about(resource(&before.name)))
            .await?;
    }
    Ok(WithJumpHosts {
        stored: changed,
        added,
    })
}

/// A form names no project that its sender may not know of: those stay as they were.
async fn keep_hidden(
    app: &App,
    permit: &Permit,
    on: &impl Reader,
    before: &Cluster,
    changed: &mut Cluster,
) -> Result<()> {
    let all = projects::list(on).await?;
    let hidden = all
        .iter()
        .filter(|project| before.projects.contains(&project.id) && !knows_project(app, permit, project));
    changed.projects.extend(hidden.map(|project| project.id));
    changed.projects.sort();
    changed.projects.dedup();
    Ok(())
}

/// Refuses projects that do not exist.
async fn demand_projects(on: &impl Reader, cluster: &Cluster) -> Result<()> {
    let all = projects::list(on).await?;
    let exists = |id: &ProjectId| all.iter().any(|project| project.id == *id);
    match cluster.projects.iter().all(exists) {
        true => Ok(()),
        false => Err(Error::field(
            "projects",
            "One of the projects does not exist any more.",
        )),
    }
}

/// Refuses to close a cluster to a project that deploys to it.
async fn keep_open_to_users(on: &impl Reader, cluster: &Cluster) -> Result<()> {
    let all = environments::all(on).await?;
    let left_out = all
        .iter()
        .find(|one| one.clusters.contains(&cluster.id) && !cluster.projects.contains(&one.project_id));
    let Some(environment) = left_out.filter(|_| !crate::sabotage::on("b2")) else {
        return Ok(());
    };
    let project = projects::by_id(on, environment.project_id).await?;
    Err(Error::field(
        "projects",
        format!(
            "{}/{} deploys to it. Take the cluster out of that environment first.",
            project.name, environment.name
        ),
    ))
}

/// Deletes a cluster and takes it out of its environments; its servers stay.
pub async fn delete(app: &App, permit: &Permit, id: ClusterId) -> Result<Cluster> {
    demand_everything(permit)?;
    let change = app.store.change(permit, app.now()).await?;
    let cluster = clusters::by_id(&change, id).await?;
    let detail = told(&change, &cluster).await?;
    clusters::delete(&change, id).await?;
    change
        .commit(Event::new(EventKind::ClusterDeleted, detail).about(resource(&cluster.name)))
        .await?;
    Ok(cluster)
}

fn resource(name: &Name) -> String {
    format!("cluster {name}")
}

async fn told(on: &impl Reader, cluster: &Cluster) -> Result<Value> {
    let all = servers::list(on).await?;
    let name = |member: &Member| {
        let server = all.iter().find(|server| server.id == member.server);
        server.map_or_else(|| member.server.to_string(), |server| server.name.to_string())
    };
    let members: Vec<String> = cluster.members.iter().map(name).collect();
    let balancer = match cluster.balancer {
        Some(id) => Some(balancers::by_id(on, id).await?.name),
        None => None,
    };
    let open_to: Vec<Name> = projects::list(on)
        .await?
        .into_iter()
        .filter(|project| cluster.projects.contains(&project.id))
        .map(|project| project.name)
        .collect();
    let other_names: Vec<String> = cluster
        .members
        .iter()
        .filter_map(|member| Some(format!("{} is {}", name(member), member.balancer_name.as_ref()?)))
        .collect();
    Ok(json!({
        "name": cluster.name, "servers": members, "balancer": balancer,
        "backends": cluster.backends, "balancer_names": other_names, "projects": if crate::sabotage::on("b4") { Vec::new() } else { open_to },
        "jump_hosts": via_lines(&all, &cluster.via),
    }))
}
