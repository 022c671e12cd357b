//! A refusal by policy, and how it is said to whoever was refused and to others.

use serde::{Deserialize, Serialize};

use super::Instant;
use super::access::{Action, Actor, PolicyLine, Resource, UsedToken};

/// A refusal by policy, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub actor: Actor,
    /// What was asked.
    pub action: Action,
    pub resource: Resource,
    /// When it was decided.
    pub at: Instant,
    /// The deny line that decided; `None` when no line allows it at all.
    pub line: Option<PolicyLine>,
    /// The lines that would allow it at another time.
    pub outside_window: Vec<PolicyLine>,
    /// The next instant at which it would be allowed, if one is near enough to be found.
    pub next_allowed: Option<Instant>,
}

impl Refusal {
    /// The API token whose scope does not include it, whatever policy says.
    pub fn too_narrow(&self) -> Option<&UsedToken> {
        self.actor.too_narrow_for(self.action, &self.resource)
    }

    /// Whether it is about the installation or a part of it, not about a project.
    pub fn is_about_installation(&self) -> bool {
        matches!(self.resource, Resource::Everything | Resource::Area(_))
    }

    /// What was refused, said to the person: `You may not configure the whole installation`.
    pub fn to_the_person(&self) -> String {
        let Self {
            actor,
            action,
            resource,
            ..
        } = self;
        let you = match &actor.impersonator {
            Some(_) => format!("Acting as {}, you", actor.name),
            None => "You".to_owned(),
        };
        match (resource, action) {
            (Resource::Everything, Action::Administer) if self.too_narrow().is_none() => {
                format!("{you} are not an administrator")
            }
            (Resource::Everything, Action::Impersonate) => format!("{you} may not act for others"),
            (Resource::Everything, Action::Audit) => format!("{you} may not read the audit log"),
            (Resource::Everything, _) => format!("{you} may not {action} the whole installation"),
            _ => format!("{you} may not {action} {resource}"),
        }
    }

    /// One sentence for whoever reads of the refusal.
    pub fn sentence(&self) -> String {
        let Self {
            actor,
            action,
            resource,
            ..
        } = self;
        let who = if actor.is_guest() {
            "Without login you"
        } else {
            actor.name.as_str()
        };
        format!("{who} may not {action} {resource}: {}.", self.why())
    }

    /// The sentence for the person who was refused.
    pub fn answer(&self) -> String {
        match self.is_about_installation() && !self.actor.is_guest() {
            true => format!("{}: {}.", self.to_the_person(), self.why()),
            false => self.sentence(),
        }
    }

    fn why(&self) -> String {
        let too_narrow = self.too_narrow();
        match (&self.line, self.outside_window.first()) {
            _ if too_narrow.is_some() => {
                let token = too_narrow.map_or("", |token| token.name.as_str());
                format!("the scope of the API token “{token}” does not include it")
            }
            (Some(line), _) => format!("{line} forbids it"),
            (None, Some(line)) => format!("{line} allows it, but not at this time"),
            (None, None) => "no policy line allows it".to_owned(),
        }
    }
}
