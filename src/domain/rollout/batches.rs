//! Divides the servers of a rollout into batches so that no backend ever has too few in service.

use std::collections::HashSet;

use super::plan::{BackendPool, Batch, Hold, Planned};
use super::{Share, Strategy};
use crate::domain::ServerId;

/// The batches of a strategy over the servers meant, in order.
pub(super) fn of(
    strategy: Strategy,
    meant: &[Planned],
    pools: &[BackendPool],
    notes: &mut Vec<String>,
) -> Vec<Batch> {
    note_lonely(meant, pools, notes);
    match strategy {
        Strategy::ClusterByCluster => cluster_by_cluster(meant, pools, notes),
        Strategy::Rolling { batch, .. } => rolling(meant, batch, pools, 0),
        Strategy::Canary {
            first, wait, batch, ..
        } => canary(meant, first, wait, batch, pools, notes),
        Strategy::AllAtOnce => all_at_once(meant, pools, notes),
    }
}

/// Notes backends with a single server: no other serves while it is deployed to.
fn note_lonely(meant: &[Planned], pools: &[BackendPool], notes: &mut Vec<String>) {
    for pool in pools {
        if let [only] = pool.serving.as_slice()
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
fn fill<'a>(rest: &mut Vec<&'a Planned>, most: usize, pools: &[BackendPool]) -> Vec<&'a Planned> {
    let mut taken: Vec<&Planned> = Vec::new();
    while taken.len() < most && !rest.is_empty() {
        let next = rest[0];
        let fits = pools
            .iter()
            .filter(|pool| pool.serving.contains(&next.server))
            .all(|pool| {
                let out = |server: &&ServerId| {
                    **server == next.server || taken.iter().any(|one| one.server == **server)
                };
                let out = pool.serving.iter().filter(out).count();
                pool.serving.len() - out >= pool.keep
            });
        if !fits && !taken.is_empty() {
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

fn rolling(meant: &[Planned], batch: Share, pools: &[BackendPool], before: usize) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for cluster in clusters(meant) {
        let most = batch.batch_of(cluster.len());
        let mut rest: Vec<&Planned> = cluster.iter().collect();
        while !rest.is_empty() {
            let taken = fill(&mut rest, most, pools);
            let title = format!("Batch {}", before + batches.len() + 1);
            batches.push(batch_of(title, &taken));
        }
    }
    batches
}

fn canary(
    meant: &[Planned],
    first: u32,
    wait: Option<u64>,
    batch: Share,
    pools: &[BackendPool],
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
        let taken = fill(&mut canaries, first, pools);
        batches.push(batch_of("Canary".to_owned(), &taken));
    }
    let mut after = rolling(rest, batch, pools, batches.len());
    if let Some(next) = after.first_mut() {
        next.hold = Some(match wait {
            Some(seconds) => Hold::Seconds { seconds },
            None => Hold::Person,
        });
    }
    batches.append(&mut after);
    batches
}

fn all_at_once(meant: &[Planned], pools: &[BackendPool], notes: &mut Vec<String>) -> Vec<Batch> {
    let mut rest: Vec<&Planned> = meant.iter().collect();
    let mut batches = Vec::new();
    while !rest.is_empty() {
        // A later server may fit where an earlier one does not, as it may be in other backends.
        let mut wave: Vec<&Planned> = Vec::new();
        rest.retain(|one| {
            let tried: Vec<&Planned> = wave.iter().copied().chain([*one]).collect();
            let fits = fill(&mut tried.clone(), tried.len(), pools).len() == tried.len();
            if fits {
                wave.push(one);
            }
            !fits
        });
        batches.push(batch_of(String::new(), &wave));
    }
    let waves = batches.len();
    for (batch, number) in batches.iter_mut().zip(1..) {
        batch.title = match waves {
            1 => "All servers".to_owned(),
            _ => format!("Wave {number}"),
        };
    }
    if waves > 1 {
        notes.push(format!(
            "Behind a balancer, all at once means {waves} waves, so that half of each backend stays in service."
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
    for cluster in clusters(meant) {
        let name = &cluster[0].cluster;
        let mut rest: Vec<&Planned> = cluster.iter().collect();
        let begin = batches.len();
        while !rest.is_empty() {
            let most = whole_or_half(&rest, pools, &taken_out);
            let servers = if most == rest.len() {
                std::mem::take(&mut rest)
            } else {
                fill(&mut rest, most, pools)
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
            batches.push(batch);
        }
        let parts = batches.len() - begin;
        if parts > 1 {
            notes.push(format!(
                "Cluster {name} is deployed in {parts} parts, as no other servers are in its backend."
            ));
            for (batch, number) in batches[begin..].iter_mut().zip(1..) {
                batch.title = format!("{name}, part {number}");
            }
        }
    }
    batches
}

/// How many of `rest` may go together: all, unless that leaves a backend of several servers with none.
fn whole_or_half(rest: &[&Planned], pools: &[BackendPool], taken_out: &HashSet<ServerId>) -> usize {
    let leaves_none = pools.iter().any(|pool| {
        let stays = |server: &&ServerId| {
            !taken_out.contains(*server) && rest.iter().all(|one| one.server != **server)
        };
        let concerned = rest.iter().any(|one| pool.serving.contains(&one.server));
        concerned && pool.serving.len() > 1 && !pool.serving.iter().any(|server| stays(&server))
    });
    if leaves_none && rest.len() > 1 {
        rest.len().div_ceil(2)
    } else {
        rest.len()
    }
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
        own.peek().is_some() && own.all(|pool| pool.serving.iter().any(|server| updated.contains(server)))
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
