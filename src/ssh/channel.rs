//! One channel of a connection, closed on every way out.
//!
//! Whoever drops a running command (a `select!`, a task that is aborted) must not leave it running
//! on the server, nor leave its room on the connection taken for ever. So a channel that is dropped
//! before the server closed it is handed to a small task that closes it and waits for the answer.

use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a server may take to close a channel before its room is given away regardless.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A channel, the room it takes, and the life of its connection.
pub(super) struct Channel {
    /// `None` only after it was handed to the closing task.
    halves: Option<(ChannelReadHalf, ChannelWriteHalf<Msg>)>,
    room: Option<OwnedSemaphorePermit>,
    /// Whether the server closed it.
    done: bool,
    /// Cancelled when the connection ends.
    pub(super) closed: CancellationToken,
}

impl Channel {
    pub(super) fn new(
        channel: russh::Channel<Msg>,
        closed: CancellationToken,
        room: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            halves: Some(channel.split()),
            room: Some(room),
            done: false,
            closed,
        }
    }

    /// Both directions, to be used side by side.
    pub(super) fn split(&mut self) -> (Incoming<'_>, &ChannelWriteHalf<Msg>) {
        let halves = self
            .halves
            .as_mut()
            .expect("the halves leave only when the channel is dropped");
        let incoming = Incoming {
            read: &mut halves.0,
            done: &mut self.done,
            closed: &self.closed,
        };
        (incoming, &halves.1)
    }
}

/// What comes from the server.
pub(super) struct Incoming<'a> {
    read: &'a mut ChannelReadHalf,
    done: &'a mut bool,
    closed: &'a CancellationToken,
}

impl Incoming<'_> {
    /// The next message; `None` when the channel or its connection has ended.
    pub(super) async fn next(&mut self) -> Option<ChannelMsg> {
        let message = tokio::select! {
            biased;
            message = self.read.wait() => message,
            () = self.closed.cancelled() => None,
        };
        if matches!(message, None | Some(ChannelMsg::Close)) {
            *self.done = true;
            return None;
        }
        message
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let (Some((mut read, write)), room) = (self.halves.take(), self.room.take()) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.done {
            return;
        }
        runtime.spawn(async move {
            // Reading goes on meanwhile: the connection delivers to this channel before others.
            let close = async {
                let drain = async { while read.wait().await.is_some() {} };
                tokio::join!(drain, write.close())
            };
            if timeout(CLOSE_TIMEOUT, close).await.is_err() {
                tracing::debug!("a server did not confirm the end of a channel");
            }
            drop(room);
        });
    }
}
