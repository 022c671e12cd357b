//! A deployment: what, who, why, by which line of policy; its progress, its steps per server, its
//! log; and the acts on it.
//!
//! The page is complete as it is served. With scripts it opens the stream of [`crate::web::live`],
//! which appends lines and replaces the state.

pub mod acts;
mod log;
mod whole_line;

use std::sync::Arc;

use askama::Template;
use poem::web::{Data, Json, Path, Query};
use poem::{Body, IntoResponse, Response, handler};
use serde::{Deserialize, Serialize};

use self::acts::ActsView;
use self::log::{LogQuery, LogView};
use crate::app::activity::Obstacle;
use crate::app::audit::comparison::Contradiction;
use crate::app::naming;
use crate::app::watch::{self, Acts, Watched};
use crate::domain::{CommitId, DeploymentId, PolicyLine, Result};
use crate::web::assets;
use crate::web::frame::{Frame, Section, both, html};
use crate::web::live::{self, Live};
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::views::pause::PauseView;
use crate::web::views::state::StateView;
use crate::web::views::words::{origin_words, strategy_words};
use crate::web::visitor::Visitor;

/// The contract of `templates/deployments/show.html`.
#[derive(Template)]
#[template(path = "deployments/show.html", blocks = ["acts", "facts"])]
struct Page {
    frame: Frame,
    trail: Trail,
    state: StateView,
    acts: ActsView,
    /// The deployment that it follows from: how, and its address.
    origin: Option<(String, String)>,
    /// The strategy in words; empty until it is planned.
    strategy: String,
    /// The pauses that were answered, in order.
    pauses: Vec<PauseView>,
    log: LogView,
    /// What the database and the audit log tell differently.
    contradictions: Vec<Contradiction>,
    /// What its servers ran before it, or run now while it waits.
    before: Option<CommitId>,
    /// Compared with that; empty while it is not known.
    diff: String,
    /// The deployment that comes before it and may change what runs there.
    first: Option<String>,
    /// The line of policy that allowed it, in the policy as it was; empty for who may not read it.
    permit_url: String,
    /// The line that lets whoever took it over carry it on, in the same way.
    heir_url: String,
}

impl Page {
    fn new(mut frame: Frame, trail: Trail, mut watched: Watched, allowed: &Acts, log: LogView) -> Self {
        let one = &watched.deployment;
        let strategy = watched.plan.as_ref().map(|plan| plan.strategy).or(one.strategy);
        let before = before(&watched, allowed);
        let (diff, acts) = (
            diff_url(&watched, before.as_ref()),
            ActsView::new(&watched, allowed),
        );
        let is_here = |other: &&Obstacle| {
            let (project, environment) = watched.names();
            other
                .place
                .as_ref()
                .is_some_and(|place| (&*place.0, &*place.1) == (project, environment))
        };
        let first = allowed
            .turn
            .as_ref()
            .and_then(|turn| turn.behind.iter().find(is_here));
        let origin = one.origin.map(|id| (origin_words(one, id), urls::deployment(id)));
        let pauses = one.pauses.iter().map(PauseView::new).collect();
        let contradictions = std::mem::take(&mut watched.contradictions);
        let line_url = |line: Option<&PolicyLine>| {
            let line = line.filter(|_| frame.reads_policy);
            line.and_then(urls::admin_policy_line).unwrap_or_default()
        };
        let permit_url = line_url(one.permit.as_ref());
        let heir_url = line_url(one.taken_over().and_then(|taken| taken.permit.as_ref()));
        let state = StateView::new(watched);
        frame.tab = state.tab.clone();
        Self {
            frame,
            trail,
            before,
            diff,
            first: first.map(|one| format!("deployment {}", one.id)),
            acts,
            origin,
            strategy: strategy.map(strategy_words).unwrap_or_default(),
            pauses,
            contradictions,
            state,
            log,
            permit_url,
            heir_url,
        }
    }
}

/// What most of its servers ran when it looked at them. While it waits, what they run now: that may be another
/// release than when it was requested.
fn before(watched: &Watched, allowed: &Acts) -> Option<CommitId> {
    if watched.deployment.state.is_waiting() {
        return allowed.runs_now.first().cloned();
    }
    let mut counts: Vec<(&CommitId, usize)> = Vec::new();
    for commit in watched
        .servers
        .iter()
        .filter_map(|part| part.previous_commit.as_ref())
    {
        match counts.iter_mut().find(|(known, _)| *known == commit) {
            Some((_, servers)) => *servers += 1,
            None => counts.push((commit, 1)),
        }
    }
    // The first of those on as many servers.
    let seen = counts.iter().rev().max_by_key(|(_, servers)| *servers);
    let seen = seen.map(|(commit, _)| (*commit).clone());
    seen.or_else(|| watched.deployment.previous_commit.clone())
}

fn diff_url(watched: &Watched, before: Option<&CommitId>) -> String {
    let deployment = &watched.deployment;
    let before = before.filter(|before| **before != deployment.commit && watched.place.is_some());
    let (project, _) = watched.names();
    let diff = |before: &CommitId| urls::diff(project, before.as_str(), deployment.commit.as_str());
    before.map(diff).unwrap_or_default()
}

/// `GET /deployments/{id}`
#[handler]
pub async fn show(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    query: Query<LogQuery>,
) -> Result<Response> {
    let app = visitor.app();
    let (watched, allowed) = watch::see(app, visitor.actor(), id).await?;
    let log = log::log_view(&visitor, &watched, query.0).await?;
    let (project, environment) = watched.names();
    let trail = match &watched.place {
        Some(_) => trail::environment(project, environment),
        // The environment is deleted: its history is all that is left of it.
        None => vec![("History".to_owned(), urls::project_history(project))],
    };
    let title = format!("Deployment {id} · {project} {environment}");
    let frame = visitor.frame(title, Section::Activity).await?;
    html(&Page::new(frame, trail, watched, &allowed, log))
}

/// `GET /deployments/{id}/acts`: the buttons and the facts, loaded again when the deployment's state
/// changes.
#[handler]
pub async fn show_acts(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    let (watched, allowed) = watch::see(visitor.app(), visitor.actor(), id).await?;
    let frame = visitor.frame(String::new(), Section::Activity).await?;
    let page = Page::new(frame, Vec::new(), watched, &allowed, LogView::default());
    both(&page.as_acts(), &page.as_facts())
}

/// The answer to a page in the background, whose tab shows it.
#[derive(Serialize)]
struct BackgroundState {
    /// Before the tab's title.
    tab: String,
    icon: String,
    ended: bool,
    /// For a notification.
    words: String,
}

/// `GET /deployments/{id}/state`: asked now and then by pages in the background, which hold no stream.
#[handler]
pub async fn show_state(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    let (watched, _) = watch::see(visitor.app(), visitor.actor(), id).await?;
    let state = StateView::new(watched);
    Ok(Json(BackgroundState {
        icon: assets::url(state.tab.icon()).to_owned(),
        ended: state.is_final(),
        words: state.ending(),
        tab: state.tab.word,
    })
    .into_response())
}

/// Where a stream begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventsQuery {
    after: i64,
    /// The state that the page's acts are for.
    acts: String,
}

/// `GET /deployments/{id}/events`: the live stream, from the line that the browser saw last.
#[handler]
pub async fn events(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    part: Query<LogQuery>,
    query: Query<EventsQuery>,
    live: Data<&Arc<Live>>,
    request: &poem::Request,
) -> Result<Response> {
    let app = visitor.app();
    let (watched, _) = watch::see(app, visitor.actor(), id).await?;
    let resumed = request
        .header("last-event-id")
        .and_then(|text| text.parse::<i64>().ok());
    let wanted = part.filter();
    let filter = live::LineFilter {
        server: wanted.server,
        kind: wanted.kind,
    };
    // A browser that claims to have seen more lines than there are has seen them all.
    let after = resumed
        .unwrap_or(query.0.after)
        .clamp(0, watched.deployment.last_line);
    let start = live::StreamStart {
        line: after,
        acts: query.0.acts,
    };
    let messages = live.deployment(id, start, filter);
    let period = visitor.site().settings.check_viewers_every;
    let deployment = Arc::new(watched.deployment);
    let messages = live::while_allowed(messages, period, move || {
        let (visitor, deployment) = (visitor.clone(), Arc::clone(&deployment));
        async move {
            naming::may_be_seen(visitor.app(), visitor.actor(), &deployment).await
                && visitor.still_stands().await
        }
    });
    Ok(live::answer(messages))
}

/// `GET /deployments/{id}/log`: the whole log as text, or one whole line, read from the store as it is
/// sent.
#[handler]
pub async fn download(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    query: Query<LogQuery>,
) -> Result<Response> {
    let app = visitor.app().clone();
    let (watched, _) = watch::see(&app, visitor.actor(), id).await?;
    let (name, body) = match query.line {
        Some(line) => {
            let first = whole_line::begin(&app, id, line).await?;
            let name = format!("deployment-{id}-line-{}.txt", first.number);
            (name, Body::from_bytes_stream(whole_line::as_text(app, id, first)))
        }
        None => {
            let (actor, last) = (visitor.actor().clone(), watched.deployment.last_line);
            let stream = log::as_text(app, actor, id, query.0.filter(), last);
            (format!("deployment-{id}.log"), Body::from_bytes_stream(stream))
        }
    };
    Ok(Response::builder()
        .content_type("text/plain; charset=utf-8")
        .header("content-disposition", format!("attachment; filename=\"{name}\""))
        .body(body))
}
