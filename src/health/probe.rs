//! One attempt: the question asked once, within the check's limit.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Fault, Place, Watch, command, page};
use crate::domain::HealthCheck;
use crate::domain::health::{AskedFrom, Probe};
use crate::{http, ssh};

/// Where a server reaches itself.
pub(super) const LOOPBACK: &str = "127.0.0.1";

/// Asks once; what was answered, as a sentence.
pub(super) async fn attempt(
    check: &HealthCheck,
    place: &Place<'_>,
    cancel: &CancellationToken,
    watch: &mut impl Watch,
) -> Result<String, Fault> {
    let limit = Duration::from_secs(check.limit);
    match &check.probe {
        Probe::Http(probe) => page::ask(probe, check.from, place, limit, cancel).await,
        Probe::Tcp(probe) => connect(probe.port, check.from, place, limit, cancel).await,
        Probe::Command(probe) => match check.from {
            AskedFrom::Deployer => command::here(&probe.line, place, limit, cancel, watch).await,
            AskedFrom::Server => command::there(&probe.line, place, limit, cancel, watch).await,
        },
    }
}

async fn connect(
    port: u16,
    from: AskedFrom,
    place: &Place<'_>,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<String, Fault> {
    match from {
        AskedFrom::Deployer => drop(http::connect::tcp(place.address, port, limit, cancel).await?),
        AskedFrom::Server => drop(forward(port, place, Instant::now() + limit, limit, cancel).await?),
    }
    let to = authority(port, from, place);
    Ok(format!("{to} accepts connections."))
}

/// A connection to `port` made by the server itself, by `deadline`, which is `limit` from the
/// beginning of the attempt.
pub(super) async fn forward(
    port: u16,
    place: &Place<'_>,
    deadline: Instant,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<ssh::Forward, Fault> {
    let opening = timeout_at(deadline, place.session.forward(LOOPBACK, port));
    match cancel.run_until_cancelled(opening).await {
        None => Err(Fault::new("Cancelled.")),
        Some(Ok(opened)) => Ok(opened?),
        Some(Err(_)) => {
            let to = authority(port, AskedFrom::Server, place);
            Err(http::Error::ConnectTimeout { to, limit }.into())
        }
    }
}

/// Who is asked, for messages.
pub(super) fn authority(port: u16, from: AskedFrom, place: &Place<'_>) -> String {
    match from {
        AskedFrom::Deployer => http::connect::authority(place.address, port),
        AskedFrom::Server => format!("{LOOPBACK}:{port} on “{}”", place.server),
    }
}
