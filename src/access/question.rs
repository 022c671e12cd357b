//! What is asked: of casbin about one name, and of a policy about somebody.

use crate::domain::{Action, Instant, Resource};

/// A question about one name of an actor.
pub(super) struct Question<'a> {
    /// A user, group or role, as policy lines write it.
    pub subject: &'a str,
    /// The project, [`ANY`] for the installation.
    pub project: &'a str,
    /// The environment, [`ANY`] for the project as a whole.
    pub environment: &'a str,
    /// The action, as policy lines write it.
    pub action: &'a str,
    /// The names of the open windows, with blanks between them.
    pub open: &'a str,
}

/// Somebody or something that a question is about.
#[derive(Debug, Clone)]
pub struct PolicyQuestion {
    /// The names of somebody for policy.
    pub names: Vec<String>,
    pub action: Action,
    pub resource: Resource,
    pub at: Instant,
}
