//! Walks one deployment through its phases: check, prepare, roll out, finish.
//!
//! The deployment is the only writer of its rows while it runs. A step begins in the store before it
//! acts and ends there afterwards, so the store never claims more than was done.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::ending::{Ending, StepResult};
use super::mask::Mask;
use super::output::{Log, Sink};
use super::planning::Roster;
use super::rollout::{self, Goods, Rolled};
use super::run::{Run, TargetServer};
use super::shared::Shared;
use super::steps::checkout::Tree;
use super::steps::transfer::Package;
use super::steps::{check, checkout, health, reuse, script};
use super::stop::Stop;
use super::turn::WorkTurn;
use crate::domain::deployment::{ServerPart, ServerState};
use crate::domain::{Error, Phase, Plan, Result, ServerId, StepKind};
use crate::store::deployments::Footing;
use crate::store::queue::Claimed;
use crate::store::steps::NewStep;
use crate::store::{deployments, environments, projects, sealing, steps};

/// Carries out a claimed deployment. The caller writes down how it ended.
pub(super) async fn run(engine: Arc<Shared>, claimed: Claimed, stop: Stop, turn: WorkTurn) -> Ending {
    let id = claimed.deployment.id;
    match open(engine, claimed, stop, turn).await {
        Ok(run) => {
            tracing::info!(
                deployment = id.0,
                project = run.deployment.project,
                "deployment begins"
            );
            // Boxed: the future of a whole deployment is large.
            let ending = Box::pin(carry_out(&run)).await;
            if let Err(error) = run.log.flush().await {
                tracing::warn!(deployment = id.0, "{error}");
            }
            ending
        }
        Err(error) => Ending::Failed(error.message().to_owned()),
    }
}

async fn open(engine: Arc<Shared>, claimed: Claimed, stop: Stop, turn: WorkTurn) -> Result<Run> {
    let parts = deployments::servers(&engine.parts.store, claimed.deployment.id).await?;
    let mut run = assemble(engine, claimed, stop, turn).await?;
    run.members = members(&run.roster, &parts)?;
    run.meant = meant(&run.roster, &parts);
    plan_steps(&mut run).await?;
    Ok(run)
}

/// Opens a deployment that has a plan, with the steps that were planned before.
pub(super) async fn open_again(
    engine: Arc<Shared>,
    claimed: Claimed,
    stop: Stop,
    turn: WorkTurn,
    plan: &Plan,
) -> Result<Run> {
    let (id, store) = (claimed.deployment.id, engine.parts.store.clone());
    let mut run = assemble(engine, claimed, stop, turn).await?;
    for part in deployments::servers(&store, id).await? {
        let mut all = plan.servers();
        let planned = all.find(|planned| Some(planned.server) == part.server_id);
        if let Some((planned, server)) = planned.zip(part.server_id.and_then(|id| run.roster.server(id))) {
            run.members.push(TargetServer {
                server: server.clone(),
                position: part.position,
                balanced: !planned.slots.is_empty() || !planned.by_hand.is_empty(),
            });
        }
    }
    run.meant = run.members.iter().map(|member| member.server.id).collect();
    let rows = steps::list(&store, id).await?;
    run.steps = rows
        .into_iter()
        .map(|row| ((row.server_id, row.kind), row.id))
        .collect();
    Ok(run)
}

/// Reads again what may have changed during a long pause: project, environment, clusters and servers.
pub(super) async fn refresh(run: &mut Run) -> Result<()> {
    let store = &run.engine.parts.store;
    run.project = projects::by_id(store, run.project.id).await?;
    run.environment = environments::by_id(store, run.environment.id).await?;
    run.roster = Roster::load(store, &run.environment).await?;
    for member in &mut run.members {
        let id = member.server.id;
        let gone = || Error::conflict(format!("{} was deleted.", member.server.name));
        member.server = run.roster.server(id).ok_or_else(gone)?.clone();
    }
    Ok(())
}

/// The deployment without its servers.
async fn assemble(engine: Arc<Shared>, claimed: Claimed, stop: Stop, turn: WorkTurn) -> Result<Run> {
    let Claimed { deployment, lease } = claimed;
    let store = &engine.parts.store;
    let gone = |what: &str| Error::conflict(format!("The {what} was deleted while the deployment waited."));
    let project_id = deployment.project_id.ok_or_else(|| gone("project"))?;
    let environment_id = deployment.environment_id.ok_or_else(|| gone("environment"))?;
    let project = projects::by_id(store, project_id).await?;
    let environment = environments::by_id(store, environment_id).await?;
    let roster = Roster::load(store, &environment).await?;
    let mask = Mask::of(&environment, &engine.parts.settings.secrets);
    let sink = Sink {
        store: store.clone(),
        clock: engine.parts.clock.clone(),
        lease,
        limits: engine.parts.settings.log,
        patience: engine.parts.settings.lease,
    };
    let log = Log::open(sink, mask, stop.token().clone());
    Ok(Run {
        engine,
        deployment,
        project,
        environment,
        members: Vec::new(),
        lease,
        log,
        stop,
        turn,
        roster,
        meant: HashSet::new(),
        steps: HashMap::new(),
    })
}

/// Stores all steps in advance, so that the page shows what is still to come.
async fn plan_steps(run: &mut Run) -> Result<()> {
    let mut plan: Vec<(Option<&TargetServer>, StepKind)> =
        checkout::STEPS.iter().map(|&kind| (None, kind)).collect();
    for member in &run.members {
        let own = rollout::steps(run.project.method, member.balanced, health::is_wanted(run));
        plan.extend(own.into_iter().map(|kind| (Some(member), kind)));
    }
    plan.push((None, StepKind::Finish));
    let new = plan.iter().map(|(member, kind)| NewStep {
        server_id: member.map(|m| m.server.id),
        server_name: member.map(|m| m.server.name.to_string()).unwrap_or_default(),
        kind: *kind,
    });
    let new: Vec<NewStep> = new.collect();
    let record = run.record().await?;
    let rows = steps::insert(&record, &new).await?;
    record.commit().await?;
    run.steps = rows
        .into_iter()
        .map(|row| ((row.server_id, row.kind), row.id))
        .collect();
    Ok(())
}

async fn carry_out(run: &Run) -> Ending {
    match phases(run).await {
        Ok(ending) => ending,
        Err(_) if run.stop.reason().is_some() => Ending::Stopped,
        Err(failure) => Ending::Failed(run.log.masked(&failure.message)),
    }
}

async fn phases(run: &Run) -> StepResult<Ending> {
    set_phase(run, Phase::Check).await?;
    let checked = check::check(run).await?;
    set_phase(run, Phase::Prepare).await?;
    let kept = reuse::kept(run, &checked.servers);
    let tree = match kept {
        Some(_) => reuse::prepare(run).await?,
        None => prepare(run).await?,
    };
    script::check_servers(run, &tree, &checked).await?;
    set_phase(run, Phase::RollOut).await?;
    let goods = Goods::pack(run, tree, &checked, kept).await?;
    keep_footing(run, &goods).await?;
    let rolled = rollout::roll_out(run, goods, checked).await?;
    finish(run, rolled).await
}

/// The last phase, unless the rollout was stopped or stays paused.
pub(super) async fn finish(run: &Run, rolled: Rolled) -> StepResult<Ending> {
    if matches!(rolled.ending, Ending::Paused) {
        return Ok(Ending::Paused);
    }
    if run.stop.reason().is_some() {
        return Ok(Ending::Stopped);
    }
    set_phase(run, Phase::Finish).await?;
    rollout::finish(run, &rolled).await?;
    Ok(rolled.ending)
}

/// Stores what the rollout stands on, for a start after a pause.
async fn keep_footing(run: &Run, goods: &Goods) -> Result<()> {
    let footing = Footing {
        settings: Some(sealing::digest(
            &run.parts().store,
            &run.environment.footing(&run.project),
        )),
        contents: goods.package().map(Package::contents),
    };
    let record = run.record().await?;
    deployments::set_footing(&record, &footing).await?;
    record.commit().await
}

/// The tree, ready to be sent.
pub(super) async fn prepare(run: &Run) -> StepResult<Tree> {
    let tree = checkout::fetch_and_export(run).await?;
    script::predeploy(run, &tree).await?;
    script::local_tests(run, &tree).await?;
    Ok(tree)
}

async fn set_phase(run: &Run, phase: Phase) -> Result<()> {
    let record = run.record().await?;
    deployments::set_phase(&record, phase).await?;
    record.commit().await?;
    Ok(())
}

/// The servers of the deployment that still exist and are active, in the order stored with it.
fn members(roster: &Roster, parts: &[ServerPart]) -> Result<Vec<TargetServer>> {
    let mut members: Vec<TargetServer> = Vec::with_capacity(parts.len());
    for part in parts.iter().filter(|part| part.state == ServerState::Waiting) {
        let server = part.server_id.and_then(|id| roster.server(id));
        if let Some(server) = server.filter(|server| server.active) {
            members.push(TargetServer {
                server: server.clone(),
                position: part.position,
                balanced: roster.is_balanced(server.id),
            });
        }
    }
    if members.is_empty() {
        return Err(Error::conflict(
            "None of its servers is active any more, so there is nothing to deploy to.",
        ));
    }
    Ok(members)
}

/// The servers that the plan is about: those that wait, and inactive ones, which it names as left
/// alone. Servers that an earlier deployment has finished are not among them.
fn meant(roster: &Roster, parts: &[ServerPart]) -> HashSet<ServerId> {
    let is_away = |id| roster.server(id).is_some_and(|server| !server.active);
    let is_meant = |part: &ServerPart| {
        let id = part.server_id?;
        let meant = match part.state {
            ServerState::Waiting => true,
            ServerState::Skipped => is_away(id),
            _ => false,
        };
        meant.then_some(id)
    };
    parts.iter().filter_map(is_meant).collect()
}
