//! Clusters: added, edited, deleted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Wrongs, demand_everything, lines, name};
use crate::access::Permit;
use crate::app::App;
use crate::balancer::Slot;
use crate::domain::{BalancerId, Cluster, ClusterId, Event, EventKind, Member, Name, Result, ServerId};
use crate::store::{Reader, balancers, clusters, servers};

/// The form of a cluster, as typed.
#[derive(Debug, Clone, Default)]
pub struct ClusterForm {
    /// See [`Cluster::name`].
    pub name: String,
    /// The servers chosen, in the order wanted.
    pub members: Vec<ServerId>,
    /// The number of the balancer it stands behind; empty: none.
    pub balancer: String,
    /// The balancer's backends, one per line.
    pub backends: String,
    /// What the balancer calls a server, where it is not what we call it.
    pub balancer_names: BTreeMap<ServerId, String>,
}

impl ClusterForm {
    /// The form of a cluster as it is.
    pub fn of(cluster: &Cluster) -> Self {
        Self {
            name: cluster.name.to_string(),
            members: cluster.members.iter().map(|member| member.server).collect(),
            balancer: cluster.balancer.map(|id| id.to_string()).unwrap_or_default(),
            backends: cluster.backends.join("\n"),
            balancer_names: cluster
                .members
                .iter()
                .filter_map(|member| Some((member.server, member.balancer_name.clone()?)))
                .collect(),
        }
    }

    fn check(&self, before: Option<&Cluster>) -> Result<Cluster> {
        let mut wrong = Wrongs::default();
        let name = wrong.take("name", name(&self.name));
        let backends = lines(&self.backends);
        let balancer = match self.balancer.as_str() {
            "" => None,
            id => {
                let unknown = || "Choose a balancer from the list, or none.".to_owned();
                wrong.take("balancer", id.parse::<BalancerId>().map_err(|_| unknown()))
            }
        };
        if balancer.is_some() && backends.is_empty() {
            wrong.add(
                "backends",
                "Say which of the balancer's backends its servers are in.",
            );
        }
        let mut members = Vec::new();
        for &server in &self.members {
            let called = self.balancer_names.get(&server).map(|text| text.trim());
            let called = called.filter(|text| !text.is_empty()).map(str::to_owned);
            let probe = called.as_deref().unwrap_or("server");
            // “backend,server” names both.
            let (own, probe) = match probe.split_once(',') {
                Some((own, server)) => (own.trim(), server.trim()),
                None => ("backend", probe),
            };
            for backend in backends.iter().map(String::as_str).chain([own]) {
                if let Err(error) = Slot::new(backend, probe) {
                    wrong.add("backends", error.to_string());
                }
            }
            members.push(Member {
                server,
                balancer_name: called,
            });
        }
        let Some(name) = name.filter(|_| wrong.is_empty()) else {
            return Err(wrong.into_error());
        };
        Ok(Cluster {
            id: before.map_or(ClusterId(0), |cluster| cluster.id),
            name,
            balancer,
            backends,
            members,
        })
    }
}

/// One by its name, to be changed.
///
/// # Errors
/// Not found.
pub async fn by_name(app: &App, permit: &Permit, name: &str) -> Result<Cluster> {
    demand_everything(permit)?;
    clusters::by_name(&app.store, name).await
}

/// Adds a cluster.
///
/// # Errors
/// Complaints about fields.
pub async fn add(app: &App, permit: &Permit, form: &ClusterForm) -> Result<Cluster> {
    demand_everything(permit)?;
    let cluster = form.check(None)?;
    let change = app.store.change(permit, app.now()).await?;
    let cluster = clusters::insert(&change, &cluster).await?;
    let detail = told(&change, &cluster).await?;
    change
        .commit(Event::new(EventKind::ClusterAdded, detail).about(resource(&cluster.name)))
        .await?;
    Ok(cluster)
}

/// Changes a cluster. A form sent twice changes nothing the second time.
///
/// # Errors
/// Complaints about fields; not found.
pub async fn edit(app: &App, permit: &Permit, id: ClusterId, form: &ClusterForm) -> Result<Cluster> {
    demand_everything(permit)?;
    let change = app.store.change(permit, app.now()).await?;
    let before = clusters::by_id(&change, id).await?;
    let changed = form.check(Some(&before))?;
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
///
/// # Errors
/// Not found.
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
