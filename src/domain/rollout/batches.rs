//! Divides the servers of a rollout into batches so that no backend ever has too few in service.

use std::collections::HashSet;

use super::plan::{BackendPool, Batch, Hold, Planned};
use super::{Share, Strategy};
use crate::domain::ServerId;

/// Backends that a note names.
const POOLS_NAMED: usize = 3;

/// The servers in service in each pool, from batch to batch.
pub(super) struct InService<'a> {
    pools: &'a [BackendPool],
    up: Vec<HashSet<ServerId>>,
}

impl<'a> InService<'a> {
    pub fn at_first(pools: &'a [BackendPool]) -> Self {
        let up = pools.iter().map(|pool| pool.serving.iter().copied().collect());
        Self {
            pools,
            up: up.collect(),
        }
    }

    /// The pool that would have too few in service while `going` are out, with those in service now.
    pub fn too_few(&self, going: &HashSet<ServerId>) -> Option<(&'a BackendPool, &HashSet<ServerId>)> {
        let mut pools = self.pools.iter().zip(&self.up);
        pools.find(|(pool, up)| !pool.allows(up, pool.beside, going))
    }

    fn fits<'p>(&self, going: impl IntoIterator<Item = &'p Planned>) -> bool {
        let going = going.into_iter().map(|one| one.server).collect();
        self.too_few(&going).is_none()
    }

    /// What a batch leaves behind: its servers are in service, those it took out beforehand are not.
    pub fn pass(&mut self, batch: &Batch) {
        for (pool, up) in self.pools.iter().zip(&mut self.up) {
            up.retain(|id| !batch.take_out.contains(id));
            let own = batch.servers.iter().map(|one| one.server);
            up.extend(own.filter(|id| pool.members().any(|member| member == *id)));
        }
    }
}

/// The batches of a strategy over the servers meant. Those that are out of service or down go first, but
/// never before another cluster where clusters follow each other.
pub(super) fn of(
    strategy: Strategy,
    meant: &[Planned],
    pools: &[BackendPool],
    notes: &mut Vec<String>,
) -> Vec<Batch> {
    note_lonely(meant, pools, notes);
    let mut ordered = meant.to_vec();
    if strategy != Strategy::ClusterByCluster {
        ordered.sort_by_key(|one| return_order(one, pools));
    }
    let mut service = InService::at_first(pools);
    match strategy {
        Strategy::ClusterByCluster => cluster_by_cluster(&ordered, pools, notes),
        Strategy::Rolling { batch, .. } => rolling(&ordered, batch, &mut service, 0),
        Strategy::Canary {
            first, wait, batch, ..
        } => canary(&ordered, first, wait, batch, &mut service, notes),
        Strategy::AllAtOnce => all_at_once(&ordered, &mut service, notes),
    }
}

/// Servers that serve nowhere and will go first, then those that serve in some backends only.
fn return_order(one: &Planned, pools: &[BackendPool]) -> u8 {
    let serves = pools.iter().any(|pool| pool.serving.contains(&one.server));
    let returns = pools.iter().any(|pool| pool.returning.contains(&one.server));
    match (returns, serves) {
        (true, false) => 0,
        (true, true) => 1,
        (false, _) => 2,
    }
}

/// Notes backends with a single server: no other serves while it is deployed to.
fn note_lonely(meant: &[Planned], pools: &[BackendPool], notes: &mut Vec<String>) {
    for pool in pools {
        if let ([only], [], 0) = (pool.serving.as_slice(), pool.returning.as_slice(), pool.beside)
            && let Some(one) = meant.iter().find(|one| one.server == *only)
        {
            notes.push(format!(
                "{} is the only server in service in {} of balancer {}: no other serves there while it is deployed to.",
                one.name, pool.backend, pool.balancer_name
            ));
        }
    }
}

/// Takes servers from the front of `rest`, at most `most`, as long as each pool keeps enough. It takes at
/// least one, or the rollout would never proceed.
fn fill<'a>(rest: &mut Vec<&'a Planned>, most: usize, service: &InService<'_>) -> Vec<&'a Planned> {
    let mut taken: Vec<&Planned> = Vec::new();
    while taken.len() < most
        && let Some(next) = rest.first().copied()
    {
        if !taken.is_empty() && !service.fits(taken.iter().copied().chain([next])) {
            break;
        }
        taken.push(next);
        rest.remove(0);
    }
    taken
}

fn clusters(meant: &[Planned]) -> impl Iterator<Item = &[Planned]> {
    meant.chunk_by(|a, b| a.cluster == b.cluster)
}

fn rolling(meant: &[Planned], batch: Share, service: &mut InService<'_>, before: usize) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for cluster in clusters(meant) {
        let whole = meant.iter().filter(|one| one.cluster == cluster[0].cluster);
        let most = batch.batch_of(whole.count());
        let mut rest: Vec<&Planned> = cluster.iter().collect();
        while !rest.is_empty() {
            let title = format!("Batch {}", before + batches.len() + 1);
            let next = batch_of(title, &fill(&mut rest, most, service));
            service.pass(&next);
            batches.push(next);
        }
    }
    batches
}

fn canary(
    meant: &[Planned],
    first: u32,
    wait: Option<u64>,
    batch: Share,
    service: &mut InService<'_>,
    notes: &mut Vec<String>,
) -> Vec<Batch> {
    let first = usize::try_from(first).unwrap_or(usize::MAX).max(1);
    if first >= meant.len() {
        notes.push("All servers are canaries, so there is no pause.".to_owned());
    }
    let (ahead, rest) = meant.split_at(first.min(meant.len()));
    let mut canaries: Vec<&Planned> = ahead.iter().collect();
    let mut batches = Vec::new();
    while !canaries.is_empty() {
        let next = batch_of("Canary".to_owned(), &fill(&mut canaries, first, service));
        service.pass(&next);
        batches.push(next);
    }
    let mut after = rolling(rest, batch, service, batches.len());
    if let Some(next) = after.first_mut() {
        next.hold = Some(match wait {
            Some(seconds) => Hold::Seconds { seconds },
            None => Hold::Person,
        });
    }
    batches.append(&mut after);
    batches
}

fn all_at_once(meant: &[Planned], service: &mut InService<'_>, notes: &mut Vec<String>) -> Vec<Batch> {
    let mut rest: Vec<&Planned> = meant.iter().collect();
    let mut batches = Vec::new();
    while !rest.is_empty() {
        // A later server may fit where an earlier one does not, as it may be in other backends.
        let mut wave: Vec<&Planned> = Vec::new();
        rest.retain(|one| {
            let fits = wave.is_empty() || service.fits(wave.iter().copied().chain([*one]));
            if fits {
                wave.push(one);
            }
            !fits
        });
        let next = batch_of(String::new(), &wave);
        service.pass(&next);
        batches.push(next);
    }
    let waves = batches.len();
    for (batch, number) in batches.iter_mut().zip(1..) {
        batch.title = match waves {
            1 => "All servers".to_owned(),
            _ => format!("Wave {number}"),
        };
    }
    if waves > 1 {
        let kept = service.pools.iter().take(POOLS_NAMED);
        let kept: Vec<String> = kept
            .map(|pool| format!("{} of {} servers of {}", pool.keep, pool.size, pool.backend))
            .collect();
        let more = match service.pools.len().saturating_sub(POOLS_NAMED) {
            0 => String::new(),
            more => format!(" (and so on for {more} more)"),
        };
        notes.push(format!(
            "Behind a balancer, all at once means {waves} waves, so that at least {}{more} stay in service.",
            kept.join(" and ")
        ));
    }
    batches
}

/// The first cluster; then each further one, with all servers of the old release out of service. A cluster
/// whose backend would be left with no server is done in parts.
fn cluster_by_cluster(meant: &[Planned], pools: &[BackendPool], notes: &mut Vec<String>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut updated: HashSet<ServerId> = HashSet::new();
    let mut taken_out: HashSet<ServerId> = HashSet::new();
    let mut service = InService::at_first(pools);
    for cluster in clusters(meant) {
        let name = &cluster[0].cluster;
        let mut rest: Vec<&Planned> = cluster.iter().collect();
        rest.sort_by_key(|one| return_order(one, pools));
        let begin = batches.len();
        while !rest.is_empty() {
            // A backend of several servers is never left with none.
            let servers = if rest.len() == 1 || service.fits(rest.iter().copied()) {
                std::mem::take(&mut rest)
            } else {
                let half = rest.len().div_ceil(2);
                fill(&mut rest, half, &service)
            };
            let mut batch = batch_of(name.clone(), &servers);
            if !batches.is_empty() {
                batch.take_out = old_ones(meant, &servers, pools, &updated, &taken_out);
            }
            taken_out.extend(&batch.take_out);
            for one in &servers {
                updated.insert(one.server);
                taken_out.remove(&one.server);
            }
            service.pass(&batch);
            batches.push(batch);
        }
        let parts = batches.len() - begin;
        if parts > 1 {
            notes.push(format!(
                "Cluster {name} is deployed in {parts} parts, because its backend has no other servers."
            ));
            for (batch, number) in batches[begin..].iter_mut().zip(1..) {
                batch.title = format!("{name}, part {number}");
            }
        }
    }
    batches
}

/// The servers of later batches that go out of service now: those whose backends all have an updated
/// server.
fn old_ones(
    meant: &[Planned],
    batch: &[&Planned],
    pools: &[BackendPool],
    updated: &HashSet<ServerId>,
    taken_out: &HashSet<ServerId>,
) -> Vec<ServerId> {
    let is_old = |one: &&Planned| {
        !updated.contains(&one.server)
            && !taken_out.contains(&one.server)
            && batch.iter().all(|other| other.server != one.server)
    };
    let may_go = |one: &&Planned| {
        let mut own = pools
            .iter()
            .filter(|pool| pool.serving.contains(&one.server))
            .peekable();
        own.peek().is_some() && own.all(|pool| pool.members().any(|server| updated.contains(&server)))
    };
    meant
        .iter()
        .filter(is_old)
        .filter(may_go)
        .map(|one| one.server)
        .collect()
}

fn batch_of(title: String, servers: &[&Planned]) -> Batch {
    Batch {
        title,
        servers: servers.iter().copied().cloned().collect(),
        hold: None,
        take_out: Vec::new(),
    }
}
