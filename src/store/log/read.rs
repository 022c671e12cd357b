//! Windows into logs.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::super::entities::log_chunks::{Column, Entity};
use super::super::{Reader, backend};
use super::from_row;
use crate::domain::{DeploymentId, LogLine, NumberedChunk, Result, StepKind};

/// How many chunks are read at once: a window of 500 short lines takes one such read.
const CHUNKS_AT_ONCE: u64 = 16;

/// Which lines; the default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// From this server; an empty name is the deployer's host.
    pub server: Option<String>,
    /// Of this kind of step.
    pub kind: Option<StepKind>,
    /// With this text in them, in whatever case.
    pub text: Option<String>,
}

impl Filter {
    fn narrow(&self, chunks: Select<Entity>) -> Select<Entity> {
        let chunks = match &self.server {
            Some(server) => chunks.filter(Column::ServerName.eq(server)),
            None => chunks,
        };
        match self.kind {
            Some(kind) => chunks.filter(Column::StepKind.eq(kind.as_str())),
            None => chunks,
        }
    }

    /// The text to look for, in lower case.
    fn needle(&self) -> Option<String> {
        self.text
            .as_deref()
            .filter(|text| !text.is_empty())
            .map(str::to_lowercase)
    }
}

/// Some lines, and how far was looked for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The lines, in order.
    pub lines: Vec<LogLine>,
    /// Where a search gave up before it had them all: forward, the first line that it has not
    /// looked at; backward, the last one it has.
    pub stopped: Option<i64>,
}

/// The first `limit` lines that pass `filter`, from line number `from` on, in order.
pub async fn read(
    on: &impl Reader,
    deployment: DeploymentId,
    from: i64,
    limit: usize,
    filter: &Filter,
) -> Result<Vec<LogLine>> {
    let found = search(on, deployment, from, limit, filter, usize::MAX).await?;
    Ok(found.lines)
}

/// [`read`], which gives up a search for text after about `budget` lines.
pub async fn search(
    on: &impl Reader,
    deployment: DeploymentId,
    from: i64,
    limit: usize,
    filter: &Filter,
    budget: usize,
) -> Result<Found> {
    let needle = filter.needle();
    let (mut found, mut seen) = (Found::default(), 0);
    let mut next = chunk_with(on, deployment, from, filter).await?;
    while found.lines.len() < limit {
        if needle.is_some() && seen >= budget {
            found.stopped = Some(next);
            break;
        }
        let chunks = chunks_from(on, deployment, next, filter).await?;
        let Some(last) = chunks.last() else { break };
        next = last.last_line() + 1;
        let lines = chunks
            .into_iter()
            .flat_map(NumberedChunk::lines)
            .inspect(|_| seen += 1);
        let wanted = lines.filter(|line| line.number >= from && has(line, needle.as_deref()));
        found.lines.extend(wanted.take(limit - found.lines.len()));
    }
    Ok(found)
}

/// The last `limit` lines that pass `filter` and have a number lower than `before`, in order.
pub async fn read_before(
    on: &impl Reader,
    deployment: DeploymentId,
    before: i64,
    limit: usize,
    filter: &Filter,
) -> Result<Vec<LogLine>> {
    let found = search_before(on, deployment, before, limit, filter, usize::MAX).await?;
    Ok(found.lines)
}

/// [`read_before`], which gives up a search for text after about `budget` lines.
pub async fn search_before(
    on: &impl Reader,
    deployment: DeploymentId,
    before: i64,
    limit: usize,
    filter: &Filter,
    budget: usize,
) -> Result<Found> {
    let needle = filter.needle();
    let (mut found, mut seen) = (Found::default(), 0);
    let mut end = before;
    while found.lines.len() < limit {
        if needle.is_some() && seen >= budget {
            found.stopped = Some(end);
            break;
        }
        let rows = filter
            .narrow(Entity::find())
            .filter(Column::DeploymentId.eq(deployment.0))
            .filter(Column::FirstLine.lt(end))
            .order_by_desc(Column::FirstLine)
            .limit(CHUNKS_AT_ONCE)
            .all(on.db())
            .await?;
        let Some(last) = rows.last() else { break };
        end = last.first_line;
        for row in rows {
            let lines = from_row(row)?.lines().rev().inspect(|_| seen += 1);
            let wanted = lines.filter(|line| line.number < before && has(line, needle.as_deref()));
            found.lines.extend(wanted.take(limit - found.lines.len()));
        }
    }
    found.lines.reverse();
    Ok(found)
}

/// The last `limit` lines that pass `filter`, in order.
pub async fn last(
    on: &impl Reader,
    deployment: DeploymentId,
    limit: usize,
    filter: &Filter,
) -> Result<Vec<LogLine>> {
    read_before(on, deployment, i64::MAX, limit, filter).await
}

/// How many lines come from the server and step `filter` names; its text is not looked at.
pub async fn count(on: &impl Reader, deployment: DeploymentId, filter: &Filter) -> Result<i64> {
    let sum: Option<Option<i64>> = filter
        .narrow(Entity::find())
        .select_only()
        .column_as(
            Expr::col(Column::LineCount)
                .sum()
                .cast_as(backend::whole_number(on.db())),
            "lines",
        )
        .filter(Column::DeploymentId.eq(deployment.0))
        .into_tuple()
        .one(on.db())
        .await?;
    Ok(sum.flatten().unwrap_or(0))
}

fn has(line: &LogLine, needle: Option<&str>) -> bool {
    needle.is_none_or(|needle| line.text.to_lowercase().contains(needle))
}

/// The number with which the chunk begins that holds line `from`, or the first one after it.
async fn chunk_with(on: &impl Reader, deployment: DeploymentId, from: i64, filter: &Filter) -> Result<i64> {
    let first: Option<i64> = filter
        .narrow(Entity::find())
        .select_only()
        .column(Column::FirstLine)
        .filter(Column::DeploymentId.eq(deployment.0))
        .filter(Column::FirstLine.lte(from))
        .order_by_desc(Column::FirstLine)
        .limit(1)
        .into_tuple()
        .one(on.db())
        .await?;
    Ok(first.unwrap_or(from))
}

async fn chunks_from(
    on: &impl Reader,
    deployment: DeploymentId,
    first: i64,
    filter: &Filter,
) -> Result<Vec<NumberedChunk>> {
    let rows = filter
        .narrow(Entity::find())
        .filter(Column::DeploymentId.eq(deployment.0))
        .filter(Column::FirstLine.gte(first))
        .order_by_asc(Column::FirstLine)
        .limit(CHUNKS_AT_ONCE)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}
