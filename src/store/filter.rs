//! Filters for lists of what is past: deployments, and events of the audit log.

use crate::domain::{DeploymentState, Instant, Kind, Outcome};

/// Which deployments to list; the default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PastFilter {
    /// Deployments of this project, by the name it had.
    pub project: Option<String>,
    /// Deployments to this environment, by the name it had.
    pub environment: Option<String>,
    /// Requested by this user.
    pub actor: Option<String>,
    /// Deployments in one of these states; empty: in any.
    pub states: Vec<DeploymentState>,
    /// Deployments of one of these kinds; empty: of any.
    pub kinds: Vec<Kind>,
    /// At this instant or later.
    pub from: Option<Instant>,
    /// Before this instant.
    pub to: Option<Instant>,
    /// Deployments in these places only; `None`: anywhere.
    pub places: Option<Vec<PlaceNames>>,
}

/// A project and an environment, by the names they had.
pub type PlaceNames = (String, String);

/// Which events of the audit log to list; the default is all. Texts match parts of what is stored, whatever
/// their case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Done by, as, or to the account of somebody with this in their name: a failed login has the name that
    /// was tried.
    pub who: Option<String>,
    /// Events of one of these names (`server.added`); a name that ends with a dot stands for all that begin
    /// with it. Empty, with [`Self::telling`] empty too: of any.
    pub actions: Vec<String>,
    /// Or events of the first name whose details hold the second: a rollback is a kind of deployment.
    pub telling: Vec<(&'static str, &'static str)>,
    /// About a resource with this in its name.
    pub about: Option<String>,
    /// With this anywhere: in a name, the reason, the permit, the details.
    pub text: Option<String>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// About none of these resources.
    pub hidden: Vec<String>,
    /// The names of events whose details [`Self::text`] is not looked for in, as they may name what the reader
    /// may not know.
    pub covered: Vec<String>,
    /// At this instant or later.
    pub from: Option<Instant>,
    /// Before this instant.
    pub to: Option<Instant>,
}
