//! Sends the files to servers whose turn has not come yet.
//!
//! Where releases are switched, a new one beside the running one harms nobody. So all servers get it
//! from the start, several at the same time, in the order of the plan, and a server is out of service
//! only for the switch and the scripts. A failure here is reported when the server's turn comes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::state::{Fate, Rollout, ServerRollout, Supply};
use crate::domain::{ServerId, SyncMethod};
use crate::engine::ending::StepResult;
use crate::engine::found::Reached;
use crate::engine::steps::{check, transfer};

/// How long a look at a server stays valid. After that it is repeated, as somebody may have worked on
/// the server meanwhile.
const FRESH: Duration = Duration::from_secs(30);

/// A release that lies ready on a server.
pub(super) struct Brought {
    /// What was seen on the server just before.
    pub reached: Arc<Reached>,
    /// Its directory on the server.
    pub directory: String,
}

/// The transfers under way: each server's result arrives once.
#[derive(Default)]
pub(super) struct Ahead(Mutex<HashMap<ServerId, oneshot::Receiver<StepResult<Brought>>>>);

/// The transfers to do.
pub(super) type Errands<'a> = Vec<(&'a ServerRollout<'a>, oneshot::Sender<StepResult<Brought>>)>;

impl Ahead {
    /// Plans a transfer to every server that waits, in order, where releases are switched.
    pub fn plan<'a>(rollout: &'a Rollout<'a>) -> (Self, Errands<'a>) {
        let ahead = Self::default();
        let mut errands = Vec::new();
        if rollout.run.project.method == SyncMethod::Symlink {
            for server in rollout.servers().filter(|server| server.fate() == Fate::Waiting) {
                let (sender, receiver) = oneshot::channel();
                ahead.0.lock().insert(server.id(), receiver);
                errands.push((server, sender));
            }
        }
        (ahead, errands)
    }

    /// The tree on a server: sent ahead, or else sent now.
    pub async fn take(&self, rollout: &Rollout<'_>, server: &ServerRollout<'_>) -> StepResult<Brought> {
        let coming = self.0.lock().remove(&server.id());
        if let Some(coming) = coming
            && let Ok(result) = coming.await
        {
            return result;
        }
        bring(rollout, server).await
    }
}

/// Does the transfers, as many at the same time as the environment allows, until the rollout is
/// `halted`.
pub(super) async fn run(rollout: &Rollout<'_>, errands: Errands<'_>, halted: &AtomicBool) {
    let mut jobs: Vec<BoxFuture<'_, ()>> = Vec::with_capacity(errands.len());
    for (server, sender) in errands {
        jobs.push(Box::pin(async move {
            if !halted.load(Ordering::SeqCst) && rollout.run.stop.reason().is_none() {
                // The receiver is gone when the rollout has ended meanwhile.
                let _ = sender.send(bring(rollout, server).await);
            }
        }));
    }
    stream::iter(jobs)
        .buffer_unordered(rollout.run.parallel())
        .for_each(async |()| {})
        .await;
}

/// Sends the tree to a server now.
pub(super) async fn bring(rollout: &Rollout<'_>, server: &ServerRollout<'_>) -> StepResult<Brought> {
    let known = server.reached().filter(|known| known.at.elapsed() <= FRESH);
    let reached = match known {
        Some(known) => known,
        None => {
            let reached = Arc::new(check::look_again(rollout.run, server.member).await?);
            server.set_reached(Arc::clone(&reached));
            reached
        }
    };
    let directory = match rollout.supply {
        Supply::Sent(package) => {
            transfer::sync(rollout.run, package, server.member, &reached)
                .await?
                .directory
        }
        Supply::Kept(kept) => kept.sync(rollout.run, server.member).await?,
    };
    Ok(Brought { reached, directory })
}
