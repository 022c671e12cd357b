//! From an address to an authenticated connection: TCP or a jump host's channel, key exchange, host key,
//! login.
//!
//! The host key is compared with the pinned one, whole key against whole key, before anything of
//! ours is sent. A server usually owns several host keys; the algorithm of the pinned one is put
//! first in the negotiation, so that the server shows that key and not another of its own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::PublicKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Opening};
use super::error::Cause;
use super::forward::Forward;
use super::handler::{ConnectionHandler, HandshakeFailure, Pin, fingerprint};
use super::{Endpoint, Error, Options, auth};
use crate::handshake::known_hosts::KnownHost;
use crate::handshake::login::Farewell;
use crate::handshake::{is_too_old, no_common_algorithm, preferred};

/// Pings without an answer after which a connection counts as dead.
const MAX_SILENT_KEEPALIVES: usize = 3;

/// Waits before a server that hung up on a newcomer is tried again. A busy sshd drops newcomers while
/// too many others log in (`MaxStartups`), and has room again a moment later.
const TRY_AGAIN_AFTER: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// A host key as a server shows it, not yet trusted by anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedKey {
    /// The public key in OpenSSH's form: algorithm, a space, base64.
    pub openssh: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// `ssh-ed25519`, ….
    pub algorithm: String,
}

/// A jump host, connected.
pub(super) struct JumpHost {
    pub(super) connection: Arc<Connection>,
    pub(super) endpoint: Arc<Endpoint>,
}

/// Both directions to a server.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Asks the server at `endpoint` for its host key, without logging in.
///
/// # Errors
/// When it cannot be reached within `limit`.
pub(super) async fn fetch_host_key(
    endpoint: &Endpoint,
    hop: Option<JumpHost>,
    limit: Duration,
) -> Result<FetchedKey, Error> {
    let unknown = Endpoint {
        host_key: None,
        ..endpoint.clone()
    };
    let options = Options {
        connect_timeout: limit,
        ..Options::default()
    };
    let look = async {
        let stream = dial(&unknown, hop.as_ref()).await?;
        let known = KnownHost::default();
        match greet(&unknown, &options, stream, known, Ends::default()).await {
            Err(HandshakeFailure::Unpinned(key)) => Ok(FetchedKey::from(&*key)),
            Err(failure) => Err(explain(failure, &unknown)),
            Ok(_) => Err(unreachable(&unknown, "it showed no host key".to_owned(), None)),
        }
    };
    in_time(&unknown, limit, look).await
}

impl From<&PublicKey> for FetchedKey {
    fn from(key: &PublicKey) -> Self {
        // Without the comment, which is no part of what is trusted.
        let bare = PublicKey::from(key.key_data().clone());
        Self {
            openssh: bare.to_openssh().unwrap_or_default(),
            fingerprint: fingerprint(key),
            algorithm: key.algorithm().to_string(),
        }
    }
}

/// What is told about a connection's end.
#[derive(Default)]
struct Ends {
    /// Cancelled when it ends, for whatever reason.
    closed: CancellationToken,
    farewell: Farewell,
}

/// An authenticated connection through `hop`, and what is cancelled when it ends, for whatever reason.
pub(super) async fn connect(
    endpoint: &Endpoint,
    hop: Option<JumpHost>,
    options: &Options,
) -> Result<(Handle<ConnectionHandler>, CancellationToken), Error> {
    let attempt = async {
        let (mut handle, ends) = be_greeted(endpoint, hop.as_ref(), options).await?;
        auth::log_in(&mut handle, &ends.farewell, endpoint, options).await?;
        Ok((handle, ends.closed))
    };
    in_time(endpoint, options.connect_timeout, attempt).await
}

/// What it means for `endpoint` that its jump host `hop` failed.
pub(super) fn passed(endpoint: &Endpoint, hop: &Endpoint, error: Error) -> Error {
    let (hop, cause) = match error {
        // The first that failed is the one to look at.
        Error::Hop { hop, cause, .. } => (hop, cause),
        error => (hop.name.clone(), Box::new(error)),
    };
    Error::Hop {
        server: endpoint.name.clone(),
        hop,
        cause,
    }
}

/// A connection that has shown the right host key. A server that hangs up before that is tried again:
/// it was only busy.
async fn be_greeted(
    endpoint: &Endpoint,
    hop: Option<&JumpHost>,
    options: &Options,
) -> Result<(Handle<ConnectionHandler>, Ends), Error> {
    let mut waits = TRY_AGAIN_AFTER.iter();
    loop {
        let known = KnownHost::look_up(&endpoint.host, endpoint.port, &options.known_hosts);
        let known = known.map_err(|error| Error::KnownHosts {
            server: endpoint.name.clone(),
            why: error.to_string(),
        })?;
        let stream = dial(endpoint, hop).await?;
        // One per attempt, because a failed attempt cancels its own.
        let ends = Ends::default();
        let told = Ends {
            closed: ends.closed.clone(),
            farewell: ends.farewell.clone(),
        };
        let failure = match greet(endpoint, options, stream, known, told).await {
            Ok(handle) => return Ok((handle, ends)),
            Err(failure) => failure,
        };
        match waits.next() {
            Some(wait) if failure.is_hang_up() => tokio::time::sleep(*wait).await,
            _ => return Err(explain(failure, endpoint)),
        }
    }
}

async fn in_time<T>(
    endpoint: &Endpoint,
    limit: Duration,
    attempt: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let too_late = |_| Error::ConnectTimeout {
        server: endpoint.name.clone(),
        address: endpoint.address(),
        limit,
    };
    // On the heap: a handshake's state is large, and callers nest it deep.
    Box::pin(timeout(limit, attempt)).await.map_err(too_late)?
}

async fn dial(endpoint: &Endpoint, hop: Option<&JumpHost>) -> Result<Box<dyn Wire>, Error> {
    let Some(hop) = hop else {
        return Ok(Box::new(dial_directly(endpoint).await?));
    };
    let what = Opening::Jump {
        host: endpoint.host.clone(),
        port: endpoint.port,
    };
    match Forward::open(hop.connection.clone(), hop.endpoint.clone(), what).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error @ Error::ForwardFailed { .. }) => {
            let reason = format!("the jump host “{}” cannot connect to it", hop.endpoint.name);
            Err(unreachable(endpoint, reason, Some(error.into())))
        }
        Err(error) => Err(passed(endpoint, &hop.endpoint, error)),
    }
}

async fn dial_directly(endpoint: &Endpoint) -> Result<TcpStream, Error> {
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
        .await
        .map_err(|error| {
            let reason = match error.kind() {
                io::ErrorKind::ConnectionRefused => "nothing listens on that port".to_owned(),
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    "there is no route to it".to_owned()
                }
                io::ErrorKind::TimedOut => "it does not answer".to_owned(),
                _ => error.to_string(),
            };
            unreachable(endpoint, reason, Some(error.into()))
        })?;
    // Commands are small; waiting to fill a packet would cost each of them a round trip.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    Ok(stream)
}

async fn greet(
    endpoint: &Endpoint,
    options: &Options,
    stream: Box<dyn Wire>,
    known: KnownHost,
    ends: Ends,
) -> Result<Handle<ConnectionHandler>, HandshakeFailure> {
    let pin = endpoint.host_key.as_ref().map(Pin::new);
    let pinned = pin.as_ref().and_then(|pin| pin.key.as_ref());
    let config = client::Config {
        preferred: preferred(&known, pinned, endpoint.legacy),
        keepalive_interval: Some(options.keepalive),
        keepalive_max: MAX_SILENT_KEEPALIVES,
        ..client::Config::default()
    };
    let handler = ConnectionHandler {
        pin,
        known,
        closed: ends.closed,
        farewell: ends.farewell,
    };
    client::connect_stream(Arc::new(config), stream, handler).await
}

fn explain(failure: HandshakeFailure, endpoint: &Endpoint) -> Error {
    let server = endpoint.name.clone();
    match failure {
        HandshakeFailure::Unpinned(key) => Error::HostKeyUnknown {
            server,
            fingerprint: fingerprint(&key),
        },
        HandshakeFailure::Changed { expected, found } => Error::HostKeyChanged {
            server,
            expected,
            found,
        },
        HandshakeFailure::Doubted(doubt) => Error::HostKeyDoubted {
            server,
            why: doubt.to_string(),
        },
        HandshakeFailure::Protocol(error) => {
            if let Some(mut why) = no_common_algorithm(&error) {
                if is_too_old(&error) && !endpoint.legacy {
                    why.push_str(" If it is too old for that, allow weak algorithms on the server's page.");
                }
                return Error::NoCommonAlgorithm { server, why };
            }
            let reason = match &error {
                russh::Error::Disconnect | russh::Error::HUP | russh::Error::IO(_) => {
                    "it hung up before it had introduced itself".to_owned()
                }
                russh::Error::Version => "what listens there does not speak SSH".to_owned(),
                other => format!("the SSH handshake failed ({other})"),
            };
            unreachable(endpoint, reason, Some(error.into()))
        }
    }
}

fn unreachable(endpoint: &Endpoint, reason: String, cause: Option<Cause>) -> Error {
    Error::Unreachable {
        server: endpoint.name.clone(),
        address: endpoint.address(),
        reason,
        cause,
    }
}
