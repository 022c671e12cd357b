//! Takes servers out of service at balancers and puts them back, as a person decides.
//!
//! Such an act counts as that person's decision once HAProxy has done it: from then on the keeper of what
//! deployments left out no longer handles the server. Before HAProxy is asked the intent is stored, and after it
//! the outcome, with its event. If the deployer is killed in between, nothing was decided (`engine/keeper`).

use std::time::Duration;

use serde_json::json;

use super::{held_by_deployments, kept_by_deployment, resource};
use crate::access::Permit;
use crate::app::admin::demand_everything;
use crate::app::{App, start};
use crate::balancer::{self, BackendSlot, BalancerClient};
use crate::domain::{Balancer, BalancerId, Error, Event, EventKind, Outcome, Result, Service};
use crate::store::balancers;
use crate::store::deployments::{self, HandAct, HandActId};

/// The longest time from the intent to its outcome: twice as long as HAProxy may take to be read and changed
/// with every retry.
const ACT_LIMIT: Duration = Duration::from_secs(60);

/// What a person does to a server by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByHand {
    /// No new sessions; those it has may end.
    Drain,
    /// Out at once.
    Maint,
    /// Back in service.
    Ready,
}

impl ByHand {
    /// The act of this name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "drain" => Some(Self::Drain),
            "maint" => Some(Self::Maint),
            "ready" => Some(Self::Ready),
            _ => None,
        }
    }

    /// As [`Self::parse`] reads it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Maint => "maint",
            Self::Ready => "ready",
        }
    }

    /// The state of the server afterwards.
    fn service(self) -> Service {
        match self {
            Self::Drain | Self::Maint => Service::ByHand,
            Self::Ready => Service::Back,
        }
    }

    fn event(self) -> EventKind {
        match self {
            Self::Drain => EventKind::BalancerDrained,
            Self::Maint => EventKind::BalancerTakenOut,
            Self::Ready => EventKind::BalancerPutBack,
        }
    }
}

/// Takes a server out or puts it back, on every endpoint. Returns why a server that was put back is out all the
/// same, if it is.
///
/// # Errors
/// Not found; a slot the balancer does not know; a balancer that cannot be reached or refuses; somebody else who
/// acts on it at this moment; a server that cannot be put back, as it follows another one.
pub async fn act(
    app: &App,
    permit: &Permit,
    id: BalancerId,
    (backend, server): (&str, &str),
    act: ByHand,
) -> Result<Option<String>> {
    demand_everything(permit)?;
    let row = balancers::by_id(&app.store, id).await?;
    let opened = BalancerClient::open(&row, &start::balancer_options(&app.config))?;
    let slot = BackendSlot::new(backend, server)?;
    if act == ByHand::Ready
        && let Some(merged) = opened.look().await.state.of(&slot)
    {
        let held = held_by_deployments(app).await?;
        let other = || merged.kept_by().filter(|_| !merged.may_be_put_back());
        if let Some(why) = kept_by_deployment(merged, &held).or_else(other) {
            return Err(Error::conflict(why));
        }
    }
    let intent = HandAct {
        balancer: id,
        backend: backend.to_owned(),
        server: server.to_owned(),
        act: act.as_str().to_owned(),
        actor: permit.actor().name.clone(),
    };
    let record = app.store.record().await?;
    let begun = deployments::begin_hand_act(&record, &intent, app.now(), ACT_LIMIT).await?;
    record.commit().await?;
    let doing = Doing {
        app: app.clone(),
        permit: permit.clone(),
        row,
        opened,
        slot,
        act,
        begun,
    };
    // On a task of its own: a browser that goes away does not end it half-way.
    tokio::spawn(doing.finish()).await.map_err(Error::internal)?
}

/// An act whose intent is stored.
struct Doing {
    app: App,
    permit: Permit,
    row: Balancer,
    opened: BalancerClient,
    slot: BackendSlot,
    act: ByHand,
    begun: HandActId,
}

impl Doing {
    async fn finish(self) -> Result<Option<String>> {
        let slots = std::slice::from_ref(&self.slot);
        let done = match self.act {
            ByHand::Drain => self.opened.drain(slots).await,
            ByHand::Maint => self.opened.maint(slots).await,
            ByHand::Ready => self.opened.ready(slots).await,
        };
        self.note(&done).await?;
        done.map_err(|error| self.told(error))?;
        match self.act {
            ByHand::Ready => Ok(self.kept_by().await),
            ByHand::Drain | ByHand::Maint => Ok(None),
        }
    }

    /// The error for people. With several endpoints each is read before any is changed, so what is not done in part
    /// is not done at all.
    fn told(&self, error: balancer::Error) -> Error {
        let is_untouched = self.row.endpoints.len() > 1 && !matches!(error, balancer::Error::Partly { .. });
        let error = Error::from(error);
        match is_untouched {
            false => error,
            true => {
                let sentence = format!("{} No endpoint was changed.", error.message());
                Error::new(error.kind(), sentence).because(error)
            }
        }
    }

    /// Stores what came of it: the decision where it was done, and the event.
    async fn note(&self, done: &Result<(), balancer::Error>) -> Result<()> {
        let change = self.app.store.change(&self.permit, self.app.now()).await?;
        if !deployments::end_hand_act(&change, self.begun).await? {
            return Err(Error::unavailable(
                "It took so long that it was given up and does not count as a decision. Look at the server's state, then try again.",
            ));
        }
        let done_at = match done {
            Ok(()) => self.row.endpoints.as_slice(),
            Err(error) => error.changed(),
        };
        let place = (self.slot.backend.as_str(), self.slot.server.as_str());
        if !done_at.is_empty() {
            let decided = (self.act.service(), done_at);
            deployments::decided_by_hand(&change, self.row.id, place, decided).await?;
        }
        let detail = json!({ "backend": place.0, "server": place.1 });
        let event = match done {
            Ok(()) => Event::new(self.act.event(), detail),
            Err(error) => Event::new(EventKind::BalancerActFailed, detail)
                .with("wanted", json!(self.act.event().as_str()))
                .with("error", json!(error.to_string()))
                .with("done_at", json!(done_at))
                .ended(Outcome::Failed),
        };
        change.commit(event.about(resource(&self.row.name))).await
    }

    /// Why a server that was put back is out all the same.
    async fn kept_by(&self) -> Option<String> {
        self.opened.look().await.state.of(&self.slot)?.kept_by()
    }
}
