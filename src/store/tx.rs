//! The ways to reach the database: reading from anywhere, writing in a transaction, and, for
//! workers, writing in a transaction that has proved the deployment is still theirs.

use std::ops::Deref;

use sea_orm::{ColumnTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect};
use tokio::sync::OwnedSemaphorePermit;

use super::Store;
use super::entities::deployments;
use crate::domain::{DeploymentId, Error, ErrorKind, Result};

/// A writing transaction. Everything done in it is done together, at [`Self::commit`], or not
/// at all.
pub struct Tx {
    // Declared before the turn: the transaction has ended when the next writer is let in.
    transaction: DatabaseTransaction,
    turn: OwnedSemaphorePermit,
}

impl Tx {
    pub(super) fn new(transaction: DatabaseTransaction, turn: OwnedSemaphorePermit) -> Self {
        Self { transaction, turn }
    }

    pub(super) fn connection(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// Makes everything done in it durable and visible.
    pub async fn commit(self) -> Result<()> {
        let Self { transaction, turn } = self;
        transaction.commit().await?;
        drop(turn);
        Ok(())
    }

    /// Takes back everything done in it, now rather than at some time after the drop.
    pub async fn rollback(self) -> Result<()> {
        let Self { transaction, turn } = self;
        transaction.rollback().await?;
        drop(turn);
        Ok(())
    }
}

/// A worker's claim on a deployment. Each claim of the same deployment has a higher `fence`, so
/// that a worker whose claim was taken over is recognised by its lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// What was claimed.
    pub deployment: DeploymentId,
    /// Counts the claims of it.
    pub fence: i64,
}

/// The lease was lost: another worker has the deployment now, or it was closed. Found as the
/// source of the error that [`Store::begin_leased`] gives.
#[derive(Debug, thiserror::Error)]
#[error("deployment {} was taken over: claim {} is not the last", .0.deployment, .0.fence)]
pub struct Fenced(pub Lease);

impl Fenced {
    /// Whether `error` says that a lease was lost; the worker then stops touching servers.
    pub fn is(error: &Error) -> bool {
        std::error::Error::source(error).is_some_and(|source| source.is::<Self>())
    }
}

/// A transaction of a worker whose lease holds. Nobody can take the deployment over before it
/// ends, so what is written in it is fenced as a whole.
pub struct LeasedTx {
    tx: Tx,
    lease: Lease,
}

impl LeasedTx {
    /// The proof it was opened with.
    pub fn lease(&self) -> Lease {
        self.lease
    }

    /// The deployment being worked on.
    pub fn deployment(&self) -> DeploymentId {
        self.lease.deployment
    }

    /// Makes everything done in it durable and visible.
    pub async fn commit(self) -> Result<()> {
        self.tx.commit().await
    }
}

impl Deref for LeasedTx {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.tx
    }
}

impl Tx {
    /// Turns an open transaction into one of the worker that holds `lease`.
    ///
    /// # Errors
    /// [`Fenced`], as the source of a conflict, when the lease was lost.
    pub async fn leased(self, lease: Lease) -> Result<LeasedTx> {
        let row: Option<i64> = deployments::Entity::find_by_id(lease.deployment.0)
            .select_only()
            .column(deployments::Column::Fence)
            .filter(deployments::Column::Worker.is_not_null())
            .lock_exclusive()
            .into_tuple()
            .one(self.connection())
            .await?;
        if row == Some(lease.fence) {
            return Ok(LeasedTx { tx: self, lease });
        }
        let sentence = "Another worker has taken this deployment over.";
        Err(Error::new(ErrorKind::Conflict, sentence).because(Fenced(lease)))
    }
}

impl Store {
    /// Opens a writing transaction for the worker that holds `lease`.
    ///
    /// # Errors
    /// As [`Tx::leased`].
    pub async fn begin_leased(&self, lease: Lease) -> Result<LeasedTx> {
        self.begin().await?.leased(lease).await
    }
}

/// What can be read from: the [`Store`], or an open [`Tx`] with what was done in it so far.
pub trait Reader: sealed::Connected + Sync {}

impl Reader for Store {}
impl Reader for Tx {}
impl Reader for LeasedTx {}

/// Keeps the database's own types out of everybody else's sight.
pub(super) mod sealed {
    use super::{DatabaseConnection, DatabaseTransaction, LeasedTx, Store, Tx};
    use sea_orm::{ConnectionTrait, StreamTrait};

    /// Has a connection.
    pub trait Connected {
        /// Its type.
        type Connection: ConnectionTrait + StreamTrait;
        /// The connection.
        fn db(&self) -> &Self::Connection;
    }

    impl Connected for Store {
        type Connection = DatabaseConnection;
        fn db(&self) -> &Self::Connection {
            &self.db
        }
    }

    impl Connected for Tx {
        type Connection = DatabaseTransaction;
        fn db(&self) -> &Self::Connection {
            self.connection()
        }
    }

    impl Connected for LeasedTx {
        type Connection = DatabaseTransaction;
        fn db(&self) -> &Self::Connection {
            self.connection()
        }
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait as _;

    use crate::store::{Store, StoreOptions};

    async fn open(url: &str) -> Store {
        let options = StoreOptions { connections: 2 };
        let store = Store::open(url, options).await.unwrap();
        store.migrate().await.unwrap();
        store
    }

    #[tokio::test]
    async fn once_there_is_room_again_what_is_committed_stays() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("deployer.db").display());
        let store = open(&url).await;
        for round in 0..5 {
            let tx = store.begin().await.unwrap();
            let run = async |sql: &str| tx.connection().execute_unprepared(sql).await;
            run("CREATE TABLE IF NOT EXISTS filler (content)").await.unwrap();
            // As on a full disk: this connection's file cannot grow.
            run("PRAGMA max_page_count = 1").await.unwrap();
            assert!(
                run("INSERT INTO filler VALUES (zeroblob(10000000))")
                    .await
                    .is_err()
            );
            drop(tx);
            let tx = store.begin().await.unwrap();
            let room = "PRAGMA max_page_count = 1000000";
            tx.connection().execute_unprepared(room).await.unwrap();
            let sql = format!("CREATE TABLE kept_{round} (content)");
            tx.connection().execute_unprepared(&sql).await.unwrap();
            tx.commit().await.unwrap();
            let other = open(&url).await;
            let sql = format!("SELECT * FROM kept_{round}");
            other.db.execute_unprepared(&sql).await.unwrap();
            other.close().await.unwrap();
        }
    }
}
