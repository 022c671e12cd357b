//! How a commit goes to the servers: in which batches, how many servers may be out of service at the same
//! time, and what happens when one fails.
//!
//! An environment sets this in its [`RolloutOptions`]. [`plan`] turns them, the servers and their states at
//! the balancers into a [`Plan`]. It does no I/O, so that a person sees beforehand what will be done, and the
//! engine does exactly that. The plan is stored with the deployment.

mod batches;
mod plan;
mod planning;

pub use plan::{BackendPool, Batch, EndpointPlace, Hold, LeftAlone, Plan, Planned, Restore, Slot};
pub use planning::{Beside, Candidate, INACTIVE, Standing, plan};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number of servers, or a percentage of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// A number.
    Count(u32),
    /// A percentage.
    Percent(u32),
}

impl Share {
    /// How many of `all` go in one batch: a part is rounded down, and it is always at least one.
    pub fn batch_of(self, all: usize) -> usize {
        let wanted = match self {
            Self::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Self::Percent(percent) => part(all, percent),
        };
        wanted.clamp(1, all.max(1))
    }

    /// How many of `all` have to stay: a part is rounded up, and it is never more than there are.
    pub fn kept_of(self, all: usize) -> usize {
        let wanted = match self {
            Self::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Self::Percent(percent) => all - part(all, 100_u32.saturating_sub(percent)),
        };
        wanted.min(all)
    }
}

/// `percent` of `all`, rounded down.
fn part(all: usize, percent: u32) -> usize {
    let percent = usize::try_from(percent).unwrap_or(usize::MAX);
    all.saturating_mul(percent) / 100
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

impl FromStr for Share {
    type Err = String;

    /// Reads `3`, `25%` or `25 %`.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || format!("“{text}” is neither a number of servers (2) nor a share of them (25 %).");
        if let Some(percent) = text.strip_suffix('%') {
            let percent: u32 = percent.trim().parse().map_err(|_| wrong())?;
            return match percent {
                1..=100 => Ok(Self::Percent(percent)),
                _ => Err("A share must be between 1 % and 100 %.".to_owned()),
            };
        }
        match text.parse().map_err(|_| wrong())? {
            0 => Err("Enter at least one server.".to_owned()),
            count => Ok(Self::Count(count)),
        }
    }
}

/// The order in which servers are deployed to, and which of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Strategy {
    /// A cluster at a time. From the second on, servers with the old release are out of service, so that
    /// old and new serve together only for a moment.
    #[default]
    ClusterByCluster,
    /// A few at a time.
    Rolling {
        /// How many of a cluster at a time.
        batch: Share,
        /// How many behind each balancer must stay in service; `None`: at least one of several.
        keep: Option<Share>,
    },
    /// A few first, then a pause, then the rest as in rolling.
    Canary {
        /// How many first.
        first: u32,
        /// Seconds to wait after them; `None`: until a person continues.
        wait: Option<u64>,
        /// How many of a cluster at a time afterwards.
        batch: Share,
        /// As in rolling.
        keep: Option<Share>,
    },
    /// Everywhere at once; behind a balancer in two waves, so that half of it stays in service.
    AllAtOnce,
}

impl Strategy {
    /// As forms and policy write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterByCluster => "cluster-by-cluster",
            Self::Rolling { .. } => "rolling",
            Self::Canary { .. } => "canary",
            Self::AllAtOnce => "all-at-once",
        }
    }

    /// The same without a pause after the first servers.
    #[must_use]
    pub fn without_pause(self) -> Self {
        match self {
            Self::Canary { batch, keep, .. } => Self::Rolling { batch, keep },
            other => other,
        }
    }

    /// As a page writes it.
    pub fn title(self) -> &'static str {
        match self {
            Self::ClusterByCluster => "Cluster by cluster",
            Self::Rolling { .. } => "Rolling",
            Self::Canary { .. } => "Canary",
            Self::AllAtOnce => "All at once",
        }
    }
}

/// What happens when a server fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OnFailure {
    /// No further server is begun.
    #[default]
    Stop,
    /// The rollout continues as long as no more than so many have failed.
    Continue {
        /// This many may fail.
        up_to: u32,
    },
    /// No further server is begun, and those done go back to what they ran before.
    RollBack,
    /// The rollout pauses, and a person chooses.
    Ask,
}

impl OnFailure {
    /// As forms write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Continue { .. } => "continue",
            Self::RollBack => "roll-back",
            Self::Ask => "ask",
        }
    }
}

/// How an environment rolls out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RolloutOptions {
    /// In which order, and which servers together.
    pub strategy: Strategy,
    /// What happens when a server fails.
    pub on_failure: OnFailure,
    /// Seconds that sessions of a server taken out of service have to end by themselves.
    pub drain_limit: u64,
    /// Seconds within which the balancer must report a server up that was put back; so long the next batch
    /// waits for its full weight, too.
    pub up_limit: u64,
}

impl Default for RolloutOptions {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            on_failure: OnFailure::default(),
            drain_limit: 30,
            up_limit: 60,
        }
    }
}

#[cfg(test)]
mod tests;
