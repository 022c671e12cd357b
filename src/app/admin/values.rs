//! Types whose values keep the rules of their field, whether a form or a program made them.

use std::str::FromStr;

use crate::domain::names::checked_text;
use crate::domain::{EnvironmentOptions, SyncMethod};
use crate::git;
use crate::sync::Rules;

/// The longest host name, in bytes (RFC 1035).
const ADDRESS_LIMIT: usize = 253;
/// The longest login name on a server (Linux: 32; the user directories of large companies have longer ones).
const USER_LIMIT: usize = 64;
/// The longest description, in characters: a sentence or two.
const DESCRIPTION_LIMIT: usize = 500;
/// The most lines of a list of words.
const MOST_TEXTS: usize = 50;
/// The longest of them, in characters.
const TEXT_LIMIT: usize = 200;

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Within<MIN, MAX> {
    /// The number, in a type that holds all of the range.
    pub fn get<T: TryFrom<u32> + Default>(self) -> T {
        T::try_from(self.0).unwrap_or_default()
    }
}

impl<const MIN: u32, const MAX: u32> TryFrom<u32> for Within<MIN, MAX> {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        if (MIN..=MAX).contains(&number) {
            return Ok(Self(number));
        }
        Err(format!("Write a whole number from {MIN} to {MAX}."))
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for Within<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim().parse::<u32>().ok();
        let outside = || format!("Write a whole number from {MIN} to {MAX}.");
        number.ok_or_else(outside).and_then(Self::try_from)
    }
}

checked_text! {
    /// A host name or an IP address, without user and port.
    Address, address
}
checked_text! {
    /// The user to log in as on servers.
    RemoteUser, remote_user
}
checked_text! {
    /// A group on servers, by its name or number.
    ServerGroup, server_group
}
checked_text! {
    /// A sentence about something; may be empty.
    Description, description
}
checked_text! {
    /// The address of a Git repository.
    GitUrl, git_url
}

fn address(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("Enter a host name or IP address.".to_owned());
    }
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || ".-_:%".contains(c));
    if !plain || text.starts_with('-') || text.len() > ADDRESS_LIMIT {
        return Err(format!(
            "“{}” is neither a host name nor an IP address. Enter no user and no port here.",
            text.escape_debug()
        ));
    }
    let looks_like_port = text.matches(':').count() == 1;
    if looks_like_port {
        return Err("This holds a port. Enter host and port apart.".to_owned());
    }
    Ok(())
}

fn remote_user(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("Enter the user to log in as on the servers.".to_owned());
    }
    account_there(text, "user", "._-@$")
}

fn server_group(text: &str) -> Result<(), String> {
    account_there(text, "group", "._-@")
}

/// Checks the name of a user or group (`what`) on servers, which may hold letters, digits and `others`.
fn account_there(text: &str, what: &str, others: &str) -> Result<(), String> {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || others.contains(c));
    if !starts_well || !plain || text.len() > USER_LIMIT {
        return Err(format!(
            "“{}” cannot be a {what}: use letters, digits, “.”, “_”, “-” and “@”, beginning with a letter or digit.",
            text.escape_debug()
        ));
    }
    Ok(())
}

fn description(text: &str) -> Result<(), String> {
    if text.chars().count() > DESCRIPTION_LIMIT {
        return Err(format!("Keep it under {DESCRIPTION_LIMIT} characters."));
    }
    Ok(())
}

fn git_url(text: &str) -> Result<(), String> {
    git::check_url(text).map(drop)
}

/// Paths that are never sent and never deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excluded(pub(super) Vec<String>);

impl TryFrom<Vec<String>> for Excluded {
    type Error = String;

    fn try_from(excluded: Vec<String>) -> Result<Self, String> {
        let options = EnvironmentOptions {
            excluded,
            ..EnvironmentOptions::default()
        };
        Rules::new(&options, SyncMethod::InPlace).map_err(|error| error.to_string())?;
        Ok(Self(options.excluded))
    }
}

/// Short texts, one per line of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordLines(pub(super) Vec<String>);

impl TryFrom<Vec<String>> for WordLines {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        let is_long = |text: &String| text.chars().count() > TEXT_LIMIT;
        if texts.iter().any(|text| text.trim().is_empty()) {
            return Err("An empty text is in every message. Leave it out.".to_owned());
        }
        if texts.len() > MOST_TEXTS || texts.iter().any(is_long) {
            return Err(format!(
                "Write at most {MOST_TEXTS} lines of at most {TEXT_LIMIT} characters."
            ));
        }
        Ok(Self(texts))
    }
}

/// Paths that releases share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedPaths(pub(super) Vec<String>);

impl TryFrom<Vec<String>> for SharedPaths {
    type Error = String;

    fn try_from(shared: Vec<String>) -> Result<Self, String> {
        let options = EnvironmentOptions {
            shared,
            ..EnvironmentOptions::default()
        };
        Rules::new(&options, SyncMethod::Symlink).map_err(|error| error.to_string())?;
        Ok(Self(options.shared))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_nothing_more() {
        for good in ["web1", "web1.shop.example", "10.0.0.1", "::1", "fe80::1%eth0"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "web1:22",
            "deploy@web1",
            "-oProxyCommand=x",
            "web 1",
            "wéb",
            "$(id)",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_remote_user_is_plain() {
        for good in ["deploy", "_www", "ops@corp.example"] {
            assert!(remote_user(good).is_ok(), "{good}");
        }
        for bad in ["", "-l", "a b", "root;id", "é"] {
            assert!(remote_user(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_keep_to_their_range() {
        let read = |text: &str| text.parse::<Within<1, 5>>().map(Within::get::<u16>);
        assert_eq!(read(" 5 "), Ok(5));
        for bad in ["0", "6", "", "-1", "1.5", "many"] {
            let wrong = "Write a whole number from 1 to 5.".to_owned();
            assert_eq!(read(bad), Err(wrong), "{bad}");
        }
    }
}
