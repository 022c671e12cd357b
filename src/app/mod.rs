//! The use cases: ask for a permit, decide, store, tell. One file per noun.
//!
//! Everything that speaks to people or programs (`web`, `cli`) comes through here, so that a rule
//! holds for every way in. A function that changes something asks for a [`Permit`] through
//! [`App::permit`], which records refusals, and stores the change together with its audit event.

pub mod accounts;
pub mod activity;
pub mod admin;
pub mod audit;
pub mod balancers;
pub mod cleaner;
pub mod commits;
pub mod comparison;
pub mod deployments;
pub mod drift;
pub mod health;
pub mod history;
pub mod live_release;
pub mod locks;
pub mod logins;
pub mod overview;
pub mod places;
pub mod plans;
pub mod sessions;
pub mod start;
pub mod strategies;
pub mod watch;

use std::sync::Arc;

use crate::access::{Access, Permit};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Action, Actor, Error, Instant, Project, Resource, Result};
use crate::engine::Engine;
use crate::git::{self, Mirror, Mirrors};
use crate::ssh::Pool;
use crate::store::Store;
use crate::store::audit as audit_log;

/// Everything a use case works with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Remembers.
    pub store: Store,
    /// Says who may.
    pub access: Arc<Access>,
    /// Where commits come from.
    pub mirrors: Mirrors,
    /// The way to servers.
    pub ssh: Pool,
    /// Does what deployments ask for.
    pub engine: Engine,
    /// The present instant.
    pub clock: Clock,
    /// How this installation is set up.
    pub config: Arc<Config>,
}

impl App {
    /// The present instant.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The permit for `actor` to do `action` on `resource` now. A refusal is recorded in the audit
    /// log before it is returned.
    ///
    /// # Errors
    /// [`crate::domain::ErrorKind::Forbidden`] with the refusal.
    pub async fn permit(&self, actor: &Actor, action: Action, resource: &Resource) -> Result<Permit> {
        self.permit_at(actor, action, resource, self.now()).await
    }

    /// As [`Self::permit`], for something that is asked for now and begins `at` another time.
    ///
    /// # Errors
    /// As [`Self::permit`].
    pub async fn permit_at(
        &self,
        actor: &Actor,
        action: Action,
        resource: &Resource,
        at: Instant,
    ) -> Result<Permit> {
        match self.access.permit(actor, action, resource, at) {
            Ok(permit) => Ok(permit),
            Err(refusal) => {
                let tx = self.store.begin().await?;
                audit_log::append(&tx, &audit::refused(&refusal, self.now())).await?;
                tx.commit().await?;
                Err(refusal.into())
            }
        }
    }

    /// The mirror of a project.
    ///
    /// # Errors
    /// Invalid, when its address is none of Git's.
    pub fn mirror(&self, project: &Project) -> Result<Mirror> {
        let url = git::check_url(&project.git_url).map_err(Error::invalid)?;
        Ok(self.mirrors.mirror(project.id, &url))
    }

    /// Whether `actor` may do `action` on `resource` now: for showing or hiding, never for doing.
    pub fn may(&self, actor: &Actor, action: Action, resource: &Resource) -> bool {
        self.access.may(actor, action, resource, self.now())
    }
}
