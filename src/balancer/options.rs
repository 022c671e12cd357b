//! How patiently every endpoint is asked, and what the configuration says about all balancers.

use std::path::PathBuf;
use std::time::Duration;

/// For connecting, name lookup and TLS included: a balancer is near, or we have the wrong address.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// For a whole answer: HAProxy answers in milliseconds unless it is in trouble.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How long we retry an HAProxy that refuses or drops connections: the time a restart takes.
pub const RETRY: Duration = Duration::from_secs(4);

/// The longest answer, in bytes: some twenty thousand servers.
pub(super) const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// How long to wait for each part of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For connecting.
    pub connect: Duration,
    /// For a whole answer.
    pub answer: Duration,
    /// For trying again.
    pub retry: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: CONNECT_LIMIT,
            answer: ANSWER_LIMIT,
            retry: RETRY,
        }
    }
}

/// The configuration of all balancers.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The file with the passwords of statistics pages; see [`PasswordFile`].
    pub credentials: Option<PathBuf>,
    /// A PEM file with certificates to trust beside the public ones.
    pub certificates: Option<PathBuf>,
    /// How long to wait for answers.
    pub limits: Limits,
}
