//! Whether a viewer may go on watching.
//!
//! A stream is judged when it is opened, and may stay open for days: meanwhile its viewer may have
//! logged out, been shut out, or lost the right to see. So every now and then the question is
//! asked again, and a stream that would not be opened any more is ended for good.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::frame;

type Messages = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

struct Judged<J> {
    messages: Messages,
    again: Interval,
    may_go_on: J,
}

/// `messages` for as long as `may_go_on` says so; it is asked once per `period`.
pub fn while_allowed<J, F>(
    messages: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    period: Duration,
    may_go_on: J,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static
where
    J: Fn() -> F + Send + 'static,
    F: Future<Output = bool> + Send,
{
    let mut again = interval_at(Instant::now() + period, period);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let start = Judged {
        messages: Box::pin(messages),
        again,
        may_go_on,
    };
    futures_util::stream::unfold(Some(start), |judged| async move {
        let mut judged = judged?;
        loop {
            tokio::select! {
                biased;
                _ = judged.again.tick() => {
                    if !(judged.may_go_on)().await {
                        return Some((Ok(frame::end()), None));
                    }
                }
                message = judged.messages.next() => return message.map(|one| (one, Some(judged))),
            }
        }
    })
}
