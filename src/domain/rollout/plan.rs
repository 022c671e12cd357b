//! The plan of a rollout: what is done to which server in which company, worked out before the
//! first deed from what is known of servers and balancers.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Strategy;
use super::batches;
use crate::domain::{BalancerId, Error, Result, ServerId};

/// A server's place behind a balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub balancer: BalancerId,
    /// What people call it.
    pub balancer_name: String,
    /// The balancer's backend.
    pub backend: String,
    /// What the balancer calls the server.
    pub server: String,
}

impl Slot {
    /// Places by the balancer they are at, in the order in which balancers come first.
    pub fn by_balancer(slots: &[Self]) -> Vec<(BalancerId, Vec<&Self>)> {
        let mut all: Vec<(BalancerId, Vec<&Self>)> = Vec::new();
        for slot in slots {
            match all.iter_mut().find(|(id, _)| *id == slot.balancer) {
                Some((_, here)) => here.push(slot),
                None => all.push((slot.balancer, vec![slot])),
            }
        }
        all
    }
}

/// The place as sentences have it; whose it is stands there anyway.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of balancer {}", self.backend, self.balancer_name)
    }
}

/// What a balancer says of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It was not asked: taken for in service.
    #[default]
    Unknown,
    /// It gets traffic.
    InService,
    /// Somebody took it out by hand: it stays so.
    ByHand,
    /// It does not answer the balancer's checks.
    Down,
    /// An earlier deployment took it out and left it so: it goes back in once it is deployed to.
    LeftOut,
}

impl Standing {
    /// Whether taking it out makes the balancer poorer.
    pub fn serves(self) -> bool {
        matches!(self, Self::Unknown | Self::InService)
    }
}

/// A server of the environment, as planning sees it. Those that are not meant count as well: they
/// stay in service while others are out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub server: ServerId,
    pub name: String,
    /// The cluster it is deployed through.
    pub cluster: String,
    /// Why it is left alone; `None`: it is deployed to.
    pub left_alone: Option<String>,
    /// Whether the request means it at all.
    pub meant: bool,
    /// Its places behind balancers, each with what is said of it there.
    pub slots: Vec<(Slot, Standing)>,
}

/// When servers go back into service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restore {
    /// Each as soon as it is done.
    Each,
    /// All of a batch when the last of them is done.
    Together,
}

/// What has to happen before a batch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Hold {
    /// A person says so.
    Person,
    /// So many seconds pass, or a person says so earlier.
    Seconds { seconds: u64 },
}

/// Servers that are worked on together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// What a page calls it: the cluster's name, `Canary` …
    pub title: String,
    /// Its servers, in order.
    pub servers: Vec<Planned>,
    /// What is waited for before it begins.
    pub hold: Option<Hold>,
    /// Servers of later batches that are taken out of service before it begins, as they still
    /// have the old release.
    pub take_out: Vec<ServerId>,
}

/// A server in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    pub server: ServerId,
    pub name: String,
    /// The cluster it is deployed through.
    pub cluster: String,
    /// Where it is taken out and put back; not those where somebody took it out by hand.
    pub slots: Vec<Slot>,
    /// Where somebody took it out by hand: left as it is.
    pub by_hand: Vec<Slot>,
    /// Whether an earlier deployment left it out of service, as what is on it may not be whole. It
    /// goes back in with the new release only.
    #[serde(default)]
    pub left_out: bool,
}

/// A server that is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftAlone {
    pub name: String,
    pub cluster: String,
    /// Why, as a sentence.
    pub why: String,
}

/// A balancer's backend with what serves in it, and how few may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub balancer: BalancerId,
    /// What people call it.
    pub balancer_name: String,
    pub backend: String,
    /// What served when the plan was made.
    pub serving: Vec<ServerId>,
    /// So many have to go on serving at every moment.
    pub keep: usize,
}

/// What will be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// By which strategy.
    pub strategy: Strategy,
    /// In this order.
    pub batches: Vec<Batch>,
    /// When servers go back into service.
    pub restore: Restore,
    /// Servers that are left alone.
    pub left_alone: Vec<LeftAlone>,
    /// The backends concerned.
    pub pools: Vec<Pool>,
    /// What a person should know before pressing the button, as sentences.
    pub notes: Vec<String>,
}

impl Plan {
    /// Every server that is deployed to, in order.
    pub fn servers(&self) -> impl Iterator<Item = &Planned> {
        self.batches.iter().flat_map(|batch| &batch.servers)
    }

    /// The number of the batch a server is in, from 0.
    pub fn batch_of(&self, server: ServerId) -> Option<usize> {
        let is_in = |batch: &Batch| batch.servers.iter().any(|one| one.server == server);
        self.batches.iter().position(is_in)
    }

    /// The pools that would have too few in service if `more` went out beside those that are `out`.
    /// Empty: they may.
    pub fn too_few<'a>(
        &'a self,
        out: &'a HashSet<ServerId>,
        more: &'a [ServerId],
    ) -> impl Iterator<Item = &'a Pool> {
        self.pools.iter().filter(move |pool| {
            let stays = |server: &&ServerId| !out.contains(*server) && !more.contains(*server);
            let concerned = pool.serving.iter().any(|server| more.contains(server));
            concerned && pool.serving.iter().filter(stays).count() < pool.keep
        })
    }

    /// Whether both do the same to the same servers in the same order, and keep as many in service.
    /// What is said of it may differ.
    pub fn is_same_deed(&self, other: &Self) -> bool {
        let keeps = |plan: &Self| -> Vec<(BalancerId, String, usize)> {
            let pools = plan.pools.iter();
            pools
                .map(|pool| (pool.balancer, pool.backend.clone(), pool.keep))
                .collect()
        };
        self.strategy == other.strategy
            && self.restore == other.restore
            && self.batches == other.batches
            && keeps(self) == keeps(other)
    }
}

/// Works out what will be done.
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

/// The same for a way back: what is down may be so because of what is taken back, so no server has
/// to be up.
///
/// # Errors
/// As [`plan`], but for servers that are down.
pub fn plan_back(strategy: Strategy, candidates: &[Candidate]) -> Result<Plan> {
    let mut meant: Vec<Candidate> = Vec::new();
    let mut left_alone = Vec::new();
    for candidate in candidates.iter().filter(|one| one.meant) {
        match &candidate.left_alone {
            Some(why) => left_alone.push(LeftAlone {
                name: candidate.name.clone(),
                cluster: candidate.cluster.clone(),
                why: why.clone(),
            }),
            // A server may stand in two clusters of one environment: it is deployed to once, and
            // taken out wherever it stands.
            None => match meant.iter_mut().find(|other| other.server == candidate.server) {
                Some(twin) => add_slots(twin, candidate),
                None => meant.push(candidate.clone()),
            },
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
    let batches = batches::of(strategy, &meant, &pools, &mut notes)?;
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

/// The original's rule: what is down before cannot be told from what the deployment broke.
fn demand_up(candidates: &[Candidate]) -> Result<()> {
    let is_down = |one: &&Candidate| one.slots.iter().any(|(_, standing)| *standing == Standing::Down);
    let meant = candidates
        .iter()
        .filter(|one| one.meant && one.left_alone.is_none());
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

/// Every backend that a candidate stands in, with what serves there now.
fn pools(strategy: Strategy, candidates: &[Candidate]) -> Result<Vec<Pool>> {
    let mut pools: BTreeMap<(i64, String), Pool> = BTreeMap::new();
    for one in candidates {
        for (slot, standing) in &one.slots {
            let pool = pools
                .entry((slot.balancer.0, slot.backend.clone()))
                .or_insert_with(|| Pool {
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
    let mut pools: Vec<Pool> = pools.into_values().collect();
    for pool in &mut pools {
        pool.keep = keep(strategy, pool)?;
    }
    Ok(pools)
}

/// How many of a pool have to stay in service. One of several at least, whatever the strategy.
fn keep(strategy: Strategy, pool: &Pool) -> Result<usize> {
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
