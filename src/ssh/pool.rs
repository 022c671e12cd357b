//! Kept connections: one per address, port, user and pinned key, made when first needed, shared by
//! all commands, closed when idle for a while, replaced when lost.
//!
//! A `Slot` is the place of one connection. Its lock is held while connecting, so that many
//! commands that start at once share one handshake instead of making one each. A gate per address
//! and port holds back connections to different accounts, for sshd drops what comes too fast.
//!
//! The pinned key is part of the key of a slot: after a host key is unpinned or replaced, no
//! connection that was verified against the old one is used. So are the key to log in with and the
//! jump hosts: a connection through other hands is another connection.
//!
//! A server behind jump hosts is reached through a channel of the last one's kept connection, which
//! all servers behind it share.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::channel::CommandChannel;
use super::connect::{self, JumpHost, connect};
use super::connection::{Connection, Opened, Opening};
use super::{Endpoint, Error, FetchedKey, Forward, Options};
use crate::domain::KeyName;

/// All connections of this process; cheap to clone.
#[derive(Clone)]
pub struct Connections {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    gates: Mutex<HashMap<Gate, Arc<Semaphore>>>,
}

/// Who lets only so many newcomers in at once: a host and port as seen from a jump host.
type Gate = (Option<Box<Key>>, String, u16);

/// What makes two endpoints share a connection.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    host: String,
    port: u16,
    user: String,
    host_key: Option<String>,
    key: Option<KeyName>,
    legacy: bool,
    via: Option<Box<Key>>,
}

impl From<&Endpoint> for Key {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            host: endpoint.host.clone(),
            port: endpoint.port,
            user: endpoint.user.clone(),
            host_key: endpoint.host_key.as_ref().map(|key| key.openssh.clone()),
            key: endpoint.key.clone().filter(|_| !crate::sabotage::on("j13")),
            legacy: endpoint.legacy && !crate::sabotage::on("j12"),
            via: endpoint.via.as_deref().filter(|_| !crate::sabotage::on("j5")).map(|via| Box::new(Self::from(via))),
        }
    }
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
        let session = self.shared.clone().session(endpoint);
        session.connection().await?;
        Ok(session)
    }

    /// Asks the server at `endpoint` for its host key within `limit`, without logging in. Its jump hosts
    /// are logged in on.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn fetch_host_key(&self, endpoint: &Endpoint, limit: Duration) -> Result<FetchedKey, Error> {
        let hop = self.shared.clone().session(endpoint).hop().await?;
        connect::fetch_host_key(endpoint, hop, limit).await
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
    /// The server and account it talks to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The open connection, or a new one.
    async fn connection(&self) -> Result<Arc<Connection>, Error> {
        let slot = self.shared.slot(&self.endpoint);
        let mut place = slot.connection.lock().await;
        if let Some(connection) = place.as_ref().filter(|connection| connection.is_alive()) {
            connection.touch();
            return Ok(connection.clone());
        }
        *place = None;
        let options = &self.shared.options;
        let attempt = async || {
            let hop = self.hop().await?;
            let gate = self.shared.gate(&self.endpoint);
            let _pass = gate.acquire_owned().await.expect("a gate is never closed");
            connect(&self.endpoint, hop, options).await
        };
        let (handle, closed) = match attempt().await {
            // The jump host's kept connection turned out dead.
            Err(Error::Hop { cause, .. }) if matches!(*cause, Error::ConnectionLost { .. }) && !crate::sabotage::on("j9") => {
                attempt().await?
            }
            outcome => outcome?,
        };
        let connection = Connection::new(handle, closed, options);
        *place = Some(connection.clone());
        Ok(connection)
    }

    /// The jump host that the server is reached through, connected.
    async fn hop(&self) -> Result<Option<JumpHost>, Error> {
        let Some(via) = self.endpoint.via.as_deref() else {
            return Ok(None);
        };
        let hop = self.shared.clone().session(via);
        match hop.clone().connected().await {
            Ok(connection) => Ok(Some(JumpHost {
                connection,
                endpoint: hop.endpoint,
            })),
            Err(error) => Err(connect::passed(&self.endpoint, via, error)),
        }
    }

    /// As [`Session::connection`], on the heap: a jump host may have one itself.
    fn connected(self) -> BoxFuture<'static, Result<Arc<Connection>, Error>> {
        Box::pin(async move { self.connection().await })
    }

    /// Lets the server connect to `port` of `host`, as the server understands that name.
    ///
    /// # Errors
    /// [`Error::ForwardForbidden`] where sshd does not do that, [`Error::ForwardFailed`] where
    /// nothing accepts the connection, and everything about the SSH connection itself.
    pub async fn forward(&self, host: &str, port: u16) -> Result<Forward, Error> {
        let open = async || {
            let host = host.to_owned();
            let connection = self.connection().await?;
            Forward::open(connection, self.endpoint.clone(), Opening::Forward { host, port }).await
        };
        match open().await {
            Err(Error::ConnectionLost { .. }) => open().await,
            outcome => outcome,
        }
    }

    /// A fresh channel. A connection that turns out dead at this moment is replaced once: nothing
    /// has been asked of the server yet, so nothing can happen twice.
    async fn open(&self) -> Result<Opened, Error> {
        let what = Opening::Session;
        match self.connection().await?.open(&self.endpoint, &what).await {
            Err(Error::ConnectionLost { .. }) => self.connection().await?.open(&self.endpoint, &what).await,
            outcome => outcome,
        }
    }

    /// A fresh channel for a command.
    pub(super) async fn channel(&self) -> Result<CommandChannel, Error> {
        let opened = self.open().await?;
        Ok(CommandChannel::new(opened.channel, opened.closed, opened.room))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn session(self: Arc<Self>, endpoint: &Endpoint) -> Session {
        Session {
            shared: self,
            endpoint: Arc::new(endpoint.clone()),
        }
    }

    fn slot(&self, endpoint: &Endpoint) -> Arc<Slot> {
        self.slots.lock().entry(Key::from(endpoint)).or_default().clone()
    }

    fn gate(&self, endpoint: &Endpoint) -> Arc<Semaphore> {
        let Key { via, host, port, .. } = Key::from(endpoint);
        let key = (via, host, port);
        let new = || Arc::new(Semaphore::new(self.options.max_new_connections));
        self.gates.lock().entry(key).or_insert_with(new).clone()
    }
}
