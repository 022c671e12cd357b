//! Our private keys: which of them are offered, and reading one together with its certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::ssh_key::Error as Unreadable;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::encoding::Error as Encoding;
use russh::keys::{Certificate, PrivateKey};

use super::known_hosts::in_force;
use crate::domain::KeyName;
use crate::small_file;

/// The most names that are listed of a directory of keys; more than that nobody chooses from.
const MOST_NAMES: usize = 500;
/// The longest file that is read as a key or a certificate; the largest real ones have a tenth of it.
const LONGEST_FILE: u64 = 128 * 1024;

/// A private key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("The private key {} cannot be used: {reason}.", path.display())]
pub struct KeyProblem {
    /// The file.
    pub path: PathBuf,
    /// Short words, without a full stop.
    pub reason: String,
}

/// The files of private keys that the configuration names.
#[derive(Debug, Clone, Default)]
pub struct KeyFiles {
    /// Offered in this order where no key is named.
    pub files: Vec<PathBuf>,
    /// Where further ones lie that can be named.
    pub directory: Option<PathBuf>,
}

impl KeyFiles {
    /// The files to offer: the one called `named`, or all that are configured.
    pub fn offered(&self, named: Option<&KeyName>) -> Vec<PathBuf> {
        match named {
            None => self.files.clone(),
            Some(name) => vec![self.file(name).unwrap_or_else(|| PathBuf::from(name.as_str()))],
        }
    }

    /// The file called `name`, which may not be there; `None` where no setting says where it would be.
    fn file(&self, name: &KeyName) -> Option<PathBuf> {
        let is_it = |file: &&PathBuf| file.file_name().is_some_and(|own| own == name.as_str());
        let configured = self.files.iter().find(is_it).cloned();
        let inside = || {
            self.directory
                .as_ref()
                .map(|directory| directory.join(name.as_str()))
        };
        configured.or_else(inside)
    }

    /// Refuses a name that no file has. `section` is that of the configuration.
    ///
    /// # Errors
    /// A sentence that names the settings.
    pub fn demand(&self, name: &KeyName, section: &str) -> Result<(), String> {
        if self.file(name).is_some_and(|file| file.exists()) {
            return Ok(());
        }
        Err(match &self.directory {
            Some(directory) => format!(
                "There is no private key “{name}” in {}, which is {section}.key_directory, nor among {section}.key_files.",
                directory.display()
            ),
            None => format!(
                "There is no private key “{name}” among {section}.key_files, and {section}.key_directory is not set: set it to the directory of the key."
            ),
        })
    }

    /// The names that can be given, in order.
    pub fn names(&self) -> Vec<KeyName> {
        let inside = self
            .directory
            .as_ref()
            .and_then(|directory| std::fs::read_dir(directory).ok());
        let inside = inside.into_iter().flatten().take(crate::sabotage::most("u20", MOST_NAMES)).filter_map(|entry| {
            let path = entry.ok()?.path();
            path.is_file().then_some(path)
        });
        let all = self.files.iter().cloned().chain(inside);
        let mut names: Vec<KeyName> = all
            .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A private key that was read.
pub(super) struct OwnKey {
    pub(super) key: Arc<PrivateKey>,
    /// What `KEY-cert.pub` beside it holds; an error is why that cannot be used.
    pub(super) certificate: Option<Result<Certificate, String>>,
}

/// Reads a private key, and the certificate beside it; small, so that a changed file is picked up by
/// the next connection. `now` is in seconds since 1970.
///
/// # Errors
/// [`KeyProblem`].
pub(super) fn load(path: &Path, now: u64) -> Result<OwnKey, KeyProblem> {
    let bad = |reason: String| KeyProblem {
        path: path.to_owned(),
        reason,
    };
    let text = read(path).map_err(bad)?;
    let key = match russh::keys::decode_secret_key(&text, None) {
        Ok(key) => Arc::new(key),
        Err(russh::keys::Error::KeyIsEncrypted) => return Err(bad(encrypted())),
        Err(_) if text.contains("ENCRYPTED") => return Err(bad(encrypted())),
        Err(russh::keys::Error::SshKey(Unreadable::Encoding(Encoding::Length))) => return Err(bad(length())),
        Err(error) => return Err(bad(format!("it is no private key in a known form ({error})"))),
    };
    let certificate = certificate(path, &key, now);
    Ok(OwnKey { key, certificate })
}

fn read(path: &Path) -> Result<String, String> {
    if path.is_relative() {
        return Err("it is none of key_files, and no key_directory is configured".to_owned());
    }
    let unreadable = |error: std::io::Error| format!("it cannot be read ({error})");
    small_file::read_text(path, crate::sabotage::most("h21", LONGEST_FILE)).map_err(unreadable)
}

fn encrypted() -> String {
    "it is protected by a passphrase, which nobody is there to type; use a key without one, or load it into an ssh-agent".to_owned()
}

/// The crate `ssh-key` refuses ECDSA keys whose number begins with a zero byte, which is one key in 256.
fn length() -> String {
    "it is incomplete, or one of the few ECDSA keys with a shorter number, which the deployer cannot read; make another one, best with ssh-keygen -t ed25519".to_owned()
}

/// The certificate beside the key in `path`, if there is one.
fn certificate(path: &Path, key: &PrivateKey, now: u64) -> Option<Result<Certificate, String>> {
    let mut beside = path.as_os_str().to_owned();
    beside.push("-cert.pub");
    let beside = PathBuf::from(beside);
    if !beside.try_exists().unwrap_or(true) {
        return None;
    }
    let checked = || {
        let text = read(&beside)?;
        let certificate = Certificate::from_openssh(text.trim())
            .map_err(|error| format!("is no certificate in a known form ({error})"))?;
        if certificate.cert_type() != CertType::User {
            return Err("is one for hosts, not for users".to_owned());
        }
        if certificate.public_key() != key.public_key().key_data() {
            return Err("belongs to another key".to_owned());
        }
        in_force(&certificate, now)?;
        Ok(certificate)
    };
    let outcome: Result<Certificate, String> = checked();
    Some(outcome.map_err(|why| format!("The certificate {} {why}.", beside.display())))
}

/// Whether a private key can be used.
///
/// # Errors
/// [`KeyProblem`].
pub fn check_key_file(path: &Path, now: u64) -> Result<(), KeyProblem> {
    match load(path, now)?.certificate {
        Some(Err(reason)) => {
            tracing::warn!(%reason, "the certificate of an SSH key is not offered");
            Ok(())
        }
        _ => Ok(()),
    }
}
