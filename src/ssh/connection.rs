//! One authenticated connection: the room on it, its channels, and its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::client::{Handle, Msg};
use russh::{ChannelOpenFailure, Disconnect};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::handler::ConnectionHandler;
use super::{Endpoint, Error, Options};

/// Connections to other servers that one jump host carries at once; more wait their turn. sshd does not
/// count them among its `MaxSessions`.
const MOST_JUMPS: usize = 1000;

/// Waits between attempts to open a channel. sshd counts channels that were closed until it has
/// cleaned up after them, a moment later, and refuses new ones meanwhile.
const REFUSAL_DELAYS: &[Duration] = &[
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(300),
    Duration::from_millis(1000),
];

/// The origin that we give for forwarded connections; servers write it into their logs.
const ORIGIN: (&str, u32) = ("127.0.0.1", 0);

/// Saying goodbye is a courtesy; nobody waits longer for it.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a channel is opened for.
pub(super) enum Opening {
    /// A command.
    Session,
    /// A TCP connection that the server makes.
    Forward { host: String, port: u16 },
    /// The same, to the sshd of another server.
    Jump { host: String, port: u16 },
}

/// A channel that was opened.
pub(super) struct Opened {
    pub(super) channel: russh::Channel<Msg>,
    /// Cancelled when its connection ends.
    pub(super) closed: CancellationToken,
    /// The room it takes.
    pub(super) room: OwnedSemaphorePermit,
}

/// An authenticated connection and the room on it.
pub(super) struct Connection {
    handle: Handle<ConnectionHandler>,
    channels: Arc<Semaphore>,
    capacity: usize,
    jumps: Arc<Semaphore>,
    open_timeout: Duration,
    closed: CancellationToken,
    /// Whether it was used since the idle watch looked last.
    touched: AtomicBool,
}

impl Connection {
    /// A connection that was just made. It closes when it was idle for long enough.
    pub(super) fn new(
        handle: Handle<ConnectionHandler>,
        closed: CancellationToken,
        options: &Options,
    ) -> Arc<Self> {
        let connection = Arc::new(Self {
            handle,
            channels: Arc::new(Semaphore::new(options.max_channels)),
            capacity: options.max_channels,
            jumps: Arc::new(Semaphore::new(if crate::sabotage::on("u19") { 1_000_000 } else { MOST_JUMPS })),
            open_timeout: options.open_timeout,
            closed,
            touched: AtomicBool::new(true),
        });
        tokio::spawn(close_when_idle(
            Arc::downgrade(&connection),
            connection.closed.clone(),
            options.idle_timeout,
        ));
        connection
    }

    /// Keeps it from being closed as idle.
    pub(super) fn touch(&self) {
        self.touched.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.closed.is_cancelled() && !self.handle.is_closed()
    }

    pub(super) async fn open(&self, endpoint: &Endpoint, what: &Opening) -> Result<Opened, Error> {
        let room = match what {
            Opening::Jump { .. } if crate::sabotage::on("j11") => &self.channels,
            Opening::Jump { .. } => &self.jumps,
            Opening::Session | Opening::Forward { .. } => &self.channels,
        };
        let room = room.clone().acquire_owned().await;
        let room = room.expect("a connection's room is never closed");
        let mut delays = REFUSAL_DELAYS.iter();
        let channel = loop {
            match self.try_open(endpoint, what).await {
                Err(refused @ Error::ChannelRefused { .. }) => {
                    sleep(*delays.next().ok_or(refused)?).await;
                }
                outcome => break outcome?,
            }
        };
        Ok(Opened {
            channel,
            closed: self.closed.clone(),
            room,
        })
    }

    async fn try_open(&self, endpoint: &Endpoint, what: &Opening) -> Result<russh::Channel<Msg>, Error> {
        let server = endpoint.name.clone();
        let ask = async {
            match what {
                Opening::Session => self.handle.channel_open_session().await,
                Opening::Forward { host, port } | Opening::Jump { host, port } => {
                    let (from, from_port) = ORIGIN;
                    self.handle
                        .channel_open_direct_tcpip(host, u32::from(*port), from, from_port)
                        .await
                }
            }
        };
        let opened = tokio::select! {
            opened = timeout(self.open_timeout, ask) => opened,
            () = self.closed.cancelled() => return Err(Error::ConnectionLost { server, cause: None }),
        };
        match opened {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(russh::Error::ChannelOpenFailure(reason))) => Err(refusal(endpoint, what, &reason)),
            Ok(Err(error)) => Err(Error::ConnectionLost {
                server,
                cause: Some(error.into()),
            }),
            // Not tried again: the caller has waited long enough.
            Err(_) => Err(Error::ChannelTimeout {
                server,
                limit: self.open_timeout,
            }),
        }
    }

    fn is_busy(&self) -> bool {
        self.channels.available_permits() < self.capacity || self.jumps.available_permits() < if crate::sabotage::on("u19") { 1_000_000 } else { MOST_JUMPS } && !crate::sabotage::on("j10")
    }

    pub(super) async fn close(&self, why: &str) {
        self.closed.cancel();
        let goodbye = self.handle.disconnect(Disconnect::ByApplication, why, "");
        if timeout(GOODBYE_TIMEOUT, goodbye).await.is_err() {
            tracing::debug!("a server did not take our goodbye");
        }
    }
}

/// What it means that the server opened no channel.
fn refusal(endpoint: &Endpoint, what: &Opening, reason: &ChannelOpenFailure) -> Error {
    let server = endpoint.name.clone();
    match (what, reason) {
        (Opening::Jump { host, port }, ChannelOpenFailure::AdministrativelyProhibited) => {
            Error::JumpForbidden {
                user: endpoint.user.clone(),
                to: format!("{host}:{port}"),
            }
        }
        (Opening::Forward { host, port }, ChannelOpenFailure::AdministrativelyProhibited) => {
            Error::ForwardForbidden {
                server,
                to: format!("{host}:{port}"),
            }
        }
        (
            Opening::Forward { host, port } | Opening::Jump { host, port },
            ChannelOpenFailure::ConnectFailed,
        ) => Error::ForwardFailed {
            server,
            to: format!("{host}:{port}"),
        },
        _ => Error::ChannelRefused {
            server,
            reason: format!("it opens no channel ({reason:?})"),
        },
    }
}

/// Closes a connection that nobody used for `limit` (at least; at most twice that).
async fn close_when_idle(
    connection: std::sync::Weak<Connection>,
    closed: CancellationToken,
    limit: Duration,
) {
    loop {
        if timeout(limit, closed.cancelled()).await.is_ok() {
            return;
        }
        let Some(connection) = connection.upgrade() else {
            return;
        };
        if !connection.touched.swap(false, Ordering::Relaxed) && !connection.is_busy() {
            connection.close("idle").await;
            return;
        }
    }
}
