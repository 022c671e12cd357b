//! How far a deployment came: its steps and its servers, written as the engine writes them.

use deployer::domain::deployment::Service;
use deployer::domain::{
    CommitId, DeploymentState, PauseReason, Phase, Server, ServerState, StepKind, StepState,
};
use deployer::store::steps::NewStep;
use deployer::store::{Lease, Leased, Record, deployments as rows, releases, steps};

use super::cases::{Case, Edge, Reach};
use super::ground::{Place, release};
use crate::support::world::World;

/// The server whose step failed or is being done.
pub const STOPPED: usize = 1;

/// What is done before any server, in order.
const FIRST: [StepKind; 5] = [
    StepKind::Check,
    StepKind::Fetch,
    StepKind::Export,
    StepKind::Predeploy,
    StepKind::LocalTests,
];

/// Writes what a worker would that has come as far as `case` says.
pub async fn write(
    world: &World,
    lease: Lease,
    case: &Case,
    (place, members): (&Place, &[&Server]),
    [before, after]: &[CommitId; 2],
) {
    let tx = world.store.record_leased(lease).await.unwrap();
    write_steps(world, &tx, case, (place, members), after).await;
    for at in 0..members.len() {
        let position = i32::try_from(at).unwrap();
        rows::set_previous_commit(&tx, position, Some(before))
            .await
            .unwrap();
        let state = server_state(case, index(case, at));
        rows::set_server(&tx, position, state).await.unwrap();
        let service = match state {
            ServerState::Succeeded => Service::Back,
            _ if index(case, at) == STOPPED && is_left_out(case) => match case.edge {
                Edge::Healed => Service::Back,
                _ => Service::Out,
            },
            _ => Service::Untouched,
        };
        if case.edge != Edge::None {
            rows::set_service(&tx, position, service).await.unwrap();
        }
    }
    rows::set_phase(&tx, phase(case.stopped)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn write_steps(
    world: &World,
    tx: &Leased<Record>,
    case: &Case,
    (place, members): (&Place, &[&Server]),
    commit: &CommitId,
) {
    let now = world.clock.now();
    let planned = planned(case, members.len());
    let new = planned.iter().map(|&(member, kind)| NewStep {
        server_id: member.map(|at| members[at].id),
        server_name: member.map(|at| members[at].name.to_string()).unwrap_or_default(),
        kind,
    });
    let made = steps::insert(tx, &new.collect::<Vec<_>>()).await.unwrap();
    for (step, &(member, kind)) in made.iter().zip(&planned) {
        let Some(state) = step_state(case, member.map(|at| index(case, at)), kind) else {
            continue;
        };
        steps::start(tx, step.id, now).await.unwrap();
        if state != StepState::Running {
            steps::finish(tx, step.id, state, None, "", now).await.unwrap();
        }
        let changes = matches!(state, StepState::Succeeded | StepState::Running);
        if kind == StepKind::Activate
            && changes
            && let Some(at) = member
        {
            let new = release(place, members[at], commit, now);
            releases::record(tx, &new).await.unwrap();
        }
    }
}

/// All steps in order, each with the place of its server.
fn planned(case: &Case, members: usize) -> Vec<(Option<usize>, StepKind)> {
    let balanced = case.edge != Edge::None;
    let own = |kind: &&StepKind| {
        let at_balancer = matches!(kind, StepKind::Drain | StepKind::Restore);
        !FIRST.contains(kind) && **kind != StepKind::Finish && (balanced || !at_balancer)
    };
    let mut planned: Vec<(Option<usize>, StepKind)> = FIRST.iter().map(|&kind| (None, kind)).collect();
    for member in 0..members {
        planned.extend(StepKind::ALL.iter().filter(own).map(|&kind| (Some(member), kind)));
    }
    planned.push((None, StepKind::Finish));
    planned
}

/// Which of the three servers is at this place of the deployment.
fn index(case: &Case, at: usize) -> usize {
    match case.reach {
        Reach::Environment | Reach::Cluster => at,
        Reach::Server | Reach::Servers => at + STOPPED,
    }
}

/// Whether the server whose step failed was left out of service.
pub fn is_left_out(case: &Case) -> bool {
    let ends = !matches!(case.state, DeploymentState::Succeeded);
    let out = position(StepKind::Drain)..=position(StepKind::Restore);
    ends && case.stopped.is_some_and(|kind| out.contains(&position(kind)))
}

fn position(kind: StepKind) -> usize {
    StepKind::ALL.iter().position(|one| *one == kind).unwrap()
}

/// How a step ended, or that it is being done; `None`: it never began.
fn step_state(case: &Case, server: Option<usize>, kind: StepKind) -> Option<StepState> {
    let at_end = match case.state {
        DeploymentState::Succeeded => return Some(StepState::Succeeded),
        DeploymentState::Cancelled => StepState::Cancelled,
        DeploymentState::Interrupted => StepState::Interrupted,
        DeploymentState::Failed => StepState::Failed,
        DeploymentState::Paused if matches!(case.pause, PauseReason::Failure { .. }) => StepState::Failed,
        DeploymentState::Paused => return paused_step(server, kind),
        _ => StepState::Running,
    };
    let stopped = case.stopped?;
    let is_common = FIRST.contains(&stopped) || stopped == StepKind::Finish;
    match (server, position(kind).cmp(&position(stopped))) {
        (None, std::cmp::Ordering::Less) => Some(StepState::Succeeded),
        (None, std::cmp::Ordering::Equal) => Some(at_end),
        (None, std::cmp::Ordering::Greater) => None,
        (Some(_), _) if is_common => (stopped == StepKind::Finish).then_some(StepState::Succeeded),
        (Some(0), _) => Some(StepState::Succeeded),
        (Some(STOPPED), std::cmp::Ordering::Less) => Some(StepState::Succeeded),
        (Some(STOPPED), std::cmp::Ordering::Equal) => Some(at_end),
        _ => (kind == StepKind::Inspect).then_some(StepState::Succeeded),
    }
}

/// Between two batches: the first server is done.
fn paused_step(server: Option<usize>, kind: StepKind) -> Option<StepState> {
    let is_done = match server {
        None => FIRST.contains(&kind),
        Some(0) => true,
        Some(_) => kind == StepKind::Inspect,
    };
    is_done.then_some(StepState::Succeeded)
}

fn server_state(case: &Case, server: usize) -> ServerState {
    use DeploymentState::{Cancelled, Failed, Interrupted, Paused, Running, Succeeded};
    let on_servers = case
        .stopped
        .is_some_and(|kind| !FIRST.contains(&kind) && kind != StepKind::Finish);
    let all_done = case.stopped == Some(StepKind::Finish);
    let untouched = match case.state {
        Running | Paused => ServerState::Waiting,
        _ => ServerState::Skipped,
    };
    match (case.state, server) {
        (Succeeded, _) => ServerState::Succeeded,
        (Paused, 0) => ServerState::Succeeded,
        (Paused, STOPPED) if matches!(case.pause, PauseReason::Failure { .. }) => ServerState::Failed,
        (Paused, _) => ServerState::Waiting,
        _ if all_done => ServerState::Succeeded,
        (_, 0) if on_servers => ServerState::Succeeded,
        (state, STOPPED) if on_servers => match state {
            Failed => ServerState::Failed,
            Cancelled => ServerState::Cancelled,
            Interrupted => ServerState::Interrupted,
            _ => ServerState::Running,
        },
        _ => untouched,
    }
}

fn phase(stopped: Option<StepKind>) -> Phase {
    match stopped {
        None | Some(StepKind::Check) => Phase::Check,
        Some(StepKind::Finish) => Phase::Finish,
        Some(kind) if FIRST.contains(&kind) => Phase::Prepare,
        Some(_) => Phase::RollOut,
    }
}
