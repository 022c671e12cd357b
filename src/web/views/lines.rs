//! Log lines as a page shows them. The same markup serves the page and the live stream.

use askama::Template;

use crate::domain::{DeploymentId, LogLine, StepKind, Stream};
use crate::web::{format, terminal, urls};

/// Bytes of a line that are shown; the rest is a download. A window of such lines is a page that a
/// phone can load.
const SHOWN: usize = 1_000;
/// The same of a line that only goes on with one before it.
const SHOWN_OF_REST: usize = 200;

/// One line; `templates/deployments/_lines.html` draws it.
pub struct LineView {
    pub number: i64,
    /// Time of day, UTC.
    pub at: String,
    /// The server that printed it; empty for the deployer's host.
    pub server: String,
    pub step: &'static str,
    /// A class: `out`, `err` or `say`.
    pub stream: &'static str,
    /// Safe HTML: the text with its colours as classes.
    pub html: String,
    /// Where it is too long to be shown: how much is missing, and where the whole line is.
    pub cut: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "deployments/_lines_message.html")]
struct LinesMessage {
    lines: Vec<LineView>,
}

/// The message that appends lines of deployment `id` to open pages.
pub fn message(id: DeploymentId, lines: impl Iterator<Item = LogLine>) -> String {
    let lines = lines.map(|line| LineView::new(id, &line)).collect();
    // The template writes into a string, which cannot fail.
    LinesMessage { lines }.render().unwrap_or_default()
}

impl LineView {
    /// Where it was printed, in words.
    pub fn place(&self) -> &str {
        match self.server.as_str() {
            "" => "On the deployer",
            server => server,
        }
    }

    pub fn new(id: DeploymentId, line: &LogLine) -> Self {
        let most = if line.continues() { SHOWN_OF_REST } else { SHOWN };
        let most = crate::sabotage::most("d2", most);
        // A little more is not worth a cut.
        let end = if line.text.len() > most + most / 4 {
            line.text.floor_char_boundary(most)
        } else {
            line.text.len()
        };
        let (shown, rest) = line.text.split_at(end);
        let size = || format::size(u64::try_from(rest.len()).unwrap_or(u64::MAX));
        Self {
            cut: (!rest.is_empty()).then(|| (size(), urls::deployment_log_line(id, line.number))),
            number: line.number,
            at: format::clock(&line.at),
            server: line.server.clone(),
            step: line.kind.map_or("", StepKind::title),
            stream: match line.stream {
                Stream::Stdout => "out",
                Stream::Stderr => "err",
                Stream::Info => "say",
            },
            html: terminal::to_html(shown),
        }
    }
}
