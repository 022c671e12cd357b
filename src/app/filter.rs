//! What lists of the past are narrowed by: history, activity and audit log alike.

use crate::domain::{DeploymentState, Instant, Kind, Outcome};
use crate::store::{audit, deployments};

/// What to list; the default is everything. A list ignores what its entries do not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this project, by the name it had.
    pub project: Option<String>,
    /// Of this environment, by the name it had.
    pub environment: Option<String>,
    /// Requested, or done, by this user.
    pub actor: Option<String>,
    /// Deployments in one of these states; empty: in any.
    pub states: Vec<DeploymentState>,
    /// Deployments of one of these kinds; empty: of any.
    pub kinds: Vec<Kind>,
    /// Events of this action, or of all actions of a noun (`server.`).
    pub action: Option<String>,
    /// Events about this resource.
    pub resource: Option<String>,
    /// Events with this outcome.
    pub outcome: Option<Outcome>,
    /// At this instant or later.
    pub from: Option<Instant>,
    /// Before this instant.
    pub to: Option<Instant>,
}

impl Filter {
    /// For deployments in `places`; `None`: anywhere.
    pub(super) fn deployments(&self, places: Option<Vec<deployments::Place>>) -> deployments::Filter {
        deployments::Filter {
            project: self.project.clone(),
            environment: self.environment.clone(),
            actor: self.actor.clone(),
            states: self.states.clone(),
            kinds: self.kinds.clone(),
            from: self.from,
            to: self.to,
            places,
        }
    }

    /// For audit events.
    pub(super) fn events(&self) -> audit::Filter {
        audit::Filter {
            actor: self.actor.clone(),
            action: self.action.clone(),
            resource: self.resource.clone(),
            outcome: self.outcome,
            from: self.from,
            to: self.to,
        }
    }
}
