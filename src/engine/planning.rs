//! Collects what the plan of a rollout depends on: clusters and servers from the store, and the state of
//! servers from their balancers. The plan itself is worked out in [`crate::domain::rollout`].
//!
//! It is done twice: for the preview, where a balancer that does not answer is only a note, and in the
//! check of the deployment, which then fails before anything is touched.

mod answers;
mod beside;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;

use self::answers::{Answers, Dispute, explained};
use crate::balancer::{self, BalancerClient, State};
use crate::domain::rollout::{Candidate, LeftAlone, Planned, Slot, Standing, plan};
use crate::domain::server::Member;
use crate::domain::{
    self, BalancerId, Cluster, Environment, EnvironmentId, Error, Hop, Plan, Result, Server, ServerId,
    Strategy,
};
use crate::store::{Reader, Store, balancers, clusters, deployments, queue, servers};

/// The clusters of an environment with their servers and balancers, as the store has them.
#[derive(Debug, Clone)]
pub struct Roster {
    environment: EnvironmentId,
    clusters: Vec<Cluster>,
    servers: HashMap<ServerId, Server>,
    balancers: HashMap<BalancerId, domain::Balancer>,
}

/// How a balancer that does not answer, or whose answer makes no sense, is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// As a note in the plan, which says that a rollout would be refused: a person only looks.
    Preview,
    /// As an error: the rollout is about to begin.
    Rollout,
}

/// Opened balancers by the number of their row.
pub type Balancers = HashMap<BalancerId, BalancerClient>;

/// A plan with the balancers it needs.
#[derive(Debug, Clone)]
pub struct Prospect {
    /// What will be done, batch by batch.
    pub plan: Plan,
    /// The balancers concerned.
    pub balancers: Balancers,
    /// The places of every server of the environment, also of those that are not deployed to.
    pub places: HashMap<ServerId, Vec<Slot>>,
    /// In a preview: why a rollout that began now would be refused, a sentence for each reason.
    pub obstacles: Vec<String>,
}

impl Prospect {
    /// With a plan that is being carried out.
    pub(super) fn of(plan: Plan) -> Self {
        Self {
            plan,
            balancers: Balancers::new(),
            places: HashMap::new(),
            obstacles: Vec::new(),
        }
    }
}

impl Roster {
    /// Reads the store, with the clusters in the environment's order.
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

    /// A server of the environment.
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(&id)
    }

    /// Whether a server stands behind a balancer in one of the clusters.
    pub fn is_balanced(&self, id: ServerId) -> bool {
        let mut behind = self.clusters.iter().filter(|cluster| cluster.balancer.is_some());
        behind.any(|cluster| cluster.members.iter().any(|member| member.server == id))
    }

    /// Where a server of a cluster is reached, with the jump hosts right before it, as a text to compare: an approval
    /// is for these machines.
    fn way_to(&self, server: &Server, cluster: &Cluster) -> String {
        let place = |server: &Server| format!("[{}]:{}", server.address.to_ascii_lowercase(), server.port);
        let via = match server.via.is_empty() {
            true => &cluster.via,
            false => &server.via,
        };
        let hop = |hop: &Hop| {
            let at = self.servers.get(&hop.server).map(place).unwrap_or_default();
            format!(" via {}@{at}", hop.user)
        };
        let hops: String = via.iter().map(hop).collect();
        format!("{}{hops}", place(server))
    }

    /// Whether a server of `plan` is reached elsewhere than when the plan was made.
    pub fn has_moved_since(&self, plan: &Plan) -> bool {
        let is_moved = |planned: &Planned| {
            let is_own = |cluster: &&Cluster| cluster.members.iter().any(|one| one.server == planned.server);
            let now = self.server(planned.server).zip(self.clusters.iter().find(is_own));
            let now = now.map(|(server, cluster)| self.way_to(server, cluster));
            !planned.address.is_empty() && now.is_some_and(|now| now != planned.address)
        };
        plan.servers().any(is_moved)
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
/// What [`plan`] refuses; with [`Asking::Rollout`] also a balancer that cannot be asked or changed,
/// does not know a server, or whose endpoints disagree. Of the store.
pub async fn prospect(
    store: &Store,
    options: &balancer::Options,
    roster: &Roster,
    strategy: Strategy,
    meant: &HashSet<ServerId>,
    asking: Asking,
) -> Result<Prospect> {
    let (balancers, states, mut obstacles) = ask_all(options, roster, meant, asking).await?;
    let answers = Answers::new(store, &roster.balancers, &states).await?;
    let (mut candidates, mut disputes) = (Vec::new(), Vec::new());
    for cluster in &roster.clusters {
        for member in &cluster.members {
            let Some(server) = roster.server(member.server) else {
                continue;
            };
            let is_meant = meant.contains(&server.id);
            let slots = match answers.slots(cluster, member, server, &mut disputes) {
                Ok(slots) => slots,
                // A server that is not deployed to only matters while it is in service.
                Err(_) if !is_meant || !server.active => Vec::new(),
                Err(error) if asking == Asking::Rollout => return Err(error.into()),
                Err(error) => {
                    obstacles.push(format!("{}: {error}", server.name));
                    Vec::new()
                }
            };
            candidates.push(Candidate {
                server: server.id,
                name: server.name.to_string(),
                address: roster.way_to(server, cluster),
                cluster: cluster.name.to_string(),
                active: server.active,
                meant: is_meant,
                slots,
            });
        }
    }
    mark_left_out(store, roster, &mut candidates).await?;
    mark_returning(store, &mut candidates).await?;
    disputes.retain(|one: &Dispute| one.is_open(&candidates));
    for dispute in explained(store, disputes).await? {
        match asking {
            Asking::Rollout => return Err(dispute),
            Asking::Preview => obstacles.push(dispute.message().to_owned()),
        }
    }
    let beside = beside::count(store, &states, &candidates).await?;
    let mut plan = plan(strategy, &candidates, &beside)?;
    plan.notes.extend(obstacles.iter().map(refused));
    Ok(Prospect {
        plan,
        balancers,
        places: places_of(candidates),
        obstacles,
    })
}

fn refused(why: &String) -> String {
    format!("{why} A deployment that begins now is refused for it.")
}

/// Where each server stands in balancers, over all its clusters.
fn places_of(candidates: Vec<Candidate>) -> HashMap<ServerId, Vec<Slot>> {
    let mut places: HashMap<ServerId, Vec<Slot>> = HashMap::new();
    for one in candidates {
        let own = one.slots.into_iter().map(|(slot, _)| slot);
        places.entry(one.server).or_default().extend(own);
    }
    places
}

/// The requested servers that are not in the plan: they left the environment meanwhile.
pub fn strangers<'a>(plan: &'a Plan, meant: impl Iterator<Item = &'a Server>) -> Vec<&'a str> {
    let planned: HashSet<ServerId> = plan.servers().map(|one| one.server).collect();
    meant
        .filter(|server| !planned.contains(&server.id))
        .map(|server| server.name.as_str())
        .collect()
}

/// The log line of a server that is left alone.
pub fn left_alone_line(one: &LeftAlone) -> String {
    format!("{} in cluster {}: {}", one.name, one.cluster, one.why)
}

/// Asks all balancers that a deployment to `meant` concerns; those that cannot be asked are obstacles to a preview.
async fn ask_all(
    options: &balancer::Options,
    roster: &Roster,
    meant: &HashSet<ServerId>,
    asking: Asking,
) -> Result<(Balancers, HashMap<BalancerId, State>, Vec<String>)> {
    let mut obstacles = Vec::new();
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
            Err(error) if asking == Asking::Rollout => return Err(error.into()),
            Err(error) => obstacles.push(format!("Balancer {name}: {error}")),
        }
    }
    Ok((balancers, states, obstacles))
}

async fn ask(
    row: &domain::Balancer,
    options: &balancer::Options,
    asking: Asking,
) -> Result<(BalancerClient, State), balancer::Error> {
    let balancer = BalancerClient::open(row, options)?;
    let state = match asking {
        Asking::Rollout => {
            balancer.may_change().await?;
            balancer.state().await?
        }
        // A person waits for the page, so a balancer that is away is not asked again.
        Asking::Preview => {
            let mut look = balancer.look().await;
            match look.failures.pop() {
                Some((_, error)) => return Err(error),
                None => {
                    balancer.may_change().await?;
                    look.state
                }
            }
        }
    };
    Ok((balancer, state))
}

/// Tells servers that an earlier deployment to this environment left out of service from those that
/// somebody took out by hand.
async fn mark_left_out(store: &Store, roster: &Roster, candidates: &mut [Candidate]) -> Result<()> {
    let is_out = |one: &&Candidate| {
        one.slots
            .iter()
            .any(|(_, standing)| *standing == Standing::ByHand)
    };
    let out: Vec<ServerId> = candidates.iter().filter(is_out).map(|one| one.server).collect();
    if out.is_empty() {
        return Ok(());
    }
    let ours = deployments::left_out_in(store, roster.environment, &out).await?;
    let name_of = |id: BalancerId| Some(roster.balancers.get(&id)?.name.to_string());
    for one in candidates {
        let Some(own) = ours.get(&one.server) else {
            continue;
        };
        let own = at_present(own, one.server, &roster.clusters, name_of);
        for (slot, standing) in &mut one.slots {
            if *standing == Standing::ByHand && own.contains(slot) {
                *standing = Standing::LeftOut;
            }
        }
    }
    Ok(())
}

/// Servers that this deployment does not concern and that another one has out at the moment come back: they count
/// as in service, and the rollout waits for them where it has to.
async fn mark_returning(store: &Store, candidates: &mut [Candidate]) -> Result<()> {
    let is_out = |one: &Candidate| {
        let mut slots = one.slots.iter();
        !one.meant && slots.any(|(_, standing)| *standing == Standing::ByHand)
    };
    if !candidates.iter().any(is_out) {
        return Ok(());
    }
    let holders = queue::holders(store).await?;
    let out = candidates.iter_mut().filter(|one| is_out(one));
    for one in out.filter(|one| holders.contains_key(&one.server)) {
        for (_, standing) in &mut one.slots {
            if *standing == Standing::ByHand {
                *standing = Standing::InService;
            }
        }
    }
    Ok(())
}

/// Where the places `slots` of a server are now: if a balancer was replaced by another one in front of the
/// same backend, they are at that one.
pub(super) fn at_present(
    slots: &[Slot],
    server: ServerId,
    clusters: &[Cluster],
    name_of: impl Fn(BalancerId) -> Option<String>,
) -> Vec<Slot> {
    let is_member = |cluster: &&Cluster| cluster.members.iter().any(|member| member.server == server);
    let own: Vec<&Cluster> = clusters.iter().filter(is_member).collect();
    let present = |slot: &Slot| {
        let mut slot = slot.clone();
        if own.iter().any(|cluster| cluster.balancer == Some(slot.balancer)) {
            return slot;
        }
        let mut replaced = own
            .iter()
            .filter(|cluster| cluster.backends.contains(&slot.backend));
        if let Some(id) = replaced.find_map(|cluster| cluster.balancer)
            && let Some(name) = name_of(id)
        {
            (slot.balancer, slot.balancer_name) = (id, name);
        }
        slot
    };
    slots.iter().map(present).collect()
}

/// The refusal of a deployment whose plan is no longer the one that was approved.
pub fn changed_since_approval() -> Error {
    Error::conflict(
        "The plan has changed since it was approved: other servers, another address of one, another order, or other settings of the environment or project. Request it again.",
    )
}
