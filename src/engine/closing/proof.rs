//! Proves a server whose deployer was killed after `deploy.sh`: runs the tests and the health check that were
//! left, so that a server with the whole new release goes back into service.

use tokio_util::sync::CancellationToken;

use super::history::History;
use crate::domain::standing::Trial;
use crate::domain::{Environment, Server, Step, StepKind, StepState};
use crate::engine::ending::{Done, Failure, StepResult};
use crate::engine::mask::Mask;
use crate::engine::output::{Log, Sink, StepLog, StepName};
use crate::engine::run::variables;
use crate::engine::shared::Shared;
use crate::engine::steps::health;
use crate::engine::steps::remote_script::{self, RemoteScript, WorkingDir};
use crate::engine::steps::script::{self, REMOTE_TESTS};
use crate::health::ProbedServer;
use crate::store::{Lease, steps};

/// What is proven, and where.
pub(super) struct ServerProof<'a> {
    pub engine: &'a Shared,
    pub lease: Lease,
    pub history: &'a History,
    pub environment: &'a Environment,
    pub server: &'a Server,
    pub there: WorkingDir<'a>,
}

impl ServerProof<'_> {
    /// Runs `left` in their order and stores how each ended.
    ///
    /// # Errors
    /// The first that fails, and why.
    pub async fn run(&self, left: &[(Trial, &Step)]) -> Result<(), (Trial, Failure)> {
        let parts = &self.engine.parts;
        let sink = Sink {
            store: parts.store.clone(),
            clock: parts.clock.clone(),
            lease: self.lease,
            limits: parts.settings.log,
            patience: parts.settings.lease,
        };
        let mask = Mask::of(self.environment, &parts.settings.secrets);
        let log = Log::open(sink, mask, CancellationToken::new());
        for (trial, step) in left {
            let proven = self.prove(step, &log).await;
            proven.map_err(|failure| {
                let message = log.masked(&failure.message);
                (*trial, Failure::new(message))
            })?;
        }
        Ok(())
    }

    async fn prove(&self, step: &Step, log: &Log) -> StepResult<()> {
        let parts = &self.engine.parts;
        let begin = parts.store.record_leased(self.lease).await?;
        steps::start(&begin, step.id, parts.clock.now()).await?;
        begin.commit().await?;
        let mut lines = log.step(StepName {
            id: Some(step.id),
            server: self.server.name.to_string(),
            kind: step.kind,
        });
        lines
            .say("The deployer stopped before this had ended, so it is run again.")
            .await;
        let result = match step.kind {
            StepKind::Health => self.ask(&mut lines).await,
            _ => self.test(&mut lines).await,
        };
        let (state, detail, exit_code) = match &result {
            Ok(done) => (done.state, &done.detail, done.exit_code),
            Err(failure) => (StepState::Failed, &failure.message, failure.exit_code),
        };
        lines.say(detail).await;
        lines.finish().await;
        log.flush().await?;
        let end = parts.store.record_leased(self.lease).await?;
        let detail = if crate::sabotage::on("m12") { detail.clone() } else { log.masked(detail) };
        steps::finish(&end, step.id, state, exit_code, &detail, parts.clock.now()).await?;
        end.commit().await?;
        result.map(drop)
    }

    async fn test(&self, log: &mut StepLog) -> StepResult {
        let Some(interpreter) = remote_script::interpreter_there(&self.there, REMOTE_TESTS).await? else {
            return Ok(Done::nothing(format!("There is no {REMOTE_TESTS}.")));
        };
        let name = self.server.name.as_str();
        let remote = RemoteScript {
            deployment: self.history.deployment.id,
            kind: StepKind::Tests,
            script: REMOTE_TESTS,
            interpreter,
            arguments: &script::test_arguments(&self.history.deployment, name),
            variables: variables(
                &self.history.deployment,
                self.environment,
                name,
                self.there.previous,
            ),
            cancel: &CancellationToken::new(),
        };
        remote.run(self.environment, &self.there, log, &mut false).await
    }

    async fn ask(&self, log: &mut StepLog) -> StepResult {
        let Some(check) = &self.environment.options.health else {
            return Ok(Done::nothing("This environment has no health check."));
        };
        let deployment = &self.history.deployment;
        let name = self.server.name.as_str();
        let target = ProbedServer {
            server: name,
            address: &self.server.address,
            session: self.there.session,
            dir: self.there.dir,
            dir_here: None,
            variables: &variables(deployment, self.environment, name, self.there.previous),
            confinement: &self.engine.parts.confinement,
        };
        health::ask(check, &target, &CancellationToken::new(), log).await
    }
}
