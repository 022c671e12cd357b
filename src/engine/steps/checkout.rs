//! Makes a tree on this host from the commit, ready to be sent.
//!
//! Each deployment has a directory of its own below the work directory, made by it and removed
//! with it; what a killed process left is moved aside at the next start, and removed beside its work.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use crate::domain::{CommitId, Instant, Kind, StepKind};
use crate::engine::ending::{Done, Failure, StepResult};
use crate::engine::output::StepLog;
use crate::engine::run::Run;
use crate::engine::shared::Settings;
use crate::git::{self, CommitFile, Contents, Mirror};
use crate::removal;
use crate::sync::{self, Rules, Unsent};

/// The steps before servers are touched, once per deployment, in order.
pub const STEPS: [StepKind; 5] = [
    StepKind::Check,
    StepKind::Fetch,
    StepKind::Export,
    StepKind::Predeploy,
    StepKind::LocalTests,
];

/// How long a fetch is waited for where the commit is in the mirror already.
const PATIENCE: Duration = Duration::from_secs(30);

/// The exported tree of one deployment; its directory is removed when this is dropped.
pub struct Tree {
    home: PathBuf,
    /// When the commit was made.
    pub commit_time: Instant,
}

impl Tree {
    /// Where the files are.
    pub fn dir(&self) -> &Path {
        &self.home
    }

    /// Whether `script` may be run as it is.
    pub fn is_executable(&self, script: &str) -> bool {
        std::fs::metadata(self.home.join(script)).is_ok_and(|found| found.permissions().mode() & 0o111 != 0)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Removing a large tree takes a while, so nobody waits for it.
        removal::remove_later(&self.home);
    }
}

/// Where the trees of all deployments are, and the packs made of them.
pub fn trees(settings: &Settings) -> PathBuf {
    settings.work_dir.join("trees")
}

/// The steps `fetch` and `export`.
pub async fn fetch_and_export(run: &Run) -> StepResult<Tree> {
    let mut step = run.begin(StepKind::Fetch, None).await?;
    let (result, contents) = match fetch(run, &mut step.log).await {
        Ok(contents) => (Ok(Done::well("")), Some(contents)),
        Err(failure) => (Err(failure), None),
    };
    run.end(step, result).await?;
    let contents = contents.ok_or_else(|| Failure::new("Nothing was fetched."))?;

    let mut step = run.begin(StepKind::Export, None).await?;
    let (result, tree) = match export(run, contents, &mut step.log).await {
        Ok((done, tree)) => (Ok(done), Some(tree)),
        Err(failure) => (Err(failure), None),
    };
    run.end(step, result).await?;
    tree.ok_or_else(|| Failure::new("There is no exported tree."))
}

async fn fetch(run: &Run, log: &mut StepLog) -> StepResult<Contents> {
    let mirror = run.mirror()?;
    let commit = &run.deployment.commit;
    // The commit was there at the request. A Git host that is down at night, or that never answers, must not
    // prevent a rollback.
    let fetching = mirror.fetch(run.stop.token());
    let fetched = match mirror.commit(commit).await {
        Ok(_) => timeout(PATIENCE, fetching)
            .await
            .unwrap_or(Err(git::Error::Timeout {
                seconds: PATIENCE.as_secs(),
            })),
        Err(_) => fetching.await,
    };
    match fetched {
        Ok(_) => {
            log.say("The mirror is up to date.").await;
            // A rollback may go to a commit that is no longer on any branch.
            if run.deployment.kind != Kind::Rollback {
                demand_on_branch(run, &mirror).await?;
            }
        }
        Err(error) if mirror.commit(commit).await.is_ok() => {
            log.say(format!(
                "{error} The commit is in the mirror already, so the deployment continues."
            ))
            .await;
        }
        Err(error) => return Err(error.into()),
    }
    mirror.commit(commit).await?;
    mirror.demand_exportable(commit, run.stop.token()).await?;
    let (project, mirrors) = (&run.project, &run.parts().mirrors);
    let gathering = mirrors.gather(project.id, &mirror, commit, project.extras, run.stop.token());
    let contents = gathering.await?;
    let (files, bytes) = contents.lfs();
    if files > 0 {
        let fetched = contents.fetched;
        log.say(format!(
            "Git LFS: {files} files, {bytes} bytes; {} objects, {} bytes fetched now.",
            fetched.objects, fetched.bytes
        ))
        .await;
    }
    for (path, commit, address) in contents.submodules() {
        log.say(format!(
            "Submodule {}: commit {} of {address}.",
            path.display(),
            commit.short()
        ))
        .await;
    }
    Ok(contents)
}

/// Demands that the commit is still on the branch it was picked from.
async fn demand_on_branch(run: &Run, mirror: &Mirror) -> StepResult<()> {
    let (commit, branch) = (&run.deployment.commit, &run.deployment.branch);
    let is_on = match branch.parse() {
        Ok(name) => mirror.contains(&name, commit).await,
        Err(_) => return Ok(()),
    };
    let gone = match is_on {
        Ok(true) => return Ok(()),
        Ok(false) => "somebody has rewritten it",
        Err(git::Error::NoBranch(_)) => "somebody has deleted it",
        Err(error) => return Err(error.into()),
    };
    Err(Failure::new(format!(
        "Commit {} is no longer on branch {branch}: {gone} since the request. Choose a commit that is on the branch. No server was touched.",
        commit.short()
    )))
}

async fn export(run: &Run, contents: Contents, log: &mut StepLog) -> StepResult<(Done, Tree)> {
    let commit: &CommitId = &run.deployment.commit;
    let mirror = run.mirror()?;
    let info = mirror.commit(commit).await?;
    let home = fresh_home(run).await?;
    contents.keep().await?;
    let exported = tokio::select! {
        exported = contents.export(&home, run.stop.token()) => exported?,
        excess = run.parts().confinement.excess(home.clone()) => {
            return Err(Failure::new(excess.sentence("The export")));
        }
    };
    let tree = Tree {
        home,
        commit_time: info.time,
    };
    let summary = format!("{} files, {} bytes", exported.files, exported.bytes);
    log.say(format!(
        "Exported {} “{}”: {summary}.",
        commit.short(),
        info.title
    ))
    .await;
    for name in sync::reserved_names(tree.dir()) {
        log.say(format!(
            "“{name}” of the repository is not deployed: the deployer uses that name itself. Rename it."
        ))
        .await;
    }
    let options = &run.environment.options;
    let unsent = Unsent::new(Rules::new(options, run.project.method)?, options);
    if let Some(sentence) = unsent.in_tree(tree.dir().to_owned()).await?.sentence() {
        log.say(sentence).await;
    }
    Ok((Done::well(summary), tree))
}

/// A tree without a file, for a rollout that sends nothing more.
pub async fn empty(run: &Run) -> StepResult<Tree> {
    let tree = Tree {
        home: fresh_home(run).await?,
        commit_time: run.now(),
    };
    let made = tokio::fs::create_dir(tree.dir()).await;
    made.map_err(|error| blocked(run, &error))?;
    Ok(tree)
}

/// A tree with nothing but these scripts.
pub async fn scripts_alone(run: &Run, scripts: &[(&str, CommitFile)]) -> StepResult<Tree> {
    let info = run.mirror()?.commit(&run.deployment.commit).await?;
    let tree = Tree {
        home: fresh_home(run).await?,
        commit_time: info.time,
    };
    let write = async {
        tokio::fs::create_dir(tree.dir()).await?;
        for (path, file) in scripts {
            let path = tree.dir().join(path);
            if let Some(parent) = path.parent() {
                tokio::fs::create_dir_all(parent).await?;
            }
            tokio::fs::write(&path, &file.bytes).await?;
            let mode = if file.executable { 0o755 } else { 0o644 };
            tokio::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).await?;
        }
        Ok(())
    };
    write.await.map_err(|error| blocked(run, &error))?;
    Ok(tree)
}

/// A path for the deployment's tree: its parent exists, and nothing is at the path itself. An earlier tree of
/// the same deployment may still be being removed.
async fn fresh_home(run: &Run) -> StepResult<PathBuf> {
    let trees = trees(&run.parts().settings);
    let name = format!("deployment-{}", run.deployment.id);
    let find = async {
        tokio::fs::create_dir_all(&trees).await?;
        let (mut home, mut number) = (trees.join(&name), 1);
        while tokio::fs::symlink_metadata(&home).await.is_ok() {
            number += 1;
            home = trees.join(format!("{name}-{number}"));
        }
        Ok(home)
    };
    find.await.map_err(|error| blocked(run, &error))
}

fn blocked(run: &Run, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "The work directory {} cannot be used: {error}.",
        trees(&run.parts().settings).display()
    ))
}
