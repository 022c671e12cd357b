//! Whether a viewer may keep watching.
//!
//! Permission is checked when a stream is opened, and a stream may stay open for days, during which
//! its viewer may log out, be disabled, or lose the right to see. So the check is repeated, and a
//! stream that would no longer be opened is ended for good.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::message;

type Messages = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

struct Checked<J> {
    messages: Messages,
    again: Interval,
    is_allowed: J,
}

/// `messages` for as long as `is_allowed` is true, and then the message that ends a page's stream; it is asked once
/// per `period`.
pub fn while_allowed<J, F>(
    messages: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    period: Duration,
    is_allowed: J,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static
where
    J: Fn() -> F + Send + 'static,
    F: Future<Output = bool> + Send,
{
    while_allowed_else(messages, period, message::end(), is_allowed)
}

/// The same with `last` as the last message.
pub fn while_allowed_else<J, F>(
    messages: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    period: Duration,
    last: Bytes,
    is_allowed: J,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static
where
    J: Fn() -> F + Send + 'static,
    F: Future<Output = bool> + Send,
{
    let mut again = interval_at(Instant::now() + period, period);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let start = Checked {
        messages: Box::pin(messages),
        again,
        is_allowed,
    };
    futures_util::stream::unfold(Some((start, last)), |checked| async move {
        let (mut checked, last) = checked?;
        loop {
            tokio::select! {
                biased;
                _ = checked.again.tick() => {
                    if !(checked.is_allowed)().await {
                        return Some((Ok(last), None));
                    }
                }
                message = checked.messages.next() => return message.map(|one| (one, Some((checked, last)))),
            }
        }
    })
}
