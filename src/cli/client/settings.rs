//! Which deployer is asked, and with which token.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::super::outcome::CommandFailure;
use crate::domain::Error;
use crate::small_file;

/// The longest file of settings: it has two lines.
const LONGEST_FILE: u64 = 16 * 1024;

/// Which deployer is asked.
#[derive(Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// The address of the deployer [default: that in the file of settings].
    #[arg(long, env = "DEPLOYER_URL", value_name = "URL", help_heading = "Server")]
    url: Option<Url>,
    /// A file with “url” and “token”, readable by you alone [default: ~/.config/deployer/client.toml]. The token can
    /// come by the environment instead: DEPLOYER_TOKEN.
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    settings: Option<PathBuf>,
    /// Act for this account, where yours may.
    #[arg(long, value_name = "ACCOUNT", help_heading = "Server")]
    impersonate: Option<String>,
    /// Print the answer as JSON.
    #[arg(long, help_heading = "Server")]
    pub(super) json: bool,
}

/// What the file of settings says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientSettings {
    url: Option<Url>,
    token: Option<String>,
}

/// The deployer to ask, and what proves who asks.
#[derive(Debug)]
pub(super) struct AskedDeployer {
    pub(super) url: Url,
    pub(super) token: String,
    pub(super) impersonate: Option<String>,
}

impl ServerArgs {
    /// The deployer that these arguments, the environment and the file name.
    pub(super) fn server(&self) -> Result<AskedDeployer, CommandFailure> {
        let wrong = |sentence: &str| CommandFailure::Usage(Error::invalid(sentence));
        let file = self.file()?;
        let token = std::env::var("DEPLOYER_TOKEN")
            .ok()
            .filter(|token| !token.is_empty());
        let token = token.or(file.token);
        Ok(AskedDeployer {
            url: self.url.clone().or(file.url).ok_or_else(|| {
                wrong("Say which deployer to ask: --url, DEPLOYER_URL, or “url” in the file of settings.")
            })?,
            token: token.ok_or_else(|| {
                wrong("Say who you are: put an API token into DEPLOYER_TOKEN, or “token” into the file of settings.")
            })?,
            impersonate: self.impersonate.clone(),
        })
    }

    fn file(&self) -> Result<ClientSettings, CommandFailure> {
        match &self.settings {
            Some(path) => read(path),
            None => match usual_file().filter(|path| path.exists()) {
                Some(path) => read(&path),
                None => Ok(ClientSettings::default()),
            },
        }
    }
}

fn usual_file() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty());
    let own = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".config"));
    Some(base.map(PathBuf::from).or_else(own)?.join("deployer/client.toml"))
}

fn read(path: &Path) -> Result<ClientSettings, CommandFailure> {
    let wrong = |why: String| CommandFailure::Usage(Error::invalid(format!("{}: {why}", path.display())));
    let metadata = path.metadata().map_err(|cause| wrong(format!("{cause}.")))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(wrong(
            "others may read it. Close it to them: chmod 600.".to_owned(),
        ));
    }
    let text = small_file::read_text(path, LONGEST_FILE).map_err(|cause| wrong(format!("{cause}.")))?;
    toml::from_str(&text).map_err(|cause| wrong(cause.message().to_owned()))
}
