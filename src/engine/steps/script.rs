//! Runs the scripts of a repository, on the deployer's host or on a server.
//!
//! A script that does not exist is skipped with a line in the log. An executable script whose first line
//! names a program is started as it is; any other is run by the program that its first line names, or by
//! `sh`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::checkout::Tree;
use super::interpreter::{Interpreter, SHELL, missing};
use super::remote_script::{RemoteScript, WorkingDir, judge};
use crate::confinement::WorkingTree;
use crate::domain::{Deployment, StepKind, Stream};
use crate::engine::ending::{Done, Failure, StepResult};
use crate::engine::found::Checked;
use crate::engine::journal::Note;
use crate::engine::output::StepLog;
use crate::engine::run::{Run, TargetServer};
use crate::sync::{self, Layout, Limits, Trouble};
use crate::{process, ssh};

/// Runs on the deployer's host in the exported tree, before anything is sent; may change the tree.
pub const PREDEPLOY: &str = "predeploy.sh";
/// Tests that need no server.
pub const LOCAL_TESTS: &str = "tests/run_local_tests.sh";
/// Runs on each server in the target directory, and is deleted there afterwards.
pub const DEPLOY: &str = "deploy.sh";
/// Tests that run on each server.
pub const REMOTE_TESTS: &str = "tests/run_tests.sh";

/// The scripts that run on servers, as they are called there.
pub fn on_servers() -> [String; 2] {
    [DEPLOY, REMOTE_TESTS].map(|script| format!("./{script}"))
}

/// The host name that scripts on the deployer's host get.
const LOCAL_HOST: &str = "localhost";

/// Prints those of its arguments that are no programs.
const LOOK: &str = r#"for p do case $p in */*) [ -x "$p" ] ;; *) command -v "$p" >/dev/null 2>&1 ;; esac || printf '%s\n' "$p"; done"#;
/// Looking for a program takes no time on a server that works.
const LOOK_LIMIT: Duration = Duration::from_secs(30);
/// What it may print, in bytes.
const LOOK_OUTPUT: usize = 4096;
/// Rewriting one small file takes no time on a server that works.
const NOTE_LIMIT: Duration = Duration::from_secs(30);

/// The path of `script` in the tree at `dir`; `None` when it has none. It may be a link to another
/// file of the tree. A link that leads out of the tree would run a program that is not part of the
/// repository.
pub fn find(dir: &Path, script: &str) -> StepResult<Option<PathBuf>> {
    let path = dir.join(script);
    let Ok(found) = path.symlink_metadata() else {
        return Ok(None);
    };
    let refused = |why: &str| Err(Failure::new(format!("{script} is a symbolic link that {why}.")));
    match (dir.canonicalize(), path.canonicalize()) {
        (Ok(top), Ok(real)) if !real.starts_with(&top) => refused("leads out of the tree"),
        (Ok(_), Ok(real)) if real.is_file() => Ok(Some(path)),
        _ if found.is_symlink() => refused("leads to no file"),
        _ => Ok(None),
    }
}

/// `predeploy.sh ENV COMMIT`, then deletes it: it is not for the servers.
pub async fn predeploy(run: &Run, tree: &Tree) -> StepResult {
    let arguments = [
        run.deployment.environment.as_str(),
        run.deployment.commit.as_str(),
    ];
    local(run, tree, StepKind::Predeploy, PREDEPLOY, &arguments).await
}

/// `tests/run_local_tests.sh ENV HOST BRANCH COMMIT`, then deletes it.
pub async fn local_tests(run: &Run, tree: &Tree) -> StepResult {
    let deployment = &run.deployment;
    let arguments = [
        &deployment.environment,
        LOCAL_HOST,
        &deployment.branch,
        deployment.commit.as_str(),
    ];
    local(run, tree, StepKind::LocalTests, LOCAL_TESTS, &arguments).await
}

async fn local(run: &Run, tree: &Tree, kind: StepKind, script: &str, arguments: &[&str]) -> StepResult {
    let mut step = run.begin(kind, None).await?;
    let mut result = run_local(run, tree.dir(), kind, script, arguments, &mut step.log).await;
    // The tree is now what the servers get, and no server was touched yet.
    if kind == StepKind::LocalTests && result.is_ok() {
        let remote = [DEPLOY, REMOTE_TESTS];
        let looked = |script| {
            find(tree.dir(), script)?.map_or(Ok(()), |_| Interpreter::of(tree.dir(), script).map(drop))
        };
        let refused = remote.into_iter().find_map(|script| looked(script).err());
        result = refused.map_or(result, Err);
    }
    run.end(step, result).await
}

async fn run_local(
    run: &Run,
    dir: &Path,
    kind: StepKind,
    script: &str,
    arguments: &[&str],
    log: &mut StepLog,
) -> StepResult {
    let Some(path) = find(dir, script)? else {
        log.say(format!("There is no {script}; nothing to run.")).await;
        return Ok(Done::nothing(format!("There is no {script}.")));
    };
    let metadata = tokio::fs::metadata(&path)
        .await
        .map_err(|error| Failure::new(format!("{script} cannot be read: {error}.")))?;
    let interpreter = Interpreter::of(dir, script)?;
    let confinement = &run.parts().confinement;
    interpreter.check_here(script, confinement)?;
    let executable = metadata.permissions().mode() & 0o111 != 0;
    let command = match executable && interpreter.is_startable {
        true => process::Command::new(&path),
        false => process::Command::new(interpreter.program)
            .args(interpreter.option)
            .arg(&path),
    };
    let previous = run.deployment.previous_commit.as_ref().map(|c| c.as_str());
    let command = confinement
        .at_home(command.args(arguments))
        .variables(&run.variables("", previous));
    log.say(format!("$ {script} {}", arguments.join(" "))).await;
    if confinement.is_off() {
        log.say("It runs unconfined, as scripts.confinement says.").await;
    }
    let limits = process::Run {
        timeout: Some(Duration::from_secs(run.environment.options.local_timeout)),
        cancel: run.stop.token().clone(),
        ..process::Run::default()
    };
    let exit = confinement
        .run(command, WorkingTree::Changeable(dir), limits, log)
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
    // Looked for again: what stands at this path now is what the script left there.
    if let Some(path) = find(dir, script)?
        && let Err(error) = tokio::fs::remove_file(&path).await
    {
        return Err(Failure::new(format!(
            "{script} could not be removed from the tree afterwards: {error}."
        )));
    }
    judge(&run.environment, kind, script, &exit.to_string(), exit.code())
}

/// `deploy.sh ENV HOST COMMIT` in `dir` of a server, then deletes it there.
pub async fn deploy(run: &Run, tree: &Tree, member: &TargetServer, there: &WorkingDir<'_>) -> StepResult {
    let arguments = [
        run.deployment.environment.as_str(),
        member.server.name.as_str(),
        run.deployment.commit.as_str(),
    ];
    remote(run, tree, member, there, StepKind::Deploy, DEPLOY, &arguments).await
}

/// `tests/run_tests.sh ENV HOST BRANCH COMMIT` in `dir` of a server.
pub async fn remote_tests(
    run: &Run,
    tree: &Tree,
    member: &TargetServer,
    there: &WorkingDir<'_>,
) -> StepResult {
    let arguments = test_arguments(&run.deployment, member.server.name.as_str());
    remote(
        run,
        tree,
        member,
        there,
        StepKind::Tests,
        REMOTE_TESTS,
        &arguments,
    )
    .await
}

/// `ENV HOST BRANCH COMMIT`.
pub fn test_arguments<'a>(deployment: &'a Deployment, server: &'a str) -> [&'a str; 4] {
    [
        &deployment.environment,
        server,
        &deployment.branch,
        deployment.commit.as_str(),
    ]
}

async fn remote(
    run: &Run,
    tree: &Tree,
    member: &TargetServer,
    there: &WorkingDir<'_>,
    kind: StepKind,
    script: &str,
    arguments: &[&str],
) -> StepResult {
    if find(tree.dir(), script)?.is_none() {
        let why = format!("There is no {script}; nothing to run.");
        run.nothing(kind, member, &why).await?;
        return Ok(Done::nothing(why));
    }
    let mut step = run.begin(kind, Some(member)).await?;
    let mut is_left = false;
    let result = match Interpreter::of(tree.dir(), script) {
        Ok(interpreter) => {
            let remote = RemoteScript {
                deployment: run.deployment.id,
                kind,
                script,
                interpreter,
                arguments,
                variables: run.variables(member.server.name.as_str(), there.previous),
                cancel: run.stop.token(),
            };
            remote
                .run(&run.environment, there, &mut step.log, &mut is_left)
                .await
        }
        Err(failure) => Err(failure),
    };
    if kind == StepKind::Deploy {
        note_own(run, there, &mut step.log).await;
    }
    let left: &[Note<'_>] = if is_left { &[Note::Remains] } else { &[] };
    run.end_noting(step, result, left).await
}

/// Notes on the server what `deploy.sh` has put in the place of links, however it ended.
async fn note_own(run: &Run, there: &WorkingDir<'_>, log: &mut StepLog) {
    let noted = match Layout::new(&run.project, &run.environment) {
        Ok(layout) => {
            let limits = Limits::within(NOTE_LIMIT);
            sync::note_own(there.session, &layout, there.dir, true, &limits).await
        }
        Err(error) => Err(error),
    };
    let Err(error) = noted else { return };
    // One whose release the script deleted is told by the script's own step.
    let is_gone = matches!(
        &error,
        sync::Error::Server {
            trouble: Trouble::Vanished,
            ..
        }
    );
    if !is_gone {
        log.say(format!(
            "What {DEPLOY} put in the place of links to excluded and shared paths could not be noted, so the next deployment moves it to where these are kept: {error}"
        ))
        .await;
    }
}

/// Whether all servers have what `deploy.sh` needs, or the tests where there is none. What the release itself
/// brings, or `deploy.sh` installs for the tests, cannot be looked for yet.
pub async fn check_servers(run: &Run, tree: &Tree, checked: &Checked) -> StepResult<()> {
    let first = match find(tree.dir(), DEPLOY)? {
        Some(_) => DEPLOY,
        None => REMOTE_TESTS,
    };
    if find(tree.dir(), first)?.is_none() {
        return Ok(());
    }
    let interpreter = Interpreter::of(tree.dir(), first)?;
    let target = format!("{}/", run.environment.target_path.as_str());
    let mut needs = interpreter.needs();
    needs.retain(|need| {
        *need != SHELL && !need.starts_with(&target) && (need.starts_with('/') || !need.contains('/'))
    });
    if needs.is_empty() {
        return Ok(());
    }
    let reached = run
        .members
        .iter()
        .filter_map(|member| Some((member, checked.servers.get(&member.server.id)?)));
    let asked = reached.map(|(member, reached)| {
        let look = ssh::Command::script(LOOK).args(&needs);
        let limits = ssh::Run {
            timeout: Some(LOOK_LIMIT),
            cancel: run.stop.token().clone(),
            ..ssh::Run::default()
        };
        async move {
            let answer = reached.session.capture(&look, limits, LOOK_OUTPUT).await?;
            let lacks = String::from_utf8_lossy(&answer.stdout).into_owned();
            match lacks.lines().next() {
                Some(need) => Err(missing(first, need, member.server.name.as_str())),
                None => Ok(()),
            }
        }
    });
    join_all(asked).await.into_iter().collect()
}

impl process::Output for StepLog {
    async fn stdout(&mut self, data: Bytes) {
        self.print(Stream::Stdout, &data).await;
    }

    async fn stderr(&mut self, data: Bytes) {
        self.print(Stream::Stderr, &data).await;
    }
}
