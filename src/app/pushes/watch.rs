//! The job of handling pushes: one instance has it, and works on several projects at once, on each with one
//! round at a time.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::Instant as Moment;
use tokio_util::sync::CancellationToken;

use super::automatic::beginning;
use super::round::{ToDo, finish, handle};
use crate::app::App;
use crate::domain::{EnvironmentId, Error, Project, ProjectId, PushState, ReceivedPush, Result};
use crate::store::jobs::{Applicant, Job};
use crate::store::{again, auto_progress, environments, polling, projects, pushes};

/// How often the store is asked what is to be done; a push that comes to this instance is seen at once.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long after the end of an instance another one takes this job over.
const LEASE: Duration = Duration::from_secs(20);
/// Between the beginnings of two rounds of a project: pushes that come in one go are fetched in one go.
const GATHERING: Duration = Duration::from_secs(2);
/// Projects that are worked on at once; deployments need the connections more.
const AT_ONCE: usize = 4;
/// The pause after a fetch that failed; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Fetches that fail before pushes are given up.
const TRIES: u32 = 7;

/// How many fetches this instance has begun because of pushes and polling.
pub fn fetched_so_far(app: &App) -> u64 {
    app.arrivals.fetches()
}

/// Handles pushes until `stop`.
pub async fn watch(app: App, stop: CancellationToken) {
    let mut applicant = Applicant::new(Job::Pushes, app.engine.instance(), LEASE);
    let mut rounds = Rounds::default();
    loop {
        let looked = look_if_mine(&app, &mut applicant, &mut rounds);
        tokio::select! {
            () = stop.cancelled() => break,
            looked = looked => if let Err(error) = looked {
                tracing::warn!(error = &error as &dyn std::error::Error, "pushes could not be handled");
            },
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = app.arrivals.ringing() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            Some(ended) = rounds.tasks.join_next() => match ended {
                Ok(ended) => rounds.end(&app, ended).await,
                Err(error) => tracing::error!(%error, "a round of pushes ended badly"),
            },
        }
    }
    applicant.resign(&app.store).await;
}

/// A round that has ended.
struct Ended {
    project: ProjectId,
    pushes: Vec<ReceivedPush>,
    result: Result<()>,
}

/// What this instance works on.
#[derive(Default)]
struct Rounds {
    tasks: JoinSet<Ended>,
    at_work: HashSet<ProjectId>,
    /// Before which moment no round begins, and how many have failed in a row.
    pauses: HashMap<ProjectId, (Moment, u32)>,
}

async fn look_if_mine(app: &App, applicant: &mut Applicant, rounds: &mut Rounds) -> Result<()> {
    match applicant.lease(&app.store, app.now()).await? {
        Some(_) => look(app, rounds).await,
        None => Ok(()),
    }
}

async fn look(app: &App, rounds: &mut Rounds) -> Result<()> {
    begin_and_end(app).await?;
    for (project, to_do) in to_do(app, &rounds.busy()).await? {
        rounds.begin(app, project, to_do);
    }
    Ok(())
}

/// What is to be done now, by project. The pushes of those that are `busy` come later.
async fn to_do(app: &App, busy: &[ProjectId]) -> Result<HashMap<ProjectId, ToDo>> {
    let (store, now) = (&app.store, app.now());
    let mut all: HashMap<ProjectId, ToDo> = HashMap::new();
    for push in pushes::received(store, busy).await? {
        all.entry(push.project).or_default().pushes.push(push);
    }
    for polling in polling::due(store, now).await? {
        let to_do = all.entry(polling.project).or_default();
        to_do.polling = Some(polling);
    }
    for waiting in auto_progress::due(store, now).await? {
        let environment = environments::by_id(store, waiting.environment).await?;
        let to_do = all.entry(environment.project_id).or_default();
        to_do.waiting.push(environment.id);
    }
    Ok(all)
}

/// Notes what the branches have of environments that begin to deploy pushes, and forgets it of those that do not
/// any more.
async fn begin_and_end(app: &App) -> Result<()> {
    let known = auto_progress::all(&app.store).await?;
    let mut automatic = HashSet::new();
    for environment in environments::all(&app.store).await? {
        if !environment.auto_deploy {
            continue;
        }
        automatic.insert(environment.id);
        if known.iter().any(|one| one.environment == environment.id) {
            continue;
        }
        let project: Project = projects::by_id(&app.store, environment.project_id).await?;
        let Some(progress) = beginning(app, &project, &environment).await else {
            continue;
        };
        again(|| async {
            let record = app.store.record().await?;
            auto_progress::put(&record, &progress).await?;
            record.commit().await
        })
        .await?;
    }
    for one in known.iter().filter(|one| !automatic.contains(&one.environment)) {
        forget(app, one.environment).await?;
    }
    Ok(())
}

async fn forget(app: &App, environment: EnvironmentId) -> Result<()> {
    let record = app.store.record().await?;
    auto_progress::delete(&record, environment).await?;
    record.commit().await
}

impl Rounds {
    /// The projects of which no round begins now.
    fn busy(&self) -> Vec<ProjectId> {
        let now = Moment::now();
        let resting = self.pauses.iter().filter(|(_, (until, _))| now < *until);
        let resting = resting.map(|(project, _)| *project);
        resting.chain(self.at_work.iter().copied()).collect()
    }

    fn begin(&mut self, app: &App, project: ProjectId, to_do: ToDo) {
        let now = Moment::now();
        let rests = self.pauses.get(&project).is_some_and(|(until, _)| now < *until);
        if rests || self.at_work.len() >= AT_ONCE || !self.at_work.insert(project) {
            return;
        }
        let failures = self.pauses.get(&project).map_or(0, |(_, failures)| *failures);
        self.pauses.insert(project, (now + GATHERING, failures));
        let app = app.clone();
        self.tasks.spawn(async move {
            let round = AssertUnwindSafe(Box::pin(handle(&app, project, &to_do)));
            let result = round.catch_unwind().await;
            let result = result.unwrap_or_else(|_| Err(Error::internal("a round of pushes panicked")));
            let pushes = to_do.pushes;
            Ended {
                project,
                pushes,
                result,
            }
        });
    }

    async fn end(&mut self, app: &App, ended: Ended) {
        let Ended {
            project,
            pushes,
            result,
        } = ended;
        self.at_work.remove(&project);
        let Err(error) = result else {
            if let Some((_, failures)) = self.pauses.get_mut(&project) {
                *failures = 0;
            }
            return;
        };
        let failures = self.pauses.get(&project).map_or(1, |(_, failures)| failures + 1);
        let gives_up = failures >= TRIES;
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(failures - 1);
        let failures = if gives_up { 0 } else { failures };
        self.pauses.insert(project, (Moment::now() + pause, failures));
        if let Err(error) = note_failure(app, &pushes, &error, gives_up).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a failed fetch could not be noted"
            );
        }
    }
}

/// Notes at its pushes that a repository could not be fetched.
async fn note_failure(app: &App, pushes: &[ReceivedPush], error: &Error, gives_up: bool) -> Result<()> {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "a push could not be handled"
    );
    let (state, what) = match gives_up {
        true => (PushState::Handled, "Not fetched"),
        false => (PushState::Received, "Not fetched yet"),
    };
    finish(app, pushes, |push| ReceivedPush {
        state,
        outcome: format!("{what}: {}", error.message()),
        ..push.clone()
    })
    .await
}
