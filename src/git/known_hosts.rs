//! Whether a Git host is the one we know: OpenSSH's `known_hosts` files, read, never written.
//!
//! A host that no file knows is refused with its fingerprint and what to do; there is no trust on
//! first use, because the first use would decide what is deployed.

use std::path::{Path, PathBuf};

use russh::keys::known_hosts::known_host_keys_path;
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::error::{Error, Result};

/// The keys of one host in all files.
pub(super) struct KnownHost {
    host: String,
    port: u16,
    files: Vec<PathBuf>,
    keys: Vec<PublicKey>,
    revoked: Vec<String>,
}

impl KnownHost {
    /// Looks `host` up in `files`; a file that is missing knows nobody.
    ///
    /// # Errors
    /// [`Error::HostKey`] when a file has a line for the host that cannot be read.
    pub(super) fn look_up(host: &str, port: u16, files: &[PathBuf]) -> Result<Self> {
        let mut known = Self {
            host: host.to_owned(),
            port,
            files: files.to_vec(),
            keys: Vec::new(),
            revoked: Vec::new(),
        };
        for file in files {
            let found = known_host_keys_path(host, port, file).map_err(|error| {
                Error::HostKey(format!(
                    "The file {} has an entry for {host} that cannot be read: {error}. Correct it.",
                    file.display()
                ))
            })?;
            known.keys.extend(found.into_iter().map(|(_, key)| key));
            known.revoked.extend(revoked_keys(file));
        }
        Ok(known)
    }

    /// `preferred` with the algorithms that we have a key for first, so that the host shows us one
    /// that we can compare.
    pub(super) fn order(&self, preferred: &[Algorithm]) -> Vec<Algorithm> {
        let known = |wanted: &Algorithm| {
            let same = |key: &PublicKey| match (key.algorithm(), wanted) {
                (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
                (have, wanted) => have == *wanted,
            };
            self.keys.iter().any(same)
        };
        let (mut first, rest): (Vec<_>, Vec<_>) = preferred.iter().cloned().partition(known);
        first.extend(rest);
        first
    }

    /// Whether `key` is the host's.
    ///
    /// # Errors
    /// [`Error::HostKey`] with the fingerprint and what to do.
    pub(super) fn check(&self, key: &PublicKey) -> Result<()> {
        let line = key.to_openssh().unwrap_or_default();
        let revoked = line
            .split(' ')
            .nth(1)
            .is_some_and(|data| self.revoked.iter().any(|r| r == data));
        let same = |known: &&PublicKey| known.key_data() == key.key_data();
        let (host, port) = (&self.host, self.port);
        let shown = format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256));
        if revoked {
            return Err(Error::HostKey(format!(
                "The Git host {host} shows a key that is marked as revoked ({shown}). Nothing was fetched."
            )));
        }
        if self.keys.iter().find(same).is_some() {
            return Ok(());
        }
        let files = self.files_listed();
        Err(Error::HostKey(if self.keys.is_empty() {
            format!(
                "The Git host {host} is not known here. It shows the key {shown}. If its owner confirms this fingerprint, add the key to {files}: ssh-keyscan -p {port} {host}."
            )
        } else {
            format!(
                "The key of the Git host {host} is not the one that is known here: it shows {shown}. Somebody may be in between; nothing was fetched. If its owner confirms the new key, replace the old one in {files}."
            )
        }))
    }

    fn files_listed(&self) -> String {
        if self.files.is_empty() {
            return "a known_hosts file and name that file in the configuration".into();
        }
        let names: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
        names.join(" or ")
    }
}

/// The key data of every `@revoked` line, for whichever host: a leaked key is nobody's.
fn revoked_keys(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let revoked = text.lines().filter(|line| line.starts_with("@revoked"));
    revoked
        .filter_map(|line| line.split_whitespace().nth(3))
        .map(str::to_owned)
        .collect()
}
