//! The live stream of a deployment: its log lines and its state, as server-sent events.
//!
//! Whatever happens is rendered once per deployment and sent to all its viewers as the same bytes
//! (`channel`). A viewer's stream (`viewer`) begins at the line the browser saw last, reads the
//! store until it has caught up, then follows the shared channel; when it falls behind it reads the
//! store again. So no line is lost or doubled, and a slow viewer costs a bounded ring.
//!
//! Acts depend on who looks, so no message carries them: when the state they are for has changed,
//! the message `acts` makes a page ask for its own.
//!
//! `changes` is the stream of everything that changes, for pages about more than one deployment.
//!
//! Each viewer's permission is checked again from time to time (`allowed`).
//!
//! Every message with lines carries the number of the last line that its receiver has seen with it, which the
//! browser sends back as `Last-Event-ID` when it reconnects.

mod allowed;
mod changes;
mod channel;
mod message;
mod viewer;

use std::sync::OnceLock;

use bytes::Bytes;
use futures_util::Stream;
use poem::{Body, Response};

pub use self::allowed::{while_allowed, while_allowed_else};
use self::changes::Changes;
use self::channel::Channels;
pub use self::message::LineFilter;
pub use self::viewer::StreamStart;
use super::urls;
use crate::app::App;
use crate::domain::DeploymentId;

/// What all streams share. Handlers take it as `Data<&Arc<Live>>`.
pub struct Live {
    app: App,
    channels: Channels,
    changes: OnceLock<Changes>,
}

impl Live {
    /// The streams of what happens in `app`.
    pub fn new(app: App) -> Self {
        Self {
            app,
            channels: Channels::default(),
            changes: OnceLock::new(),
        }
    }

    /// The count of changes, begun when it is first asked for.
    pub fn changes(&self) -> &Changes {
        self.changes.get_or_init(|| Changes::begin(&self.app))
    }

    /// Where a page listens for changes from now on. Ask for it before you read what the page
    /// shows, so that nothing falls in between; see `live/changes.rs`.
    pub fn page_url(&self) -> String {
        urls::live_after(self.changes().count())
    }

    /// The messages about deployment `id` for a viewer whose page shows what `start` says.
    pub fn deployment(
        &self,
        id: DeploymentId,
        start: StreamStart,
        filter: LineFilter,
    ) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
        viewer::stream(self.app.clone(), &self.channels, id, start, filter)
    }
}

/// A stream of messages as an answer.
pub fn answer(messages: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Response {
    Response::builder()
        .content_type("text/event-stream")
        .header("cache-control", "no-store")
        .header("x-accel-buffering", "no")
        .body(Body::from_bytes_stream(messages))
}
