//! All deployments, newest first, filtered and cut into pages.
//!
//! Numbers grow with time, so a span of time is turned into a span of numbers first: the page
//! is then cut along one index, whatever else it is filtered by.
//!
//! Somebody who may see some places only gets a page that is put together from one of each place:
//! asked for all of them at once, databases fetch everything that is visible and sort it.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Alias, ExprTrait, Query, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select, Statement,
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

/// As many places as are asked one by one: SQLite takes no more than 500 parts in a statement, and no
/// more than some thousands of values.
const PLACES_ONE_BY_ONE: usize = 200;

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
    match &filter.places {
        Some(places) if is_cut_along_places(filter, places) => {
            let ids = newest_in_each(on, &rows, places, page, limit).await?;
            rows = Entity::find().filter(Column::Id.is_in(ids));
        }
        Some(places) => rows = rows.filter(among(places)),
        None => {}
    }
    let paged = page::cut(on, rows, (Column::Id, |row| row.id), page, limit).await?;
    paged.try_map(from_row)
}

/// Whether there is an index that leads to the newest of each place. For a kind, and for one of
/// several states, there is none, and walking all of those is the shorter way.
fn is_cut_along_places(filter: &Filter, places: &[Place]) -> bool {
    (1..=PLACES_ONE_BY_ONE).contains(&places.len()) && filter.kinds.is_empty() && filter.states.len() < 2
}

/// The numbers of those among `rows` that a page of `limit` over all `places` may hold.
async fn newest_in_each(
    on: &impl Reader,
    rows: &Select<Entity>,
    places: &[Place],
    page: Page,
    limit: u64,
) -> Result<Vec<i64>> {
    let rows = match page {
        Page::Newest => rows.clone().order_by_desc(Column::Id),
        Page::Before(row) => rows.clone().filter(Column::Id.lt(row)).order_by_desc(Column::Id),
        Page::After(row) => rows.clone().filter(Column::Id.gt(row)).order_by_asc(Column::Id),
    };
    let of = |(project, environment): &Place| {
        let rows = rows
            .clone()
            .select_only()
            .column(Column::Id)
            .filter(Column::Project.eq(project))
            .filter(Column::Environment.eq(environment))
            .limit(limit + 1);
        // A part of a union may be ordered and cut only inside a query of its own.
        Query::select()
            .column(Alias::new("id"))
            .from_subquery(rows.into_query(), Alias::new("place"))
            .take()
    };
    let all = places.iter().map(of).reduce(|mut all: SelectStatement, next| {
        all.union(UnionType::All, next);
        all
    });
    let Some(all) = all else {
        return Ok(Vec::new());
    };
    let rows = on.db().query_all(&all).await?;
    let ids = rows.iter().map(|row| row.try_get_by_index(0));
    let mut ids: Vec<i64> = ids.collect::<std::result::Result<_, _>>()?;
    ids.sort_unstable();
    if !matches!(page, Page::After(_)) {
        ids.reverse();
    }
    // One more than the page holds, by which it is seen whether there is another.
    ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1));
    Ok(ids)
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
        any = any.add(Column::Id.lt(0_i64));
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
