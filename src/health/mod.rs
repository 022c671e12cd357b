//! Health checks: asking a server whether it serves its new release.
//!
//! [`check`] asks the question of a [`HealthCheck`] again and again, until it was answered well
//! often enough in a row or was asked as often as allowed, and tells a [`Watch`] of every attempt.
//! One attempt is one call of [`probe::attempt`]: a page fetched (`page`), a connection made, a
//! command run (`command`), each within the check's limit.
//!
//! The deployer asks the server's address over the network, as the balancer does. Where the
//! server is to ask itself, HTTP and TCP go through the SSH connection that stands already
//! ([`Session::forward`]): nothing needs to be installed there, and what listens on its loopback
//! only can be asked.
//!
//! What another attempt cannot mend (an sshd that forbids forwarding, a request that cannot be
//! written) ends the check at once, so that nobody waits for what will not come.

mod command;
mod page;
mod probe;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::domain::HealthCheck;
use crate::ssh::Session;
use crate::{http, process, ssh};

/// Which server is asked, and how it is reached.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// What people call it.
    pub server: &'a str,
    /// Where the deployer's host reaches it: a name or an address, IPv6 without brackets.
    pub address: &'a str,
    /// The connection to it.
    pub session: &'a Session,
    /// Where a command on the server starts.
    pub dir: &'a str,
    /// Where a command on the deployer's host starts; `None`: where the deployer did.
    pub dir_here: Option<&'a Path>,
    /// What commands find in their environment.
    pub variables: &'a BTreeMap<String, String>,
}

/// It serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthy {
    /// How often it was asked.
    pub attempts: u32,
    /// How long it took, pauses included.
    pub took: Duration,
    /// What it said in the end, as a sentence.
    pub said: String,
}

/// It does not, as far as we can tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Unhealthy {
    /// Why, as a sentence or two.
    pub sentence: String,
    /// How often it was asked.
    pub attempts: u32,
    /// How long it took, pauses included.
    pub took: Duration,
    /// Whether somebody cancelled: then nothing is known about the server.
    pub cancelled: bool,
}

/// One question that was asked.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Which one, from 1.
    pub number: u32,
    /// How many there are at most.
    pub of: u32,
    /// How long it took.
    pub took: Duration,
    /// What came of it, as a sentence.
    pub outcome: Result<String, String>,
}

impl std::fmt::Display for Attempt {
    /// A line of a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { number, of, took, .. } = self;
        let (word, sentence) = match &self.outcome {
            Ok(said) => ("well", said),
            Err(why) => ("not yet", why),
        };
        write!(
            f,
            "Attempt {number} of at most {of}: {word}, after {} ms. {sentence}",
            took.as_millis()
        )
    }
}

/// Whoever follows a check. Commands print into it.
pub trait Watch: process::Output + ssh::Output {
    /// Takes note of an attempt that is over.
    fn attempt(&mut self, attempt: &Attempt) -> impl Future<Output = ()> + Send;
}

/// Why one attempt did not go well.
#[derive(Debug)]
struct Fault {
    sentence: String,
    /// Whether the next attempt would end the same way.
    lasting: bool,
}

impl Fault {
    fn new(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            lasting: false,
        }
    }
}

impl From<http::Error> for Fault {
    fn from(error: http::Error) -> Self {
        Self {
            lasting: matches!(error, http::Error::BadRequest { .. }),
            sentence: error.to_string(),
        }
    }
}

impl From<ssh::Error> for Fault {
    fn from(error: ssh::Error) -> Self {
        use ssh::Error::{BadCommand, ForwardForbidden, HostKeyChanged, HostKeyUnknown};
        Self {
            lasting: matches!(
                error,
                BadCommand { .. } | ForwardForbidden { .. } | HostKeyChanged { .. } | HostKeyUnknown { .. }
            ),
            sentence: error.to_string(),
        }
    }
}

/// Asks until it is well, or until there is no more to ask. Cancelling ends it at once.
///
/// # Errors
/// [`Unhealthy`], also when it was cancelled.
pub async fn check(
    check: &HealthCheck,
    place: &Place<'_>,
    cancel: &CancellationToken,
    watch: &mut impl Watch,
) -> Result<Healthy, Unhealthy> {
    let begun = Instant::now();
    let (mut in_a_row, mut last) = (0, String::new());
    let unhealthy = |sentence: String, attempts, cancelled| Unhealthy {
        sentence,
        attempts,
        took: begun.elapsed(),
        cancelled,
    };
    for number in 1..=check.attempts {
        let pause = Duration::from_secs(if number == 1 { 0 } else { check.interval });
        if cancel.run_until_cancelled(sleep(pause)).await.is_none() {
            return Err(unhealthy(cancelled(), number - 1, true));
        }
        let asked = Instant::now();
        let outcome = probe::attempt(check, place, cancel, watch).await;
        if cancel.is_cancelled() {
            return Err(unhealthy(cancelled(), number, true));
        }
        let (outcome, lasting) = match outcome {
            Ok(said) => (Ok(said), false),
            Err(fault) => (Err(fault.sentence), fault.lasting),
        };
        let attempt = Attempt {
            number,
            of: check.attempts,
            took: asked.elapsed(),
            outcome,
        };
        watch.attempt(&attempt).await;
        match attempt.outcome {
            Ok(said) => {
                in_a_row += 1;
                if in_a_row >= check.successes {
                    return Ok(Healthy {
                        attempts: number,
                        took: begun.elapsed(),
                        said,
                    });
                }
                last = format!(
                    "The last answer was good, but {} in a row are wanted and it was {in_a_row}.",
                    check.successes
                );
            }
            Err(sentence) if lasting => return Err(unhealthy(sentence, number, false)),
            Err(sentence) => (in_a_row, last) = (0, sentence),
        }
    }
    let times = if check.attempts == 1 {
        "attempt"
    } else {
        "attempts"
    };
    let sentence = format!("Not healthy after {} {times}. {last}", check.attempts);
    Err(unhealthy(sentence, check.attempts, false))
}

fn cancelled() -> String {
    "The health check was cancelled.".to_owned()
}
