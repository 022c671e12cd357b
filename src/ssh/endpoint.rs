//! Where to connect, and with which keys and time limits: plain values, filled from the
//! configuration and the store.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::{HostKey, Jump, KeyName, Server};
use crate::handshake::keys::KeyFiles;
use crate::handshake::login::Agent;

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
    /// The host key that somebody confirmed; `None`: what [`Options::known_hosts`] has counts.
    pub host_key: Option<HostKey>,
    /// The private key to offer; `None`: those that are configured, in order.
    pub key: Option<KeyName>,
    /// Whether algorithms are offered that are too weak for anybody else.
    pub legacy: bool,
    /// The jump host through which it is reached.
    pub via: Option<Box<Endpoint>>,
}

impl Endpoint {
    /// The way to `server` as `user`, by the jump hosts of `way` in order. `key` is the one to offer
    /// where the server has none of its own.
    pub fn of(server: &Server, user: &str, key: Option<&KeyName>, way: &[Jump]) -> Self {
        let jump = |via: Option<Box<Self>>, jump: &Jump| {
            let hop = Self::one(&jump.server, if crate::sabotage::on("j16") { user } else { &jump.user }, None, via);
            Some(Box::new(hop))
        };
        let via = way.iter().fold(None, jump);
        Self::one(server, user, key, via)
    }

    fn one(server: &Server, user: &str, key: Option<&KeyName>, via: Option<Box<Self>>) -> Self {
        Self {
            name: server.name.to_string(),
            host: server.address.clone(),
            port: server.port,
            user: user.to_owned(),
            host_key: server.host_key.clone(),
            key: server.key.as_ref().or(key).cloned(),
            legacy: server.legacy,
            via,
        }
    }

    /// Host and port as people write them, with the jump host before it.
    pub(super) fn address(&self) -> String {
        let Self { host, port, .. } = self;
        let through = match &self.via {
            Some(hop) => format!(" (through “{}”)", hop.name),
            None => String::new(),
        };
        match host.contains(':') {
            true => format!("[{host}]:{port}{through}"),
            false => format!("{host}:{port}{through}"),
        }
    }
}

/// How the pool connects.
#[derive(Debug, Clone)]
pub struct Options {
    /// Private keys without a passphrase.
    pub keys: KeyFiles,
    /// The ssh-agent that is asked after the files, where no key is named.
    pub agent: Option<Agent>,
    /// Files in OpenSSH's `known_hosts` form, for servers whose host key nobody confirmed.
    pub known_hosts: Vec<PathBuf>,
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
            keys: KeyFiles::default(),
            agent: None,
            known_hosts: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            open_timeout: Duration::from_secs(20),
            keepalive: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(300),
            max_channels: MAX_CHANNELS,
            max_new_connections: MAX_NEW_CONNECTIONS,
        }
    }
}
