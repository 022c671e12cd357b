//! Balancers: added, changed, deleted; the state of their servers; taking a server out and putting it
//! back by hand.

use serde_json::{Value, json};

use super::admin::{changes, demand_everything, demand_reading};
use super::{App, start};
use crate::access::Permit;
use crate::balancer::{Admin, BackendSlot, BalancerClient, Merged, Reading, ServerLine};
use crate::domain::{
    Area, Balancer, BalancerId, DeploymentId, Error, Event, EventKind, Name, Result, Service,
};
use crate::store::deployments::HeldOut;
use crate::store::{Reader, balancers, clusters, deployments};

/// How many servers a warning names.
const NAMED: usize = 10;

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

/// A balancer as it was saved.
#[derive(Debug, Clone)]
pub struct SavedBalancer {
    pub balancer: Balancer,
    /// What somebody should know who took endpoints away, as sentences.
    pub warnings: Vec<String>,
}

/// Changes a balancer; the same command again changes nothing.
pub async fn edit(app: &App, permit: &Permit, id: BalancerId, spec: BalancerSpec) -> Result<SavedBalancer> {
    demand_everything(permit)?;
    let change = app.store.change(permit, app.now()).await?;
    let before = balancers::by_id(&change, id).await?;
    let changed = spec.check(app, id, before.settings.clone())?;
    let warnings = still_out(&change, &before, &changed).await?;
    if before != changed {
        balancers::update(&change, &changed).await?;
        let detail = changes(&told(&before), &told(&changed));
        let resource = resource(&before.name);
        change
            .commit(Event::new(EventKind::BalancerChanged, detail).about(resource))
            .await?;
    }
    Ok(SavedBalancer {
        balancer: changed,
        warnings,
    })
}

/// Where servers are still out because of deployments at endpoints that are taken away, a sentence for each.
async fn still_out(on: &impl Reader, before: &Balancer, after: &Balancer) -> Result<Vec<String>> {
    let is_left = |endpoint: &str| !after.endpoints.iter().any(|kept| kept.trim() == endpoint);
    let gone = before.endpoints.iter().map(|one| one.trim());
    let gone: Vec<&str> = gone.filter(|endpoint| is_left(endpoint)).collect();
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let held = deployments::held_out(on).await?;
    let mut sentences = Vec::new();
    for endpoint in gone {
        let here = held.iter().filter(|one| one.place.endpoint == endpoint);
        let out = here.filter(|one| one.is_out());
        let mut servers: Vec<String> = out
            .map(|one| format!("{} (deployment {})", one.place.server, one.deployment))
            .collect();
        servers.dedup();
        if !servers.is_empty() {
            sentences.push(format!(
                "Still out of service at {endpoint}: {}. The deployer does not act there any more. Once the endpoint is entered again, a server that is back by then is put back there too; until then, put it back at that HAProxy.",
                listed(&servers)
            ));
        }
    }
    Ok(sentences)
}

/// The first names, and how many more.
fn listed(names: &[String]) -> String {
    match names.get(..NAMED) {
        Some(first) if names.len() > NAMED => {
            format!("{} and {} more", first.join(", "), names.len() - NAMED)
        }
        _ => names.join(", "),
    }
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
    /// Where the endpoints disagree: what each says, and which deployment left the server out there.
    pub endpoints: Vec<EndpointView>,
    /// What the last check found.
    pub last_check: String,
}

/// What one endpoint reports about a server.
#[derive(Debug, Clone)]
pub struct EndpointView {
    pub endpoint: String,
    /// HAProxy's own words.
    pub status: String,
    pub left_by: Option<DeploymentId>,
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
    let held = match look.state.servers.iter().all(|merged| merged.agree) {
        true => Vec::new(),
        false => deployments::held_out(&app.store).await?,
    };
    Ok(view(row, &look, &held))
}

fn view(balancer: Balancer, look: &Reading, held: &[HeldOut]) -> BalancerView {
    let mut backends: Vec<(String, Vec<SlotView>)> = Vec::new();
    for merged in &look.state.servers {
        let slot = slot_view(merged, held);
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

fn slot_view(merged: &Merged, held: &[HeldOut]) -> SlotView {
    let endpoint = |line: &ServerLine| {
        let place = line.place();
        let mut held = held.iter();
        let left = held.find(|one| one.place == place && one.is_out());
        EndpointView {
            endpoint: place.endpoint,
            status: line.status.clone(),
            left_by: left.map(|one| one.deployment),
        }
    };
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
        endpoints: match merged.agree {
            true => Vec::new(),
            false => merged.per_endpoint.iter().map(endpoint).collect(),
        },
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
