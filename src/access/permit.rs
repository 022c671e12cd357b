//! The permit: the proof that somebody may do something.

use crate::domain::{Action, Actor, Area, Instant, PolicyLine, Resource};

/// The name given instead of a policy file for commands on the deployer's own host.
pub(super) const HOST_FILE: &str = "local";

/// The proof that an actor may do an action on a resource at an instant, with the policy line
/// that said so. Only this module can make one, so a function that takes one cannot be called
/// by a caller who forgot to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    actor: Actor,
    action: Action,
    resource: Resource,
    at: Instant,
    line: PolicyLine,
    second: Vec<String>,
}

impl Permit {
    pub(super) fn new(
        actor: Actor,
        action: Action,
        resource: Resource,
        at: Instant,
        line: PolicyLine,
    ) -> Self {
        Self {
            actor,
            action,
            resource,
            at,
            line,
            second: Vec::new(),
        }
    }

    /// The same, given only together with a second person who is one of `second`.
    pub(super) fn with(self, second: Vec<String>) -> Self {
        Self { second, ..self }
    }

    /// Who may.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What it may be done to.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// When it was decided.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// The policy line that decided.
    pub fn line(&self) -> &PolicyLine {
        &self.line
    }

    /// The roles, groups and users of whom one, other than the actor, has to approve; empty: policy
    /// takes nobody else.
    pub fn second(&self) -> &[String] {
        &self.second
    }

    /// Whether it was made for a command on the deployer's own host.
    pub fn is_of_host(&self) -> bool {
        self.line.file == HOST_FILE
    }

    /// Whether this permit is for exactly this action on this resource, or for administering
    /// everything. A function that takes a permit checks with this that it got the right one.
    pub fn covers(&self, action: Action, resource: &Resource) -> bool {
        let administers = self.action == Action::Administer && self.resource == Resource::Everything;
        administers || (self.action == action && self.resource == *resource)
    }

    /// Whether this permit lets its actor read `area`.
    pub fn reads(&self, area: Area) -> bool {
        let own = self.resource == Resource::Area(area) && area.actions().contains(&self.action);
        own || self.covers(area.right_to_all(), &Resource::Everything)
    }
}
