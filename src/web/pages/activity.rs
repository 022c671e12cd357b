//! What is running, queued or failed recently. The page updates itself by the stream of
//! `live/changes.rs`; without JavaScript it is complete at every reload.

use std::sync::Arc;

use askama::Template;
use poem::web::{Data, Query};
use poem::{Response, handler};
use serde::Deserialize;

use crate::app::activity;
use crate::app::history;
use crate::domain::{Instant, Result};
use crate::web::frame::{Frame, Section, html};
use crate::web::live::{self, Live};
use crate::web::look::TabSign;
use crate::web::urls;
use crate::web::views::queue::ObstacleView;
use crate::web::views::row::DeploymentRow;
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
    failed: Vec<DeploymentRow>,
    ended: Vec<DeploymentRow>,
    failed_url: String,
    here: String,
    live: String,
    now: Instant,
}

struct RunningRow {
    row: DeploymentRow,
    done: usize,
    total: usize,
}

struct WaitingRow {
    row: DeploymentRow,
    position: Option<usize>,
    behind: Vec<ObstacleView>,
}

/// The part that is shown.
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

/// Which part is requested.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ActivityQuery {
    show: Tab,
}

impl ActivityPage {
    fn new(mut frame: Frame, tab: Tab, live: String, activity: activity::Activity) -> Self {
        let activity::Activity {
            running,
            waiting,
            failed,
            ended,
            at: now,
        } = activity;
        let states = running.iter().map(|one| one.deployment.state);
        frame.tab = TabSign::of_all(states);
        let address = |word: &str| urls::with_query(urls::activity(), &[("show", word)]);
        let counted = |word: &str, count: usize| match count {
            0 => word.to_owned(),
            _ => format!("{word} ({count})"),
        };
        let tabs = [
            (Tab::All, "All".to_owned(), ""),
            (Tab::Running, counted("In progress", running.len()), "running"),
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
            running: running
                .into_iter()
                .map(|one| RunningRow {
                    row: DeploymentRow::new(one.deployment),
                    done: one.done,
                    total: one.total,
                })
                .collect(),
            waiting: waiting
                .into_iter()
                .map(|one| WaitingRow {
                    row: DeploymentRow::new(one.deployment),
                    position: one.position,
                    behind: one.behind.iter().map(ObstacleView::new).collect(),
                })
                .collect(),
            failed: failed.into_iter().map(DeploymentRow::new).collect(),
            ended: ended.into_iter().map(DeploymentRow::new).collect(),
            failed_url: urls::with_query(urls::history(), &[("state", "failed")]),
            live,
            now,
        }
    }
}

/// `GET /activity`
#[handler]
pub async fn show(visitor: Visitor, query: Query<ActivityQuery>, live: Data<&Arc<Live>>) -> Result<Response> {
    let live = live.page_url();
    let activity = activity::now(visitor.app(), visitor.actor()).await?;
    let frame = visitor.frame("Activity", Section::Activity).await?;
    let page = ActivityPage::new(frame, query.show, live, activity);
    if visitor.wants_fragment() {
        return html(&page.as_list());
    }
    html(&page)
}

/// Where a stream of changes begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ChangesQuery {
    after: u64,
}

/// `GET /live`: an event whenever anything has changed. It carries no content; still it is only for
/// visitors who may see something.
#[handler]
pub async fn events(
    visitor: Visitor,
    query: Query<ChangesQuery>,
    live: Data<&Arc<Live>>,
    request: &poem::Request,
) -> Result<Response> {
    history::visible(visitor.app(), visitor.actor()).await?;
    let resumed = request
        .header("last-event-id")
        .and_then(|text| text.parse::<u64>().ok());
    let messages = live.changes().stream(resumed.unwrap_or(query.after));
    let period = visitor.site().settings.check_viewers_every;
    let messages = live::while_allowed(messages, period, move || {
        let visitor = visitor.clone();
        async move {
            visitor.still_stands().await && history::visible(visitor.app(), visitor.actor()).await.is_ok()
        }
    });
    Ok(live::answer(messages))
}
