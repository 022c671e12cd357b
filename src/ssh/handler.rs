//! Our side of a handshake: compares the host key that a server shows with the pinned one, and
//! tells when the connection has ended.

use russh::client::{self, DisconnectReason};
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::HostKey;
use crate::handshake::known_hosts::{KeyDoubt, KnownHost};
use crate::handshake::login::Farewell;

/// The key a server must show. One that cannot be read matches nothing.
pub(super) struct Pin {
    pub(super) key: Option<PublicKey>,
    fingerprint: String,
}

impl Pin {
    pub(super) fn new(pinned: &HostKey) -> Self {
        Self {
            key: PublicKey::from_openssh(&pinned.openssh).ok(),
            fingerprint: pinned.fingerprint.clone(),
        }
    }
}

/// What russh asks us and tells us during a connection's life.
pub(super) struct ConnectionHandler {
    pub(super) pin: Option<Pin>,
    /// What the files of known hosts have.
    pub(super) known: KnownHost,
    pub(super) closed: CancellationToken,
    pub(super) farewell: Farewell,
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeFailure {
    #[error("no host key is pinned")]
    Unpinned(Box<PublicKey>),
    #[error("another host key is pinned")]
    Changed { expected: String, found: String },
    #[error("{0}")]
    Doubted(KeyDoubt),
    #[error(transparent)]
    Protocol(#[from] russh::Error),
}

impl HandshakeFailure {
    /// Whether the other side closed the connection before it had said who it is.
    pub(super) fn is_hang_up(&self) -> bool {
        use russh::Error::{Disconnect, HUP, IO};
        matches!(self, Self::Protocol(Disconnect | HUP | IO(_)))
    }
}

impl client::Handler for ConnectionHandler {
    type Error = HandshakeFailure;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, HandshakeFailure> {
        let verdict = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.check(key),
            // Asked for only where an authority is known. The confirmed key is the host's in a
            // certificate too.
            PublicKeyOrCertificate::Certificate(certificate) => {
                let key = PublicKey::from(certificate.public_key().clone());
                match self.is_pinned(&key) && (!self.known.has_revoked(&key) || crate::sabotage::on("h32")) {
                    true => Ok(()),
                    false => {
                        let known = self.known.check_certificate(certificate, now());
                        known.map_err(HandshakeFailure::Doubted)
                    }
                }
            }
        };
        verdict.map(|()| true)
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<HandshakeFailure>,
    ) -> Result<(), HandshakeFailure> {
        tracing::debug!(?reason, "an SSH connection ended");
        self.farewell.hear(&reason);
        self.closed.cancel();
        Ok(())
    }
}

impl ConnectionHandler {
    fn is_pinned(&self, shown: &PublicKey) -> bool {
        let pinned = self.pin.as_ref().and_then(|pin| pin.key.as_ref());
        pinned.is_some_and(|key| key.key_data() == shown.key_data())
    }

    /// Whether a plain key is the server's: the one that somebody confirmed, or else one of the files'.
    fn check(&self, shown: &PublicKey) -> Result<(), HandshakeFailure> {
        let known = self.known.check(shown);
        match (&self.pin, known) {
            (_, Err(doubt @ KeyDoubt::Revoked)) => Err(HandshakeFailure::Doubted(doubt)),
            (Some(_), _) if self.is_pinned(shown) => Ok(()),
            (Some(pin), _) => Err(HandshakeFailure::Changed {
                expected: pin.fingerprint.clone(),
                found: fingerprint(shown),
            }),
            (None, _) if crate::sabotage::on("h33") => Ok(()),
            (None, Ok(())) => Ok(()),
            (None, Err(KeyDoubt::Unknown)) => Err(HandshakeFailure::Unpinned(Box::new(shown.clone()))),
            (None, Err(doubt)) => Err(HandshakeFailure::Doubted(doubt)),
        }
    }
}

/// Tells waiting commands that the connection has ended, however it ended.
impl Drop for ConnectionHandler {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

/// `SHA256:…`.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    u64::try_from(Clock::System.now().timestamp()).unwrap_or(0)
}
