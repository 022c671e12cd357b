//! A deployment: what, who, why, by which line of policy; its progress, its steps per server, its
//! log; and the acts on it.
//!
//! The page is complete as it is served. With scripts it opens the stream of [`crate::web::live`],
//! which appends lines and replaces the state.

mod lines;
mod state;

use askama::Template;
use poem::web::{Path, Query};
use poem::{Body, Response, handler};
use serde::Deserialize;

pub use lines::{LineView, LinesView};
pub use state::StateView;

use crate::app::deployments::{self, Requested};
use crate::app::watch::{self, Acts, Watched, Window};
use crate::domain::{CommitId, Deployment, DeploymentId, Error, LogLine, Result, StepKind};
use crate::store::log::Filter;
use crate::web::flash::Flash;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::live;
use crate::web::visitor::Visitor;
use crate::web::{ansi, format, urls};

/// Lines on one page: what a browser lays out without being felt.
const WINDOW: usize = 400;
/// Lines read at once for a download.
const DOWNLOAD_WINDOW: usize = 2_000;

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

/// The part of the log that is shown, and the ways to its other parts.
struct LogView {
    lines: Vec<LineView>,
    filter: LogQuery,
    steps: Vec<(String, String)>,
    servers: Vec<(String, String)>,
    earlier: String,
    later: String,
    newest: String,
    /// Where live lines come from; empty when this part of the log does not grow.
    events: String,
    /// Whether there is any line at all.
    is_empty: bool,
    /// How many lines there are, in words.
    total: String,
}

/// Which part of the log is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct LogQuery {
    /// Only this server; `here` is the deployer's host.
    server: String,
    /// Only this kind of step.
    step: String,
    /// Only lines with this text.
    text: String,
    /// From this line on.
    from: Option<i64>,
    /// What ends before this line.
    before: Option<i64>,
}

impl LogQuery {
    fn filter(&self) -> Filter {
        let server = match self.server.as_str() {
            "" => None,
            "here" => Some(String::new()),
            name => Some(name.to_owned()),
        };
        let text = (!self.text.is_empty()).then(|| self.text.clone());
        Filter {
            server,
            kind: StepKind::parse(&self.step),
            text,
        }
    }

    fn window(&self) -> Window {
        match (self.from, self.before) {
            (Some(line), _) => Window::From(line.max(1)),
            (None, Some(line)) => Window::Before(line),
            (None, None) => Window::Last,
        }
    }

    fn url(&self, id: DeploymentId, pairs: &[(&str, &str)]) -> String {
        let mut all = vec![
            ("server", self.server.as_str()),
            ("step", &self.step),
            ("text", &self.text),
        ];
        all.extend_from_slice(pairs);
        format!("{}#log", urls::with_query(&urls::deployment(id), &all))
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
    let log = log_view(&visitor, &watched, query.0).await?;
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

async fn log_view(visitor: &Visitor, watched: &Watched, query: LogQuery) -> Result<LogView> {
    let (app, id) = (visitor.app(), watched.deployment.id);
    let filter = query.filter();
    let lines = watch::log_window(app, visitor.actor(), id, query.window(), WINDOW, &filter).await?;
    let total = watched.deployment.last_line;
    let first = lines.first().map_or(0, |line| line.number);
    let last = lines.last().map_or(0, |line| line.number);
    let full = lines.len() >= WINDOW;
    let shows_end =
        !matches!(query.window(), Window::From(_) | Window::Before(_)) || (!full && query.before.is_none());
    let live = shows_end && !watched.deployment.state.is_final() && query.text.is_empty();
    // A stream without a filter goes on after the newest line; with one, what the filter passed
    // over must not be sent again either.
    let after = last.max(total).to_string();
    let mut servers: Vec<(String, String)> =
        vec![(String::new(), "All".into()), ("here".into(), "Here".into())];
    servers.extend(
        watched
            .servers
            .iter()
            .map(|part| (part.server.clone(), part.server.clone())),
    );
    let mut kinds: Vec<StepKind> = watched.steps.iter().map(|step| step.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut steps = vec![(String::new(), "All".to_owned())];
    steps.extend(
        kinds
            .iter()
            .map(|kind| (kind.as_str().to_owned(), kind.title().to_owned())),
    );
    let reaches_start = first <= 1 || (matches!(query.window(), Window::Last | Window::Before(_)) && !full);
    let pairs = [
        ("after", after.as_str()),
        ("server", query.server.as_str()),
        ("step", query.step.as_str()),
    ];
    Ok(LogView {
        earlier: if reaches_start {
            String::new()
        } else {
            query.url(id, &[("before", &first.to_string())])
        },
        later: if shows_end {
            String::new()
        } else {
            query.url(id, &[("from", &(last + 1).to_string())])
        },
        newest: query.url(id, &[]),
        events: if live {
            urls::with_query(&urls::deployment_events(id), &pairs)
        } else {
            String::new()
        },
        lines: lines.iter().map(LineView::new).collect(),
        filter: query,
        steps,
        servers,
        is_empty: total == 0,
        total: format::count(total, "line"),
    })
}

impl LogView {
    fn empty() -> Self {
        Self {
            lines: Vec::new(),
            filter: LogQuery::default(),
            steps: Vec::new(),
            servers: Vec::new(),
            earlier: String::new(),
            later: String::new(),
            newest: String::new(),
            events: String::new(),
            is_empty: true,
            total: String::new(),
        }
    }
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
    watch::see(app, visitor.actor(), id).await?;
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
    let after = resumed.unwrap_or(query.0.after).max(0);
    let stream = live::stream(app.clone(), visitor.channels(), id, after, filter);
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
    let stream = async_stream(app, actor, id, filter, last);
    let name = format!("deployment-{id}.log");
    Ok(Response::builder()
        .content_type("text/plain; charset=utf-8")
        .header("content-disposition", format!("attachment; filename=\"{name}\""))
        .body(Body::from_bytes_stream(stream)))
}

fn async_stream(
    app: crate::app::App,
    actor: crate::domain::Actor,
    id: DeploymentId,
    filter: Filter,
    last: i64,
) -> impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static {
    futures_util::stream::unfold(Some(1_i64), move |next| {
        let (app, actor, filter) = (app.clone(), actor.clone(), filter.clone());
        async move {
            let from = next.filter(|&line| line <= last)?;
            let window = Window::From(from);
            match watch::log_window(&app, &actor, id, window, DOWNLOAD_WINDOW, &filter).await {
                Ok(lines) if lines.is_empty() => None,
                Ok(lines) => {
                    let next = lines.last().map(|line| line.number + 1);
                    let text: String = lines.iter().map(text_line).collect();
                    Some((Ok(bytes::Bytes::from(text)), next))
                }
                Err(error) => Some((Err(std::io::Error::other(error)), None)),
            }
        }
    })
}

fn text_line(line: &LogLine) -> String {
    let server = if line.server.is_empty() {
        "here"
    } else {
        &line.server
    };
    format!(
        "{} {server} {}: {}\n",
        line.at.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
        line.kind.map_or("", StepKind::as_str),
        ansi::to_text(&line.text)
    )
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
