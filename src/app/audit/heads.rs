//! Hands out signed heads of the audit log: to a file beside the data, to the program's log, and to whoever
//! asks.
//!
//! The file gets one head at each start and stop, and one an hour while events are recorded. Before each,
//! the last one is compared with the log, so a log that was rewritten or cut is noticed within the hour: then
//! no further head is signed, and pages and `/health` say so.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use parking_lot::Mutex;

use super::keys::key;
use crate::config::Config;
use crate::domain::{Error, Instant, Result};
use crate::private;
use crate::small_file;
use crate::store::Store;
use crate::store::audit::{self, AuditKey, Head, HeadPurpose};

/// The longest file of heads that is read, in bytes: some hundred thousand heads.
pub const HEADS_BYTES: u64 = 32 << 20;
/// Characters that a sentence quotes of a head that is not whole.
const BEGIN_CHARS: usize = 40;
/// The end of the file, which holds the last head.
const TAIL_BYTES: u64 = 4096;

/// What is said where there is no key.
const NO_KEY: &str = "There is no audit key here, so no head can be signed. The first start of “deployer serve” makes one; see “deployer audit key --help”.";

/// What the last comparison with a head found.
#[derive(Debug, Default)]
pub struct LastComparison(Mutex<Option<String>>);

impl LastComparison {
    /// What was wrong, if anything.
    pub fn fault(&self) -> Option<String> {
        self.0.lock().clone()
    }
}

/// The present head, signed at `now`, or a sentence that says why none is signed: there is no key, no event, or
/// the log does not fit the head that this instance handed out last.
///
/// # Errors
/// Of the store and of the file.
pub async fn present(
    (config, store): (&Config, &Store),
    now: Instant,
) -> Result<std::result::Result<Head, String>> {
    let Some(key) = key(config)? else {
        return Ok(Err(NO_KEY.to_owned()));
    };
    let last = last_handed_out(config)?;
    if let Some(fault) = contradiction(store, last.as_ref(), &key).await? {
        return Ok(Err(fault));
    }
    let (number, hash) = audit::tip(store).await?;
    Ok(match number {
        0 => Err("The audit log is empty.".to_owned()),
        _ => Ok(Head::sign(HeadPurpose::Head, number, &hash, now, &key)),
    })
}

/// The heads in our own file, oldest first; none where there is no such file.
///
/// # Errors
/// As of [`text_of`].
pub fn in_file(file: &Path) -> Result<Vec<Head>> {
    let text = text_of(file)?.unwrap_or_default();
    let mut heads = Head::all_in(&text);
    heads.sort_by_key(|head| (head.number, head.at));
    Ok(heads)
}

/// The heads that somebody gives, in any text.
///
/// # Errors
/// Invalid, with the field `heads`: no head, or one that is not whole.
pub fn given_in(text: &str) -> Result<Vec<Head>> {
    if let Some(broken) = Head::broken_in(text) {
        let begin: String = broken.chars().take(BEGIN_CHARS).collect();
        return Err(Error::field(
            "heads",
            format!(
                "The head that begins with {begin}… is not whole. A head is one word: put one that was wrapped together again."
            ),
        ));
    }
    let heads = Head::all_in(text);
    match heads.is_empty() {
        true => Err(Error::field(
            "heads",
            "There is no head in this text. One begins with deployer-audit-head.",
        )),
        false => Ok(heads),
    }
}

/// The text of a file of heads; `None` where there is no such file.
///
/// # Errors
/// A file that cannot be read, or is larger than [`HEADS_BYTES`].
pub fn text_of(file: &Path) -> Result<Option<String>> {
    match small_file::read(file, HEADS_BYTES) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => {
            let sentence = format!("The file {} cannot be read: {cause}.", file.display());
            Err(Error::unavailable(sentence).because(cause))
        }
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
    }
}

/// The last head in our own file.
fn last_handed_out(config: &Config) -> Result<Option<Head>> {
    let file = config.audit_heads_file();
    last_in(&file).map_err(|cause| not_kept(&file, cause))
}

fn not_kept(file: &Path, cause: io::Error) -> Error {
    let sentence = format!("The heads of the audit log cannot be kept in {}.", file.display());
    Error::unavailable(sentence).because(cause)
}

/// The last head in a file. Reads only its end.
fn last_in(file: &Path) -> io::Result<Option<Head>> {
    let mut opened = match small_file::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let length = opened.metadata()?.len();
    opened.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut end = Vec::new();
    opened.take(TAIL_BYTES).read_to_end(&mut end)?;
    Ok(Head::all_in(&String::from_utf8_lossy(&end)).pop())
}

/// Compares the log with the last head that this instance handed out, remembers what that found, and hands
/// out the head of `now`. Does nothing where there is no key.
///
/// # Errors
/// Of the store and of the file.
pub async fn hand_out(
    (config, store): (&Config, &Store),
    comparison: &LastComparison,
    now: Instant,
) -> Result<()> {
    let Some(key) = key(config)? else { return Ok(()) };
    let last = last_handed_out(config)?;
    let fault = contradiction(store, last.as_ref(), &key).await?;
    comparison.0.lock().clone_from(&fault);
    if let Some(fault) = fault {
        tracing::error!("{fault}");
        return Ok(());
    }
    let (number, hash) = audit::tip(store).await?;
    if number == 0 || last.is_some_and(|last| last.number == number && last.key == key.public()) {
        return Ok(());
    }
    let head = Head::sign(HeadPurpose::Head, number, &hash, now, &key);
    let file = config.audit_heads_file();
    private::append(&file, &format!("{head}\n")).map_err(|cause| not_kept(&file, cause))?;
    tracing::info!(%head, "the audit log's head");
    Ok(())
}

/// Why the log cannot be the one that the `last` head was handed out for; `None`: as far as this looks, it is.
async fn contradiction(store: &Store, last: Option<&Head>, key: &AuditKey) -> Result<Option<String>> {
    let Some(head) = last else { return Ok(None) };
    let keys = [key.public(), head.key];
    let stored = audit::hash_of(store, head.number).await?;
    if stored.as_ref() == Some(&head.hash) {
        return Ok(None);
    }
    if stored.is_none() {
        let cuts = audit::cuts(store).await?;
        let is_lawful = |cut: &Head| cut.number >= head.number && cut.is_genuine() && keys.contains(&cut.key);
        if cuts.iter().any(is_lawful) {
            return Ok(None);
        }
    }
    let what = match stored {
        Some(_) => "is another one now",
        None => "is missing",
    };
    Ok(Some(format!(
        "The audit log was rewritten or cut: event {}, which was the last one on {}, {what}. No further head is signed. Run “deployer audit verify”.",
        head.number,
        head.at.format("%Y-%m-%d at %H:%M:%S UTC")
    )))
}
