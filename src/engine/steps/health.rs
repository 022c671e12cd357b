//! Asks a server, once its new release is in place, whether it serves.
//!
//! The environment says what to ask, [`crate::health`] asks it. Here every attempt becomes a line of the
//! step's log, and the last one the step's result.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::remote_script::WorkingDir;
use crate::domain::StepKind;
use crate::domain::health::HealthCheck;
use crate::engine::ending::{Done, Failure, StepResult};
use crate::engine::output::StepLog;
use crate::engine::run::{Run, TargetServer};
use crate::health::{self, Attempt, ProbedServer, Watch};

/// Whether the environment has a health check, so that the step is planned.
pub fn is_wanted(run: &Run) -> bool {
    run.environment.options.health.is_some()
}

/// Probes `member` until it is healthy or the attempts are used up. `there` is the directory in use;
/// a command on the deployer's host starts in `here`, the exported tree, where there is one. Without
/// a check in the environment no step is begun.
pub async fn check(
    run: &Run,
    member: &TargetServer,
    there: &WorkingDir<'_>,
    here: Option<&Path>,
) -> StepResult {
    let Some(check) = &run.environment.options.health else {
        return Ok(Done::nothing("This environment has no health check."));
    };
    let mut step = run.begin(StepKind::Health, Some(member)).await?;
    let server = &member.server;
    let target = ProbedServer {
        server: server.name.as_str(),
        address: &server.address,
        session: there.session,
        dir: there.dir,
        dir_here: here,
        variables: &run.variables(server.name.as_str(), there.previous),
        confinement: &run.parts().confinement,
    };
    let result = ask(check, &target, run.stop.token(), &mut step.log).await;
    run.end(step, result).await
}

/// Asks a server for `check`, and logs every attempt.
pub async fn ask(
    check: &HealthCheck,
    target: &ProbedServer<'_>,
    cancel: &CancellationToken,
    log: &mut StepLog,
) -> StepResult {
    log.say(format!("Asking for {check}.")).await;
    match health::check(check, target, cancel, log).await {
        Ok(answer) => Ok(Done::well(answer)),
        Err(sentence) => Err(Failure::new(sentence)),
    }
}

/// Refuses before any server is touched what could only fail after it: a command on this host that
/// cannot be confined here.
pub async fn check_here(run: &Run) -> StepResult<()> {
    let check = run.environment.options.health.as_ref();
    if !check.is_some_and(HealthCheck::runs_on_deployer) {
        return Ok(());
    }
    let ready = run.parts().confinement.ready().await;
    ready.map_err(|why| {
        Failure::new(format!(
            "The health check is a command on the deployer's host. {why}"
        ))
    })
}

impl Watch for StepLog {
    async fn attempt(&mut self, attempt: &Attempt) {
        self.say(attempt.to_string()).await;
    }
}
