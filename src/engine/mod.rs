//! Carries out deployments: takes them from the queue, runs their steps on the servers, and writes
//! down how it went.
//!
//! [`Engine`] is the handle that the rest of the program holds: it starts and stops the engine, previews
//! a plan, and lets others watch through its [`live::Hub`]. What `app` commits rings it (`shared`). The engine decides
//! nothing about who may do what: it asks `access` again at the moment a deployment is about to touch
//! servers (`permission`), and otherwise trusts what `app` has stored.
//!
//! # Floors
//!
//! No file imports one from a floor above its own.
//!
//! | floor | files |
//! | --- | --- |
//! | the handle | `mod` |
//! | what begins things | `worker`, `scheduler`, `keeper`, `recovery`, `revisit`, `doubts` |
//! | one deployment, from claim or a pause to its last phase, and its end: as it came, or as it was found abandoned | `phases`, `take_up`, `closing` |
//! | the work on the servers, and single steps | `rollout`, `steps` |
//! | one running deployment: its handle (its acts on the step journal are in `journal`), its waiting for people, its way back, its servers at the balancers | `run`, `journal`, `pause`, `undo`, `out_of_service` |
//! | plans, findings, permission, endings, what all deployments share | `planning`, `found`, `permission`, `reach`, `ending`, `shared`, `lease`, `turn` |
//! | output, words, times to try again, reasons to stop | `agenda`, `departures`, `output`, `lines`, `live`, `log_limit`, `mask`, `patience`, `stop`, `stopwatch`, `words` |
//!
//! Whatever a step does is written to the store before and after it (`journal`), so that a restart
//! can tell the truth about what was interrupted. All output goes through `output`.

mod agenda;
mod closing;
mod departures;
mod doubts;
mod ending;
mod found;
mod groups;
mod journal;
mod keeper;
mod lease;
mod lines;
pub mod live;
mod log_limit;
mod mask;
mod out_of_service;
mod output;
mod patience;
mod pause;
mod permission;
mod phases;
pub mod planning;
pub mod reach;
mod recovery;
mod revisit;
mod rollout;
mod run;
mod scheduler;
mod shared;
mod steps;
mod stop;
mod stopwatch;
mod take_up;
mod turn;
mod undo;
mod words;
mod worker;

use std::collections::HashSet;
use std::sync::Arc;

use crate::confinement::Confinement;
use crate::domain::{
    Action, Actor, Deployment, DeploymentId, Environment, Error, Plan, Resource, Result, ServerId, Strategy,
};
use crate::store::deployments;
use live::Hub;
pub use log_limit::LogLimits;
use permission::Permission;
pub use permission::Succession;
use planning::{Asking, Prospect, Roster};
use shared::Shared;
pub use shared::{EngineParts, Settings};
pub use steps::manifests::{keeps as keeps_manifest, kept as kept_manifest};
use stop::StopReason;

/// The handle on the engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

impl Engine {
    /// An engine that does nothing until [`Self::start`].
    pub fn new(parts: EngineParts) -> Self {
        let shared = Arc::new(Shared::new(parts));
        let listening = Arc::downgrade(&shared);
        shared.parts.store.listen(move |ring| {
            if let Some(shared) = listening.upgrade() {
                shared.hear(ring);
            }
        });
        Self(shared)
    }

    /// Starts to work. Deployments that an earlier process left running keep their servers for some
    /// seconds, until it is known what is on them; everything else starts at once.
    pub async fn start(&self) -> Result<()> {
        let abandoned = recovery::take_all(&self.0).await?;
        recovery::clear_trees(&self.0).await;
        let watch = recovery::watch(Arc::clone(&self.0), abandoned);
        self.0.tasks.spawn(watch);
        self.0.tasks.spawn(scheduler::watch(Arc::clone(&self.0)));
        self.0.tasks.spawn(keeper::watch(Arc::clone(&self.0)));
        self.0.tasks.spawn(revisit::watch(Arc::clone(&self.0)));
        self.0.tasks.spawn(doubts::watch(Arc::clone(&self.0)));
        self.0.tasks.spawn(worker::work(Arc::clone(&self.0)));
        Ok(())
    }

    /// The name of this instance in leases.
    pub fn instance(&self) -> &str {
        &self.0.parts.settings.instance
    }

    /// What bringing a commit to the servers `meant` would do. A balancer that does not answer is a
    /// note in the plan.
    ///
    /// # Errors
    /// What the strategy refuses; of the store.
    pub async fn preview(
        &self,
        environment: &Environment,
        strategy: Option<Strategy>,
        meant: &HashSet<ServerId>,
    ) -> Result<Plan> {
        Ok(self.prospect(environment, strategy, meant).await?.plan)
    }

    /// Refuses what the check of a deployment that began now would refuse of its plan. Servers are not asked.
    ///
    /// # Errors
    /// As [`Self::preview`]; a conflict when a balancer would not let it begin.
    pub async fn rehearse(
        &self,
        environment: &Environment,
        strategy: Option<Strategy>,
        meant: &HashSet<ServerId>,
    ) -> Result<()> {
        let prospect = self.prospect(environment, strategy, meant).await?;
        match prospect.obstacles.into_iter().next() {
            Some(why) => Err(Error::conflict(why)),
            None => Ok(()),
        }
    }

    async fn prospect(
        &self,
        environment: &Environment,
        strategy: Option<Strategy>,
        meant: &HashSet<ServerId>,
    ) -> Result<Prospect> {
        let EngineParts { store, balancers, .. } = &self.0.parts;
        let roster = Roster::load(store, environment).await?;
        let strategy = strategy.unwrap_or(environment.options.rollout.strategy);
        planning::prospect(store, balancers, &roster, strategy, meant, Asking::Preview).await
    }

    /// Whether a server is reached elsewhere than when a deployment to `environment` was planned.
    ///
    /// # Errors
    /// Of the store.
    pub async fn is_reached_elsewhere(
        &self,
        environment: &Environment,
        deployment: DeploymentId,
    ) -> Result<bool> {
        let store = &self.0.parts.store;
        let Some(plan) = deployments::plan(store, deployment).await? else {
            return Ok(false);
        };
        Ok(Roster::load(store, environment).await?.has_moved_since(&plan))
    }

    /// Why a deployment may not begin or continue now in its requester's name; `None`: it may.
    ///
    /// # Errors
    /// Of the store.
    pub async fn refusal(&self, deployment: &Deployment) -> Result<Option<String>> {
        let action = deployment.kind.action();
        match permission::ask(&self.0.parts, deployment, action).await? {
            Permission::Granted(_) => Ok(None),
            Permission::Refused(why) => Ok(Some(why)),
        }
    }

    /// Why the approval of a deployment does not count any more in its environment, `resource`; `None`: it does, or
    /// there is none.
    ///
    /// # Errors
    /// Of the store.
    pub async fn approval_refusal(
        &self,
        deployment: &Deployment,
        resource: &Resource,
    ) -> Result<Option<String>> {
        permission::approval_refusal(&self.0.parts, deployment, resource).await
    }

    /// In whose name a paused deployment would do `action` if `actor` answered its pause now.
    ///
    /// # Errors
    /// Of the store.
    pub async fn succession(
        &self,
        deployment: &Deployment,
        actor: &Actor,
        action: Action,
    ) -> Result<Succession> {
        permission::succession(&self.0.parts, deployment, (actor, action)).await
    }

    /// How scripts of repositories run on this host.
    pub fn confinement(&self) -> &Confinement {
        &self.0.parts.confinement
    }

    /// Where to watch what happens.
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// Claims nothing new, stops running deployments, and waits until each is closed in the store. What is paused
    /// stays so, for the next start.
    pub async fn shutdown(&self) {
        self.0.shutdown.cancel();
        for handle in self.0.running.lock().values() {
            handle.stop.because(StopReason::Shutdown);
        }
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}
