//! Sends the tree to the servers: makes the manifest once, then syncs and activates on each server,
//! records the releases and removes old ones.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

use super::checkout::Tree;
use super::manifests::Manifests;
use super::script::{DEPLOY, PREDEPLOY};
use crate::domain::{HeldData, Kind, StepKind, SyncMethod};
use crate::engine::ending::{Done, Failure, StepResult};
use crate::engine::found::{Checked, Reached};
use crate::engine::output::StepLog;
use crate::engine::run::{Run, TargetServer};
use crate::ssh::Session;
use crate::store::releases::{self, NewRelease};
use crate::store::{deployments, leftovers};
use crate::sync::{
    self, Activated, Changed, Delivered, Delivery, DeliveryProgress, Layout, Limits, Manifest, Pruned,
    Retention, Scan, Stamp, TreeSource, Trust,
};

/// How many paths a sentence names before it counts the rest.
const NAMED_PATHS: usize = 5;
/// How many lines of a log name one path each before they count the rest.
const TOLD_PATHS: usize = 200;

/// The tree of the deployment, ready for any number of servers.
pub struct Package {
    source: TreeSource,
    stamp: Stamp,
    limits: Limits,
    manifests: Manifests,
}

/// Reads the exported tree and makes its manifest, for which every server has to have room.
pub async fn pack(run: &Run, tree: &Tree, checked: &Checked) -> StepResult<Package> {
    let layout = Layout::new(&run.project, &run.environment)?;
    let manifests = Manifests::of(&run.parts().settings.work_dir, run.environment.id);
    let known = manifests.load().await;
    let scan = Scan {
        root: tree.dir().to_owned(),
        rules: layout.rules,
        // A commit may claim any time; file systems take none that is far ahead.
        commit_time: tree.commit_time.min(run.now() + TimeDelta::days(1)),
        limit: run.parts().settings.tree_limit,
        cancel: run.stop.token().clone(),
    };
    let manifest = Manifest::scan(scan, known.clone()).await?;
    if manifest.is_bare() {
        let commit = &run.deployment.commit;
        let has_predeploy = matches!(run.mirror()?.file(commit, PREDEPLOY).await, Ok(Some(_)));
        return Err(Failure::new(nothing_to_deploy(has_predeploy, tree)));
    }
    for member in &run.members {
        let Some(reached) = checked.servers.get(&member.server.id) else {
            continue;
        };
        if let Err(error) = reached.found.check_room(run.project.method, &manifest) {
            return Err(Failure::new(format!(
                "{}: {error} No server was touched.",
                member.server.name
            )));
        }
    }
    let record = run.record().await?;
    deployments::set_tree_digest(&record, &manifest.digest().to_string()).await?;
    record.commit().await?;
    let stamp = Stamp {
        deployment: run.deployment.id,
        branch: run.environment.branch.clone(),
        commit: run.deployment.commit.clone(),
        at: run.now(),
    };
    let source = TreeSource::open(tree.dir().to_owned(), Arc::new(manifest), known)
        .consumed([DEPLOY])
        .keeping_free(run.parts().confinement.keeps_free());
    Ok(Package {
        source,
        stamp,
        limits: limits(run),
        manifests,
    })
}

/// How long questions and transfers may take, ended with the deployment.
pub fn limits(run: &Run) -> Limits {
    Limits {
        cancel: run.stop.token().clone(),
        ..Limits::default()
    }
}

/// The step `sync`.
pub async fn sync(
    run: &Run,
    package: &Package,
    member: &TargetServer,
    reached: &Reached,
) -> StepResult<Delivered> {
    let mut step = run.begin(StepKind::Sync, Some(member)).await?;
    let progress = |_: DeliveryProgress| {};
    let delivery = Delivery {
        session: &reached.session,
        layout: &reached.layout,
        inspection: &reached.found,
        stamp: &package.stamp,
        trust: match &reached.found.data {
            Some(data) if data.doubted => Trust::Contents,
            _ => Trust::Times,
        },
        limits: &package.limits,
        progress: &progress,
    };
    let (result, delivered) = match package.source.deliver(&delivery).await {
        Ok(delivered) => {
            let what = describe(&delivered);
            step.log.say(&what).await;
            for sentence in &delivered.turned {
                step.log.say(sentence).await;
            }
            say_left(&mut step.log, &delivered.left).await;
            if run.project.method == SyncMethod::InPlace {
                note_leftovers(run, member, &delivered.left).await?;
            }
            (Ok(Done::well(what)), Ok(delivered))
        }
        Err(error) => {
            // The sentence names only some files; whoever repairs the server needs all.
            let lines = error.changed().map(Changed::lines).unwrap_or_default();
            step.log.say(lines.join("\n")).await;
            let half = matches!(error.changed(), Some(Changed::Partly(_) | Changed::Unknown));
            // A release beside the one in use cannot be half in use.
            let half = half && run.project.method == SyncMethod::InPlace;
            let failure = Failure {
                half,
                ..Failure::from(error)
            };
            (Err(failure.clone()), Err(failure))
        }
    };
    run.end(step, result).await?;
    delivered
}

/// Says what could not be removed. A server may have any number of such files.
async fn say_left(log: &mut StepLog, left: &[String]) {
    for path in left.iter().take(TOLD_PATHS) {
        log.say(format!(
            "{path} is not part of the release and could not be removed; the next deployment tries again."
        ))
        .await;
    }
    if let Some(more @ 1..) = left.len().checked_sub(TOLD_PATHS) {
        log.say(format!("So it is with {more} more.")).await;
    }
}

fn describe(delivered: &Delivered) -> String {
    let Delivered {
        sent_files,
        sent_bytes,
        deleted,
        unchanged,
        directory,
        ..
    } = delivered;
    if *unchanged || (*sent_files == 0 && *deleted == 0) {
        return format!("Nothing had to be sent; {directory} has every file as it should be.");
    }
    let files = if *sent_files == 1 {
        "1 file".to_owned()
    } else {
        format!("{sent_files} files")
    };
    let gone = if *deleted > 0 {
        format!(", {deleted} removed")
    } else {
        String::new()
    };
    format!("{files} sent ({sent_bytes} bytes on the wire){gone}; {directory} was verified.")
}

/// The step `activate` where releases are switched; returns the directory scripts run in.
pub async fn activate(
    run: &Run,
    member: &TargetServer,
    reached: &Reached,
    release: &str,
) -> StepResult<String> {
    let mut step = run.begin(StepKind::Activate, Some(member)).await?;
    let (session, layout, limits) = (&reached.session, &reached.layout, limits(run));
    let id = run.deployment.id;
    let switched = match run.deployment.kind {
        Kind::Rollback => sync::go_back(session, layout, release, id, &limits).await,
        _ => sync::activate(session, layout, release, id, &limits).await,
    };
    let result = match switched {
        Ok(Activated { previous, moved }) => {
            for sentence in &moved {
                step.log.say(sentence).await;
            }
            let from = previous.map(|dir| format!(", from {dir}")).unwrap_or_default();
            step.log.say(format!("Switched to {release}{from}.")).await;
            Ok(Done::well(format!("Switched to {release}.")))
        }
        Err(error) => Err(Failure {
            never_began: error.never_began(),
            ..Failure::from(error)
        }),
    };
    run.end(step, result).await?;
    Ok(reached.found.target.clone())
}

/// Switches back to the release that was in use before this deployment.
pub async fn switch_back(run: &Run, reached: &Reached, release: &str) -> StepResult<()> {
    sync::go_back(
        &reached.session,
        &reached.layout,
        release,
        run.deployment.id,
        &limits(run),
    )
    .await?;
    Ok(())
}

/// Takes the release of this deployment out of use, where there was none before it.
pub async fn withdraw(run: &Run, reached: &Reached) -> StepResult<()> {
    let (session, layout) = (&reached.session, &reached.layout);
    sync::withdraw(session, layout, run.deployment.id, &limits(run)).await?;
    Ok(())
}

/// Records that the new release is on a server.
pub async fn record(run: &Run, member: &TargetServer, directory: &str) -> StepResult<()> {
    let record = run.record().await?;
    let release = NewRelease {
        server_id: member.server.id,
        server: member.server.name.to_string(),
        environment_id: run.environment.id,
        branch: run.deployment.branch.clone(),
        commit: run.deployment.commit.clone(),
        path: directory.to_owned(),
        at: run.now(),
    };
    releases::record(&record, &release).await?;
    record.commit().await?;
    Ok(())
}

/// Records that no release is in use on a server any more.
pub async fn forget(run: &Run, member: &TargetServer) -> StepResult<()> {
    let record = run.record().await?;
    releases::forget(&record, run.environment.id, member.server.id).await?;
    record.commit().await?;
    Ok(())
}

impl Package {
    /// The digest of what is in the tree.
    pub fn contents(&self) -> String {
        self.source.manifest().contents().to_string()
    }

    /// How the tree differs from the one with these contents, as a sentence.
    pub async fn difference_to(&self, contents: &str) -> String {
        let paths = self.manifests.difference(contents, self.source.manifest()).await;
        let (named, more) = paths.split_at(paths.len().min(NAMED_PATHS));
        let mut which = named.join(", ");
        if !more.is_empty() {
            which.push_str(&format!(" and {} more", more.len()));
        }
        match which.as_str() {
            "" => "The tree that was prepared again is not the one that finished servers have.".to_owned(),
            which => format!(
                "The tree that was prepared again is not the one that finished servers have. Different: {which}."
            ),
        }
    }

    /// Keeps the manifest, so that the next deployment knows what lies on the servers.
    pub async fn remember(&self) {
        let manifest = Arc::clone(self.source.manifest());
        if let Err(error) = self.manifests.save(manifest).await {
            tracing::warn!(%error, "a manifest could not be kept; the next deployment takes longer");
        }
    }
}

/// Removes old releases from servers that got the new one. What a server cannot remove is only logged: the
/// deployment has done its work.
///
/// # Errors
/// Of the store.
pub async fn prune(run: &Run, log: &mut StepLog, reached: &[(&TargetServer, Session)]) -> StepResult {
    if run.project.method == SyncMethod::InPlace {
        return Ok(Done::well(""));
    }
    let layout = Layout::new(&run.project, &run.environment)?;
    let options = &run.environment.options;
    let keep_for = (options.keep_days > 0).then(|| TimeDelta::days(options.keep_days.into()));
    // Boxed, as the compiler cannot see that the bare futures may move between threads.
    let mut jobs: Vec<BoxFuture<'_, StepResult<usize>>> = Vec::with_capacity(reached.len());
    for (member, session) in reached {
        let (mut log, layout) = (log.beside(), &layout);
        jobs.push(Box::pin(async move {
            let (server, store) = (member.server.id, &run.parts().store);
            let never = releases::to_return_to(store, run.environment.id, server).await?;
            let retention = Retention {
                keep: options.keep_releases,
                keep_for,
                never: &never,
                now: run.now(),
            };
            match sync::prune(session, layout, &retention, &limits(run)).await {
                Ok(Pruned { removed, left, held }) => {
                    let name = &member.server.name;
                    for path in &left {
                        log.say(format!(
                            "{name}: could not be removed: {path}. The next pruning tries again."
                        ))
                        .await;
                    }
                    for one in &held {
                        log.say(format!(
                            "{name}: an application wrote {} in an old release, and it is kept nowhere else, so that release stays. To move it, run “{}” as root.",
                            one.path, one.command
                        ))
                        .await;
                    }
                    note_leftovers(run, member, &left).await?;
                    note_held(run, member, &held).await?;
                    Ok(removed.len())
                }
                Err(error) => {
                    let name = &member.server.name;
                    log.say(format!("{name}: old releases were not removed: {error}"))
                        .await;
                    Ok(0)
                }
            }
        }));
    }
    let parallel = run.parallel();
    let counts: Vec<StepResult<usize>> = stream::iter(jobs).buffer_unordered(parallel).collect().await;
    let mut removed = 0;
    for count in counts {
        removed += count?;
    }
    if removed > 0 {
        log.say(format!("{removed} old releases removed.")).await;
    }
    Ok(Done::well(""))
}

/// Keeps what could not be removed from a server, for its page.
async fn note_leftovers(run: &Run, member: &TargetServer, paths: &[String]) -> StepResult<()> {
    let record = run.record().await?;
    leftovers::put(&record, run.environment.id, member.server.id, paths).await?;
    record.commit().await?;
    Ok(())
}

/// Keeps what old releases on a server hold, for its page.
async fn note_held(run: &Run, member: &TargetServer, held: &[HeldData]) -> StepResult<()> {
    let record = run.record().await?;
    leftovers::put_held(&record, run.environment.id, member.server.id, held).await?;
    record.commit().await?;
    Ok(())
}

/// Why a tree without a file to send is not deployed.
fn nothing_to_deploy(has_predeploy: bool, tree: &Tree) -> String {
    let is_empty = std::fs::read_dir(tree.dir()).is_ok_and(|mut entries| entries.next().is_none());
    let why = match (has_predeploy, is_empty) {
        (true, _) => "predeploy.sh left no file that is not excluded",
        (false, true) => "the commit has no files",
        (false, false) => "every file of the commit is excluded",
    };
    format!("There is nothing to deploy: {why}, and deploying it would delete everything on the servers.")
}
