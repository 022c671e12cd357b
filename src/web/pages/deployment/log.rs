//! The part of a log that a page shows, and the whole of it as text.

use serde::Deserialize;

use crate::app::watch::{self, Watched};
use crate::domain::log::HERE;
use crate::domain::{DeploymentId, LogLine, Result, StepKind};
use crate::store::log::{LogFilter, LogWindow};
use crate::web::views::lines::LineView;
use crate::web::views::state::acts_key;
use crate::web::visitor::Visitor;
use crate::web::{format, terminal, urls};

/// Lines on one page: what a browser lays out without delay.
const WINDOW: usize = 400;
/// Lines read at once for a download.
const DOWNLOAD_WINDOW: usize = 2_000;

/// The part of the log that is shown, and the ways to its other parts.
#[derive(Default)]
pub(super) struct LogView {
    pub lines: Vec<LineView>,
    pub filter: LogQuery,
    pub steps: Vec<(String, String)>,
    pub servers: Vec<(String, String)>,
    pub earlier: String,
    pub later: String,
    pub newest: String,
    /// Whether a search for text stopped before the end of the log.
    pub gave_up: bool,
    /// Whether the search went forward.
    pub forward: bool,
    /// Where live lines come from; empty when this part of the log does not grow.
    pub events: String,
    /// Whether there is any line at all.
    pub is_empty: bool,
    /// How many lines there are, and how many of them are shown where a filter chose, in words.
    pub total: String,
}

/// Which part of the log is requested.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct LogQuery {
    /// Only this server; `here` is the deployer's host.
    pub server: String,
    /// Only this kind of step.
    pub step: String,
    /// Only lines with this text.
    pub text: String,
    /// From this line on.
    pub from: Option<i64>,
    /// The lines before this one.
    pub before: Option<i64>,
    /// For a download: only this line, with what it goes on in.
    pub line: Option<i64>,
}

impl LogQuery {
    pub fn filter(&self) -> LogFilter {
        let server = match self.server.as_str() {
            "" => None,
            HERE => Some(String::new()),
            name => Some(name.to_owned()),
        };
        let text = (!self.text.is_empty()).then(|| self.text.clone());
        LogFilter {
            server,
            kind: StepKind::parse(&self.step),
            text,
        }
    }

    fn is_narrowed(&self) -> bool {
        !(self.server.is_empty() && self.step.is_empty() && self.text.is_empty())
    }

    fn window(&self) -> LogWindow {
        match (self.from, self.before) {
            (Some(line), _) => LogWindow::From(line.max(1)),
            (None, Some(line)) => LogWindow::Before(line),
            (None, None) => LogWindow::Last,
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

/// The servers that lines can be filtered by.
fn server_choices(watched: &Watched) -> Vec<(String, String)> {
    let own = watched.servers.iter().map(|part| part.server.clone());
    [
        (String::new(), "All".into()),
        (HERE.into(), "On the deployer".into()),
    ]
    .into_iter()
    .chain(own.map(|name| (name.clone(), name)))
    .collect()
}

/// The steps that lines can be filtered by.
fn step_choices(watched: &Watched) -> Vec<(String, String)> {
    let mut kinds: Vec<StepKind> = watched.steps.iter().map(|step| step.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let own = kinds
        .iter()
        .map(|kind| (kind.as_str().to_owned(), kind.title().to_owned()));
    [(String::new(), "All".to_owned())]
        .into_iter()
        .chain(own)
        .collect()
}

/// How many lines are shown, in words.
fn count_of(shown: usize, total: i64, is_narrowed: bool) -> String {
    let total = format::count(total, "line");
    match is_narrowed {
        true => format!("{} of {total}", format::number(shown)),
        false => total,
    }
}

pub(super) async fn log_view(visitor: &Visitor, watched: &Watched, query: LogQuery) -> Result<LogView> {
    let (app, id) = (visitor.app(), watched.deployment.id);
    let filter = query.filter();
    let found = watch::log_window(app, visitor.actor(), id, query.window(), WINDOW, &filter).await?;
    let lines = &found.lines;
    let total = watched.deployment.last_line;
    // Without a line to start from, the request gives the ends of the window.
    let ends = query.before.unwrap_or(1).saturating_sub(1);
    let last = lines.last().map_or(ends, |line| line.number);
    let first = lines.first().map_or(query.from.unwrap_or(0), |line| line.number);
    let full = lines.len() >= WINDOW;
    let all = !full && found.stopped.is_none();
    let forward = matches!(query.window(), LogWindow::From(_));
    let shows_end = matches!(query.window(), LogWindow::Last) || (forward && all);
    let live = shows_end && !watched.deployment.state.is_final() && query.text.is_empty();
    // A stream begins after the newest line, also behind a filter: what the filter dropped must not
    // be read again.
    let after = last.max(total).to_string();
    let acts = acts_key(watched);
    // Where a search that gave up continues.
    let (back, on) = match found.stopped {
        Some(line) if forward => (first, line),
        Some(line) => (line, last + 1),
        None => (first, last + 1),
    };
    let reaches_start = back <= 1 || (!forward && all);
    let pairs = [
        ("after", after.as_str()),
        ("server", query.server.as_str()),
        ("step", query.step.as_str()),
        ("acts", acts.as_str()),
    ];
    Ok(LogView {
        earlier: if reaches_start {
            String::new()
        } else {
            query.url(id, &[("before", &back.to_string())])
        },
        later: if shows_end {
            String::new()
        } else {
            query.url(id, &[("from", &on.to_string())])
        },
        newest: query.url(id, &[]),
        events: if live {
            urls::with_query(&urls::deployment_events(id), &pairs)
        } else {
            String::new()
        },
        gave_up: found.stopped.is_some(),
        forward,
        lines: lines.iter().map(|line| LineView::new(id, line)).collect(),
        total: count_of(lines.len(), total, query.is_narrowed()),
        filter: query,
        steps: step_choices(watched),
        servers: server_choices(watched),
        is_empty: total == 0,
    })
}

impl LogView {
    /// How many lines one request searches, in words.
    pub fn searched(&self) -> String {
        format::number(watch::SEARCHED)
    }
}

/// Lines 1 to `last` that `filter` lets through, as text, read while they are sent.
pub(super) fn as_text(
    app: crate::app::App,
    actor: crate::domain::Actor,
    id: DeploymentId,
    filter: LogFilter,
    last: i64,
) -> impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static {
    futures_util::stream::unfold(Some(1_i64), move |next| {
        let (app, actor, filter) = (app.clone(), actor.clone(), filter.clone());
        async move {
            let mut from = next?;
            loop {
                if from > last {
                    return None;
                }
                let window = LogWindow::From(from);
                let found = watch::log_window(&app, &actor, id, window, DOWNLOAD_WINDOW, &filter).await;
                let found = match found {
                    Ok(found) => found,
                    Err(error) => return Some((Err(std::io::Error::other(error)), None)),
                };
                let newest = found.lines.last().map(|line| line.number + 1);
                from = found.stopped.or(newest)?;
                if newest.is_some() {
                    let text: String = found.lines.iter().map(text_line).collect();
                    return Some((Ok(bytes::Bytes::from(text)), Some(from)));
                }
            }
        }
    })
}

fn text_line(line: &LogLine) -> String {
    let server = line.place();
    format!(
        "{} {server} {}: {}\n",
        line.at.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
        line.kind.map_or("", StepKind::as_str),
        terminal::to_text(&line.text)
    )
}
