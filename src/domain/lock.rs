//! Locks: they stop deployments, for a stated reason.

use serde::{Deserialize, Serialize};

use super::access::{Action, Actor, Resource};
use super::{EnvironmentId, Instant, LockId, ProjectId};

/// A stop to deployments, made by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub id: LockId,
    /// The project it stops; `None`: all of them.
    pub project: Option<ProjectId>,
    /// The environment it stops; `None`: all of the project's.
    pub environment: Option<EnvironmentId>,
    /// The reason, shown to those it stops.
    pub reason: String,
    /// Who made it.
    pub author: String,
    pub created_at: Instant,
    /// When it ends automatically; `None`: only when it is lifted.
    pub ends_at: Option<Instant>,
}

impl Lock {
    /// Whether it stops anything at `now`.
    pub fn in_force(&self, now: Instant) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }

    /// What `actor` needs the right to, in order to lift or override it: a lock of everything takes an
    /// administrator, a lock of somebody else the right to `unlock`.
    pub fn action_to_lift(&self, actor: &Actor) -> Action {
        if self.project.is_none() {
            Action::Administer
        } else if self.author == actor.name {
            Action::Lock
        } else {
            Action::Unlock
        }
    }

    /// Where that right is needed, for a lock that stops deployments to `place`.
    pub fn lifted_over<'a>(&self, place: &'a Resource) -> &'a Resource {
        match self.project {
            None => &Resource::Everything,
            Some(_) => place,
        }
    }

    /// Who locked `what` and why, as a sentence. People seldom end their reason with a full stop.
    pub fn sentence(&self, what: &str) -> String {
        let (author, reason) = (&self.author, self.reason.trim().trim_end_matches('.'));
        match self.ends_at {
            Some(end) => format!(
                "{author} has locked {what} until {}: {reason}.",
                end.format("%Y-%m-%d %H:%M UTC")
            ),
            None => format!("{author} has locked {what}: {reason}."),
        }
    }

    /// Whether it stops deployments to this environment of this project, while in force.
    pub fn covers(&self, project: ProjectId, environment: EnvironmentId) -> bool {
        self.project.is_none_or(|one| one == project) && self.environment.is_none_or(|one| one == environment)
    }
}
