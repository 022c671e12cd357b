//! Pages of long tables, cut by row identity.
//!
//! A page is “the fifty older than row 9,113”, not “the fifty after skipping 40,000”: it costs
//! the same at any depth, and new rows do not push what is being read from one page to the next.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::Reader;
use crate::domain::Result;

/// Which part of a long list to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// The newest rows.
    #[default]
    Newest,
    /// Rows older than this one.
    Before(i64),
    /// The next rows newer than this one.
    After(i64),
}

/// One page, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    pub items: Vec<T>,
    /// The row for [`Page::Before`] to get the next older page; `None`: there is none.
    pub older: Option<i64>,
    /// The row for [`Page::After`] to get the next newer page; `None`: there is none.
    pub newer: Option<i64>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            older: None,
            newer: None,
        }
    }
}

impl<T> Paged<T> {
    /// The same page with its items turned into something else.
    pub fn try_map<U>(self, turn: impl FnMut(T) -> Result<U>) -> Result<Paged<U>> {
        let Self { items, older, newer } = self;
        let items = items.into_iter().map(turn).collect::<Result<_>>()?;
        Ok(Paged { items, older, newer })
    }
}

/// Cuts one page out of `rows`; `id` is the column to cut by, `id_of` reads it from a row.
pub(super) async fn cut<E, C>(
    on: &impl Reader,
    rows: Select<E>,
    (id, id_of): (C, fn(&E::Model) -> i64),
    page: Page,
    limit: u64,
) -> Result<Paged<E::Model>>
where
    E: EntityTrait,
    E::Model: Send + Sync,
    C: ColumnTrait,
{
    // One more than asked for tells whether the page is the last.
    let rows = rows.limit(limit + 1);
    let rows = match page {
        Page::Newest => rows.order_by_desc(id),
        Page::Before(row) => rows.filter(id.lt(row)).order_by_desc(id),
        Page::After(row) => rows.filter(id.gt(row)).order_by_asc(id),
    };
    let mut items = rows.all(on.db()).await?;
    let more = items.len() as u64 > limit;
    if more {
        items.pop();
    }
    if matches!(page, Page::After(_)) {
        items.reverse();
    }
    let (first, last) = (items.first().map(id_of), items.last().map(id_of));
    let (older, newer) = match page {
        Page::Newest => (last.filter(|_| more), None),
        Page::Before(_) => (last.filter(|_| more), first),
        Page::After(_) => (last, first.filter(|_| more)),
    };
    Ok(Paged { items, older, newer })
}
