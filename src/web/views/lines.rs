//! Log lines as a page shows them. The same markup serves the page and the live stream.

use askama::Template;

use crate::domain::{LogLine, StepKind, Stream};
use crate::web::{format, terminal};

/// One line; `templates/deployments/_lines.html` draws it.
pub struct LineView {
    pub number: i64,
    /// Time of day, UTC.
    pub at: String,
    /// Where it was printed; `here` for the deployer's host.
    pub server: String,
    pub step: &'static str,
    /// A class: `out`, `err` or `say`.
    pub stream: &'static str,
    /// Safe HTML: the text with its colours as classes.
    pub html: String,
}

#[derive(Template)]
#[template(path = "deployments/_lines_message.html")]
struct LinesMessage {
    lines: Vec<LineView>,
}

/// The message that appends lines to open pages.
pub fn message(lines: impl Iterator<Item = LogLine>) -> String {
    let lines = lines.map(|line| LineView::new(&line)).collect();
    // The template writes into a string, which cannot fail.
    LinesMessage { lines }.render().unwrap_or_default()
}

impl LineView {
    pub fn new(line: &LogLine) -> Self {
        Self {
            number: line.number,
            at: format::clock(&line.at),
            server: if line.server.is_empty() {
                "here".to_owned()
            } else {
                line.server.clone()
            },
            step: line.kind.map_or("", StepKind::title),
            stream: match line.stream {
                Stream::Stdout => "out",
                Stream::Stderr => "err",
                Stream::Info => "say",
            },
            html: terminal::to_html(&line.text),
        }
    }
}
