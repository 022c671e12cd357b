//! Works out what a rollout will do, from what the store knows and the balancers say.
//!
//! The same is asked twice: before a person presses the button, where a balancer that cannot be
//! asked is only a note, and in the check of the deployment, where it ends it while nothing is
//! touched. What follows from the answers is the pure business of [`crate::domain::rollout`].

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;

use crate::balancer::{self, Admin, Balancer, Merged, Sought, State};
use crate::domain::rollout::{Candidate, LeftAlone, Slot, Standing, plan, plan_back};
use crate::domain::server::Member;
use crate::domain::{
    self, BalancerId, Cluster, Environment, EnvironmentId, Error, Kind, Plan, Result, Server, ServerId,
    Strategy,
};
use crate::store::{Reader, Store, balancers, clusters, deployments, servers};

/// Why a server is not deployed to.
const INACTIVE: &str = "Inactive, so it is left alone.";

/// The clusters of an environment with their servers and balancers, as the store has them.
#[derive(Debug, Clone)]
pub struct Roster {
    environment: EnvironmentId,
    clusters: Vec<Cluster>,
    servers: HashMap<ServerId, Server>,
    balancers: HashMap<BalancerId, domain::Balancer>,
}

/// How a balancer that cannot be asked, or makes no sense, is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// Somebody wants to see what would be done: it becomes a note.
    Preview,
    /// It is about to be done: it is an error.
    Deed,
}

/// Balancers by their rows, ready to be spoken to.
pub type Balancers = HashMap<BalancerId, Balancer>;

/// What will be done, and whom to speak to for it.
#[derive(Debug, Clone)]
pub struct Prospect {
    /// What will be done.
    pub plan: Plan,
    /// The balancers concerned.
    pub balancers: Balancers,
    /// Where each server of the environment stands, those that are not meant included.
    pub places: HashMap<ServerId, Vec<Slot>>,
}

impl Roster {
    /// Reads what stands behind an environment, its clusters in its own order.
    ///
    /// # Errors
    /// Of the store.
    pub async fn load(on: &impl Reader, environment: &Environment) -> Result<Self> {
        let mut all: HashMap<_, _> = clusters::list(on)
            .await?
            .into_iter()
            .map(|one| (one.id, one))
            .collect();
        let clusters: Vec<Cluster> = environment
            .clusters
            .iter()
            .filter_map(|id| all.remove(id))
            .collect();
        let servers = servers::list(on)
            .await?
            .into_iter()
            .map(|one| (one.id, one))
            .collect();
        let mut balancers = HashMap::new();
        for id in clusters.iter().filter_map(|cluster| cluster.balancer) {
            if let Entry::Vacant(missing) = balancers.entry(id) {
                missing.insert(balancers::by_id(on, id).await?);
            }
        }
        Ok(Self {
            environment: environment.id,
            clusters,
            servers,
            balancers,
        })
    }

    /// The strategy that a deployment to an environment goes by: its own, or the environment's.
    pub fn strategy(own: Option<Strategy>, environment: &Environment) -> Strategy {
        own.unwrap_or(environment.options.rollout.strategy)
    }

    /// One of the servers.
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(&id)
    }

    /// Whether a server stands behind a balancer in one of the clusters.
    pub fn is_balanced(&self, id: ServerId) -> bool {
        let mut behind = self.clusters.iter().filter(|cluster| cluster.balancer.is_some());
        behind.any(|cluster| cluster.members.iter().any(|member| member.server == id))
    }

    /// The balancers of clusters with a server that is meant.
    fn concerned(&self, meant: &HashSet<ServerId>) -> HashSet<BalancerId> {
        let is_meant = |member: &Member| meant.contains(&member.server) && self.is_active(member.server);
        let clusters = self
            .clusters
            .iter()
            .filter(|cluster| cluster.members.iter().any(is_meant));
        clusters.filter_map(|cluster| cluster.balancer).collect()
    }

    fn is_active(&self, id: ServerId) -> bool {
        self.servers.get(&id).is_some_and(|server| server.active)
    }
}

/// Works out what bringing a commit to the servers `meant` will do.
///
/// # Errors
/// What [`plan`] refuses; with [`Asking::Deed`] also a balancer that cannot be asked or changed,
/// does not know a server, or whose endpoints disagree. Of the store.
pub async fn prospect(
    store: &Store,
    options: &balancer::Options,
    roster: &Roster,
    (strategy, kind): (Strategy, Kind),
    meant: &HashSet<ServerId>,
    asking: Asking,
) -> Result<Prospect> {
    let mut notes = Vec::new();
    let (mut balancers, mut states) = (Balancers::new(), HashMap::new());
    let concerned = roster.concerned(meant);
    let rows = roster.balancers.iter().filter(|(id, _)| concerned.contains(id));
    let asked = rows.map(async |(id, row)| (*id, row.name.to_string(), ask(row, options, asking).await));
    for (id, name, answer) in join_all(asked).await {
        match answer {
            Ok((balancer, state)) => {
                balancers.insert(id, balancer);
                states.insert(id, state);
            }
            Err(error) if asking == Asking::Deed => return Err(error.into()),
            Err(error) => notes.push(format!("What balancer {name} says is not known: {error}")),
        }
    }
    let mut candidates = Vec::new();
    for cluster in &roster.clusters {
        for member in &cluster.members {
            let Some(server) = roster.server(member.server) else {
                continue;
            };
            let is_meant = meant.contains(&server.id);
            let slots = match slots(roster, &states, cluster, member, server) {
                Ok(slots) => slots,
                // What is not worked on only counts as serving, if it does.
                Err(_) if !is_meant || !server.active => Vec::new(),
                Err(error) if asking == Asking::Deed => return Err(error.into()),
                Err(error) => {
                    notes.push(format!("{}: {error}", server.name));
                    Vec::new()
                }
            };
            candidates.push(Candidate {
                server: server.id,
                name: server.name.to_string(),
                cluster: cluster.name.to_string(),
                left_alone: (!server.active).then(|| INACTIVE.to_owned()),
                meant: is_meant,
                slots,
            });
        }
    }
    tell_left_out(store, roster.environment, &mut candidates).await?;
    let mut plan = match kind {
        Kind::Rollback => plan_back(strategy, &candidates)?,
        _ => plan(strategy, &candidates)?,
    };
    plan.notes.append(&mut notes);
    let mut places: HashMap<ServerId, Vec<Slot>> = HashMap::new();
    for one in candidates {
        let own = one.slots.into_iter().map(|(slot, _)| slot);
        places.entry(one.server).or_default().extend(own);
    }
    Ok(Prospect {
        plan,
        balancers,
        places,
    })
}

/// Every server of `meant` that the plan says nothing of: it left the environment meanwhile.
pub fn strangers<'a>(plan: &'a Plan, meant: impl Iterator<Item = &'a Server>) -> Vec<&'a str> {
    let planned: HashSet<ServerId> = plan.servers().map(|one| one.server).collect();
    meant
        .filter(|server| !planned.contains(&server.id))
        .map(|server| server.name.as_str())
        .collect()
}

/// What is said of a server that is left alone, for the log.
pub fn left_alone_line(one: &LeftAlone) -> String {
    format!("{} in cluster {}: {}", one.name, one.cluster, one.why)
}

async fn ask(
    row: &domain::Balancer,
    options: &balancer::Options,
    asking: Asking,
) -> Result<(Balancer, State), balancer::Error> {
    let balancer = Balancer::open(row, options)?;
    let state = match asking {
        Asking::Deed => {
            balancer.may_change().await?;
            balancer.state().await?
        }
        // Somebody waits for the page: no patience with what is away.
        Asking::Preview => {
            let mut look = balancer.look().await;
            match look.failures.pop() {
                Some((_, error)) => return Err(error),
                None => look.state,
            }
        }
    };
    Ok((balancer, state))
}

/// Where a server stands behind its cluster's balancer. Without an answer of the balancer it is
/// taken for in service, by the names we know.
fn slots(
    roster: &Roster,
    states: &HashMap<BalancerId, State>,
    cluster: &Cluster,
    member: &Member,
    server: &Server,
) -> Result<Vec<(Slot, Standing)>, balancer::Error> {
    let Some((id, row)) = cluster
        .balancer
        .and_then(|id| Some((id, roster.balancers.get(&id)?)))
    else {
        return Ok(Vec::new());
    };
    let slot = |backend: &str, name: &str| Slot {
        balancer: id,
        balancer_name: row.name.to_string(),
        backend: backend.to_owned(),
        server: name.to_owned(),
    };
    let Some(state) = states.get(&id) else {
        let name = member.balancer_name.as_deref().unwrap_or(server.name.as_str());
        if let Some((backend, name)) = name.split_once(',') {
            return Ok(vec![(slot(backend.trim(), name.trim()), Standing::Unknown)]);
        }
        let guess = |backend: &String| (slot(backend, name), Standing::Unknown);
        return Ok(cluster.backends.iter().map(guess).collect());
    };
    let sought = Sought {
        name: server.name.as_str(),
        address: &server.address,
        balancer_name: member.balancer_name.as_deref(),
    };
    let found = state.slots_of(&cluster.backends, sought)?;
    state.agreed(&found)?;
    let standing = |place: &balancer::Slot| state.of(place).map_or(Standing::Unknown, standing);
    let known = found
        .iter()
        .map(|place| (slot(&place.backend, &place.server), standing(place)));
    Ok(known.collect())
}

fn standing(merged: &Merged) -> Standing {
    match (merged.admin, merged.up) {
        (Admin::Drain | Admin::Maint, _) => Standing::ByHand,
        (Admin::Ready, true) => Standing::InService,
        (Admin::Ready, false) => Standing::Down,
    }
}

/// What an earlier deployment to this environment took out and left so was not taken out by hand.
async fn tell_left_out(
    store: &Store,
    environment: EnvironmentId,
    candidates: &mut [Candidate],
) -> Result<()> {
    let is_out = |one: &&Candidate| {
        one.slots
            .iter()
            .any(|(_, standing)| *standing == Standing::ByHand)
    };
    let out: Vec<ServerId> = candidates.iter().filter(is_out).map(|one| one.server).collect();
    if out.is_empty() {
        return Ok(());
    }
    let ours = deployments::left_out_in(store, environment, &out).await?;
    for one in candidates {
        let Some(own) = ours.get(&one.server) else {
            continue;
        };
        for (slot, standing) in &mut one.slots {
            if *standing == Standing::ByHand && own.contains(slot) {
                *standing = Standing::LeftOut;
            }
        }
    }
    Ok(())
}

/// The refusal of a deployment whose plan is not what a second person approved.
pub fn changed_since_approval() -> Error {
    Error::conflict(
        "What would be done has changed since it was approved: other servers, another order, or other settings of the environment. Ask for it again.",
    )
}
