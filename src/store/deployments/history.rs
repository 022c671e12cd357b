//! All deployments, newest first, filtered and cut into pages.
//!
//! Numbers grow with time, so a span of time is turned into a span of numbers first: the page
//! is then cut along one index, whatever else it is filtered by.

use std::collections::BTreeMap;

use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    Statement,
};

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
    /// Only in these projects and environments, by the names they had; `None`: anywhere.
    pub places: Option<Vec<Place>>,
}

/// A project and an environment, by the names they had.
pub type Place = (String, String);

/// Every pair of project and environment that was ever deployed to. Steps through an index from
/// pair to pair, so that it costs as much as there are pairs, however many deployments there are.
const PLACES: &str = "WITH RECURSIVE \
    named(project) AS ( \
        SELECT MIN(project) FROM deployments \
        UNION ALL \
        SELECT (SELECT MIN(d.project) FROM deployments d WHERE d.project > named.project) \
        FROM named WHERE named.project IS NOT NULL), \
    places(project, environment) AS ( \
        SELECT named.project, \
            (SELECT MIN(d.environment) FROM deployments d WHERE d.project = named.project) \
        FROM named WHERE named.project IS NOT NULL \
        UNION ALL \
        SELECT places.project, (SELECT MIN(d.environment) FROM deployments d \
            WHERE d.project = places.project AND d.environment > places.environment) \
        FROM places WHERE places.environment IS NOT NULL) \
    SELECT project, environment FROM places WHERE environment IS NOT NULL \
    ORDER BY project, environment";

/// Every project and environment that was ever deployed to, in order of their names.
pub async fn places(on: &impl Reader) -> Result<Vec<Place>> {
    let statement = Statement::from_string(on.db().get_database_backend(), PLACES);
    let rows = on.db().query_all_raw(statement).await?;
    let pair = |row: sea_orm::QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
    rows.into_iter().map(pair).collect()
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
    if let Some(places) = &filter.places {
        rows = rows.filter(among(places));
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

/// In one of `places`; in none of them where there are none.
fn among(places: &[Place]) -> Condition {
    let mut projects: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (project, environment) in places {
        projects.entry(project).or_default().push(environment);
    }
    let mut any = Condition::any();
    for (project, environments) in projects {
        let project = Column::Project.eq(project);
        any = any.add(match environments.as_slice() {
            [one] => project.and(Column::Environment.eq(*one)),
            many => project.and(Column::Environment.is_in(many.iter().copied())),
        });
    }
    if places.is_empty() {
        any = any.add(Column::Id.lt(0));
    }
    any
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
