//! Proves the audit log: against itself, against heads handed out before, against archives of what was cut,
//! and the rest of the database against the log.

mod archives;

use std::collections::HashSet;
use std::path::PathBuf;

use self::archives::{Archive, joints};
use super::comparison;
use super::heads::in_file;
use super::keys::key;
use crate::config::Config;
use crate::domain::{ErrorKind, Instant, Result};
use crate::store::Store;
use crate::store::audit::{self, AuditFault, AuditPublicKey, Chain, Dated, Head};

/// The most faults that are told; the first says where the log stops being what it was.
const FAULTS: usize = 20;

/// What is told where the database answers, but not with what belongs into its columns.
const UNREADABLE: &str = "Deployments, accounts and API tokens could not be compared with their events: something in the database cannot be read. It was changed, or the database is damaged.";

/// What the log is compared with, beside the heads that this instance handed out.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Heads handed out before.
    pub heads: Vec<Head>,
    /// Public keys to trust beside those of this instance.
    pub keys: Vec<AuditPublicKey>,
    /// Archives of events that were cut, and whole exports.
    pub archives: Vec<PathBuf>,
}

/// What a verification found.
#[derive(Debug, Default)]
pub struct Verification {
    /// The numbers of the first and the last event; 0 where there is none.
    pub first: i64,
    pub last: i64,
    /// The hash of the last event.
    pub hash: String,
    /// The lawful cut that the log begins after.
    pub cut: Option<Head>,
    /// Heads that fit.
    pub fitting: usize,
    /// The newest of them.
    pub newest: Option<Head>,
    /// Heads about events that were cut, which no archive was given for.
    pub before_cut: usize,
    /// Heads whose signature was not compared with a known key.
    pub unknown_keys: bool,
    /// Heads that prove nothing, and why, as sentences: a digit is wrong, or they are of another log.
    pub unusable: Vec<String>,
    /// An event, and the first one after it whose time is much earlier.
    pub set_back: Option<(Dated, Dated)>,
    /// What is wrong with the log, the first event first.
    pub faults: Vec<AuditFault>,
    /// Where the rest of the database says something else than the log.
    pub differences: Vec<String>,
}

impl Verification {
    /// Whether nothing is wrong, and everything that was given could be compared.
    pub fn is_whole(&self) -> bool {
        self.fits() && self.unusable.is_empty()
    }

    /// Whether nothing that could be compared is wrong.
    pub fn fits(&self) -> bool {
        self.faults.is_empty() && self.differences.is_empty()
    }

    /// The first event that is wrong, where one is.
    pub fn first_wrong(&self) -> Option<i64> {
        self.faults.iter().filter_map(|fault| fault.event).min()
    }

    /// What was looked at, for people.
    pub fn looked_at(&self) -> Vec<String> {
        let mut said = vec![match self.last {
            0 => "The log is empty.".to_owned(),
            last => format!("Events {} to {last} were compared with their hashes.", self.first),
        }];
        if let Some(cut) = &self.cut {
            said.push(format!(
                "Events up to {} were cut lawfully on {}, signed with the key {}.",
                cut.number,
                day(cut.at),
                cut.key.short()
            ));
        }
        match &self.newest {
            None if !self.faults.is_empty() => {}
            None => said.push(
                "No head handed out before was compared, so a log that was rewritten as a whole would not be noticed."
                    .to_owned(),
            ),
            Some(newest) => said.push(format!(
                "Heads handed out before that fit: {}; the newest is of {}, when event {} was the last.",
                self.fitting,
                day(newest.at),
                newest.number
            )),
        }
        if self.before_cut > 0 {
            said.push(format!(
                "Heads about events that were cut: {}. Give the archives to compare them.",
                self.before_cut
            ));
        }
        if let Some((newest, back)) = self.set_back {
            said.push(format!(
                "The time of event {}, {}, is before that of event {}, {}: a clock was set back, or history was imported.",
                back.number,
                day(back.at),
                newest.number,
                day(newest.at)
            ));
        }
        if self.unknown_keys {
            said.push(
                "Nothing here says which key is the right one: compare the key of the heads with the one you were told, or give it with --key."
                    .to_owned(),
            );
        }
        said.push(
            "Deployments, approvals, accounts, second factors and API tokens were compared with their events."
                .to_owned(),
        );
        said
    }

    /// The verdict in one sentence.
    pub fn verdict(&self) -> String {
        match (self.fits(), self.first_wrong()) {
            (true, _) if !self.unusable.is_empty() => {
                "Not everything could be compared: a head that was given is none of this log, or was not copied exactly. What could be compared fits."
                    .to_owned()
            }
            (true, _) => "The audit log is intact.".to_owned(),
            (false, Some(first)) => format!(
                "The audit log was tampered with or damaged. The first wrong event is {first}. Keep a copy of the database and find out who could access it."
            ),
            (false, None) => "The database was tampered with or damaged: it does not say what the audit log says. Keep a copy of it and find out who could access it.".to_owned(),
        }
    }
}

fn day(at: Instant) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Proves the log of `store`.
///
/// # Errors
/// Of the store; an archive or a file of heads that cannot be read.
pub async fn prove((config, store): (&Config, &Store), evidence: Evidence) -> Result<Verification> {
    let own = in_file(&config.audit_heads_file())?;
    let mut keys = evidence.keys;
    keys.extend(key(config)?.map(|key| key.public()));
    // Our own file is as safe as the key is, and names the keys of before.
    keys.extend(own.iter().map(|head| head.key));
    let mut heads = evidence.heads;
    heads.extend(own);
    heads.sort_by_key(|head| (head.number, head.at));
    heads.dedup();
    let wanted: HashSet<i64> = heads.iter().map(|head| head.number).collect();
    let mut archives = Vec::new();
    let mut faults = Vec::new();
    for file in &evidence.archives {
        match archives::read(file, &keys, &wanted)? {
            Ok(archive) => archives.push(archive),
            // It does not reach to where it would fit.
            Err(fault) => faults.push(fault),
        }
    }
    // The ends of archives have to be in the log, or just before it; so may be what stands before them.
    let around = |archive: &Archive| [archive.chain.first().saturating_sub(1), archive.chain.last()];
    let ends = archives.iter().flat_map(around);
    let (chain, fault) = walk(store, &keys, wanted.iter().copied().chain(ends).collect()).await?;
    faults.extend(fault);
    faults.extend(joints(&archives, &chain));
    let mut found = Verification {
        first: chain.first(),
        last: chain.last(),
        hash: chain.hash().to_owned(),
        cut: chain.cut().cloned(),
        set_back: chain.set_back(),
        unknown_keys: keys.is_empty() && !heads.is_empty(),
        ..Verification::default()
    };
    compare_heads(&mut found, &mut faults, &heads, &keys, (&archives, &chain));
    faults.sort_by_key(|fault| fault.event.unwrap_or(i64::MAX));
    faults.truncate(FAULTS);
    found.faults = faults;
    found.differences = match comparison::all(store).await {
        Err(error) if error.kind() == ErrorKind::Internal => vec![UNREADABLE.to_owned()],
        told => told?,
    };
    Ok(found)
}

/// Follows the stored log. Begins again when its beginning was cut meanwhile.
async fn walk(
    store: &Store,
    keys: &[AuditPublicKey],
    wanted: HashSet<i64>,
) -> Result<(Chain, Option<AuditFault>)> {
    loop {
        let mut chain = Chain::new(keys.to_vec(), wanted.clone());
        let fault = audit::walk(store, &mut chain).await?;
        let is_cut_meanwhile = fault.is_some()
            && chain.count() > 0
            && audit::first_number(store)
                .await
                .is_ok_and(|first| first > Some(chain.first()));
        if !is_cut_meanwhile {
            return Ok((chain, fault));
        }
    }
}

/// Compares heads with the events that they name.
fn compare_heads(
    found: &mut Verification,
    faults: &mut Vec<AuditFault>,
    heads: &[Head],
    keys: &[AuditPublicKey],
    (archives, log): (&[Archive], &Chain),
) {
    // After the first fault nothing was looked at.
    let is_broken = !faults.is_empty();
    let mut fitted = 0;
    for head in heads {
        let (number, at) = (head.number, day(head.at));
        if let Some(why) = unusable(head, keys) {
            found.unusable.push(why);
            continue;
        }
        let mut chains = archives.iter().map(|archive| &archive.chain).chain([log]);
        let met = chains.find_map(|chain| chain.met(number));
        if met == Some(head.hash.as_str()) {
            (fitted, found.fitting) = (number, found.fitting + 1);
            found.newest = Some(head.clone());
        } else if met.is_none() && found.cut.as_ref().is_some_and(|cut| number <= cut.number) {
            found.before_cut += 1;
        } else if met.is_none() && is_broken {
            // The fault says already where it ends.
        } else if number > log.last() {
            let reason = format!(
                "Events after {} are missing: the head of {at} says that event {number} was recorded.",
                log.last()
            );
            faults.push(AuditFault::at(log.last().saturating_add(1), reason));
        } else {
            let first = (fitted.saturating_add(1)).max(log.first());
            let reason = format!(
                "The log was rewritten between event {first} and event {number}: event {number} is not the one that the head of {at} names."
            );
            faults.push(AuditFault::at(first, reason));
        }
    }
}

/// Why a head says nothing about this log; `None`: it does. Whoever changes the log cannot make such a head, so
/// it is no trace of that.
fn unusable(head: &Head, keys: &[AuditPublicKey]) -> Option<String> {
    let (number, at) = (head.number, day(head.at));
    if !head.is_genuine() {
        return Some(format!(
            "The head of {at} about event {number} proves nothing: its signature is wrong. Compare it digit by digit with where it was kept."
        ));
    }
    if !keys.is_empty() && !keys.contains(&head.key) {
        return Some(format!(
            "The head of {at} about event {number} is signed with the key {}, which is not known here: it is of another installation, or of an earlier key of this one, whose public half can be given with --key.",
            head.key.short()
        ));
    }
    None
}
