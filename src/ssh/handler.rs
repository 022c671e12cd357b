//! Our side of a handshake: compares the host key that a server shows with the pinned one, and
//! tells when the connection has ended.

use russh::client::{self, DisconnectReason};
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use tokio_util::sync::CancellationToken;

use crate::domain::HostKey;

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
    pub(super) closed: CancellationToken,
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeFailure {
    #[error("no host key is pinned")]
    Unpinned(Box<PublicKey>),
    #[error("another host key is pinned")]
    Changed { expected: String, found: String },
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
        // Certificates are not offered in the negotiation; one that comes anyway is refused.
        let PublicKeyOrCertificate::PublicKey { key: shown, .. } = shown else {
            return Ok(false);
        };
        match &self.pin {
            None => Err(HandshakeFailure::Unpinned(Box::new(shown.clone()))),
            Some(pin)
                if pin
                    .key
                    .as_ref()
                    .is_some_and(|key| key.key_data() == shown.key_data()) =>
            {
                Ok(true)
            }
            Some(pin) => Err(HandshakeFailure::Changed {
                expected: pin.fingerprint.clone(),
                found: fingerprint(shown),
            }),
        }
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<HandshakeFailure>,
    ) -> Result<(), HandshakeFailure> {
        tracing::debug!(?reason, "an SSH connection ended");
        self.closed.cancel();
        Ok(())
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
