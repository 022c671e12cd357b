//! The logins of HTTPS hosts, from a file as `git credential-store` keeps it: `https://user:token@host` on
//! each line. Each is for one host and one port.
//!
//! The file is read for every fetch, so that a changed token needs no restart.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use url::Url;

use super::error::{Error, Result};
use crate::small_file;

/// Bytes that the file may have.
const LONGEST_FILE: u64 = 1024 * 1024;

/// How a line has to be written.
pub const FORM: &str = "https://user:token@host, with :port where that is not 443";

/// A user's name and token.
#[derive(Clone)]
pub(super) struct GitLogin {
    pub(super) user: String,
    token: String,
}

impl GitLogin {
    pub(super) fn header(&self) -> Result<HeaderValue> {
        let pair = STANDARD.encode(format!("{}:{}", self.user, self.token));
        let mut value = HeaderValue::from_str(&format!("Basic {pair}"))
            .map_err(|error| Error::Invalid(error.to_string()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// A line of the file.
struct Stored {
    /// IPv6 without brackets.
    host: String,
    port: u16,
    login: GitLogin,
}

/// The lines with their numbers, from 1; `None` for one that cannot be read. Empty ones and comments are left
/// out.
fn lines(text: &str) -> impl Iterator<Item = (usize, Option<Stored>)> {
    let all = (1..).zip(text.lines().map(str::trim));
    all.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| (number, stored(line)))
}

fn stored(line: &str) -> Option<Stored> {
    let url = Url::parse(line).ok().filter(|url| url.scheme() == "https")?;
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
    Some(Stored {
        host: host.to_owned(),
        port: url.port_or_known_default()?,
        login: GitLogin {
            user: decoded(url.username()),
            token: decoded(url.password()?),
        },
    })
}

/// The login for `host` and `port` in the file.
pub(super) fn stored_login(file: &Path, host: &str, port: u16) -> Option<GitLogin> {
    let text = small_file::read_text(file, LONGEST_FILE).ok()?;
    let mut known = lines(&text).filter_map(|(_, line)| line);
    let found = known.find(|line| line.host == host && line.port == port);
    found.map(|line| line.login)
}

/// The numbers of the lines in the file that cannot be read.
///
/// # Errors
/// When the file cannot be read.
pub fn unreadable_credentials(file: &Path) -> io::Result<Vec<usize>> {
    let text = small_file::read_text(file, LONGEST_FILE)?;
    let bad = lines(&text).filter(|(_, line)| line.is_none());
    Ok(bad.map(|(number, _)| number).collect())
}

/// Why there is no login for `host` and `port`, which a sentence calls `shown`: short words that name the
/// setting, and the lines that were perhaps meant.
pub(super) fn why_none(file: Option<&Path>, (host, port): (&str, u16), shown: &str) -> String {
    let Some(file) = file else {
        return format!(
            "there is no login for it, as git.https_credentials is not set: a file with a line https://user:token@{shown}"
        );
    };
    let text = match small_file::read_text(file, LONGEST_FILE) {
        Ok(text) => text,
        Err(error) => {
            return format!(
                "the file {}, which git.https_credentials names, cannot be read ({error})",
                file.display()
            );
        }
    };
    let mut why = format!(
        "the file {}, which git.https_credentials names, has no line https://user:token@{shown}",
        file.display()
    );
    for (number, line) in lines(&text) {
        match line {
            None => why.push_str(&format!("; its line {number} is not of that form")),
            Some(line) if line.host == host && line.port != port => {
                why.push_str(&format!("; its line {number} is for port {}", line.port));
            }
            Some(_) => {}
        }
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "not an address\nhttp://a:plain@git.example\n# mine\n\nhttps://b:other@git.example:8443\n\
                         https://c:p%40ss@git.example\nhttps://d:v6@[::1]:444\nhttps://token@git.example\n";

    fn file() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), LINES).unwrap();
        file
    }

    #[test]
    fn a_login_is_for_one_host_and_one_port() {
        let file = file();
        let found = |host, port| {
            let login = stored_login(file.path(), host, port)?;
            Some(format!("{} {}", login.user, login.token))
        };
        assert_eq!(found("git.example", 443).as_deref(), Some("c p@ss"));
        assert_eq!(found("git.example", 8443).as_deref(), Some("b other"));
        assert_eq!(found("git.example", 9443), None);
        assert_eq!(found("example", 443), None);
        assert_eq!(found("::1", 444).as_deref(), Some("d v6"));
    }

    #[test]
    fn lines_that_are_passed_over_are_told() {
        let file = file();
        assert_eq!(unreadable_credentials(file.path()).unwrap(), [1, 2, 8]);
        let why = why_none(Some(file.path()), ("git.example", 9443), "git.example:9443");
        assert!(
            why.contains(
                "which git.https_credentials names, has no line https://user:token@git.example:9443;"
            ),
            "{why}"
        );
        for told in [
            "its line 1 is not of that form",
            "its line 2 is not",
            "its line 5 is for port 8443",
            "its line 6 is for port 443",
            "its line 8 is not",
        ] {
            assert!(why.contains(told), "{told}: {why}");
        }
        assert!(!why.contains("line 7") && !why.contains("p%40ss"), "{why}");
        let unset = why_none(None, ("git.example", 443), "git.example");
        assert!(unset.contains("git.https_credentials is not set"), "{unset}");
        let gone = why_none(Some(Path::new("/no/where")), ("a", 443), "a");
        assert!(
            gone.contains("/no/where") && gone.contains("cannot be read"),
            "{gone}"
        );
    }
}
