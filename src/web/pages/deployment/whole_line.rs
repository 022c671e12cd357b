//! One line of a log as its program printed it: a line that is too long is stored as several, each of
//! which goes on with the one before.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use crate::app::{App, watch};
use crate::domain::{DeploymentId, Error, LogLine, Result};
use crate::store::log::LogFilter;
use crate::web::terminal;

/// Lines read at once.
const WINDOW: usize = 200;

/// The first part of the line that line `number` belongs to. The caller checked that the deployment may
/// be seen.
///
/// # Errors
/// Not found.
pub(super) async fn begin(app: &App, id: DeploymentId, number: i64) -> Result<LogLine> {
    let found = watch::lines(app, id, number, 1, &LogFilter::default()).await?;
    let mut first = found.into_iter().find(|line| line.number == number);
    let mut before = number;
    while let Some(part) = first.as_ref().filter(|part| part.continues()) {
        let earlier = watch::lines_before(app, id, before, WINDOW, &filter(part)).await?;
        let Some(oldest) = earlier.first() else { break };
        before = oldest.number;
        let of_stream = earlier.iter().rev().filter(|line| line.stream == part.stream);
        // The parts of the line in this window, up to the one that does not continue.
        let mut reached = None;
        for line in of_stream {
            reached = Some(line.clone());
            if !line.continues() {
                break;
            }
        }
        first = reached.or(first);
    }
    first.ok_or_else(|| Error::not_found(format!("line {number} of deployment {id}")))
}

/// The line that begins with `first`, as text.
pub(super) fn as_text(
    app: App,
    id: DeploymentId,
    first: LogLine,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let text = Bytes::from(terminal::to_text(&first.text));
    let rest = stream::unfold(Some((first.number + 1, first)), move |state| {
        let app = app.clone();
        async move {
            let (from, first) = state?;
            let found = match watch::lines(&app, id, from, WINDOW, &filter(&first)).await {
                Ok(found) => found,
                Err(error) => return Some((Err(std::io::Error::other(error)), None)),
            };
            let next = found.last().map(|line| line.number + 1);
            let own = || found.iter().filter(|line| line.stream == first.stream);
            let parts = own().take_while(|line| line.continues());
            let text: String = parts.map(|line| terminal::to_text(&line.text)).collect();
            let goes_on = own().all(LogLine::continues);
            let state = next.filter(|_| goes_on).map(|next| (next, first));
            Some((Ok(Bytes::from(text)), state))
        }
    });
    stream::iter([Ok(text)])
        .chain(rest)
        .chain(stream::iter([Ok(Bytes::from_static(b"\n"))]))
}

/// Lines of the same step of the same server.
fn filter(line: &LogLine) -> LogFilter {
    LogFilter {
        server: Some(line.server.clone()),
        kind: line.kind,
        ..LogFilter::default()
    }
}
