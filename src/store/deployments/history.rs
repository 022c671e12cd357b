//! All deployments, newest first, filtered and cut into pages.
//!
//! Numbers grow with time, so a span of time is turned into a span of numbers first: the page
//! is then cut along one index, whatever else it is filtered by.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::super::Reader;
use super::super::columns::micros;
use super::super::entities::deployments::{Column, Entity};
use super::super::page::{self, Page, Paged};
use super::from_row;
use crate::domain::{Deployment, DeploymentState, Instant, Kind, Result};

/// Which deployments; the default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this project, by the name it had.
    pub project: Option<String>,
    /// To this environment, by the name it had.
    pub environment: Option<String>,
    /// Asked for by this user.
    pub actor: Option<String>,
    /// In one of these states; empty: in any.
    pub states: Vec<DeploymentState>,
    /// Of one of these kinds; empty: of any.
    pub kinds: Vec<Kind>,
    /// Asked for at this instant or later.
    pub from: Option<Instant>,
    /// Asked for before this instant.
    pub to: Option<Instant>,
}

/// A page of `limit` deployments.
pub async fn history(on: &impl Reader, filter: &Filter, page: Page, limit: u64) -> Result<Paged<Deployment>> {
    let mut rows = narrowed(filter);
    if let Some(from) = filter.from {
        match first_since(on, from).await? {
            Some(id) => rows = rows.filter(Column::Id.gte(id)),
            None => {
                return Ok(Paged {
                    items: Vec::new(),
                    older: None,
                    newer: None,
                });
            }
        }
    }
    if let Some(to) = filter.to
        && let Some(id) = first_since(on, to).await?
    {
        rows = rows.filter(Column::Id.lt(id));
    }
    let paged = page::cut(on, rows, (Column::Id, |row| row.id), page, limit).await?;
    paged.try_map(from_row)
}

fn narrowed(filter: &Filter) -> Select<Entity> {
    let mut rows = Entity::find();
    if let Some(project) = &filter.project {
        rows = rows.filter(Column::Project.eq(project));
    }
    if let Some(environment) = &filter.environment {
        rows = rows.filter(Column::Environment.eq(environment));
    }
    if let Some(actor) = &filter.actor {
        rows = rows.filter(Column::Actor.eq(actor));
    }
    // One value is an equality, which keeps the index in the order of the page.
    rows = match filter.states.as_slice() {
        [] => rows,
        [state] => rows.filter(Column::State.eq(state.as_str())),
        many => rows.filter(Column::State.is_in(many.iter().map(|one| one.as_str()))),
    };
    match filter.kinds.as_slice() {
        [] => rows,
        [kind] => rows.filter(Column::Kind.eq(kind.as_str())),
        many => rows.filter(Column::Kind.is_in(many.iter().map(|one| one.as_str()))),
    }
}

/// The number of the first deployment asked for at `instant` or later.
async fn first_since(on: &impl Reader, instant: Instant) -> Result<Option<i64>> {
    Ok(Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::QueuedAt.gte(micros(instant)))
        .order_by_asc(Column::QueuedAt)
        .order_by_asc(Column::Id)
        .limit(1)
        .into_tuple()
        .one(on.db())
        .await?)
}
