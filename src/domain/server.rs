//! Servers, clusters and balancers.

use serde::{Deserialize, Serialize};

use super::names::Name;
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
    /// The key it must show; without one nothing connects to it.
    pub host_key: Option<HostKey>,
}

impl Server {
    /// Whether both are reached at the same address and port, as these are written.
    pub fn shares_address(&self, other: &Self) -> bool {
        self.port == other.port && self.address.eq_ignore_ascii_case(&other.address)
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
