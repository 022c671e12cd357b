//! What can go wrong with a balancer, one sentence per case.
//!
//! Each names the endpoint it is about, since there may be several. Passwords are in none of them.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::{domain, http};

/// How many names a sentence lists before it says how many more there are.
const NAMES_SHOWN: usize = 20;

/// A failure to read or change a balancer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stored row makes no sense.
    #[error("Balancer “{balancer}” has invalid settings: {reason}.")]
    Settings {
        /// Its name.
        balancer: String,
        /// Short words, without a full stop.
        reason: String,
    },
    /// The file of passwords cannot be used.
    #[error("The file of balancers' passwords, {path}, cannot be used: {reason}.", path = path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Short words, without a full stop.
        reason: String,
    },
    /// The certificates to trust cannot be used.
    #[error("{0}")]
    Certificates(http::Error),
    /// A name that HAProxy does not allow, and that might be read as more than a name.
    #[error(
        "“{}” cannot be a name in HAProxy: names consist of letters, digits, “.”, “_”, “-” and “:”.",
        name.escape_debug()
    )]
    BadName { name: String },
    /// A cluster behind a balancer without any backend.
    #[error(
        "The cluster has no backend. On its page, enter the balancer's backends that its servers are in."
    )]
    NoBackend,
    /// There is no such backend.
    #[error("{endpoint} has no backend “{backend}”; {}.", it_has(known))]
    UnknownBackend {
        /// The endpoint that was asked.
        endpoint: String,
        /// The name.
        backend: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// There is no such server in that backend.
    #[error(
        "Backend {backend} of {endpoint} has no server {}; {}.",
        any_of(tried),
        it_has(known)
    )]
    UnknownServer {
        /// The endpoint that was asked.
        endpoint: String,
        backend: String,
        /// The names it might have had.
        tried: Vec<String>,
        /// Those it has.
        known: Vec<String>,
    },
    /// The socket's level is too low.
    #[error(
        "{endpoint} allows reading but no changes. Give that socket “level admin” in HAProxy's configuration."
    )]
    NoPermission {
        /// The endpoint that was asked.
        endpoint: String,
    },
    /// The statistics page is for looking only.
    #[error(
        "The statistics page {endpoint} allows reading but no changes. It needs “stats admin” in HAProxy's configuration."
    )]
    NotAdmin {
        /// The endpoint that was asked.
        endpoint: String,
    },
    /// The statistics page rejected the password, or requires one.
    #[error("The statistics page {endpoint} {}.", password_advice(*had_one))]
    Password {
        /// The endpoint that was asked.
        endpoint: String,
        /// Whether we sent one.
        had_one: bool,
    },
    /// It closed the connection without an answer.
    #[error(
        "{endpoint} gave an empty answer. HAProxy may just be restarting, or its connections are used up."
    )]
    Empty {
        /// The endpoint that was asked.
        endpoint: String,
    },
    /// It stopped in the middle.
    #[error("{endpoint} closed the connection in the middle of its answer. HAProxy may just be restarting.")]
    Closed {
        /// The endpoint that was asked.
        endpoint: String,
        /// For the log.
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// No connection.
    #[error("{endpoint} cannot be reached: {reason}. Check that HAProxy runs and listens there.")]
    Unreachable {
        /// The endpoint that was asked.
        endpoint: String,
        /// Short words, without a full stop.
        reason: String,
        /// For the log.
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The socket is there, but not for us.
    #[error(
        "The deployer's account may not open {endpoint}. Add it to the socket's group (“usermod -aG haproxy deployer”; the socket needs “mode 660 group haproxy”) and restart the deployer."
    )]
    NoEntry {
        /// The endpoint that was asked.
        endpoint: String,
        /// For the log.
        #[source]
        cause: io::Error,
    },
    /// Connected, but the TLS handshake failed.
    #[error("{}", .0.with_setting("balancer.certificates"))]
    Tls(#[source] http::Error),
    /// No answer in time.
    #[error("{endpoint} did not answer within {} s.", limit.as_secs_f64())]
    Timeout {
        /// The endpoint that was asked.
        endpoint: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// Something else listens there.
    #[error("{endpoint} does not answer as HAProxy does ({answer}). Check the address.")]
    NotHaproxy {
        /// The endpoint that was asked.
        endpoint: String,
        /// The beginning of its answer, or what it was instead.
        answer: String,
    },
    /// The answer is longer than we accept.
    #[error("{endpoint} answered with more than {} MiB, more than the deployer reads.", super::options::ANSWER_BYTES >> 20)]
    TooLong {
        /// The endpoint that was asked.
        endpoint: String,
    },
    /// HAProxy would not do it, for a reason of its own.
    #[error("{endpoint} would not {act} {slot}: {answer}")]
    Refused {
        /// The endpoint that was asked.
        endpoint: String,
        /// `drain`, `maint` or `ready`.
        act: &'static str,
        /// Backend and server.
        slot: String,
        /// What it said.
        answer: String,
    },
    /// The endpoints do not know the same servers.
    #[error("The balancer's endpoints disagree about {slot}: {said}.")]
    Disagree {
        /// Backend and server.
        slot: String,
        /// What each endpoint says.
        said: String,
    },
    /// Some endpoints were changed, others not.
    #[error("{first} {}", the_others(act, changed))]
    Partly {
        /// `drain`, `maint` or `ready`.
        act: &'static str,
        /// What went wrong; it names its endpoint.
        first: Box<Error>,
        /// The endpoints where it was done.
        changed: Vec<String>,
    },
    /// It did not come up in time.
    #[error("The balancer did not report {slot} UP within {} s: {said}.", limit.as_secs_f64())]
    NotUp {
        /// Backends and servers.
        slot: String,
        /// The limit that passed.
        limit: Duration,
        /// What each endpoint said last.
        said: String,
    },
    /// The wait was cancelled.
    #[error("Waiting for the balancer was cancelled.")]
    Cancelled,
}

impl Error {
    /// Whether it looks like a restart, so that asking again may help.
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NoEntry { .. }
                | Self::Tls(_)
                | Self::Closed { .. }
                | Self::Empty { .. }
        )
    }

    /// Whether the endpoint could not be asked, as opposed to having answered something unwelcome.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Partly { first, .. } => first.is_absence(),
            other => other.may_pass() || matches!(other, Self::Timeout { .. }),
        }
    }

    /// Whether something was changed despite the failure.
    pub fn is_partly_done(&self) -> bool {
        matches!(self, Self::Partly { changed, .. } if !changed.is_empty())
    }

    /// The same about a moment that has passed, without advice: for what is read long after.
    pub fn in_past(&self) -> String {
        match self {
            Self::Unreachable { endpoint, reason, .. } => {
                format!("{endpoint} could not be reached: {reason}.")
            }
            Self::Partly { first, .. } => first.in_past(),
            other => other.to_string(),
        }
    }

    /// A failure to reach or hear `endpoint`.
    pub(super) fn unreachable(endpoint: &str, cause: io::Error) -> Self {
        let reason = match cause.kind() {
            io::ErrorKind::PermissionDenied => {
                return Self::NoEntry {
                    endpoint: endpoint.to_owned(),
                    cause,
                };
            }
            io::ErrorKind::NotFound => "there is no such socket".to_owned(),
            io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
            _ => cause.to_string(),
        };
        Self::Unreachable {
            endpoint: endpoint.to_owned(),
            reason,
            cause: Some(cause.into()),
        }
    }

    /// What came was not HAProxy's; shows its first line.
    pub(super) fn not_haproxy(endpoint: &str, answer: &str) -> Self {
        let line = answer
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        let beginning: String = line.trim().chars().take(60).collect();
        Self::NotHaproxy {
            endpoint: endpoint.to_owned(),
            answer: format!("it says “{}”", beginning.escape_debug()),
        }
    }
}

impl From<Error> for domain::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Settings { .. } | Error::BadName { .. } | Error::NoBackend => domain::ErrorKind::Invalid,
            Error::UnknownBackend { .. }
            | Error::UnknownServer { .. }
            | Error::Disagree { .. }
            | Error::Cancelled => domain::ErrorKind::Conflict,
            _ => domain::ErrorKind::Unavailable,
        };
        domain::Error::new(kind, error.to_string()).because(error)
    }
}

fn it_has(known: &[String]) -> String {
    match known.len() {
        0 => "it has none".to_owned(),
        many if many > crate::sabotage::most("q25", NAMES_SHOWN) => {
            format!(
                "it has: {} and {} more",
                known[..NAMES_SHOWN].join(", "),
                many - NAMES_SHOWN
            )
        }
        _ => format!("it has: {}", known.join(", ")),
    }
}

fn any_of(tried: &[String]) -> String {
    let quoted: Vec<String> = tried.iter().map(|name| format!("“{name}”")).collect();
    quoted.join(" or ")
}

fn the_others(act: &str, changed: &[String]) -> String {
    if changed.is_empty() {
        "No endpoint was changed.".to_owned()
    } else {
        format!("Set to “{act}” nevertheless: {}.", changed.join(", "))
    }
}

fn password_advice(had_one: bool) -> &'static str {
    if had_one {
        "refused our user name and password. Correct its line in the file that the configuration names as balancer.credentials"
    } else {
        "asks for a user name and password. Put a line with its address, as in http://user:password@host:port, into the file that the configuration names as balancer.credentials"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_names_the_first_are_told() {
        let names = |count: usize| (1..=count).map(|number| format!("s{number}")).collect::<Vec<_>>();
        let all = names(NAMES_SHOWN).join(", ");
        assert_eq!(it_has(&names(NAMES_SHOWN)), format!("it has: {all}"));
        assert_eq!(
            it_has(&names(NAMES_SHOWN + 5)),
            format!("it has: {all} and 5 more")
        );
    }
}
