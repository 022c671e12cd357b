//! What can go wrong between us and a server, one sentence per case.
//!
//! The sentence is for the person; the technical cause, where there is one, is the source and
//! goes to the log.

use std::error::Error as StdError;
use std::time::Duration;

use crate::domain;
use crate::handshake::keys::KeyProblem;

/// The technical reason behind an [`Error`].
pub type Cause = Box<dyn StdError + Send + Sync>;

/// A failure of SSH; `server` is the name people use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No TCP connection, or none that speaks SSH.
    #[error(
        "Server “{server}” cannot be reached at {address}: {reason}. Check the address, the port and the firewall, and that sshd runs there."
    )]
    Unreachable {
        /// Name of the server.
        server: String,
        /// Host and port.
        address: String,
        /// Short words, without a full stop.
        reason: String,
        /// For the log.
        #[source]
        cause: Option<Cause>,
    },
    /// Connecting, key exchange and login took too long together.
    #[error(
        "Server “{server}” at {address} did not answer and complete the login within {limit:?}. Check that it is up and that sshd, not something else, listens there. If logging in takes longer there, raise connect_timeout under [ssh] in the configuration."
    )]
    ConnectTimeout {
        /// Name of the server.
        server: String,
        /// Host and port.
        address: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// The server and we have no algorithm in common.
    #[error("Server “{server}” and the deployer cannot agree on how to encrypt. {why}")]
    NoCommonAlgorithm {
        /// Name of the server.
        server: String,
        /// Sentences.
        why: String,
    },
    /// No host key is pinned for this server.
    #[error(
        "Nobody has trusted the host key of server “{server}” yet, so nothing was sent to it. It shows {fingerprint}. Compare that with the server's own key and trust it on the server's page."
    )]
    HostKeyUnknown {
        /// Name of the server.
        server: String,
        /// `SHA256:…` of the key it showed.
        fingerprint: String,
    },
    /// The server shows another key than the pinned one.
    #[error(
        "STOP: server “{server}” shows another host key than the one that was trusted. Either the server was reinstalled, or somebody answers in its place and would receive your code. Nothing was sent. Trusted: {expected}. Shown now: {found}. Ask whoever runs the server whether its key was changed on purpose; only then fetch and trust the new key on the server's page."
    )]
    HostKeyChanged {
        /// Name of the server.
        server: String,
        /// Fingerprint that is pinned.
        expected: String,
        /// Fingerprint that was shown.
        found: String,
    },
    /// What the server shows cannot be believed.
    #[error(
        "Server “{server}” shows {why}. Nothing was sent. Compare what it should show with whoever runs it, and correct the file of known hosts, or fetch and trust its key on the server's page."
    )]
    HostKeyDoubted {
        /// Name of the server.
        server: String,
        /// What it shows, and what is wrong with that.
        why: String,
    },
    /// A file of known hosts cannot be read.
    #[error("Nothing was sent to server “{server}”: {why}. Let the deployer read it.")]
    KnownHosts {
        /// Name of the server.
        server: String,
        /// Short words, without a full stop.
        why: String,
    },
    /// A jump host on the way to the server cannot be passed.
    #[error("Server “{server}” is reached through “{hop}”, which failed: {cause}")]
    Hop {
        /// Name of the server.
        server: String,
        /// Name of the jump host.
        hop: String,
        /// What went wrong there.
        cause: Box<Error>,
    },
    /// The server accepted none of our keys.
    #[error("Server “{server}” refused every key for user “{user}” ({tried}). {advice}")]
    KeyRefused {
        /// Name of the server.
        server: String,
        /// Remote user.
        user: String,
        /// Which keys were offered.
        tried: String,
        /// What to do, as a sentence.
        advice: String,
    },
    /// The server accepted a key of ours and wants more.
    #[error("Server “{server}” accepted {accepted} for user “{user}” and demands more: {methods}. {advice}")]
    MoreDemanded {
        /// Name of the server.
        server: String,
        /// Remote user.
        user: String,
        /// The keys that it accepted.
        accepted: String,
        /// How it would let us continue.
        methods: String,
        /// What to do, as sentences.
        advice: String,
    },
    /// A private key of ours cannot be used.
    #[error(transparent)]
    BadKey(KeyProblem),
    /// There is no private key to offer at all.
    #[error(
        "There is no private key to log in with: {reason}. Name a key file in the configuration, or start the deployer with an ssh-agent."
    )]
    NoKey {
        /// Short words, without a full stop.
        reason: String,
    },
    /// The server would not open a channel or start the command.
    #[error(
        "Server “{server}” is connected but refused to start a command: {reason}. Check MaxSessions, ForceCommand and the user's login shell there."
    )]
    ChannelRefused {
        /// Name of the server.
        server: String,
        /// Short words, without a full stop.
        reason: String,
    },
    /// Something else was run than the command.
    #[error(
        "Server “{server}” did not run the command ({said}). Check that the deploy user's login shell runs commands (nologin does not), and that no ForceCommand stands in the way."
    )]
    NotRun {
        /// Name of the server.
        server: String,
        /// The last line it printed.
        said: String,
    },
    /// The server holds the connection but does not open a channel.
    #[error(
        "Server “{server}” is connected but did not start the command within {limit:?}. Check whether it is overloaded, and try again. If a session takes longer to open there (PAM), raise open_timeout under [ssh] in the configuration."
    )]
    ChannelTimeout {
        /// Name of the server.
        server: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// The server's sshd does not forward connections.
    #[error(
        "Server “{server}” does not let us reach {to} through its sshd. Allow it there (AllowTcpForwarding, PermitOpen, and no “restrict” beside the deployer's key), or let the deployer ask the server's address itself."
    )]
    ForwardForbidden {
        /// Name of the server.
        server: String,
        /// Host and port, as seen from there.
        to: String,
    },
    /// The jump host's sshd forwards nothing.
    #[error(
        "Its sshd does not let “{user}” jump to {to}. Allow it there (AllowTcpForwarding, PermitOpen, and no “restrict” beside the deployer's key)."
    )]
    JumpForbidden {
        /// Who is logged in on the jump host.
        user: String,
        /// Host and port, as seen from there.
        to: String,
    },
    /// The server's sshd could not connect.
    #[error("Nothing accepts connections at {to} on server “{server}”.")]
    ForwardFailed {
        /// Name of the server.
        server: String,
        /// Host and port, as seen from there.
        to: String,
    },
    /// The connection ended while it was needed.
    #[error(
        "The connection to server “{server}” was lost. What was running there was told to stop; look at its state before you try again."
    )]
    ConnectionLost {
        /// Name of the server.
        server: String,
        /// For the log.
        #[source]
        cause: Option<Cause>,
    },
    /// Somebody cancelled the command.
    #[error("The command on server “{server}” was cancelled.")]
    Cancelled {
        /// Name of the server.
        server: String,
    },
    /// The command took too long.
    #[error("The command on server “{server}” did not finish within {limit:?} and was stopped.")]
    TimedOut {
        /// Name of the server.
        server: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// The command printed more than its caller can use.
    #[error("A command on server “{server}” printed more than {limit} bytes and was stopped.")]
    TooMuchOutput {
        /// Name of the server.
        server: String,
        /// Bytes.
        limit: usize,
    },
    /// What should have been fed to the command could not be read.
    #[error("The data for server “{server}” could not be read here; the command there was stopped.")]
    Input {
        /// Name of the server.
        server: String,
        /// For the log.
        #[source]
        cause: std::io::Error,
    },
    /// A command that no shell could be given.
    #[error("This command cannot be run: {reason}.")]
    BadCommand {
        /// Short words, without a full stop.
        reason: &'static str,
    },
}

impl Error {
    /// Whether the command certainly never began on the server.
    pub fn never_began(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::ConnectTimeout { .. }
            | Self::NoCommonAlgorithm { .. }
            | Self::MoreDemanded { .. }
            | Self::HostKeyUnknown { .. }
            | Self::HostKeyChanged { .. }
            | Self::HostKeyDoubted { .. }
            | Self::KnownHosts { .. }
            | Self::Hop { .. }
            | Self::JumpForbidden { .. }
            | Self::KeyRefused { .. }
            | Self::BadKey(_)
            | Self::NoKey { .. }
            | Self::ChannelRefused { .. }
            | Self::ChannelTimeout { .. }
            | Self::NotRun { .. }
            | Self::BadCommand { .. } => true,
            Self::ForwardForbidden { .. }
            | Self::ForwardFailed { .. }
            | Self::ConnectionLost { .. }
            | Self::Cancelled { .. }
            | Self::TimedOut { .. }
            | Self::TooMuchOutput { .. }
            | Self::Input { .. } => false,
        }
    }
}

impl From<Error> for domain::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::BadCommand { .. } => domain::ErrorKind::Invalid,
            Error::HostKeyUnknown { .. }
            | Error::HostKeyChanged { .. }
            | Error::HostKeyDoubted { .. }
            | Error::Cancelled { .. } => domain::ErrorKind::Conflict,
            _ => domain::ErrorKind::Unavailable,
        };
        domain::Error::new(kind, error.to_string()).because(error)
    }
}
