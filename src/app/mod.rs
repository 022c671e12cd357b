//! The use cases: ask for a permit, decide, store, report. One file per noun.
//!
//! Everything that speaks to people or programs (`web`, `cli`) comes through here, so that a rule
//! holds for every way in. A function that changes something asks for a [`Permit`] through
//! [`App::permit`], which records refusals, and stores the change together with its audit event.

pub mod accounts;
pub mod activity;
pub mod admin;
pub mod audit;
pub mod balancers;
pub mod calendar;
pub mod calendar_feed;
pub mod cleaner;
pub mod commits;
pub mod comparison;
pub mod csv;
pub mod deployments;
pub mod distance;
pub mod drift;
pub mod health;
pub mod history;
pub mod instances;
pub mod kept_answers;
pub mod key_place;
pub mod lifetime;
pub mod live_release;
pub mod locks;
pub mod logins;
pub mod naming;
pub mod outside;
pub mod overview;
pub mod passwords;
pub mod places;
pub mod plans;
pub mod policy;
pub mod policy_questions;
pub mod pushes;
mod refusals;
pub mod sealing;
pub mod search;
pub mod second_factor;
pub mod sessions;
pub mod start;
pub mod strategies;
pub mod throttle;
pub mod tokens;
pub mod watch;
pub mod whom_to_ask;

use std::sync::Arc;

use serde_json::json;

use self::audit::heads::{self, LastComparison};
use self::outside::ways::Outside;
use self::pushes::Arrivals;
use self::refusals::{Refusals, Refused};
use crate::access::{Access, Permit, PolicyAnswers, Problem};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{
    Action, Actor, Area, Error, Event, EventKind, Instant, Project, Refusal, Resource, Result,
};
use crate::engine::Engine;
use crate::engine::live::Hub;
pub use crate::engine::reach;
use crate::git::{self, Mirror, Mirrors};
use crate::ssh::Connections;
use crate::store::sessions::SessionRows;
use crate::store::{Right, Store};

/// What use cases work with. Cheap to clone.
#[derive(Clone)]
pub struct AppParts {
    pub store: Store,
    pub access: Arc<Access>,
    pub mirrors: Mirrors,
    pub ssh: Connections,
    pub engine: Engine,
    pub clock: Clock,
    pub config: Arc<Config>,
}

/// The digest of a policy, and what its check found.
type Linted = (String, Vec<Problem>);

/// What all use cases share. Only use cases reach its parts, so `web` and `cli` cannot bypass them.
/// Cheap to clone.
#[derive(Clone)]
pub struct App {
    store: Store,
    access: Arc<Access>,
    mirrors: Mirrors,
    ssh: Connections,
    engine: Engine,
    clock: Clock,
    config: Arc<Config>,
    refusals: Arc<Refusals>,
    /// Held while the audit log is verified, which reads all of it.
    verifying: Arc<tokio::sync::Mutex<()>>,
    comparison: Arc<LastComparison>,
    /// The last policy of the past that was asked about.
    past_policy: Arc<tokio::sync::Mutex<Option<PolicyAnswers>>>,
    /// The digest of the policy that was looked through last, and what a check says of it.
    linted: Arc<parking_lot::Mutex<Option<Linted>>>,
    /// The ways to log in from outside.
    outside: Arc<Outside>,
    /// Pushes that arrive here.
    arrivals: Arc<Arrivals>,
    /// Whether refusals are recorded: not where a page only finds out what it may offer.
    acts: bool,
}

impl App {
    /// Use cases over these parts.
    pub fn new(parts: AppParts) -> Self {
        let AppParts {
            store,
            access,
            mirrors,
            ssh,
            engine,
            clock,
            config,
        } = parts;
        Self {
            outside: Arc::new(Outside::of(&config)),
            store,
            access,
            mirrors,
            ssh,
            engine,
            clock,
            config,
            refusals: Arc::default(),
            verifying: Arc::default(),
            comparison: Arc::default(),
            past_policy: Arc::default(),
            linted: Arc::default(),
            arrivals: Arc::default(),
            acts: true,
        }
    }

    /// The same for finding out what would be refused: nobody tries to do it, so no refusal is recorded.
    fn for_a_look(&self) -> Self {
        Self {
            acts: false,
            ..self.clone()
        }
    }

    /// How this installation is set up.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The live events, for pages that watch.
    pub fn hub(&self) -> &Hub {
        self.engine.hub()
    }

    /// The policy in force, for pages that show it. To do something, ask [`Self::permit`], which records
    /// refusals.
    pub fn policy(&self) -> &Access {
        &self.access
    }

    /// Lets `work` see one policy throughout, whatever is read meanwhile.
    pub async fn steadily<F: Future>(&self, work: F) -> F::Output {
        self.access.steadily(work).await
    }

    /// The browser sessions.
    pub fn sessions(&self) -> SessionRows {
        SessionRows::new(self.store.clone(), self.clock.clone())
    }

    /// Starts to carry out deployments.
    pub async fn start(&self) -> Result<()> {
        self.engine.start().await
    }

    /// Stops what runs, here and on the servers, and waits until every deployment is closed in the store.
    pub async fn stop_engine(&self) {
        self.engine.shutdown().await;
    }

    /// Closes the connections to servers and the store; the engine must have ended.
    ///
    /// # Errors
    /// When repeated refusals could not be recorded, or the last writes could not be merged into the
    /// database's file.
    pub async fn close(&self) -> Result<()> {
        self.record_repeated_refusals(self.now()).await?;
        self.hand_out_head().await;
        self.ssh.shutdown().await;
        self.store.clone().close().await
    }

    /// The present instant.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The permit for `actor` to do `action` on `resource` now. A refusal is recorded in the audit
    /// log, or counted there, before it is returned.
    ///
    /// # Errors
    /// Forbidden, with the refusal; not found, where `actor` may not even view `resource`: then it looks like
    /// one that does not exist.
    pub async fn permit(&self, actor: &Actor, action: Action, resource: &Resource) -> Result<Permit> {
        self.permit_at(actor, action, resource, self.now()).await
    }

    /// As [`Self::permit`], for something requested now that begins `at` another time.
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
            Err(refusal) => self.refuse(refusal).await,
        }
    }

    /// The permit for `actor` to read what belongs to no project: the audit log, users, the policy or
    /// servers. A refusal is recorded as by [`Self::permit`].
    ///
    /// # Errors
    /// Forbidden.
    pub async fn permit_reading(&self, actor: &Actor, area: Area) -> Result<Permit> {
        match self.access.reading(actor, area, self.now()) {
            Ok(permit) => Ok(permit),
            Err(refusal) => self.refuse(refusal).await,
        }
    }

    /// Records a refusal, and makes an error of it.
    async fn refuse(&self, refusal: Box<Refusal>) -> Result<Permit> {
        if self.acts {
            self.note(Refused::by_policy(&refusal, self.now())).await?;
        }
        if !self.knows_of(&refusal.actor, &refusal.resource) {
            return Err(Error::no_such_place());
        }
        Err(refusal.into())
    }

    /// Whether `actor` may view `resource` at some time, and so may know that it exists.
    fn knows_of(&self, actor: &Actor, resource: &Resource) -> bool {
        matches!(resource, Resource::Everything | Resource::Area(_))
            || match self.access.permit(actor, Action::View, resource, self.now()) {
                Ok(_) => true,
                Err(refusal) => !refusal.outside_window.is_empty(),
            }
    }

    /// Records that a guest sent an `Authorization` header that proves nothing, or counts it.
    ///
    /// # Errors
    /// Of the store.
    pub async fn unknown_token(&self, address: &str) -> Result<()> {
        let guest = Actor::guest(address);
        let event = Event::new(EventKind::TokenRefused, json!({})).forbidden("");
        let right = Right::at_the_gate(&guest, "token");
        self.note(Refused::new(&guest, "token", right, event)).await
    }

    /// Records a refusal, or counts it.
    async fn note(&self, refused: Refused) -> Result<()> {
        refusals::note(&self.store, &self.refusals, refused, self.now()).await
    }

    /// Records the repeated refusals whose count began up to `until`.
    pub async fn record_repeated_refusals(&self, until: Instant) -> Result<()> {
        refusals::record_repeats(&self.store, &self.refusals, until, self.now()).await
    }

    /// Hands out the present head of the audit log, if it fits the one before. What keeps it from doing so
    /// goes to the program's log.
    pub async fn hand_out_head(&self) {
        let done = heads::hand_out((&self.config, &self.store), &self.comparison, self.now());
        if let Err(error) = done.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "no head of the audit log was handed out"
            );
        }
    }

    /// What is wrong with the audit log, as far as its last comparison with a head found.
    pub fn audit_fault(&self) -> Option<String> {
        self.comparison.fault()
    }

    /// The mirror of a project.
    ///
    /// # Errors
    /// Invalid, when its address is not a Git URL.
    pub fn mirror(&self, project: &Project) -> Result<Mirror> {
        let url = git::check_url(&project.git_url).map_err(Error::invalid)?;
        Ok(self
            .mirrors
            .mirror(project.id, &url.with_key(project.key.clone())))
    }

    /// Whether `actor` may read `area` now: to show or hide a link.
    pub fn may_read(&self, actor: &Actor, area: Area) -> bool {
        self.access.may_read(actor, area, self.now())
    }

    /// Whether `actor` may do `action` on `resource` now: to show or hide a button, never to act.
    pub fn may(&self, actor: &Actor, action: Action, resource: &Resource) -> bool {
        self.access.may(actor, action, resource, self.now())
    }
}
