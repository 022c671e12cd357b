//! The work on the servers: cluster after cluster, within a cluster several servers at once.
//!
//! A server's steps are sync, activate, `deploy.sh`, tests. When one server fails, those already
//! begun go on to their end, and no further one is begun: what was not touched keeps running what
//! it ran. Every server's row says afterwards what is on it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

use super::recovery::before_words;
use super::run::{Ending, Member, Run};
use super::steps::check::{Inspections, Reached};
use super::steps::checkout::Tree;
use super::steps::script::{self, Place};
use super::steps::transfer::{self, Package};
use super::steps::{Failure, StepResult};
use super::stop::StopReason;
use crate::domain::deployment::ServerState;
use crate::domain::{ServerId, StepKind, SyncMethod};
use crate::ssh::Session;

/// What is done on a server, in order.
pub(super) fn steps(method: SyncMethod) -> &'static [StepKind] {
    use StepKind::{Activate, Deploy, Inspect, Sync, Tests};
    match method {
        SyncMethod::Symlink => &[Inspect, Sync, Activate, Deploy, Tests],
        SyncMethod::InPlace => &[Inspect, Sync, Deploy, Tests],
    }
}

/// How the servers fared.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub deployed: usize,
    pub failed: Vec<String>,
    pub left_alone: usize,
    sessions: HashMap<ServerId, Session>,
}

impl Tally {
    pub fn ending(&self) -> Ending {
        let servers = |n: usize| {
            if n == 1 {
                "1 server".to_owned()
            } else {
                format!("{n} servers")
            }
        };
        if self.failed.is_empty() {
            return Ending::Succeeded(format!("{} deployed.", servers(self.deployed)));
        }
        let Self {
            deployed,
            failed,
            left_alone,
            ..
        } = self;
        let mut sentence = format!("Failed on {}.", failed.join(", "));
        if *deployed > 0 {
            sentence.push_str(&format!(" Deployed to {}.", servers(*deployed)));
        }
        if *left_alone > 0 {
            sentence.push_str(&format!(" Left {} untouched.", servers(*left_alone)));
        }
        Ending::Failed(sentence)
    }
}

/// How far a server has come; decides what is said of it when it goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Untouched,
    Syncing,
    /// The switch was asked for, and the server could not be asked what became of it.
    Switching,
    Active,
}

pub(super) async fn roll_out(run: &Run, tree: &Tree, mut inspections: Inspections) -> StepResult<Tally> {
    let package = transfer::pack(run, tree).await?;
    let halted = AtomicBool::new(false);
    let sessions = inspections
        .iter()
        .map(|(id, reached)| (*id, reached.session.clone()))
        .collect();
    let mut tally = Tally::default();
    let parallel = usize::try_from(run.environment.options.parallel)
        .unwrap_or(1)
        .max(1);
    for cluster in run.members.chunk_by(|a, b| a.cluster == b.cluster) {
        // Boxed, as the compiler cannot see that the bare futures may move between threads.
        let mut jobs: Vec<BoxFuture<'_, (&Member, ServerState)>> = Vec::with_capacity(cluster.len());
        for member in cluster {
            let reached = inspections.remove(&member.server.id);
            let reached =
                reached.ok_or_else(|| Failure::new(format!("{} was not looked at.", member.server.name)))?;
            jobs.push(Box::pin(server(run, tree, &package, member, reached, &halted)));
        }
        let states: Vec<(&Member, ServerState)> =
            stream::iter(jobs).buffer_unordered(parallel).collect().await;
        for (member, state) in states {
            match state {
                ServerState::Succeeded => tally.deployed += 1,
                ServerState::Skipped => tally.left_alone += 1,
                _ => tally.failed.push(member.server.name.to_string()),
            }
        }
    }
    tally.failed.sort_unstable();
    tally.sessions = sessions;
    package.remember().await;
    Ok(tally)
}

async fn server<'a>(
    run: &Run,
    tree: &Tree,
    package: &Package,
    member: &'a Member,
    reached: Reached,
    halted: &AtomicBool,
) -> (&'a Member, ServerState) {
    let previous = reached
        .found
        .release
        .as_ref()
        .map(|release| release.commit.clone());
    let before = before_words(previous.as_deref());
    if halted.load(Ordering::SeqCst) {
        let detail = format!("Not touched, because another server failed: it runs {before}.");
        note(run, member, ServerState::Skipped, &detail).await;
        return (member, ServerState::Skipped);
    }
    if run.stop.reason().is_some() {
        return (member, ServerState::Skipped);
    }
    note(run, member, ServerState::Running, "").await;
    let mut progress = Progress::Untouched;
    let result = pipeline(run, tree, package, member, &reached, &mut progress).await;
    let (state, detail) = match result {
        Ok(()) => (ServerState::Succeeded, String::new()),
        Err(failure) => {
            halted.store(true, Ordering::SeqCst);
            let state = match run.stop.reason() {
                None => ServerState::Failed,
                Some(StopReason::Cancelled) => ServerState::Cancelled,
                Some(_) => ServerState::Interrupted,
            };
            (state, truth(run, progress, &failure, &before))
        }
    };
    note(run, member, state, &detail).await;
    (member, state)
}

/// The steps of one server. `progress` is told before each act that changes what runs there.
async fn pipeline(
    run: &Run,
    tree: &Tree,
    package: &Package,
    member: &Member,
    reached: &Reached,
    progress: &mut Progress,
) -> StepResult<()> {
    *progress = Progress::Syncing;
    let delivered = transfer::sync(run, package, member, reached).await?;
    let dir = match transfer::activate(run, member, reached, &delivered).await {
        Ok(dir) => dir,
        Err(failure) => {
            // The switch may have been made all the same, when only the answer was lost.
            *progress = match transfer::is_in_use(reached, &delivered).await {
                Some(true) => Progress::Active,
                Some(false) => Progress::Syncing,
                None => Progress::Switching,
            };
            return Err(failure);
        }
    };
    *progress = Progress::Active;
    transfer::record(run, member, &dir).await?;
    let previous = reached
        .found
        .release
        .as_ref()
        .map(|release| release.commit.as_str());
    let there = Place {
        session: &reached.session,
        dir: &dir,
        previous,
    };
    script::deploy(run, tree, member, &there).await?;
    script::remote_tests(run, tree, member, &there).await?;
    Ok(())
}

/// What is on a server that did not get through, and what to do.
fn truth(run: &Run, progress: Progress, failure: &Failure, before: &str) -> String {
    let (why, commit) = (&failure.message, run.deployment.commit.short());
    match (progress, run.project.method) {
        (Progress::Untouched, _) => format!("{why} Not touched: it runs {before}."),
        // The sync says itself which files it had changed.
        (Progress::Syncing, SyncMethod::InPlace) => why.clone(),
        (Progress::Syncing, SyncMethod::Symlink) => format!("{why} It still runs {before}."),
        (Progress::Switching, _) => format!(
            "{why} The switch to {commit} was being made: it runs either that or {before}. Deploy again to be sure."
        ),
        (Progress::Active, _) => {
            format!("{why} The files of {commit} are in use there. Deploy again, or roll back.")
        }
    }
}

async fn note(run: &Run, member: &Member, state: ServerState, detail: &str) {
    if let Err(error) = run.set_part(member, state, detail).await {
        tracing::warn!(server = member.server.name.as_str(), "{error}");
    }
}

/// Prunes old releases on servers that got the new one. What cannot be pruned is said and left.
pub(super) async fn finish(run: &Run, tally: &Tally) -> StepResult<()> {
    let mut step = run.begin(StepKind::Finish, None).await?;
    let session = |member: &&Member| tally.sessions.get(&member.server.id).cloned();
    let reached: Vec<_> = run
        .members
        .iter()
        .filter_map(|member| Some((member, session(&member)?)))
        .collect();
    let result = transfer::prune(run, &mut step.log, &reached, tally).await;
    run.end(step, result).await.map(drop)
}
