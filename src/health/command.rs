//! A command as a health check: it passes with exit code 0.
//!
//! At its limit, and when the check is cancelled, its whole process group is ended, on the deployer's
//! host as well as on the server. On the deployer's host it runs confined, as scripts of repositories do.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::attempt::{Fault, Watch};
use super::target::ProbedServer;
use crate::confinement::{self, WorkingTree};
use crate::{process, ssh};

/// Between the polite signal and the final one: a command that only asks has little to tidy up.
const GRACE: Duration = Duration::from_secs(2);

/// Runs a line on the deployer's host, whatever the variables say about where programs are.
const SHELL: &str = "/bin/sh";

/// Finds how to run a line on a server, whatever the variables say: `$1` the directory, `$2` the line.
const RUN_THERE: &str = r#"cd -- "$1" || exit; set -- /bin/sh -c "$2""#;

/// Runs `line` on the deployer's host.
pub(super) async fn here(
    line: &str,
    target: &ProbedServer<'_>,
    limit: Duration,
    cancel: &CancellationToken,
    watch: &mut impl Watch,
) -> Result<String, Fault> {
    let command = process::Command::new(SHELL).arg("-c").arg(line);
    let command = target.confinement.at_home(command).variables(target.variables);
    let limits = process::Run {
        timeout: Some(limit),
        cancel: cancel.clone(),
        grace: GRACE,
    };
    let tree = target.dir_here.map_or(WorkingTree::None, WorkingTree::Fixed);
    let run = target.confinement.run(command, tree, limits, watch);
    match run.await {
        Ok(exit) => judge(&exit),
        Err(confinement::Error::Process(process::Error::TimedOut { .. })) => Err(late(limit)),
        Err(error) => Err(Fault::new(error.to_string())),
    }
}

/// Runs `line` on the server.
pub(super) async fn there(
    line: &str,
    target: &ProbedServer<'_>,
    limit: Duration,
    cancel: &CancellationToken,
    watch: &mut impl Watch,
) -> Result<String, Fault> {
    let command = ssh::Command::start(RUN_THERE)
        .arg(target.dir)
        .arg(line)
        .variables(target.variables);
    let limits = ssh::Run {
        timeout: Some(limit),
        cancel: cancel.clone(),
        ..ssh::Run::default()
    };
    match target.session.run(&command, limits, watch).await {
        Ok(exit) => judge(&exit),
        Err(ssh::Error::TimedOut { .. }) => Err(late(limit)),
        Err(error) => Err(error.into()),
    }
}

fn late(limit: Duration) -> Fault {
    let seconds = limit.as_secs_f64();
    Fault::new(format!(
        "The command was not done within {seconds} s and was ended."
    ))
}

fn judge(exit: &process::Exit) -> Result<String, Fault> {
    let sentence = format!("The command ended with {exit}.");
    if exit.success() {
        Ok(sentence)
    } else {
        Err(Fault::new(sentence))
    }
}
