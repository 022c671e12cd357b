//! A deployment: what, who, why, by which line of policy; its progress, its steps per server, its
//! log; and the acts on it.
//!
//! The page is complete as it is served. With scripts it opens the stream of [`crate::web::live`],
//! which appends lines and replaces the state.

mod lines;
mod log;
mod state;

use askama::Template;
use poem::web::{Path, Query};
use poem::{Body, Response, handler};
use serde::Deserialize;

pub use lines::{LineView, LinesView};
use log::{LogQuery, LogView};
pub use state::StateView;

use crate::app::deployments::{self, Requested};
use crate::app::watch::{self, Acts, Watched};
use crate::domain::{Action, CommitId, Deployment, DeploymentId, Error, Result};
use crate::web::flash::Flash;
use crate::web::frame::{Frame, Section, go_to, html};
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
    allowed: Acts,
    /// What rolling back is asked with; empty where it is not offered.
    roll_back_question: String,
    log: LogView,
}

/// Where the page's links and forms lead.
struct Urls {
    page: String,
    log: String,
    acts: String,
    cancel: String,
    again: String,
    roll_back: String,
    /// Empty while it is not known what was there before.
    diff: String,
}

impl Urls {
    fn new(deployment: &Deployment) -> Self {
        let id = deployment.id;
        let diff =
            |before: &CommitId| urls::diff(&deployment.project, before.as_str(), deployment.commit.as_str());
        Self {
            page: urls::deployment(id),
            log: urls::deployment_log(id),
            acts: urls::deployment_acts(id),
            cancel: urls::deployment_cancel(id),
            again: urls::deployment_again(id),
            roll_back: urls::deployment_rollback(id),
            diff: deployment.previous_commit.as_ref().map(diff).unwrap_or_default(),
        }
    }
}

impl Page {
    fn new(
        frame: Frame,
        trail: Vec<(String, String)>,
        watched: Watched,
        allowed: Acts,
        log: LogView,
    ) -> Self {
        let question = |commit: &CommitId| {
            let place = &watched.deployment.environment;
            format!(
                "Bring all of {place} back to {}, the release that succeeded before?",
                commit.short()
            )
        };
        Self {
            frame,
            trail,
            urls: Urls::new(&watched.deployment),
            roll_back_question: allowed.roll_back_to.as_ref().map(question).unwrap_or_default(),
            state: StateView::new(watched),
            allowed,
            log,
        }
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
    let deployment = &watched.deployment;
    let trail = vec![
        (deployment.project.clone(), urls::project(&deployment.project)),
        (
            deployment.environment.clone(),
            urls::environment(&deployment.project, &deployment.environment),
        ),
    ];
    let title = format!(
        "Deployment {id} · {} {}",
        deployment.project, deployment.environment
    );
    let frame = visitor.frame(title, Section::Activity).await?;
    html(&Page::new(frame, trail, watched, allowed, log))
}

/// `GET /deployments/{id}/acts`: the buttons, asked for again when the deployment has ended.
#[handler]
pub async fn acts(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    let (watched, allowed) = watch::see(visitor.app(), visitor.actor(), id).await?;
    let frame = visitor.frame(String::new(), Section::Activity).await?;
    let page = Page::new(frame, Vec::new(), watched, allowed, LogView::empty());
    html(&page.as_acts())
}

/// Where a stream begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventsQuery {
    after: i64,
    server: String,
    step: String,
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
        server: query.0.server,
        step: query.0.step,
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
    let stream = live::stream(app.clone(), visitor.channels(), id, after, filter);
    let period = visitor.site().settings.judge_streams_every;
    let place = deployments::resource(&watched.deployment);
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

/// `POST /deployments/{id}/cancel`
#[handler]
pub async fn cancel(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    deployments::cancel(visitor.app(), visitor.actor(), id).await?;
    let text = "It is being cancelled: what runs is ended, and every server says what is on it.";
    visitor.flash(Flash::warning(text)).await?;
    Ok(go_to(&urls::deployment(id)))
}

/// `POST /deployments/{id}/again`
#[handler]
pub async fn again(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    let requested = deployments::again(visitor.app(), visitor.actor(), id).await?;
    follow(&visitor, requested).await
}

/// `POST /deployments/{id}/rollback`
#[handler]
pub async fn roll_back(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    let requested = deployments::roll_back(visitor.app(), visitor.actor(), id).await?;
    follow(&visitor, requested).await
}

/// To the page of what was asked for.
pub async fn follow(visitor: &Visitor, requested: Requested) -> Result<Response, Error> {
    if let Requested::AlreadyQueued(id) = requested {
        let text = format!("The same was waiting already: this is deployment {id}.");
        visitor.flash(Flash::warning(text)).await?;
    }
    Ok(go_to(&urls::deployment(requested.id())))
}
