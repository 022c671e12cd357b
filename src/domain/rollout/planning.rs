//! Makes the plan of a rollout from the states of servers and balancers, before anything is done.

use std::collections::{BTreeMap, HashSet};

use super::Strategy;
use super::batches::{self, InService};
use super::plan::{BackendPool, Batch, LeftAlone, Plan, Planned, Restore, Slot};
use crate::domain::{BalancerId, Error, Result, ServerId};

/// Why a server is left alone.
pub const INACTIVE: &str = "Inactive, so it is left alone.";

/// A server's state at a balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// The balancer was not asked: counts as in service.
    #[default]
    Unknown,
    /// It gets requests.
    InService,
    /// Somebody took it out by hand: it stays out.
    ByHand,
    /// In service with the weight 0: it gets no new requests, before and afterwards.
    Idle,
    /// It fails the balancer's checks.
    Down,
    /// An earlier deployment took it out and left it so: it goes back in once it is deployed to.
    LeftOut,
}

impl Standing {
    /// Whether the backend loses a server when it is taken out.
    pub fn serves(self) -> bool {
        matches!(self, Self::Unknown | Self::InService)
    }

    /// Whether a server that is out or down goes into service once it is deployed to.
    fn returns(self) -> bool {
        matches!(self, Self::Down | Self::LeftOut)
    }
}

/// A server of the environment, for planning. Servers that are not deployed to count as well: they stay
/// in service while others are out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub server: ServerId,
    pub name: String,
    /// Where it is reached, with its jump hosts.
    pub address: String,
    /// The cluster it is deployed through.
    pub cluster: String,
    /// An inactive server is left alone.
    pub active: bool,
    /// Whether the request is for this server.
    pub meant: bool,
    /// Its places behind balancers, with its state at each.
    pub slots: Vec<(Slot, Standing)>,
}

impl Candidate {
    fn planned(&self) -> Planned {
        let places = |by_hand: bool| {
            let here = self
                .slots
                .iter()
                .filter(move |(_, standing)| (*standing == Standing::ByHand) == by_hand);
            here.map(|(slot, _)| slot.clone()).collect()
        };
        Planned {
            server: self.server,
            name: self.name.clone(),
            address: self.address.clone(),
            cluster: self.cluster.clone(),
            left_out: self
                .slots
                .iter()
                .any(|(_, standing)| *standing == Standing::LeftOut),
            slots: places(false),
            by_hand: places(true),
        }
    }
}

/// How many servers of no candidate are in service in each backend of a balancer.
pub type Beside = BTreeMap<(BalancerId, String), usize>;

/// Makes the plan. Servers that are out of service or down go first: they take nobody out,
/// and count again afterwards.
///
/// # Errors
/// A conflict, in a sentence, when no server is meant and active, or when the strategy cannot keep as
/// many in service as it has to.
pub fn plan(strategy: Strategy, candidates: &[Candidate], beside: &Beside) -> Result<Plan> {
    let mut meant: Vec<Candidate> = Vec::new();
    let mut left_alone = Vec::new();
    for candidate in candidates.iter().filter(|one| one.meant) {
        if !candidate.active {
            left_alone.push(LeftAlone {
                name: candidate.name.clone(),
                cluster: candidate.cluster.clone(),
                why: INACTIVE.to_owned(),
            });
            continue;
        }
        // A server may be in two clusters of one environment: it is deployed to once, and taken out
        // at all its places.
        match meant.iter_mut().find(|other| other.server == candidate.server) {
            Some(twin) => add_slots(twin, candidate),
            None => meant.push(candidate.clone()),
        }
    }
    if meant.is_empty() {
        return Err(Error::conflict(
            "None of its servers is active, so there is nothing to deploy to.",
        ));
    }
    let mut notes = Vec::new();
    note_standings(&meant, &mut notes);
    let pools = pools(strategy, candidates, &meant, beside);
    let servers: Vec<Planned> = meant.iter().map(Candidate::planned).collect();
    let batches = batches::of(strategy, &servers, &pools, &mut notes);
    demand_kept(&batches, &pools)?;
    let restore = match strategy {
        Strategy::ClusterByCluster => Restore::Together,
        _ => Restore::Each,
    };
    Ok(Plan {
        strategy,
        batches,
        restore,
        left_alone,
        pools: pools
            .into_iter()
            .filter(|pool| meant.iter().any(|one| pool.members().any(|id| id == one.server)))
            .collect(),
        notes,
    })
}

fn add_slots(twin: &mut Candidate, other: &Candidate) {
    for slot in &other.slots {
        if !twin.slots.iter().any(|(known, _)| *known == slot.0) {
            twin.slots.push(slot.clone());
        }
    }
}

fn note_standings(meant: &[Candidate], notes: &mut Vec<String>) {
    for one in meant {
        for (slot, standing) in &one.slots {
            match standing {
                Standing::ByHand => notes.push(format!(
                    "{} was taken out of {slot} by hand: it gets the release and stays out.",
                    one.name
                )),
                Standing::Down => notes.push(format!("{} is down in {slot}.", one.name)),
                Standing::Idle => notes.push(format!(
                    "{} has the weight 0 in {slot}: it does not count as in service.",
                    one.name
                )),
                Standing::LeftOut => notes.push(format!(
                    "{} was left out of {slot} by an earlier deployment: it goes back in with the release.",
                    one.name
                )),
                Standing::Unknown | Standing::InService => {}
            }
        }
    }
}

/// Every backend that a candidate is in. An inactive server counts only while it is in service.
fn pools(
    strategy: Strategy,
    candidates: &[Candidate],
    meant: &[Candidate],
    others: &Beside,
) -> Vec<BackendPool> {
    let mut pools: BTreeMap<(i64, String), (BackendPool, HashSet<ServerId>)> = BTreeMap::new();
    for one in candidates {
        let is_meant = meant.iter().any(|other| other.server == one.server);
        for (slot, standing) in &one.slots {
            let key = (slot.balancer.0, slot.backend.clone());
            let (pool, members) = pools
                .entry(key)
                .or_insert_with(|| (empty_pool(slot), HashSet::new()));
            let is_new = (one.active || standing.serves()) && members.insert(one.server);
            if is_new && standing.serves() {
                pool.serving.push(one.server);
            } else if is_new && is_meant && standing.returns() {
                pool.returning.push(one.server);
            }
        }
    }
    let mut pools: Vec<BackendPool> = pools
        .into_values()
        .map(|(pool, members)| {
            let beside = others.get(&(pool.balancer, pool.backend.clone()));
            let beside = beside.copied().unwrap_or_default();
            BackendPool {
                beside,
                size: members.len() + beside,
                ..pool
            }
        })
        .collect();
    for pool in &mut pools {
        pool.keep = keep(strategy, pool);
    }
    pools
}

fn empty_pool(slot: &Slot) -> BackendPool {
    BackendPool {
        balancer: slot.balancer,
        balancer_name: slot.balancer_name.clone(),
        backend: slot.backend.clone(),
        serving: Vec::new(),
        returning: Vec::new(),
        beside: 0,
        size: 0,
        keep: 0,
    }
}

/// How many of a pool have to stay in service: the strategy's share of the whole backend. What the
/// strategy does not demand itself gives way where it would let no server go.
fn keep(strategy: Strategy, pool: &BackendPool) -> usize {
    let spare = (pool.members().count() + pool.beside).saturating_sub(1);
    let least = spare.min(1);
    match strategy {
        Strategy::Rolling { keep: Some(keep), .. } | Strategy::Canary { keep: Some(keep), .. } => {
            keep.kept_of(pool.size).max(least)
        }
        Strategy::AllAtOnce => (pool.size / 2).min(spare),
        _ => least,
    }
}

/// Walks the batches as the rollout does, and refuses what would leave too few in service.
fn demand_kept(batches: &[Batch], pools: &[BackendPool]) -> Result<()> {
    let mut service = InService::at_first(pools);
    for batch in batches {
        let own = batch.servers.iter().map(|one| one.server);
        let going = own.chain(batch.take_out.iter().copied()).collect();
        if let Some((pool, up)) = service.too_few(&going) {
            return Err(too_few(pool, up.len() + pool.beside));
        }
        service.pass(batch);
    }
    Ok(())
}

fn too_few(pool: &BackendPool, up: usize) -> Error {
    Error::conflict(format!(
        "Backend {} of balancer {} would have {up} of {} servers in service and must keep {}, so none can be \
         taken out. Lower the minimum, put servers back into service, or add some.",
        pool.backend, pool.balancer_name, pool.size, pool.keep
    ))
}
