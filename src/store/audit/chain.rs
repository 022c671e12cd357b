//! Follows the chain of events from its beginning, or from a lawful cut, to its end.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use serde_json::Value;

use super::super::columns::instant;
use super::head::{AuditPublicKey, Head, HeadPurpose};
use super::stored::StoredEvent;
use crate::domain::{EventKind, Instant};

/// How far the clocks of several instances may differ without a word.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(1);

/// Where the log is not what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFault {
    /// The first event that is wrong, where it is one.
    pub event: Option<i64>,
    /// What is wrong, for people.
    pub reason: String,
}

impl AuditFault {
    /// A fault at an event.
    pub fn at(event: i64, reason: impl Into<String>) -> Self {
        Self {
            event: Some(event),
            reason: reason.into(),
        }
    }
}

/// An event's number and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dated {
    pub number: i64,
    pub at: Instant,
}

/// Follows events in their order; those of an archive first, then those of the database.
#[derive(Debug, Default)]
pub struct Chain {
    /// The number and hash of the event before.
    before: Option<(i64, String)>,
    /// The number of the first event and the hash before it.
    began: Option<(i64, String)>,
    /// Whether it begins after others, and nothing explains yet where those are.
    is_unexplained: bool,
    cut: Option<Head>,
    keys: Vec<AuditPublicKey>,
    wanted: HashSet<i64>,
    met: HashMap<i64, String>,
    count: u64,
    newest: Option<Dated>,
    set_back: Option<(Dated, Dated)>,
    /// By the number of the last event that a cut archived, the SHA-256 of its archive.
    archive_digests: HashMap<i64, String>,
}

impl Chain {
    /// A chain whose cuts are to be signed by one of `keys`. It remembers the hashes of the `wanted` numbers.
    pub fn new(keys: Vec<AuditPublicKey>, wanted: HashSet<i64>) -> Self {
        Self {
            keys,
            wanted,
            ..Self::default()
        }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// What is wrong with it; nothing after it proves anything.
    pub fn follow(&mut self, event: &StoredEvent) -> Result<(), AuditFault> {
        let number = event.number;
        match &self.before {
            None => self.begin(event)?,
            Some((last, hash)) => {
                let gap = event.version > 1 && number != last.saturating_add(1);
                if event.prev_hash != *hash || number <= *last || gap {
                    return Err(AuditFault::at(number, unlinked(*last, number)));
                }
            }
        }
        if !event.is_whole() {
            let reason = format!("Event {number} was changed after it was recorded.");
            return Err(AuditFault::at(number, reason));
        }
        if event.action == EventKind::AuditCut.as_str() {
            self.take_cut(event)?;
        }
        if self.wanted.contains(&number) {
            self.met.insert(number, event.hash.clone());
        }
        self.count += 1;
        self.look_at_clock(event);
        self.before = Some((number, event.hash.clone()));
        Ok(())
    }

    fn look_at_clock(&mut self, event: &StoredEvent) {
        let this = Dated {
            number: event.number,
            at: instant(event.happened_at),
        };
        match self.newest {
            Some(newest) if this.at <= newest.at => {
                let is_back = newest.at - this.at > CLOCKS_DIFFER;
                let before = self.set_back.take();
                self.set_back = before.or(is_back.then_some((newest, this)));
            }
            _ => self.newest = Some(this),
        }
    }

    /// Takes a cut that the log records; the first one of its own beginning explains it.
    fn take_cut(&mut self, event: &StoredEvent) -> Result<(), AuditFault> {
        self.archive_digests.extend(archive_in(event));
        if self.keys.is_empty() {
            return Ok(());
        }
        let known = cut_in(event).filter(|cut| cut.is_genuine() && self.keys.contains(&cut.key));
        let Some(cut) = known else {
            let number = event.number;
            let reason = format!(
                "Event {number} records a cut that no known key signed. If the key was changed since, give the public half of the one before with --key."
            );
            return Err(AuditFault::at(number, reason));
        };
        let is_it = |(first, hash): &(i64, String)| cut.hash == *hash && cut.number < *first;
        if self.is_unexplained && self.began.as_ref().is_some_and(is_it) {
            self.is_unexplained = false;
            self.cut = Some(cut);
        }
        Ok(())
    }

    fn begin(&mut self, event: &StoredEvent) -> Result<(), AuditFault> {
        let number = event.number;
        let is_first = event.prev_hash.is_empty();
        if number < 1 || (number > 1 && is_first && event.version > 1) || (number == 1 && !is_first) {
            let reason = format!("Event {number} stands at the beginning, where it was not recorded.");
            return Err(AuditFault::at(number, reason));
        }
        self.is_unexplained = !is_first;
        self.began = Some((number, event.prev_hash.clone()));
        Ok(())
    }

    /// What is wrong when the next event cannot be read.
    pub fn cannot_be_read(&self) -> AuditFault {
        let last = self.last();
        let reason =
            format!("What follows event {last} cannot be read: it was changed, or the database is damaged.");
        AuditFault::at(last.saturating_add(1), reason)
    }

    /// What is wrong at the end, where the log says that its last event is `tip`.
    pub fn ends_wrong(&self, tip: Option<(i64, String)>) -> Option<AuditFault> {
        let last = self.last();
        let Some(tip) = tip else {
            let reason = "What the log says of its own end is not readable: it was changed.".to_owned();
            return Some(AuditFault { event: None, reason });
        };
        let end = self.before.clone().unwrap_or_default();
        if end != tip {
            let reason = if last < tip.0 {
                format!(
                    "Events after {last} were removed; the last one recorded was {}.",
                    tip.0
                )
            } else {
                format!(
                    "The last event recorded was {}; what is stored now is not what was recorded.",
                    tip.0
                )
            };
            return Some(AuditFault {
                event: Some(last.min(tip.0).saturating_add(1)),
                reason,
            });
        }
        None
    }

    /// What is wrong with the beginning: events before it are gone, and no cut of a known key says so.
    pub fn begins_wrong(&self) -> Option<AuditFault> {
        let first = self.first();
        let reason = match (self.is_unexplained, self.keys.is_empty()) {
            (false, _) => return None,
            (true, true) => format!(
                "Events before {first} were removed. Whether lawfully, only the key that signs cuts can tell: give its public half with --key."
            ),
            (true, false) => format!("Events before {first} were removed without a signed cut."),
        };
        Some(AuditFault::at(first, reason))
    }

    /// The number of the first event; 0 where there is none.
    pub fn first(&self) -> i64 {
        self.began.as_ref().map_or(0, |(first, _)| *first)
    }

    /// The hash before the first event; empty where that is the first of all.
    pub fn hash_before(&self) -> &str {
        self.began.as_ref().map_or("", |(_, hash)| hash)
    }

    /// The number of the last event; 0 where there is none.
    pub fn last(&self) -> i64 {
        self.before.as_ref().map_or(0, |(last, _)| *last)
    }

    /// The hash of the last event; empty where there is none.
    pub fn hash(&self) -> &str {
        self.before.as_ref().map_or("", |(_, hash)| hash)
    }

    /// How many events were followed.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// An event, and the first one after it whose time is much earlier.
    pub fn set_back(&self) -> Option<(Dated, Dated)> {
        self.set_back
    }

    /// The cut that explains the beginning.
    pub fn cut(&self) -> Option<&Head> {
        self.cut.as_ref()
    }

    /// SHA-256 of the archive of a cut that ended with event `last`, in hexadecimal.
    pub fn archive_digest(&self, last: i64) -> Option<&str> {
        self.archive_digests.get(&last).map(String::as_str)
    }

    /// The hash that a wanted event has.
    pub fn met(&self, number: i64) -> Option<&str> {
        self.met.get(&number).map(String::as_str)
    }
}

fn unlinked(last: i64, number: i64) -> String {
    if number > last.saturating_add(1) {
        return format!(
            "Event {number} does not follow event {last}: the events between them were removed, or something was changed there."
        );
    }
    format!("Event {number} does not follow event {last}: something was removed, inserted or changed there.")
}

/// The last event of the archive that a cut wrote, and the archive's SHA-256.
fn archive_in(event: &StoredEvent) -> Option<(i64, String)> {
    let detail: Value = serde_json::from_str(&event.detail).ok()?;
    let digest = detail.get("archive_sha256")?.as_str()?.to_owned();
    Some((detail.get("up_to")?.as_i64()?, digest))
}

/// The signed cut that an event records.
pub(super) fn cut_in(event: &StoredEvent) -> Option<Head> {
    if event.action != EventKind::AuditCut.as_str() {
        return None;
    }
    let detail: Value = serde_json::from_str(&event.detail).ok()?;
    let cut: Head = detail.get("cut")?.as_str()?.parse().ok()?;
    (cut.purpose == HeadPurpose::Cut).then_some(cut)
}
