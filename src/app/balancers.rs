//! Balancers: added, changed, deleted; the state of their servers; taking a server out and putting it
//! back by hand.

use serde_json::{Value, json};

use super::admin::{changes, demand_everything, demand_reading};
use super::{App, start};
use crate::access::Permit;
use crate::balancer::{Admin, BackendSlot, BalancerClient, Merged, Reading};
use crate::domain::{Area, Balancer, BalancerId, Error, Event, EventKind, Name, Result, Service};
use crate::store::{balancers, clusters, deployments};

/// The command to add or change a balancer. Its fields are those of [`Balancer`].
#[derive(Debug, Clone)]
pub struct BalancerSpec {
    pub name: Name,
    pub kind: String,
    pub endpoints: Vec<String>,
}

impl BalancerSpec {
    fn check(self, app: &App, id: BalancerId, settings: Value) -> Result<Balancer> {
        let balancer = Balancer {
            id,
            name: self.name,
            kind: self.kind,
            endpoints: self.endpoints,
            settings,
        };
        // Opening checks every address and connects to nothing.
        let opened = BalancerClient::open(&balancer, &start::balancer_options(&app.config));
        opened.map_err(|error| Error::field("endpoints", error.to_string()))?;
        Ok(balancer)
    }
}

/// All balancers, by name.
pub async fn list(app: &App, permit: &Permit) -> Result<Vec<Balancer>> {
    demand_reading(permit, Area::Servers)?;
    balancers::list(&app.store).await
}

/// A balancer by its id.
pub async fn by_id(app: &App, permit: &Permit, id: BalancerId) -> Result<Balancer> {
    demand_everything(permit)?;
    balancers::by_id(&app.store, id).await
}

/// Adds a balancer.
pub async fn add(app: &App, permit: &Permit, spec: BalancerSpec) -> Result<Balancer> {
    demand_everything(permit)?;
    let balancer = spec.check(app, BalancerId(0), Value::Null)?;
    let change = app.store.change(permit, app.now()).await?;
    let balancer = balancers::insert(&change, &balancer).await?;
    let resource = resource(&balancer.name);
    change
        .commit(Event::new(EventKind::BalancerAdded, told(&balancer)).about(resource))
        .await?;
    Ok(balancer)
}

/// Changes a balancer; the same command again changes nothing.
pub async fn edit(app: &App, permit: &Permit, id: BalancerId, spec: BalancerSpec) -> Result<Balancer> {
    demand_everything(permit)?;
    let change = app.store.change(permit, app.now()).await?;
    let before = balancers::by_id(&change, id).await?;
    let changed = spec.check(app, id, before.settings.clone())?;
    if before != changed {
        balancers::update(&change, &changed).await?;
        let detail = changes(&told(&before), &told(&changed));
        let resource = resource(&before.name);
        change
            .commit(Event::new(EventKind::BalancerChanged, detail).about(resource))
            .await?;
    }
    Ok(changed)
}

/// Deletes a balancer that no cluster uses.
///
/// # Errors
/// A conflict while one does; not found.
pub async fn delete(app: &App, permit: &Permit, id: BalancerId) -> Result<Balancer> {
    demand_everything(permit)?;
    let change = app.store.change(permit, app.now()).await?;
    let balancer = balancers::by_id(&change, id).await?;
    let behind = clusters::list(&change).await?;
    if let Some(cluster) = behind.iter().find(|cluster| cluster.balancer == Some(id)) {
        return Err(Error::conflict(format!(
            "Cluster “{}” uses “{}”. Change the cluster first.",
            cluster.name, balancer.name
        )));
    }
    balancers::delete(&change, id).await?;
    let resource = resource(&balancer.name);
    change
        .commit(Event::new(EventKind::BalancerDeleted, told(&balancer)).about(resource))
        .await?;
    Ok(balancer)
}

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

/// The present state of a balancer.
#[derive(Debug, Clone)]
pub struct BalancerView {
    pub balancer: Balancer,
    /// Its backends in its order, each with its servers.
    pub backends: Vec<(String, Vec<SlotView>)>,
    /// Endpoints that did not answer, and why not.
    pub failures: Vec<String>,
}

/// A server in a backend, as all endpoints report it.
#[derive(Debug, Clone)]
pub struct SlotView {
    /// The balancer's name for it.
    pub server: String,
    /// `ready`, `drain` or `maint`: the administrative state.
    pub decided: &'static str,
    /// Takes new sessions on every endpoint.
    pub up: bool,
    /// On all endpoints together.
    pub sessions: u64,
    /// Whether all endpoints agree.
    pub agree: bool,
    /// The balancer's own words, one per endpoint where they differ.
    pub status: String,
    /// What the last check found.
    pub last_check: String,
}

/// Asks a balancer for the state of its servers. The answer lists endpoints that do not answer,
/// instead of failing.
///
/// # Errors
/// Not found. Wrong settings are reported as a failure.
pub async fn look(app: &App, permit: &Permit, id: BalancerId) -> Result<BalancerView> {
    let row = by_id(app, permit, id).await?;
    let opened = BalancerClient::open(&row, &start::balancer_options(&app.config));
    let look = match opened {
        Ok(opened) => opened.look().await,
        Err(error) => {
            return Ok(BalancerView {
                balancer: row,
                backends: Vec::new(),
                failures: vec![error.to_string()],
            });
        }
    };
    Ok(view(row, &look))
}

fn view(balancer: Balancer, look: &Reading) -> BalancerView {
    let mut backends: Vec<(String, Vec<SlotView>)> = Vec::new();
    for merged in &look.state.servers {
        let slot = slot_view(merged);
        match backends.iter_mut().find(|(name, _)| *name == merged.slot.backend) {
            Some((_, servers)) => servers.push(slot),
            None => backends.push((merged.slot.backend.clone(), vec![slot])),
        }
    }
    let failures = look.failures.iter();
    BalancerView {
        balancer,
        backends,
        failures: failures.map(|(_, error)| error.to_string()).collect(),
    }
}

fn slot_view(merged: &Merged) -> SlotView {
    let mut statuses: Vec<&str> = merged
        .per_endpoint
        .iter()
        .map(|one| one.status.as_str())
        .collect();
    statuses.dedup();
    let checks = merged.per_endpoint.iter().map(|one| one.last_check.as_str());
    SlotView {
        server: merged.slot.server.clone(),
        decided: match merged.admin {
            Admin::Ready => "ready",
            Admin::Drain => "drain",
            Admin::Maint => "maint",
        },
        up: merged.up,
        sessions: merged.sessions,
        agree: merged.agree,
        status: statuses.join(", "),
        last_check: checks
            .max_by_key(|text| text.len())
            .unwrap_or_default()
            .to_owned(),
    }
}

/// Takes a server out or puts it back, on every endpoint. The act is recorded before it is done, and
/// a failure afterwards.
///
/// # Errors
/// Not found; a slot the balancer does not know; a balancer that cannot be reached or refuses.
pub async fn act(
    app: &App,
    permit: &Permit,
    id: BalancerId,
    (backend, server): (&str, &str),
    act: ByHand,
) -> Result<()> {
    demand_everything(permit)?;
    let row = balancers::by_id(&app.store, id).await?;
    let opened = BalancerClient::open(&row, &start::balancer_options(&app.config))?;
    let slot = BackendSlot::new(backend, server)?;
    let change = app.store.change(permit, app.now()).await?;
    let detail = json!({ "backend": backend, "server": server });
    // The latest decision counts: the keeper no longer handles a server that a deployment left out here.
    deployments::decided_by_hand(&change, id, (backend, server), act.service()).await?;
    let event = Event::new(act.event(), detail).about(resource(&row.name));
    change.commit(event).await?;
    let slots = [slot];
    let outcome = match act {
        ByHand::Drain => opened.drain(&slots).await,
        ByHand::Maint => opened.maint(&slots).await,
        ByHand::Ready => opened.ready(&slots).await,
    };
    if let Err(error) = outcome {
        let detail = json!({
            "backend": backend, "server": server, "wanted": act.event().as_str(), "error": error.to_string(),
        });
        note(app, permit, &row, EventKind::BalancerActFailed, detail).await?;
        return Err(error.into());
    }
    Ok(())
}

async fn note(app: &App, permit: &Permit, row: &Balancer, event: EventKind, detail: Value) -> Result<()> {
    let change = app.store.change(permit, app.now()).await?;
    change
        .commit(Event::new(event, detail).about(resource(&row.name)))
        .await
}

fn resource(name: &Name) -> String {
    format!("balancer {name}")
}

fn told(balancer: &Balancer) -> Value {
    json!({ "name": balancer.name, "kind": balancer.kind, "endpoints": balancer.endpoints })
}
