//! One message of a stream, already in the bytes that go over the wire.

use std::time::Duration;

use bytes::Bytes;

use crate::domain::StepKind;

/// How often a quiet connection sends a comment; proxies close silent ones after 30 to 60 seconds.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which lines are sent to a viewer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineFilter {
    /// Only those of this server; an empty name is the deployer's host.
    pub server: Option<String>,
    /// Only those of this kind of step.
    pub kind: Option<StepKind>,
}

impl LineFilter {
    /// Whether lines of `server` and `kind` are sent.
    pub fn takes(&self, server: &str, kind: Option<StepKind>) -> bool {
        self.server.as_deref().is_none_or(|wanted| wanted == server)
            && self.kind.is_none_or(|wanted| Some(wanted) == kind)
    }
}

/// One message, shared by all viewers.
#[derive(Debug, Clone)]
pub enum Message {
    /// Consecutive lines of one step.
    Lines {
        /// Number of the first.
        first: i64,
        /// Number of the last.
        last: i64,
        /// Where they were printed.
        server: String,
        /// In which kind of step.
        kind: Option<StepKind>,
        /// The whole message.
        bytes: Bytes,
    },
    /// The deployment's state, steps and servers, as they are now. It replaces the one before, so it
    /// carries no line number.
    State {
        /// The state that acts depend on; see [`crate::web::views::state::acts_key`].
        acts: String,
        /// The whole message.
        bytes: Bytes,
    },
    /// Nothing more will come.
    End,
}

/// A message with `html` for the page, and the number of the last line seen with it.
pub fn page_update(last_line: Option<i64>, html: &str) -> Bytes {
    let mut text = String::with_capacity(html.len() + 64);
    if let Some(line) = last_line {
        text.push_str(&format!("id: {line}\n"));
    }
    // A line break inside would end the field.
    for line in html.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    Bytes::from(text)
}

/// The message that makes a page load its acts again, as those depend on who looks.
pub fn acts(key: &str) -> Bytes {
    Bytes::from(format!("event: acts\ndata: {key}\n\n"))
}

/// The message that ends a stream for good; the page closes its connection at it.
pub fn end() -> Bytes {
    Bytes::from_static(b"event: end\ndata: end\n\n")
}

/// A comment that keeps proxies from closing a quiet connection.
pub fn keep_alive() -> Bytes {
    Bytes::from_static(b": still here\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_the_html_does_not_end_the_message() {
        assert_eq!(
            page_update(Some(7), "a\nb"),
            Bytes::from_static(b"id: 7\ndata: a\ndata: b\n\n")
        );
    }

    #[test]
    fn a_filter_takes_what_it_names() {
        let filter = LineFilter {
            server: Some("web1".into()),
            kind: None,
        };
        assert!(filter.takes("web1", Some(StepKind::Sync)));
        assert!(!filter.takes("web2", Some(StepKind::Sync)));
        assert!(!filter.takes("", None));
    }
}
