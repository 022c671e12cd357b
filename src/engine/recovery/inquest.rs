//! Finds out what is on the servers of a deployment that nobody carries on, and puts their balancers
//! right: a server that is whole goes back into service, any other one stays out.
//!
//! All servers are visited at once, each within a limit, so that one that is gone keeps nobody
//! waiting. A server that cannot be asked is left at its balancer as it is.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::time::{Instant, timeout_at};

use super::back::{self, Placed};
use super::truth::{Case, Found, What};
use crate::domain::deployment::{ServerPart, ServerState, Service};
use crate::domain::{Deployment, Environment, Plan, Project, Result, ServerId, Step, StepKind};
use crate::engine::Inner;
use crate::engine::steps::script;
use crate::ssh::Endpoint;
use crate::store::{Lease, deployments, environments, projects, servers, steps};
use crate::sync::{self, Layout, Limits};

/// For the questions to one server: connecting, waiting for the end of what still runs there (its
/// guard grants it five seconds), looking, clearing away.
const ASK_LIMIT: Duration = Duration::from_secs(14);
/// For everything: what is not known by then is closed as not known, so that a deployment is closed
/// within half a minute of the start.
const LIMIT: Duration = Duration::from_secs(24);

/// What is written of a server in the end.
pub(super) struct Verdict {
    pub state: ServerState,
    pub detail: String,
    /// `None`: as it was.
    pub service: Option<Service>,
}

/// What an inquest goes by.
pub(super) struct Files {
    pub deployment: Deployment,
    pub project: Option<Project>,
    pub environment: Option<Environment>,
    pub plan: Option<Plan>,
    pub parts: Vec<ServerPart>,
    pub journal: Vec<Step>,
    /// Servers that an earlier deployment left out of service, and this one has not touched.
    left_out: HashSet<ServerId>,
}

impl Files {
    pub async fn read(engine: &Inner, deployment: &Deployment) -> Result<Self> {
        let store = &engine.parts.store;
        let id = deployment.id;
        // What was deleted meanwhile is missing, and the rest is said without it.
        let project = match deployment.project_id {
            Some(id) => projects::by_id(store, id).await.ok(),
            None => None,
        };
        let environment = match deployment.environment_id {
            Some(id) => environments::by_id(store, id).await.ok(),
            None => None,
        };
        let parts = deployments::servers(store, id).await?;
        let untouched = parts.iter().filter(|part| part.service == Service::Untouched);
        let untouched: Vec<ServerId> = untouched.filter_map(|part| part.server_id).collect();
        let left_out = match deployment.environment_id {
            Some(id) => deployments::left_out_in(store, id, &untouched).await?,
            None => HashMap::new(),
        };
        Ok(Self {
            deployment: deployment.clone(),
            project,
            environment,
            plan: deployments::plan(store, id).await?,
            parts,
            journal: steps::list(store, id).await?,
            left_out: left_out.into_keys().collect(),
        })
    }

    /// What is to be said of a server that no balancer sends anything to since before this deployment.
    pub fn service_words(&self, part: &ServerPart) -> &'static str {
        match part.server_id.is_some_and(|id| self.left_out.contains(&id)) {
            true => " It is out of service, as an earlier deployment left it.",
            false => "",
        }
    }

    pub fn case<'a>(&'a self, part: &'a ServerPart) -> Case<'a> {
        let own = self
            .journal
            .iter()
            .filter(|step| step.server_id == part.server_id);
        Case {
            deployment: self.deployment.id,
            commit: &self.deployment.commit,
            method: self.project.as_ref().map(|project| project.method),
            part,
            steps: own.collect(),
        }
    }
}

/// Whether the deployment may have left a server otherwise than it was.
fn concerns(case: &Case<'_>) -> bool {
    let moved = matches!(
        case.part.service,
        Service::TakingOut | Service::Out | Service::PuttingBack
    );
    moved || case.part.state == ServerState::Running || case.began(StepKind::Sync) && !case.is_over()
}

/// Visits every server concerned; one verdict for each of those, by its position.
pub(super) async fn hold(engine: &Inner, lease: Lease, files: &Files) -> Vec<(i32, Verdict)> {
    let end = Instant::now() + LIMIT;
    // Boxed, as the compiler cannot see that the bare futures may move between threads.
    let mut visits: Vec<BoxFuture<'_, (i32, Verdict)>> = Vec::new();
    for part in &files.parts {
        let case = files.case(part);
        if concerns(&case) {
            visits.push(Box::pin(async move {
                (case.part.position, visit(engine, lease, files, &case, end).await)
            }));
        }
    }
    join_all(visits).await
}

async fn visit(engine: &Inner, lease: Lease, files: &Files, case: &Case<'_>, end: Instant) -> Verdict {
    let limit = end.min(Instant::now() + ASK_LIMIT);
    let found = match timeout_at(limit, ask(engine, files, case)).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(why)) => Asked::silent(why),
        Err(_) => Asked::silent("it did not answer in time.".to_owned()),
    };
    let what = case.judge(&found.what);
    let mut words = format!(
        "{}{}",
        case.words(what, &found.what),
        files.service_words(case.part)
    );
    if let Some(note) = found.note {
        words = format!("{words} {note}");
    }
    let placed = back::place(engine, lease, files.plan.as_ref(), case, what, end).await;
    verdict(case, what, words, placed)
}

fn verdict(case: &Case<'_>, what: What, words: String, placed: Placed) -> Verdict {
    let mut state = match case.part.state {
        ServerState::Waiting => ServerState::Skipped,
        ServerState::Running if what == What::New => ServerState::Succeeded,
        ServerState::Running => ServerState::Interrupted,
        ended => ended,
    };
    if !placed.well && state == ServerState::Succeeded {
        state = ServerState::Interrupted;
    }
    // What was said of a server that had ended before stays, as it knows more.
    let words = match case.is_over() {
        true => case.part.detail.clone(),
        false => words,
    };
    Verdict {
        state,
        detail: format!("{words} {}", placed.words).trim().to_owned(),
        service: placed.service,
    }
}

/// An answer, and what else is to be said.
struct Asked {
    what: Found,
    note: Option<String>,
}

impl Asked {
    fn silent(why: String) -> Self {
        Self {
            what: Found::Silent(why),
            note: None,
        }
    }
}

/// Waits for what still runs on a server, clears away what was left and looks.
///
/// # Errors
/// Why it could not be asked, as a sentence.
async fn ask(engine: &Inner, files: &Files, case: &Case<'_>) -> std::result::Result<Asked, String> {
    let (Some(project), Some(environment)) = (&files.project, &files.environment) else {
        return Err("its environment was deleted meanwhile.".to_owned());
    };
    let id: ServerId = case.part.server_id.ok_or("the server was deleted meanwhile.")?;
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let server = servers::by_id(&engine.parts.store, id)
        .await
        .map_err(|error| said(&error))?;
    let endpoint = Endpoint::of(&server, &environment.remote_user);
    let session = engine
        .parts
        .ssh
        .session(&endpoint)
        .await
        .map_err(|error| said(&error))?;
    let layout = Layout::new(project, environment).map_err(|error| said(&error))?;
    let limits = Limits {
        question: ASK_LIMIT,
        ..Limits::default()
    };
    let id = case.deployment;
    let scripts = [script::DEPLOY, script::REMOTE_TESTS].map(|script| format!("./{script}"));
    let cleared = sync::clear_leftovers(&session, &layout, id, &scripts, &limits)
        .await
        .map_err(|error| said(&error))?;
    if !cleared.running.is_empty() {
        return Err(format!(
            "process {} of this deployment still runs there and cannot be ended.",
            cleared.running.join(", ")
        ));
    }
    let note = match cleared.left.as_slice() {
        [] => None,
        left => Some(format!(
            "Left behind there: {}. Remove it by hand.",
            left.join(", ")
        )),
    };
    let looked = sync::look(&session, &layout, &limits)
        .await
        .map_err(|error| said(&error))?;
    Ok(Asked {
        what: Found::Seen(Box::new(looked)),
        note,
    })
}
