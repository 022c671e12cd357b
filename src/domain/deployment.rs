//! A deployment, and the only table of its state transitions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::access::{Actor, UsedToken};
use super::kind::Kind;
use super::names::CommitId;
pub use super::part::{ServerPart, ServerState};
use super::pause::{Answer, Answered, Approval, PastPause, Pause};
use super::project::{Environment, Project};
use super::rollout::Strategy;
pub use super::standing::Service;
use super::words::words;
use super::{ClusterId, DeploymentId, EnvironmentId, Instant, PolicyLine, ProjectId, ServerId};

words! {
    /// How far a deployment is, from its request to its end.
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
        /// Every server has the commit.
        Succeeded = "succeeded", "Succeeded";
        /// Something failed; see each server.
        Failed = "failed", "Failed";
        /// A person ended it.
        Cancelled = "cancelled", "Cancelled";
        /// The deployer stopped in the middle; it can be resumed.
        Interrupted = "interrupted", "Interrupted";
    }
}

impl DeploymentState {
    /// Begun by a worker and not ended.
    pub const AT_WORK: [Self; 2] = [Self::Running, Self::Paused];

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
                    S::Paused | S::Succeeded | S::Failed | S::Cancelled | S::Interrupted
                )
                | (S::Paused, S::Running | S::Failed | S::Cancelled | S::Interrupted)
        )
    }

    /// Whether a worker has begun it and it has not ended.
    pub fn is_at_work(self) -> bool {
        Self::AT_WORK.contains(&self)
    }

    /// Whether it has not begun.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Awaiting | Self::Scheduled | Self::Queued)
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
    /// The phase of a running deployment.
    Phase {
        /// Nothing is touched yet.
        Check = "check", "Check";
        /// Work on the deployer's host.
        Prepare = "prepare", "Prepare";
        /// Work on the servers.
        RollOut = "roll_out", "Roll out";
        /// Old releases are removed.
        Finish = "finish", "Finish";
    }
}

/// Which servers get the commit.
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
    /// Those servers of a larger target that an earlier deployment left undone.
    Servers {
        ids: Vec<ServerId>,
        /// Their names at the time, in the same order.
        names: Vec<String>,
    },
}

impl Target {
    /// Whether both are the same servers, whatever their names at the time.
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
    pub target: Target,
    /// The branch it was picked from.
    pub branch: String,
    pub commit: CommitId,
    /// The first line of its message.
    pub commit_title: String,
    /// What most servers had before, where known.
    pub previous_commit: Option<CommitId>,
    pub kind: Kind,
    pub state: DeploymentState,
    /// The present phase while it runs; the last one afterwards.
    pub phase: Phase,
    pub actor: String,
    /// The actor's groups; see [`Actor::groups`].
    pub groups: Vec<String>,
    /// The account that acted as the actor, if any.
    pub impersonator: Option<String>,
    /// The API token by which it was requested, if any.
    pub token: Option<UsedToken>,
    /// Why, in the requester's words; may be empty.
    pub reason: String,
    pub permit: Option<PolicyLine>,
    pub queued_at: Instant,
    /// When it should begin; `None`: as soon as it can.
    pub scheduled_at: Option<Instant>,
    /// When a worker took it.
    pub started_at: Option<Instant>,
    pub finished_at: Option<Instant>,
    /// Who cancelled it, if anybody.
    pub cancelled_by: Option<String>,
    /// A sentence on how it ended; empty until then.
    pub outcome: String,
    /// The deployment that it retries, resumes or rolls back.
    pub origin: Option<DeploymentId>,
    /// Whether the engine queued it to undo the failed rollout `origin`. It was permitted with that rollout, and
    /// pauses for nobody.
    pub undoes: bool,
    /// The strategy, where it is not the environment's.
    pub strategy: Option<Strategy>,
    /// The reason given for overriding a lock.
    pub lock_override: Option<String>,
    /// The approval that it needs or has.
    pub approval: Option<Approval>,
    /// Who requested a pause after the current batch, if anybody.
    pub pause_requested_by: Option<String>,
    /// The present pause.
    pub pause: Option<Pause>,
    /// The pauses that were answered, in order.
    pub pauses: Vec<PastPause>,
    /// Number of the last stored log line; 0: none yet.
    pub last_line: i64,
}

impl Deployment {
    /// A request of `actor` to deploy `commit` to all servers of an environment, made `at`. Its `id` is
    /// given when it is stored.
    pub fn new(
        project: &Project,
        environment: &Environment,
        commit: CommitId,
        actor: &Actor,
        at: Instant,
    ) -> Self {
        Self {
            id: DeploymentId(0),
            project_id: Some(project.id),
            environment_id: Some(environment.id),
            project: project.name.to_string(),
            environment: environment.name.to_string(),
            target: Target::Environment,
            branch: environment.branch.to_string(),
            commit,
            commit_title: String::new(),
            previous_commit: None,
            kind: Kind::Regular,
            state: DeploymentState::Queued,
            phase: Phase::Check,
            actor: actor.name.clone(),
            groups: actor.groups.clone(),
            impersonator: actor.impersonator.clone(),
            token: actor.token.clone(),
            reason: String::new(),
            permit: None,
            queued_at: at,
            scheduled_at: None,
            started_at: None,
            finished_at: None,
            cancelled_by: None,
            outcome: String::new(),
            origin: None,
            undoes: false,
            strategy: None,
            lock_override: None,
            approval: None,
            pause_requested_by: None,
            pause: None,
            pauses: Vec::new(),
            last_line: 0,
        }
    }

    /// The same request, made again `at`, with no progress yet.
    pub fn made_anew(&self, at: Instant) -> Self {
        Self {
            state: DeploymentState::Queued,
            phase: Phase::Check,
            queued_at: at,
            scheduled_at: None,
            started_at: None,
            finished_at: None,
            cancelled_by: None,
            outcome: String::new(),
            undoes: false,
            approval: None,
            pause_requested_by: None,
            pause: None,
            pauses: Vec::new(),
            last_line: 0,
            ..self.clone()
        }
    }

    /// By which strategy it is carried out in `environment`: its own or the environment's. One that undoes a
    /// failed rollout has no pause in it.
    pub fn strategy_in(&self, environment: &Environment) -> Strategy {
        let strategy = self.strategy.unwrap_or(environment.options.rollout.strategy);
        match self.undoes {
            true => strategy.without_pause(),
            false => strategy,
        }
    }

    /// Who last answered a pause, if that was with anything but Stop, as an actor: where the requester may not
    /// carry it on any more, they do.
    pub fn successor(&self, address: &str) -> Option<Actor> {
        let answered = self.pauses.iter().rev().map(|past| &past.answered);
        let mut people = answered.filter_map(|one| Some((one.answer, one.person(address)?)));
        let (answer, person) = people.next()?;
        (answer != Answer::Stop && person.name != self.actor).then_some(person)
    }

    /// The answer by which somebody took it over from its requester last, if anybody did.
    pub fn taken_over(&self) -> Option<&Answered> {
        let mut answered = self.pauses.iter().rev().map(|past| &past.answered);
        answered.find(|one| one.takes_over)
    }

    /// Who has taken it over from its requester, if anybody: `ada`, `ada through root`.
    pub fn taken_over_by(&self) -> Option<String> {
        self.taken_over().map(Answered::who)
    }

    /// The requester as an actor, for asking permission again; the request came from `address`.
    pub fn requester(&self, address: &str) -> Actor {
        Actor {
            name: self.actor.clone(),
            groups: self.groups.clone(),
            impersonator: self.impersonator.clone(),
            token: self.token.clone(),
            address: address.to_owned(),
        }
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
