//! `deployer ssh-check`: connects to a server as the deployer would, compares its host key with the trusted
//! one, logs in, and tries what deploying needs there.

use std::collections::HashSet;
use std::net::IpAddr;

use super::config_args::ConfigArgs;
use super::data;
use super::outcome::{CommandFailure, say};
use crate::app::admin::host_keys::is_in_files;
use crate::app::admin::servers::ask;
use crate::app::admin::values::Address;
use crate::app::{reach, start};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{self, Error, Hop, HostKey, KeyName, Name, Result, Server, ServerId};
use crate::ssh::{Connections, Endpoint};
use crate::store::{Store, servers};

/// Connect to a server as the deployer would: look at its host key, then log in, run a command and try
/// the programs that deploying needs.
///
/// Where the deployer trusts a key for this server already, it has to show that one; jump hosts, key and
/// algorithms are those of its page. Otherwise the key is shown and believed for this one try. To trust
/// it, open the server's page and compare the fingerprint with the one “ssh-keygen -lf
/// /etc/ssh/ssh_host_ed25519_key.pub” prints there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Host name or address, or the name of a server here.
    #[arg(value_parser = host)]
    host: String,
    /// The port of its sshd [default: that of the server here, else 22].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The user to log in as [default: you].
    #[arg(long)]
    user: Option<String>,
    /// The file name of the private key to offer, among those of the configuration [default: all of
    /// ssh.key_files, in order].
    #[arg(long)]
    key: Option<KeyName>,
    /// A jump host on the way, as user@server, with the name of a server here; several in their order.
    /// For hosts that are no servers here.
    #[arg(long, value_name = "USER@SERVER")]
    via: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// The port of sshd where none is given.
const SSH_PORT: u16 = 22;

/// A host as ssh takes it: a name or address without user and port.
fn host(text: &str) -> Result<String, String> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = bare.unwrap_or(text);
    if host.is_empty() {
        return Err("name a host".to_owned());
    }
    if let Some((user, host)) = host.rsplit_once('@') {
        return Err(format!("write “{host} --user {user}”"));
    }
    let is_address = host.parse::<IpAddr>().is_ok();
    if bare.is_some() && !is_address {
        return Err("only an IPv6 address stands in brackets".to_owned());
    }
    if let Some((host, port)) = host.rsplit_once(':').filter(|_| !is_address) {
        let host = host.trim_matches(['[', ']']);
        return Err(format!("write “{host} --port {port}”"));
    }
    match host.parse::<Name>() {
        Ok(_) => Ok(host.to_owned()),
        Err(_) => host.parse::<Address>().map(String::from),
    }
}

pub(super) async fn run(args: &Args) -> Result<(), CommandFailure> {
    let config = args.config.load()?;
    let options = start::ssh_options(&config);
    if let Some(key) = &args.key {
        options.keys.demand(key, "ssh").map_err(Error::invalid)?;
    }
    let pool = Connections::new(options);
    let outcome = check(args, &config, &pool).await;
    pool.shutdown().await;
    Ok(outcome?)
}

async fn check(args: &Args, config: &Config, pool: &Connections) -> Result<()> {
    let asking = data::operator().actor().name.clone();
    let user = args.user.clone().unwrap_or_else(|| asking.clone());
    for mut endpoint in endpoints(config, args, &user).await? {
        if let Some(key) = &endpoint.host_key {
            say(format_args!(
                "Host key: {}, trusted for server “{}”; the server has to show this key.",
                key.fingerprint, endpoint.name
            ));
        } else if is_in_files(config, &endpoint.host, endpoint.port) {
            say("A file of ssh.known_hosts names this host; what it shows has to agree with that.");
        } else {
            endpoint.host_key = Some(believed(pool, config, &endpoint, asking.clone()).await?);
        }
        log_in(pool, &endpoint).await?;
    }
    Ok(())
}

/// The ways to the servers that are meant: those of the store, one for each way and key, or the host as it
/// was given.
async fn endpoints(config: &Config, args: &Args, user: &str) -> Result<Vec<Endpoint>> {
    let Some(store) = data::open_existing(config).await? else {
        if !args.via.is_empty() {
            return Err(Error::invalid(
                "--via names servers of the deployer, and there are none yet.",
            ));
        }
        let host = stranger(args, Vec::new())?;
        return Ok(vec![Endpoint {
            name: args.host.clone(),
            ..Endpoint::of(&host, user, args.key.as_ref(), &[])
        }]);
    };
    let found = known(&store, args, user).await;
    store.close().await?;
    found
}

async fn known(store: &Store, args: &Args, user: &str) -> Result<Vec<Endpoint>> {
    if !store.pending_migrations().await?.is_empty() {
        let sentence = "The database's schema is not up to date, so the trusted host keys cannot be read. \
                        Run “deployer migrate” first.";
        return Err(Error::conflict(sentence));
    }
    let all = servers::list(store).await?;
    let mut found = Vec::new();
    for server in all
        .iter()
        .filter(|server| args.via.is_empty() && is_meant(server, args))
    {
        let mut endpoint = reach::endpoint_as(store, server, user, args.key.as_ref()).await?;
        if let Some(key) = &args.key {
            endpoint.key = Some(key.clone());
        }
        endpoint.port = args.port.unwrap_or(endpoint.port);
        found.push(endpoint);
    }
    if found.iter().any(|one| one.host_key.is_some()) {
        found.retain(|one| one.host_key.is_some());
    }
    let mut seen = HashSet::new();
    found.retain(|one| {
        seen.insert((
            one.host_key.as_ref().map(|key| key.openssh.clone()),
            one.via.is_some(),
        ))
    });
    if found.is_empty() {
        let host = stranger(args, hops(&all, &args.via)?)?;
        let endpoint = reach::endpoint_as(store, &host, user, args.key.as_ref()).await?;
        found.push(Endpoint {
            name: args.host.clone(),
            ..endpoint
        });
    }
    Ok(found)
}

fn is_meant(server: &Server, args: &Args) -> bool {
    let is_named = server.name.as_str().eq_ignore_ascii_case(&args.host);
    is_named || (server.port == args.port.unwrap_or(SSH_PORT) && is_same_host(&server.address, &args.host))
}

/// The host as it was given, as a server that is in no store.
fn stranger(args: &Args, via: Vec<Hop>) -> Result<Server> {
    Ok(Server {
        id: ServerId(0),
        name: "host".parse::<Name>().map_err(Error::invalid)?,
        address: args.host.clone(),
        port: args.port.unwrap_or(SSH_PORT),
        active: true,
        host_key: None,
        key: None,
        legacy: false,
        via,
    })
}

/// The jump hosts of the command line.
fn hops(all: &[Server], via: &[String]) -> Result<Vec<Hop>> {
    let hop = |text: &String| {
        let (user, name) = text.rsplit_once('@').unwrap_or_default();
        let server = all
            .iter()
            .find(|one| one.name.as_str().eq_ignore_ascii_case(name));
        let server = server.filter(|_| !user.is_empty());
        let hop = server.map(|server| Hop {
            server: server.id,
            user: user.to_owned(),
        });
        let sentence =
            || format!("“{text}” is no jump host: write user@server, with the name of a server here.");
        hop.ok_or_else(|| Error::invalid(sentence()))
    };
    via.iter().map(hop).collect()
}

/// Compares two hosts as they are written, without a name lookup.
fn is_same_host(one: &str, other: &str) -> bool {
    match (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.eq_ignore_ascii_case(other),
    }
}

/// The key that a server without a trusted one shows now.
async fn believed(
    pool: &Connections,
    config: &Config,
    endpoint: &Endpoint,
    asking: String,
) -> Result<HostKey> {
    let key = pool
        .fetch_host_key(endpoint, config.ssh.connect_timeout)
        .await
        .map_err(domain::Error::from)?;
    say(format_args!("Host key: {} {}", key.algorithm, key.fingerprint));
    say("No key is trusted for this address and port yet; this one is trusted for this check only.");
    Ok(HostKey {
        openssh: key.openssh,
        fingerprint: key.fingerprint,
        pinned_at: Clock::System.now(),
        pinned_by: asking,
    })
}

async fn log_in(pool: &Connections, endpoint: &Endpoint) -> Result<()> {
    let reply = ask(pool, endpoint).await?;
    say(format_args!("Logged in as “{}”: {}", endpoint.user, reply.system));
    if reply.missing.is_empty() {
        say("The programs that deploying needs are there.");
        return Ok(());
    }
    Err(Error::unavailable(format!(
        "Deploying needs {}, which this user does not have there. Install GNU findutils, coreutils, grep and tar \
         so that its PATH finds them first.",
        reply.missing.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_user_and_no_port() {
        for (text, host_of) in [
            ("web1", "web1"),
            (" web1.example.org ", "web1.example.org"),
            ("[::1]", "::1"),
            ("::1", "::1"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(host_of), "{text}");
        }
        for (text, why) in [
            ("", "name a host"),
            ("web1:2222", "write “web1 --port 2222”"),
            ("10.0.0.1:22", "write “10.0.0.1 --port 22”"),
            ("[::1]:22", "write “::1 --port 22”"),
            ("deploy@web1", "write “web1 --user deploy”"),
            ("[web1]", "only an IPv6 address stands in brackets"),
        ] {
            assert_eq!(host(text).unwrap_err(), why, "{text}");
        }
        for bad in ["ssh://web1", "web 1", "-oProxyCommand=x", "10.0.0.0/8"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_host_is_written_in_several_ways() {
        assert!(is_same_host("::1", "0:0:0:0:0:0:0:1") && is_same_host("Web1.example", "web1.EXAMPLE"));
        assert!(!is_same_host("127.0.0.1", "127.0.0.2") && !is_same_host("web1", "web2"));
    }
}
