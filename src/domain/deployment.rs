//! A request to bring a target to a commit, and the only table of the states it may go through.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::access::Actor;
use super::names::CommitId;
use super::pause::{Approval, Pause};
use super::rollout::Strategy;
use super::step::words;
use super::{ClusterId, DeploymentId, EnvironmentId, Instant, PolicyLine, ProjectId, ServerId};

words! {
    /// Where a deployment stands.
    DeploymentState {
        /// Waits for a second person.
        Awaiting = "awaiting_approval", "Awaiting approval";
        /// Waits for its time.
        Scheduled = "scheduled", "Scheduled";
        /// Waits for a worker or for servers another deployment holds.
        Queued = "queued", "Queued";
        /// Being done.
        Running = "running", "Running";
        /// Waits for a person.
        Paused = "paused", "Paused";
        /// Everything asked for is in place.
        Succeeded = "succeeded", "Succeeded";
        /// It is not; see each server.
        Failed = "failed", "Failed";
        /// A person ended it.
        Cancelled = "cancelled", "Cancelled";
        /// The deployer stopped in the middle; it can be resumed.
        Interrupted = "interrupted", "Interrupted";
    }
}

impl DeploymentState {
    /// Whether `next` may follow. Nothing else in the program decides this.
    pub fn may_become(self, next: Self) -> bool {
        use DeploymentState as S;
        matches!(
            (self, next),
            (S::Awaiting, S::Scheduled | S::Queued | S::Cancelled | S::Failed)
                | (S::Scheduled, S::Queued | S::Cancelled | S::Failed)
                | (S::Queued, S::Running | S::Cancelled | S::Failed)
                | (
                    S::Running,
                    S::Paused | S::Succeeded | S::Failed | S::Cancelled | S::Interrupted | S::Queued
                )
                | (S::Paused, S::Running | S::Failed | S::Cancelled | S::Interrupted)
        )
    }

    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Interrupted
        )
    }
}

words! {
    /// How a deployment came about.
    Kind {
        /// A person picked a commit.
        Regular = "regular", "Regular";
        /// A push did.
        Automatic = "automatic", "Automatic";
        /// The commit came from the environment before.
        Promotion = "promotion", "Promotion";
        /// Back to an earlier release.
        Rollback = "rollback", "Rollback";
        /// Asked for at a later time.
        Scheduled = "scheduled", "Scheduled";
    }
}

words! {
    /// What a running deployment is at.
    Phase {
        /// Nothing is touched yet.
        Check = "check", "Check";
        /// Work on the deployer's host.
        Prepare = "prepare", "Prepare";
        /// Work on the servers.
        RollOut = "roll_out", "Roll out";
        /// Records and cleaning.
        Finish = "finish", "Finish";
    }
}

/// What is brought to the commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// Every active server of the environment's clusters.
    Environment,
    /// Those of one cluster.
    Cluster {
        id: ClusterId,
        /// Its name at the time.
        name: String,
    },
    Server {
        id: ServerId,
        /// Its name at the time.
        name: String,
    },
    /// Some, of a larger target that an earlier deployment did not get through with.
    Servers {
        ids: Vec<ServerId>,
        /// Their names at the time, in the same order.
        names: Vec<String>,
    },
}

impl Target {
    /// Whether both mean the same servers; what those were called when does not matter.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Environment, Self::Environment) => true,
            (Self::Cluster { id, .. }, Self::Cluster { id: other, .. }) => id == other,
            (Self::Server { id, .. }, Self::Server { id: other, .. }) => id == other,
            (Self::Servers { ids, .. }, Self::Servers { ids: others, .. }) => {
                let all = |ids: &[ServerId]| ids.iter().copied().collect::<BTreeSet<_>>();
                all(ids) == all(others)
            }
            _ => false,
        }
    }
}

/// How many servers a sentence names before it counts the rest.
const NAMED: usize = 3;

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment => f.write_str("all servers"),
            Self::Cluster { name, .. } => write!(f, "cluster {name}"),
            Self::Server { name, .. } => write!(f, "server {name}"),
            Self::Servers { names, .. } if names.len() <= NAMED => {
                write!(f, "servers {}", names.join(", "))
            }
            Self::Servers { names, .. } => {
                let first = names.get(..NAMED).unwrap_or_default().join(", ");
                write!(f, "servers {first} and {} more", names.len() - NAMED)
            }
        }
    }
}

/// One request to bring a target to one commit. Names are copies: history outlives what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its row, counted up.
    pub id: DeploymentId,
    /// `None` once the project is deleted.
    pub project_id: Option<ProjectId>,
    /// `None` once the environment is deleted.
    pub environment_id: Option<EnvironmentId>,
    /// The project's name at the time.
    pub project: String,
    /// The environment's name at the time.
    pub environment: String,
    /// What is brought to the commit.
    pub target: Target,
    /// The branch it was picked from.
    pub branch: String,
    pub commit: CommitId,
    /// The first line of its message.
    pub commit_title: String,
    /// What most servers had before, where known.
    pub previous_commit: Option<CommitId>,
    /// How it came about.
    pub kind: Kind,
    /// Where it stands.
    pub state: DeploymentState,
    /// What it is at, while it runs; where it ended, afterwards.
    pub phase: Phase,
    pub actor: String,
    /// The groups that their login told; see [`Actor::groups`].
    pub groups: Vec<String>,
    /// Who really sat there, if that is somebody else.
    pub impersonator: Option<String>,
    /// Why, in the words of who asked; may be empty.
    pub reason: String,
    /// The policy line that allowed it.
    pub permit: Option<PolicyLine>,
    /// When it was asked for.
    pub queued_at: Instant,
    /// When it shall begin; `None`: as soon as it can.
    pub scheduled_at: Option<Instant>,
    /// When a worker took it.
    pub started_at: Option<Instant>,
    /// When it ended.
    pub finished_at: Option<Instant>,
    /// Who wants it ended, where somebody does.
    pub cancelled_by: Option<String>,
    /// A sentence on how it ended; empty until then.
    pub outcome: String,
    /// The deployment it goes on from: retried, resumed, rolled back.
    pub origin: Option<DeploymentId>,
    /// The strategy asked for, where it is not the environment's.
    pub strategy: Option<Strategy>,
    /// Why a lock does not stop it, in the words of who may override one.
    pub lock_override: Option<String>,
    /// The second opinion it needs or has.
    pub approval: Option<Approval>,
    /// Who wants it to pause after the current batch, where somebody does.
    pub pause_requested_by: Option<String>,
    /// What it waits for, while it is paused.
    pub pause: Option<Pause>,
    /// Number of the last stored log line; 0: none yet.
    pub last_line: i64,
}

impl Deployment {
    /// Who requested it, as permission is asked for them again at `address`.
    pub fn requester(&self, address: &str) -> Actor {
        Actor {
            name: self.actor.clone(),
            groups: self.groups.clone(),
            impersonator: self.impersonator.clone(),
            address: address.to_owned(),
        }
    }
}

words! {
    /// What is on one server of a deployment, and so what to do about it.
    ServerState {
        /// Not touched yet: it runs what it ran before.
        Waiting = "waiting", "Waiting";
        /// Being worked on.
        Running = "running", "Running";
        /// It runs the new release.
        Succeeded = "succeeded", "Deployed";
        /// Something did not work; the detail says what is on it.
        Failed = "failed", "Failed";
        /// Left alone; the detail says why.
        Skipped = "skipped", "Left alone";
        /// A person ended it; the detail says what is on it.
        Cancelled = "cancelled", "Cancelled";
        /// The deployer stopped in the middle; the detail says what is on it as far as known.
        Interrupted = "interrupted", "Interrupted";
    }
}

words! {
    /// Whether a server of a deployment gets traffic, as far as we made it so.
    Service {
        /// It stands behind no balancer, or was not touched there.
        Untouched = "", "";
        /// It is being taken out.
        TakingOut = "taking_out", "Being taken out";
        /// We took it out.
        Out = "out", "Out of service";
        /// It is being put back.
        PuttingBack = "putting_back", "Being put back";
        /// We put it back, and the balancers called it up.
        Back = "back", "In service";
        /// Somebody had taken it out by hand before: it stays so.
        ByHand = "by_hand", "Out by hand";
    }
}

/// A server's part in a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPart {
    /// `None` once the server is deleted.
    pub server_id: Option<ServerId>,
    /// Its name at the time.
    pub server: String,
    /// The cluster it was reached through.
    pub cluster: String,
    /// Order, from 0.
    pub position: i32,
    /// How far it is.
    pub state: ServerState,
    /// Its batch, from 0; `None` until there is a plan.
    pub batch: Option<i32>,
    /// Whether the plan says to leave it alone. Known to [`crate::app::watch`] alone, which has
    /// the plan; `false` otherwise.
    pub left_alone: bool,
    /// Whether it gets traffic.
    pub service: Service,
    /// What was on it before, where known.
    pub previous_commit: Option<CommitId>,
    /// What is on it now and what to do; may be empty while all is well.
    pub detail: String,
}

impl ServerPart {
    /// Whether the plan left it alone, as for a server that is inactive. One that was planned and
    /// never reached is another matter: [`Self::is_untouched`].
    pub fn is_left_alone(&self) -> bool {
        self.state == ServerState::Skipped && self.left_alone
    }

    /// Whether it was meant, and nothing was done to it so far.
    pub fn is_untouched(&self) -> bool {
        match self.state {
            ServerState::Waiting => true,
            ServerState::Skipped => !self.left_alone,
            _ => false,
        }
    }

    /// Whether something was done to it, or is.
    pub fn is_begun(&self) -> bool {
        !matches!(self.state, ServerState::Waiting | ServerState::Skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::DeploymentState as S;

    #[test]
    fn what_has_ended_stays_ended() {
        for &from in S::ALL.iter().filter(|state| state.is_final()) {
            assert!(S::ALL.iter().all(|&to| !from.may_become(to)), "{from}");
        }
    }

    #[test]
    fn every_state_but_the_first_can_be_reached() {
        for &to in S::ALL.iter().filter(|state| **state != S::Awaiting) {
            assert!(S::ALL.iter().any(|&from| from.may_become(to)), "{to}");
        }
    }
}
