//! What goes on: running, queued, failed lately. The page renews itself as things change (the
//! stream of `live/changes.rs`); without scripts it is complete at every reload.

use askama::Template;
use poem::web::Query;
use poem::{Body, Response, handler};
use serde::Deserialize;

use super::history::Row;
use crate::app::activity::{self, Obstacle, Running};
use crate::app::history;
use crate::domain::{Instant, Result};
use crate::web::frame::{Frame, Section, html};
use crate::web::live;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/activity/index.html`.
#[derive(Template)]
#[template(path = "activity/index.html", blocks = ["list"])]
struct ActivityPage {
    frame: Frame,
    tab: Tab,
    tabs: Vec<(String, String, bool)>,
    running: Vec<RunningRow>,
    waiting: Vec<WaitingRow>,
    failed: Vec<Row>,
    ended: Vec<Row>,
    failed_url: String,
    here: String,
    live: String,
    now: Instant,
}

struct RunningRow {
    row: Row,
    done: usize,
    total: usize,
}

struct WaitingRow {
    row: Row,
    position: Option<usize>,
    behind: Vec<ObstacleView>,
}

struct ObstacleView {
    id: i64,
    /// Project and environment, where the reader may see them.
    place: String,
    /// Empty where the reader may not see it.
    url: String,
}

impl ObstacleView {
    fn new(obstacle: Obstacle) -> Self {
        let url = urls::deployment(obstacle.id);
        Self {
            id: obstacle.id.0,
            url: obstacle.place.as_ref().map(|_| url).unwrap_or_default(),
            place: obstacle
                .place
                .map(|(project, environment)| format!("{project} / {environment}"))
                .unwrap_or_default(),
        }
    }
}

/// Which part is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tab {
    #[default]
    All,
    Running,
    Queued,
    Failed,
}

impl Tab {
    /// Whether this part is shown.
    fn shows(self, part: Self) -> bool {
        self == Self::All || self == part
    }
}

/// Which part is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    show: Tab,
}

impl ActivityPage {
    fn new(frame: Frame, tab: Tab, live: String, activity: activity::Activity) -> Self {
        let activity::Activity {
            running,
            waiting,
            failed,
            ended,
            at: now,
        } = activity;
        let address = |word: &str| urls::with_query(urls::activity(), &[("show", word)]);
        let counted = |word: &str, count: usize| match count {
            0 => word.to_owned(),
            _ => format!("{word} ({count})"),
        };
        let tabs = [
            (Tab::All, "All".to_owned(), ""),
            (Tab::Running, counted("Running", running.len()), "running"),
            (Tab::Queued, counted("Queued", waiting.len()), "queued"),
            (Tab::Failed, counted("Failed", failed.len()), "failed"),
        ];
        let here = tabs.iter().find(|(one, ..)| *one == tab).map(|(.., word)| *word);
        Self {
            frame,
            tab,
            here: address(here.unwrap_or_default()),
            tabs: tabs
                .iter()
                .map(|(one, label, word)| (label.clone(), address(word), *one == tab))
                .collect(),
            running: running.into_iter().map(running_row).collect(),
            waiting: waiting
                .into_iter()
                .map(|one| WaitingRow {
                    row: Row::new(one.deployment),
                    position: one.position,
                    behind: one.behind.into_iter().map(ObstacleView::new).collect(),
                })
                .collect(),
            failed: failed.into_iter().map(Row::new).collect(),
            ended: ended.into_iter().map(Row::new).collect(),
            failed_url: urls::with_query(urls::history(), &[("state", "failed")]),
            live,
            now,
        }
    }
}

fn running_row(one: Running) -> RunningRow {
    RunningRow {
        row: Row::new(one.deployment),
        done: one.done,
        total: one.total,
    }
}

/// `GET /activity`
#[handler]
pub async fn show(visitor: Visitor, asked: Query<Asked>) -> Result<Response> {
    let live = visitor.live_url();
    let activity = activity::now(visitor.app(), visitor.actor()).await?;
    let frame = visitor.frame("Activity", Section::Activity).await?;
    let page = ActivityPage::new(frame, asked.show, live, activity);
    if visitor.wants_fragment() {
        return html(&page.as_list());
    }
    html(&page)
}

/// Where a stream of changes begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventsQuery {
    after: u64,
}

/// `GET /live`: says when anything changed. Carries no content, yet only those who may see something
/// are told.
#[handler]
pub async fn events(
    visitor: Visitor,
    query: Query<EventsQuery>,
    request: &poem::Request,
) -> Result<Response> {
    history::visible(visitor.app(), visitor.actor()).await?;
    let resumed = request
        .header("last-event-id")
        .and_then(|text| text.parse::<u64>().ok());
    let stream = visitor.changes().stream(resumed.unwrap_or(query.after));
    let period = visitor.site().settings.judge_streams_every;
    let stream = live::while_allowed(stream, period, move || {
        let visitor = visitor.clone();
        async move {
            visitor.still_stands().await && history::visible(visitor.app(), visitor.actor()).await.is_ok()
        }
    });
    Ok(Response::builder()
        .content_type("text/event-stream")
        .header("cache-control", "no-store")
        .header("x-accel-buffering", "no")
        .body(Body::from_bytes_stream(stream)))
}
