//! A rollout that was paused when its deployer ended, as far as it had come: what the store says of each
//! server, and whether the server says the same.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use tokio_util::sync::CancellationToken;

use super::rotation::Rotation;
use super::state::{Fate, PastServer, Stage};
use crate::domain::deployment::{ServerPart, ServerState, Service};
use crate::domain::rollout::{Planned, Slot};
use crate::domain::{
    BalancerId, CommitId, Error, Kind, OnServer, Plan, Result, ServerId, Step, StepKind, StepState, Strategy,
    SyncMethod,
};
use crate::engine::ending::{Failure, StepResult};
use crate::engine::found::Reached;
use crate::engine::out_of_service::OutOfService;
use crate::engine::planning::{self, Asking};
use crate::engine::reach;
use crate::engine::run::{Run, TargetServer};
use crate::engine::shared::EngineParts;
use crate::engine::steps::{check, script, transfer};
use crate::store::deployments::{self, Footing};
use crate::store::{sealing, steps};
use crate::sync::{self, Inspection, Layout};

/// A rollout that was paused.
pub struct PausedRollout {
    pub(super) plan: Plan,
    pub(super) servers: HashMap<ServerId, PastServer>,
    pub(super) rotation: Rotation,
    /// What it stands on.
    pub footing: Footing,
    /// Whether it goes back to releases that are on the servers already.
    pub is_kept: bool,
}

/// What was seen on the servers of a paused rollout.
#[derive(Default)]
pub struct Seen {
    pub reached: HashMap<ServerId, Arc<Reached>>,
    /// Where a server does not run what the rollout left on it, as sentences.
    pub differences: Vec<String>,
    /// Why a server that has to be deployed to could not be asked, as sentences.
    pub silent: Vec<String>,
}

impl PausedRollout {
    /// Reads how far the rollout had come, and keeps out of service what it had left out.
    ///
    /// # Errors
    /// A conflict when it was not between two servers, so that nobody knows; of the store.
    pub async fn read(run: &Run, plan: Plan) -> Result<Self> {
        let store = &run.parts().store;
        let id = run.deployment.id;
        let (parts, steps) = (
            deployments::servers(store, id).await?,
            steps::list(store, id).await?,
        );
        let mut servers = HashMap::new();
        for planned in plan.servers() {
            let mut all = parts.iter();
            let part = all.find(|part| part.server_id == Some(planned.server));
            let part = part.ok_or_else(|| Error::conflict(format!("{} was deleted.", planned.name)))?;
            servers.insert(planned.server, past_server(run, part, &steps)?);
        }
        let rotation = rotation(run, &plan).await?;
        for planned in plan.servers().filter(|one| !one.slots.is_empty()) {
            let part = parts.iter().find(|part| part.server_id == Some(planned.server));
            let is_out = part.is_some_and(|part| matches!(part.service, Service::Out | Service::TakingOut));
            let is_done = servers
                .get(&planned.server)
                .is_some_and(|one| one.fate == Fate::Deployed);
            if !is_done && (is_out || planned.left_out) && !crate::sabotage::on("t7") {
                rotation.hold(planned.server, &planned.slots, is_out).await;
            }
        }
        let is_kept = steps
            .iter()
            .any(|step| step.kind == StepKind::Fetch && step.state == StepState::Skipped && !crate::sabotage::on("t18"));
        Ok(Self {
            footing: deployments::footing(store, id).await?,
            plan,
            servers,
            rotation,
            is_kept,
        })
    }

    /// Keeps out what is out of service while it waits for `waiting`.
    pub async fn guard<T>(&self, run: &Run, waiting: impl Future<Output = T>) -> T {
        let done = CancellationToken::new();
        let waiting = async {
            let outcome = waiting.await;
            done.cancel();
            outcome
        };
        tokio::join!(waiting, self.rotation.watch(run, &done)).0
    }

    /// Whether the settings of the environment are those that the deployment began with.
    pub fn has_its_settings(&self, run: &Run) -> bool {
        let now = run.environment.footing(&run.project);
        let is_same = |before: &String| sealing::is_digest(&run.parts().store, before, &now);
        self.footing.settings.as_ref().is_some_and(is_same) || crate::sabotage::on("t1")
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether a server has still to be deployed to.
    pub fn is_open(&self, server: ServerId) -> bool {
        let past = self.servers.get(&server);
        past.is_some_and(|past| past.fate != Fate::Deployed)
    }

    fn waits(&self, server: ServerId) -> bool {
        let past = self.servers.get(&server);
        past.is_some_and(|past| past.fate == Fate::Waiting)
    }

    /// Asks every server what is on it. What the deployment left running on those that wait is ended before.
    pub async fn look(&mut self, run: &Run) -> Seen {
        // Boxed, as the compiler cannot see that the bare futures may move between threads.
        let mut looks: Vec<BoxFuture<'_, (&TargetServer, StepResult<Look>)>> = Vec::new();
        for member in &run.members {
            if let Some(past) = self.servers.get(&member.server.id) {
                looks.push(Box::pin(async move { (member, look(run, member, past).await) }));
            }
        }
        let parallel = run.parallel();
        let looked: Vec<_> = stream::iter(looks).buffer_unordered(parallel).collect().await;
        let mut seen = Seen::default();
        for (member, result) in looked {
            let (id, name) = (member.server.id, &member.server.name);
            match result {
                Ok(look) => {
                    let planned = self.plan.servers().find(|one| one.server == id);
                    let Some((past, planned)) = self.servers.get_mut(&id).zip(planned) else {
                        continue;
                    };
                    past.before_dir = look.before_dir;
                    let difference = difference(run, planned, past, &look.reached.found);
                    seen.differences
                        .extend(difference.map(|what| format!("{name} {what}")));
                    seen.reached.insert(id, Arc::new(look.reached));
                }
                Err(failure) if self.waits(id) && !crate::sabotage::on("t21") => {
                    seen.silent.push(format!("{name}: {}", failure.message));
                }
                // Nothing more is done on it, or what was tried before is tried again.
                Err(_) => {}
            }
        }
        seen.differences.sort_unstable();
        seen.silent.sort_unstable();
        seen
    }

    /// Why the balancers would not let it continue as planned, as sentences.
    pub async fn ask_balancers(&mut self, run: &Run) -> Vec<String> {
        let EngineParts { store, balancers, .. } = run.parts();
        let meant: HashSet<ServerId> = self.plan.servers().map(|one| one.server).collect();
        // This one is never refused: whether enough stay in service is seen before each batch.
        let (strategy, asking) = (Strategy::AllAtOnce, Asking::Preview);
        let made = planning::prospect(store, balancers, &run.roster, strategy, &meant, asking).await;
        let prospect = match made {
            Ok(prospect) => prospect,
            Err(error) => return vec![error.message().to_owned()],
        };
        if !prospect.obstacles.is_empty() {
            return prospect.obstacles;
        }
        let members = run.members.iter().map(|member| &member.server);
        let strangers = planning::strangers(&prospect.plan, members);
        if !strangers.is_empty() && !crate::sabotage::on("t11") {
            return vec![format!(
                "Inactive, or in no cluster of this environment any more: {}.",
                strangers.join(", ")
            )];
        }
        let moved = self.plan.servers().filter(|planned| {
            let own = planned.slots.iter().chain(&planned.by_hand);
            let own: Vec<&Slot> = own.collect();
            let now = prospect
                .places
                .get(&planned.server)
                .map_or(&[][..], Vec::as_slice);
            own.len() != now.len() || !own.into_iter().all(|slot| now.contains(slot))
        });
        let moved: Vec<String> = moved
            .map(|planned| format!("{} stands elsewhere at its balancers than planned.", planned.name))
            .collect();
        self.rotation.set_places(prospect.places);
        if crate::sabotage::on("t12") { return Vec::new(); }
        moved
    }
}

/// How far a server had come.
fn past_server(run: &Run, part: &ServerPart, steps: &[Step]) -> Result<PastServer> {
    let began = |kind| {
        let mut own = steps.iter().filter(|step| step.server_id == part.server_id);
        own.any(|step| step.kind == kind && step.started_at.is_some())
    };
    let changing = match run.project.method {
        SyncMethod::Symlink => StepKind::Activate,
        SyncMethod::InPlace => StepKind::Sync,
    };
    let is_touched = began(changing) || began(StepKind::Deploy);
    let (fate, (stage, left)) = match part.state {
        ServerState::Succeeded => (Fate::Deployed, (Stage::Done, None)),
        ServerState::Waiting => {
            let left = is_touched.then(|| tried_before(run, part));
            (Fate::Waiting, (Stage::Untouched, left))
        }
        ServerState::Failed => (Fate::Failed, failed_at(part, is_touched)),
        _ => {
            let what = format!("{} was being worked on.", part.server);
            return Err(Error::conflict(what));
        }
    };
    Ok(PastServer {
        fate,
        stage,
        left,
        is_touched: is_touched || fate == Fate::Deployed,
        before: part.previous_commit.as_ref().map(CommitId::to_string),
        before_dir: None,
    })
}

/// How far one that failed had come, and what an earlier attempt had left on it.
fn failed_at(part: &ServerPart, is_touched: bool) -> (Stage, Option<OnServer>) {
    match part.on_server {
        Some(OnServer::Failed(trial) | OnServer::NotEnded(trial)) => (Stage::Tried(trial), None),
        Some(OnServer::NotRun) => (Stage::Active, None),
        Some(OnServer::Mixed) => (Stage::Half, None),
        Some(OnServer::Switching) => (Stage::Switching, None),
        Some(OnServer::New) => (Stage::Done, None),
        Some(on) => (Stage::Syncing, Some(on).filter(|on| !on.is_old())),
        None if is_touched => (Stage::Active, None),
        None => (Stage::Syncing, None),
    }
}

/// What an earlier attempt has left on a server that waits for another one.
fn tried_before(run: &Run, part: &ServerPart) -> OnServer {
    match (run.project.method, &part.previous_commit) {
        (SyncMethod::Symlink, Some(_)) => OnServer::Returned,
        (SyncMethod::Symlink, None) => OnServer::Withdrawn,
        (SyncMethod::InPlace, _) => part.on_server.unwrap_or(OnServer::NotRun),
    }
}

/// The balancers of the plan, asked nothing yet: they may just be starting, too.
async fn rotation(run: &Run, plan: &Plan) -> Result<Rotation> {
    let own = plan
        .servers()
        .flat_map(|planned| planned.slots.iter().chain(&planned.by_hand));
    let own = own.map(|slot| slot.balancer);
    let ids: HashSet<BalancerId> = own.chain(plan.pools.iter().map(|pool| pool.balancer)).collect();
    let ids: Vec<BalancerId> = ids.into_iter().collect();
    let service = OutOfService::at(run.parts(), &ids).await?;
    let places = plan
        .servers()
        .map(|planned| (planned.server, planned.slots.clone()))
        .collect();
    Ok(Rotation::new(run, service.balancers().clone(), places))
}

/// What was seen on one server.
struct Look {
    reached: Reached,
    /// The directory of the release that it ran before the deployment.
    before_dir: Option<String>,
}

async fn look(run: &Run, member: &TargetServer, past: &PastServer) -> StepResult<Look> {
    let is_touched = past.is_touched && past.fate != Fate::Deployed;
    if past.fate == Fate::Waiting && !crate::sabotage::on("t10") {
        clear(run, member).await?;
    }
    let reached = check::look_again(run, member).await?;
    let before_dir = match past.before.as_deref().map(str::parse::<CommitId>) {
        Some(Ok(before)) if is_touched && run.project.method == SyncMethod::Symlink => {
            let limits = transfer::limits(run);
            let looked = sync::look(&reached.session, &reached.layout, &limits).await?;
            looked.holding(&before)
        }
        _ if is_touched => None,
        _ => reached.found.resolved.clone(),
    };
    Ok(Look { reached, before_dir })
}

/// Ends what the deployment still runs on a server, and removes what it left unfinished there.
async fn clear(run: &Run, member: &TargetServer) -> StepResult<()> {
    let endpoint = reach::endpoint(&run.parts().store, &member.server, &run.environment).await?;
    let session = run.parts().ssh.session(&endpoint).await?;
    let layout = Layout::new(&run.project, &run.environment)?;
    let (id, scripts) = (run.deployment.id, script::on_servers());
    let cleared = sync::clear_leftovers(&session, &layout, id, &scripts, &transfer::limits(run)).await?;
    match cleared.running.as_slice() {
        [] => Ok(()),
        running => Err(Failure::new(format!(
            "process {} of this deployment still runs there and cannot be ended.",
            running.join(", ")
        ))),
    }
}

/// How a server differs from what the rollout left on it; completes a sentence that begins with its name.
fn difference(run: &Run, planned: &Planned, past: &PastServer, found: &Inspection) -> Option<String> {
    let runs = found.release.as_ref().map(|release| release.commit.as_str());
    let is_whole = crate::sabotage::on("t3") || found.release.as_ref().is_none_or(|release| !release.in_progress);
    let ours = run.deployment.commit.as_str();
    let expected = match past.fate {
        Fate::Deployed => Some(ours),
        Fate::Waiting if !past.is_touched => past.before.as_deref(),
        // What is on one that failed is worked out when it is tried again.
        Fate::Waiting | Fate::AtWork | Fate::Failed => return None,
    };
    let number = found.resolved.as_deref().and_then(|dir| dir.rsplit('_').next());
    let is_own_release = crate::sabotage::on("t2") || run.project.method != SyncMethod::Symlink
        || run.deployment.kind == Kind::Rollback
        || number == Some(run.deployment.id.to_string().as_str());
    if runs == expected && (is_whole || planned.left_out) && (past.fate != Fate::Deployed || is_own_release) {
        return None;
    }
    let short = |commit: Option<&str>| match commit {
        Some(commit) => commit.get(..8).unwrap_or(commit).to_owned(),
        None => "nothing".to_owned(),
    };
    let state = if is_whole {
        "runs"
    } else {
        "has an unfinished release of"
    };
    Some(match (past.fate, runs == expected) {
        (Fate::Deployed, true) if is_whole => format!(
            "runs another release of {} than the one that was deployed to it.",
            short(runs)
        ),
        (_, true) => format!("{state} {}.", short(runs)),
        (_, false) => format!(
            "{state} {} and ran {} when the rollout was paused.",
            short(runs),
            short(expected)
        ),
    })
}
