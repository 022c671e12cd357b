//! Where a repository is: the address as a project gives it, checked and parsed.
//!
//! Git itself accepts more than is safe: `ext::` runs programs, a leading `-` is an option, a bare
//! path means this host. Each of these is refused with a sentence.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::error::Error;
use crate::domain::KeyName;

/// The longest address in bytes; what a column of the store and a line of a page can hold.
const URL_LIMIT: usize = 1024;
pub(super) const SSH_PORT: u16 = 22;
pub(super) const HTTPS_PORT: u16 = 443;

/// The address of a repository that we are willing to fetch from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    text: String,
    pub(super) location: Location,
    /// The private key to offer over SSH; `None`: those that are configured, in order.
    pub(super) key: Option<KeyName>,
}

/// A parsed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    Ssh {
        user: String,
        host: String,
        port: u16,
        path: String,
    },
    Https {
        host: String,
        port: u16,
    },
    File {
        path: PathBuf,
    },
}

impl RemoteUrl {
    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same address, asked with `key`.
    #[must_use]
    pub fn with_key(self, key: Option<KeyName>) -> Self {
        Self { key, ..self }
    }

    /// The host that is asked; `None` for a repository on this one.
    pub fn host(&self) -> Option<&str> {
        match &self.location {
            Location::Ssh { host, .. } | Location::Https { host, .. } => Some(host),
            Location::File { .. } => None,
        }
    }
}

impl RemoteUrl {
    /// Refuses a path on this host that is not below one of `directories`, also by way of links.
    pub(super) fn demand_below(&self, directories: &[PathBuf]) -> Result<(), Error> {
        let Location::File { path } = &self.location else {
            return Ok(());
        };
        match is_below(path, directories) {
            true => Ok(()),
            false => Err(Error::LocalAddress { path: path.clone() }),
        }
    }
}

/// Whether `path` is below one of `directories`, whatever links lead there.
pub(super) fn is_below(path: &Path, directories: &[PathBuf]) -> bool {
    // What does not exist cannot be read; it is reported as missing where it may be named.
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let path = real(path);
    directories
        .iter()
        .any(|directory| path.starts_with(real(directory)))
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for RemoteUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        check_url(text)
    }
}

/// Takes `ssh://…`, `user@host:path`, `https://…` and `file:///…`.
///
/// # Errors
/// A sentence that says what is wrong with anything else.
pub fn check_url(text: &str) -> Result<RemoteUrl, String> {
    let shown = text.escape_debug();
    if text.is_empty() {
        return Err("Give the address of the Git repository.".into());
    }
    if text.len() > crate::sabotage::most("q1", URL_LIMIT) {
        return Err(format!(
            "The address of a repository may have {URL_LIMIT} bytes at most."
        ));
    }
    if text.chars().any(|c| c.is_control() || c == ' ') {
        return Err(format!("“{shown}” has a space or a control character in it."));
    }
    let location = match text.split_once("://") {
        Some(("ssh", _)) => ssh_url(text)?,
        Some(("https", _)) => https_url(text)?,
        Some(("file", path)) => file_url(path)?,
        Some(("http" | "git", _)) => {
            return Err(format!(
                "“{shown}” is not encrypted, so anybody on the way could change what is deployed: use https:// or ssh://."
            ));
        }
        Some(_) => None,
        None => scp_form(text),
    };
    let location = location.ok_or_else(|| {
        format!("“{shown}” is not an address of a repository: write ssh://…, git@host:path, https://… or file:///….")
    })?;
    Ok(RemoteUrl {
        text: text.to_owned(),
        location,
        key: None,
    })
}

fn parse(text: &str) -> Result<url::Url, String> {
    let url = url::Url::parse(text)
        .map_err(|error| format!("“{}” is not an address: {error}.", text.escape_debug()))?;
    if url.password().is_some() {
        return Err("The address holds a password, which everybody who sees the project would see too: use a deploy key, or the file git.https_credentials.".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "“{}” has a “?” or “#” part: leave it out.",
            text.escape_debug()
        ));
    }
    Ok(url)
}

fn ssh_url(text: &str) -> Result<Option<Location>, String> {
    let url = parse(text)?;
    let path = decoded(url.path())?;
    // Git's rule: `ssh://host/~name/x` means a path in a home, everything else is absolute.
    let path = if path.starts_with("/~") {
        path[1..].to_owned()
    } else {
        path
    };
    let user = match url.username() {
        "" => "git".to_owned(),
        user => decoded(user)?,
    };
    let Some(host) = url.host_str() else {
        return Ok(None);
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(ssh_place(user, host, url.port().unwrap_or(SSH_PORT), path))
}

/// `user@host:path`; the user may not be left out, or `C:path` and `ext::sh` would count as hosts.
fn scp_form(text: &str) -> Option<Location> {
    let (user, rest) = text.split_once('@')?;
    let (host, path) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => rest.split_once(':')?,
    };
    if path.starts_with(':') {
        return None;
    }
    ssh_place(user.to_owned(), host.to_owned(), SSH_PORT, path.to_owned())
}

fn ssh_place(user: String, host: String, port: u16, path: String) -> Option<Location> {
    let plain = |text: &str, more: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let usable = plain(&user, "._-+$") && plain(&host, "._-:");
    let named = !path.trim_start_matches('/').is_empty() && !path.starts_with('-');
    (usable && named && port != 0).then_some(Location::Ssh {
        user,
        host,
        port,
        path,
    })
}

fn https_url(text: &str) -> Result<Option<Location>, String> {
    let url = parse(text)?;
    if !url.username().is_empty() {
        return Err("The address names a user or a token, which everybody who sees the project would see too: leave it out, and put a line https://user:token@host into the file git.https_credentials.".into());
    }
    // The parser would take the first word of the path for the host that is missing.
    let hostless = text.starts_with("https:///") || text.contains('\\');
    let Some(host) = url.host_str().filter(|_| !hostless) else {
        return Ok(None);
    };
    let port = url.port().unwrap_or(HTTPS_PORT);
    Ok(Some(Location::Https {
        host: host.to_owned(),
        port,
    }))
}

fn file_url(path: &str) -> Result<Option<Location>, String> {
    let path = decoded(path)?;
    let climbs = path.split('/').any(|part| part == "..");
    if !path.starts_with('/') || path == "/" || climbs {
        return Err(
            "A file:// address needs an absolute path without “..”: file:///srv/git/shop.git.".into(),
        );
    }
    Ok(Some(Location::File {
        path: PathBuf::from(path),
    }))
}

fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| "The % escapes in the address are not UTF-8.".to_owned())?;
    if text.chars().any(char::is_control) {
        return Err("A % escape in the address is a control character.".into());
    }
    Ok(text.into_owned())
}
