//! The key that signs heads of the audit log: found at the start, made where there was none, changed.
//!
//! The database knows the public half, so that a start with another key, or with none, is refused: its heads
//! would not fit those handed out before.

use serde_json::json;

use crate::access::Permit;
use crate::app::key_place::{InstallationKey, KeyPlace, write};
use crate::config::Config;
use crate::domain::{Error, Event, EventKind, Instant, Result};
use crate::store::audit::{self, AuditKey, NAME_DIGITS};
use crate::store::{Right, Store};

/// What the audit log calls itself.
pub(super) const AUDIT: &str = "audit log";

/// The key of this instance; `None`: there is none.
///
/// # Errors
/// A key that cannot be read.
pub fn key(config: &Config) -> Result<Option<AuditKey>> {
    KeyPlace::of::<AuditKey>(config).read(config)
}

/// Finds the key before `store` is served, or makes the first one.
///
/// # Errors
/// Another key than the one noted in the database, or none: each with what to do.
pub async fn prepare(config: &Config, store: &Store, now: Instant) -> Result<()> {
    let noted = audit::noted_key(store).await?;
    let place = KeyPlace::of::<AuditKey>(config);
    match (noted, place.read::<AuditKey>(config)?) {
        (Some(noted), Some(key)) if key.public().to_string() == noted => Ok(()),
        (Some(noted), key) => Err(wrong_key(&noted, &place, key.as_ref())),
        (None, Some(key)) => note_first(store, &key, now).await,
        (None, None) => make_first(store, &place, now).await,
    }
}

fn wrong_key(noted: &str, place: &KeyPlace, key: Option<&AuditKey>) -> Error {
    let noted = short(noted);
    let what = match key {
        Some(key) => format!("{place} holds the key {}", key.fingerprint()),
        None => format!("there is no key: {place} does not exist"),
    };
    Error::unavailable(format!(
        "The audit log's heads are signed with the key {noted}, but {what}. Put the right key there, from its backup or from another instance, or set audit.key_file. If it is lost or was changed on purpose, make one with “deployer audit key new” unless there is one, and run “deployer audit key accept”."
    ))
}

/// The first digits of a key as the database has it.
fn short(noted: &str) -> &str {
    noted.get(..NAME_DIGITS).unwrap_or(noted)
}

async fn note_first(store: &Store, key: &AuditKey, now: Instant) -> Result<()> {
    let change = store.change(Right::of_this_program(AUDIT), now).await?;
    if let Err(error) = audit::note_first_key(&change, key.public()).await {
        drop(change);
        // Another instance may have been first.
        return match audit::noted_key(store).await? {
            Some(noted) if noted == key.public().to_string() => Ok(()),
            Some(noted) => Err(Error::conflict(format!(
                "Another instance has begun to sign the audit log's heads with the key {}. Give this one the same key.",
                short(&noted)
            ))),
            None => Err(error),
        };
    }
    let detail = json!({ "key": key.public().to_string() });
    change.commit(Event::new(EventKind::AuditKeySet, detail)).await
}

/// Makes the first key, in a file. Further instances are refused until they have a copy of it.
async fn make_first(store: &Store, place: &KeyPlace, now: Instant) -> Result<()> {
    let KeyPlace::File(file) = place else {
        return Err(Error::unavailable(format!("{place} holds no audit key.")));
    };
    let key = AuditKey::generate();
    write(file, &key)?;
    if let Err(error) = note_first(store, &key, now).await {
        // Another instance was first; this key signed nothing.
        _ = std::fs::remove_file(file);
        return Err(error);
    }
    tracing::warn!(
        "Heads of the audit log are signed from now on. Their key {} is in {}: keep a copy of it, apart from the database, and give one to each instance that shares the database.",
        key.fingerprint(),
        file.display()
    );
    Ok(())
}

/// Makes the key of this instance the one that signs heads from now on.
///
/// # Errors
/// Invalid, when there is no key, or it is the one already.
pub async fn accept((config, store): (&Config, &Store), permit: &Permit, now: Instant) -> Result<AuditKey> {
    let Some(key) = key(config)? else {
        let place = KeyPlace::of::<AuditKey>(config);
        return Err(Error::invalid(format!(
            "There is no key: {place} does not exist. Make one with “deployer audit key new”."
        )));
    };
    let change = store.change(permit, now).await?;
    let before = audit::noted_key(&change).await?;
    if before == Some(key.public().to_string()) {
        return Err(Error::invalid("This is the key that is used already."));
    }
    audit::note_key(&change, key.public()).await?;
    let detail = json!({ "key": { "from": before, "to": key.public().to_string() } });
    let event = Event::new(EventKind::AuditKeyChanged, detail).about(AUDIT);
    change.commit(event).await?;
    Ok(key)
}
