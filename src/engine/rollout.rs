//! The work on the servers.
//!
//! [`roll_out`] runs three things side by side: it sends files to servers whose turn has not come yet
//! (`ahead`), watches that servers out of service stay out (`rotation`), and walks the plan (`walk`). The
//! walk takes one batch at a time (`batch`), works on several servers of it at the same time (`server`),
//! and decides after each batch what failures mean (`failure`). However the rollout ends, servers that
//! were taken out and still have a complete release go back into service. Where the environment wants
//! a failed rollout undone, `engine/undo` works out how. A rollout that was paused when its deployer ended is
//! taken up by `past`.

mod ahead;
mod batch;
mod by_hand;
mod failure;
mod past;
mod rotation;
mod server;
mod state;
mod walk;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use self::ahead::Ahead;
use self::failure::Halt;
pub(super) use self::past::PausedRollout;
use self::rotation::Rotation;
pub(super) use self::state::Goods;
use self::state::{Fate, PastServer, Rollout, ServerRollout, Supply};
pub(super) use self::walk::Resumption;
use super::ending::{Done, End, Ending, StepResult};
use super::found::{Checked, Reached};
use super::output::StepName;
use super::planning::Prospect;
use super::run::{Run, TargetServer};
use super::steps::checkout::{self, Tree};
use super::steps::reuse::Kept;
use super::steps::transfer::{self, Package};
use super::undo::{self, Touched};
use super::words;
use crate::domain::deployment::{ServerPart, ServerState};
use crate::domain::{DeploymentState, ServerId, StepKind, SyncMethod};
use crate::store::deployments;

/// The steps on a server, in order.
pub(super) fn steps(method: SyncMethod, balanced: bool, health: bool) -> Vec<StepKind> {
    use StepKind::{Activate, Deploy, Drain, Health, Inspect, Restore, Sync, Tests};
    let all: &[StepKind] = match method {
        // The files come first, so that a server is out of service as briefly as possible.
        SyncMethod::Symlink => &[Inspect, Sync, Drain, Activate, Deploy, Tests, Health, Restore],
        SyncMethod::InPlace => &[Inspect, Drain, Sync, Deploy, Tests, Health, Restore],
    };
    let is_done = |kind: &&StepKind| match kind {
        Drain | Restore => balanced,
        Health => health,
        _ => true,
    };
    all.iter().filter(is_done).copied().collect()
}

/// How a rollout ended, and the servers that have the new release.
pub(super) struct Rolled {
    pub ending: Ending,
    deployed: Vec<ServerId>,
    /// Whether new releases were sent.
    sent: bool,
    checked: Checked,
}

impl Goods {
    /// What is to be sent; with `kept`, nothing is.
    pub async fn pack(run: &Run, tree: Tree, checked: &Checked, kept: Option<Kept>) -> StepResult<Self> {
        let supply = match kept {
            Some(kept) => Supply::Kept(kept),
            None => Supply::Sent(Box::new(transfer::pack(run, &tree, checked).await?)),
        };
        Ok(Self { tree, supply })
    }

    /// Nothing more, for a rollout that only stops.
    pub async fn nothing(run: &Run) -> StepResult<Self> {
        let supply = Supply::Kept(Kept::default());
        let tree = checkout::empty(run).await?;
        Ok(Self { tree, supply })
    }

    /// The tree that is sent.
    pub fn package(&self) -> Option<&Package> {
        match &self.supply {
            Supply::Sent(package) => Some(package),
            Supply::Kept(_) => None,
        }
    }
}

/// Carries out the plan.
pub(super) async fn roll_out(run: &Run, goods: Goods, mut checked: Checked) -> StepResult<Rolled> {
    let balancers = std::mem::take(&mut checked.prospect.balancers);
    let places = std::mem::take(&mut checked.prospect.places);
    let rotation = Rotation::new(run, balancers, places);
    for planned in checked.prospect.plan.servers().filter(|one| one.left_out) {
        rotation.hold(planned.server, &planned.slots, false).await;
    }
    carry_out(run, goods, checked, &rotation, (&HashMap::new(), None)).await
}

/// Goes on with a rollout that was paused, from where it had come to. `reached` has the servers that answered.
pub(super) async fn roll_on(
    run: &Run,
    goods: Goods,
    past: PausedRollout,
    reached: HashMap<ServerId, Arc<Reached>>,
    resumption: Resumption,
) -> StepResult<Rolled> {
    let PausedRollout {
        plan,
        servers,
        rotation,
        ..
    } = past;
    let checked = Checked {
        prospect: Prospect::of(plan),
        servers: reached,
    };
    carry_out(run, goods, checked, &rotation, (&servers, Some(resumption))).await
}

/// Carries the plan out, or goes on with it as far as it had come.
async fn carry_out(
    run: &Run,
    goods: Goods,
    checked: Checked,
    rotation: &Rotation,
    (past, resumption): (&HashMap<ServerId, PastServer>, Option<Resumption>),
) -> StepResult<Rolled> {
    let rollout = Rollout::new(run, &goods, &checked, rotation, past)?;
    let (ahead, errands) = Ahead::plan(&rollout);
    let (halted, done) = (AtomicBool::new(false), CancellationToken::new());
    let walk = async {
        let halt = walk::walk(&rollout, &ahead, resumption).await;
        halted.store(true, Ordering::SeqCst);
        if !halt.as_ref().is_some_and(|halt| halt.stays_paused) {
            if halt.is_some() {
                failure::leave_whole(&rollout, halt.as_ref()).await;
            }
            failure::settle_doubts(&rollout).await;
        }
        done.cancel();
        halt
    };
    let walk = Box::pin(walk);
    let remember = async {
        if let Some(package) = goods.package() {
            package.remember().await;
        }
    };
    let (halt, (), (), ()) = tokio::join!(
        walk,
        ahead::run(&rollout, errands, &halted),
        rotation.watch(run, &done),
        remember
    );
    let ending = ending(&rollout, halt).await;
    if !matches!(ending, Ending::Paused) {
        log_standings(run).await;
    }
    let deployed = rollout
        .servers()
        .filter(|server| server.fate() == Fate::Deployed)
        .map(ServerRollout::id)
        .collect();
    drop(rollout);
    Ok(Rolled {
        ending,
        deployed,
        sent: goods.package().is_some(),
        checked,
    })
}

/// Logs the state of each server that is not deployed, in the words of its page.
async fn log_standings(run: &Run) {
    let parts = match deployments::servers(&run.parts().store, run.deployment.id).await {
        Ok(parts) => parts,
        Err(error) => return tracing::warn!("how the servers stand is not logged: {error}"),
    };
    let is_open = |part: &&ServerPart| {
        matches!(
            part.state,
            ServerState::Failed | ServerState::Interrupted | ServerState::Cancelled
        )
    };
    for part in parts.iter().filter(is_open) {
        let mut log = run.log.step(StepName {
            id: None,
            server: part.server.clone(),
            kind: StepKind::Finish,
        });
        log.say(part.told(&run.deployment.commit)).await;
    }
}

async fn ending(rollout: &Rollout<'_>, halt: Option<Halt>) -> Ending {
    if halt.as_ref().is_some_and(|halt| halt.stays_paused) {
        return Ending::Paused;
    }
    if rollout.run.stop.reason().is_some() {
        return Ending::Stopped;
    }
    let of = |fate: Fate| rollout.servers().filter(move |server| server.fate() == fate);
    let (deployed, waiting) = (of(Fate::Deployed).count(), of(Fate::Waiting).count());
    let mut failed: Vec<&str> = of(Fate::Failed).map(ServerRollout::name).collect();
    failed.sort_unstable();
    let Some(halt) = halt.or_else(|| (!failed.is_empty()).then(Halt::default)) else {
        return Ending::Succeeded(format!("{} deployed.", words::servers(deployed)));
    };
    let mut sentences = Vec::new();
    sentences.extend(halt.why);
    if !failed.is_empty() {
        sentences.push(format!("Failed on {}.", failed.join(", ")));
    }
    if deployed > 0 {
        sentences.push(format!("Deployed to {}.", words::servers(deployed)));
    }
    if waiting > 0 {
        sentences.push(format!("Left {} untouched.", words::servers(waiting)));
    }
    let undo = match halt.undo {
        Some(reason) => {
            let run = rollout.run;
            let touched: Vec<Touched> = rollout.servers().filter_map(ServerRollout::as_touched).collect();
            let failed = (&run.deployment, &run.project);
            Some(undo::work_out(run.parts(), failed, &touched, reason).await)
        }
        None => None,
    };
    Ending::Ended(Box::new(End {
        state: match halt.by_person {
            true => DeploymentState::Cancelled,
            false => DeploymentState::Failed,
        },
        sentence: sentences.join(" "),
        undo,
    }))
}

/// Removes old releases from servers that got the new one. What cannot be removed is logged and left.
pub(super) async fn finish(run: &Run, rolled: &Rolled) -> StepResult<()> {
    let mut step = run.begin(StepKind::Finish, None).await?;
    let reached = |member: &TargetServer| {
        let id = member.server.id;
        let reached = rolled.checked.servers.get(&id)?;
        rolled.deployed.contains(&id).then(|| reached.session.clone())
    };
    let reached: Vec<_> = run
        .members
        .iter()
        .filter_map(|member| Some((member, reached(member)?)))
        .collect();
    let result = match rolled.sent {
        true => transfer::prune(run, &mut step.log, &reached).await,
        // No release was added, so none has to go.
        false => Ok(Done::well("")),
    };
    run.end(step, result).await.map(drop)
}
