//! Bringing the files to servers whose turn has not come yet.
//!
//! Where releases are switched, a new one that lies beside the running one harms nobody. So all
//! servers get theirs from the beginning, several at once, in the order of the plan, and when the
//! turn of one comes, it is out of service only for the switch and the scripts. What goes wrong
//! here is told when its turn comes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Hand, Rollout, Supply};
use crate::domain::{ServerId, SyncMethod};
use crate::engine::steps::check::{self, Reached};
use crate::engine::steps::{StepResult, transfer};

/// What was found on a server is believed for so long; what comes later looks again, as somebody
/// may have worked on it meanwhile.
const FRESH: Duration = Duration::from_secs(30);

/// A tree that lies on a server.
pub(super) struct Brought {
    /// What was found there just before.
    pub reached: Arc<Reached>,
    /// The directory it is in.
    pub directory: String,
}

/// The results to come, by server.
#[derive(Default)]
pub(super) struct Ahead(Mutex<HashMap<ServerId, oneshot::Receiver<StepResult<Brought>>>>);

/// The work to do for them.
pub(super) type Errands<'a> = Vec<(&'a Hand<'a>, oneshot::Sender<StepResult<Brought>>)>;

impl Ahead {
    /// Errands for every server in order, where releases are switched.
    pub fn plan<'a>(rollout: &'a Rollout<'a>) -> (Self, Errands<'a>) {
        let ahead = Self::default();
        let mut errands = Vec::new();
        if rollout.run.project.method == SyncMethod::Symlink {
            for hand in rollout.hands() {
                let (sender, receiver) = oneshot::channel();
                ahead.0.lock().insert(hand.id(), receiver);
                errands.push((hand, sender));
            }
        }
        (ahead, errands)
    }

    /// The tree on one server: what was brought ahead, or else brought now.
    pub async fn take(&self, rollout: &Rollout<'_>, hand: &Hand<'_>) -> StepResult<Brought> {
        let coming = self.0.lock().remove(&hand.id());
        if let Some(coming) = coming
            && let Ok(result) = coming.await
        {
            return result;
        }
        bring(rollout, hand).await
    }
}

/// Runs the errands, as many at once as the environment allows, until the rollout is `halted`.
pub(super) async fn run(rollout: &Rollout<'_>, errands: Errands<'_>, halted: &AtomicBool) {
    let mut jobs: Vec<BoxFuture<'_, ()>> = Vec::with_capacity(errands.len());
    for (hand, sender) in errands {
        jobs.push(Box::pin(async move {
            if !halted.load(Ordering::SeqCst) && rollout.run.stop.reason().is_none() {
                // Nobody waits any more when the rollout has ended meanwhile.
                let _ = sender.send(bring(rollout, hand).await);
            }
        }));
    }
    stream::iter(jobs)
        .buffer_unordered(rollout.parallel())
        .for_each(async |()| {})
        .await;
}

/// Brings the tree to a server now.
pub(super) async fn bring(rollout: &Rollout<'_>, hand: &Hand<'_>) -> StepResult<Brought> {
    let known = hand.reached();
    let reached = match known.at.elapsed() > FRESH {
        true => {
            let reached = Arc::new(check::look_again(rollout.run, hand.member).await?);
            hand.set_reached(Arc::clone(&reached));
            reached
        }
        false => known,
    };
    let directory = match rollout.supply {
        Supply::Sent(package) => {
            transfer::sync(rollout.run, package, hand.member, &reached)
                .await?
                .directory
        }
        Supply::Kept(kept) => kept.sync(rollout.run, hand.member).await?,
    };
    Ok(Brought { reached, directory })
}
