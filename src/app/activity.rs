//! What goes on now: what runs, what waits and for what, what failed lately.

use std::collections::HashMap;

use chrono::TimeDelta;

use super::App;
use super::deployments::resource;
use super::history::{self, Filter, Visible};
use crate::domain::deployment::ServerState;
use crate::domain::{Action, Actor, Deployment, DeploymentId, DeploymentState, Instant, Result};
use crate::store::{Page, deployments, queue};

/// Failures shown: more than anybody mends in a day.
const FAILURES: u64 = 20;
/// What failed before this is history, not news.
const LATELY: TimeDelta = TimeDelta::days(7);
/// Deployments shown that ended well, to see that something moves.
const ENDED: usize = 10;
/// The newest deployments looked at to find those: most of them ended well.
const LATEST: u64 = 40;

/// What goes on, as far as somebody may see it.
#[derive(Debug, Clone)]
pub struct Activity {
    /// What runs or waits for a person, oldest first.
    pub running: Vec<Running>,
    /// What waits, in the order in which it will begin; what waits for its time or for an approval
    /// comes last.
    pub waiting: Vec<Waiting>,
    /// What failed in the last days, newest first.
    pub failed: Vec<Deployment>,
    /// What ended otherwise in the last days, newest first.
    pub ended: Vec<Deployment>,
    /// When this was read.
    pub at: Instant,
}

/// A deployment that runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// Itself.
    pub deployment: Deployment,
    /// Servers that are through.
    pub done: usize,
    /// All of its servers that are not left alone.
    pub total: usize,
}

/// A deployment that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Itself.
    pub deployment: Deployment,
    /// Place in the queue, from 1; `None` while it waits for its time or for an approval.
    pub position: Option<usize>,
    /// What has to end first; empty when only a worker is missing.
    pub behind: Vec<Obstacle>,
}

/// Where a deployment stands in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its place, from 1.
    pub position: usize,
    /// What has to end first; empty when only a worker is missing.
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

/// What goes on, for somebody.
///
/// # Errors
/// Forbidden, when `actor` may see nothing at all.
pub async fn now(app: &App, actor: &Actor) -> Result<Activity> {
    let visible = history::visible(app, actor).await?;
    let open = deployments::active(&app.store).await?;
    let order = queue::waiting(&app.store).await?;
    let at = app.now();
    let since = Filter {
        from: Some(at - LATELY),
        ..Filter::default()
    };
    let failures = Filter {
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
        failed: failed.items,
        ended: latest.items.into_iter().filter(ended).take(ENDED).collect(),
        at,
    })
}

/// Where a deployment stands in the queue, as far as somebody may know; `None` when it is not in it.
///
/// # Errors
/// Of the store.
pub async fn turn(app: &App, actor: &Actor, id: DeploymentId) -> Result<Option<Turn>> {
    let order = queue::waiting(&app.store).await?;
    let Some((position, (_, others))) = (1..).zip(&order).find(|(_, (one, _))| *one == id) else {
        return Ok(None);
    };
    let mut behind = Vec::new();
    for &id in others {
        let other = deployments::by_id(&app.store, id).await?;
        let seen = app.may(actor, Action::View, &resource(&other));
        behind.push(Obstacle {
            id,
            place: seen.then_some((other.project, other.environment)),
        });
    }
    Ok(Some(Turn { position, behind }))
}

fn is_at_work(deployment: &Deployment) -> bool {
    matches!(
        deployment.state,
        DeploymentState::Running | DeploymentState::Paused
    )
}

async fn running(app: &App, visible: &Visible, open: &[Deployment]) -> Result<Vec<Running>> {
    let mut running = Vec::new();
    for deployment in open.iter().filter(|one| is_at_work(one) && visible.shows(one)) {
        let servers = deployments::servers(&app.store, deployment.id).await?;
        let count = |state| servers.iter().filter(|part| part.state == state).count();
        running.push(Running {
            done: count(ServerState::Succeeded),
            total: servers.len() - count(ServerState::Skipped),
            deployment: deployment.clone(),
        });
    }
    Ok(running)
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
