//! Who may do what, where and when: casbin files that a sysadmin owns.

mod permit;
mod problem;

use std::path::Path;

pub use permit::Permit;
pub use problem::{Problem, Report, Severity};

use crate::domain::{Action, Actor, Instant, PolicyLine, Refusal, Resource};

/// The policy in force.
#[derive(Debug)]
pub struct Access {}

impl Access {
    /// Loads `model.conf`, `policy.csv`, `calendar.toml` and `tests.toml` of `dir`.
    ///
    /// # Errors
    /// All problems found, when at least one of them is an error.
    pub fn load(_dir: &Path) -> Result<Self, Vec<Problem>> {
        Ok(Self {})
    }

    /// The policy shipped inside the program, for when no directory is configured.
    pub fn builtin() -> Self {
        Self {}
    }

    /// Looks at the files again. When they are good they take effect as a whole; otherwise the
    /// policy in force stays in force and [`Access::problems`] tells why.
    ///
    /// # Errors
    /// The problems that kept the files from taking effect.
    pub fn reload(&self) -> Result<(), Vec<Problem>> {
        Ok(())
    }

    /// What is wrong with the files as last looked at: warnings, or the errors that keep an older
    /// policy in force.
    pub fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// The permit for `actor` to do `action` on `resource` at `at`.
    ///
    /// # Errors
    /// The refusal, with the line that decided and the next instant at which it would be allowed.
    pub fn permit(
        &self,
        actor: &Actor,
        action: Action,
        resource: &Resource,
        at: Instant,
    ) -> Result<Permit, Refusal> {
        Err(Refusal {
            actor: actor.clone(),
            action,
            resource: resource.clone(),
            at,
            line: None,
            outside_window: Vec::new(),
            next_allowed: None,
        })
    }

    /// Whether [`Access::permit`] would give one: for hiding buttons and filtering lists, cheap
    /// enough to be asked a thousand times per page.
    pub fn may(&self, actor: &Actor, action: Action, resource: &Resource, at: Instant) -> bool {
        self.permit(actor, action, resource, at).is_ok()
    }

    /// The permit of whoever runs an administrative command on the deployer's own host. That
    /// person holds the database and the policy files anyway, so policy could not stop them; what
    /// the permit gives is the record of who it was. Needs no policy loaded, as a broken policy
    /// must not keep anybody from mending it.
    pub fn local_operator(os_user: &str, at: Instant) -> Permit {
        let line = PolicyLine {
            file: "local".to_owned(),
            line: 0,
            text: "command line on the deployer's host".to_owned(),
        };
        let actor = Actor::user(os_user, "cli");
        Permit::new(actor, Action::Administer, Resource::Everything, at, line)
    }
}

/// Looks at the policy directory `dir` as [`Access::load`] would, and tells everything found.
pub fn check(_dir: &Path) -> Report {
    Report::default()
}
