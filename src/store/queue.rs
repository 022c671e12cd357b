//! The queue of deployments that workers claim from.
//!
//! A worker claims the oldest deployment that can begin: nothing else runs in its environment and
//! no other deployment holds one of its servers. Claim, reservation of the servers and change of
//! state are one transaction. A later deployment never takes a server that an earlier one waits
//! for, or a big one would wait for ever while small ones pass.
//!
//! A claim is a [`Lease`]: it ends unless it is extended, and its number shows which worker has the
//! deployment. Workers write through [`Store::record_leased`] and [`Store::change_leased`], which
//! check that number. Database servers decide by their own clock whether a lease has ended, and
//! claims of several instances take turns, so that each sees the result of the one before.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, SqlErr,
};

use super::columns::micros;
use super::deployments::{by_id, from_row, set_state};
use super::entities::deployments::{Column, Entity};
use super::entities::{deployment_servers as parts, reservations};
use super::error::again;
use super::{Change, Lease, Leased, Reader, Right, Store, Write, backend, jobs};
use crate::domain::{
    Deployment, DeploymentId, DeploymentState, Error, ErrorKind, Event, EventKind, Instant, Result, ServerId,
    ServerState,
};

/// How many waiting deployments a claim looks at; later ones can wait for the next claim.
const WINDOW: u64 = 500;

/// A deployment that a worker has claimed.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub deployment: Deployment,
    /// The proof of the claim.
    pub lease: Lease,
}

/// Which running deployments count as abandoned by their worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abandoned {
    /// Those whose lease ended at least `ago` before `now`.
    LeaseEnded {
        /// The time; database servers go by their own.
        now: Instant,
        /// How long ago the lease ended at least.
        ago: Duration,
    },
    /// Those that an instance which starts `now` may take over: on SQLite all, because the
    /// [`super::ServeLock`] proves every earlier instance dead; on database servers those whose lease
    /// has ended, because other instances work beside this one.
    AtStart {
        /// The time; database servers go by their own.
        now: Instant,
    },
}

impl Store {
    /// Opens a change of the worker that holds `lease`, in the name of the requester of the
    /// deployment.
    ///
    /// # Errors
    /// As [`Self::record_leased`].
    pub async fn change_leased(&self, lease: Lease, now: Instant) -> Result<Leased<Change>> {
        let record = self.record_leased(lease).await?;
        let deployment = by_id(&record, lease.deployment).await?;
        Ok(record.into_change(Right::of_engine(&deployment), now))
    }
}

/// Gives `worker` the next deployment that can begin, for `lease` from `now` on. `None` when there is
/// none, or when another instance was quicker.
pub async fn claim(store: &Store, worker: &str, now: Instant, lease: Duration) -> Result<Option<Claimed>> {
    // Workers look often and mostly find nothing; reading first takes no turn from writers.
    if next(store).await?.is_none() {
        return Ok(None);
    }
    match again(|| claim_once(store, worker, now, lease)).await {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            tracing::debug!("another instance claimed first: {error}");
            Ok(None)
        }
        claimed => claimed,
    }
}

/// One try to claim.
///
/// # Errors
/// A conflict when another instance was quicker.
async fn claim_once(store: &Store, worker: &str, now: Instant, lease: Duration) -> Result<Option<Claimed>> {
    let record = store.record().await?;
    jobs::turn_to_claim(&record).await?;
    let Some((id, servers)) = next(&record).await? else {
        record.rollback().await?;
        return Ok(None);
    };
    let waiting = by_id(&record, id).await?;
    let change = record.into_change(Right::of_engine(&waiting), now);
    set_state(
        &change,
        id,
        DeploymentState::Queued,
        DeploymentState::Running,
        now,
        "",
    )
    .await?;
    let rows = servers.iter().map(|server| reservations::ActiveModel {
        server_id: Set(server.0),
        deployment_id: Set(id.0),
    });
    if !servers.is_empty() {
        reservations::Entity::insert_many(rows)
            .exec_without_returning(change.connection())
            .await
            .map_err(unless_held)?;
    }
    let lease = take(&change, id, worker, now, lease).await?;
    let deployment = by_id(&change, id).await?;
    let started = Event::by_engine(
        EventKind::DeploymentStarted,
        &deployment,
        "A worker has taken it.",
    );
    change.commit(started).await?;
    Ok(Some(Claimed { deployment, lease }))
}

/// A server that another deployment holds is a lost claim, not a fault.
fn unless_held(cause: DbErr) -> Error {
    match cause.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Error::conflict("Another deployment holds one of the servers.").because(cause)
        }
        _ => cause.into(),
    }
}

/// Extends the lease to `length` from `now`.
///
/// # Errors
/// [`super::Fenced`] when it was lost.
pub async fn extend(store: &Store, lease: Lease, now: Instant, length: Duration) -> Result<()> {
    again(|| async {
        let record = store.record_leased(lease).await?;
        let until = lease_end(&*record, now, length).await?;
        Entity::update_many()
            .col_expr(Column::LeaseUntilAt, Expr::value(micros(until)))
            .filter(Column::Id.eq(lease.deployment.0))
            .exec(record.connection())
            .await?;
        record.commit_silently().await
    })
    .await
}

/// Ends the lease now: whoever looks for abandoned deployments takes this one over.
///
/// # Errors
/// [`super::Fenced`] when it was lost.
pub async fn let_go(store: &Store, lease: Lease, now: Instant) -> Result<()> {
    extend(store, lease, now, Duration::ZERO).await
}

async fn lease_end(tx: &impl Write, now: Instant, length: Duration) -> Result<Instant> {
    let length = chrono::Duration::from_std(length).map_err(Error::internal)?;
    Ok(backend::lease_clock(tx.db(), now).await? + length)
}

/// Gives `worker` the abandoned deployments, so that it can carry them on or close them. They keep
/// their servers; the worker that had them is fenced off.
pub async fn take_over(
    store: &Store,
    which: Abandoned,
    worker: &str,
    now: Instant,
    lease: Duration,
) -> Result<Vec<Claimed>> {
    if abandoned(store, which).await?.is_empty() {
        return Ok(Vec::new());
    }
    again(|| async {
        let record = store.record().await?;
        jobs::turn_to_claim(&record).await?;
        let mut taken = Vec::new();
        for deployment in abandoned(&record, which).await? {
            let lease = take(&record, deployment.id, worker, now, lease).await?;
            taken.push(Claimed { deployment, lease });
        }
        record.commit().await?;
        Ok(taken)
    })
    .await
}

/// The abandoned deployments. Paused ones count too, because they keep their lease.
pub async fn abandoned(on: &impl Reader, which: Abandoned) -> Result<Vec<Deployment>> {
    let at_work = DeploymentState::AT_WORK;
    let mut rows = Entity::find().filter(Column::State.is_in(at_work.map(DeploymentState::as_str)));
    let is_alone = on.db().get_database_backend() == DbBackend::Sqlite;
    let ended = match which {
        Abandoned::LeaseEnded { now, ago } => Some((now, ago)),
        Abandoned::AtStart { .. } if is_alone => None,
        Abandoned::AtStart { now } => Some((now, Duration::ZERO)),
    };
    if let Some((now, ago)) = ended {
        let ago = chrono::Duration::from_std(ago).map_err(Error::internal)?;
        let before = backend::lease_clock(on.db(), now).await? - ago;
        rows = rows.filter(Column::LeaseUntilAt.lte(micros(before)));
    }
    let rows = rows.order_by_asc(Column::Id).all(on.db()).await?;
    rows.into_iter().map(from_row).collect()
}

/// Whether a person has asked to end the deployment.
pub async fn cancel_requested(on: &impl Reader, id: DeploymentId) -> Result<bool> {
    Ok(by_id(on, id).await?.cancelled_by.is_some())
}

/// Which deployment holds which server.
pub async fn holders(on: &impl Reader) -> Result<HashMap<ServerId, DeploymentId>> {
    let rows = reservations::Entity::find().all(on.db()).await?;
    Ok(rows
        .into_iter()
        .map(|row| (ServerId(row.server_id), DeploymentId(row.deployment_id)))
        .collect())
}

/// What each queued deployment waits for, in the order in which they will begin: deployments that
/// hold one of its servers, run in its environment, or are ahead of it and need the same servers or
/// environment. Empty when only a worker is missing.
pub async fn waiting(on: &impl Reader) -> Result<Vec<(DeploymentId, Vec<DeploymentId>)>> {
    let mut field = Field::look(on).await?;
    let queued = queued(on).await?;
    Ok(queued
        .iter()
        .map(|one| {
            let obstacles = field.obstacles(one);
            field.occupy(one);
            (one.id, obstacles)
        })
        .collect())
}

/// A waiting deployment with what it will occupy.
struct Queued {
    id: DeploymentId,
    environment: Option<i64>,
    servers: Vec<ServerId>,
}

/// Which deployment occupies which environment and server.
struct Field {
    environments: HashMap<i64, DeploymentId>,
    servers: HashMap<ServerId, DeploymentId>,
}

impl Field {
    /// What running deployments occupy now.
    async fn look(on: &impl Reader) -> Result<Self> {
        let at_work = DeploymentState::AT_WORK;
        let running: Vec<(Option<i64>, i64)> = Entity::find()
            .select_only()
            .column(Column::EnvironmentId)
            .column(Column::Id)
            .filter(Column::State.is_in(at_work.map(DeploymentState::as_str)))
            .into_tuple()
            .all(on.db())
            .await?;
        let environments = running
            .into_iter()
            .filter_map(|(environment, id)| Some((environment?, DeploymentId(id))))
            .collect();
        let servers = holders(on).await?;
        Ok(Self {
            environments,
            servers,
        })
    }

    /// The deployments that `one` has to wait for, by number.
    fn obstacles(&self, one: &Queued) -> Vec<DeploymentId> {
        let environment = one.environment.and_then(|id| self.environments.get(&id));
        let servers = one.servers.iter().filter_map(|server| self.servers.get(server));
        let found: HashSet<DeploymentId> = environment.into_iter().chain(servers).copied().collect();
        let mut found: Vec<DeploymentId> = found.into_iter().collect();
        found.sort_unstable();
        found
    }

    /// Makes those behind `one` wait for it.
    fn occupy(&mut self, one: &Queued) {
        if let Some(environment) = one.environment {
            self.environments.entry(environment).or_insert(one.id);
        }
        for server in &one.servers {
            self.servers.entry(*server).or_insert(one.id);
        }
    }
}

/// The first deployment that can begin, with its servers.
async fn next(on: &impl Reader) -> Result<Option<(DeploymentId, Vec<ServerId>)>> {
    let queued = queued(on).await?;
    if queued.is_empty() {
        return Ok(None);
    }
    let mut field = Field::look(on).await?;
    for one in queued {
        if field.obstacles(&one).is_empty() {
            return Ok(Some((one.id, one.servers)));
        }
        field.occupy(&one);
    }
    Ok(None)
}

/// What waits, in the order in which it will begin.
async fn queued(on: &impl Reader) -> Result<Vec<Queued>> {
    let rows: Vec<(i64, Option<i64>)> = Entity::find()
        .select_only()
        .column(Column::Id)
        .column(Column::EnvironmentId)
        .filter(Column::State.eq(DeploymentState::Queued.as_str()))
        .order_by_desc(Column::Priority)
        .order_by_asc(Column::Id)
        .limit(WINDOW)
        .into_tuple()
        .all(on.db())
        .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<(i64, Option<i64>)> = parts::Entity::find()
        .select_only()
        .column(parts::Column::DeploymentId)
        .column(parts::Column::ServerId)
        .filter(parts::Column::DeploymentId.is_in(rows.iter().map(|(id, _)| *id)))
        .filter(parts::Column::State.ne(ServerState::Skipped.as_str()))
        .into_tuple()
        .all(on.db())
        .await?;
    let mut servers: HashMap<i64, Vec<ServerId>> = HashMap::new();
    for (deployment, server) in wanted {
        let own = servers.entry(deployment).or_default();
        // A server may stand in two clusters of one environment; it is reserved once.
        if let Some(server) = server.map(ServerId).filter(|server| !own.contains(server)) {
            own.push(server);
        }
    }
    let queued = rows.into_iter().map(|(id, environment)| Queued {
        id: DeploymentId(id),
        environment,
        servers: servers.remove(&id).unwrap_or_default(),
    });
    Ok(queued.collect())
}

/// Assigns a deployment to `worker`; returns the proof.
async fn take(
    tx: &impl Write,
    id: DeploymentId,
    worker: &str,
    now: Instant,
    lease: Duration,
) -> Result<Lease> {
    let until = lease_end(tx, now, lease).await?;
    Entity::update_many()
        .col_expr(Column::Worker, Expr::value(worker))
        .col_expr(Column::LeaseUntilAt, Expr::value(micros(until)))
        .col_expr(Column::Fence, Expr::col(Column::Fence).add(1))
        .filter(Column::Id.eq(id.0))
        .exec(tx.db())
        .await?;
    let fence: Option<i64> = Entity::find_by_id(id.0)
        .select_only()
        .column(Column::Fence)
        .into_tuple()
        .one(tx.db())
        .await?;
    let fence = fence.ok_or_else(|| Error::not_found(format!("deployment {id}")))?;
    Ok(Lease {
        deployment: id,
        fence,
    })
}
