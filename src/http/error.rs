//! Why a request got no answer, one sentence per case.
//!
//! Each sentence names the host, because it is shown beside sentences about others. The technical
//! cause, if any, is the source and goes to the log.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain;

/// A failure to get an answer. `to` is the host that was asked, with its port unless it is the usual one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request cannot be written in HTTP.
    #[error("This request cannot be sent: {reason}.")]
    BadRequest {
        /// Short words, without a full stop.
        reason: &'static str,
    },
    /// The name leads to no address.
    #[error("The name “{name}” leads to no address. Check its spelling and the name server.")]
    Lookup {
        name: String,
        /// What the system said.
        #[source]
        cause: Option<io::Error>,
    },
    /// The name leads only to addresses that requests must not go to.
    #[error(
        "{to} is not asked: {address} is an address of this host or of an internal network, and such addresses are not allowed here."
    )]
    Guarded {
        to: String,
        /// The first of its addresses.
        address: IpAddr,
    },
    /// A proxy refused to connect.
    #[error("The proxy {proxy} does not connect to {to}: {reason}.")]
    Proxy {
        proxy: String,
        /// The host behind the proxy.
        to: String,
        /// Short words, without a full stop.
        reason: String,
    },
    /// The proxy that is set cannot be used.
    #[error("The proxy of {set_by} cannot be used: {why}")]
    BadProxy {
        /// The setting or variable that names it.
        set_by: String,
        /// A sentence.
        why: String,
    },
    /// Nobody listens there.
    #[error("{to} refused the connection: nothing listens there.")]
    Refused { to: String },
    /// No connection for another reason.
    #[error("{to} cannot be reached: {cause}.")]
    Unreachable {
        to: String,
        /// What the system said.
        cause: io::Error,
    },
    /// No connection in time.
    #[error("{to} did not accept a connection within {} s.", limit.as_secs_f64())]
    ConnectTimeout {
        to: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// Connected, but the TLS handshake failed.
    #[error("There is no secure connection to {to}: {reason}.")]
    Tls {
        to: String,
        /// Short words, without a full stop.
        reason: String,
        /// Whether trusting its certificate would help.
        is_untrusted: bool,
        /// For the log.
        #[source]
        cause: Option<io::Error>,
    },
    /// The certificates to trust cannot be read.
    #[error("The certificates in {path} cannot be used: {reason}.", path = path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Short words, without a full stop.
        reason: String,
    },
    /// Connected, but no complete answer in time.
    #[error("{to} did not answer within {} s.", limit.as_secs_f64())]
    TimedOut {
        to: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// The connection ended before the answer did.
    #[error("{to} closed the connection before it had answered.")]
    Closed {
        to: String,
        /// For the log.
        #[source]
        cause: hyper::Error,
    },
    /// What came is not HTTP.
    #[error("{to} answered something that is not HTTP. Check the port, and whether it wants TLS.")]
    NotHttp {
        to: String,
        /// For the log.
        #[source]
        cause: hyper::Error,
    },
    /// The body is longer than the limit.
    #[error("{to} answered with more than {limit} bytes.")]
    TooLong {
        to: String,
        /// Bytes.
        limit: usize,
    },
    /// Somebody cancelled.
    #[error("The request was cancelled.")]
    Cancelled,
}

impl Error {
    /// The sentence; for a certificate that is not trusted, with the setting that names the file of those that
    /// are.
    pub fn with_setting(&self, setting: &str) -> String {
        match self {
            Self::Tls {
                is_untrusted: true, ..
            } => format!(
                "{self} If it is the right one, put it, or that of the authority which signed it, into the file that the configuration names as {setting} (PEM)."
            ),
            other => other.to_string(),
        }
    }

    pub(super) fn broken(to: &str, cause: hyper::Error) -> Self {
        let to = to.to_owned();
        if cause.is_parse() || cause.is_parse_too_large() {
            Self::NotHttp { to, cause }
        } else {
            Self::Closed { to, cause }
        }
    }
}

impl From<Error> for domain::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::BadRequest { .. }
            | Error::Certificates { .. }
            | Error::Guarded { .. }
            | Error::BadProxy { .. } => domain::ErrorKind::Invalid,
            Error::Cancelled => domain::ErrorKind::Conflict,
            _ => domain::ErrorKind::Unavailable,
        };
        domain::Error::new(kind, error.to_string()).because(error)
    }
}
