//! Filters for lists of past events: history, activity and audit log alike.

use crate::domain::{DeploymentState, Instant, Kind, Outcome};

/// What to list; the default is everything. A list ignores the fields that its entries do not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PastFilter {
    /// Deployments of this project, by the name it had.
    pub project: Option<String>,
    /// Deployments to this environment, by the name it had.
    pub environment: Option<String>,
    /// Requested, or done, by this user.
    pub actor: Option<String>,
    /// Deployments in one of these states; empty: in any.
    pub states: Vec<DeploymentState>,
    /// Deployments of one of these kinds; empty: of any.
    pub kinds: Vec<Kind>,
    /// Events of this action, or of all actions of a noun when it ends with a dot (`server.`).
    pub action: Option<String>,
    /// Events about this resource.
    pub resource: Option<String>,
    /// Events about none of these resources.
    pub hidden: Vec<String>,
    /// Events with this outcome.
    pub outcome: Option<Outcome>,
    /// At this instant or later.
    pub from: Option<Instant>,
    /// Before this instant.
    pub to: Option<Instant>,
    /// Deployments in these places only; `None`: anywhere.
    pub places: Option<Vec<PlaceNames>>,
}

/// A project and an environment, by the names they had.
pub type PlaceNames = (String, String);
