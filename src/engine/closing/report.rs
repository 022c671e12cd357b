//! Finds out what is on the servers of an abandoned deployment, and corrects their balancers: a server
//! with a complete release goes back into service, any other stays out.
//!
//! All servers are visited at the same time, each within a limit, so that one that is gone delays no
//! other. The balancers of a server that does not answer are left as they are.

use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::time::{Instant, sleep, timeout_at};

use super::finding::Reply;
use super::history::{History, ServerHistory};
use super::proof::ServerProof;
use super::service::{self, Placed};
use super::torn;
use crate::domain::deployment::{ServerPart, ServerState, Service};
use crate::domain::standing::Trial;
use crate::domain::{CommitId, OnServer, Server};
use crate::engine::ending::Failure;
use crate::engine::reach;
use crate::engine::shared::Shared;
use crate::engine::steps::remote_script::WorkingDir;
use crate::engine::steps::visit::ClearAway;
use crate::engine::words;
use crate::ssh::Session;
use crate::store::{Lease, servers};
use crate::sync::{self, Layout, Limits};

/// For all questions to one server: connecting, waiting until what still runs there has ended (its
/// guard grants five seconds), cleaning up, looking.
const ASK_LIMIT: Duration = Duration::from_secs(14);
/// How long a server that refuses the connection is asked again.
const PATIENCE: Duration = Duration::from_secs(6);
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How the cause begins of a server that did not answer.
pub const SILENT: &str = "The server could not be asked:";
/// For everything. What is unknown by then is stored as unknown, so that a deployment is closed within
/// half a minute of the start.
const LIMIT: Duration = Duration::from_secs(24);

/// What is stored about a server when its deployment is closed.
pub(super) struct Report {
    pub state: ServerState,
    /// What is on it and why; `None`: as the deployment noted it itself.
    pub on: Option<(OnServer, String)>,
    /// `None`: as it was.
    pub service: Option<Service>,
    /// What is left there; see [`deployments::set_remains`].
    pub remains: Option<Vec<String>>,
    /// The directory in use, where that has the files of the deployment.
    pub in_use: Option<String>,
}

/// Visits every server that the deployment may have changed; a report on each, by its position.
pub(super) async fn all(engine: &Shared, lease: Lease, history: &History) -> Vec<(i32, Report)> {
    let end = Instant::now() + LIMIT;
    // Boxed, as the compiler cannot see that the bare futures may move between threads.
    let mut visits: Vec<BoxFuture<'_, (i32, Report)>> = Vec::new();
    for part in &history.parts {
        let server = history.server(part);
        if server.may_be_changed() {
            visits.push(Box::pin(async move {
                (part.position, visit(engine, lease, history, &server, end).await)
            }));
        }
    }
    join_all(visits).await
}

async fn visit(
    engine: &Shared,
    lease: Lease,
    history: &History,
    server: &ServerHistory<'_>,
    end: Instant,
) -> Report {
    let asked = ask_patiently(engine, history, server, end).await;
    let (mut on, mut end, mut failed) = (server.judge(&asked.reply), end, String::new());
    if !on.is_old()
        && on != OnServer::New
        && let Some(proven) = prove(engine, lease, history, server, &asked).await
    {
        // Tests may take as long as they like; the balancers get their time after them.
        end = end.max(Instant::now() + ASK_LIMIT);
        on = match proven {
            Ok(()) => OnServer::New,
            Err((trial, failure)) => {
                failed = failure.message;
                OnServer::Failed(trial)
            }
        };
    }
    let silent = match &asked.reply {
        Reply::Silent(why) => Some(format!("{SILENT} {why}")),
        Reply::Seen(_) => None,
    };
    let is_silent = silent.is_some();
    let placed = service::place(engine, lease, history, server, (on, is_silent), end).await;
    let cause = words::joined([silent.as_deref().unwrap_or_default(), &failed, &placed.trouble]);
    let remains = match silent {
        // What was never begun left nothing.
        Some(_) if asked.remains.is_empty() => server.may_be_littered().then(Vec::new),
        _ => Some(asked.remains).filter(|remains| !remains.is_empty()),
    };
    let in_use = match &asked.reply {
        Reply::Seen(looked) if on.is_new() => looked.resolved.clone(),
        _ => None,
    };
    Report {
        remains,
        in_use,
        ..report(server, (on, is_silent), cause, &placed)
    }
}

/// Asks a server, and once more a moment later where it cannot be reached: it may be just starting, as the
/// deployer is.
async fn ask_patiently(
    engine: &Shared,
    history: &History,
    server: &ServerHistory<'_>,
    end: Instant,
) -> Asked {
    let now = Instant::now();
    let (limit, patience) = (end.min(now + ASK_LIMIT), end.min(now + PATIENCE));
    loop {
        let why = match timeout_at(limit, ask(engine, history, server)).await {
            Ok(Ok(asked)) => return asked,
            Ok(Err(why)) => why,
            Err(_) => return Asked::silent("it did not answer in time.".to_owned()),
        };
        if Instant::now() + ASK_AGAIN > patience {
            return Asked::silent(why);
        }
        sleep(ASK_AGAIN).await;
    }
}

/// What is on a server and whether it may serve with that, where it answers now.
pub(super) async fn look_again(
    engine: &Shared,
    history: &History,
    part: &ServerPart,
) -> Option<(OnServer, bool)> {
    let server = history.server(part);
    let asked = timeout_at(Instant::now() + ASK_LIMIT, ask(engine, history, &server)).await;
    match asked.ok()?.ok()?.reply {
        reply @ Reply::Seen(_) => {
            let on = server.judge(&reply);
            Some((on, server.may_serve(on)))
        }
        Reply::Silent(_) => None,
    }
}

fn report(
    server: &ServerHistory<'_>,
    (on, is_silent): (OnServer, bool),
    cause: String,
    placed: &Placed,
) -> Report {
    let mut state = match server.part.state {
        ServerState::Waiting => ServerState::Skipped,
        ServerState::Running if on == OnServer::New && server.may_serve(on) => ServerState::Succeeded,
        ServerState::Running if matches!(on, OnServer::Failed(_)) => ServerState::Failed,
        ServerState::Running => ServerState::Interrupted,
        ended => ended,
    };
    if (is_silent || !placed.trouble.is_empty()) && state == ServerState::Succeeded {
        state = ServerState::Interrupted;
    }
    Report {
        state,
        // A server that had ended before keeps its cause: the deployment itself knew more.
        on: (!server.is_final()).then_some((on, cause)),
        service: placed.service,
        remains: None,
        in_use: None,
    }
}

/// Runs what is left to prove that a server has the whole new release; `None` when it cannot be proven. A
/// deployment that somebody cancelled is not carried on.
async fn prove(
    engine: &Shared,
    lease: Lease,
    history: &History,
    server: &ServerHistory<'_>,
    asked: &Asked,
) -> Option<Result<(), (Trial, Failure)>> {
    let (Reply::Seen(looked), Some((session, row))) = (&asked.reply, &asked.reached) else {
        return None;
    };
    let left = server.left_to_prove(looked);
    let (dir, environment) = (looked.resolved.as_deref()?, history.environment.as_ref()?);
    if left.is_empty() || history.deployment.cancelled_by.is_some() {
        return None;
    }
    let previous = server.part.previous_commit.as_ref().map(CommitId::as_str);
    let proof = ServerProof {
        engine,
        lease,
        history,
        environment,
        server: row,
        there: WorkingDir {
            session,
            dir,
            previous,
        },
    };
    Some(proof.run(&left).await)
}

/// What a server replied.
struct Asked {
    reply: Reply,
    /// What is left there.
    remains: Vec<String>,
    /// The connection, where it replied.
    reached: Option<(Session, Server)>,
}

impl Asked {
    fn silent(why: String) -> Self {
        Self {
            reply: Reply::Silent(why),
            remains: Vec::new(),
            reached: None,
        }
    }
}

/// Waits until the deployment's programs on a server have ended, removes its leftovers and looks.
///
/// # Errors
/// Why it could not be asked, as a sentence.
async fn ask(engine: &Shared, history: &History, server: &ServerHistory<'_>) -> Result<Asked, String> {
    let (Some(project), Some(environment)) = (&history.project, &history.environment) else {
        return Err("its environment was deleted meanwhile.".to_owned());
    };
    let id = server.part.server_id.ok_or("the server was deleted meanwhile.")?;
    let sentence = |error: &dyn std::fmt::Display| error.to_string();
    let row = servers::by_id(&engine.parts.store, id)
        .await
        .map_err(|error| sentence(&error))?;
    let endpoint = reach::endpoint(&engine.parts.store, &row, environment)
        .await
        .map_err(|error| sentence(&error))?;
    let session = engine
        .parts
        .ssh
        .session(&endpoint)
        .await
        .map_err(|error| sentence(&error))?;
    let layout = Layout::new(project, environment).map_err(|error| sentence(&error))?;
    let limits = Limits {
        question: ASK_LIMIT,
        ..Limits::default()
    };
    let visit = ClearAway {
        session: &session,
        layout: &layout,
        deployment: &history.deployment,
    };
    let later = server.has_unused_script();
    let mut remains = visit
        .clear(&limits, server.may_be_littered() && !later)
        .await
        .map_err(|error| sentence(&error))?;
    if remains.is_busy {
        let why = "a program of this deployment still runs there and cannot be ended.";
        return Ok(Asked {
            remains: remains.left,
            ..Asked::silent(why.to_owned())
        });
    }
    let mut looked = sync::look(&session, &layout, &limits)
        .await
        .map_err(|error| sentence(&error))?;
    torn::settle(engine, history, server, (&session, &layout), &mut looked).await;
    if later {
        remains.left.extend(visit.remove_script(&looked).await);
    }
    Ok(Asked {
        reply: Reply::Seen(Box::new(looked)),
        remains: remains.left,
        reached: Some((session, row)),
    })
}
