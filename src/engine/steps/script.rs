//! Runs the scripts of a repository, on the deployer's host or on a server.
//!
//! A script that is not there is skipped with a line in the log. An executable one is run as it is,
//! another one by `sh`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use super::checkout::Tree;
use crate::domain::{StepKind, StepState, Stream};
use crate::engine::ending::{Done, Failure, StepResult};
use crate::engine::output::StepLog;
use crate::engine::run::{Member, Run};
use crate::{process, ssh};

/// Runs on the deployer's host in the exported tree, before anything is sent; may change the tree.
pub const PREDEPLOY: &str = "predeploy.sh";
/// Tests that need no server.
pub const LOCAL_TESTS: &str = "tests/run_local_tests.sh";
/// Runs on each server in the target directory, and is deleted there afterwards.
pub const DEPLOY: &str = "deploy.sh";
/// Tests that run on each server.
pub const REMOTE_TESTS: &str = "tests/run_tests.sh";

/// The host named to scripts that run on the deployer's own.
const LOCAL_HOST: &str = "localhost";

/// Runs a script below a directory of a server: `$1` the directory, `$2` the script, then its
/// arguments.
const RUN_REMOTE: &str = r#"cd -- "$1" || exit 126; script=./$2; shift 2; if [ -x "$script" ]; then exec "$script" "$@"; fi; exec sh "$script" "$@""#;

/// Removes a script below a directory of a server: `$1` the directory, `$2` the script.
const REMOVE_REMOTE: &str = r#"cd -- "$1" && rm -f -- "./$2""#;

/// The path of `script` in the tree at `dir`; `None` when it has none. It may be a link to another
/// file of the tree. One that leads out of it would run a program that is none of the repository's.
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
    // The tree is as the servers get it now, and none was touched yet.
    if kind == StepKind::LocalTests && result.is_ok() {
        let remote = [DEPLOY, REMOTE_TESTS];
        let refused = remote.iter().find_map(|script| find(tree.dir(), script).err());
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
    let executable = metadata.permissions().mode() & 0o111 != 0;
    let command = match executable {
        true => process::Command::new(&path),
        false => process::Command::new("sh").arg(&path),
    };
    let mut command = command.args(arguments).dir(dir);
    for (name, value) in run.variables("", run.deployment.previous_commit.as_ref().map(|c| c.as_str())) {
        command = command.env(name, value);
    }
    log.say(format!("$ {script} {}", arguments.join(" "))).await;
    let limits = process::Run {
        timeout: Some(Duration::from_secs(run.environment.options.local_timeout)),
        cancel: run.stop.token().clone(),
        ..process::Run::default()
    };
    let exit = process::run(&command, limits, log)
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
    if let Err(error) = tokio::fs::remove_file(&path).await {
        return Err(Failure::new(format!(
            "{script} could not be removed from the tree afterwards: {error}."
        )));
    }
    judge(run, kind, script, &exit.to_string(), exit.code())
}

/// `deploy.sh ENV HOST COMMIT` in `dir` of a server, then deletes it there.
pub async fn deploy(run: &Run, tree: &Tree, member: &Member, there: &Place<'_>) -> StepResult {
    let arguments = [
        run.deployment.environment.as_str(),
        member.server.name.as_str(),
        run.deployment.commit.as_str(),
    ];
    remote(run, tree, member, there, StepKind::Deploy, DEPLOY, &arguments).await
}

/// `tests/run_tests.sh ENV HOST BRANCH COMMIT` in `dir` of a server.
pub async fn remote_tests(run: &Run, tree: &Tree, member: &Member, there: &Place<'_>) -> StepResult {
    let deployment = &run.deployment;
    let arguments = [
        deployment.environment.as_str(),
        member.server.name.as_str(),
        deployment.branch.as_str(),
        deployment.commit.as_str(),
    ];
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

/// Where on a server a script runs.
pub struct Place<'a> {
    pub session: &'a ssh::Session,
    pub dir: &'a str,
    pub previous: Option<&'a str>,
}

async fn remote(
    run: &Run,
    tree: &Tree,
    member: &Member,
    there: &Place<'_>,
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
    let result = run_remote(run, member, there, kind, script, arguments, &mut step.log).await;
    run.end(step, result).await
}

async fn run_remote(
    run: &Run,
    member: &Member,
    there: &Place<'_>,
    kind: StepKind,
    script: &str,
    arguments: &[&str],
    log: &mut StepLog,
) -> StepResult {
    let mut command = ssh::Command::script(RUN_REMOTE)
        .arg(there.dir)
        .arg(script)
        .args(arguments);
    for (name, value) in run.variables(member.server.name.as_str(), there.previous) {
        command = command.env(name, value);
    }
    log.say(format!("$ {script} {}", arguments.join(" "))).await;
    let limits = ssh::Run {
        timeout: Some(Duration::from_secs(run.environment.options.remote_timeout)),
        cancel: run.stop.token().clone(),
        ..ssh::Run::default()
    };
    let exit = there.session.run(&command, limits, log).await;
    if kind == StepKind::Deploy {
        remove(there, script, log).await;
    }
    let (how, code) = match exit? {
        ssh::Exit::Code(code) => (format!("exit code {code}"), i32::try_from(code).ok()),
        ssh::Exit::Signal(name) => (format!("signal {name}"), None),
    };
    judge(run, kind, script, &how, code)
}

/// Deletes a script from a server, however it ended; also after a cancel or a time limit.
async fn remove(there: &Place<'_>, script: &str, log: &mut StepLog) {
    let remove = ssh::Command::script(REMOVE_REMOTE).arg(there.dir).arg(script);
    let limits = ssh::Run {
        timeout: Some(REMOVE_LIMIT),
        ..ssh::Run::default()
    };
    let removed = there.session.capture(&remove, limits, REMOVE_OUTPUT).await;
    let why = match removed {
        Ok(removed) if removed.exit.success() => return,
        Ok(_) => String::new(),
        Err(error) => format!(" {error}"),
    };
    log.say(format!("{script} could not be deleted from {}.{why}", there.dir))
        .await;
}

/// Deleting one file takes no time on a server that works.
const REMOVE_LIMIT: Duration = Duration::from_secs(30);
/// What `rm` may complain, in bytes.
const REMOVE_OUTPUT: usize = 4096;

/// The result of a script. Failed tests fail the deployment only where the environment says so.
fn judge(run: &Run, kind: StepKind, script: &str, how: &str, code: Option<i32>) -> StepResult {
    if code == Some(0) {
        return Ok(Done::exited(0));
    }
    let message = format!("{script} ended with {how}.");
    let tests = matches!(kind, StepKind::LocalTests | StepKind::Tests);
    if tests && !run.environment.fail_on_failed_tests {
        let detail = format!("{message} This environment continues after failed tests.");
        return Ok(Done {
            state: StepState::Warned,
            detail,
            exit_code: code,
        });
    }
    Err(Failure {
        exit_code: code,
        ..Failure::new(message)
    })
}

impl process::Output for StepLog {
    async fn stdout(&mut self, data: Bytes) {
        self.print(Stream::Stdout, &data).await;
    }

    async fn stderr(&mut self, data: Bytes) {
        self.print(Stream::Stderr, &data).await;
    }
}
