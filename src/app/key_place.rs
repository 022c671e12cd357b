//! Where the keys of this instance are kept, and their files.
//!
//! There are two: one that secrets in the database are sealed with, one that heads of the audit log are
//! signed with. Neither is ever in the database. Each comes from the configuration, a systemd credential or
//! a file, and the first start makes its file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::{Config, Secret};
use crate::domain::{Error, Result};
use crate::private;
use crate::small_file;
use crate::store::SealingKey;
use crate::store::audit::AuditKey;

/// Bytes that a file with a key may have; the key itself has 64.
const LONGEST_KEY: u64 = 4096;

/// A key that is kept outside the database, as text.
pub trait InstallationKey: Sized + Clone {
    /// As sentences name it.
    const NAME: &'static str;
    /// The name of the setting that holds it.
    const SETTING: &'static str;
    /// The name of the systemd credential.
    const CREDENTIAL: &'static str;
    /// The command that makes one.
    const COMMAND: &'static str;

    /// The key in the configuration itself.
    fn setting(config: &Config) -> Option<&Secret>;
    /// The file that the configuration names.
    fn configured_file(config: &Config) -> Option<&Path>;
    /// That file, or the usual one.
    fn file(config: &Config) -> PathBuf;
    /// Reads one as [`Self::to_text`] writes it.
    fn parse(text: &str) -> Option<Self>;
    /// As it stands in its file.
    fn to_text(&self) -> String;
    /// Names the key without telling it.
    fn fingerprint(&self) -> String;
}

impl InstallationKey for SealingKey {
    const NAME: &'static str = "sealing key";
    const SETTING: &'static str = "secrets.key";
    const CREDENTIAL: &'static str = "deployer-key";
    const COMMAND: &'static str = "deployer key new";

    fn setting(config: &Config) -> Option<&Secret> {
        config.secrets.key.as_ref()
    }
    fn configured_file(config: &Config) -> Option<&Path> {
        config.secrets.key_file.as_deref()
    }
    fn file(config: &Config) -> PathBuf {
        config.key_file()
    }
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
    fn to_text(&self) -> String {
        self.to_text()
    }
    fn fingerprint(&self) -> String {
        self.fingerprint()
    }
}

impl InstallationKey for AuditKey {
    const NAME: &'static str = "audit key";
    const SETTING: &'static str = "audit.key";
    const CREDENTIAL: &'static str = "deployer-audit-key";
    const COMMAND: &'static str = "deployer audit key new";

    fn setting(config: &Config) -> Option<&Secret> {
        config.audit.key.as_ref()
    }
    fn configured_file(config: &Config) -> Option<&Path> {
        config.audit.key_file.as_deref()
    }
    fn file(config: &Config) -> PathBuf {
        config.audit_key_file()
    }
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
    fn to_text(&self) -> String {
        self.to_text()
    }
    fn fingerprint(&self) -> String {
        self.public().short()
    }
}

/// The variable that names the directory of a service's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// In this setting, which means in the environment.
    Setting(&'static str),
    /// In a file that systemd gives to the service, under this name.
    Credential(&'static str, PathBuf),
    /// In a file.
    File(PathBuf),
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(name) => write!(f, "the setting {name}"),
            Self::Credential(name, _) => write!(f, "the systemd credential {name}"),
            Self::File(file) => write!(f, "the file {}", file.display()),
        }
    }
}

impl KeyPlace {
    /// Where the configuration says the key is; it need not be there.
    pub fn of<K: InstallationKey>(config: &Config) -> Self {
        if K::setting(config).is_some() {
            return Self::Setting(K::SETTING);
        }
        let credential = std::env::var_os(CREDENTIALS)
            .map(|dir| Path::new(&dir).join(K::CREDENTIAL))
            .filter(|file| K::configured_file(config).is_none() && file.exists());
        match credential {
            Some(file) => Self::Credential(K::CREDENTIAL, file),
            None => Self::File(K::file(config)),
        }
    }

    /// Whether a systemd unit could have a key that this process was not given.
    pub fn may_be_credential<K: InstallationKey>(config: &Config) -> bool {
        let is_by_setting = K::setting(config).is_some() || K::configured_file(config).is_some();
        !is_by_setting && std::env::var_os(CREDENTIALS).is_none()
    }

    /// The key; `None` when there is no such file.
    ///
    /// # Errors
    /// A file that cannot be read, holds no key, or cannot be closed to other accounts.
    pub fn read<K: InstallationKey>(&self, config: &Config) -> Result<Option<K>> {
        match self {
            Self::Setting(_) => Ok(K::setting(config).and_then(|key| K::parse(key.expose()))),
            Self::Credential(_, file) => read(file),
            Self::File(file) => {
                close::<K>(file)?;
                read(file)
            }
        }
    }
}

/// The file with the key of this fingerprint, among those that the deployer makes: its key file, and the ones
/// of before beside it.
pub fn find<K: InstallationKey>(config: &Config, fingerprint: &str) -> Option<PathBuf> {
    let file = K::file(config);
    let kept = beside(&file, &format!(".{fingerprint}"));
    let is_it = |file: &PathBuf| {
        let key = read::<K>(file).ok().flatten();
        key.is_some_and(|key| key.fingerprint() == fingerprint)
    };
    [file, kept].into_iter().find(is_it)
}

/// The key in `file`; `None` when there is no such file.
pub fn read<K: InstallationKey>(file: &Path) -> Result<Option<K>> {
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
    match K::parse(&text) {
        Some(key) => Ok(Some(key)),
        None => Err(Error::invalid(format!(
            "The file {} holds no {}: it has to be 64 hexadecimal digits, as “{}” writes them.",
            file.display(),
            K::NAME,
            K::COMMAND
        ))),
    }
}

/// Writes `key` into a new file.
pub fn write<K: InstallationKey>(file: &Path, key: &K) -> Result<()> {
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
pub fn close<K: InstallationKey>(file: &Path) -> Result<()> {
    if read::<K>(file)?.is_none() {
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
            "The key file {} had mode {mode:04o}, so other accounts could read it. It has 0600 now; change the {}.",
            file.display(),
            K::NAME
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
pub fn put_in_place<K: InstallationKey>(file: &Path, before: &K) -> Result<PathBuf> {
    let kept = beside(file, &format!(".{}", before.fingerprint()));
    let moved = match read::<K>(file)? {
        Some(key) if key.fingerprint() == before.fingerprint() => std::fs::rename(file, &kept),
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
