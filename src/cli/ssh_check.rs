//! `deployer ssh-check`: connects to a server, compares its host key with the trusted one, and logs in.

use std::collections::HashSet;
use std::net::IpAddr;

use super::config_args::ConfigArgs;
use super::data;
use super::outcome::{CommandFailure, say};
use crate::app::start;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{self, Error, HostKey, Result, Server};
use crate::ssh::{self, Command, Connections, Endpoint, Options, Run};
use crate::store::servers;

/// How much of the server's output is kept; there should be no more than a login banner.
const MOST_OUTPUT: usize = 64 * 1024;
/// Connect to a server as the deployer would: look at its host key, then log in and run a command.
///
/// Where the deployer trusts a key for this address and port already, the server has to show that
/// one. Otherwise the key is shown and believed for this one try. To trust it, open the server's
/// page and compare the fingerprint with the one “ssh-keygen -lf
/// /etc/ssh/ssh_host_ed25519_key.pub” prints there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Host name or address.
    #[arg(value_parser = host)]
    host: String,
    /// The port of its sshd.
    #[arg(long, default_value_t = 22, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Whom to log in as [default: you].
    #[arg(long)]
    user: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

fn host(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("name a host"),
        host => Ok(host.to_owned()),
    }
}

pub(super) async fn run(args: &Args) -> Result<(), CommandFailure> {
    let config = args.config.load()?;
    let asking = data::operator().actor().name.clone();
    let user = args.user.clone().unwrap_or_else(|| asking.clone());
    let trusted = trusted(&config, args).await?;
    let options = start::ssh_options(&config);
    if trusted.is_empty() {
        let endpoint = believed(args, &user, asking, &options).await?;
        log_in(&endpoint, options).await?;
        return Ok(());
    }
    for server in trusted {
        if let Some(key) = &server.host_key {
            say(format_args!(
                "Host key: {}, trusted for server “{}”; it has to show this one.",
                key.fingerprint, server.name
            ));
        }
        log_in(&Endpoint::of(&server, &user), options.clone()).await?;
    }
    Ok(())
}

/// The servers of the store with this address and port and a trusted key, one per key.
async fn trusted(config: &Config, args: &Args) -> Result<Vec<Server>> {
    let Some(store) = data::open_existing(config).await? else {
        return Ok(Vec::new());
    };
    if !store.pending_migrations().await?.is_empty() {
        let sentence = "The database's schema is not up to date, so we cannot see which host keys are trusted. \
                        Run “deployer migrate” first.";
        return Err(Error::conflict(sentence));
    }
    let mut found = servers::list(&store).await?;
    store.close().await?;
    let mut keys = HashSet::new();
    found.retain(|server| {
        let is_meant = server.port == args.port && is_same_host(&server.address, &args.host);
        let key = server.host_key.as_ref().filter(|_| is_meant);
        key.is_some_and(|key| keys.insert(key.openssh.clone()))
    });
    Ok(found)
}

/// Whether two hosts are written alike. Looks no name up.
fn is_same_host(one: &str, other: &str) -> bool {
    match (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.eq_ignore_ascii_case(other),
    }
}

/// The endpoint of a server without a trusted key, with the key that it shows now.
async fn believed(args: &Args, user: &str, asking: String, options: &Options) -> Result<Endpoint> {
    let key = ssh::fetch_host_key(&args.host, args.port, options.connect_timeout)
        .await
        .map_err(domain::Error::from)?;
    say(format_args!("Host key: {} {}", key.algorithm, key.fingerprint));
    say("Nobody has trusted a key for this address and port; this one is believed for this try only.");
    Ok(Endpoint {
        name: args.host.clone(),
        host: args.host.clone(),
        port: args.port,
        user: user.to_owned(),
        host_key: Some(HostKey {
            openssh: key.openssh,
            fingerprint: key.fingerprint,
            pinned_at: Clock::System.now(),
            pinned_by: asking,
        }),
    })
}

async fn log_in(endpoint: &Endpoint, options: Options) -> Result<()> {
    let limit = options.connect_timeout;
    let pool = Connections::new(options);
    let told = asked(&pool, endpoint, limit).await;
    pool.shutdown().await;
    say(told?);
    Ok(())
}

async fn asked(pool: &Connections, endpoint: &Endpoint, limit: std::time::Duration) -> Result<String> {
    let session = pool.session(endpoint).await?;
    let captured = session
        .capture(&Command::new("uname").arg("-a"), Run::within(limit), MOST_OUTPUT)
        .await?;
    let user = &endpoint.user;
    if !captured.exit.success() {
        return Err(Error::unavailable(format!(
            "Logged in as “{user}”, but “uname -a” ended with {}.",
            captured.exit
        )));
    }
    let system = String::from_utf8_lossy(&captured.stdout);
    Ok(format!("Logged in as “{user}”: {}", system.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_is_written_in_several_ways() {
        assert!(is_same_host("::1", "0:0:0:0:0:0:0:1") && is_same_host("Web1.example", "web1.EXAMPLE"));
        assert!(!is_same_host("127.0.0.1", "127.0.0.2") && !is_same_host("web1", "web2"));
    }
}
