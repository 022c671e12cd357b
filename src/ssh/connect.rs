//! From an address to an authenticated connection: TCP, key exchange, host key, login.
//!
//! The host key is compared with the pinned one, whole key against whole key, before anything of
//! ours is sent. A server usually owns several host keys; the algorithm of the pinned one is put
//! first in the negotiation, so that the server shows that key and not another of its own.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::Preferred;
use russh::client::{self, Handle};
use russh::keys::{Algorithm, PublicKey};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::error::Cause;
use super::handler::{ConnectionHandler, HandshakeFailure, Pin, fingerprint};
use super::{Endpoint, Error, Options, auth};
use crate::handshake::{CIPHERS, KEY_EXCHANGES, no_common_algorithm};

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

/// Asks the server at `host`:`port` for its host key, without logging in.
///
/// # Errors
/// When it cannot be reached within `limit`.
pub async fn fetch_host_key(host: &str, port: u16, limit: Duration) -> Result<FetchedKey, Error> {
    let endpoint = Endpoint {
        name: host.to_owned(),
        host: host.to_owned(),
        port,
        user: String::new(),
        host_key: None,
    };
    let options = Options {
        connect_timeout: limit,
        ..Options::default()
    };
    let look = async {
        let stream = dial(&endpoint).await?;
        match greet(&endpoint, &options, stream, CancellationToken::new()).await {
            Err(HandshakeFailure::Unpinned(key)) => Ok(FetchedKey::from(&*key)),
            Err(failure) => Err(explain(failure, &endpoint)),
            Ok(_) => Err(unreachable(&endpoint, "it showed no host key".to_owned(), None)),
        }
    };
    in_time(&endpoint, limit, look).await
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

/// An authenticated connection, and what is cancelled when it ends, for whatever reason.
pub(super) async fn connect(
    endpoint: &Endpoint,
    options: &Options,
) -> Result<(Handle<ConnectionHandler>, CancellationToken), Error> {
    let attempt = async {
        let (mut handle, closed) = be_greeted(endpoint, options).await?;
        auth::log_in(&mut handle, endpoint, options).await?;
        Ok((handle, closed))
    };
    in_time(endpoint, options.connect_timeout, attempt).await
}

/// A connection that has shown the right host key. A server that hangs up before that is tried again:
/// it was only busy.
async fn be_greeted(
    endpoint: &Endpoint,
    options: &Options,
) -> Result<(Handle<ConnectionHandler>, CancellationToken), Error> {
    let mut waits = TRY_AGAIN_AFTER.iter();
    loop {
        let stream = dial(endpoint).await?;
        // One per attempt, because a failed attempt cancels its own.
        let closed = CancellationToken::new();
        let failure = match greet(endpoint, options, stream, closed.clone()).await {
            Ok(handle) => return Ok((handle, closed)),
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
        address: address(endpoint),
        limit,
    };
    // On the heap: a handshake's state is large, and callers nest it deep.
    Box::pin(timeout(limit, attempt)).await.map_err(too_late)?
}

async fn dial(endpoint: &Endpoint) -> Result<TcpStream, Error> {
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
    stream: TcpStream,
    closed: CancellationToken,
) -> Result<Handle<ConnectionHandler>, HandshakeFailure> {
    let pin = endpoint.host_key.as_ref().map(Pin::new);
    let config = client::Config {
        preferred: Preferred {
            key: Cow::Owned(key_order(pin.as_ref().and_then(|pin| pin.key.as_ref()))),
            kex: Cow::Borrowed(KEY_EXCHANGES),
            cipher: Cow::Borrowed(CIPHERS),
            ..Preferred::DEFAULT
        },
        keepalive_interval: Some(options.keepalive),
        keepalive_max: MAX_SILENT_KEEPALIVES,
        ..client::Config::default()
    };
    client::connect_stream(Arc::new(config), stream, ConnectionHandler { pin, closed }).await
}

/// Host key algorithms, the pinned key's first. RSA means RSA with SHA-2; SHA-1 is not offered.
fn key_order(pinned: Option<&PublicKey>) -> Vec<Algorithm> {
    let same_key = |algorithm: &Algorithm| match (pinned.map(PublicKey::algorithm), algorithm) {
        (Some(Algorithm::Rsa { .. }), Algorithm::Rsa { .. }) => true,
        (pinned, algorithm) => pinned.as_ref() == Some(algorithm),
    };
    let sha1_rsa = Algorithm::Rsa { hash: None };
    let mut order: Vec<_> = Preferred::DEFAULT
        .key
        .iter()
        .filter(|&algorithm| *algorithm != sha1_rsa)
        .cloned()
        .collect();
    order.sort_by_key(|algorithm| !same_key(algorithm));
    order
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
        HandshakeFailure::Protocol(error) => {
            if let Some(why) = no_common_algorithm(&error) {
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
        address: address(endpoint),
        reason,
        cause,
    }
}

/// Host and port as people write them.
fn address(endpoint: &Endpoint) -> String {
    if endpoint.host.contains(':') {
        format!("[{}]:{}", endpoint.host, endpoint.port)
    } else {
        format!("{}:{}", endpoint.host, endpoint.port)
    }
}
