//! `deployer audit …`: hand out heads of the audit log, prove it, and cut it.

mod export;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::config_args::ConfigArgs;
use super::data;
use super::days::day_or_instant;
use super::outcome::{CommandFailure, say};
use crate::app::audit::verification::{Evidence, Verification, prove};
use crate::app::audit::{cut, heads, keys};
use crate::app::key_place::{self, InstallationKey, KeyPlace};
use crate::clock::Clock;
use crate::domain::{Error, Instant, Result};
use crate::store;
use crate::store::Store;
use crate::store::audit::{AuditKey, AuditPublicKey, Head};

/// Hand out signed heads of the audit log, prove the log against them, and cut it.
///
/// A head says which event was the last one at an instant, signed with a key that is not in the database.
/// Keep heads elsewhere: whoever rewrites the database cannot make the log fit them. docs/audit.md has more.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Print the present head, to be kept elsewhere.
    Head {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Prove the log: its hashes, its heads, and what the rest of the database says.
    ///
    /// Heads that this instance handed out (audit.heads in its data directory) are always compared. Exit
    /// code 1: something is wrong.
    Verify {
        /// A head handed out before, or a file with some; other text around them does not matter.
        #[arg(long = "head", value_name = "FILE|HEAD")]
        heads: Vec<String>,
        /// Trust this public key too, as where the log is verified on another host.
        #[arg(long = "key", value_name = "PUBLIC-KEY")]
        keys: Vec<AuditPublicKey>,
        /// Also read this archive of events that were cut, or this whole export.
        #[arg(long = "archive", value_name = "FILE")]
        archives: Vec<PathBuf>,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Move the oldest events into an archive, and record a signed cut.
    ///
    /// The log is verified first; one that is not whole is not cut.
    Cut {
        /// Events before this day (UTC) are removed: 2026-01-01, or an instant, 2026-01-01T12:00:00Z.
        #[arg(long, value_name = "DAY", value_parser = day_or_instant)]
        before: Instant,
        /// The new file that they are written to first. Keep it as long as the law wants.
        #[arg(long, value_name = "FILE")]
        archive: PathBuf,
        #[command(flatten)]
        config: ConfigArgs,
    },
    Export(export::Args),
    /// Make, show and change the key that signs heads.
    #[command(subcommand)]
    Key(AuditKeyCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum AuditKeyCommand {
    /// Write a fresh key into a new file.
    New {
        /// The file; it must not exist.
        file: PathBuf,
    },
    /// Print the public half of the key that is here, and say whether the database expects it.
    Show {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Sign with the key that is here from now on. Stop the server first.
    Accept {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(super) async fn run(command: AuditCommand) -> Result<(), CommandFailure> {
    match command {
        AuditCommand::Head { config } => head(&config).await,
        AuditCommand::Verify {
            heads,
            keys,
            archives,
            json,
            config,
        } => {
            let evidence = Evidence {
                heads: read_heads(&heads)?,
                keys,
                archives,
            };
            verify(evidence, json, &config).await
        }
        AuditCommand::Cut {
            before,
            archive,
            config,
        } => cut(before, archive, &config).await,
        AuditCommand::Export(args) => export::run(args).await,
        AuditCommand::Key(AuditKeyCommand::New { file }) => {
            let key = AuditKey::generate();
            key_place::write(&file, &key)?;
            say(format_args!(
                "The key {} is in {}.",
                key.fingerprint(),
                file.display()
            ));
            Ok(())
        }
        AuditCommand::Key(AuditKeyCommand::Show { config }) => show(&config).await,
        AuditCommand::Key(AuditKeyCommand::Accept { config }) => accept(&config).await,
    }
}

/// The store for reading. Changes nothing, so it may be a copy.
async fn open_to_read(config: &crate::config::Config) -> Result<Store> {
    let Some(store) = data::open_existing(config).await? else {
        return Err(Error::invalid("There is no database yet."));
    };
    if store.pending_migrations().await?.is_empty() {
        return Ok(store);
    }
    Err(Error::conflict(
        "The database is of an older version. Run “deployer migrate” first, on a copy if this is evidence.",
    ))
}

async fn head(config: &ConfigArgs) -> Result<(), CommandFailure> {
    let config = config.load()?;
    let store = open_to_read(&config).await?;
    match heads::present((&config, &store), Clock::System.now()).await? {
        Ok(head) => say(head),
        Err(why) => return Err(Error::conflict(why).into()),
    }
    Ok(())
}

/// Heads given on the command line, or in files.
fn read_heads(given: &[String]) -> Result<Vec<Head>> {
    let mut all = Vec::new();
    for text in given {
        if text.starts_with(Head::BEGIN) {
            all.extend(heads::given_in(text)?);
            continue;
        }
        let Some(found) = heads::text_of(Path::new(text))? else {
            return Err(Error::invalid(format!(
                "“{text}” is neither a head nor a file. A head begins with deployer-audit-head."
            )));
        };
        all.extend(heads::given_in(&found)?);
    }
    Ok(all)
}

async fn verify(evidence: Evidence, json: bool, config: &ConfigArgs) -> Result<(), CommandFailure> {
    let config = config.load()?;
    let store = open_to_read(&config).await?;
    let found = prove((&config, &store), evidence).await?;
    match json {
        true => say(as_json(&found)),
        false => {
            found.looked_at().into_iter().for_each(say);
            for fault in &found.faults {
                say(format_args!("WRONG: {}", fault.reason));
            }
            for difference in &found.differences {
                say(format_args!("WRONG: {difference}"));
            }
            for why in &found.unusable {
                say(format_args!("NOT COMPARED: {why}"));
            }
            say(found.verdict());
        }
    }
    match found.is_whole() {
        true => Ok(()),
        false => Err(CommandFailure::Printed),
    }
}

fn as_json(found: &Verification) -> serde_json::Value {
    let faults = found.faults.iter();
    let faults = faults.map(|fault| json!({ "event": fault.event, "reason": fault.reason }));
    json!({
        "whole": found.is_whole(),
        "verdict": found.verdict(),
        "first": found.first,
        "last": found.last,
        "hash": found.hash,
        "cut": found.cut.as_ref().map(ToString::to_string),
        "heads": found.fitting,
        "newest_head": found.newest.as_ref().map(ToString::to_string),
        "heads_before_cut": found.before_cut,
        "first_wrong": found.first_wrong(),
        "faults": faults.collect::<Vec<_>>(),
        "differences": found.differences,
        "unusable_heads": found.unusable,
    })
}

async fn cut(before: Instant, archive: PathBuf, config: &ConfigArgs) -> Result<(), CommandFailure> {
    let config = config.load()?;
    let store = data::open_current(&config).await?;
    let (operator, now) = (data::operator(), Clock::System.now());
    let done = cut::cut((&config, &store), &operator, before, &archive, now).await?;
    say(format_args!(
        "Moved {} events, up to number {}, to {} (SHA-256 {}). Keep it: the log is proven without it, and what it holds is proven by it alone.",
        done.events,
        done.up_to,
        archive.display(),
        done.digest
    ));
    store.wipe_remains().await?;
    Ok(())
}

async fn show(config: &ConfigArgs) -> Result<(), CommandFailure> {
    let config = config.load()?;
    let place = KeyPlace::of::<AuditKey>(&config);
    let key = keys::key(&config)?.map(|key| key.public().to_string());
    match &key {
        Some(key) => say(format_args!(
            "{key}\nThe key is in {place}; this is its public half."
        )),
        None => say(format_args!("There is no key: {place} does not exist.")),
    }
    let noted = match data::open_existing(&config).await? {
        Some(store) if store.pending_migrations().await?.is_empty() => {
            store::audit::noted_key(&store).await?
        }
        _ => None,
    };
    match noted {
        None => say("No head was signed yet."),
        Some(noted) if key.as_ref() == Some(&noted) => say("Heads are signed with it."),
        Some(noted) => {
            say(format_args!("Heads are signed with another key, {noted}."));
            return Err(CommandFailure::Printed);
        }
    }
    Ok(())
}

async fn accept(config: &ConfigArgs) -> Result<(), CommandFailure> {
    let config = config.load()?;
    let store = data::open_current(&config).await?;
    let _lock = store.serve_lock()?;
    let key = keys::accept((&config, &store), &data::operator(), Clock::System.now()).await?;
    say(format_args!(
        "Heads are signed with the key {} from now on.",
        key.fingerprint()
    ));
    Ok(())
}
