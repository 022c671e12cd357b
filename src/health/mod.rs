//! Health checks: asking a server whether it serves its new release.
//!
//! [`check`] repeats a [`HealthCheck`] until it has passed often enough in a row or has used up its
//! attempts, and calls a [`Watch`] after each attempt.
//! One attempt is one call of `probe::attempt`: a page fetched (`page`), a connection made, a
//! command run (`command`), each within the check's limit.
//!
//! The deployer connects to the server's address over the network, as the balancer does. A check
//! that the server runs itself goes through the open SSH connection
//! ([`crate::ssh::Session::forward`]): nothing needs to be installed there, and services that listen
//! on the loopback only can be checked.
//!
//! A failure that another attempt cannot fix (an sshd that forbids forwarding, a request that cannot be
//! written) ends the check at once.

mod attempt;
mod command;
mod page;
mod probe;
mod target;

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::domain::HealthCheck;

pub use attempt::{Attempt, Watch};
pub use target::ProbedServer;

const CANCELLED: &str = "The health check was cancelled.";

/// Asks until the server is healthy or all attempts are used up, and says what it answered last.
/// Cancelling ends it at once.
///
/// # Errors
/// Why it is not healthy, as a sentence or two, or that the check was cancelled.
pub async fn check(
    check: &HealthCheck,
    target: &ProbedServer<'_>,
    cancel: &CancellationToken,
    watch: &mut impl Watch,
) -> Result<String, String> {
    let (mut in_a_row, mut last) = (0, String::new());
    for number in 1..=check.attempts {
        let pause = Duration::from_secs(if number == 1 { 0 } else { check.interval });
        if cancel.run_until_cancelled(sleep(pause)).await.is_none() {
            return Err(CANCELLED.to_owned());
        }
        let asked = Instant::now();
        let outcome = probe::attempt(check, target, cancel, watch).await;
        if cancel.is_cancelled() {
            return Err(CANCELLED.to_owned());
        }
        let (outcome, lasting) = match outcome {
            Ok(answer) => (Ok(answer), false),
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
            Ok(answer) => {
                in_a_row += 1;
                if in_a_row >= check.successes {
                    return Ok(answer);
                }
                last = format!(
                    "The last attempts passed, but only {in_a_row} of {} in a row.",
                    check.successes
                );
            }
            Err(sentence) if lasting => return Err(sentence),
            Err(sentence) => (in_a_row, last) = (0, sentence),
        }
    }
    let times = if check.attempts == 1 {
        "attempt"
    } else {
        "attempts"
    };
    Err(format!("Not healthy after {} {times}. {last}", check.attempts))
}
