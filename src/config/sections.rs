//! One struct per concern. Each key is here once, with its type, default and check;
//! `deployer.sample.toml` documents it for sysadmins.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use url::Url;

use super::reader::KeyReader;
use super::values::{
    LogFormat, ScriptConfinement, ScriptNetwork, SecondFactorDemand, Secret, absolute_if_set, all_absolute,
    any, some_time, within,
};
use crate::domain::project::SHORTEST_SECRET;
use crate::domain::{DatabaseUrl, Network, OtherHost, ProxyException};

macro_rules! sections {
    ($($(#[$doc:meta])* $section:literal $name:ident {
        $($(#[$key_doc:meta])* $key:ident: $kind:ty = $default:expr, $check:expr;)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $($(#[$key_doc])* pub $key: $kind,)* }

        impl $name {
            pub(super) fn read(reader: &mut KeyReader<'_>) -> Self {
                Self::read_at(reader, $section)
            }

            pub(super) fn read_at(reader: &mut KeyReader<'_>, section: &str) -> Self {
                Self { $($key: reader.take(section, stringify!($key), $default, |value: &$kind| $check(value)),)* }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::read(&mut KeyReader::default())
            }
        }
    )*};
}

pub(super) use sections;

sections! {
    /// The HTTP server.
    "http" Http {
        /// Where we listen.
        bind: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080), real_port;
        /// The address people use; decides links in mails and whether cookies demand https.
        public_url: Option<Url> = None, web_address;
        /// Proxies that are trusted to name the client's address.
        trusted_proxies: Vec<Network> = Vec::new(), any;
        /// Connections at once.
        max_connections: u32 = 4096, within::<16, 100_000>;
        /// A connection that we write nothing to for this long is closed.
        quiet_timeout: Duration = Duration::from_secs(75), longer_than_streams;
        /// Requests of the JSON API that one account, or one address without an account, may make in a minute.
        api_requests_per_minute: u32 = 1200, within::<10, 1_000_000>;
    }

    /// How people log in, and how long that lasts.
    "logins" LoginSettings {
        /// A session that is unused for this long ends.
        session_idle: Duration = Duration::from_secs(14 * 24 * 3600), idle_time;
        /// A session ends this long after its login, however much it is used.
        session_limit: Duration = Duration::from_secs(90 * 24 * 3600), idle_time;
        /// Who has to have a second factor.
        second_factor: SecondFactorDemand = SecondFactorDemand::Optional, any;
    }

    /// The database.
    "store" Store {
        /// The database; `None`: an SQLite file in the data directory.
        url: Option<Secret> = None, database;
    }

    /// The key that secrets in the database are sealed with.
    "secrets" Secrets {
        /// The key itself, from the environment.
        key: Option<Secret> = None, hexadecimal_key;
        /// The file that holds it; neither: a systemd credential, else a file in the data directory.
        key_file: Option<PathBuf> = None, absolute_if_set;
    }

    /// The key that signs heads of the audit log.
    "audit" Audit {
        /// The key itself, from the environment.
        key: Option<Secret> = None, hexadecimal_key;
        /// The file that holds it; neither: a systemd credential, else a file in the data directory.
        key_file: Option<PathBuf> = None, absolute_if_set;
    }

    /// Git remotes and our mirrors of them.
    "git" Git {
        /// Where the mirrors live; `None`: in the data directory.
        mirror_dir: Option<PathBuf> = None, absolute_if_set;
        /// The longest a whole fetch may take.
        fetch_timeout: Duration = Duration::from_secs(600), some_time;
        /// Private keys without a passphrase, tried in this order.
        key_files: Vec<PathBuf> = Vec::new(), all_absolute;
        /// Where further private keys lie, which can be named.
        key_directory: Option<PathBuf> = None, absolute_if_set;
        /// Whether the agent at `SSH_AUTH_SOCK` is asked after the files.
        use_agent: bool = false, any;
        /// Files in OpenSSH's `known_hosts` form; none: see [`super::Config::known_hosts`].
        known_hosts: Vec<PathBuf> = Vec::new(), all_absolute;
        /// Directories below which a project may name a repository by `file://`.
        local_directories: Vec<PathBuf> = Vec::new(), all_absolute;
        /// A file of lines `https://user:token@host`, for private repositories over https.
        https_credentials: Option<PathBuf> = None, absolute_if_set;
        /// Certificates (PEM) that are trusted over https besides those this host trusts.
        https_certificates: Option<PathBuf> = None, absolute_if_set;
        /// Hosts beside a repository's own that its submodules and files in Git LFS may come from.
        other_hosts: Vec<OtherHost> = Vec::new(), any;
        /// The proxy for https; `None`: that of the environment, if any.
        https_proxy: Option<Secret> = None, proxy_address;
        /// What is asked without the proxy; empty: what the environment says.
        no_proxy: Vec<ProxyException> = Vec::new(), any;
        /// Mebibytes that one fetch may bring.
        pack_limit_mib: u32 = 4096, within::<1, 16_777_216>;
        /// Mebibytes that one file in Git LFS may have.
        lfs_object_limit_mib: u32 = 4096, within::<1, 1_048_576>;
        /// Mebibytes that the files of one project in Git LFS may have.
        lfs_project_limit_mib: u32 = 32_768, within::<1, 16_777_216>;
    }

    /// Connections to servers.
    "ssh" Ssh {
        /// Private keys without a passphrase, tried in this order.
        key_files: Vec<PathBuf> = Vec::new(), all_absolute;
        /// Where further private keys lie, which can be named.
        key_directory: Option<PathBuf> = None, absolute_if_set;
        /// Whether the agent at `SSH_AUTH_SOCK` is asked after the files.
        use_agent: bool = false, any;
        /// Files in OpenSSH's `known_hosts` form, for servers whose key nobody confirmed on their page.
        known_hosts: Vec<PathBuf> = Vec::new(), all_absolute;
        /// Limit for name lookup, TCP, key exchange and login together.
        connect_timeout: Duration = Duration::from_secs(10), some_time;
        /// How long a connected server may take to open a session and begin a command.
        open_timeout: Duration = Duration::from_secs(20), some_time;
        /// Silence after which a server is asked for a sign of life.
        keepalive: Duration = Duration::from_secs(15), some_time;
        /// A connection without a running command is closed after this.
        idle_timeout: Duration = Duration::from_secs(300), some_time;
        /// Commands at once on one connection.
        max_channels: u32 = 8, within::<2, 1000>;
        /// Connections being set up at once to one address and port.
        max_new_connections: u32 = 6, within::<1, 1000>;
    }

    /// Connections to balancers.
    "balancer" Balancer {
        /// A file of lines `https://user:password@host:port`, for statistics pages.
        credentials: Option<PathBuf> = None, absolute_if_set;
        /// A PEM file with certificates to trust beside the public ones.
        certificates: Option<PathBuf> = None, absolute_if_set;
    }

    /// Carrying out deployments.
    "engine" Engine {
        /// Deployments that this instance carries out at once.
        workers: u32 = 4, within::<1, 256>;
        /// Where commits are exported to; `None`: in the data directory.
        work_dir: Option<PathBuf> = None, absolute_if_set;
        /// How long a claimed deployment stays this instance's without a sign of life.
        lease: Duration = Duration::from_secs(20), lease;
        /// Mebibytes of program output that are kept of one step on one server.
        step_log_mib: u32 = 32, within::<1, 1024>;
        /// Mebibytes of program output that are kept of a whole deployment.
        deployment_log_mib: u32 = 256, within::<1, 16_384>;
        /// Mebibytes of the tree of a deployment, with what scripts on this host add to it.
        tree_limit_mib: u32 = 65_536, within::<1, 16_777_216>;
        /// Files, links and directories that the tree of a commit may have.
        tree_entries: u32 = 1_000_000, within::<1, 100_000_000>;
        /// Mebibytes that scripts, fetches and packs leave free on the disks of this host.
        keep_free_mib: u32 = 512, within::<0, 16_777_216>;
    }

    /// What repositories bring and run on this host.
    "scripts" Scripts {
        /// Whether it is confined.
        confinement: ScriptConfinement = ScriptConfinement::Auto, any;
        /// What network it has when it is confined.
        network: ScriptNetwork = ScriptNetwork::Host, any;
        /// Directories that it may read besides the system's.
        readable: Vec<PathBuf> = Vec::new(), all_absolute;
        /// Directories that it may write to besides its own.
        writable: Vec<PathBuf> = Vec::new(), all_absolute;
    }

    /// Drift: asking servers what they run.
    "drift" Drift {
        /// Whether they are asked at all.
        watch: bool = true, any;
        /// Time between two rounds.
        every: Duration = Duration::from_secs(300), some_time;
        /// A release younger than this is not checked yet.
        settled: Duration = Duration::from_secs(1800), some_time;
    }

    /// Policy.
    "access" Access {
        /// The directory of the policy files; `None`: the policy shipped inside the program.
        policies: Option<PathBuf> = None, absolute_if_set;
        /// How long groups count that a login told.
        groups_max_age: Duration = Duration::from_secs(24 * 3600), some_time;
    }

    /// The deployer's own log.
    "log" Log {
        /// For people or for machines.
        format: LogFormat = LogFormat::Text, any;
        /// What is logged: a level, or `module=level` pairs, separated by commas.
        filter: String = "info".to_owned(), filter;
    }

    /// Secrets that no log line may show.
    "masking" Masking {
        /// Texts to hide, beside the secret variables of environments.
        secrets: Vec<Secret> = Vec::new(), long_secrets;
    }
}

fn real_port(bind: &SocketAddr) -> Result<(), String> {
    if bind.port() == 0 {
        Err("must have a port other than 0".to_owned())
    } else {
        Ok(())
    }
}

fn web_address(url: &Option<Url>) -> Result<(), String> {
    let Some(url) = url else { return Ok(()) };
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
        return Err(format!(
            "must begin with http:// or https:// and name a host, not “{url}”"
        ));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "must end after the host and port, not “{url}”: the deployer needs a host name of its own"
        ));
    }
    Ok(())
}

/// Refuses what is no address of a proxy. It may hold a password, so it is not repeated.
fn proxy_address(address: &Option<Secret>) -> Result<(), String> {
    let Some(address) = address else { return Ok(()) };
    let url = address.expose().parse::<Url>().ok();
    let url = url.filter(|url| url.scheme() == "http" && url.host_str().is_some());
    match url {
        None => Err("must be the address of a proxy, such as \"http://proxy.example.org:3128\"".to_owned()),
        Some(url) if url.path() != "/" || url.query().is_some() || url.fragment().is_some() => {
            Err("must end after the host and port of the proxy, as a path means nothing there".to_owned())
        }
        Some(_) => Ok(()),
    }
}

/// Event streams send something every 15 s, and this timeout must not end them.
fn longer_than_streams(time: &Duration) -> Result<(), String> {
    if time.as_secs() >= 20 {
        return Ok(());
    }
    Err("must be at least 20s, as live pages send something every 15s".to_owned())
}

/// The use of a session is noted every few minutes at most, and browsers forget cookies after some 400 days.
fn idle_time(time: &Duration) -> Result<(), String> {
    const LEAST: u64 = 5 * 60;
    const MOST: u64 = 365 * 24 * 3600;
    if (LEAST..=MOST).contains(&time.as_secs()) {
        return Ok(());
    }
    Err("must be between 5m and 365d".to_owned())
}

/// Refuses an address that the store cannot open.
fn database(url: &Option<Secret>) -> Result<(), String> {
    url.as_ref()
        .map_or(Ok(()), |url| url.expose().parse::<DatabaseUrl>().map(drop))
}

/// Digits of a key: 32 bytes.
const KEY_DIGITS: usize = 64;

fn hexadecimal_key(key: &Option<Secret>) -> Result<(), String> {
    let is_key = |key: &Secret| {
        let text = key.expose();
        text.len() == KEY_DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit())
    };
    match key.as_ref().is_none_or(is_key) {
        true => Ok(()),
        false => Err(format!(
            "must be {KEY_DIGITS} hexadecimal digits, as “deployer key new” and “deployer audit key new” make them"
        )),
    }
}

/// Shorter than the 30 s within which another instance takes over, and long enough for a busy host.
fn lease(time: &Duration) -> Result<(), String> {
    if (5..=30).contains(&time.as_secs()) {
        return Ok(());
    }
    Err("must be between 5s and 30s".to_owned())
}

/// The levels of a filter.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// A single word is a level: the parser would take a mistyped “inof” for a module's name.
fn filter(text: &str) -> Result<(), String> {
    let is_level = |part: &str| LEVELS.contains(&part.to_lowercase().as_str());
    let reads = |part: &str| part.contains('=') || is_level(part);
    if text.split(',').all(reads) && EnvFilter::try_new(text).is_ok() {
        return Ok(());
    }
    Err(format!(
        "must be a level (error, warn, info, debug, trace or off) or module=level pairs, \
         separated by commas, not “{text}”"
    ))
}

fn long_secrets(secrets: &[Secret]) -> Result<(), String> {
    if secrets
        .iter()
        .all(|secret| secret.expose().chars().count() >= SHORTEST_SECRET)
    {
        return Ok(());
    }
    Err(format!(
        "holds a text shorter than {SHORTEST_SECRET} characters, which would hide half the log"
    ))
}
