//! Makes the plan of a rollout from the states of servers and balancers, before anything is done.

use std::collections::BTreeMap;

use super::Strategy;
use super::batches;
use super::plan::{BackendPool, LeftAlone, Plan, Planned, Restore, Slot};
use crate::domain::{Error, Result, ServerId};

/// Why a server is left alone.
const INACTIVE: &str = "Inactive, so it is left alone.";

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
}

/// A server of the environment, for planning. Servers that are not deployed to count as well: they stay
/// in service while others are out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub server: ServerId,
    pub name: String,
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

/// Makes the plan.
///
/// # Errors
/// A conflict, in a sentence, when no server is meant and active, when the strategy cannot keep as
/// many in service as it has to, or when it needs servers up that are not.
pub fn plan(strategy: Strategy, candidates: &[Candidate]) -> Result<Plan> {
    if strategy == Strategy::ClusterByCluster {
        demand_up(candidates)?;
    }
    plan_back(strategy, candidates)
}

/// Makes the plan of a rollback. No server has to be up, because the release that is rolled back may be
/// why it is down.
///
/// # Errors
/// As [`plan`], but for servers that are down.
pub fn plan_back(strategy: Strategy, candidates: &[Candidate]) -> Result<Plan> {
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
    let pools = pools(strategy, candidates)?;
    let servers: Vec<Planned> = meant.iter().map(Candidate::planned).collect();
    let batches = batches::of(strategy, &servers, &pools, &mut notes);
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
            .filter(|pool| meant.iter().any(|one| pool.serving.contains(&one.server)))
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
                Standing::LeftOut => notes.push(format!(
                    "{} was left out of {slot} by an earlier deployment: it goes back in with the release.",
                    one.name
                )),
                Standing::Unknown | Standing::InService => {}
            }
        }
    }
}

/// Refuses servers that are down, which later could not be told from those that the deployment broke.
fn demand_up(candidates: &[Candidate]) -> Result<()> {
    let is_down = |one: &&Candidate| one.slots.iter().any(|(_, standing)| *standing == Standing::Down);
    let meant = candidates.iter().filter(|one| one.meant && one.active);
    let mut down: Vec<&str> = meant.filter(is_down).map(|one| one.name.as_str()).collect();
    down.dedup();
    if down.is_empty() {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "Cluster by cluster needs every server up before it begins, and the balancer says that {} {} down. \
         Mend or deactivate what is down, or choose another strategy.",
        down.join(", "),
        if down.len() == 1 { "is" } else { "are" },
    )))
}

/// Every backend that a candidate is in, with the servers in service there.
fn pools(strategy: Strategy, candidates: &[Candidate]) -> Result<Vec<BackendPool>> {
    let mut pools: BTreeMap<(i64, String), BackendPool> = BTreeMap::new();
    for one in candidates {
        for (slot, standing) in &one.slots {
            let pool = pools
                .entry((slot.balancer.0, slot.backend.clone()))
                .or_insert_with(|| BackendPool {
                    balancer: slot.balancer,
                    balancer_name: slot.balancer_name.clone(),
                    backend: slot.backend.clone(),
                    serving: Vec::new(),
                    keep: 0,
                });
            if standing.serves() && !pool.serving.contains(&one.server) {
                pool.serving.push(one.server);
            }
        }
    }
    let mut pools: Vec<BackendPool> = pools.into_values().collect();
    for pool in &mut pools {
        pool.keep = keep(strategy, pool)?;
    }
    Ok(pools)
}

/// How many of a pool have to stay in service. One of several at least, whatever the strategy.
fn keep(strategy: Strategy, pool: &BackendPool) -> Result<usize> {
    let serving = pool.serving.len();
    let least = usize::from(serving > 1);
    let (Strategy::Rolling { keep: Some(keep), .. } | Strategy::Canary { keep: Some(keep), .. }) = strategy
    else {
        return Ok(match strategy {
            Strategy::AllAtOnce => serving / 2,
            _ => least,
        });
    };
    let kept = keep.kept_of(serving);
    if serving > 0 && kept >= serving {
        return Err(Error::conflict(format!(
            "Backend {} of balancer {} has {serving} in service and must keep {keep} there, so none could ever \
             be taken out. Keep fewer, or add servers.",
            pool.backend, pool.balancer_name
        )));
    }
    Ok(kept.max(least))
}
