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
