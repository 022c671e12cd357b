//! All deployments, newest first, filtered and cut into pages.
//!
//! Numbers grow with time, so a span of time becomes a span of numbers first, and the page is cut
//! along one index whatever the other filters.
//!
//! For somebody who may see only some places, the page is merged from one page of each place: for a
//! query over all places at once, databases fetch everything visible and sort it.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Alias, ExprTrait, Query, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select, Statement,
};

use super::super::Reader;
use super::super::columns::micros;
use super::super::entities::deployments::{Column, Entity};
use super::super::filter::{PastFilter, PlaceNames};
use super::super::page::{self, Page, Paged};
use super::from_row;
use crate::domain::{Deployment, Instant, Result};

/// The most places that are queried one by one: SQLite takes at most 500 parts in a statement, and
/// some thousands of values.
const PLACES_ONE_BY_ONE: usize = 200;

/// Every pair of project and environment that was ever deployed to. It steps through an index from
/// pair to pair, so the cost depends on the pairs and not on the deployments.
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
pub async fn places(on: &impl Reader) -> Result<Vec<PlaceNames>> {
    let statement = Statement::from_string(on.db().get_database_backend(), PLACES);
    let rows = on.db().query_all_raw(statement).await?;
    let pair = |row: sea_orm::QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
    rows.into_iter().map(pair).collect()
}

/// A page of `limit` deployments.
pub async fn history(
    on: &impl Reader,
    filter: &PastFilter,
    page: Page,
    limit: u64,
) -> Result<Paged<Deployment>> {
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

/// Whether an index leads to the newest deployments of each place. There is none for kinds or for
/// several states; then one query over all places is faster.
fn is_cut_along_places(filter: &PastFilter, places: &[PlaceNames]) -> bool {
    (1..=PLACES_ONE_BY_ONE).contains(&places.len()) && filter.kinds.is_empty() && filter.states.len() < 2
}

/// The numbers of those `rows` that a page of `limit` over all `places` may hold.
async fn newest_in_each(
    on: &impl Reader,
    rows: &Select<Entity>,
    places: &[PlaceNames],
    page: Page,
    limit: u64,
) -> Result<Vec<i64>> {
    let rows = match page {
        Page::Newest => rows.clone().order_by_desc(Column::Id),
        Page::Before(row) => rows.clone().filter(Column::Id.lt(row)).order_by_desc(Column::Id),
        Page::After(row) => rows.clone().filter(Column::Id.gt(row)).order_by_asc(Column::Id),
    };
    let of = |(project, environment): &PlaceNames| {
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
    // One more than the page holds shows whether there is another page.
    ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1));
    Ok(ids)
}

fn narrowed(filter: &PastFilter) -> Select<Entity> {
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

/// Matches rows in one of `places`; without places it matches nothing.
fn among(places: &[PlaceNames]) -> Condition {
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
