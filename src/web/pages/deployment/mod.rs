//! A deployment: what, who, why, by which line of policy; its progress, its steps per server, its
//! log; and the acts on it.
//!
//! The page is complete as it is served. With scripts it opens the stream of [`crate::web::live`],
//! which appends lines and replaces the state.

mod act;
pub mod deeds;
mod lanes;
mod lines;
mod log;
mod panel;
mod stand;
mod state;
mod tile;
mod turn;

use std::borrow::Borrow;

use askama::Template;
use poem::web::{Path, Query};
use poem::{Body, Response, handler};
use serde::Deserialize;

pub use lanes::hold_words;
pub use lines::{LineView, LinesView};
use log::{LogQuery, LogView};
use panel::ActsView;
pub use state::StateView;

use crate::app::naming::resource_then;
use crate::app::watch::{self, Acts, Watched};
use crate::domain::{Action, CommitId, Deployment, DeploymentId, Kind, Result, Share, Strategy};
use crate::web::frame::{Frame, Section, html};
use crate::web::live;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/deployments/show.html`.
#[derive(Template)]
#[template(path = "deployments/show.html", blocks = ["acts"])]
struct Page {
    frame: Frame,
    urls: Urls,
    trail: Vec<(String, String)>,
    state: StateView,
    acts: ActsView,
    /// The deployment it goes on from: what it is to this one, and its address.
    origin: Option<(String, String)>,
    /// How it goes over the servers; empty until it is planned.
    strategy: String,
    log: LogView,
}

/// Where the page's links lead.
struct Urls {
    page: String,
    log: String,
    acts: String,
    /// Empty while it is not known what was there before.
    diff: String,
}

impl Urls {
    fn new(watched: &Watched) -> Self {
        let (deployment, id) = (&watched.deployment, watched.deployment.id);
        let (project, _) = watched.names();
        let diff = |before: &CommitId| urls::diff(project, before.as_str(), deployment.commit.as_str());
        let before = deployment
            .previous_commit
            .as_ref()
            .filter(|before| **before != deployment.commit && watched.place.is_some());
        Self {
            page: urls::deployment(id),
            log: urls::deployment_log(id),
            acts: urls::deployment_acts(id),
            diff: before.map(diff).unwrap_or_default(),
        }
    }
}

impl Page {
    fn new(
        frame: Frame,
        trail: Vec<(String, String)>,
        watched: Watched,
        allowed: &Acts,
        log: LogView,
    ) -> Self {
        let one = &watched.deployment;
        let strategy = watched.plan.as_ref().map(|plan| plan.strategy).or(one.strategy);
        Self {
            frame,
            trail,
            urls: Urls::new(&watched),
            acts: ActsView::new(&watched, allowed),
            origin: one.origin.map(|id| (origin_words(one, id), urls::deployment(id))),
            strategy: strategy.map(strategy_words).unwrap_or_default(),
            state: StateView::new(watched),
            log,
        }
    }
}

/// What the deployment it goes on from is to this one.
pub fn origin_words(deployment: &Deployment, origin: DeploymentId) -> String {
    match deployment.kind {
        Kind::Rollback => format!("rolls back {origin}"),
        Kind::Promotion => format!("promotes {origin}"),
        _ => format!("goes on from {origin}"),
    }
}

/// A strategy with its numbers.
pub fn strategy_words(strategy: impl Borrow<Strategy>) -> String {
    let batch = |share: Share| match share {
        Share::Count(1) => "one server at a time".to_owned(),
        share => format!("{share} of a cluster at a time"),
    };
    let kept = |keep: Option<Share>| {
        keep.map(|keep| format!(", {keep} stay in service"))
            .unwrap_or_default()
    };
    match *strategy.borrow() {
        strategy @ (Strategy::ClusterByCluster | Strategy::AllAtOnce) => strategy.title().to_owned(),
        Strategy::Rolling { batch: share, keep } => format!("Rolling, {}{}", batch(share), kept(keep)),
        Strategy::Canary {
            first,
            batch: share,
            keep,
            ..
        } => format!("Canary, {first} first, then {}{}", batch(share), kept(keep)),
    }
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
        Some(_) => vec![
            (project.to_owned(), urls::project(project)),
            (environment.to_owned(), urls::environment(project, environment)),
        ],
        // Deleted: nothing is left to be looked at there but what was done.
        None => vec![("History".to_owned(), urls::project_history(project))],
    };
    let title = format!("Deployment {id} · {project} {environment}");
    let frame = visitor.frame(title, Section::Activity).await?;
    html(&Page::new(frame, trail, watched, &allowed, log))
}

/// `GET /deployments/{id}/acts`: the buttons, asked for again when the deployment has ended.
#[handler]
pub async fn acts(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    let (watched, allowed) = watch::see(visitor.app(), visitor.actor(), id).await?;
    let frame = visitor.frame(String::new(), Section::Activity).await?;
    let page = Page::new(frame, Vec::new(), watched, &allowed, LogView::empty());
    html(&page.as_acts())
}

/// Where a stream begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventsQuery {
    after: i64,
    server: String,
    step: String,
    /// The state that the page's acts are for.
    acts: String,
}

/// `GET /deployments/{id}/events`: the live stream, from the line that the browser saw last.
#[handler]
pub async fn events(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    query: Query<EventsQuery>,
    request: &poem::Request,
) -> Result<Response> {
    let app = visitor.app();
    let (watched, _) = watch::see(app, visitor.actor(), id).await?;
    let resumed = request
        .header("last-event-id")
        .and_then(|text| text.parse::<i64>().ok());
    let wanted = LogQuery {
        server: query.0.server.clone(),
        step: query.0.step.clone(),
        ..LogQuery::default()
    }
    .filter();
    let filter = live::Filter {
        server: wanted.server,
        kind: wanted.kind,
    };
    // Who claims to have seen more than there is has seen what there is.
    let after = resumed
        .unwrap_or(query.0.after)
        .clamp(0, watched.deployment.last_line);
    let seen = live::Seen {
        line: after,
        acts: query.0.acts,
    };
    let stream = live::stream(app.clone(), visitor.channels(), id, seen, filter);
    let period = visitor.site().settings.judge_streams_every;
    let place = resource_then(&watched.deployment);
    let stream = live::while_allowed(stream, period, move || {
        let (visitor, place) = (visitor.clone(), place.clone());
        async move { visitor.app().may(visitor.actor(), Action::View, &place) && visitor.still_stands().await }
    });
    Ok(Response::builder()
        .content_type("text/event-stream")
        .header("cache-control", "no-store")
        .header("x-accel-buffering", "no")
        .body(Body::from_bytes_stream(stream)))
}

/// `GET /deployments/{id}/log`: the whole log as text, read from the store as it is sent.
#[handler]
pub async fn download(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    query: Query<LogQuery>,
) -> Result<Response> {
    let app = visitor.app().clone();
    let (watched, _) = watch::see(&app, visitor.actor(), id).await?;
    let actor = visitor.actor().clone();
    let (filter, last) = (query.0.filter(), watched.deployment.last_line);
    let stream = log::as_text(app, actor, id, filter, last);
    let name = format!("deployment-{id}.log");
    Ok(Response::builder()
        .content_type("text/plain; charset=utf-8")
        .header("content-disposition", format!("attachment; filename=\"{name}\""))
        .body(Body::from_bytes_stream(stream)))
}
