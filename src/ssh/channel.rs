//! One channel of a connection, closed on every way out.
//!
//! A command that is dropped (a `select!`, an aborted task) must neither run on at the server nor
//! occupy its place on the connection for ever. So a channel that is dropped before the server closed
//! it is handed to a small task that ends its input, which tells the guard on the server to stop the
//! command, and waits for the end.
//!
//! Closing comes last and is no substitute for that: sshd goes on counting a closed channel among
//! its `MaxSessions` until the command has ended, and russh does not report the answer to a close.

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::guard::END_LIMIT;

/// How far a command has come, according to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It runs, as far as we know.
    Running,
    /// It has ended, but something still holds its output open.
    Ended,
    /// The channel is closed.
    Closed,
}

/// A channel, the room it takes, and the life of its connection.
pub(super) struct CommandChannel {
    /// `None` only after it was handed to the closing task.
    halves: Option<(ChannelReadHalf, ChannelWriteHalf<Msg>)>,
    room: Option<OwnedSemaphorePermit>,
    state: State,
    /// Cancelled when the connection ends.
    pub(super) closed: CancellationToken,
}

impl CommandChannel {
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

impl Drop for CommandChannel {
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

/// Ends a command that nobody waits for any more. Reading goes on meanwhile, because an unread
/// channel blocks the whole connection.
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
