//! Clusters: added, edited, deleted.

use serde_json::{Value, json};

use super::{Wrongs, demand_everything, name, record};
use crate::access::Permit;
use crate::app::App;
use crate::domain::{Cluster, ClusterId, Member, Name, Result, ServerId};
use crate::store::{Reader, clusters, servers};

/// The form of a cluster, as typed.
#[derive(Debug, Clone, Default)]
pub struct ClusterForm {
    /// See [`Cluster::name`].
    pub name: String,
    /// The servers chosen, in the order wanted.
    pub members: Vec<ServerId>,
}

impl ClusterForm {
    /// The form of a cluster as it is.
    pub fn of(cluster: &Cluster) -> Self {
        Self {
            name: cluster.name.to_string(),
            members: cluster.members.iter().map(|member| member.server).collect(),
        }
    }

    /// What the form does not show is kept from `before`.
    fn check(&self, before: Option<&Cluster>) -> Result<Cluster> {
        let mut wrong = Wrongs::default();
        let Some(name) = wrong.take("name", name(&self.name)) else {
            return Err(wrong.into_error());
        };
        let known = |server: ServerId| {
            let members = before
                .map(|cluster| cluster.members.as_slice())
                .unwrap_or_default();
            let kept = members.iter().find(|member| member.server == server);
            kept.cloned().unwrap_or(Member {
                server,
                balancer_name: None,
            })
        };
        Ok(Cluster {
            id: before.map_or(ClusterId(0), |cluster| cluster.id),
            name,
            balancer: before.and_then(|cluster| cluster.balancer),
            backends: before.map(|cluster| cluster.backends.clone()).unwrap_or_default(),
            members: self.members.iter().copied().map(known).collect(),
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
    let tx = app.store.begin().await?;
    let cluster = clusters::insert(&tx, &cluster).await?;
    let detail = told(&tx, &cluster).await?;
    record(
        &tx,
        permit,
        "cluster.added",
        resource(&cluster.name),
        app.now(),
        detail,
    )
    .await?;
    tx.commit().await?;
    Ok(cluster)
}

/// Changes a cluster. A form sent twice changes nothing the second time.
///
/// # Errors
/// Complaints about fields; not found.
pub async fn edit(app: &App, permit: &Permit, id: ClusterId, form: &ClusterForm) -> Result<Cluster> {
    demand_everything(permit)?;
    let tx = app.store.begin().await?;
    let before = clusters::by_id(&tx, id).await?;
    let changed = form.check(Some(&before))?;
    if before != changed {
        let told_before = told(&tx, &before).await?;
        clusters::update(&tx, &changed).await?;
        let detail = super::changes(&told_before, &told(&tx, &changed).await?);
        record(
            &tx,
            permit,
            "cluster.changed",
            resource(&before.name),
            app.now(),
            detail,
        )
        .await?;
        tx.commit().await?;
    }
    Ok(changed)
}

/// Deletes a cluster and takes it out of its environments; its servers stay.
///
/// # Errors
/// Not found.
pub async fn delete(app: &App, permit: &Permit, id: ClusterId) -> Result<Cluster> {
    demand_everything(permit)?;
    let tx = app.store.begin().await?;
    let cluster = clusters::by_id(&tx, id).await?;
    let detail = told(&tx, &cluster).await?;
    clusters::delete(&tx, id).await?;
    record(
        &tx,
        permit,
        "cluster.deleted",
        resource(&cluster.name),
        app.now(),
        detail,
    )
    .await?;
    tx.commit().await?;
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
    Ok(json!({ "name": cluster.name, "servers": members }))
}
