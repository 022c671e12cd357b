//! The log of deployments.
//!
//! Lines are stored in chunks, one row for many lines, because a row per line costs ten times
//! the space and the time. A chunk holds consecutive lines of one step as one text, each line
//! led by the letter of its stream. Lines are numbered from 1 per deployment, without gaps:
//! the number is what a viewer resumes by.
//!
//! [`append`] is the workers' only way in; `write` brings in past logs. `read` takes windows out, from any place of a log of any length, at
//! the cost of the window alone.

mod read;

pub use read::{FoundLines, LogFilter, LogWindow, read, search};

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::columns::{instant, micros, word};
use super::entities::deployments;
use super::entities::log_chunks::{ActiveModel, Model};
use super::error::unreadable;
use super::{Journal, Write, insert_all};
use crate::domain::{Chunk, DeploymentId, Error, Line, NumberedChunk, Result, StepId, StepKind, Stream};

/// Most lines in one stored chunk. Even a request for one line reads a whole chunk.
const CHUNK_LINES: usize = 500;
/// Most bytes in one stored chunk that has more than one line; MariaDB's `TEXT` ends at 64 KiB.
const CHUNK_BYTES: usize = 48 * 1024;

/// Stores chunks of the deployment being worked on and gives their lines the next numbers.
/// What comes back may be cut into more chunks than were given; empty ones are left out.
pub async fn append(tx: &impl Journal, chunks: Vec<Chunk>) -> Result<Vec<NumberedChunk>> {
    let deployment = tx.deployment();
    let added = chunks.iter().map(|chunk| chunk.lines.len()).sum::<usize>();
    let added = i64::try_from(added).map_err(Error::internal)?;
    if added == 0 {
        return Ok(Vec::new());
    }
    deployments::Entity::update_many()
        .col_expr(
            deployments::Column::LastLine,
            Expr::col(deployments::Column::LastLine).add(added),
        )
        .filter(deployments::Column::Id.eq(deployment.0))
        .exec(tx.db())
        .await?;
    let last: Option<i64> = deployments::Entity::find_by_id(deployment.0)
        .select_only()
        .column(deployments::Column::LastLine)
        .into_tuple()
        .one(tx.db())
        .await?;
    let last = last.ok_or_else(|| Error::not_found(format!("deployment {deployment}")))?;
    write(tx, deployment, chunks, last - added + 1).await
}

/// Stores chunks whose lines are numbered from `first` on.
pub(super) async fn write(
    tx: &impl Write,
    deployment: DeploymentId,
    chunks: Vec<Chunk>,
    first: i64,
) -> Result<Vec<NumberedChunk>> {
    let numbered = number(chunks.into_iter().flat_map(cut).collect(), first);
    let rows: Vec<ActiveModel> = numbered.iter().map(|piece| to_row(deployment.0, piece)).collect();
    insert_all(tx, rows).await?;
    Ok(numbered)
}

fn number(pieces: Vec<Chunk>, mut next: i64) -> Vec<NumberedChunk> {
    let mut numbered = Vec::with_capacity(pieces.len());
    for chunk in pieces {
        let piece = NumberedChunk {
            first_line: next,
            chunk,
        };
        next = piece.last_line() + 1;
        numbered.push(piece);
    }
    numbered
}

/// Cuts a chunk into pieces of a size that is good to read.
fn cut(chunk: Chunk) -> Vec<Chunk> {
    let Chunk {
        step,
        server,
        kind,
        at,
        lines,
    } = chunk;
    let mut pieces: Vec<Vec<Line>> = Vec::new();
    let mut bytes = 0;
    for line in lines {
        bytes += line.text.len() + 2;
        match pieces.last_mut() {
            Some(piece) if piece.len() < CHUNK_LINES && bytes <= CHUNK_BYTES => piece.push(line),
            _ => {
                bytes = line.text.len() + 2;
                pieces.push(vec![line]);
            }
        }
    }
    let whole = |lines| Chunk {
        step,
        server: server.clone(),
        kind,
        at,
        lines,
    };
    pieces.into_iter().map(whole).collect()
}

/// A line end inside a line would shift every number behind it; PostgreSQL stores no NUL.
fn storable(c: char) -> char {
    match c {
        '\n' => ' ',
        '\0' => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

fn to_row(deployment: i64, piece: &NumberedChunk) -> ActiveModel {
    let chunk = &piece.chunk;
    let mut lines = String::with_capacity(chunk.lines.iter().map(|line| line.text.len() + 2).sum());
    for line in &chunk.lines {
        if !lines.is_empty() {
            lines.push('\n');
        }
        lines.push(line.stream.letter());
        lines.extend(line.text.chars().map(storable));
    }
    ActiveModel {
        id: NotSet,
        deployment_id: Set(deployment),
        first_line: Set(piece.first_line),
        line_count: Set(i32::try_from(chunk.lines.len()).unwrap_or(i32::MAX)),
        step_id: Set(chunk.step.map(|id| id.0)),
        server_name: Set(chunk.server.clone()),
        step_kind: Set(chunk.kind.map_or_else(String::new, |kind| kind.as_str().into())),
        logged_at: Set(micros(chunk.at)),
        lines: Set(lines),
    }
}

fn from_row(row: Model) -> Result<NumberedChunk> {
    let kind = match row.step_kind.as_str() {
        "" => None,
        text => Some(word("a step's kind", text, StepKind::parse)?),
    };
    let lines = row.lines.split('\n').map(line).collect::<Result<Vec<Line>>>()?;
    Ok(NumberedChunk {
        first_line: row.first_line,
        chunk: Chunk {
            step: row.step_id.map(StepId),
            server: row.server_name,
            kind,
            at: instant(row.logged_at),
            lines,
        },
    })
}

fn line(text: &str) -> Result<Line> {
    let mut rest = text.chars();
    let stream = rest.next().and_then(Stream::from_letter);
    Ok(Line {
        stream: stream.ok_or_else(|| unreadable("a log line", text))?,
        text: rest.as_str().to_owned(),
    })
}
