//! What all endpoints report, merged, and how our servers are found in it.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::table::{FULL, StatsTable};
use super::{Admin, Error, ServerLine};
use crate::domain::rollout;

/// The longest name of a backend or server that we pass on; HAProxy's own buffer is 16 KiB.
const NAME_BYTES: usize = 255;

/// A server's place in one backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BackendSlot {
    /// The backend's name.
    pub backend: String,
    /// What HAProxy calls the server there.
    pub server: String,
}

impl From<&rollout::Slot> for BackendSlot {
    fn from(planned: &rollout::Slot) -> Self {
        Self {
            backend: planned.backend.clone(),
            server: planned.server.clone(),
        }
    }
}

impl BackendSlot {
    /// A slot, if HAProxy allows both names.
    ///
    /// # Errors
    /// [`Error::BadName`].
    pub fn new(backend: impl Into<String>, server: impl Into<String>) -> Result<Self, Error> {
        let slot = Self {
            backend: backend.into(),
            server: server.into(),
        };
        slot.check().map(|()| slot)
    }

    /// Whether both are plain names, so that neither can end a command or begin another.
    pub(super) fn check(&self) -> Result<(), Error> {
        for name in [&self.backend, &self.server] {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
            if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(plain) {
                let name = name.chars().take(NAME_BYTES).collect();
                return Err(Error::BadName { name });
            }
        }
        Ok(())
    }
}

impl fmt::Display for BackendSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backend, self.server)
    }
}

/// One server in one backend, as all endpoints report it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    pub slot: BackendSlot,
    /// The decision about it; where endpoints differ, the one furthest out of service.
    pub admin: Admin,
    /// Takes new sessions on every endpoint, as far as its weight lets it.
    pub up: bool,
    /// Has the weight 0 at some endpoint where it is in service: it gets no new sessions there.
    pub is_idle: bool,
    /// Sessions it has on all endpoints together, waiting ones included.
    pub sessions: u64,
    /// All endpoints know it and agree on the decision and on whether it is up.
    pub agree: bool,
    /// What each says.
    pub per_endpoint: Vec<ServerLine>,
}

/// One of our servers, to be found in HAProxy's backends.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// What we call it.
    pub name: &'a str,
    /// Its host name or IP address, as we reach it.
    pub address: &'a str,
    /// HAProxy's name for it, if the cluster's membership gives one.
    pub balancer_name: Option<&'a str>,
}

/// What the endpoints of a balancer say.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Every server of every backend, in HAProxy's order.
    pub servers: Vec<Merged>,
    tables: Vec<(String, StatsTable)>,
}

impl State {
    pub(super) fn merge(tables: Vec<(String, StatsTable)>) -> Self {
        let mut servers: Vec<Merged> = Vec::new();
        let mut places: HashMap<BackendSlot, usize> = HashMap::new();
        for line in tables.iter().flat_map(|(_, table)| &table.servers) {
            let slot = BackendSlot {
                backend: line.backend.clone(),
                server: line.server.clone(),
            };
            let place = *places.entry(slot.clone()).or_insert(servers.len());
            if place == servers.len() {
                servers.push(Merged {
                    slot,
                    admin: line.admin,
                    up: true,
                    is_idle: false,
                    sessions: 0,
                    agree: true,
                    per_endpoint: Vec::new(),
                });
            }
            servers[place].per_endpoint.push(line.clone());
        }
        for merged in &mut servers {
            merged.sum_up(tables.len());
        }
        Self { servers, tables }
    }

    /// How many servers of a backend are in service that are not `ours`, by the balancer's names.
    pub fn serving_beside(&self, backend: &str, ours: impl Fn(&str) -> bool) -> usize {
        let others = self
            .servers
            .iter()
            .filter(|one| one.slot.backend == backend && !ours(&one.slot.server));
        others.filter(|one| one.up && !one.is_idle).count()
    }

    /// The merged state of one slot; `None` if no endpoint knows it.
    pub fn of(&self, slot: &BackendSlot) -> Option<&Merged> {
        self.servers.iter().find(|merged| merged.slot == *slot)
    }

    /// The same without the endpoints that `is_left` names; `None` if no other knows the slot.
    pub fn without(&self, slot: &BackendSlot, is_left: impl Fn(&str) -> bool) -> Option<Merged> {
        let mut merged = self.of(slot)?.clone();
        merged.per_endpoint.retain(|line| !is_left(&line.endpoint));
        if merged.per_endpoint.is_empty() {
            return None;
        }
        let endpoints = self.tables.iter().filter(|(endpoint, _)| !is_left(endpoint));
        merged.sum_up(endpoints.count());
        Some(merged)
    }

    /// The slot of `server` in each of `backends`. The name is the one that the membership gives;
    /// without it our own name, or that name up to the first dot, or else the only server of the
    /// backend with our server's IP address. A membership that says `backend,server` means that slot
    /// alone.
    ///
    /// # Errors
    /// [`Error::NoBackend`], [`Error::UnknownBackend`], [`Error::UnknownServer`] (of the endpoint
    /// that misses it), [`Error::BadName`].
    pub fn slots_of(&self, backends: &[String], server: Sought<'_>) -> Result<Vec<BackendSlot>, Error> {
        if backends.is_empty() {
            return Err(Error::NoBackend);
        }
        // A membership may name the backend too.
        if let Some((backend, name)) = server.balancer_name.and_then(|name| name.split_once(',')) {
            let slot = BackendSlot::new(backend.trim(), name.trim())?;
            self.known(&slot.backend, std::slice::from_ref(&slot.server))?;
            return Ok(vec![slot]);
        }
        let tried = match server.balancer_name {
            Some(name) => vec![name.to_owned()],
            None => {
                let short = server.name.split('.').next().unwrap_or_default();
                let mut names = vec![server.name.to_owned(), short.to_owned()];
                names.dedup();
                names
            }
        };
        let find = |backend: &String| {
            let here = || self.servers.iter().filter(|known| known.slot.backend == *backend);
            let named = tried
                .iter()
                .find_map(|name| here().find(|known| known.slot.server == *name));
            let by_address = || match server.balancer_name {
                Some(_) => None,
                None => only(here().filter(|known| known.is_at(server.address))),
            };
            let found = named.or_else(by_address).map(|known| known.slot.clone());
            let name = || {
                found
                    .as_ref()
                    .map_or(tried.clone(), |slot| vec![slot.server.clone()])
            };
            self.known(backend, &name())?;
            match found {
                Some(slot) => slot.check().map(|()| slot),
                None => Err(unknown(backend, &tried)),
            }
        };
        backends.iter().map(find).collect()
    }

    /// The merged state of `slot`, which every endpoint must know.
    pub(super) fn require(&self, slot: &BackendSlot) -> Result<&Merged, Error> {
        self.known(&slot.backend, std::slice::from_ref(&slot.server))?;
        self.of(slot)
            .ok_or_else(|| unknown(&slot.backend, std::slice::from_ref(&slot.server)))
    }

    /// Whether every endpoint knows `backend` and in it a server by one of the names `tried`.
    fn known(&self, backend: &str, tried: &[String]) -> Result<(), Error> {
        for (endpoint, table) in &self.tables {
            if !table.backends.iter().any(|known| known == backend) {
                return Err(Error::UnknownBackend {
                    endpoint: endpoint.clone(),
                    backend: backend.to_owned(),
                    known: table.backends.clone(),
                });
            }
            let here = table.servers.iter().filter(|line| line.backend == backend);
            let known: Vec<String> = here.map(|line| line.server.clone()).collect();
            if !known.iter().any(|name| tried.contains(name)) {
                return Err(Error::UnknownServer {
                    endpoint: endpoint.clone(),
                    backend: backend.to_owned(),
                    tried: tried.to_vec(),
                    known,
                });
            }
        }
        Ok(())
    }
}

impl Merged {
    fn sum_up(&mut self, endpoints: usize) {
        let lines = &self.per_endpoint;
        let same = |other: &ServerLine| (other.admin, other.is_up()) == (lines[0].admin, lines[0].is_up());
        self.agree = lines.len() == endpoints && lines.iter().all(same);
        self.admin = lines.iter().map(|line| line.admin).max().unwrap_or(Admin::Ready);
        self.up = lines.len() == endpoints && lines.iter().all(ServerLine::is_up);
        self.is_idle = lines.iter().any(|line| line.is_up() && line.weight == 0);
        self.sessions = lines.iter().fold(0, |sum: u64, line| {
            sum.saturating_add(line.sessions).saturating_add(line.queued)
        });
    }

    /// Whether all endpoints say the same.
    ///
    /// # Errors
    /// [`Error::Disagree`].
    pub fn agreed(&self) -> Result<(), Error> {
        if self.agree {
            return Ok(());
        }
        Err(Error::Disagree {
            slot: self.slot.to_string(),
            said: self.said(|_| true),
        })
    }

    /// Takes new sessions on every endpoint, and passes its checks there if there are any.
    pub fn is_proven(&self) -> bool {
        self.up && self.per_endpoint.iter().all(ServerLine::is_proven)
    }

    /// How much of its weight it has so far where it is in service, in percent; the least of all endpoints.
    pub fn growth(&self) -> u64 {
        let serving = self.per_endpoint.iter().filter(|line| line.is_up());
        serving.map(|line| line.growth).min().unwrap_or(FULL)
    }

    /// Passes its checks on every endpoint, if there are any, whether it is drained or takes sessions.
    pub fn passes(&self) -> bool {
        self.per_endpoint.iter().all(ServerLine::passes)
    }

    /// Whether setting it ready changes something: it was taken out itself at some endpoint.
    pub fn may_be_put_back(&self) -> bool {
        self.per_endpoint.iter().any(|line| line.by_itself)
    }

    /// Why setting it ready does not bring it into service, as a sentence; `None` where it does.
    pub fn kept_by(&self) -> Option<String> {
        let kept = self.per_endpoint.iter().find(|line| line.inherited)?;
        Some(match &kept.follows {
            Some(other) => format!(
                "{} follows {other} (“track” in HAProxy's configuration), which is out of service: put that one back.",
                self.slot
            ),
            None => format!(
                "HAProxy keeps {} out by itself ({}): putting it back does not change that.",
                self.slot, kept.status
            ),
        })
    }

    /// What the endpoints picked by `which` say, as part of a sentence.
    pub(super) fn said(&self, which: impl Fn(&ServerLine) -> bool) -> String {
        let picked = self.per_endpoint.iter().filter(|line| which(line));
        let words: Vec<String> = picked
            .map(|line| format!("{} says {} is {}", line.endpoint, self.slot, line.words()))
            .collect();
        words.join(", ")
    }

    /// Whether HAProxy reaches it at `address`. Loopback says nothing about which host it is.
    fn is_at(&self, address: &str) -> bool {
        let Ok(ip) = address.parse::<IpAddr>() else {
            return false;
        };
        let there = self.per_endpoint.iter().find_map(|line| line.address.as_deref());
        let at = there.and_then(ip_of);
        !ip.is_loopback() && at == Some(ip)
    }
}

/// The error without an endpoint to name.
fn unknown(backend: &str, tried: &[String]) -> Error {
    Error::UnknownServer {
        endpoint: "the balancer".to_owned(),
        backend: backend.to_owned(),
        tried: tried.to_vec(),
        known: Vec::new(),
    }
}

fn ip_of(text: &str) -> Option<IpAddr> {
    let with_port = text.parse::<SocketAddr>().map(|at| at.ip()).ok();
    with_port.or_else(|| text.rsplit_once(':')?.0.parse().ok())
}

/// The only element; `None` when there are several.
fn only<T>(mut things: impl Iterator<Item = T>) -> Option<T> {
    let first = things.next()?;
    things.next().is_none().then_some(first)
}
