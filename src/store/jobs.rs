//! Jobs that only one of several instances should do.
//!
//! Each job is a row with a holder, an end and a fence. An instance takes a free or ended lease by one
//! statement, so exactly one succeeds; the holder renews its lease by taking it again. Database
//! servers decide by their own clock, SQLite by the clock of its one instance.

use std::time::Duration;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::columns::micros;
use super::entities::jobs::{Column, Entity};
use super::error::again;
use super::{Change, Record, Right, Store, backend};
use crate::domain::{Error, Instant, Result};

/// The row whose lock lets claims of deployments take turns.
const CLAIMS: &str = "claims";

/// A job that only one instance should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Job {
    /// Queues scheduled deployments and ends those that nobody approved.
    Scheduler,
    /// Keeps servers out of service that deployments left out.
    Keeper,
    /// Looks again at servers that did not say which release they run.
    Doubts,
    /// Asks servers which release they run.
    Drift,
    /// Deletes sessions that have expired.
    Sessions,
    /// Fetches repositories after pushes, and begins automatic deployments.
    Pushes,
}

impl Job {
    /// The name of the job's row.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Keeper => "keeper",
            Self::Doubts => "doubts",
            Self::Drift => "drift",
            Self::Sessions => "sessions",
            Self::Pushes => "pushes",
        }
    }
}

/// An instance's claim on a job. Each holder and each renewal has a higher fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLease {
    pub job: Job,
    /// Counts holders and renewals.
    pub fence: i64,
}

/// An instance that applies for a job and does it while it holds the lease.
#[derive(Debug)]
pub struct Applicant {
    job: Job,
    holder: String,
    length: Duration,
    held: Option<(JobLease, tokio::time::Instant)>,
}

impl Applicant {
    /// `holder` applies for `job`. Once it is gone, another instance may take over after `length`.
    pub fn new(job: Job, holder: impl Into<String>, length: Duration) -> Self {
        Self {
            job,
            holder: holder.into(),
            length,
            held: None,
        }
    }

    /// The lease, while this instance has the job. Writes only when half of the lease has passed.
    pub async fn lease(&mut self, store: &Store, now: Instant) -> Result<Option<JobLease>> {
        if let Some((lease, since)) = self.held
            && since.elapsed() < self.length / 2
        {
            return Ok(Some(lease));
        }
        self.held = None;
        // The lease begins no earlier than this.
        let since = tokio::time::Instant::now();
        let lease = take(store, self.job, &self.holder, now, self.length).await?;
        self.held = lease.map(|lease| (lease, since));
        Ok(lease)
    }

    /// Releases the job, so that another instance need not wait for the lease to end.
    pub async fn resign(&mut self, store: &Store) {
        let Some((lease, _)) = self.held.take() else {
            return;
        };
        if let Err(error) = release(store, lease).await {
            tracing::debug!(job = self.job.as_str(), "a job was not given back: {error}");
        }
    }
}

/// Frees every job on SQLite, where the serve lock proves every earlier holder dead. On database
/// servers leases end by themselves.
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

/// Takes `job` for `holder` until `length` from now; the present holder renews its lease this way. `None`
/// while another instance holds it.
pub async fn take(
    store: &Store,
    job: Job,
    holder: &str,
    now: Instant,
    length: Duration,
) -> Result<Option<JobLease>> {
    let length = chrono::Duration::from_std(length).map_err(Error::internal)?;
    again(|| async {
        let record = store.record().await?;
        let now = backend::lease_clock(record.connection(), now).await?;
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
    })
    .await
}

/// Releases a job before its lease ends, unless another instance has it by now.
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

/// The jobs whose holders renew their leases all the time: after an orderly end nobody holds them, and after a
/// kill not for long.
const SIGNS_OF_LIFE: [Job; 2] = [Job::Scheduler, Job::Keeper];

/// The instances that serve now: one or another does the scheduler's or the keeper's job.
pub async fn holders(record: &Record, now: Instant) -> Result<Vec<String>> {
    let now = backend::lease_clock(record.connection(), now).await?;
    let rows = Entity::find()
        .filter(Column::Name.is_in(SIGNS_OF_LIFE.map(Job::as_str)))
        .filter(Column::UntilAt.gt(micros(now)))
        .all(record.connection())
        .await?;
    let mut holders: Vec<String> = rows.into_iter().filter_map(|row| row.holder).collect();
    holders.sort();
    holders.dedup();
    Ok(holders)
}

impl Store {
    /// Opens a change of the instance that holds a job's `lease`, made `now` in the name that `right`
    /// gives. Nobody can take the job over before the change ends.
    ///
    /// # Errors
    /// A conflict when another instance has taken the job over.
    pub async fn change_by_job(
        &self,
        lease: JobLease,
        right: impl Into<Right>,
        now: Instant,
    ) -> Result<Change> {
        let record = self.record().await?;
        if lock(&record, lease.job.as_str()).await? != Some(lease.fence) {
            let job = lease.job.as_str();
            return Err(Error::conflict(format!(
                "Another instance has taken over the job {job}."
            )));
        }
        Ok(record.into_change(right, now))
    }
}

/// Waits until no other instance claims deployments, and keeps the next one waiting until the
/// transaction ends: each claim sees the result of the one before it.
pub(super) async fn turn_to_claim(record: &Record) -> Result<()> {
    let row = lock(record, CLAIMS).await?;
    row.map(drop)
        .ok_or_else(|| Error::internal("the table of jobs has no row for claims"))
}

/// The fence of a row, which nobody else can change before the transaction ends.
async fn lock(record: &Record, name: &str) -> Result<Option<i64>> {
    Ok(Entity::find_by_id(name)
        .select_only()
        .column(Column::Fence)
        .lock_exclusive()
        .into_tuple()
        .one(record.connection())
        .await?)
}
