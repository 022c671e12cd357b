//! The passwords of statistics pages.
//!
//! They are in a file on the deployer's host, one line `http://user:password@host:port` each, with
//! `#` before comments. Each line is bound to one scheme, host and port, and is sent nowhere else.
//! The file is read whenever a balancer is opened, so that a changed password needs no restart.

use std::fmt;
use std::path::Path;

use percent_encoding::percent_decode_str;
use url::Url;

use super::Error;
use crate::small_file;

/// Bytes that the file may have.
const LONGEST_FILE: u64 = 1024 * 1024;

/// A user's name and password for one page.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login of {}", self.user)
    }
}

/// The passwords in the file.
#[derive(Debug, Clone, Default)]
pub struct PasswordFile(Vec<(Origin, Login)>);

/// Scheme, host and port.
type Origin = (String, String, u16);

impl PasswordFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Credentials`], which names the malformed line but never quotes it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let unusable = |reason: String| Error::Credentials {
            path: path.to_owned(),
            reason,
        };
        let text = small_file::read_text(path, LONGEST_FILE).map_err(|error| unusable(error.to_string()))?;
        Self::parse(&text).map_err(unusable)
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// Short words that name the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut logins = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let login = login(line).ok_or_else(|| {
                format!(
                    "line {} is not of the form http://user:password@host:port",
                    at + 1
                )
            })?;
            logins.push(login);
        }
        Ok(Self(logins))
    }

    /// The login for the page at `url`.
    pub(super) fn of(&self, url: &Url) -> Option<Login> {
        let origin = origin(url)?;
        let found = self.0.iter().find(|(known, _)| *known == origin)?;
        Some(found.1.clone())
    }
}

fn login(line: &str) -> Option<(Origin, Login)> {
    let url = Url::parse(line).ok()?;
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
    let user = decoded(url.username()).filter(|user| !user.is_empty() && !user.contains(':'))?;
    let password = decoded(url.password()?)?;
    Some((origin(&url)?, Login { user, password }))
}

fn origin(url: &Url) -> Option<Origin> {
    let scheme = Some(url.scheme()).filter(|scheme| ["http", "https"].contains(scheme))?;
    let host = url.host_str()?.to_ascii_lowercase();
    Some((scheme.to_owned(), host, url.port_or_known_default()?))
}
