//! One channel of a connection, closed on every way out.
//!
//! Whoever drops a running command (a `select!`, a task that is aborted) must not leave it running
//! on the server, nor leave its room on the connection taken for ever. So a channel that is dropped
//! before the server closed it is handed to a small task that ends its input, which is the sign for
//! the guard over there, and waits for the end.
//!
//! Closing comes last and is no substitute for that: sshd goes on counting a closed channel among
//! its `MaxSessions` until the command has ended, and russh tells nobody of the answer to a close.

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::guard::END_LIMIT;

/// How far a command has come, as the server told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It runs, for all we know.
    Running,
    /// It has ended, but something still holds its output open.
    Ended,
    /// All is over.
    Closed,
}

/// A channel, the room it takes, and the life of its connection.
pub(super) struct Channel {
    /// `None` only after it was handed to the closing task.
    halves: Option<(ChannelReadHalf, ChannelWriteHalf<Msg>)>,
    room: Option<OwnedSemaphorePermit>,
    state: State,
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
            state: State::Running,
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
            state: &mut self.state,
            closed: &self.closed,
        };
        (incoming, &halves.1)
    }
}

/// What comes from the server.
pub(super) struct Incoming<'a> {
    read: &'a mut ChannelReadHalf,
    state: &'a mut State,
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
        match message {
            None | Some(ChannelMsg::Close) => {
                *self.state = State::Closed;
                None
            }
            Some(ChannelMsg::ExitStatus { .. } | ChannelMsg::ExitSignal { .. }) => {
                *self.state = State::Ended;
                message
            }
            _ => message,
        }
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
        let state = self.state;
        if state == State::Closed {
            return;
        }
        runtime.spawn(async move {
            finish(&mut read, &write, state).await;
            drop(room);
        });
    }
}

/// Ends a command nobody waits for any more. Reading goes on meanwhile, for the connection hands
/// out messages in order and would wait for this channel.
async fn finish(read: &mut ChannelReadHalf, write: &ChannelWriteHalf<Msg>, state: State) {
    if state == State::Running {
        let end = async {
            let until_closed =
                async { while !matches!(read.wait().await, None | Some(ChannelMsg::Close)) {} };
            tokio::join!(until_closed, write.eof())
        };
        if timeout(END_LIMIT, end).await.is_ok() {
            return;
        }
    }
    let drain = async { while read.wait().await.is_some() {} };
    tokio::select! {
        () = drain => {}
        // It fails only when the connection is gone.
        _ = write.close() => {}
    }
}
