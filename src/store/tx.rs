//! The basis of reading and writing: what can be read from, the transaction below both ways to
//! write, and the lease by which a worker proves that a deployment is still its own.

use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect};
use tokio::sync::OwnedSemaphorePermit;

use super::entities::deployments;
use crate::domain::{DeploymentId, Error, ErrorKind, Result};

/// A writing transaction.
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

    pub(super) async fn commit(self) -> Result<()> {
        let Self { transaction, turn } = self;
        transaction.commit().await?;
        drop(turn);
        Ok(())
    }

    /// Rolls back now, rather than at some time after the drop.
    pub(super) async fn rollback(self) -> Result<()> {
        let Self { transaction, turn } = self;
        transaction.rollback().await?;
        drop(turn);
        Ok(())
    }
}

/// A worker's claim on a deployment. Each further claim has a higher `fence`, so a lower one shows
/// that another worker has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub deployment: DeploymentId,
    /// Counts the claims of the deployment.
    pub fence: i64,
}

/// The lease was lost: another worker has the deployment now, or it was closed. It is the source
/// of the error.
#[derive(Debug, thiserror::Error)]
#[error("deployment {} was taken over: claim {} is not the last", .0.deployment, .0.fence)]
pub struct Fenced(pub Lease);

impl Fenced {
    /// Whether `error` means a lost lease; the worker then stops touching servers.
    pub fn is(error: &Error) -> bool {
        std::error::Error::source(error).is_some_and(|source| source.is::<Self>())
    }
}

impl Tx {
    /// Proves that the worker which holds `lease` still has the deployment. Nobody can take it over
    /// before the transaction ends.
    ///
    /// # Errors
    /// [`Fenced`], as the source of a conflict, when the lease was lost.
    pub(super) async fn prove(&self, lease: Lease) -> Result<()> {
        let row: Option<i64> = deployments::Entity::find_by_id(lease.deployment.0)
            .select_only()
            .column(deployments::Column::Fence)
            .filter(deployments::Column::Worker.is_not_null())
            .lock_exclusive()
            .into_tuple()
            .one(self.connection())
            .await?;
        if row == Some(lease.fence) {
            return Ok(());
        }
        let sentence = "Another worker has taken this deployment over.";
        Err(Error::new(ErrorKind::Conflict, sentence).because(Fenced(lease)))
    }
}

/// What can be read from: the [`Store`], or an open write with what was done in it so far.
pub trait Reader: sealed::Connected + Sync {}

/// Hides the database's own types from other modules.
pub(super) mod sealed {
    use sea_orm::{ConnectionTrait, StreamTrait};

    use crate::store::seal::Seal;

    pub trait Connected {
        type Connection: ConnectionTrait + StreamTrait;
        fn db(&self) -> &Self::Connection;
        fn seal(&self) -> &Seal;
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait as _;

    use crate::store::{Store, StoreOptions};

    async fn open(url: &str) -> Store {
        let options = StoreOptions {
            connections: 2,
            ..StoreOptions::default()
        };
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
            other.connection().execute_unprepared(&sql).await.unwrap();
            other.close().await.unwrap();
        }
    }
}
