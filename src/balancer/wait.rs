//! Waiting for a balancer: until sessions have ended, until servers pass their checks, until they
//! are up, until they have their full weight.
//!
//! All read the state again and again. An endpoint that is away for a moment does not end a wait,
//! since a restart looks like that; one that is still away when the limit passes does.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::table::FULL;
use super::{Admin, BackendSlot, BalancerClient, Error, Merged, ServerLine, State, strict};

/// The first pause between two looks: a rollout waits for each server, so its time includes this.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The longest pause between two looks, after many without success: HAProxy writes a line for every server
/// it has, each time.
const LOOK_AGAIN_AT_MOST: Duration = Duration::from_secs(1);

/// How long a server with an agent is watched after it was taken out: HAProxy asks agents every two seconds unless
/// it is told otherwise.
const AGENT_LIMIT: Duration = Duration::from_secs(3);

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Sessions that had not ended when the limit passed; 0 when all had.
    pub left_sessions: u64,
    /// A slot had come back into service meanwhile, as after a restart of HAProxy, and was drained
    /// again.
    pub again: bool,
}

impl BalancerClient {
    /// Waits until none of `slots` has a session on any endpoint, or until `limit` has passed, which
    /// is no error. The slots must have been drained; one that is in service again is drained again.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; an endpoint that cannot be read when the limit has passed; a slot that
    /// is gone; whatever keeps a slot from being drained again.
    pub async fn wait_drained(
        &self,
        slots: &[BackendSlot],
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<Drained, Error> {
        let mut again = false;
        let mut rhythm = Rhythm::new(limit);
        loop {
            match self.look_once(slots, cancel).await {
                Ok(seen) if seen.iter().any(back_in_service) => {
                    tracing::warn!(
                        balancer = self.name(),
                        "drained servers were back in service; draining them again"
                    );
                    again = true;
                    self.drain(slots).await?;
                }
                Ok(seen) => {
                    let left_sessions = seen.iter().map(|merged| merged.sessions).sum();
                    if left_sessions == 0 || rhythm.is_over() {
                        return Ok(Drained { left_sessions, again });
                    }
                }
                Err(error) if error.is_absence() && !rhythm.is_over() => {}
                Err(error) => return Err(error),
            }
            rhythm.pause(cancel).await?;
        }
    }

    /// Makes sure that slots in maintenance stay there, where an agent has a say: one that answers `ready` ends
    /// any maintenance. Without an agent there is nothing to wait for.
    ///
    /// # Errors
    /// [`Error::Reopened`]; [`Error::Cancelled`]; an endpoint that cannot be read when the limit has passed; a
    /// slot that is gone.
    pub async fn stays_out(&self, slots: &[BackendSlot], cancel: &CancellationToken) -> Result<(), Error> {
        let mut rhythm = Rhythm::new(AGENT_LIMIT);
        loop {
            match self.look_once(slots, cancel).await {
                Ok(seen) => {
                    let lines = seen.iter().flat_map(|merged| &merged.per_endpoint);
                    let agents: Vec<&ServerLine> = lines.filter(|line| line.has_agent).collect();
                    if let Some(back) = agents.iter().find(|line| line.admin == Admin::Ready) {
                        let slot = format!("{}/{}", back.backend, back.server);
                        return Err(Error::Reopened { slot });
                    }
                    if rhythm.is_over() || agents.is_empty() {
                        return Ok(());
                    }
                }
                Err(error) if error.is_absence() && !rhythm.is_over() => {}
                Err(error) => return Err(error),
            }
            rhythm.pause(cancel).await?;
        }
    }

    /// Waits until every endpoint calls every slot UP. A server that nobody checks is up when it is
    /// ready. A server that merely counts as up, as it does between maintenance and its first check,
    /// is not enough.
    ///
    /// # Errors
    /// [`Error::NotUp`] with what was said last; [`Error::Cancelled`]; an endpoint that cannot be
    /// read when the limit has passed; a slot that is gone.
    pub async fn wait_up(
        &self,
        slots: &[BackendSlot],
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        self.wait_until(Merged::is_proven, slots, limit, cancel).await
    }

    /// Waits until every slot passes its checks on every endpoint, drained or ready: a drained slot
    /// can then be made ready without sending anybody to a server that does not answer yet. A server
    /// that nobody checks passes.
    ///
    /// # Errors
    /// As [`BalancerClient::wait_up`].
    pub async fn wait_passing(
        &self,
        slots: &[BackendSlot],
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        self.wait_until(Merged::passes, slots, limit, cancel).await
    }

    /// Waits until HAProxy gives every slot that is in service its full weight (`slowstart`), or until `limit` has
    /// passed, which is no error. Returns the least that one has then, in percent, if that is not all.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; an endpoint that cannot be read when the limit has passed.
    pub async fn wait_full(
        &self,
        slots: &[BackendSlot],
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<Option<u64>, Error> {
        let mut rhythm = Rhythm::new(limit);
        loop {
            let looking = cancel.run_until_cancelled(self.look());
            match strict(looking.await.ok_or(Error::Cancelled)?) {
                Ok(state) => {
                    let own = state.servers.iter().filter(|one| slots.contains(&one.slot));
                    let least = own.map(Merged::growth).min().filter(|least| *least < FULL);
                    if least.is_none() || rhythm.is_over() {
                        return Ok(least);
                    }
                }
                Err(error) if error.is_absence() && !rhythm.is_over() => {}
                Err(error) => return Err(error),
            }
            rhythm.pause(cancel).await?;
        }
    }

    async fn wait_until(
        &self,
        is_so: impl Fn(&Merged) -> bool,
        slots: &[BackendSlot],
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let mut rhythm = Rhythm::new(limit);
        loop {
            match self.look_once(slots, cancel).await {
                Ok(seen) if seen.iter().all(&is_so) => return Ok(()),
                Ok(seen) if rhythm.is_over() => return Err(not_up(&seen, limit)),
                Err(error) if !error.is_absence() || rhythm.is_over() => return Err(error),
                Ok(_) | Err(_) => {}
            }
            rhythm.pause(cancel).await?;
        }
    }

    /// What all endpoints say now about `slots`.
    async fn look_once(
        &self,
        slots: &[BackendSlot],
        cancel: &CancellationToken,
    ) -> Result<Vec<Merged>, Error> {
        let looking = cancel.run_until_cancelled(self.look());
        let state: State = strict(looking.await.ok_or(Error::Cancelled)?)?;
        slots.iter().map(|slot| state.require(slot).cloned()).collect()
    }
}

/// Whether some endpoint would send it new sessions.
fn back_in_service(merged: &Merged) -> bool {
    merged
        .per_endpoint
        .iter()
        .any(|line| line.admin == Admin::Ready && line.is_up())
}

fn not_up(seen: &[Merged], limit: Duration) -> Error {
    let late = seen.iter().filter(|merged| !merged.is_proven());
    let (slots, said): (Vec<String>, Vec<String>) = late
        .map(|merged| (merged.slot.to_string(), merged.said(|line| !line.is_proven())))
        .unzip();
    Error::NotUp {
        slot: slots.join(", "),
        limit,
        said: said.join(", "),
    }
}

/// The pauses between looks, and the end of it.
struct Rhythm {
    end: Instant,
    pause: Duration,
    last: bool,
}

impl Rhythm {
    fn new(limit: Duration) -> Self {
        Self {
            end: Instant::now() + limit,
            pause: LOOK_AGAIN,
            last: limit.is_zero(),
        }
    }

    /// Whether the look just taken was the last one.
    fn is_over(&self) -> bool {
        self.last
    }

    /// Waits for the next look; the last one is taken when the limit has passed.
    async fn pause(&mut self, cancel: &CancellationToken) -> Result<(), Error> {
        let left = self.end.saturating_duration_since(Instant::now());
        self.last = left <= self.pause;
        let pause = self.pause.min(left);
        self.pause = (self.pause * 11 / 10).min(LOOK_AGAIN_AT_MOST);
        cancel
            .run_until_cancelled(sleep(pause))
            .await
            .ok_or(Error::Cancelled)
    }
}
