//! Row identities, one type per noun so that a server's id cannot be passed for a project's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// A project: one Git repository that is deployed.
    ProjectId;
    /// An environment of a project.
    EnvironmentId;
    /// An SSH host.
    ServerId;
    /// A named set of servers.
    ClusterId;
    /// An HAProxy in front of clusters.
    BalancerId;
    /// A request to bring a target to a commit.
    DeploymentId;
    /// One unit of a deployment's work.
    StepId;
    /// What was put on a server.
    ReleaseId;
    /// A local user.
    UserId;
    /// An API token.
    TokenId;
    /// By what an account is known outside.
    IdentityId;
    /// An entry of the audit log.
    AuditId;
    /// A lock on an environment or on everything.
    LockId;
}
