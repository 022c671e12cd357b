//! Limits how many deployments work at the same time. One that waits for a person gives its turn to
//! another.
//!
//! Turns are given in the order of the requests, so that a deployment gets one after its pause even
//! while new ones keep coming.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// A deployment's turn to work, and the bell that wakes it while it waits. Cheap to clone: all
/// clones share one turn.
#[derive(Debug, Clone)]
pub(super) struct WorkTurn {
    turns: Arc<Semaphore>,
    held: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    bell: Arc<Notify>,
}

impl WorkTurn {
    /// Waits for the next free turn; `None` when the engine shuts down.
    pub async fn wait(turns: &Arc<Semaphore>) -> Option<Self> {
        let permit = Arc::clone(turns).acquire_owned().await.ok()?;
        Some(Self {
            turns: Arc::clone(turns),
            held: Arc::new(Mutex::new(Some(permit))),
            bell: Arc::default(),
        })
    }

    /// A turn that was given back: the deployment is paused.
    pub fn given_back(turns: &Arc<Semaphore>) -> Self {
        Self {
            turns: Arc::clone(turns),
            held: Arc::default(),
            bell: Arc::default(),
        }
    }

    /// Lets another deployment work.
    pub fn give_back(&self) {
        self.held.lock().take();
    }

    /// Waits for a turn again; returns at once if it was never given back.
    pub async fn take_again(&self) {
        if self.held.lock().is_some() {
            return;
        }
        // Turns close only with the engine, and then nobody waits for one.
        if let Ok(permit) = Arc::clone(&self.turns).acquire_owned().await {
            *self.held.lock() = Some(permit);
        }
    }

    /// Wakes the deployment, now or when it next waits.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Waits to be woken.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_given_back_is_anothers_until_it_is_taken_again() {
        let turns = Arc::new(Semaphore::new(1));
        let first = WorkTurn::wait(&turns).await.unwrap();
        assert_eq!(turns.available_permits(), 0);
        first.clone().give_back();
        let second = WorkTurn::wait(&turns).await.unwrap();
        let again = tokio::spawn({
            let first = first.clone();
            async move { first.take_again().await }
        });
        tokio::task::yield_now().await;
        assert!(!again.is_finished(), "two work where one may");
        drop(second);
        again.await.unwrap();
        assert_eq!(turns.available_permits(), 0);
        drop(first);
        assert_eq!(turns.available_permits(), 1);
    }
}
