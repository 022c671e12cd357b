//! The private keys that can be named for projects, environments and servers: file names, never what
//! is in the files.

use crate::access::Permit;
use crate::app::{App, start};
use crate::domain::{Action, Error, KeyName, Resource, Result};
use crate::handshake::keys::KeyFiles;

/// Those for Git hosts.
pub fn of_git(app: &App) -> KeyFiles {
    start::git_options(&app.config).keys
}

/// Those for servers.
pub fn of_servers(app: &App) -> KeyFiles {
    start::ssh_options(&app.config).keys
}

/// The names of `files` that whoever holds `permit` may give; `None` where that takes a right to
/// everything: with a key that others were given, what is theirs could be reached.
pub fn names(app: &App, permit: &Permit, files: &KeyFiles) -> Option<Vec<KeyName>> {
    let may = app.may(permit.actor(), Action::Configure, &Resource::Everything);
    may.then(|| files.names())
}

/// Refuses to name another key than before without the right to configure everything, or one that is
/// not there.
///
/// # Errors
/// Forbidden; a complaint about the field `key`.
pub(super) async fn allow(
    app: &App,
    permit: &Permit,
    files: &KeyFiles,
    [before, after]: [Option<&KeyName>; 2],
) -> Result<()> {
    if before == after {
        return Ok(());
    }
    app.permit(permit.actor(), Action::Configure, &Resource::Everything)
        .await?;
    match after {
        Some(name) if !files.names().contains(name) => Err(Error::field(
            "key",
            format!(
                "There is no private key “{name}” among key_files and in key_directory of the configuration."
            ),
        )),
        _ => Ok(()),
    }
}
