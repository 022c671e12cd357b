//! Tells pages that something has changed, without saying what.
//!
//! What may be seen differs from viewer to viewer, so no content is sent: the message `changed` only
//! makes a page ask for its fragment again, which is permitted and rendered like any page. Changes come
//! in bursts; one message serves all of a burst.
//!
//! Changes are counted. A page is rendered with the count from before it was read (by
//! [`Changes::count`]), and its stream begins there: what happened in between, or while the
//! connection was lost, is sent at once. Nothing is kept per viewer but that number, so a slow one
//! costs nothing.
//!
//! **In a page**: a field `live: String` of [`super::Live::page_url`], asked for *before* `app` is,
//! and
//! ```text
//! <div id="live" hx-sse:connect="{{ live }}" hx-sse:close="end" hx-trigger="watch" hx-swap="none"></div>
//! <div hidden hx-get="{{ here }}" hx-trigger="changed from:#live" hx-target="#list" hx-swap="outerMorph"></div>
//! ```
//! where the answer to htmx is the block that holds `#list`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

use super::message::KEEP_ALIVE;
use crate::app::App;

/// Between two messages: what people see as at once, and four renderings a second at most.
const PAUSE: Duration = Duration::from_millis(250);

/// The count of changes. Cloning shares it.
#[derive(Clone)]
pub struct Changes(Arc<Counter>);

struct Counter {
    count: watch::Receiver<u64>,
    task: tokio::task::AbortHandle,
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Changes {
    /// Begins to count the events of the engine of `app`.
    pub fn begin(app: &App) -> Self {
        // After a restart no page may mistake an old count for the present one.
        let (sender, count) = watch::channel(u64::from(rand::random::<u32>()) << 20);
        let events = app.hub().watch_activity();
        let task = tokio::spawn(tally(events, sender)).abort_handle();
        Self(Arc::new(Counter { count, task }))
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        *self.0.count.borrow()
    }

    /// The messages for a page that knows of the changes up to `seen`.
    pub fn stream(&self, seen: u64) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
        let start = (self.clone(), self.0.count.clone(), seen);
        futures_util::stream::unfold(start, |(changes, mut count, seen)| async move {
            let now = *count.borrow_and_update();
            if now != seen {
                return Some((Ok(message(now)), (changes, count, now)));
            }
            match timeout(KEEP_ALIVE, count.changed()).await {
                Err(_) => Some((Ok(super::message::keep_alive()), (changes, count, seen))),
                Ok(Ok(())) => {
                    let now = *count.borrow_and_update();
                    Some((Ok(message(now)), (changes, count, now)))
                }
                // The engine has ended.
                Ok(Err(_)) => None,
            }
        })
    }
}

fn message(count: u64) -> Bytes {
    Bytes::from(format!("id: {count}\nevent: changed\ndata: {count}\n\n"))
}

async fn tally(mut events: broadcast::Receiver<()>, sender: watch::Sender<u64>) {
    loop {
        if matches!(events.recv().await, Err(RecvError::Closed)) {
            return;
        }
        while matches!(events.try_recv(), Ok(_) | Err(TryRecvError::Lagged(_))) {}
        sender.send_modify(|count| *count += 1);
        // Events that come meanwhile wait in the ring, and count as one change.
        tokio::time::sleep(PAUSE).await;
    }
}
