//! Whether every server has room for the tree, estimated from Git's objects before anything is fetched or
//! sent.
//!
//! It is an estimate: what lies in submodules is not counted, and somebody may have changed files on a
//! server. What can be told exactly is told after the export ([`crate::sync::Inspection::check_room`]) and
//! right before files are sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::reuse;
use super::script::PREDEPLOY;
use crate::domain::{CommitId, ServerId, SyncMethod, TreeSize};
use crate::engine::ending::Failure;
use crate::engine::found::Reached;
use crate::engine::output::StepLog;
use crate::engine::run::{Run, TargetServer};
use crate::git::{Mirror, Weighing};
use crate::sync::{Inspection, Rules};

/// How long one tree is weighed. A larger one than fits into it is not estimated.
const WEIGHING_TIME: Duration = Duration::from_secs(10);
/// Commits on servers that the tree is compared with: more than a fleet has that is deployed to as one.
const COMMITS_COMPARED: usize = 5;

/// The servers that have no room for the tree, each with what it lacks. None where the tree cannot be
/// estimated, and where `predeploy.sh` may still change it: then the log tells.
pub async fn lacking<'a>(
    run: &'a Run,
    reached: &HashMap<ServerId, Arc<Reached>>,
    log: &mut StepLog,
) -> Vec<(&'a TargetServer, Failure)> {
    if reuse::kept(run, reached).is_some() {
        return Vec::new();
    }
    let Ok(mirror) = run.mirror() else {
        return Vec::new();
    };
    let mut scales = Scales::new(run, &mirror);
    let mut lacking = Vec::new();
    for member in &run.members {
        let Some(reached) = reached.get(&member.server.id) else {
            continue;
        };
        let Some(size) = scales.needed(&reached.found, &reached.layout.rules).await else {
            continue;
        };
        if let Err(error) = reached.found.check_estimate(size) {
            lacking.push((member, Failure::from(error)));
        }
    }
    let commit = &run.deployment.commit;
    if lacking.is_empty() || !matches!(mirror.file(commit, PREDEPLOY).await, Ok(Some(_))) {
        return lacking;
    }
    for (member, failure) in &lacking {
        log.say(format!(
            "{}: {} {PREDEPLOY} may change what is sent, so the deployment continues.",
            member.server.name, failure.message
        ))
        .await;
    }
    Vec::new()
}

/// Weighs the tree of a deployment: as a whole, and what of it differs from other commits, each once.
struct Scales<'a> {
    run: &'a Run,
    mirror: &'a Mirror,
    weighed: HashMap<Option<CommitId>, Option<TreeSize>>,
}

impl<'a> Scales<'a> {
    fn new(run: &'a Run, mirror: &'a Mirror) -> Self {
        let weighed = HashMap::new();
        Self { run, mirror, weighed }
    }

    /// What is written to a server; `None` where nobody knows.
    async fn needed(&mut self, found: &Inspection, rules: &Rules) -> Option<TreeSize> {
        let method = self.run.project.method;
        if found.takes_whole(method) {
            return self.weigh(None, rules).await;
        }
        let release = found.release.as_ref().filter(|release| !release.in_progress)?;
        let since = release.commit.parse().ok()?;
        let changed = self.weigh(Some(since), rules).await?;
        match method {
            SyncMethod::InPlace => Some(changed),
            // Files that share their blocks with another one are files all the same.
            SyncMethod::Symlink => Some(TreeSize {
                entries: self.weigh(None, rules).await?.entries,
                ..changed
            }),
        }
    }

    async fn weigh(&mut self, since: Option<CommitId>, rules: &Rules) -> Option<TreeSize> {
        if let Some(known) = self.weighed.get(&since) {
            return *known;
        }
        if self.weighed.len() > crate::sabotage::most("u30", COMMITS_COMPARED) {
            return None;
        }
        let what = Weighing {
            commit: self.run.deployment.commit.clone(),
            since: since.clone(),
            extras: self.run.project.extras,
            time: WEIGHING_TIME,
        };
        let rules = rules.clone();
        let weighing = self
            .mirror
            .weigh(what, move |path, is_directory| rules.is_sent(path, is_directory));
        let stopped = self.run.stop.token().cancelled();
        let size = tokio::select! {
            size = weighing => size,
            () = stopped => return None,
        };
        // What is wrong with the commit is told by the steps that need it.
        let size = size
            .inspect_err(|error| tracing::debug!(%error, "a tree is not weighed"))
            .ok();
        self.weighed.insert(since, size);
        size
    }
}
