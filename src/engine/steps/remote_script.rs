//! Runs one script on a server: decides which program runs it and how long it may take, cleans up after it,
//! and judges its result.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::interpreter::Interpreter;
use crate::domain::{DeploymentId, Environment, ScriptVariables, StepKind, StepState};
use crate::engine::ending::{Done, Failure, StepResult};
use crate::engine::output::StepLog;
use crate::{ssh, sync};

/// Finds how to start a script below a directory of a server: `$1` the directory, `$2` the script, `$3` the
/// program that runs it where it is not executable, `$4` an argument for that or nothing, then the script's own.
const RUN_REMOTE: &str = r#"cd -- "$1" || exit 126
script=./$2 with=$3 option=$4
shift 4
if [ -x "$script" ]; then set -- "$script" "$@"; else set -- "$with" ${option:+"$option"} "$script" "$@"; fi"#;

/// Removes a script below a directory of a server: `$1` the directory, `$2` the script or nothing.
/// Exits with [`GONE`] when the release is not in that directory any more.
const REMOVE_REMOTE: &str = r#"cd -- "$1" 2>/dev/null || exit 3; [ -z "$2" ] || rm -f -- "./$2" || exit 1; [ -f .git_release ] || exit 3"#;
const GONE: ssh::Exit = ssh::Exit::Code(3);

/// Prints the beginning of a script below a directory of a server: `$1` the directory, `$2` the script. Exits
/// with [`GONE`] when there is none.
const HEAD_REMOTE: &str = r#"[ -e "$1/$2" ] || exit 3; head -c 1024 -- "$1/$2""#;

/// Deleting one file takes no time on a server that works.
const REMOVE_LIMIT: Duration = Duration::from_secs(30);
/// The most `rm` may print, in bytes.
const REMOVE_OUTPUT: usize = 4096;

/// Where on a server a script runs.
pub struct WorkingDir<'a> {
    pub session: &'a ssh::Session,
    pub dir: &'a str,
    pub previous: Option<&'a str>,
}

/// The program that runs a script of a server; `None` when the script is not there.
pub async fn interpreter_there(there: &WorkingDir<'_>, script: &str) -> StepResult<Option<Interpreter>> {
    let head = ssh::Command::script(HEAD_REMOTE).arg(there.dir).arg(script);
    let limits = ssh::Run::within(REMOVE_LIMIT);
    let head = there.session.capture(&head, limits, REMOVE_OUTPUT).await?;
    if head.exit == GONE {
        return Ok(None);
    }
    // The server finds out whether it is executable when it runs it.
    let interpreter = Interpreter::read(&head.stdout, true);
    interpreter
        .map(Some)
        .map_err(|why| Failure::new(format!("{script} {why}")))
}

/// A script to run on a server.
pub struct RemoteScript<'a> {
    pub deployment: DeploymentId,
    pub kind: StepKind,
    pub script: &'a str,
    pub interpreter: Interpreter,
    pub arguments: &'a [&'a str],
    pub variables: ScriptVariables,
    pub cancel: &'a CancellationToken,
}

impl RemoteScript<'_> {
    /// Runs it to its end, as the environment wants it. Sets `is_left` where it should have been deleted
    /// afterwards and is still there.
    pub async fn run(
        self,
        environment: &Environment,
        there: &WorkingDir<'_>,
        log: &mut StepLog,
        is_left: &mut bool,
    ) -> StepResult {
        let (kind, script, program) = (self.kind, self.script, self.interpreter.program.clone());
        let command = ssh::Command::start(RUN_REMOTE)
            .arg(there.dir)
            .arg(script)
            .arg(&self.interpreter.program)
            .arg(self.interpreter.option.as_deref().unwrap_or_default())
            .args(self.arguments)
            .variables(&self.variables)
            .watched_as(sync::watch_word(&environment.target_path, self.deployment));
        log.say(format!("$ {script} {}", self.arguments.join(" "))).await;
        let limits = ssh::Run {
            timeout: Some(Duration::from_secs(environment.options.remote_timeout)),
            cancel: self.cancel.clone(),
            ..ssh::Run::default()
        };
        let exit = there.session.run(&command, limits, log).await;
        let goes = kind == StepKind::Deploy;
        let cleaned = clean_up(there.session, there.dir, if goes { script } else { "" }).await;
        let is_whole = match cleaned {
            Ok(is_whole) => is_whole,
            Err(why) => {
                if goes {
                    log.say(why).await;
                }
                *is_left = goes;
                true
            }
        };
        let exit = exit?;
        if !is_whole {
            let message = format!(
                "{script} deleted the release that it belongs to: {} is not what was deployed any more. Change the script.",
                there.dir
            );
            return Err(Failure {
                gone: true,
                exit_code: exit.code(),
                ..Failure::new(message)
            });
        }
        let how = match exit.code() {
            // What a shell says of a program that it does not find, or cannot start.
            Some(126 | 127) => {
                format!("{exit}; is there a program that the server lacks? It runs by {program}")
            }
            _ => exit.to_string(),
        };
        judge(environment, kind, script, &how, exit.code())
    }
}

/// Cleans up after a script that has run, however it ended, even after a cancel or a time limit: deletes it
/// from a directory of the server, unless its name is empty. Returns whether the release is still there.
///
/// # Errors
/// A sentence that says that the script is still there.
pub async fn clean_up(session: &ssh::Session, dir: &str, script: &str) -> Result<bool, String> {
    let remove = ssh::Command::script(REMOVE_REMOTE).arg(dir).arg(script);
    let limits = ssh::Run::within(REMOVE_LIMIT);
    let why = match session.capture(&remove, limits, REMOVE_OUTPUT).await {
        Ok(removed) if removed.exit.success() => return Ok(true),
        Ok(removed) if removed.exit == GONE => return Ok(false),
        Ok(_) => String::new(),
        Err(error) => format!(" {error}"),
    };
    Err(format!("{script} could not be deleted from {dir}.{why}"))
}

/// The result of a script. Failed tests fail the deployment only where the environment says so.
pub fn judge(
    environment: &Environment,
    kind: StepKind,
    script: &str,
    how: &str,
    code: Option<i32>,
) -> StepResult {
    if code == Some(0) {
        return Ok(Done::exited(0));
    }
    let message = format!("{script} ended with {how}.");
    let tests = matches!(kind, StepKind::LocalTests | StepKind::Tests);
    if tests && !environment.fail_on_failed_tests {
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
