//! Ranges of IP addresses, and hosts.

use std::net::IpAddr;
use std::str::FromStr;

/// How a range is written.
pub const EXPECTED: &str = "an IP address or a range in quotes, such as \"10.0.0.0/8\"";

/// A range of IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many leading bits count.
    prefix: u32,
}

impl Network {
    /// Whether `address` lies in it. An IPv4 address written as IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differ = u32::from(ours) ^ u32::from(theirs);
                differ.leading_zeros() >= self.prefix
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differ = u128::from(ours) ^ u128::from(theirs);
                differ.leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("must be {EXPECTED}, not “{text}”");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix
                .parse()
                .ok()
                .filter(|bits| *bits <= longest)
                .ok_or_else(wrong)?,
            None => longest,
        };
        Ok(Self { address, prefix })
    }
}

/// A host that submodules and Git LFS may be fetched from although the repository is on another one:
/// `name`, for each port, or `name:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherHost {
    name: String,
    port: Option<u16>,
}

impl OtherHost {
    /// Reads a configured entry.
    ///
    /// # Errors
    /// Words that say how one is written.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("must be a host or host:port, not “{text}”");
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
            _ => (text, None),
        };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(wrong());
        }
        let port = port.map(str::parse).transpose().map_err(|_| wrong())?;
        Ok(Self {
            name: name.to_ascii_lowercase(),
            port,
        })
    }

    /// Whether it is this host, and this port of it.
    pub fn is(&self, name: &str, port: u16) -> bool {
        self.name.eq_ignore_ascii_case(name) && self.port.is_none_or(|own| own == port)
    }
}

/// Hosts that are asked without a proxy, as an entry of `no_proxy` names them: `*` for all; a name, with or
/// without a dot before it, for that host and all below it; an address or a range of addresses. All but `*`
/// and ranges may have a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyException {
    hosts: DirectHosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DirectHosts {
    All,
    Range(Network),
    /// In small letters, without a dot at its beginning.
    Below(String),
}

impl ProxyException {
    /// Reads an entry.
    ///
    /// # Errors
    /// Words that say how one is written.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "*" {
            let hosts = DirectHosts::All;
            return Ok(Self { hosts, port: None });
        }
        if let Ok(range) = text.parse() {
            let hosts = DirectHosts::Range(range);
            return Ok(Self { hosts, port: None });
        }
        let wrong = |_| format!("must be a host, an address, a range of addresses or “*”, not “{text}”");
        let OtherHost { name, port } =
            OtherHost::read(text.trim_start_matches("*.").trim_start_matches('.')).map_err(wrong)?;
        let hosts = match name.parse() {
            Ok(address) => DirectHosts::Range(address),
            Err(_) => DirectHosts::Below(name),
        };
        Ok(Self { hosts, port })
    }

    /// Whether `port` of the host `name` (IPv6 without brackets) is asked directly.
    pub fn fits(&self, name: &str, port: u16) -> bool {
        let is_host = match &self.hosts {
            DirectHosts::All => true,
            DirectHosts::Range(range) => name.parse().is_ok_and(|address| range.contains(address)),
            DirectHosts::Below(own) => {
                let name = name.to_ascii_lowercase();
                let rest = name.trim_end_matches('.').strip_suffix(own.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        };
        is_host && self.port.is_none_or(|own| own == port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_hosts_with_all_below_addresses_and_ranges() {
        let fits = |entry: &str, name: &str, port: u16| ProxyException::read(entry).unwrap().fits(name, port);
        for (entry, name, port) in [
            ("*", "a.test", 443),
            ("example.org", "example.org", 443),
            (".Example.org", "git.EXAMPLE.org.", 443),
            ("*.example.org", "a.b.example.org", 443),
            ("example.org:8443", "git.example.org", 8443),
            ("10.0.0.1", "10.0.0.1", 1),
            ("10.0.0.1:80", "10.0.0.1", 80),
            ("10.0.0.0/8", "10.9.8.7", 443),
            ("::1", "::1", 443),
            ("[::1]:443", "::1", 443),
            ("fd00::/8", "fd00::5", 443),
        ] {
            assert!(fits(entry, name, port), "{entry} {name}:{port}");
        }
        for (entry, name, port) in [
            ("example.org", "badexample.org", 443),
            ("example.org", "example.org.evil", 443),
            ("example.org:8443", "example.org", 443),
            ("10.0.0.1", "10.0.0.11", 443),
            ("10.0.0.0/8", "11.0.0.1", 443),
            ("10.0.0.0/8", "10.example.org", 443),
        ] {
            assert!(!fits(entry, name, port), "{entry} {name}:{port}");
        }
        for bad in ["", "x y", ".", "a:b", "10.0.0.0/99", "http://a"] {
            assert!(ProxyException::read(bad).is_err(), "{bad}");
        }
    }
}
