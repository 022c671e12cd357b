//! Drift: whether servers run what they should.
//!
//! [`look`] asks each server for its marker with one cheap command and stores the answer ([`observations`])
//! for every page that shows servers. [`report`] finds drift in them: several commits in one environment, a
//! release that we did not deploy, files left half changed. Servers that are new, inactive, being deployed to
//! or out of reach do not count.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::stream::{self, StreamExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::App;
use super::places::{Known, Place, PlaceServer};
use crate::domain::standing::{HALF_CHANGED, Help};
use crate::domain::{
    Environment, Error, Instant, Observation, Project, Result, Server, SyncMethod, short_hash,
};
use crate::engine::reach;
use crate::store::jobs::{Applicant, Job};
use crate::store::{again, environments, leftovers, observations, projects};
use crate::sync::{self, Layout, Limits, Looked};

/// How long one server may take; the next round asks again.
const PATIENCE: Duration = Duration::from_secs(20);
/// Servers asked at once; deployments need the connections more.
const AT_ONCE: usize = 8;

/// What is wrong in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    pub project: String,
    pub environment: String,
    pub sentences: Vec<String>,
}

/// Asks all servers again and again until `stop`.
pub async fn watch(app: App, stop: CancellationToken) {
    if !app.config.drift.watch {
        return;
    }
    let every = app.config.drift.every;
    // Longer than a round, so that the holder keeps the job.
    let mut applicant = Applicant::new(Job::Drift, app.engine.instance(), every * 2);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(every) => {}
        }
        tokio::select! {
            () = stop.cancelled() => break,
            looked = look_if_mine(&app, &mut applicant) => if let Err(error) = looked {
                tracing::warn!(error = &error as &dyn std::error::Error, "servers could not be asked what they run");
            },
        }
    }
    applicant.resign(&app.store).await;
}

/// Runs a round if this instance holds the job.
async fn look_if_mine(app: &App, applicant: &mut Applicant) -> Result<()> {
    match applicant.lease(&app.store, app.now()).await? {
        Some(_) => look(app).await,
        None => Ok(()),
    }
}

/// Asks every active server of every watched environment once, and stores the answers.
///
/// # Errors
/// Of the store. A server that does not answer is stored as such.
pub async fn look(app: &App) -> Result<()> {
    let mut known = Known::of_all(app).await?;
    let projects = projects::list(&app.store).await?;
    let mut questions = Vec::new();
    for environment in environments::all(&app.store).await? {
        let Some(project) = projects.iter().find(|one| one.id == environment.project_id) else {
            continue;
        };
        if !environment.options.watch_drift {
            continue;
        }
        let place = known.place(environment);
        // While a deployment runs there, its servers are between two releases.
        if place.is_at_work() {
            continue;
        }
        for one in place.servers.into_iter().filter(|one| one.server.active) {
            questions.push((project.clone(), place.environment.clone(), one.server));
        }
    }
    let asked =
        questions
            .into_iter()
            .map(|(project, environment, server)| async move {
                observe(app, &project, &environment, &server).await
            });
    let seen: Vec<(Observation, Option<Looked>)> =
        stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
    again(|| async {
        let record = app.store.record().await?;
        for (one, looked) in &seen {
            observations::put(&record, one).await?;
            if let Some(looked) = looked {
                let (environment, server) = (one.environment_id, one.server_id);
                leftovers::put_seen(&record, environment, server, &looked.remains).await?;
                leftovers::put_held(&record, environment, server, &looked.held()).await?;
            }
        }
        record.commit().await
    })
    .await
}

/// What the server reports, and what is among the releases on it if they could be listed.
async fn observe(
    app: &App,
    project: &Project,
    environment: &Environment,
    server: &Server,
) -> (Observation, Option<Looked>) {
    let asked = timeout(PATIENCE, ask(app, project, environment, server)).await;
    let answer = asked.unwrap_or_else(|_| {
        Err(Error::unavailable(format!(
            "It did not answer within {} s.",
            PATIENCE.as_secs()
        )))
    });
    let (looked, trouble) = match answer {
        Ok(looked) => (looked, String::new()),
        Err(error) => (Looked::default(), error.message().to_owned()),
    };
    let has_releases = project.method == SyncMethod::Symlink && trouble.is_empty();
    let observation = Observation {
        environment_id: environment.id,
        server_id: server.id,
        at: app.now(),
        release: looked.release.clone(),
        trouble,
    };
    (observation, has_releases.then_some(looked))
}

async fn ask(app: &App, project: &Project, environment: &Environment, server: &Server) -> Result<Looked> {
    let endpoint = reach::endpoint(&app.store, server, environment).await?;
    let layout = Layout::new(project, environment)?;
    let session = app.ssh.session(&endpoint).await?;
    Ok(sync::look(&session, &layout, &Limits::within(PATIENCE)).await?)
}

/// The environments that drift now.
pub async fn report(app: &App) -> Result<Vec<Drift>> {
    let mut known = Known::of_all(app).await?;
    let projects = projects::list(&app.store).await?;
    let mut report = Vec::new();
    for environment in environments::all(&app.store).await? {
        let Some(project) = projects.iter().find(|one| one.id == environment.project_id) else {
            continue;
        };
        let place = known.place(environment);
        let sentences = sentences(app, &place);
        if !sentences.is_empty() {
            report.push(Drift {
                project: project.name.to_string(),
                environment: place.environment.name.to_string(),
                sentences,
            });
        }
    }
    Ok(report)
}

fn sentences(app: &App, place: &Place) -> Vec<String> {
    if place.is_at_work() {
        return Vec::new();
    }
    let active = place.servers.iter().filter(|one| one.server.active);
    let half = active.filter(|one| one.is_half_changed());
    let half = half.map(|one| {
        format!(
            "{}: {HALF_CHANGED} {}",
            one.server.name,
            Help::DeployAgain.sentence()
        )
    });
    let half: Vec<String> = half.collect();
    if !place.environment.options.watch_drift {
        return half;
    }
    let settled = TimeDelta::from_std(app.config.drift.settled).unwrap_or_default();
    let (now, mut sentences) = (app.now(), Vec::new());
    let mut commits: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for one in place.servers.iter().filter(|one| one.server.active) {
        let Some((commit, since)) = one.runs() else {
            continue;
        };
        if !is_settled(since, settled, now) {
            continue;
        }
        commits.entry(commit).or_default().push(one.server.name.as_str());
        sentences.extend(strange(one));
    }
    sentences.extend(half);
    if commits.len() > 1 {
        let parts: Vec<String> = commits
            .iter()
            .map(|(commit, servers)| format!("{} on {}", short_hash(commit), servers.join(", ")))
            .collect();
        sentences.insert(
            0,
            format!("Its servers run different commits: {}.", parts.join("; ")),
        );
    }
    sentences
}

/// Whether a release that came into use at `since` has been there for `settled`. The time may come
/// from a file on a server; a time in the future is wrong, so it does not count as recent.
fn is_settled(since: Instant, settled: TimeDelta, now: Instant) -> bool {
    since > now || now.signed_duration_since(since) >= settled
}

/// What is wrong on one server, if anything.
fn strange(one: &PlaceServer) -> Option<String> {
    let differs = one.differs().filter(|_| !one.is_half_changed())?;
    Some(format!("{}: {differs}", one.server.name))
}
