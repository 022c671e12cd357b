//! Activity: what runs, what waits and for what, what failed recently.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;

use super::App;
use super::history::{self, Visible};
use super::naming;
use super::places::OpenDeployment;
use crate::domain::{
    Actor, Deployment, DeploymentId, DeploymentState, Instant, Result, ServerId, ServerState,
};
use crate::store::{Page, PastFilter, deployments, queue};

/// Failures shown: more than anybody fixes in a day.
const FAILURES: u64 = 20;
/// What failed earlier is history, not news.
const LATELY: TimeDelta = TimeDelta::days(7);
/// Finished deployments shown.
const ENDED: usize = 10;
/// How many of the newest deployments are searched for the finished ones: most of them did not fail.
const LATEST: u64 = 40;

/// The activity that a user may see.
#[derive(Debug, Clone)]
pub struct Activity {
    /// Running or paused, oldest first.
    pub running: Vec<OpenDeployment>,
    /// Waiting, in the order in which they will begin; those scheduled or awaiting approval come last.
    pub waiting: Vec<Waiting>,
    /// Failed in the last days, newest first.
    pub failed: Vec<Deployment>,
    /// Finished otherwise in the last days, newest first.
    pub ended: Vec<Deployment>,
    /// When this was read.
    pub at: Instant,
}

/// A waiting deployment.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub deployment: Deployment,
    /// Position in the queue, from 1; `None` while it is scheduled or awaits approval.
    pub position: Option<usize>,
    /// What has to end first; empty when it only waits for a worker.
    pub behind: Vec<Obstacle>,
}

/// The position of a deployment in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// From 1.
    pub position: usize,
    /// What has to end first; empty when it only waits for a worker.
    pub behind: Vec<Obstacle>,
}

/// What another deployment waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// Its number.
    pub id: DeploymentId,
    /// Its project and environment, where the reader may see them.
    pub place: Option<(String, String)>,
}

/// The present activity.
///
/// # Errors
/// Forbidden, when `actor` may see nothing at all.
pub async fn now(app: &App, actor: &Actor) -> Result<Activity> {
    let visible = history::visible(app, actor).await?;
    let open = deployments::active(&app.store).await?;
    let order = queue::waiting(&app.store).await?;
    let at = app.now();
    let since = PastFilter {
        from: Some(at - LATELY),
        ..PastFilter::default()
    };
    let failures = PastFilter {
        states: vec![DeploymentState::Failed, DeploymentState::Interrupted],
        ..since.clone()
    };
    let failed = history::within(app, &visible, &failures, Page::Newest, FAILURES).await?;
    let latest = history::within(app, &visible, &since, Page::Newest, LATEST).await?;
    let failed_so = |state| failures.states.contains(&state);
    let ended = |one: &Deployment| one.state.is_final() && !failed_so(one.state);
    Ok(Activity {
        running: running(app, &visible, &open).await?,
        waiting: waiting(&visible, &open, &order),
        failed: failed.page.items,
        ended: latest.page.items.into_iter().filter(ended).take(ENDED).collect(),
        at,
    })
}

/// The position of a deployment in the queue, with what `actor` may know of those before it; `None`
/// when it is not queued.
pub async fn turn(app: &App, actor: &Actor, id: DeploymentId) -> Result<Option<Turn>> {
    let order = queue::waiting(&app.store).await?;
    let Some((position, (_, others))) = (1..).zip(&order).find(|(_, (one, _))| *one == id) else {
        return Ok(None);
    };
    let mut behind = Vec::new();
    for &id in others {
        let other = deployments::by_id(&app.store, id).await?;
        behind.push(obstacle(app, actor, other).await);
    }
    Ok(Some(Turn { position, behind }))
}

/// The deployments that a new one to `servers` has to wait for, oldest first, each with its state: those that
/// are at work on one of them and, unless it is a rollback, which goes before them, those in the queue.
///
/// # Errors
/// Of the store.
pub async fn ahead(
    app: &App,
    actor: &Actor,
    servers: &HashSet<ServerId>,
    is_rollback: bool,
) -> Result<Vec<(Obstacle, DeploymentState)>> {
    let mut found = Vec::new();
    for open in deployments::active(&app.store).await? {
        let is_queued = open.state == DeploymentState::Queued;
        if !open.state.is_at_work() && (is_rollback || !is_queued) {
            continue;
        }
        let parts = deployments::servers(&app.store, open.id).await?;
        let reserved = parts.iter().filter(|part| part.state != ServerState::Skipped);
        if reserved
            .filter_map(|part| part.server_id)
            .any(|id| servers.contains(&id))
        {
            let state = open.state;
            found.push((obstacle(app, actor, open).await, state));
        }
    }
    found.sort_by_key(|(obstacle, _)| obstacle.id);
    Ok(found)
}

async fn running(app: &App, visible: &Visible, open: &[Deployment]) -> Result<Vec<OpenDeployment>> {
    let shown = |one: &&Deployment| one.state.is_at_work() && visible.shows(one);
    OpenDeployment::with_progress(app, open.iter().filter(shown).cloned().collect()).await
}

fn waiting(
    visible: &Visible,
    open: &[Deployment],
    order: &[(DeploymentId, Vec<DeploymentId>)],
) -> Vec<Waiting> {
    let known: HashMap<DeploymentId, &Deployment> = open.iter().map(|one| (one.id, one)).collect();
    let obstacle = |&id: &DeploymentId| {
        let seen = known.get(&id).filter(|one| visible.shows(one));
        Obstacle {
            id,
            place: seen.map(|one| (one.project.clone(), one.environment.clone())),
        }
    };
    let queued = order.iter().zip(1..).filter_map(|((id, behind), position)| {
        let deployment = known.get(id).filter(|one| visible.shows(one))?;
        Some(Waiting {
            deployment: (*deployment).clone(),
            position: Some(position),
            behind: behind.iter().map(obstacle).collect(),
        })
    });
    let is_later = |one: &&Deployment| {
        matches!(one.state, DeploymentState::Scheduled | DeploymentState::Awaiting) && visible.shows(one)
    };
    let later = open.iter().filter(is_later).map(|deployment| Waiting {
        deployment: deployment.clone(),
        position: None,
        behind: Vec::new(),
    });
    queued.chain(later).collect()
}

async fn obstacle(app: &App, actor: &Actor, other: Deployment) -> Obstacle {
    let seen = naming::may_be_seen(app, actor, &other).await;
    Obstacle {
        id: other.id,
        place: seen.then_some((other.project, other.environment)),
    }
}
