//! The configuration: a TOML file, overridden by the environment.
//!
//! There is one struct per concern in `sections`, each key with its type, default and check. The
//! `reader` takes each key from the environment (`DEPLOYER__HTTP__BIND`), else from the file, else its
//! default. Keys left over are unknown, which is an error: a typo must not silently mean the default.
//! All problems are reported at once, each with the file and line or the variable's name.
//!
//! `deployer.sample.toml` is the reference documentation. A test loads it, compares it with the
//! defaults and checks that it has every key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod error;
mod files;
mod outside;
mod reader;
mod sections;
#[cfg(test)]
mod tests;
mod values;

use self::reader::KeyReader;
use crate::domain::DatabaseUrl;

pub use self::error::{ConfigProblem, Error, Origin};
pub use self::outside::{LoginPluginSettings, LoginProxySettings, OidcSettings};
pub use self::reader::ENV_PREFIX;
pub use self::sections::{
    Access, Audit, Balancer, Drift, Engine, Git, Http, Log, LoginSettings, Masking, Scripts, Secrets, Ssh,
    Store,
};
pub use self::values::{LogFormat, ScriptConfinement, ScriptNetwork, SecondFactorDemand, Secret};
pub use crate::domain::Network;

/// The default directory for everything that the deployer writes.
pub const DATA_DIR: &str = "/var/lib/deployer";

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// The directory under which mirrors, exports and the SQLite file live unless set.
    pub data_dir: PathBuf,
    /// The HTTP server.
    pub http: Http,
    /// How people log in.
    pub logins: LoginSettings,
    /// A proxy in front that says who somebody is.
    pub login_proxy: LoginProxySettings,
    /// A program or an HTTP endpoint that checks logins.
    pub login_plugin: LoginPluginSettings,
    /// OpenID providers, by the names of their sections.
    pub oidc: BTreeMap<String, OidcSettings>,
    /// The database.
    pub store: Store,
    /// The key that secrets in the database are sealed with.
    pub secrets: Secrets,
    /// The key that signs heads of the audit log.
    pub audit: Audit,
    /// Git remotes and our mirrors of them.
    pub git: Git,
    /// Connections to servers.
    pub ssh: Ssh,
    /// Connections to balancers.
    pub balancer: Balancer,
    /// Carrying out deployments.
    pub engine: Engine,
    /// What repositories bring and run on this host.
    pub scripts: Scripts,
    /// Drift: asking servers what they run.
    pub drift: Drift,
    /// Policy.
    pub access: Access,
    /// The deployer's own log.
    pub log: Log,
    /// Secrets that no log line may show.
    pub masking: Masking,
}

impl Default for Config {
    fn default() -> Self {
        Self::read(&mut KeyReader::default())
    }
}

impl Config {
    /// As [`Config::load`] for a file's `text`, without access to the disk.
    ///
    /// # Errors
    /// Every problem found in the text and the variables.
    pub fn parse(
        name: &str,
        text: &str,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut reader = KeyReader::new(name, text, env);
        let config = Self::read(&mut reader);
        reader.finish().map(|()| config)
    }

    fn read(reader: &mut KeyReader<'_>) -> Self {
        Self {
            file: None,
            data_dir: reader.take("", "data_dir", PathBuf::from(DATA_DIR), |dir| {
                values::absolute(dir)?;
                within_an_address(dir)
            }),
            http: Http::read(reader),
            logins: LoginSettings::read(reader),
            login_proxy: outside::login_proxy(reader),
            login_plugin: outside::login_plugin(reader),
            oidc: outside::oidc(reader),
            store: Store::read(reader),
            secrets: Secrets::read(reader),
            audit: Audit::read(reader),
            git: Git::read(reader),
            ssh: Ssh::read(reader),
            balancer: Balancer::read(reader),
            engine: Engine::read(reader),
            scripts: Scripts::read(reader),
            drift: Drift::read(reader),
            access: Access::read(reader),
            log: Log::read(reader),
            masking: Masking::read(reader),
        }
    }

    /// The database: `store.url`, or an SQLite file in the data directory.
    pub fn store_url(&self) -> Secret {
        let in_data_dir = || Secret::new(sqlite_in(&self.data_dir));
        self.store.url.clone().unwrap_or_else(in_data_dir)
    }

    /// The file of the sealing key: `secrets.key_file`, or one in the data directory.
    pub fn key_file(&self) -> PathBuf {
        let in_data_dir = || self.data_dir.join("secrets.key");
        self.secrets.key_file.clone().unwrap_or_else(in_data_dir)
    }

    /// The file of the audit key: `audit.key_file`, or one in the data directory.
    pub fn audit_key_file(&self) -> PathBuf {
        let in_data_dir = || self.data_dir.join("audit.key");
        self.audit.key_file.clone().unwrap_or_else(in_data_dir)
    }

    /// The file of the audit log's heads that this instance handed out.
    pub fn audit_heads_file(&self) -> PathBuf {
        self.data_dir.join("audit.heads")
    }

    /// Where the Git mirrors live.
    pub fn mirror_dir(&self) -> PathBuf {
        self.git
            .mirror_dir
            .clone()
            .unwrap_or_else(|| self.data_dir.join("mirrors"))
    }

    /// Where commits are exported to while they are deployed.
    pub fn work_dir(&self) -> PathBuf {
        self.engine
            .work_dir
            .clone()
            .unwrap_or_else(|| self.data_dir.join("work"))
    }

    /// The files that name the Git hosts we trust.
    pub fn known_hosts(&self) -> Vec<PathBuf> {
        if self.git.known_hosts.is_empty() {
            return vec![
                self.data_dir.join("known_hosts"),
                PathBuf::from("/etc/ssh/ssh_known_hosts"),
            ];
        }
        self.git.known_hosts.clone()
    }

    /// The address people use, without a slash at its end.
    pub fn public_url(&self) -> String {
        match &self.http.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.http.bind),
        }
    }

    /// Whether people use https, so that cookies may demand it.
    pub fn is_https(&self) -> bool {
        self.http
            .public_url
            .as_ref()
            .is_some_and(|url| url.scheme() == "https")
    }
}

/// The address of the SQLite file in the data directory.
fn sqlite_in(data_dir: &Path) -> String {
    format!("sqlite://{}", data_dir.join("deployer.sqlite").display())
}

/// Refuses a question mark, which would end the path in the address of the SQLite file.
fn within_an_address(data_dir: &Path) -> Result<(), String> {
    match sqlite_in(data_dir).parse::<DatabaseUrl>() {
        Ok(_) => Ok(()),
        Err(_) => Err("must be a path without “?” and control characters".to_owned()),
    }
}
