//! Kept connections: one per address, port, user and pinned key, made when first needed, shared by
//! all commands, closed after a while of idleness, replaced when it has died.
//!
//! A `Slot` is the place of one connection. Its lock is held while connecting, so that many
//! commands that start at once share one handshake instead of making one each. A gate per address
//! and port holds back connections to different accounts, for sshd drops what comes too fast.
//!
//! The pinned key is part of the key of a slot: whoever unpins or replaces a host key can never be
//! served by a connection that was verified against the old one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use russh::client::{Handle, Msg};
use russh::{ChannelOpenFailure, Disconnect};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::channel::CommandChannel;
use super::connect::connect;
use super::handler::ConnectionHandler;
use super::{Endpoint, Error, Options};

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

/// All connections of this process; cheap to clone.
#[derive(Clone)]
pub struct Connections {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    gates: Mutex<HashMap<(String, u16), Arc<Semaphore>>>,
}

/// What makes two endpoints share a connection.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    host: String,
    port: u16,
    user: String,
    host_key: Option<String>,
}

/// The place of one connection.
#[derive(Default)]
struct Slot {
    connection: tokio::sync::Mutex<Option<Arc<Connection>>>,
}

/// One account on one server, connected; cheap to clone. It stays usable when the connection is
/// closed for idleness or was lost: the next command connects anew.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    endpoint: Arc<Endpoint>,
}

impl Connections {
    /// No connection yet.
    pub fn new(options: Options) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                slots: Mutex::default(),
                gates: Mutex::default(),
            }),
        }
    }

    /// Connects to `endpoint`, or finds the existing connection.
    ///
    /// # Errors
    /// Everything about reaching the server, its host key and our keys.
    pub async fn session(&self, endpoint: &Endpoint) -> Result<Session, Error> {
        let session = Session {
            shared: self.shared.clone(),
            endpoint: Arc::new(endpoint.clone()),
        };
        session.connection().await?;
        Ok(session)
    }

    /// Closes every connection and ends what runs on them. New ones can be made afterwards.
    pub async fn shutdown(&self) {
        let slots: Vec<_> = self.shared.slots.lock().drain().map(|(_, slot)| slot).collect();
        let goodbyes = slots.iter().map(|slot| async {
            if let Some(connection) = slot.connection.lock().await.take() {
                connection.close("the deployer stops").await;
            }
        });
        futures_util::future::join_all(goodbyes).await;
    }

    /// How many connections are open now.
    pub fn connections(&self) -> usize {
        let slots = self.shared.slots.lock();
        let alive = |slot: &&Arc<Slot>| {
            slot.connection
                .try_lock()
                .is_ok_and(|held| held.as_ref().is_some_and(|c| c.is_alive()))
        };
        slots.values().filter(alive).count()
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Whom it talks to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The open connection, or a new one.
    async fn connection(&self) -> Result<Arc<Connection>, Error> {
        let slot = self.shared.slot(&self.endpoint);
        let mut place = slot.connection.lock().await;
        if let Some(connection) = place.as_ref().filter(|connection| connection.is_alive()) {
            connection.touched.store(true, Ordering::Relaxed);
            return Ok(connection.clone());
        }
        *place = None;
        let gate = self.shared.gate(&self.endpoint);
        let _pass = gate.acquire_owned().await.expect("a gate is never closed");
        let (handle, closed) = connect(&self.endpoint, &self.shared.options).await?;
        let connection = Arc::new(Connection {
            handle,
            channels: Arc::new(Semaphore::new(self.shared.options.max_channels)),
            capacity: self.shared.options.max_channels,
            open_timeout: self.shared.options.open_timeout,
            closed,
            touched: AtomicBool::new(true),
        });
        *place = Some(connection.clone());
        tokio::spawn(close_when_idle(
            Arc::downgrade(&connection),
            connection.closed.clone(),
            self.shared.options.idle_timeout,
        ));
        Ok(connection)
    }

    /// A fresh channel. A connection that turns out dead at this moment is replaced once: nothing
    /// has been asked of the server yet, so nothing can happen twice.
    pub(super) async fn open(&self, what: &Opening) -> Result<Opened, Error> {
        match self.connection().await?.open(&self.endpoint, what).await {
            Err(Error::ConnectionLost { .. }) => self.connection().await?.open(&self.endpoint, what).await,
            outcome => outcome,
        }
    }

    /// A fresh channel for a command.
    pub(super) async fn channel(&self) -> Result<CommandChannel, Error> {
        let opened = self.open(&Opening::Session).await?;
        Ok(CommandChannel::new(opened.channel, opened.closed, opened.room))
    }
}

/// What a channel is opened for.
pub(super) enum Opening {
    /// A command.
    Session,
    /// A TCP connection that the server makes.
    Forward { host: String, port: u16 },
}

/// A channel that was opened.
pub(super) struct Opened {
    pub(super) channel: russh::Channel<Msg>,
    /// Cancelled when its connection ends.
    pub(super) closed: CancellationToken,
    /// The room it takes.
    pub(super) room: OwnedSemaphorePermit,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn slot(&self, endpoint: &Endpoint) -> Arc<Slot> {
        let key = Key {
            host: endpoint.host.clone(),
            port: endpoint.port,
            user: endpoint.user.clone(),
            host_key: endpoint.host_key.as_ref().map(|key| key.openssh.clone()),
        };
        self.slots.lock().entry(key).or_default().clone()
    }

    fn gate(&self, endpoint: &Endpoint) -> Arc<Semaphore> {
        let key = (endpoint.host.clone(), endpoint.port);
        let new = || Arc::new(Semaphore::new(self.options.max_new_connections));
        self.gates.lock().entry(key).or_insert_with(new).clone()
    }
}

/// An authenticated connection and the room on it.
struct Connection {
    handle: Handle<ConnectionHandler>,
    channels: Arc<Semaphore>,
    capacity: usize,
    open_timeout: Duration,
    closed: CancellationToken,
    /// Whether it was used since the idle watch looked last.
    touched: AtomicBool,
}

impl Connection {
    fn is_alive(&self) -> bool {
        !self.closed.is_cancelled() && !self.handle.is_closed()
    }

    async fn open(&self, endpoint: &Endpoint, what: &Opening) -> Result<Opened, Error> {
        let room = self.channels.clone().acquire_owned().await;
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
                Opening::Forward { host, port } => {
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
            Ok(Err(russh::Error::ChannelOpenFailure(reason))) => Err(refusal(server, what, &reason)),
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
        self.channels.available_permits() < self.capacity
    }

    async fn close(&self, why: &str) {
        self.closed.cancel();
        let goodbye = self.handle.disconnect(Disconnect::ByApplication, why, "");
        if timeout(GOODBYE_TIMEOUT, goodbye).await.is_err() {
            tracing::debug!("a server did not take our goodbye");
        }
    }
}

/// What it means that the server opened no channel.
fn refusal(server: String, what: &Opening, reason: &ChannelOpenFailure) -> Error {
    match (what, reason) {
        (Opening::Forward { host, port }, ChannelOpenFailure::AdministrativelyProhibited) => {
            Error::ForwardForbidden {
                server,
                to: format!("{host}:{port}"),
            }
        }
        (Opening::Forward { host, port }, ChannelOpenFailure::ConnectFailed) => Error::ForwardFailed {
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
