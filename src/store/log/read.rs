//! Reads windows of logs, by line number and by text.

use sea_orm::sea_query::{Expr, Order};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::super::Reader;
use super::super::entities::log_chunks::{Column, Entity};
use super::from_row;
use crate::domain::{DeploymentId, LogLine, NumberedChunk, Result, StepKind};

/// How many chunks are read at once: a window of 500 short lines takes one such read.
const CHUNKS_AT_ONCE: u64 = 16;

/// Which lines; the default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// From this server; an empty name is the deployer's host.
    pub server: Option<String>,
    /// Of this kind of step.
    pub kind: Option<StepKind>,
    /// With this text in them; case does not matter.
    pub text: Option<String>,
}

impl LogFilter {
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

/// A part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogWindow {
    /// From this line on.
    From(i64),
    /// The lines before this one.
    Before(i64),
    /// The last lines.
    Last,
}

/// The lines that a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundLines {
    /// The lines, in order.
    pub lines: Vec<LogLine>,
    /// Where the search gave up: going forward, the first line it did not look at; going backward, the
    /// last line it did.
    pub stopped: Option<i64>,
}

/// The first `limit` lines that pass `filter`, from line number `from` on, in order.
pub async fn read(
    on: &impl Reader,
    deployment: DeploymentId,
    from: i64,
    limit: usize,
    filter: &LogFilter,
) -> Result<Vec<LogLine>> {
    let found = forward(on, deployment, from, limit, filter, usize::MAX).await?;
    Ok(found.lines)
}

/// At most `limit` lines of `window` that pass `filter`, in order. Gives up a search for text after
/// about `budget` lines.
pub async fn search(
    on: &impl Reader,
    deployment: DeploymentId,
    window: LogWindow,
    limit: usize,
    filter: &LogFilter,
    budget: usize,
) -> Result<FoundLines> {
    match window {
        LogWindow::From(line) => forward(on, deployment, line, limit, filter, budget).await,
        LogWindow::Before(line) => backward(on, deployment, line, limit, filter, budget).await,
        LogWindow::Last => backward(on, deployment, i64::MAX, limit, filter, budget).await,
    }
}

async fn forward(
    on: &impl Reader,
    deployment: DeploymentId,
    from: i64,
    limit: usize,
    filter: &LogFilter,
    budget: usize,
) -> Result<FoundLines> {
    let needle = filter.needle();
    let (mut found, mut seen) = (FoundLines::default(), 0);
    let mut next = chunk_with(on, deployment, from, filter).await?;
    while found.lines.len() < limit {
        if needle.is_some() && seen >= budget {
            found.stopped = Some(next);
            break;
        }
        let chunks = chunks(on, deployment, filter, Column::FirstLine.gte(next), Order::Asc).await?;
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

async fn backward(
    on: &impl Reader,
    deployment: DeploymentId,
    before: i64,
    limit: usize,
    filter: &LogFilter,
    budget: usize,
) -> Result<FoundLines> {
    let needle = filter.needle();
    let (mut found, mut seen) = (FoundLines::default(), 0);
    let mut end = before;
    while found.lines.len() < limit {
        if needle.is_some() && seen >= budget {
            found.stopped = Some(end);
            break;
        }
        let chunks = chunks(on, deployment, filter, Column::FirstLine.lt(end), Order::Desc).await?;
        let Some(last) = chunks.last() else { break };
        end = last.first_line;
        for chunk in chunks {
            let lines = chunk.lines().rev().inspect(|_| seen += 1);
            let wanted = lines.filter(|line| line.number < before && has(line, needle.as_deref()));
            found.lines.extend(wanted.take(limit - found.lines.len()));
        }
    }
    found.lines.reverse();
    Ok(found)
}

fn has(line: &LogLine, needle: Option<&str>) -> bool {
    needle.is_none_or(|needle| line.text.to_lowercase().contains(needle))
}

/// The first line number of the chunk that holds line `from`, or else of the next chunk.
async fn chunk_with(
    on: &impl Reader,
    deployment: DeploymentId,
    from: i64,
    filter: &LogFilter,
) -> Result<i64> {
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

/// The next chunks within `bound`, in this order.
async fn chunks(
    on: &impl Reader,
    deployment: DeploymentId,
    filter: &LogFilter,
    bound: Expr,
    order: Order,
) -> Result<Vec<NumberedChunk>> {
    let rows = filter
        .narrow(Entity::find())
        .filter(Column::DeploymentId.eq(deployment.0))
        .filter(bound)
        .order_by(Column::FirstLine, order)
        .limit(CHUNKS_AT_ONCE)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}
