//! Clusters as lanes, and in each lane the servers in the order of their batches.

use super::tile::ServerView;
use super::words::hold_words;
use crate::domain::deployment::ServerState;
use crate::domain::rollout::Batch;
use crate::domain::{Deployment, DeploymentState, Plan};
use crate::web::format::count;

/// A batch in the order of the rollout.
#[derive(Clone)]
pub struct BatchView {
    /// From 1.
    pub number: usize,
    pub title: String,
    /// How many servers, in words.
    pub size: String,
    /// `done`, `now`, `next`, `held` or `stopped`: a class of `deployment.css`.
    pub class: &'static str,
    /// The same as a word.
    pub word: &'static str,
    /// What is waited for before it; empty: nothing.
    pub hold: String,
}

/// A cluster.
pub struct Lane {
    pub name: String,
    pub done: usize,
    /// Without those that are left alone.
    pub total: usize,
    pub failed: usize,
    /// How many were cancelled or interrupted at work.
    pub stopped: usize,
    pub groups: Vec<LaneGroup>,
}

/// Servers of a cluster that go together.
pub struct LaneGroup {
    /// `None` for those that are left alone, or while there is no plan.
    pub batch: Option<BatchView>,
    /// Empty where it would only repeat the lane's name.
    pub title: String,
    pub servers: Vec<ServerView>,
}

impl Lane {
    pub fn tiles(&self) -> impl Iterator<Item = &ServerView> {
        self.groups.iter().flat_map(|group| &group.servers)
    }
}

/// The batches, and the servers by cluster.
pub fn lanes(
    deployment: &Deployment,
    plan: Option<&Plan>,
    servers: Vec<ServerView>,
) -> (Vec<BatchView>, Vec<Lane>) {
    let batches = plan.map_or_else(Vec::new, |plan| batches(deployment, plan, &servers));
    let mut names: Vec<String> = Vec::new();
    let mut by_cluster: Vec<Vec<ServerView>> = Vec::new();
    for server in servers {
        match names.iter().position(|name| *name == server.part.cluster) {
            Some(at) => by_cluster[at].push(server),
            None => {
                names.push(server.part.cluster.clone());
                by_cluster.push(vec![server]);
            }
        }
    }
    let lanes = names.into_iter().zip(by_cluster);
    let lanes = lanes
        .map(|(name, servers)| lane(name, servers, &batches))
        .collect();
    // A single batch is no order worth showing.
    let batches = if batches.len() > 1 { batches } else { Vec::new() };
    (batches, lanes)
}

fn lane(name: String, mut servers: Vec<ServerView>, batches: &[BatchView]) -> Lane {
    let count = |wanted: fn(&ServerView) -> bool| servers.iter().filter(|one| wanted(one)).count();
    let left_alone = count(|one| one.part.is_left_alone());
    let done = count(|one| one.part.state == ServerState::Succeeded);
    let failed = count(|one| one.part.state == ServerState::Failed);
    let stopped = count(ServerView::is_bad) - failed;
    let total = servers.len() - left_alone;
    // Servers that are left alone have no batch, and come last.
    servers.sort_by_key(|one| (one.part.batch.unwrap_or(i32::MAX), one.part.position));
    let mut groups: Vec<LaneGroup> = Vec::new();
    let mut last = None;
    for server in servers {
        let batch = server.part.batch;
        if last != Some(batch) {
            groups.push(group(batch, batches));
            last = Some(batch);
        }
        if let Some(group) = groups.last_mut() {
            group.servers.push(server);
        }
    }
    if let [only] = groups.as_mut_slice()
        && (only.title == name || batches.len() < 2)
    {
        only.title.clear();
    }
    Lane {
        name,
        done,
        total,
        failed,
        stopped,
        groups,
    }
}

fn group(number: Option<i32>, batches: &[BatchView]) -> LaneGroup {
    let batch = number
        .and_then(|number| usize::try_from(number).ok())
        .and_then(|number| batches.get(number));
    let title = match batch {
        Some(batch) => batch.title.clone(),
        None if batches.is_empty() => String::new(),
        None => "Left alone".to_owned(),
    };
    LaneGroup {
        batch: batch.cloned(),
        title,
        servers: Vec::new(),
    }
}

fn batches(deployment: &Deployment, plan: &Plan, servers: &[ServerView]) -> Vec<BatchView> {
    let states = |number: usize| -> Vec<ServerState> {
        let of_batch =
            |one: &&ServerView| one.part.batch.and_then(|at| usize::try_from(at).ok()) == Some(number);
        servers
            .iter()
            .filter(of_batch)
            .map(|one| one.part.state)
            .collect()
    };
    let mut next_is_held = deployment.state == DeploymentState::Paused;
    let view = |(at, batch): (usize, &Batch)| {
        let states = states(at);
        let (class, word) = how_far(deployment, &states, &mut next_is_held);
        let is_to_come =
            !deployment.state.is_final() && states.iter().all(|state| *state == ServerState::Waiting);
        BatchView {
            number: at + 1,
            title: batch.title.clone(),
            size: count(batch.servers.len(), "server"),
            class,
            word,
            hold: batch
                .hold
                .filter(|_| is_to_come)
                .map(hold_words)
                .unwrap_or_default(),
        }
    };
    plan.batches.iter().enumerate().map(view).collect()
}

fn how_far(
    deployment: &Deployment,
    states: &[ServerState],
    next_is_held: &mut bool,
) -> (&'static str, &'static str) {
    use ServerState as S;
    let any = |wanted: &[S]| states.iter().any(|state| wanted.contains(state));
    let all = |wanted: &[S]| states.iter().all(|state| wanted.contains(state));
    let ends = [
        (S::Failed, "failed"),
        (S::Interrupted, "interrupted"),
        (S::Cancelled, "cancelled"),
    ];
    if let Some((_, word)) = ends.into_iter().find(|(state, _)| any(&[*state])) {
        return ("stopped", word);
    }
    if all(&[S::Succeeded, S::Skipped]) && any(&[S::Succeeded]) {
        return ("done", "done");
    }
    if deployment.state.is_final() {
        return ("next", "not started");
    }
    if any(&[S::Running, S::Succeeded]) {
        return ("now", "now");
    }
    if std::mem::take(next_is_held) {
        return ("held", "after the pause");
    }
    ("next", "pending")
}
