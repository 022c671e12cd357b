//! `deployer key …`: the key that secrets in the database are sealed with.

use std::path::PathBuf;

use clap::Subcommand;

use super::config_args::ConfigArgs;
use super::data;
use super::outcome::{CommandFailure, say};
use crate::app::sealing::{self, KeyPlace};
use crate::clock::Clock;
use crate::store::{self, SealingKey};

/// Make, check and change the key that secrets in the database are sealed with.
///
/// The values of secret variables are in the database, but only “serve” with the right key can read
/// them. The first start makes a key in DATA_DIR/secrets.key, unless the configuration names one
/// ([secrets] in deployer.sample.toml). Keep a copy of it: a backup of the database without it has no
/// secrets.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Write a fresh key into a new file.
    New {
        /// The file; it must not exist.
        file: PathBuf,
    },
    /// Say which key is here, and which one the database needs.
    Show {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Seal all secrets with another key. Stop the server first.
    ///
    /// A key in a file is replaced by a fresh one; the old one stays beside it under its fingerprint, as
    /// older backups need it.
    Rotate {
        /// Use the key in this file, and leave the present one where it is; set it in the configuration
        /// afterwards.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Delete the secrets whose key is lost, so that they can be entered again. Stop the server first.
    ///
    /// Their values are gone for good. A key that the unit of the service gets as a credential is not lost:
    /// docs/hardening.md says how to run commands with it.
    Forget {
        /// The fingerprint of the lost key, as “deployer key show” says it.
        fingerprint: Option<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(super) async fn run(command: KeyCommand) -> Result<(), CommandFailure> {
    match command {
        KeyCommand::New { file } => {
            let key = SealingKey::generate();
            sealing::write(&file, &key)?;
            say(format_args!(
                "The key {} is in {}.",
                key.fingerprint(),
                file.display()
            ));
        }
        KeyCommand::Show { config } => show(&config).await?,
        KeyCommand::Rotate { to, config } => rotate(to, &config).await?,
        KeyCommand::Forget { fingerprint, config } => forget(fingerprint.as_deref(), &config).await?,
    }
    Ok(())
}

async fn show(config: &ConfigArgs) -> Result<(), CommandFailure> {
    let config = config.load()?;
    let place = KeyPlace::of(&config);
    let key = place.read(&config)?.map(|key| key.fingerprint());
    match &key {
        Some(key) => say(format_args!("The key {key} is in {place}.")),
        None => say(format_args!("There is no key: {place} does not exist.")),
    }
    let noted = match data::open_existing(&config).await? {
        Some(store) if store.pending_migrations().await?.is_empty() => {
            store::sealing::fingerprint(&store).await?
        }
        _ => None,
    };
    match noted {
        None => say("No secrets are sealed in the database yet."),
        Some(noted) => {
            say(format_args!("The database is sealed with the key {noted}."));
            if key.as_ref() != Some(&noted) {
                say(sealing::advice(&config, &noted));
                return Err(CommandFailure::Printed);
            }
        }
    }
    Ok(())
}

async fn rotate(to: Option<PathBuf>, config: &ConfigArgs) -> Result<(), CommandFailure> {
    let config = config.load()?;
    let store = data::open_current(&config).await?;
    if to.is_none() {
        data::demand_own(&config.key_file())?;
    }
    let _lock = if crate::sabotage::on("k8") { None } else { Some(store.serve_lock()?) };
    let now = Clock::System.now();
    let changed = sealing::change_key((&config, &store), &data::operator(), to.as_deref(), now).await?;
    say(format_args!(
        "Sealed with the key {}: {} secrets.",
        changed.key, changed.secrets
    ));
    match (changed.kept, to) {
        (Some(kept), _) => say(format_args!(
            "The key of before is kept in {}; older backups of the database need it.",
            kept.display()
        )),
        (None, Some(to)) => say(format_args!(
            "Set the key in {} in the configuration before the next start, and keep the one of before for older backups.",
            to.display()
        )),
        (None, None) => {}
    }
    Ok(())
}

async fn forget(lost: Option<&str>, config: &ConfigArgs) -> Result<(), CommandFailure> {
    let config = config.load()?;
    let store = data::open_current(&config).await?;
    let _lock = if crate::sabotage::on("k9") { None } else { Some(store.serve_lock()?) };
    let now = Clock::System.now();
    let names = sealing::forget((&config, &store), &data::operator(), lost, now).await?;
    for name in &names {
        say(name);
    }
    say(format_args!(
        "Secrets deleted: {}. Enter them again.",
        names.len()
    ));
    let place = KeyPlace::of(&config);
    if let Some(key) = place.read(&config)? {
        say(format_args!(
            "The database is sealed with the key {} from now on. It is in {place}.",
            key.fingerprint()
        ));
    }
    Ok(())
}
