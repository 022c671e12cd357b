//! A network of their own for confined programs: they reach the outside, but neither this host's loopback nor
//! what is bound to it.
//!
//! [Pasta](https://passt.top) (the package passt) makes it: a network namespace with an interface, and the
//! sockets of this host that carry what goes through it. It maps no address to this host and forwards no port,
//! in neither direction. The layers, from the outside: a bubblewrap that hides nothing, in whose process
//! namespace all below ends with it; pasta; the bubblewrap that confines.
//!
//! Pasta gets its rights from the outer bubblewrap, and they are given up before the inner one starts. What it
//! says would be taken for the program's words, so its standard error leads nowhere. The program's own one is
//! passed on beside it; a pasta that closes what it does not know leaves only the standard output, which then
//! takes both.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::process::Command;

/// Starts pasta with nothing to say, and passes the standard error on.
const QUIET: &str = r#"exec 3>&2 2>/dev/null; exec "$@""#;
/// As [`QUIET`], for a try, whose words tell what is wrong.
const TRYING: &str = r#"exec 3>&2; exec "$@""#;
/// Starts the inner bubblewrap with the standard error that was passed on, and without rights.
const LOUD: &str = r#"if [ -p /proc/self/fd/3 ]; then exec 2>&3 3>&-; else exec 2>&1; fi; exec setpriv --ambient-caps=-all --inh-caps=-all "$@""#;

/// A network that is configured as this host's, leads to nothing of this host, and is reached from nowhere.
const PASTA: [&str; 14] = [
    "pasta",
    "--quiet",
    "--foreground",
    "--config-net",
    "--no-map-gw",
    "--netns-only",
    "-t",
    "none",
    "-u",
    "none",
    "-T",
    "none",
    "-U",
    "none",
];

/// Where programs find name servers.
const RESOLVER: &str = "/etc/resolv.conf";
/// What systemd-resolved asks in the end, where programs are told to ask it on the loopback.
const UPSTREAM: &str = "/run/systemd/resolve/resolv.conf";

/// `outer` (a bubblewrap, without its program) and pasta, around what confines. `is_try`: pasta may speak.
pub(super) fn around(outer: Command, confined: Command, is_try: bool) -> Command {
    let words = if is_try { TRYING } else { QUIET };
    let outer = outer
        .args(["--", "/bin/sh", "-c", words, "sh"])
        .args(PASTA)
        .args(["--", "/bin/sh", "-c", LOUD, "sh"]);
    // The outer bubblewrap and pasta.
    confined.within(outer.monitor().monitor())
}

/// What programs in such a network read about name servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resolver {
    /// What this host has.
    OfHost,
    /// This file: this host's own names a server on the loopback, which is not theirs.
    Other(PathBuf),
    /// None that they reach.
    Missing,
}

impl Resolver {
    pub(super) fn find() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self::of(&read(RESOLVER), &read(UPSTREAM))
    }

    fn of(resolver: &str, upstream: &str) -> Self {
        match (reaches(resolver), reaches(upstream)) {
            (true, _) => Self::OfHost,
            (false, true) => Self::Other(PathBuf::from(UPSTREAM)),
            (false, false) => Self::Missing,
        }
    }

    /// The file to be seen in place of this host's.
    pub(super) fn replacement(&self) -> Option<(&Path, &Path)> {
        match self {
            Self::Other(file) => Some((file, Path::new(RESOLVER))),
            Self::OfHost | Self::Missing => None,
        }
    }
}

/// Whether a `resolv.conf` names a server elsewhere than on the loopback.
fn reaches(text: &str) -> bool {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next())?
    });
    let mut addresses = servers.filter_map(|server| {
        let plain = server.split('%').next().unwrap_or_default();
        plain.parse::<IpAddr>().ok()
    });
    addresses.any(|address| !address.is_loopback() && !address.is_unspecified())
}

/// Why there is no such network, and what helps; `said` is what the try printed.
pub(super) fn cannot(said: &str, exit: &str) -> String {
    let is_missing = said.contains("pasta: not found");
    let mut words = said.lines().map(str::trim);
    let last = words.rfind(|line| !line.is_empty() && !line.contains("syslog"));
    let why = match last {
        _ if is_missing => "pasta is not installed. Install the package passt".to_owned(),
        Some(line) => format!(
            "pasta says “{}”. It needs a default route on this host, and to open /dev/net/tun",
            line.trim_end_matches('.')
        ),
        None => format!("pasta ended with {exit}"),
    };
    format!(
        "Scripts of repositories are not run on this host, because it cannot give them a network of their own: {why}. Or set scripts.network to \"none\" or \"host\"."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_on_the_loopback_is_none_of_theirs() {
        let stub = "# by resolved\nnameserver 127.0.0.53\noptions edns0\nsearch a.test\n";
        let real = "nameserver 192.0.2.53\n";
        for (resolver, upstream, expected) in [
            (real, "", Resolver::OfHost),
            ("nameserver ::1\nnameserver fe80::1%eth0\n", "", Resolver::OfHost),
            (stub, real, Resolver::Other(UPSTREAM.into())),
            (stub, stub, Resolver::Missing),
            ("", "", Resolver::Missing),
            (
                "nameserver\nnameserver x\n#nameserver 192.0.2.1",
                "",
                Resolver::Missing,
            ),
        ] {
            assert_eq!(Resolver::of(resolver, upstream), expected, "{resolver:?}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let of = |said: &str| cannot(said, "exit code 1");
        assert!(of("sh: 1: exec: pasta: not found\n").contains("Install the package passt."));
        let noisy =
            "Couldn't do this\nNo external routable interface for IPv6\nFailed to send 9 bytes to syslog\n";
        assert!(of(noisy).contains("says “No external routable interface for IPv6”."));
        assert!(of("").contains("pasta ended with exit code 1."));
    }
}
