//! The key that secrets at rest are sealed with: found at the start, made where there was none, and
//! changed.
//!
//! The database knows the fingerprint of its key. A start with another key, or with none, is refused:
//! what it would store could be read by nobody else, and what it needs it could not read. Secrets that
//! are still in clear, from before there was a key, are sealed at the first start in one transaction.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::key_place::{self, KeyPlace, close, put_in_place, read, waiting, write};
use crate::access::Permit;
use crate::config::Config;
use crate::domain::{Error, Event, EventKind, Instant, ProjectId, Result, UserId};
use crate::store::environments::SealedAnew;
use crate::store::{
    Change, Reader, Right, SealingKey, Store, environments, hooks, jobs, projects, sealing, second_factors,
    users,
};

/// What the change of a key did.
#[derive(Debug)]
pub struct KeyChange {
    /// The fingerprint of the new key.
    pub key: String,
    /// How many secrets were sealed with it.
    pub secrets: usize,
    /// Where the key of before is kept; `None` where it was not ours to move.
    pub kept: Option<PathBuf>,
}

/// Gives `store` the key of this instance, if there is one, for commands that read secrets by the way.
pub fn use_key(config: &Config, store: &Store) {
    if let Ok(Some(key)) = KeyPlace::of::<SealingKey>(config).read(config) {
        store.set_sealing_keys(vec![key]);
    }
}

/// Finds the key before `store` is served, or makes the first one, and seals what is still in clear.
///
/// # Errors
/// Another key than that of the database, or none: each with what to do.
pub async fn prepare(config: &Config, store: &Store, now: Instant) -> Result<()> {
    let noted = sealing::fingerprint(store).await?;
    let place = KeyPlace::of::<SealingKey>(config);
    let key = match (&noted, place.read(config)?) {
        (Some(noted), key) => right_key(config, noted, &place, key)?,
        (None, Some(key)) => key,
        (None, None) => return first_key(config, store, &place, now).await,
    };
    store.set_sealing_keys(vec![key.clone()]);
    seal_the_rest(store, noted.is_none().then_some(&key), now).await
}

/// The key at `place`, which has to be the one of the fingerprint. Finishes a change of keys that was
/// interrupted after the secrets were sealed anew.
fn right_key(config: &Config, noted: &str, place: &KeyPlace, key: Option<SealingKey>) -> Result<SealingKey> {
    if let Some(key) = &key
        && key.fingerprint() == noted
    {
        return Ok(key.clone());
    }
    if let KeyPlace::File(file) = place
        && let Some(new) = read::<SealingKey>(&waiting(file))?.filter(|new| new.fingerprint() == noted)
    {
        put_in_place(file, key.as_ref().unwrap_or(&new))?;
        return Ok(new);
    }
    let what = match key {
        Some(key) => format!("{place} holds the key {}", key.fingerprint()),
        None => format!("there is no key: {place} does not exist"),
    };
    let advice = advice(config, noted);
    Err(Error::unavailable(format!(
        "The secrets in the database are sealed with the key {noted}, but {what}. {advice}"
    )))
}

/// What to do where the key of the fingerprint `noted` is not where the configuration says: sentences.
pub fn advice(config: &Config, noted: &str) -> String {
    if let Some(file) = key_place::find::<SealingKey>(config, noted) {
        let file = file.display();
        return format!("The right key is in {file}: put it there, or set secrets.key_file to that file.");
    }
    let credential = match KeyPlace::may_be_credential::<SealingKey>(config) {
        true => {
            " The unit of the service may have it as a credential (LoadCredential), which a shell does not see: docs/hardening.md says how to run commands with it."
        }
        false => "",
    };
    format!(
        "Put the right key there, from its backup or from another instance, or set secrets.key_file.{credential} Only if it is lost for good: “deployer key forget” deletes the secrets, so that they can be entered again."
    )
}

/// Makes the first key in a file, where nobody else can have one already.
async fn first_key(config: &Config, store: &Store, place: &KeyPlace, now: Instant) -> Result<()> {
    let is_ours_alone = store.is_for_one_instance() || environments::all(store).await?.is_empty();
    let KeyPlace::File(file) = place else {
        return Err(Error::unavailable(format!("{place} holds no sealing key.")));
    };
    if !is_ours_alone {
        return Err(Error::unavailable(
            "There is no key to seal the secrets in the database with. Several instances may share it and need the same key: make one with “deployer key new FILE”, copy it to each, and set secrets.key_file.",
        ));
    }
    let key = SealingKey::generate();
    write(file, &key)?;
    store.set_sealing_keys(vec![key.clone()]);
    if let Err(error) = seal_the_rest(store, Some(&key), now).await {
        // Another instance may have been first; this key sealed nothing.
        _ = std::fs::remove_file(file);
        return match sealing::fingerprint(store).await? {
            Some(noted) => right_key(config, &noted, &KeyPlace::of::<SealingKey>(config), None).map(drop),
            None => Err(error),
        };
    }
    tracing::warn!(
        "Secrets in the database are sealed from now on. Their key {} is in {}: keep a copy of it with your backups, as a database without it has no secrets.",
        key.fingerprint(),
        file.display()
    );
    Ok(())
}

/// Seals what is in clear, and notes `first` as the key.
async fn seal_the_rest(store: &Store, first: Option<&SealingKey>, now: Instant) -> Result<()> {
    let change = store.change(Right::of_this_program("secrets"), now).await?;
    if let Some(key) = first {
        sealing::set_first(&change, &key.fingerprint()).await?;
    }
    let done = environments::seal_anew(&change).await?;
    if first.is_none() && done.variables.is_empty() {
        return Ok(());
    }
    let detail = json!({
        "key": sealing::fingerprint(&change).await?, "secrets": told(&change, &done).await?,
    });
    change
        .commit(Event::new(EventKind::SecretsSealed, detail))
        .await?;
    if done.variables.is_empty() {
        return Ok(());
    }
    if let Err(error) = store.wipe_remains().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "secrets are sealed, but unused parts of the database file may still hold them in clear; run VACUUM on it"
        );
    }
    Ok(())
}

/// The names of the variables, each with its place.
async fn told(on: &impl Reader, done: &SealedAnew) -> Result<Value> {
    let (projects, all) = (projects::list(on).await?, environments::all(on).await?);
    let name = |(id, name): &(_, String)| {
        let environment = all.iter().find(|one| one.id == *id);
        let project =
            environment.and_then(|one| projects.iter().find(|project| project.id == one.project_id));
        match (project, environment) {
            (Some(project), Some(environment)) => format!("{}/{} {name}", project.name, environment.name),
            _ => name.clone(),
        }
    };
    Ok(done.variables.iter().map(name).collect())
}

/// The names of accounts.
async fn names_of(on: &impl Reader, ids: &[UserId]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for id in ids {
        names.push(users::by_id(on, *id).await?.name.to_string());
    }
    Ok(names)
}

/// The names of projects.
async fn projects_of(on: &impl Reader, ids: &[ProjectId]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for id in ids {
        names.push(projects::by_id(on, *id).await?.name.to_string());
    }
    Ok(names)
}

/// Seals all secrets with another key: that in the file `to`, or a fresh one, which then takes the place
/// of the present one.
///
/// # Errors
/// A conflict while an instance serves; a present key that is not that of the database; without `to`, a
/// key that is not in a file.
pub async fn change_key(
    (config, store): (&Config, &Store),
    permit: &Permit,
    to: Option<&Path>,
    now: Instant,
) -> Result<KeyChange> {
    prepare(config, store, now).await?;
    let place = KeyPlace::of::<SealingKey>(config);
    let before: SealingKey = place
        .read(config)?
        .ok_or_else(|| Error::invalid("There is no key to change."))?;
    let (new, file) = match (to, &place) {
        (Some(file), _) => (given_key(file, &before)?, None),
        (None, KeyPlace::File(file)) => {
            let new = SealingKey::generate();
            // One that a rotation left which sealed nothing.
            _ = std::fs::remove_file(waiting(file));
            write(&waiting(file), &new)?;
            (new, Some(file))
        }
        (None, place) => {
            return Err(Error::invalid(format!(
                "The key is in {place}, which the deployer cannot change: make another one with “deployer key new FILE”, and name it with --to."
            )));
        }
    };
    store.set_sealing_keys(vec![new.clone(), before.clone()]);
    let change = store.change(permit, now).await?;
    nobody_serves(store, &change).await?;
    let done = environments::seal_anew(&change).await?;
    let factors = second_factors::seal_anew(&change).await?;
    let hooks = hooks::seal_anew(&change).await?;
    sealing::set(&change, &new.fingerprint()).await?;
    let detail = json!({
        "from": before.fingerprint(), "to": new.fingerprint(), "secrets": told(&change, &done).await?,
        "second_factors": names_of(&change, &factors).await?, "hooks": projects_of(&change, &hooks).await?,
    });
    change
        .commit(Event::new(EventKind::SealingKeyChanged, detail))
        .await?;
    Ok(KeyChange {
        key: new.fingerprint(),
        secrets: done.variables.len() + factors.len() + hooks.len(),
        kept: file.map(|file| put_in_place(file, &before)).transpose()?,
    })
}

fn given_key(file: &Path, before: &SealingKey) -> Result<SealingKey> {
    close::<SealingKey>(file)?;
    let Some(key) = read::<SealingKey>(file)? else {
        return Err(Error::invalid(format!("There is no file {}.", file.display())));
    };
    if key.fingerprint() == before.fingerprint() {
        return Err(Error::invalid("This is the key that is used already."));
    }
    Ok(key)
}

/// Deletes the secrets that the key of this instance does not open, and makes it the key of the
/// database. Their names. `lost` is the fingerprint of the key that sealed them, as a person typed it.
///
/// # Errors
/// A conflict while an instance serves, or when the key of the database is not lost; invalid without its
/// fingerprint.
pub async fn forget(
    (config, store): (&Config, &Store),
    permit: &Permit,
    lost: Option<&str>,
    now: Instant,
) -> Result<Vec<String>> {
    let place = KeyPlace::of::<SealingKey>(config);
    let Some(noted) = sealing::fingerprint(store).await? else {
        return Err(Error::conflict("No secrets are sealed in the database yet."));
    };
    let found = key_place::find::<SealingKey>(config, &noted);
    if let Some(file) = found.filter(|file| place != KeyPlace::File(file.clone())) {
        return Err(Error::conflict(format!(
            "The key {noted} is not lost: it is in {}. Nothing was deleted. Set secrets.key_file to that file.",
            file.display()
        )));
    }
    if lost != Some(&noted) {
        let advice = advice(config, &noted);
        return Err(Error::invalid(format!(
            "This deletes every secret that the present key does not open, for good. Confirm it with the fingerprint of the key that is lost, as “deployer key show” says it. Nothing was deleted. {advice}"
        )));
    }
    let key = match (place.read::<SealingKey>(config)?, &place) {
        (Some(key), _) => key,
        (None, KeyPlace::File(file)) => {
            let key = SealingKey::generate();
            write(file, &key)?;
            key
        }
        (None, place) => return Err(Error::invalid(format!("{place} holds no sealing key."))),
    };
    store.set_sealing_keys(vec![key.clone()]);
    let change = store.change(permit, now).await?;
    nobody_serves(store, &change).await?;
    let done = environments::forget_secrets(&change).await?;
    let factors = second_factors::forget(&change).await?;
    let factors = names_of(&change, &factors).await?;
    let hooks = hooks::forget(&change).await?;
    let hooks = projects_of(&change, &hooks).await?;
    sealing::set(&change, &key.fingerprint()).await?;
    let names = told(&change, &done).await?;
    let detail =
        json!({ "key": key.fingerprint(), "secrets": names, "second_factors": factors, "hooks": hooks });
    change
        .commit(Event::new(EventKind::SecretsForgotten, detail))
        .await?;
    let names = names.as_array().into_iter().flatten();
    let names = names.filter_map(Value::as_str).map(str::to_owned);
    let factors = factors.into_iter().map(|name| format!("second factor of {name}"));
    let hooks = hooks.into_iter().map(|name| format!("hook of {name}"));
    Ok(names.chain(factors).chain(hooks).collect())
}

/// An instance that serves would go on with the key of before. On SQLite the lock of whoever serves
/// says so, and leases of one that crashed mean nothing.
async fn nobody_serves(store: &Store, change: &Change) -> Result<()> {
    if store.is_for_one_instance() {
        return Ok(());
    }
    match jobs::holders(change, change.now()).await?.first() {
        None => Ok(()),
        Some(instance) => Err(Error::conflict(format!(
            "The instance {instance} serves this database. Stop all instances first; one that was killed is counted until its leases have ended."
        ))),
    }
}
