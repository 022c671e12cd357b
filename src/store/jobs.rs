//! Which instance does what only one of several should do.
//!
//! Each job is a row with a holder, an end and a fence. An instance that finds the lease free or ended
//! takes it by one statement, so exactly one succeeds; the holder renews its lease by taking it again.
//! Database servers decide by their own clock, SQLite by that of the one instance that serves.

use std::time::Duration;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::columns::micros;
use super::entities::jobs::{Column, Entity};
use super::error::again;
use super::{Store, Write, backend};
use crate::domain::{Error, ErrorKind, Instant, Result};

/// The row that claims of deployments take turns on.
const CLAIMS: &str = "claims";

/// What only one instance should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Job {
    /// Begins what was scheduled, ends what nobody approved.
    Scheduler,
    /// Keeps out of service what deployments left out.
    Keeper,
    /// Asks servers what they run.
    Drift,
    /// Deletes sessions that have expired.
    Sessions,
}

impl Job {
    /// The name of its row.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Keeper => "keeper",
            Self::Drift => "drift",
            Self::Sessions => "sessions",
        }
    }
}

/// An instance's claim on a job. Each new holder has a higher fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLease {
    /// What was claimed.
    pub job: Job,
    /// Counts the holders and renewals.
    pub fence: i64,
}

/// An instance that wants to do a job, and does it while it holds the lease.
#[derive(Debug)]
pub struct Applicant {
    job: Job,
    holder: String,
    length: Duration,
    held: Option<(JobLease, tokio::time::Instant)>,
}

impl Applicant {
    /// `holder` wants to do `job`; when it is gone, another one may after `length`.
    pub fn new(job: Job, holder: impl Into<String>, length: Duration) -> Self {
        Self {
            job,
            holder: holder.into(),
            length,
            held: None,
        }
    }

    /// The lease, when the job is this instance's now. Asked often, it writes only when half of the
    /// lease has passed.
    pub async fn lease(&mut self, store: &Store, now: Instant) -> Result<Option<JobLease>> {
        if let Some((lease, since)) = self.held
            && since.elapsed() < self.length / 2
        {
            return Ok(Some(lease));
        }
        self.held = None;
        // Taken at the earliest when it is asked for.
        let since = tokio::time::Instant::now();
        let lease = take(store, self.job, &self.holder, now, self.length).await?;
        self.held = lease.map(|lease| (lease, since));
        Ok(lease)
    }

    /// Gives the job back, so that another instance need not wait for the lease to end.
    pub async fn resign(&mut self, store: &Store) {
        let Some((lease, _)) = self.held.take() else {
            return;
        };
        if let Err(error) = release(store, lease).await {
            tracing::debug!(job = self.job.as_str(), "a job was not given back: {error}");
        }
    }
}

/// Frees every job on SQLite, where the lock on serving proves every earlier holder dead. On database
/// servers nothing: there leases end by themselves.
pub async fn free_at_start(store: &Store) -> Result<()> {
    if !store.is_for_one_instance() {
        return Ok(());
    }
    let record = store.record().await?;
    Entity::update_many()
        .col_expr(Column::Holder, Expr::value(None::<String>))
        .col_expr(Column::UntilAt, Expr::value(0_i64))
        .exec(record.connection())
        .await?;
    record.commit().await
}

/// Takes `job` for `holder`, for `length` from now on, unless another instance has it: then `None`. Whoever
/// holds it already renews it.
pub async fn take(
    store: &Store,
    job: Job,
    holder: &str,
    now: Instant,
    length: Duration,
) -> Result<Option<JobLease>> {
    again(|| take_once(store, job, holder, now, length)).await
}

async fn take_once(
    store: &Store,
    job: Job,
    holder: &str,
    now: Instant,
    length: Duration,
) -> Result<Option<JobLease>> {
    let record = store.record().await?;
    let now = backend::lease_clock(record.connection(), now).await?;
    let length = chrono::Duration::from_std(length).map_err(Error::internal)?;
    let done = Entity::update_many()
        .col_expr(Column::Holder, Expr::value(holder))
        .col_expr(Column::UntilAt, Expr::value(micros(now + length)))
        .col_expr(Column::Fence, Expr::col(Column::Fence).add(1))
        .filter(Column::Name.eq(job.as_str()))
        .filter(Column::UntilAt.lte(micros(now)).or(Column::Holder.eq(holder)))
        .exec(record.connection())
        .await?;
    if done.rows_affected == 0 {
        record.rollback().await?;
        return Ok(None);
    }
    let fence: Option<i64> = Entity::find_by_id(job.as_str())
        .select_only()
        .column(Column::Fence)
        .into_tuple()
        .one(record.connection())
        .await?;
    record.commit().await?;
    Ok(fence.map(|fence| JobLease { job, fence }))
}

/// Gives a job back before its lease ends. Does nothing when it is somebody else's by now.
pub async fn release(store: &Store, lease: JobLease) -> Result<()> {
    again(|| async {
        let record = store.record().await?;
        Entity::update_many()
            .col_expr(Column::Holder, Expr::value(None::<String>))
            .col_expr(Column::UntilAt, Expr::value(0_i64))
            .filter(Column::Name.eq(lease.job.as_str()))
            .filter(Column::Fence.eq(lease.fence))
            .exec(record.connection())
            .await?;
        record.commit().await
    })
    .await
}

/// Makes sure that `lease` is still the last one, until the transaction ends.
///
/// # Errors
/// A conflict when the job is somebody else's by now.
pub async fn check(tx: &impl Write, lease: JobLease) -> Result<()> {
    let fence: Option<i64> = Entity::find_by_id(lease.job.as_str())
        .select_only()
        .column(Column::Fence)
        .lock_exclusive()
        .into_tuple()
        .one(tx.db())
        .await?;
    if fence == Some(lease.fence) {
        return Ok(());
    }
    let message = format!("Another instance has taken over the job {}.", lease.job.as_str());
    Err(Error::new(ErrorKind::Conflict, message))
}

/// Waits until no other instance claims deployments, and keeps the next one waiting until the
/// transaction ends: what may begin is decided from what everybody sees.
pub(super) async fn turn_to_claim(tx: &impl Write) -> Result<()> {
    let row: Option<i64> = Entity::find_by_id(CLAIMS)
        .select_only()
        .column(Column::Fence)
        .lock_exclusive()
        .into_tuple()
        .one(tx.db())
        .await?;
    row.map(drop)
        .ok_or_else(|| Error::internal("the table of jobs has no row for claims"))
}
