//! The two ways to write.
//!
//! [`Change`] is for what matters. A [`Right`] opens it (a permit, the lease of a deployment or of a job, a
//! login or refusal); store functions that change something take it; it is committed only together with an
//! [`Event`]. The audit row is made from that event in the same transaction, and listeners are woken after
//! it. The head of the audit chain is locked last, so that writers wait for each other for one insert only.
//!
//! [`Record`] is for notes along the way: log lines, the journal of steps and servers, heartbeats,
//! observations, sessions. It makes no audit event and reaches only the tables that a test in
//! `tests/house` lists.
//!
//! A worker writes through [`Leased`], which proves that the deployment is still the worker's. Nobody
//! can take the deployment over before that write ends.

use std::ops::Deref;

use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait};

use super::Store;
use super::audit::append::append;
use super::bell::{Bell, Ring};
use super::seal::Seal;
use super::tx::sealed::Connected;
use super::tx::{Lease, Reader, Tx};
use crate::access::Permit;
use crate::domain::{
    Actor, Author, Deployment, DeploymentId, Event, Instant, NumberedChunk, Refusal, Result,
};

/// What allows a change, and who makes it.
#[derive(Debug, Clone)]
pub struct Right {
    author: Author,
    place: String,
}

impl Right {
    /// The right of somebody who logs in or out, or is refused: they act on `what`.
    pub fn at_the_gate(actor: &Actor, what: impl Into<String>) -> Self {
        Self {
            author: Author::new(actor, ""),
            place: what.into(),
        }
    }

    /// The right of this program itself, to do to `what` something that its host's operator asked for.
    pub fn of_this_program(what: impl Into<String>) -> Self {
        Self {
            author: Author {
                actor: Author::ENGINE.to_owned(),
                impersonator: None,
                token: None,
                address: Author::ENGINE.to_owned(),
                ground: String::new(),
            },
            place: what.into(),
        }
    }

    /// The engine's right, in the name of the requester of `deployment`.
    pub fn of_engine(deployment: &Deployment) -> Self {
        Self {
            author: Author::of(deployment),
            place: format!("{}/{}", deployment.project, deployment.environment),
        }
    }

    /// The engine's right in its own name, for work on what `deployment` left behind.
    pub fn of_engine_itself(deployment: &Deployment) -> Self {
        let mut right = Self::of_engine(deployment);
        Author::ENGINE.clone_into(&mut right.author.actor);
        right
    }
}

impl From<&Permit> for Right {
    fn from(permit: &Permit) -> Self {
        Self {
            author: Author::new(permit.actor(), permit.line().to_string()),
            place: permit.resource().to_string(),
        }
    }
}

impl From<&Refusal> for Right {
    fn from(refusal: &Refusal) -> Self {
        Self::at_the_gate(&refusal.actor, refusal.resource.to_string())
    }
}

/// A transaction that changes what matters. Dropped, it changes nothing.
pub struct Change {
    record: Record,
    right: Right,
    now: Instant,
    further: Vec<(Author, String, Instant, Event)>,
}

impl Change {
    /// When it is made.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Adds an event, recorded after the one given to [`Self::commit`].
    pub fn also(&mut self, event: Event) {
        let Right { author, place } = self.right.clone();
        self.further.push((author, place, self.now, event));
    }

    /// Adds an event that another right allowed.
    pub fn also_by(&mut self, right: impl Into<Right>, event: Event) {
        let Right { author, place } = right.into();
        self.further.push((author, place, self.now, event));
    }

    /// Adds an event of another time, for history that is imported.
    pub fn also_then(&mut self, author: Author, then: Instant, event: Event) {
        let place = self.right.place.clone();
        self.further.push((author, place, then, event));
    }

    /// Commits the transaction together with `event`, then wakes listeners.
    pub async fn commit(self, event: Event) -> Result<()> {
        let Self {
            record,
            right,
            now,
            further,
        } = self;
        let mut all = vec![(right.author, right.place, now, event)];
        all.extend(further);
        for (author, place, at, event) in &all {
            append(&record.tx, &event.recorded(author, place, *at)).await?;
        }
        let Record { tx, bell, .. } = record;
        tx.commit().await?;
        for (_, _, _, event) in &all {
            bell.ring(Ring::Event(event));
        }
        Ok(())
    }
}

/// A transaction that notes something along the way. Dropped, it notes nothing.
pub struct Record {
    tx: Tx,
    bell: Bell,
    seal: Seal,
}

impl Record {
    /// Commits the transaction.
    pub async fn commit(self) -> Result<()> {
        self.tx.commit().await
    }

    /// Rolls back now, rather than at some time after the drop.
    pub async fn rollback(self) -> Result<()> {
        self.tx.rollback().await
    }

    /// Turns the transaction into a change.
    pub(super) fn into_change(self, right: impl Into<Right>, now: Instant) -> Change {
        Change {
            record: self,
            right: right.into(),
            now,
            further: Vec::new(),
        }
    }

    pub(super) fn connection(&self) -> &DatabaseTransaction {
        self.tx.connection()
    }
}

impl Deref for Change {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

/// A write of the worker that holds a deployment's lease.
pub struct Leased<W> {
    write: W,
    lease: Lease,
}

impl<W> Deref for Leased<W> {
    type Target = W;

    fn deref(&self) -> &W {
        &self.write
    }
}

impl Leased<Record> {
    /// Turns the transaction into a change.
    pub(super) fn into_change(self, right: impl Into<Right>, now: Instant) -> Leased<Change> {
        Leased {
            write: self.write.into_change(right, now),
            lease: self.lease,
        }
    }

    /// Commits the transaction, then wakes the deployment's watchers.
    pub async fn commit(self) -> Result<()> {
        let Record { tx, bell, .. } = self.write;
        tx.commit().await?;
        bell.ring(Ring::Progress(self.lease.deployment));
        Ok(())
    }

    /// Commits log lines, then sends them to the deployment's watchers.
    pub async fn commit_lines(self, lines: Vec<NumberedChunk>) -> Result<()> {
        let Record { tx, bell, .. } = self.write;
        tx.commit().await?;
        bell.ring(Ring::Lines(self.lease.deployment, lines));
        Ok(())
    }

    /// Commits a sign of life, which no page shows.
    pub(super) async fn commit_silently(self) -> Result<()> {
        self.write.commit().await
    }
}

impl Leased<Change> {
    /// As [`Change::also_by`].
    pub fn also_by(&mut self, right: impl Into<Right>, event: Event) {
        self.write.also_by(right, event);
    }

    /// As [`Change::commit`].
    pub async fn commit(self, event: Event) -> Result<()> {
        self.write.commit(event).await
    }
}

/// Either way to write, for notes that both may hold.
pub trait Write: Connected<Connection = DatabaseTransaction> + Reader {}

/// How many rows are written by one statement; databases limit the parameters and the size of one.
const ROWS_AT_ONCE: usize = 100;

/// Adds rows to their table.
pub(super) async fn insert_all<A>(tx: &impl Write, rows: Vec<A>) -> Result<()>
where
    A: ActiveModelTrait + Send + Sync,
{
    for some in rows.chunks(ROWS_AT_ONCE) {
        A::Entity::insert_many(some.to_vec())
            .exec_without_returning(tx.db())
            .await?;
    }
    Ok(())
}

impl Write for Record {}
impl Write for Change {}
impl Write for Leased<Record> {}
impl Write for Leased<Change> {}

/// A write with the proof that the deployment is still the worker's.
pub trait Journal: Write {
    /// The claim that its worker holds.
    fn lease(&self) -> Lease;

    /// The deployment being worked on.
    fn deployment(&self) -> DeploymentId {
        self.lease().deployment
    }
}

impl Journal for Leased<Record> {
    fn lease(&self) -> Lease {
        self.lease
    }
}

impl Journal for Leased<Change> {
    fn lease(&self) -> Lease {
        self.lease
    }
}

impl Reader for Record {}
impl Reader for Change {}
impl Reader for Leased<Record> {}
impl Reader for Leased<Change> {}

impl Connected for Record {
    type Connection = DatabaseTransaction;
    fn db(&self) -> &DatabaseTransaction {
        self.tx.connection()
    }
    fn seal(&self) -> &Seal {
        &self.seal
    }
}

impl Connected for Change {
    type Connection = DatabaseTransaction;
    fn db(&self) -> &DatabaseTransaction {
        self.connection()
    }
    fn seal(&self) -> &Seal {
        self.record.seal()
    }
}

impl<W: Connected<Connection = DatabaseTransaction>> Connected for Leased<W> {
    type Connection = DatabaseTransaction;
    fn db(&self) -> &DatabaseTransaction {
        self.write.db()
    }
    fn seal(&self) -> &Seal {
        self.write.seal()
    }
}

impl Store {
    /// Opens a change that `right` allows, made `now`. Waits for its turn.
    pub async fn change(&self, right: impl Into<Right>, now: Instant) -> Result<Change> {
        Ok(self.record().await?.into_change(right, now))
    }

    /// Opens a record. Waits for its turn.
    pub async fn record(&self) -> Result<Record> {
        Ok(Record {
            tx: self.begin().await?,
            bell: self.bell(),
            seal: self.seal().clone(),
        })
    }

    /// Opens a record of the worker that holds `lease`.
    ///
    /// # Errors
    /// [`super::Fenced`], as the source of a conflict, when the lease was lost.
    pub async fn record_leased(&self, lease: Lease) -> Result<Leased<Record>> {
        let write = self.record().await?;
        write.tx.prove(lease).await?;
        Ok(Leased { write, lease })
    }
}
