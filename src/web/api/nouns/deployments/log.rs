//! The log of a deployment: as text, as JSON lines, or as a stream of events that follows it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use poem::{Body, Response};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::time::{Duration, timeout};

use crate::app::{App, naming, watch};
use crate::domain::log::HERE;
use crate::domain::{DeploymentId, LogLine, Result, Stream as LineStream};
use crate::engine::live::LiveEvent;
use crate::store::log::{LogFilter, LogWindow};
use crate::web::live;
use crate::web::terminal;
use crate::web::visitor::Visitor;

/// The last event of a stream whose reader may not see the deployment any more. The deployment goes on.
const REFUSED: Bytes = Bytes::from_static(b"event: refused\ndata: {}\n\n");
/// Lines read at once.
const WINDOW: usize = 1_000;
/// How often a quiet stream says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which part of a log is asked for.
pub struct LogWanted {
    pub id: DeploymentId,
    pub after: Option<i64>,
    pub server: Option<String>,
    pub text: Option<String>,
    /// The last event that the client saw.
    pub seen: Option<String>,
}

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    JsonLines,
    Events,
}

impl Form {
    fn of(accept: &str) -> Self {
        match accept {
            accept if accept.contains("text/event-stream") => Self::Events,
            accept if accept.contains("ndjson") || accept.contains("jsonl") => Self::JsonLines,
            _ => Self::Text,
        }
    }

    fn write(self, line: &LogLine) -> String {
        match self {
            Self::Text => format!(
                "{} {} {}: {}\n",
                line.at.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
                line.place(),
                line.kind.map_or("", |kind| kind.as_str()),
                terminal::to_text(&line.text)
            ),
            Self::JsonLines => format!("{}\n", as_json(line)),
            Self::Events => format!("id: {}\nevent: line\ndata: {}\n\n", line.number, as_json(line)),
        }
    }
}

fn as_json(line: &LogLine) -> Value {
    json!({
        "number": line.number,
        "at": line.at,
        "server": line.place(),
        "step": line.kind.map(|kind| kind.as_str()),
        "stream": match line.stream {
            LineStream::Stdout => "stdout",
            LineStream::Stderr => "stderr",
            LineStream::Info => "info",
        },
        "text": terminal::to_text(&line.text),
        "continues": line.continues(),
    })
}

/// The log, in the form that `accept` asks for.
///
/// # Errors
/// Not found; forbidden.
pub async fn answer(visitor: &Visitor, wanted: LogWanted, accept: &str) -> Result<Response> {
    let (app, id) = (visitor.app().clone(), wanted.id);
    // Watched before the store is read, so that nothing falls in between.
    let events = app.hub().watch(id);
    let (watched, _) = watch::see(&app, visitor.actor(), id).await?;
    let form = Form::of(accept);
    let resumed = wanted
        .seen
        .as_deref()
        .and_then(|seen| seen.trim().parse::<i64>().ok());
    let resumed = resumed.filter(|_| form == Form::Events);
    let last = watched.deployment.last_line;
    let after = resumed.or(wanted.after).unwrap_or(0).clamp(0, last);
    let server = wanted
        .server
        .map(|name| if name == HERE { String::new() } else { name });
    let reader = Reader {
        app,
        id,
        next: after + 1,
        filter: LogFilter {
            server,
            kind: None,
            text: wanted.text.filter(|text| !text.is_empty()),
        },
        form,
    };
    if form == Form::Events {
        let (visitor, deployment) = (visitor.clone(), Arc::new(watched.deployment));
        let period = visitor.site().settings.check_viewers_every;
        let lines = live::while_allowed_else(follow(reader, events), period, REFUSED, move || {
            let (visitor, deployment) = (visitor.clone(), Arc::clone(&deployment));
            async move {
                naming::may_be_seen(visitor.app(), visitor.actor(), &deployment).await
                    && visitor.still_stands().await
            }
        });
        return Ok(live::answer(lines));
    }
    let kind = match form {
        Form::JsonLines => "application/x-ndjson",
        _ => "text/plain; charset=utf-8",
    };
    Ok(Response::builder()
        .content_type(kind)
        .body(Body::from_bytes_stream(whole(
            reader,
            visitor.actor().clone(),
            last,
        ))))
}

/// Reads a log piece by piece.
struct Reader {
    app: App,
    id: DeploymentId,
    next: i64,
    filter: LogFilter,
    form: Form,
}

/// The lines up to `last`, read while they are sent.
fn whole(
    reader: Reader,
    actor: crate::domain::Actor,
    last: i64,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::unfold(Some(reader), move |reader| {
        let actor = actor.clone();
        async move {
            let mut reader = reader?;
            loop {
                if reader.next > last {
                    return None;
                }
                let window = LogWindow::From(reader.next);
                let found =
                    watch::log_window(&reader.app, &actor, reader.id, window, WINDOW, &reader.filter).await;
                let found = match found {
                    Ok(found) => found,
                    Err(error) => return Some((Err(std::io::Error::other(error)), None)),
                };
                let newest = found.lines.last().map(|line| line.number + 1);
                reader.next = found.stopped.or(newest)?;
                if newest.is_some() {
                    let form = reader.form;
                    let text: String = found.lines.iter().map(|line| form.write(line)).collect();
                    return Some((Ok(Bytes::from(text)), Some(reader)));
                }
            }
        }
    })
}

/// The lines that there are and those that come, until the deployment has ended.
fn follow(
    reader: Reader,
    events: Receiver<LiveEvent>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::unfold(Some((reader, events)), |at| async move {
        let (mut reader, mut events) = at?;
        loop {
            // Asked first: what is stored before the end is read after it.
            let ended = match watch::now(&reader.app, reader.id).await {
                Ok(watched) => watched
                    .deployment
                    .state
                    .is_final()
                    .then_some(watched.deployment.state),
                Err(error) => return Some((Err(std::io::Error::other(error)), None)),
            };
            match reader.more().await {
                Ok(Some(text)) => return Some((Ok(text), Some((reader, events)))),
                Ok(None) => {}
                Err(error) => return Some((Err(std::io::Error::other(error)), None)),
            }
            if let Some(state) = ended {
                let end = format!("event: end\ndata: {}\n\n", json!({ "state": state.as_str() }));
                return Some((Ok(Bytes::from(end)), None));
            }
            match timeout(KEEP_ALIVE, events.recv()).await {
                Err(_) => {
                    let comment = Bytes::from_static(b": still here\n\n");
                    return Some((Ok(comment), Some((reader, events))));
                }
                Ok(_) => while events.try_recv().is_ok() {},
            }
        }
    })
}

impl Reader {
    /// The next lines that are stored, written out.
    async fn more(&mut self) -> Result<Option<Bytes>> {
        let found = watch::lines(&self.app, self.id, self.next, WINDOW, &self.filter).await?;
        let Some(last) = found.last() else {
            return Ok(None);
        };
        self.next = last.number + 1;
        let text: String = found.iter().map(|line| self.form.write(line)).collect();
        Ok(Some(Bytes::from(text)))
    }
}
