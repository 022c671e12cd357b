//! One attempt: the question asked once, within the check's limit.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::{Fault, Watch};
use super::target::ProbedServer;
use super::{command, page};
use crate::domain::HealthCheck;
use crate::domain::health::{AskedFrom, Probe};
use crate::http;

/// Asks once; what was answered, as a sentence.
pub(super) async fn attempt(
    check: &HealthCheck,
    target: &ProbedServer<'_>,
    cancel: &CancellationToken,
    watch: &mut impl Watch,
) -> Result<String, Fault> {
    let limit = Duration::from_secs(check.limit);
    match &check.probe {
        Probe::Http(probe) => page::ask(probe, check.from, target, limit, cancel).await,
        Probe::Tcp(probe) => connect(probe.port, check.from, target, limit, cancel).await,
        Probe::Command(probe) => match check.from {
            AskedFrom::Deployer => command::here(&probe.line, target, limit, cancel, watch).await,
            AskedFrom::Server => command::there(&probe.line, target, limit, cancel, watch).await,
        },
    }
}

async fn connect(
    port: u16,
    from: AskedFrom,
    target: &ProbedServer<'_>,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<String, Fault> {
    match from {
        AskedFrom::Deployer => {
            drop(http::connect::tcp(target.address, port, &http::Guard::open(), limit, cancel).await?)
        }
        AskedFrom::Server => drop(
            target
                .forward(port, Instant::now() + limit, limit, cancel)
                .await?,
        ),
    }
    let to = target.authority(port, from);
    Ok(format!("{to} accepts connections."))
}
