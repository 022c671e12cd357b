//! A server reached over TCP, with TLS or without.

use std::fmt;
use std::net::Ipv6Addr;

use super::Tls;

/// Where to connect over TCP.
#[derive(Debug, Clone)]
pub struct Host {
    /// A name or an address, IPv6 without brackets.
    pub name: String,
    /// TCP port.
    pub port: u16,
    /// Encrypts, where given.
    pub tls: Option<Tls>,
}

impl fmt::Display for Host {
    /// As in a `Host` header: without the default port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = if self.tls.is_some() { 443 } else { 80 };
        match self.name.parse::<Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]")?,
            Err(_) => f.write_str(&self.name)?,
        }
        if self.port == usual {
            return Ok(());
        }
        write!(f, ":{}", self.port)
    }
}

/// The name in a `Host` header, without its port.
pub fn name_of(host: &str) -> &str {
    let end = if host.starts_with('[') {
        host.find(']').map(|at| at + 1)
    } else {
        host.find(':')
    };
    let name = &host[..end.unwrap_or(host.len())];
    name.trim_start_matches('[').trim_end_matches(']')
}
