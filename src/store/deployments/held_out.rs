//! Where at which endpoint of a balancer a server is out of service because of a deployment.
//!
//! A row is about what is at one HAProxy, and stays while that HAProxy is in no balancer's row: when it is
//! entered again, nobody takes our own maintenance for the decision of a person. It is written before a server
//! is taken out, and deleted when it was put back there.

use sea_orm::{ActiveValue::NotSet, ActiveValue::Set};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::super::columns::word;
use super::super::entities::held_out::{ActiveModel, Column, Entity, Model};
use super::super::{Change, Reader, Write, insert_all};
use crate::domain::endpoints::AtEndpoint;
use crate::domain::rollout::EndpointPlace;
use crate::domain::{DeploymentId, Result, ServerId, Split};

/// A place at one endpoint where a server is out of service because of a deployment, or may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOut {
    pub server: ServerId,
    /// The deployment that took it out there last.
    pub deployment: DeploymentId,
    pub place: EndpointPlace,
    pub state: AtEndpoint,
}

impl HeldOut {
    /// Whether it was not put back there since.
    pub fn is_out(&self) -> bool {
        self.state != AtEndpoint::PutBack
    }
}

/// All of them, oldest first.
pub async fn held_out(on: &impl Reader) -> Result<Vec<HeldOut>> {
    let rows = Entity::find().order_by_asc(Column::Id).all(on.db()).await?;
    rows.into_iter().map(from_row).collect()
}

/// Those of one deployment, oldest first.
pub(super) async fn of_deployment(on: &impl Reader, id: DeploymentId) -> Result<Vec<HeldOut>> {
    let rows = Entity::find()
        .filter(Column::DeploymentId.eq(id.0))
        .order_by_asc(Column::Id)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}

/// Notes what is known of places where `deployment` has taken `server` out, or is about to.
pub async fn hold_out(
    tx: &impl Write,
    (server, deployment): (ServerId, DeploymentId),
    places: &[EndpointPlace],
    state: AtEndpoint,
) -> Result<()> {
    let_in(tx, places).await?;
    let row = |place: &EndpointPlace| ActiveModel {
        id: NotSet,
        server_id: Set(server.0),
        deployment_id: Set(deployment.0),
        endpoint: Set(Some(place.endpoint.clone())),
        backend: Set(place.backend.clone()),
        place: Set(place.server.clone()),
        state: Set(state.as_str().to_owned()),
    };
    insert_all(tx, places.iter().map(row).collect()).await
}

/// Forgets that servers are out at these places: they were put back there, or are a person's from now on.
pub async fn let_in(tx: &impl Write, places: &[EndpointPlace]) -> Result<()> {
    for place in places {
        Entity::delete_many()
            .filter(Column::Endpoint.eq(&place.endpoint))
            .filter(Column::Backend.eq(&place.backend))
            .filter(Column::Place.eq(&place.server))
            .exec(tx.db())
            .await?;
    }
    Ok(())
}

/// Forgets where `deployment` has `server` out: a person decided about it.
pub async fn forget(change: &Change, server: ServerId, deployment: DeploymentId) -> Result<()> {
    Entity::delete_many()
        .filter(Column::ServerId.eq(server.0))
        .filter(Column::DeploymentId.eq(deployment.0))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Where a server that `deployment` left out is in service all the same, and where it is not.
pub(super) fn split(held: &[HeldOut], server: ServerId, deployment: DeploymentId) -> Option<Split> {
    let own = || {
        held.iter()
            .filter(move |one| (one.server, one.deployment) == (server, deployment))
    };
    let first = own().next()?;
    let is_one = own().all(|one| one.place.backend == first.place.backend);
    let mut split = Split::default();
    for one in own() {
        let EndpointPlace {
            endpoint, backend, ..
        } = &one.place;
        let side = match one.state {
            AtEndpoint::PutBack => &mut split.inside,
            AtEndpoint::TakenOut | AtEndpoint::SeenOut => &mut split.outside,
        };
        side.push(match is_one {
            true => endpoint.clone(),
            false => format!("{endpoint} ({backend})"),
        });
    }
    (!split.inside.is_empty() && !split.outside.is_empty()).then_some(split)
}

fn from_row(row: Model) -> Result<HeldOut> {
    Ok(HeldOut {
        server: ServerId(row.server_id),
        deployment: DeploymentId(row.deployment_id),
        place: EndpointPlace {
            endpoint: row.endpoint.unwrap_or_default(),
            backend: row.backend,
            server: row.place,
        },
        state: word("a server's state at an endpoint", &row.state, AtEndpoint::parse)?,
    })
}
