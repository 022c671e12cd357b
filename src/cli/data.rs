//! Opens the data directory and the store for a command.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Uid, User};

use super::outcome::CommandFailure;
use crate::access::{Access, Permit};
use crate::app::sealing;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{DatabaseUrl, Error, Result};
use crate::private;
use crate::store::{Store, StoreOptions};

/// Creates `dir` unless it exists, and closes it to other accounts: mirrors hold sources, the database
/// holds password hashes. Its parent must exist.
pub(super) fn make_private(dir: &Path) -> Result<()> {
    private::make_directory(dir).map_err(|cause| {
        let sentence = format!(
            "The directory {} cannot be created: {cause}. Create it and make the user the deployer runs as its owner.",
            dir.display()
        );
        Error::unavailable(sentence).because(cause)
    })?;
    let was = private::close_to_others(dir).map_err(|cause| {
        let sentence = format!(
            "Other accounts can enter the directory {}, and this cannot be changed: {cause}. Give it to the user the deployer runs as, with mode 0700.",
            dir.display()
        );
        Error::unavailable(sentence).because(cause)
    })?;
    if let Some(mode) = was {
        tracing::warn!(
            "The directory {} had mode {mode:04o}, so other accounts could enter it. It has 0700 now.",
            dir.display()
        );
    }
    Ok(())
}

/// Refuses to write as root beside files of another account: those that root makes, such as the database, could
/// not be opened by the service any more.
fn demand_own_data(config: &Config) -> Result<()> {
    let database = match config.store_url().expose().parse() {
        Ok(DatabaseUrl::Sqlite(file)) => Some(file),
        _ => None,
    };
    let made = database
        .into_iter()
        .chain([config.mirror_dir(), config.data_dir.clone()]);
    made.into_iter()
        .find(|path| path.exists())
        .map_or(Ok(()), |path| demand_own(&path))
}

/// Refuses to replace or to add to `path` as root where it belongs to another account.
pub(super) fn demand_own(path: &Path) -> Result<()> {
    let Ok(known) = std::fs::metadata(path) else {
        return Ok(());
    };
    let owner = Uid::from_raw(known.uid());
    if owner.is_root() || !Uid::effective().is_root() {
        return Ok(());
    }
    let named = User::from_uid(owner).ok().flatten();
    let account = named.map_or_else(|| format!("#{owner}"), |user| user.name);
    Err(Error::unavailable(format!(
        "{path} belongs to the account {account}, and this runs as root: what root writes there, that account cannot use. Nothing was changed. Run it as that account: sudo -u '{account}' deployer …. If the deployer itself runs as root, make root the owner of {path}.",
        path = path.display()
    )))
}

/// Opens the store without migrating it.
pub(super) async fn open(config: &Config) -> Result<Store> {
    demand_own_data(config)?;
    make_private(&config.data_dir)?;
    let store = Store::open(config.store_url().expose(), StoreOptions::default()).await?;
    sealing::use_key(config, &store);
    Ok(store)
}

/// Opens the store for reading, if it exists. Creates and changes nothing.
pub(super) async fn open_existing(config: &Config) -> Result<Option<Store>> {
    Store::open_existing(config.store_url().expose(), StoreOptions::default()).await
}

/// Opens the store and brings its schema up to date. Refuses that while a server uses the store,
/// because the server would not know the new schema.
pub(super) async fn open_current(config: &Config) -> Result<Store, CommandFailure> {
    let store = open(config).await?;
    if !store.pending_migrations().await?.is_empty() {
        let _lock = store.serve_lock()?;
        store.migrate().await?;
    }
    Ok(store)
}

/// The permit of the person who runs this command, for the audit log.
pub(super) fn operator() -> Permit {
    // A person who can run this can also write to the database, so a check would stop nobody.
    let named = ["SUDO_USER", "LOGNAME", "USER"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    let numbered = || {
        let uid = std::fs::metadata("/proc/self").map(|own| own.uid().to_string());
        format!("uid {}", uid.unwrap_or_else(|_| "unknown".to_owned()))
    };
    let name = named.filter(|name| !name.is_empty()).unwrap_or_else(numbered);
    Access::local_operator(&name, Clock::System.now())
}
