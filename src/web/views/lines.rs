//! Log lines as a page shows them. The same markup serves the page and the live stream.

use askama::Template;

use crate::domain::{LogLine, NumberedChunk, StepKind, Stream};
use crate::web::{format, terminal};

/// The contract of `templates/deployments/_lines.html`.
#[derive(Template)]
#[template(path = "deployments/_lines.html")]
pub struct Lines {
    pub lines: Vec<LineView>,
}

pub struct LineView {
    pub number: i64,
    /// Time of day, UTC.
    pub at: String,
    /// Where it was printed; `here` for the deployer's host.
    pub server: String,
    /// Title of its step.
    pub step: &'static str,
    /// Class of its stream: `out`, `err` or `say`.
    pub stream: &'static str,
    /// Safe HTML: the text with its colours as classes.
    pub html: String,
}

/// Lines to send or show.
pub struct LinesView(pub Lines);

#[derive(Template)]
#[template(path = "deployments/_lines_message.html")]
struct LinesMessage<'a> {
    lines: &'a [LineView],
}

impl LinesView {
    pub fn of_chunk(chunk: &NumberedChunk) -> Self {
        Self(Lines {
            lines: chunk.clone().lines().map(|line| LineView::new(&line)).collect(),
        })
    }

    pub fn of_lines(lines: &[LogLine]) -> Self {
        Self(Lines {
            lines: lines.iter().map(LineView::new).collect(),
        })
    }

    /// The message that appends them to open pages.
    pub fn html(&self) -> String {
        // These templates write into a string, which cannot fail.
        LinesMessage { lines: &self.0.lines }.render().unwrap_or_default()
    }
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
