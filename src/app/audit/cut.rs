//! Cuts the audit log: the oldest events are archived and removed, and a signed event says so.
//!
//! The archive is on the disk before anything is removed. What is removed and the event about it are one
//! transaction, so a cut that fails removes nothing. Verification starts from the signed cut; with the
//! archives it covers everything.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::heads;
use super::keys::{AUDIT, key};
use super::verification::{Evidence, prove};
use crate::access::Permit;
use crate::app::admin::demand_administer;
use crate::config::Config;
use crate::domain::{Error, Event, EventKind, Instant, Result};
use crate::store::Store;
use crate::store::audit::{self, AuditReading, Head, HeadPurpose};

/// What a cut did.
#[derive(Debug)]
pub struct AuditCut {
    /// The number of the last event that was removed.
    pub up_to: i64,
    /// How many were.
    pub events: u64,
    /// SHA-256 of the archive, in hexadecimal.
    pub digest: String,
}

/// Removes every event before the first one that happened at `before` or later, after writing them to the
/// new file `archive`.
///
/// # Errors
/// Invalid, when no event is that old or the file exists; a conflict, when the log is not what was recorded;
/// unavailable without a key, or when the archive cannot be written.
pub async fn cut(
    (config, store): (&Config, &Store),
    permit: &Permit,
    before: Instant,
    archive: &Path,
    now: Instant,
) -> Result<AuditCut> {
    demand_administer(permit)?;
    let head = heads::present((config, store), now).await?;
    let head = head.map_err(Error::conflict)?;
    let found = prove((config, store), Evidence::default()).await?;
    if let Some(fault) = found.faults.first() {
        return Err(Error::conflict(format!(
            "{} Nothing was removed: a cut would hide that. See “deployer audit verify”.",
            fault.reason
        )));
    }
    let Some(up_to) = audit::last_before(store, before).await? else {
        let day = before.format("%Y-%m-%d %H:%M UTC");
        return Err(Error::invalid(format!(
            "No event is older than {day}. Nothing was removed."
        )));
    };
    let written = write_archive(store, archive, up_to, &head).await;
    let (hash, digest) = match written {
        Ok(written) => written,
        Err(error) => {
            // A file that was there before is not ours.
            if error.kind() != crate::domain::ErrorKind::Invalid {
                _ = fs::remove_file(archive);
            }
            return Err(error);
        }
    };
    let Some(key) = key(config)? else {
        return Err(Error::conflict("The audit key was removed meanwhile."));
    };
    let cut = Head::sign(HeadPurpose::Cut, up_to, &hash, now, &key);
    let change = store.change(permit, now).await?;
    if audit::hash_of(&change, up_to).await?.as_ref() != Some(&hash) {
        return Err(Error::conflict(
            "The log was cut by somebody else meanwhile. Nothing was removed.",
        ));
    }
    let events = audit::remove_up_to(&change, up_to).await?;
    let detail = json!({
        "up_to": up_to, "events": events, "before": before, "hash": hash,
        "archive": archive.file_name().map(|name| name.to_string_lossy().into_owned()),
        "archive_sha256": digest, "cut": cut.to_string(),
    });
    let event = Event::new(EventKind::AuditCut, detail).about(AUDIT);
    change.commit(event).await?;
    Ok(AuditCut {
        up_to,
        events,
        digest,
    })
}

/// Writes the events up to `up_to`, one per line, after a line that says what the file is. The hash of the
/// last event, and the digest of the file.
async fn write_archive(store: &Store, path: &Path, up_to: i64, head: &Head) -> Result<(String, String)> {
    let failed = |cause: io::Error| {
        let sentence = format!("The archive {} cannot be written: {cause}.", path.display());
        match cause.kind() {
            io::ErrorKind::AlreadyExists => Error::invalid(format!(
                "The file {} exists already, and an archive is never overwritten.",
                path.display()
            )),
            _ => Error::unavailable(sentence).because(cause),
        }
    };
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let mut writer = ArchiveWriter {
        file: BufWriter::new(file),
        digest: Sha256::new(),
    };
    let first = json!({ "deployer_audit_archive": 1, "up_to": up_to, "head": head.to_string() });
    writer.line(&first.to_string()).map_err(failed)?;
    let mut reading = AuditReading::default();
    let (mut last, mut hash) = (i64::MIN, String::new());
    while last < up_to {
        let events = reading.next(store).await?;
        if events.is_empty() {
            break;
        }
        for event in events.into_iter().filter(|event| event.number <= up_to) {
            writer.line(&event.to_line()).map_err(failed)?;
            (last, hash) = (event.number, event.hash);
        }
    }
    let digest = writer.finish(path).map_err(failed)?;
    Ok((hash, digest))
}

/// Writes lines, and their digest.
struct ArchiveWriter {
    file: BufWriter<File>,
    digest: Sha256,
}

impl ArchiveWriter {
    fn line(&mut self, line: &str) -> io::Result<()> {
        for part in [line.as_bytes(), b"\n"] {
            self.digest.update(part);
            self.file.write_all(part)?;
        }
        Ok(())
    }

    /// Waits until file and name are on the disk.
    fn finish(self, path: &Path) -> io::Result<String> {
        self.file.into_inner()?.sync_all()?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(hex::encode(self.digest.finalize()))
    }
}
