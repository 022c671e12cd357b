//! The server that a check asks, and the two ways of reaching it.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::attempt::Fault;
use crate::confinement::Confinement;
use crate::domain::ScriptVariables;
use crate::domain::health::AskedFrom;
use crate::http;
use crate::ssh::{self, Session};

/// Where a server reaches itself.
pub(super) const LOOPBACK: &str = "127.0.0.1";

/// The server that is asked, and how it is reached.
#[derive(Clone, Copy)]
pub struct ProbedServer<'a> {
    /// What people call it.
    pub server: &'a str,
    /// Where the deployer's host reaches it: a name or an address, IPv6 without brackets.
    pub address: &'a str,
    /// The connection to it.
    pub session: &'a Session,
    /// Where a command on the server starts.
    pub dir: &'a str,
    /// Where a command on the deployer's host starts; `None`: in a temporary directory.
    pub dir_here: Option<&'a Path>,
    /// What commands find in their environment.
    pub variables: &'a ScriptVariables,
    /// Runs commands on the deployer's host.
    pub confinement: &'a Confinement,
}

impl ProbedServer<'_> {
    /// A connection to `port` made by the server itself, by `deadline`, which is `limit` from the
    /// beginning of the attempt.
    pub(super) async fn forward(
        &self,
        port: u16,
        deadline: Instant,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<ssh::Forward, Fault> {
        let opening = timeout_at(deadline, self.session.forward(LOOPBACK, port));
        match cancel.run_until_cancelled(opening).await {
            None => Err(Fault::new("Cancelled.")),
            Some(Ok(opened)) => Ok(opened?),
            Some(Err(_)) => {
                let to = self.authority(port, AskedFrom::Server);
                Err(http::Error::ConnectTimeout { to, limit }.into())
            }
        }
    }

    /// Host and port, for messages.
    pub(super) fn authority(&self, port: u16, from: AskedFrom) -> String {
        match from {
            AskedFrom::Deployer => http::connect::authority(self.address, port),
            AskedFrom::Server => format!("{LOOPBACK}:{port} on “{}”", self.server),
        }
    }
}
