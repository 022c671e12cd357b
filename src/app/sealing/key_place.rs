//! Where the sealing key of this instance is kept, and its files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::domain::{Error, Result};
use crate::private;
use crate::small_file;
use crate::store::SealingKey;

/// The name of the systemd credential.
const CREDENTIAL: &str = "deployer-key";

/// Bytes that a file with a key may have; the key itself has 64.
const LONGEST_KEY: u64 = 4096;

/// The variable that names the directory of a service's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// In the configuration, which means in the environment.
    Setting,
    /// In a file that systemd gives to the service.
    Credential(PathBuf),
    /// In a file.
    File(PathBuf),
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting => f.write_str("the setting secrets.key"),
            Self::Credential(_) => write!(f, "the systemd credential {CREDENTIAL}"),
            Self::File(file) => write!(f, "the file {}", file.display()),
        }
    }
}

impl KeyPlace {
    /// Where the configuration says the key is; it need not be there.
    pub fn of(config: &Config) -> Self {
        let secrets = &config.secrets;
        if secrets.key.is_some() {
            return Self::Setting;
        }
        let credential = std::env::var_os(CREDENTIALS)
            .map(|dir| Path::new(&dir).join(CREDENTIAL))
            .filter(|file| (secrets.key_file.is_none() || crate::sabotage::on("k16")) && file.exists());
        match credential {
            Some(file) => Self::Credential(file),
            None => Self::File(config.key_file()),
        }
    }

    /// Whether a systemd unit could have a key that this process was not given.
    pub fn may_be_credential(config: &Config) -> bool {
        let is_by_setting = config.secrets.key.is_some() || config.secrets.key_file.is_some();
        !is_by_setting && std::env::var_os(CREDENTIALS).is_none()
    }

    /// The key; `None` when there is no such file.
    ///
    /// # Errors
    /// A file that cannot be read, holds no key, or cannot be closed to other accounts.
    pub fn read(&self, config: &Config) -> Result<Option<SealingKey>> {
        match self {
            Self::Setting => Ok(config
                .secrets
                .key
                .as_ref()
                .and_then(|key| SealingKey::parse(key.expose()))),
            Self::Credential(file) => read(file),
            Self::File(file) => {
                if !crate::sabotage::on("k6") { close(file)?; }
                read(file)
            }
        }
    }
}

/// The file with the key of this fingerprint, among those that the deployer makes: its key file, and the ones
/// of before beside it.
pub fn find(config: &Config, fingerprint: &str) -> Option<PathBuf> {
    let file = config.key_file();
    let kept = beside(&file, &format!(".{fingerprint}"));
    let is_it = |file: &PathBuf| {
        let key = read(file).ok().flatten();
        key.is_some_and(|key| key.fingerprint() == fingerprint)
    };
    [file, kept].into_iter().find(is_it)
}

/// The key in `file`; `None` when there is no such file.
pub fn read(file: &Path) -> Result<Option<SealingKey>> {
    let text = match small_file::read_text(file, LONGEST_KEY) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => {
            let advice = match cause.kind() {
                io::ErrorKind::PermissionDenied => {
                    " Give it to the account the deployer runs as, with mode 0600."
                }
                _ => "",
            };
            let sentence = format!("The key file {} cannot be read: {cause}.{advice}", file.display());
            return Err(Error::unavailable(sentence).because(cause));
        }
    };
    match SealingKey::parse(&text) {
        Some(key) => Ok(Some(key)),
        None => Err(Error::invalid(format!(
            "The file {} holds no sealing key: it has to be 64 hexadecimal digits, as “deployer key new” writes them.",
            file.display()
        ))),
    }
}

/// Writes `key` into a new file.
pub fn write(file: &Path, key: &SealingKey) -> Result<()> {
    private::write_new_file(file, &format!("{}\n", key.to_text())).map_err(|cause| {
        let why = match cause.kind() {
            io::ErrorKind::AlreadyExists => "it exists already, and a key is never overwritten".to_owned(),
            _ => cause.to_string(),
        };
        let sentence = format!("The key file {} cannot be made: {why}.", file.display());
        Error::unavailable(sentence).because(cause)
    })
}

/// Takes the rights of other accounts on a key file away, if it holds a key: the setting may name anything.
///
/// # Errors
/// As [`read`], and rights that cannot be taken away.
pub fn close(file: &Path) -> Result<()> {
    if read(file)?.is_none() {
        return Ok(());
    }
    let was = private::close_to_others(file).map_err(|cause| {
        let sentence = format!(
            "Other accounts can read the key file {}, and this cannot be changed: {cause}. Give it to the account the deployer runs as, with mode 0600.",
            file.display()
        );
        Error::unavailable(sentence).because(cause)
    })?;
    if let Some(mode) = was {
        tracing::warn!(
            "The key file {} had mode {mode:04o}, so other accounts could read it. It has 0600 now; change the key with “deployer key rotate”.",
            file.display()
        );
    }
    Ok(())
}

/// The same file with something at the end of its name.
pub fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Puts the key that waits beside `file` in its place, and keeps the one before under its fingerprint:
/// backups of before need it. Does what is left to do when it was interrupted.
pub fn put_in_place(file: &Path, before: &SealingKey) -> Result<PathBuf> {
    let kept = beside(file, &format!(".{}", before.fingerprint()));
    let moved = match read(file)? {
        Some(key) if key.fingerprint() == before.fingerprint() && !crate::sabotage::on("k11") => std::fs::rename(file, &kept),
        _ => Ok(()),
    };
    let moved = moved.and_then(|()| std::fs::rename(waiting(file), file));
    moved.map_err(|cause| {
        let sentence = format!(
            "The new key cannot be put in place: rename {} to {} yourself ({cause}). The secrets are sealed with it already.",
            waiting(file).display(),
            file.display()
        );
        Error::unavailable(sentence).because(cause)
    })?;
    Ok(kept)
}

/// Where a new key waits until the secrets are sealed with it.
pub fn waiting(file: &Path) -> PathBuf {
    beside(file, ".new")
}
