//! Which addresses a request may go to.
//!
//! A URL from a form must not make the deployer send requests to its own host or its neighbours, which trust
//! callers from nearby. The guard checks the address and not the name: it does so after the lookup, for the
//! very connection that is used.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Error;
use crate::domain::Network;

/// Whether requests may go to addresses that the internet does not reach.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Whether every address is allowed.
    open: bool,
    /// Networks that are allowed although they are not public.
    allowed: Vec<Network>,
}

impl Guard {
    /// Allows every address: for hosts that an administrator configured.
    pub fn open() -> Self {
        Self {
            open: true,
            allowed: Vec::new(),
        }
    }

    /// Allows public addresses, and those of `allowed`.
    pub fn public_and(allowed: Vec<Network>) -> Self {
        Self { open: false, allowed }
    }

    /// Whether a request may be sent to `address`.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.open || is_public(address) || self.allowed.iter().any(|network| network.contains(address))
    }

    /// Refuses a host that a proxy must not be asked for. A proxy looks names up itself, so names are
    /// left to its rules, except those that always mean its own host.
    pub(super) fn check_name(&self, name: &str, to: &str) -> Result<(), Error> {
        let lower = name.trim_end_matches('.').to_ascii_lowercase();
        let address = match lower.parse::<IpAddr>() {
            Ok(address) => address,
            Err(_) if lower == "localhost" || lower.ends_with(".localhost") => Ipv4Addr::LOCALHOST.into(),
            Err(_) => return Ok(()),
        };
        if self.allows(address) {
            return Ok(());
        }
        Err(Error::Guarded {
            to: to.to_owned(),
            address,
        })
    }
}

/// Whether the internet reaches `address`. An IPv4 address inside an IPv6 one counts as itself.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(inner) => is_public_v4(inner),
            // Global unicast (2000::/3) without the ranges for documentation and Teredo.
            None => {
                let [first, second, ..] = address.segments();
                let is_special = first == 0x2001 && (second == 0x0db8 || second < 0x0200) || first == 0x3fff;
                first & 0xe000 == 0x2000 && !is_special
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = match first {
        // This network, loopback, multicast, reserved and broadcast.
        0 | 10 | 127 | 224.. => true,
        100 => second & 0xc0 == 64,
        169 => second == 254,
        172 => second & 0xf0 == 16,
        192 => matches!((second, third), (168, _) | (0, 0 | 2) | (88, 99)),
        198 => matches!((second, third), (18 | 19, _) | (51, 100)),
        203 => (second, third) == (0, 113),
        _ => false,
    };
    !is_special
}

/// The IPv4 address that a mapped, translated (NAT64) or 6to4 address leads to.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => Some(from(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_allowed_unless_a_network_is_named() {
        let guard = Guard::public_and(vec!["10.1.0.0/16".parse().unwrap()]);
        let allows = |address: &str| guard.allows(address.parse().unwrap());
        for near in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::ffff:192.168.1.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::1",
        ] {
            assert!(!allows(near), "{near}");
        }
        for far in [
            "9.9.9.9",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "2620:fe::fe",
            "::ffff:9.9.9.9",
            "10.1.2.3",
            "::ffff:10.1.2.3",
        ] {
            assert!(allows(far), "{far}");
        }
        assert!(Guard::open().allows("127.0.0.1".parse().unwrap()));
    }
}
