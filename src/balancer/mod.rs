//! Connects to HAProxy: reads the state of its servers, takes servers out and puts them back.
//!
//! # How to use it
//!
//! [`BalancerClient::open`] reads a stored row and connects to nothing yet. [`BalancerClient::state`] reads
//! every endpoint and merges their answers ([`State`]); [`State::slots_of`] finds the [`BackendSlot`]s of one
//! of our servers, a slot being a server's place in one backend. [`BalancerClient::drain`],
//! [`BalancerClient::maint`] and [`BalancerClient::ready`] change slots on every endpoint;
//! [`BalancerClient::wait_drained`] and [`BalancerClient::wait_up`] wait for what follows from it, and
//! [`BalancerClient::wait_passing`] between the two: HAProxy sends traffic to a server that leaves
//! maintenance before checking it even once, but it does check a drained server.
//! [`BalancerClient::may_change`] asks beforehand whether changing is allowed at all, and
//! [`BalancerClient::look`] shows what can be seen even while an endpoint is away.
//!
//! # Two connections
//!
//! Kind `runtime` uses HAProxy's Runtime API over a unix or TCP socket (`runtime.rs`); kind
//! `stats` uses its statistics page over HTTP (`stats.rs`). Both read the same CSV (`table.rs`). The
//! socket gives more detail: on the page a drained server that is also DOWN looks merely DOWN.
//! Both need HAProxy 1.8 or newer.
//!
//! # Addresses and passwords
//!
//! Endpoints are written `unix:/run/haproxy/admin.sock` (or just the path), `tcp://host:port`, or
//! `http(s)://host:port/path` with the path of the statistics page. Passwords are in none of the
//! database's columns: the configuration names a file with lines `https://user:password@host:port`,
//! and an endpoint is only ever sent the line with its own scheme, host and port. So an account that
//! may configure balancers can neither read a password nor have it sent elsewhere.
//!
//! # Guarantees
//!
//! - All endpoints are acted upon. Taking out begins only when every one answers and knows the
//!   slots; putting back goes as far as it can. What happened to the others is in the error
//!   ([`Error::Partly`]).
//! - Acts can be repeated without harm, so that a HAProxy that is just restarting is asked again
//!   for a few seconds ([`RETRY`]). A restart forgets every change: the waits read anew each time,
//!   and [`BalancerClient::wait_drained`] drains again what came back.
//! - Acts take no cancel token: they end soon by themselves, and putting back after a cancel must
//!   not be cancelled. Waits do.
//! - A reloaded HAProxy leaves an old process behind that ends its sessions unseen by anybody; such
//!   sessions are not counted.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};

use crate::domain;

mod credentials;
mod endpoint;
mod error;
#[cfg(test)]
mod hostile;
mod options;
mod runtime;
mod state;
mod stats;
mod table;
#[cfg(test)]
mod tests;
mod wait;

use endpoint::Haproxy;

pub use credentials::PasswordFile;
pub use error::Error;
pub use options::{ANSWER_LIMIT, CONNECT_LIMIT, Limits, Options, RETRY};
pub use state::{BackendSlot, Merged, Sought, State};
pub use table::{Admin, Health, ServerLine};
pub use wait::Drained;

/// The pause between two such tries.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Whether an endpoint that is away keeps the others from being changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// It does: what is done must be done everywhere.
    All,
    /// It does not: better on some than on none.
    Any,
}

/// An HAProxy, or several that share backends.
#[derive(Debug, Clone)]
pub struct BalancerClient {
    name: String,
    endpoints: Vec<Haproxy>,
    limits: Limits,
}

/// What each endpoint answered.
#[derive(Debug)]
pub struct Reading {
    /// Of those that answered.
    pub state: State,
    /// Of the others: their address, and why not.
    pub failures: Vec<(String, Error)>,
}

impl BalancerClient {
    /// Reads a stored balancer. Connects to nothing; the files that `options` name are read.
    ///
    /// # Errors
    /// [`Error::Settings`], [`Error::Credentials`] or [`Error::Certificates`].
    pub fn open(row: &domain::Balancer, options: &Options) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Settings {
            balancer: row.name.to_string(),
            reason,
        };
        let settings = match &row.settings {
            serde_json::Value::Null => None,
            serde_json::Value::Object(keys) => keys.keys().next().cloned(),
            _ => return Err(wrong("its settings are not an object".to_owned())),
        };
        if let Some(key) = settings {
            return Err(wrong(format!(
                "its settings hold “{key}”, which is not a known setting (passwords belong in the file that the configuration names as balancer.credentials)"
            )));
        }
        if row.endpoints.is_empty() {
            return Err(wrong("it has no address".to_owned()));
        }
        let endpoints: Vec<Haproxy> = row
            .endpoints
            .iter()
            .map(|text| Haproxy::open(&row.kind, text.trim(), options, wrong))
            .collect::<Result<_, _>>()?;
        for (at, endpoint) in endpoints.iter().enumerate() {
            if endpoints[..at]
                .iter()
                .any(|before| before.label() == endpoint.label())
            {
                return Err(wrong(format!("it has the address “{}” twice", endpoint.label())));
            }
        }
        Ok(Self {
            name: row.name.to_string(),
            endpoints,
            limits: options.limits,
        })
    }

    /// The name that people gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The addresses of its endpoints.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.endpoints.iter().map(Haproxy::label)
    }

    /// The same balancer with only the endpoint at this address; `None` if it has none there.
    pub fn only(&self, endpoint: &str) -> Option<Self> {
        let mut all = self.endpoints.iter();
        let one = all.find(|one| one.label() == endpoint)?;
        Some(Self {
            endpoints: vec![one.clone()],
            ..self.clone()
        })
    }

    /// Reads every endpoint, with retries.
    ///
    /// # Errors
    /// That of the first endpoint that cannot be read.
    pub async fn state(&self) -> Result<State, Error> {
        strict(self.read(self.limits.retry).await)
    }

    /// Reads every endpoint once. Instead of failing, it reports which cannot be read.
    pub async fn look(&self) -> Reading {
        self.read(Duration::ZERO).await
    }

    /// Takes slots out for new sessions; those that exist may end in peace.
    ///
    /// # Errors
    /// An endpoint that cannot be read, or does not know a slot: then nothing was changed.
    /// Otherwise [`Error::Partly`] or, with a single endpoint, what went wrong there.
    pub async fn drain(&self, slots: &[BackendSlot]) -> Result<(), Error> {
        self.set(Admin::Drain, slots, Reach::All).await
    }

    /// Takes slots out altogether; their health is no longer checked.
    ///
    /// # Errors
    /// As [`BalancerClient::drain`].
    pub async fn maint(&self, slots: &[BackendSlot]) -> Result<(), Error> {
        self.set(Admin::Maint, slots, Reach::All).await
    }

    /// As [`BalancerClient::maint`], for slots that must not serve: an endpoint that is away does
    /// not keep the others from it.
    ///
    /// # Errors
    /// As [`BalancerClient::drain`], but endpoints that can be changed are.
    pub async fn keep_out(&self, slots: &[BackendSlot]) -> Result<(), Error> {
        self.set(Admin::Maint, slots, Reach::Any).await
    }

    /// Lets HAProxy check slots that were in maintenance, without sending them sessions. An endpoint that
    /// is away does not keep the others from it.
    ///
    /// # Errors
    /// As [`BalancerClient::drain`], but endpoints that can be changed are.
    pub async fn check(&self, slots: &[BackendSlot]) -> Result<(), Error> {
        self.set(Admin::Drain, slots, Reach::Any).await
    }

    /// Puts slots back in. An endpoint that is away does not keep the others from it.
    ///
    /// # Errors
    /// As [`BalancerClient::drain`], but endpoints that can be changed are.
    pub async fn ready(&self, slots: &[BackendSlot]) -> Result<(), Error> {
        self.set(Admin::Ready, slots, Reach::Any).await
    }

    /// Whether every endpoint would let us change something. Changes nothing.
    ///
    /// # Errors
    /// Why not, of the first that would not.
    pub async fn may_change(&self) -> Result<(), Error> {
        let asking = self.endpoints.iter().map(|endpoint| {
            let ask = || endpoint.may_change(&self.limits).boxed();
            patiently(self.limits.retry, ask).boxed()
        });
        all(asking).await.into_iter().collect()
    }

    async fn set(&self, admin: Admin, slots: &[BackendSlot], reach: Reach) -> Result<(), Error> {
        slots.iter().try_for_each(BackendSlot::check)?;
        let Reading { state, mut failures } = self.read(self.limits.retry).await;
        if failures.len() == self.endpoints.len() || reach == Reach::All && !failures.is_empty() {
            return Err(failures.swap_remove(0).1);
        }
        let away: Vec<String> = failures.iter().map(|(label, _)| label.clone()).collect();
        slots.iter().try_for_each(|slot| state.require(slot).map(drop))?;
        let there = self
            .endpoints
            .iter()
            .filter(|endpoint| !away.iter().any(|label| label == endpoint.label()));
        let doing = there.clone().map(|endpoint| {
            let set_all = || endpoint.set_all(slots, admin, &self.limits).boxed();
            patiently(self.limits.retry, set_all).boxed()
        });
        let mut changed = Vec::new();
        let outcomes = all(doing).await;
        for (endpoint, outcome) in there.zip(outcomes) {
            match outcome {
                Ok(()) => changed.push(endpoint.label().to_owned()),
                Err(error) => failures.push((endpoint.label().to_owned(), error)),
            }
        }
        if failures.is_empty() {
            return Ok(());
        }
        let (_, first) = failures.swap_remove(0);
        if self.endpoints.len() == 1 {
            return Err(first);
        }
        Err(Error::Partly {
            act: admin.word(),
            first: Box::new(first),
            changed,
        })
    }

    async fn read(&self, retry: Duration) -> Reading {
        let reading = self.endpoints.iter().map(|endpoint| {
            let once = || endpoint.read(&self.limits).boxed();
            patiently(retry, once).boxed()
        });
        let (mut answers, mut failures) = (Vec::new(), Vec::new());
        let outcomes = all(reading).await;
        for (endpoint, outcome) in self.endpoints.iter().zip(outcomes) {
            let label = endpoint.label().to_owned();
            match outcome {
                Ok(table) => answers.push((label, table)),
                Err(error) => failures.push((label, error)),
            }
        }
        Reading {
            state: State::merge(answers),
            failures,
        }
    }
}

/// The state, or the error of the first endpoint that did not answer.
fn strict(mut look: Reading) -> Result<State, Error> {
    if look.failures.is_empty() {
        Ok(look.state)
    } else {
        Err(look.failures.swap_remove(0).1)
    }
}

/// Asks all endpoints at once. The futures are boxed because the compiler otherwise cannot see that
/// borrows of each endpoint may move between threads.
async fn all<'a, T>(asking: impl Iterator<Item = BoxFuture<'a, T>>) -> Vec<T> {
    join_all(asking.collect::<Vec<_>>()).await
}

/// Tries again for at most `limit` while the error looks like a restart.
async fn patiently<'a, T>(
    limit: Duration,
    attempt: impl Fn() -> BoxFuture<'a, Result<T, Error>>,
) -> Result<T, Error> {
    let begun = tokio::time::Instant::now();
    loop {
        match attempt().await {
            Err(error) if error.may_pass() && begun.elapsed() < limit => {
                tracing::debug!(%error, "asking the balancer again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}
