//! Jump hosts of a server or a cluster: lines of a form, and the servers that they name.
//!
//! Each jump host is a server of ours, so that its host key is compared, its connection tested and its
//! key named as any other's. One that is given by its address becomes such a server.

use super::server_events::added;
use super::values::{Address, RemoteUser};
use crate::domain::server::MOST_HOPS;
use crate::domain::{Error, Hop, Name, Result, Server, ServerId};
use crate::store::{Change, hops, servers, ways};

/// The port of sshd where none is given.
const SSH_PORT: u16 = 22;
/// Characters of a name that is made of an address; a number may follow.
const LONGEST_NAME: usize = 48;

/// Jump hosts as they are written: `user@server` or `user@host:port`, the first one first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JumpHosts(Vec<Line>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    user: RemoteUser,
    host: Address,
    port: Option<u16>,
}

impl TryFrom<Vec<String>> for JumpHosts {
    type Error = String;

    fn try_from(lines: Vec<String>) -> Result<Self, String> {
        if lines.len() > crate::sabotage::most("u50", MOST_HOPS) {
            return Err(format!("Name {MOST_HOPS} jump hosts at most."));
        }
        lines
            .iter()
            .map(|line| line.parse())
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl std::str::FromStr for Line {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let form = || {
            format!(
                "“{}” is no jump host: write user@server, with the name of a server here, or user@host:port.",
                line.escape_debug()
            )
        };
        // A user may have “@” in it, a host never.
        let (user, host) = line.trim().rsplit_once('@').ok_or_else(form)?;
        let (host, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None if host.matches(':').count() == 1 => {
                let (host, port) = host.split_once(':').ok_or_else(form)?;
                (host, Some(port))
            }
            None => (host, None),
        };
        let port = port.map(|port| port.parse().ok().filter(|port| *port != 0).ok_or_else(form));
        Ok(Self {
            user: user.parse().map_err(|_| form())?,
            host: host.parse().map_err(|_| form())?,
            port: port.transpose()?,
        })
    }
}

/// What was stored, and the servers that were added because its jump hosts named them.
#[derive(Debug, Clone)]
pub struct WithJumpHosts<T> {
    pub stored: T,
    /// Nobody has trusted their host keys yet.
    pub added: Vec<Server>,
}

/// The servers that `hosts` name, and those of them that were added now, with their events: the ones that a
/// host and a port name and that are not here yet. A name alone may be mistyped, so it adds none.
///
/// # Errors
/// A complaint about the field `via`.
pub(super) async fn settle(change: &mut Change, hosts: JumpHosts) -> Result<(Vec<Hop>, Vec<Server>)> {
    let mut all = servers::list(change).await?;
    let (mut via, mut new) = (Vec::new(), Vec::new());
    for line in hosts.0 {
        let host = line.host.as_str();
        let is_named = |one: &&Server| line.port.is_none() && one.name.as_str().eq_ignore_ascii_case(host);
        let port = line.port.unwrap_or(SSH_PORT);
        let is_there = |one: &&Server| one.port == port && one.address.eq_ignore_ascii_case(host);
        let known = all.iter().find(is_named).or_else(|| all.iter().find(is_there)).filter(|_| !crate::sabotage::on("j18"));
        let server = match known {
            Some(server) => server.id,
            None if line.port.is_none() => {
                let user = line.user.as_str();
                let place = match host.contains(':') {
                    true => format!("[{host}]"),
                    false => host.to_owned(),
                };
                return Err(Error::field(
                    "via",
                    format!(
                        "There is no server “{host}” here. Name one that is, or write {user}@{place}:{SSH_PORT} to add it as one."
                    ),
                ));
            }
            None => {
                let server = servers::insert(change, &new_server(&all, host, port)?).await?;
                change.also(added(&all, &server));
                let id = server.id;
                all.push(server.clone());
                new.push(server);
                id
            }
        };
        via.push(Hop {
            server,
            user: line.user.into(),
        });
    }
    Ok((via, new))
}

/// A server for the jump host at `host` and `port`, under a name that is free.
fn new_server(all: &[Server], host: &str, port: u16) -> Result<Server> {
    let is_odd = |c: char| !c.is_ascii_alphanumeric() && c != '.';
    let plain = host.replace(is_odd, "-");
    let plain: String = plain
        .trim_matches(['-', '.'])
        .chars()
        .take(LONGEST_NAME)
        .collect();
    let is_free = |name: &String| !all.iter().any(|one| one.name.as_str().eq_ignore_ascii_case(name));
    let numbered = |n: u32| match n {
        1 => plain.clone(),
        n => format!("{plain}-{n}"),
    };
    let name = (1..).map(numbered).find(is_free).unwrap_or_default();
    let unnamed = |_| {
        Error::field(
            "via",
            format!("Add a server for the jump host {host} first, and name that."),
        )
    };
    Ok(Server {
        id: ServerId(0),
        name: name.parse::<Name>().map_err(unnamed)?,
        address: host.to_owned(),
        port,
        active: true,
        host_key: None,
        key: None,
        legacy: false,
        via: Vec::new(),
    })
}

/// Refuses what is written so far when a server could not be reached any more: a way without an end, one
/// that is too long, or two for one server.
///
/// # Errors
/// A complaint about the field `via`.
pub(super) async fn demand_ways(change: &Change) -> Result<()> {
    if !hops::exist(change).await? {
        return Ok(());
    }
    for server in servers::list(change).await? {
        ways::to(change, &server).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_user_a_host_and_perhaps_a_port() {
        for (line, host, port) in [
            ("deploy@bastion", "bastion", None),
            ("deploy@10.0.0.1:2222", "10.0.0.1", Some(2222)),
            ("ops@corp.example@bastion", "bastion", None),
            ("deploy@[::1]:22", "::1", Some(22)),
            ("deploy@::1", "::1", None),
        ] {
            let read: Line = line.parse().unwrap();
            assert_eq!((read.host.as_str(), read.port), (host, port), "{line}");
        }
        for bad in [
            "",
            "bastion",
            "@bastion",
            "deploy@",
            "a@b:0",
            "a@b:x",
            "a@b c",
            "a@-oProxyCommand=x",
            "a@[::1",
        ] {
            let sentence = bad.parse::<Line>().unwrap_err();
            assert!(sentence.contains("is no jump host"), "{bad}: {sentence}");
        }
        let many = vec!["a@b".to_owned(); MOST_HOPS + 1];
        assert!(JumpHosts::try_from(many).is_err());
    }
}
