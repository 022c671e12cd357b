//! The journal of a running deployment: each step is stored before it acts and after it has acted,
//! together with the state of its server.
//!
//! Every write first proves that the deployment is still ours. As the intent is stored before the act, an
//! instance that lost a deployment touches nothing any more.

use super::ending::{Failure, StepResult};
use super::output::{StepLog, StepName};
use super::patience::Patience;
use super::run::{Run, TargetServer};
use super::stop::StopReason;
use super::stopwatch::Stopwatch;
use crate::domain::deployment::{ServerState, Service};
use crate::domain::endpoints::AtEndpoint;
use crate::domain::rollout::{EndpointPlace, Slot};
use crate::domain::{CommitId, OnServer, Result, ServerId, StepId, StepKind, StepState};
use crate::store::{Change, Leased, Record, deployments, steps};

/// A step that has begun.
pub(super) struct Active {
    id: StepId,
    begun: Stopwatch,
    pub log: StepLog,
    member: Option<i32>,
}

/// A fact about a server, stored together with the beginning or end of a step.
#[derive(Clone, Copy)]
pub(super) enum Note<'a> {
    /// How far it is.
    State(ServerState),
    /// What is on it and why, once the deployment is done with it.
    OnServer(OnServer, &'a str),
    /// Whether it gets traffic.
    Service(Service),
    /// Places at endpoints where it is about to be taken out.
    HeldOut(ServerId, &'a [EndpointPlace]),
    /// Places at endpoints where it is back.
    LetIn(&'a [EndpointPlace]),
    /// Something that may be left on it, which nobody could look at.
    Remains,
    /// Places where it stays out because a person took it out.
    LeftByHand(ServerId, &'a [Slot]),
    /// Whether it was found half changed, as an earlier deployment left it.
    LeftMixed(bool),
    /// The commit that was on it before; text that is no commit is ignored.
    Previous(&'a str),
}

impl Run {
    /// Begins a step in the store.
    pub async fn begin(&self, kind: StepKind, member: Option<&TargetServer>) -> StepResult<Active> {
        self.begin_noting(kind, member, &[]).await
    }

    /// Begins a step, and stores facts about its server with it.
    pub async fn begin_noting(
        &self,
        kind: StepKind,
        member: Option<&TargetServer>,
        notes: &[Note<'_>],
    ) -> StepResult<Active> {
        if self.stop.reason().is_some() {
            return Err(Failure::new("Ended before it began."));
        }
        self.begin_even_so(kind, member, notes).await
    }

    /// Begins a step even while the deployment stops: one that puts a server back.
    pub async fn begin_even_so(
        &self,
        kind: StepKind,
        member: Option<&TargetServer>,
        notes: &[Note<'_>],
    ) -> StepResult<Active> {
        let id = self.step(kind, member)?;
        let record = self.record().await?;
        let begun = Stopwatch::since(self.now());
        steps::start(&record, id, begun.now()).await?;
        self.note_in(&record, member.map(|member| member.position), notes)
            .await?;
        record.commit().await?;
        Ok(Active {
            id,
            begun,
            log: self.log_of(id, kind, member),
            member: member.map(|member| member.position),
        })
    }

    /// A step with nothing to do, begun and ended in one write.
    pub async fn nothing(&self, kind: StepKind, member: &TargetServer, why: &str) -> StepResult<()> {
        if self.stop.reason().is_some() {
            return Err(Failure::new("Ended before it began."));
        }
        let id = self.step(kind, Some(member))?;
        self.log_of(id, kind, Some(member)).say(why).await;
        let record = self.record().await?;
        steps::start(&record, id, self.now()).await?;
        steps::finish(&record, id, StepState::Skipped, None, why, self.now()).await?;
        record.commit().await?;
        Ok(())
    }

    /// Ends a step in the store, after its last line is stored.
    pub async fn end(&self, step: Active, result: StepResult) -> StepResult {
        self.end_noting(step, result, &[]).await
    }

    /// Ends a step, and stores facts about its server with it.
    pub async fn end_noting(&self, mut step: Active, result: StepResult, notes: &[Note<'_>]) -> StepResult {
        if let Err(failure) = &result {
            step.log.say(&failure.message).await;
        }
        step.log.finish().await;
        // The result is stored even when the lines cannot be.
        let flushed = self.log.flush().await;
        let (state, detail, exit_code) = match &result {
            Ok(done) => (done.state, &done.detail, done.exit_code),
            Err(failure) => {
                let state = match self.stop.reason() {
                    None => StepState::Failed,
                    Some(StopReason::Cancelled) => StepState::Cancelled,
                    Some(_) => StepState::Interrupted,
                };
                (state, &failure.message, failure.exit_code)
            }
        };
        let detail = &self.log.masked(detail);
        let record = self.record().await?;
        let ended = step.begun.now();
        steps::finish(&record, step.id, state, exit_code, detail, ended).await?;
        self.note_in(&record, step.member, notes).await?;
        record.commit().await?;
        flushed?;
        result
    }

    /// Stores facts about a server.
    pub async fn note(&self, member: &TargetServer, notes: &[Note<'_>]) -> Result<()> {
        let record = self.record().await?;
        self.note_in(&record, Some(member.position), notes).await?;
        record.commit().await?;
        Ok(())
    }

    /// Resets the outcomes of a server's steps for another attempt. That they were begun stays stored.
    pub async fn forget_outcomes(&self, member: &TargetServer) -> Result<()> {
        let record = self.record().await?;
        steps::forget_outcomes(&record, member.server.id).await?;
        record.commit().await?;
        Ok(())
    }

    /// Stores the state of a server that the deployment is done with, and what is on it. If that fails, the
    /// deployer's own log has it.
    pub async fn set_part(&self, member: &TargetServer, state: ServerState, on: OnServer, cause: &str) {
        let notes = [Note::State(state), Note::OnServer(on, cause)];
        if let Err(error) = self.note(member, &notes).await {
            tracing::warn!(server = member.server.name.as_str(), "{error}");
        }
    }

    /// Opens a write of progress; fails when the lease was lost.
    pub async fn record(&self) -> Result<Leased<Record>> {
        let patience = Patience::of(self.parts().settings.lease);
        let open = || self.parts().store.record_leased(self.lease);
        patience.insist(open).await
    }

    /// Opens a change of the deployment's state; fails when the lease was lost.
    pub async fn change(&self) -> Result<Leased<Change>> {
        let patience = Patience::of(self.parts().settings.lease);
        let open = || self.parts().store.change_leased(self.lease, self.now());
        patience.insist(open).await
    }

    async fn note_in(
        &self,
        record: &Leased<Record>,
        position: Option<i32>,
        notes: &[Note<'_>],
    ) -> Result<()> {
        let Some(position) = position else { return Ok(()) };
        for note in notes {
            match note {
                Note::State(state) => {
                    deployments::set_server(record, position, *state).await?;
                    deployments::forget_ended_pause(record).await?;
                }
                Note::OnServer(on, cause) => {
                    deployments::set_on_server(record, position, *on, &self.log.masked(cause)).await?;
                }
                Note::Service(service) => deployments::set_service(record, position, *service).await?,
                Note::HeldOut(server, places) => {
                    let whose = (*server, self.deployment.id);
                    deployments::hold_out(record, whose, places, AtEndpoint::TakenOut).await?;
                }
                Note::LetIn(places) => deployments::let_in(record, places).await?,
                Note::Remains => {
                    let id = self.deployment.id;
                    deployments::set_remains(record, id, position, Some(&[])).await?;
                }
                Note::LeftByHand(server, places) => {
                    deployments::leave_by_hand(record, *server, places).await?;
                }
                Note::LeftMixed(is_mixed) => {
                    deployments::set_left_mixed(record, position, *is_mixed).await?;
                }
                Note::Previous(commit) => {
                    let Ok(commit) = commit.parse::<CommitId>() else {
                        continue;
                    };
                    deployments::set_previous_commit(record, position, Some(&commit)).await?;
                }
            }
        }
        Ok(())
    }

    fn step(&self, kind: StepKind, member: Option<&TargetServer>) -> StepResult<StepId> {
        let key = (member.map(|m| m.server.id), kind);
        let id = self.steps.get(&key);
        id.copied()
            .ok_or_else(|| Failure::new("This step was not planned."))
    }

    fn log_of(&self, id: StepId, kind: StepKind, member: Option<&TargetServer>) -> StepLog {
        let server = member.map(|m| m.server.name.to_string()).unwrap_or_default();
        self.log.step(StepName {
            id: Some(id),
            server,
            kind,
        })
    }
}
