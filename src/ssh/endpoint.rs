//! Where to connect, and with which keys and patience: plain values, filled from the
//! configuration and the store.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::{HostKey, Server};

/// sshd's default `MaxSessions` is 10; eight leaves room for a person's own session multiplexed
/// by other means, and for a channel that the server has not finished closing.
pub const MAX_CHANNELS: usize = 8;

/// sshd's default `MaxStartups` begins to drop connections at 10 unauthenticated ones per host.
pub const MAX_NEW_CONNECTIONS: usize = 6;

/// One account on one SSH server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What people call the server; for messages only.
    pub name: String,
    /// Host name, IPv4 or IPv6 address (without brackets).
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Remote user.
    pub user: String,
    /// The only host key that is accepted; `None`: nothing is.
    pub host_key: Option<HostKey>,
}

impl Endpoint {
    /// The way to `server` as `user`.
    pub fn of(server: &Server, user: &str) -> Self {
        Self {
            name: server.name.to_string(),
            host: server.address.clone(),
            port: server.port,
            user: user.to_owned(),
            host_key: server.host_key.clone(),
        }
    }
}

/// How the pool connects.
#[derive(Debug, Clone)]
pub struct Options {
    /// Private keys without a passphrase, tried in this order.
    pub key_files: Vec<PathBuf>,
    /// Whether the ssh-agent is asked after the files.
    pub use_agent: bool,
    /// The agent's socket; `None`: what `SSH_AUTH_SOCK` says.
    pub agent_socket: Option<PathBuf>,
    /// Limit for name lookup, TCP, key exchange and login together.
    pub connect_timeout: Duration,
    /// How long a server that holds a connection may take to begin a command; one that takes longer
    /// is not working.
    pub open_timeout: Duration,
    /// Silence after which the server is asked whether it still lives.
    pub keepalive: Duration,
    /// A connection without a running command is closed after this.
    pub idle_timeout: Duration,
    /// Commands at once on one connection; more wait their turn.
    pub max_channels: usize,
    /// Connections being set up at once to one address and port; more wait their turn.
    pub max_new_connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            key_files: Vec::new(),
            use_agent: false,
            agent_socket: None,
            connect_timeout: Duration::from_secs(10),
            open_timeout: Duration::from_secs(20),
            keepalive: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(300),
            max_channels: MAX_CHANNELS,
            max_new_connections: MAX_NEW_CONNECTIONS,
        }
    }
}
