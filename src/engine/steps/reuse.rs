//! Rolling back to a release that is still on the servers: nothing is fetched, exported or sent.
//!
//! A rollback has to be fast, and where releases are switched the old ones stay on the servers for a while.
//! If every server still has the complete release, only its scripts are read from the mirror, as `deploy.sh`
//! was deleted on the server after it had run. If one server lacks it, the rollback runs like any other
//! deployment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::checkout::{self, Tree};
use super::remote_script::WorkingDir;
use super::script::{DEPLOY, REMOTE_TESTS};
use crate::domain::{HealthCheck, Kind, ServerId, StepKind, SyncMethod};
use crate::engine::ending::{Done, Failure, StepResult};
use crate::engine::found::Reached;
use crate::engine::run::{Run, TargetServer};
use crate::ssh;

/// Writes a script below a directory of a server: `$1` the directory, `$2` the script, `$3` its mode.
const WRITE_REMOTE: &str =
    r#"cd -- "$1" && cat >"./$2.new" && chmod "$3" "./$2.new" && mv -f -- "./$2.new" "./$2""#;
/// Writing one small file takes no time on a server that works.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// The most it may print, in bytes.
const WRITE_OUTPUT: usize = 4096;

/// The directory of the release to go back to, on each server.
#[derive(Default)]
pub struct Kept(HashMap<ServerId, String>);

/// Whether this is a rollback whose release may still be on the servers.
pub fn may_be_kept(run: &Run) -> bool {
    // A command on this host may need any file of the tree.
    let health = run.environment.options.health.as_ref();
    let needs_tree = health.is_some_and(HealthCheck::runs_on_deployer);
    run.deployment.kind == Kind::Rollback && run.project.method == SyncMethod::Symlink && !needs_tree
}

/// The release on every server, if each of them still has it.
pub fn kept(run: &Run, servers: &HashMap<ServerId, Arc<Reached>>) -> Option<Kept> {
    let lies = |(id, reached): (&ServerId, &Arc<Reached>)| {
        let releases = reached.releases.as_ref()?;
        Some((*id, releases.holding(&run.deployment.commit)?))
    };
    let found: Option<HashMap<ServerId, String>> = servers.iter().map(lies).collect();
    found.map(Kept)
}

/// Replaces fetch, export and local scripts: the steps say why there is nothing to do, and the tree has
/// only the scripts that run on servers.
pub async fn prepare(run: &Run) -> StepResult<Tree> {
    let mirror = run.mirror()?;
    let commit = &run.deployment.commit;
    let mut scripts = Vec::new();
    for path in [DEPLOY, REMOTE_TESTS] {
        if let Some(file) = mirror.file(commit, path).await? {
            scripts.push((path, file));
        }
    }
    let tree = checkout::scripts_alone(run, &scripts).await?;
    let why = format!(
        "Every server still has {}; nothing has to be prepared.",
        commit.short()
    );
    for kind in checkout::STEPS
        .into_iter()
        .filter(|kind| *kind != StepKind::Check)
    {
        let mut step = run.begin(kind, None).await?;
        step.log.say(&why).await;
        run.end(step, Ok(Done::nothing(&why))).await?;
    }
    Ok(tree)
}

impl Kept {
    /// The step `sync`, with nothing to send; returns the release's directory.
    pub async fn sync(&self, run: &Run, member: &TargetServer) -> StepResult<String> {
        let unknown = || Failure::new(format!("{} was not looked at.", member.server.name));
        let directory = self.0.get(&member.server.id).ok_or_else(unknown)?;
        let why = format!("Nothing had to be sent: {directory} is still there.");
        run.nothing(StepKind::Sync, member, &why).await?;
        Ok(directory.clone())
    }
}

/// Writes `deploy.sh` into the release again; it was deleted there after it had run.
pub async fn bring_deploy_script(tree: &Tree, there: &WorkingDir<'_>) -> StepResult<()> {
    let file = tree.dir().join(DEPLOY);
    let Ok(bytes) = tokio::fs::read(&file).await else {
        return Ok(());
    };
    let mode = match tree.is_executable(DEPLOY) {
        true => "0755",
        false => "0644",
    };
    let write = ssh::Command::script(WRITE_REMOTE)
        .arg(there.dir)
        .arg(DEPLOY)
        .arg(mode);
    let limits = ssh::Run {
        timeout: Some(WRITE_LIMIT),
        stdin: ssh::Stdin::Bytes(Bytes::from(bytes)),
        ..ssh::Run::default()
    };
    let written = there.session.capture(&write, limits, WRITE_OUTPUT).await?;
    if written.exit.success() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{DEPLOY} could not be written to {}.",
        there.dir
    )))
}
