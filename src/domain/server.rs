//! Servers, clusters and balancers.

use serde::{Deserialize, Serialize};

use super::names::{KeyName, Name};
use super::{BalancerId, ClusterId, Instant, ProjectId, ServerId};

/// One SSH host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    pub id: ServerId,
    /// Unique.
    pub name: Name,
    /// Host name or IP address.
    pub address: String,
    /// TCP port of its sshd.
    pub port: u16,
    /// Whether it takes part in deployments.
    pub active: bool,
    /// The key it must show; without one nothing connects to it, unless a file of known hosts has it.
    pub host_key: Option<HostKey>,
    /// The private key to log in with; `None`: the environment's, or those that are configured.
    pub key: Option<KeyName>,
    /// Whether algorithms are used that are too weak for anybody else.
    pub legacy: bool,
    /// The jump hosts it is reached through, in order. Empty: those of its cluster, or none.
    pub via: Vec<Hop>,
}

/// A jump host on the way to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    pub server: ServerId,
    /// Whom to log in as there.
    pub user: String,
}

/// A jump host, looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    pub server: Server,
    /// Whom to log in as there.
    pub user: String,
}

/// The longest way to a server: more jump hosts than anybody has, and each costs a handshake.
pub const MOST_HOPS: usize = 8;

impl Server {
    /// Whether both are reached at the same address and port, as these are written, in the same way: behind
    /// different jump hosts one address is two machines.
    pub fn shares_address(&self, other: &Self) -> bool {
        self.port == other.port && self.address.eq_ignore_ascii_case(&other.address) && self.via == other.via
    }
}

/// A host key that a person has confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostKey {
    /// The public key in OpenSSH's form: algorithm, a space, base64.
    pub openssh: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    pub pinned_at: Instant,
    pub pinned_by: String,
}

/// A named set of servers, shared by environments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    pub id: ClusterId,
    /// Unique.
    pub name: Name,
    /// The balancer in front of it, if any.
    pub balancer: Option<BalancerId>,
    /// The balancer's backends its servers belong to.
    pub backends: Vec<String>,
    /// Its servers, in order, each with the name the balancer knows it by, where that differs.
    pub members: Vec<Member>,
    /// The projects that may deploy to it, by row.
    pub projects: Vec<ProjectId>,
    /// The jump hosts through which those of its servers are reached that have none of their own.
    pub via: Vec<Hop>,
}

/// A server's place in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub server: ServerId,
    /// What the balancer calls it; `None`: as we do.
    pub balancer_name: Option<String>,
}

/// An HAProxy in front of clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balancer {
    pub id: BalancerId,
    /// Unique.
    pub name: Name,
    /// The connection: `runtime` (its socket) or `stats` (its statistics page).
    pub kind: String,
    /// One address per HAProxy that shares the backends.
    pub endpoints: Vec<String>,
    /// Further settings of the connection; no secrets.
    pub settings: serde_json::Value,
}
