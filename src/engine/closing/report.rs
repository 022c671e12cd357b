//! Finds out what is on the servers of an abandoned deployment, and corrects their balancers: a server
//! with a complete release goes back into service, any other stays out.
//!
//! All servers are visited at the same time, each within a limit, so that one that is gone delays no
//! other. The balancers of a server that does not answer are left as they are.

use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::time::{Instant, timeout_at};

use super::finding::{Finding, Reply};
use super::history::{History, ServerHistory};
use super::proof::ServerProof;
use super::service::{self, Placed};
use crate::domain::deployment::{ServerState, Service};
use crate::domain::{CommitId, Server, StepKind};
use crate::engine::ending::StepResult;
use crate::engine::shared::Shared;
use crate::engine::steps::remote_script::{self, WorkingDir};
use crate::engine::steps::script::{self, DEPLOY};
use crate::engine::words::OnServer;
use crate::ssh::{Endpoint, Session};
use crate::store::{Lease, servers};
use crate::sync::{self, Layout, Limits};

/// For all questions to one server: connecting, waiting until what still runs there has ended (its
/// guard grants five seconds), cleaning up, looking.
const ASK_LIMIT: Duration = Duration::from_secs(14);
/// For everything. What is unknown by then is stored as unknown, so that a deployment is closed within
/// half a minute of the start.
const LIMIT: Duration = Duration::from_secs(24);

/// What is stored about a server in the end.
pub(super) struct Report {
    pub state: ServerState,
    pub detail: String,
    /// `None`: as it was.
    pub service: Option<Service>,
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
    let limit = end.min(Instant::now() + ASK_LIMIT);
    let asked = match timeout_at(limit, ask(engine, history, server)).await {
        Ok(Ok(asked)) => asked,
        Ok(Err(why)) => Asked::silent(why),
        Err(_) => Asked::silent("it did not answer in time.".to_owned()),
    };
    let mut finding = server.judge(&asked.reply);
    let mut end = end;
    let mut words = server.words(finding, &asked.reply);
    if finding == Finding::Mixed
        && let Some(proven) = prove(engine, lease, history, server, &asked).await
    {
        // Tests may take as long as they like; the balancers get their time after them.
        end = end.max(Instant::now() + ASK_LIMIT);
        match proven {
            Ok(()) => (finding, words) = (Finding::New, String::new()),
            Err(failure) => {
                let there = OnServer::of(server.commit, server.part);
                words = format!("{} {}", failure.message, there.in_use());
            }
        }
    }
    words.push_str(history.service_words(server.part));
    if let Some(note) = asked.note {
        words = format!("{words} {note}");
    }
    let placed = service::place(engine, lease, history.plan.as_ref(), server, finding, end).await;
    report(server, finding, words, placed)
}

fn report(server: &ServerHistory<'_>, finding: Finding, words: String, placed: Placed) -> Report {
    let mut state = match server.part.state {
        ServerState::Waiting => ServerState::Skipped,
        ServerState::Running if finding == Finding::New => ServerState::Succeeded,
        ServerState::Running => ServerState::Interrupted,
        ended => ended,
    };
    if !placed.well && state == ServerState::Succeeded {
        state = ServerState::Interrupted;
    }
    // The detail of a server that had ended before stays: it was written by who knew more.
    let words = match server.is_final() {
        true => server.part.detail.clone(),
        false => words,
    };
    Report {
        state,
        detail: format!("{words} {}", placed.words).trim().to_owned(),
        service: placed.service,
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
) -> Option<StepResult<()>> {
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

/// What a server replied, with a remark for the page.
struct Asked {
    reply: Reply,
    note: Option<String>,
    /// The connection, where it replied.
    reached: Option<(Session, Server)>,
}

impl Asked {
    fn silent(why: String) -> Self {
        Self {
            reply: Reply::Silent(why),
            note: None,
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
    let endpoint = Endpoint::of(&row, &environment.remote_user);
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
    let scripts = script::on_servers();
    let cleared = sync::clear_leftovers(&session, &layout, server.deployment, &scripts, &limits)
        .await
        .map_err(|error| sentence(&error))?;
    if !cleared.running.is_empty() {
        return Err(format!(
            "process {} of this deployment still runs there and cannot be ended.",
            cleared.running.join(", ")
        ));
    }
    let mut note = match cleared.left.as_slice() {
        [] => None,
        left => Some(format!(
            "Left behind there: {}. Remove it by hand.",
            left.join(", ")
        )),
    };
    let looked = sync::look(&session, &layout, &limits)
        .await
        .map_err(|error| sentence(&error))?;
    if server.began(StepKind::Deploy)
        && let Some(dir) = &looked.resolved
        && let Err(why) = remote_script::clean_up(&session, dir, DEPLOY).await
    {
        note = Some(why);
    }
    Ok(Asked {
        reply: Reply::Seen(Box::new(looked)),
        note,
        reached: Some((session, row)),
    })
}
