//! Clusters: added, changed, deleted.

use serde_json::{Value, json};

use super::demand_everything;
use crate::access::Permit;
use crate::app::App;
use crate::balancer::BackendSlot;
use crate::domain::{BalancerId, Cluster, ClusterId, Event, EventKind, FieldErrors, Member, Name, Result};
use crate::store::{Reader, balancers, clusters, servers};

/// The command to add or change a cluster. Its fields are those of [`Cluster`].
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    pub name: Name,
    pub members: Vec<Member>,
    pub balancer: Option<BalancerId>,
    pub backends: Vec<String>,
}

impl ClusterSpec {
    fn check(self, id: ClusterId) -> Result<Cluster> {
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
        })
    }
}

/// A cluster by its name.
pub async fn by_name(app: &App, permit: &Permit, name: &str) -> Result<Cluster> {
    demand_everything(permit)?;
    clusters::by_name(&app.store, name).await
}

/// Adds a cluster.
pub async fn add(app: &App, permit: &Permit, spec: ClusterSpec) -> Result<Cluster> {
    demand_everything(permit)?;
    let cluster = spec.check(ClusterId(0))?;
    let change = app.store.change(permit, app.now()).await?;
    let cluster = clusters::insert(&change, &cluster).await?;
    let detail = told(&change, &cluster).await?;
    change
        .commit(Event::new(EventKind::ClusterAdded, detail).about(resource(&cluster.name)))
        .await?;
    Ok(cluster)
}

/// Changes a cluster; the same command again changes nothing.
pub async fn edit(app: &App, permit: &Permit, id: ClusterId, spec: ClusterSpec) -> Result<Cluster> {
    demand_everything(permit)?;
    let change = app.store.change(permit, app.now()).await?;
    let before = clusters::by_id(&change, id).await?;
    let changed = spec.check(id)?;
    if before != changed {
        let told_before = told(&change, &before).await?;
        clusters::update(&change, &changed).await?;
        let detail = super::changes(&told_before, &told(&change, &changed).await?);
        change
            .commit(Event::new(EventKind::ClusterChanged, detail).about(resource(&before.name)))
            .await?;
    }
    Ok(changed)
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
    let other_names: Vec<String> = cluster
        .members
        .iter()
        .filter_map(|member| Some(format!("{} is {}", name(member), member.balancer_name.as_ref()?)))
        .collect();
    Ok(json!({
        "name": cluster.name, "servers": members, "balancer": balancer,
        "backends": cluster.backends, "balancer_names": other_names,
    }))
}
