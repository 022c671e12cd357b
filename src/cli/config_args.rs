//! `--config`: which configuration a command reads.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::outcome::CommandFailure;
use crate::config::{self, Config, ENV_PREFIX};

/// The default file, read if it exists.
const CONFIG_FILE: &str = "/etc/deployer/deployer.toml";

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ConfigArgs {
    /// The configuration file [default: /etc/deployer/deployer.toml, if there is one].
    ///
    /// Variables such as DEPLOYER__HTTP__BIND override it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// Whether a configuration file was named, or is where it usually is.
    pub(super) fn is_given(&self) -> bool {
        self.config.is_some() || Path::new(CONFIG_FILE).is_file()
    }

    pub(super) fn load(&self) -> Result<Config, CommandFailure> {
        let usual = Path::new(CONFIG_FILE);
        let path = self
            .config
            .as_deref()
            .or_else(|| usual.is_file().then_some(usual));
        Ok(Config::load(path, variables(std::env::vars_os())?)?)
    }
}

/// The environment as text. A variable that is not text is an error only if it would set a key.
fn variables(
    all: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, config::Error> {
    let (mut texts, mut not_text) = (Vec::new(), Vec::new());
    for (name, value) in all {
        let shown = name.to_string_lossy().into_owned();
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => texts.push((name, value)),
            _ if shown.starts_with(ENV_PREFIX) => not_text.push(shown),
            _ => {}
        }
    }
    match not_text.is_empty() {
        true => Ok(texts),
        false => Err(config::Error::not_text(not_text)),
    }
}
