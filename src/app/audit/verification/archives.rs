//! Archives of events that were cut, and whole exports: each proves itself, and fits the log and the others.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::{Error, Result};
use crate::small_file;
use crate::store::audit::{AuditFault, AuditPublicKey, Chain, StoredEvent};

/// A file of events that follow each other.
pub(super) struct Archive {
    file: PathBuf,
    pub chain: Chain,
    /// SHA-256 of the file, in hexadecimal.
    digest: String,
    /// Whether it says that a cut wrote it.
    is_of_cut: bool,
}

/// Follows the events of `file`; what is wrong with them, if anything.
///
/// # Errors
/// Invalid, when it holds no events, or was exported with a filter; unavailable, when it cannot be read.
pub(super) fn read(
    file: &Path,
    keys: &[AuditPublicKey],
    wanted: &HashSet<i64>,
) -> Result<std::result::Result<Archive, AuditFault>> {
    let unreadable = |cause: std::io::Error| {
        let sentence = format!("The archive {} cannot be read: {cause}.", file.display());
        Error::unavailable(sentence).because(cause)
    };
    let mut chain = Chain::new(keys.to_vec(), wanted.clone());
    let mut reader = BufReader::new(Digesting {
        file: small_file::open(file).map_err(unreadable)?,
        digest: Sha256::new(),
    });
    let (mut line, mut is_of_cut) = (String::new(), false);
    loop {
        line.clear();
        if reader.read_line(&mut line).map_err(unreadable)? == 0 {
            break;
        }
        // The first and the last line say what the file is.
        let Some(event) = StoredEvent::from_line(&line) else {
            let title: Value = serde_json::from_str(&line).unwrap_or_default();
            if title["filter"].as_str().is_some_and(|filter| !filter.is_empty()) {
                return Err(Error::invalid(format!(
                    "{} was exported with a filter. Only an export of everything proves itself.",
                    file.display()
                )));
            }
            is_of_cut |= title.get("deployer_audit_archive").is_some();
            continue;
        };
        if let Err(fault) = chain.follow(&event) {
            let reason = format!("In {}: {}", file.display(), fault.reason);
            return Ok(Err(AuditFault { reason, ..fault }));
        }
    }
    if chain.count() == 0 {
        return Err(Error::invalid(format!(
            "The file {} holds no events of an audit log.",
            file.display()
        )));
    }
    Ok(Ok(Archive {
        file: file.to_owned(),
        chain,
        digest: hex::encode(reader.into_inner().digest.finalize()),
        is_of_cut,
    }))
}

/// Takes the digest of what is read.
struct Digesting {
    file: File,
    digest: Sha256,
}

impl Read for Digesting {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = self.file.read(into)?;
        self.digest.update(into.get(..length).unwrap_or_default());
        Ok(length)
    }
}

/// Archives that do not fit the log, or each other; and the beginning of the log, where no archive ends.
pub(super) fn joints(archives: &[Archive], log: &Chain) -> Vec<AuditFault> {
    let mut faults = Vec::new();
    for archive in archives {
        let ends_wrong = end_of(archive, archives, log);
        // What explains its beginning may be missing with its end.
        faults.extend(ends_wrong.or_else(|| beginning_of(archive, archives, log)));
        faults.extend(another_file(archive, archives, log));
    }
    let is_archived = archives
        .iter()
        .any(|archive| archive.chain.last().saturating_add(1) == log.first());
    if !is_archived {
        faults.extend(log.begins_wrong());
    }
    faults
}

fn chains<'a>(archives: &'a [Archive], log: &'a Chain) -> impl Iterator<Item = &'a Chain> {
    archives.iter().map(|archive| &archive.chain).chain([log])
}

fn end_of(archive: &Archive, archives: &[Archive], log: &Chain) -> Option<AuditFault> {
    let (last, hash) = (archive.chain.last(), archive.chain.hash());
    let follows = |other: &&Chain| other.first() == last.saturating_add(1);
    let fits = match chains(archives, log).find(follows) {
        _ if log.met(last).is_some() => log.met(last) == Some(hash),
        Some(next) => next.hash_before() == hash,
        None => false,
    };
    (!fits).then(|| {
        AuditFault::at(
            last,
            format!(
                "An archive ends with event {last}, and the log does not go on from there: one of them was changed, or an archive between them is missing."
            ),
        )
    })
}

/// What is missing before the first event of an archive: events that no cut explains, and that stand neither in
/// another archive nor in the log.
fn beginning_of(archive: &Archive, archives: &[Archive], log: &Chain) -> Option<AuditFault> {
    let fault = archive.chain.begins_wrong()?;
    let (before, hash) = (
        archive.chain.first().saturating_sub(1),
        archive.chain.hash_before(),
    );
    let ends_there = |other: &Archive| other.chain.last() == before && other.chain.hash() == hash;
    let is_there = archives.iter().any(ends_there) || log.met(before) == Some(hash);
    (!is_there).then(|| {
        let reason = format!("In {}: {}", archive.file.display(), fault.reason);
        AuditFault { reason, ..fault }
    })
}

/// What is wrong when a cut wrote an archive up to the same event, and it was another file.
fn another_file(archive: &Archive, archives: &[Archive], log: &Chain) -> Option<AuditFault> {
    let last = archive.chain.last();
    let written = chains(archives, log).find_map(|chain| chain.archive_digest(last))?;
    let differs = archive.is_of_cut && written != archive.digest;
    differs.then(|| {
        AuditFault::at(
            archive.chain.first(),
            format!(
                "{} is not the archive that the cut up to event {last} wrote: its SHA-256 is {}, and was {written}.",
                archive.file.display(),
                archive.digest
            ),
        )
    })
}
