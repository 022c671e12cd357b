//! The types of values that keys have: how each is read from TOML and from a variable, and the
//! checks several keys share. Messages follow the key's name and have no full stop.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeValue;
use url::Url;

use crate::domain::{Network, OtherHost, PluginPlace, ProxyException, network};

/// A type that a key can have.
pub(super) trait Value: Sized {
    /// What is expected, with an example, for messages.
    const EXPECTED: &'static str;

    /// Reads a variable's text.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Reads a value of the file; a string reads as a variable would.
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::String(text) => Self::from_text(text),
            other => Err(format!(
                "must be {}, not a TOML {}",
                Self::EXPECTED,
                other.type_str()
            )),
        }
    }
}

impl Value for SocketAddr {
    const EXPECTED: &'static str = "an address and a port in quotes, such as \"127.0.0.1:8080\"";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("must be {}, not “{text}”", Self::EXPECTED))
    }
}

impl Value for Url {
    const EXPECTED: &'static str = "a URL in quotes, such as \"https://deployer.example.org\"";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|reason| format!("must be {}, not “{text}” ({reason})", Self::EXPECTED))
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "a path in quotes, such as \"/var/lib/deployer\"";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }
}

impl Value for String {
    const EXPECTED: &'static str = "text in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("must be {}, not “{text}”", Self::EXPECTED))
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let other = || {
            format!(
                "must be {} without quotes, not a TOML {}",
                Self::EXPECTED,
                value.type_str()
            )
        };
        value.as_bool().ok_or_else(other)
    }
}

impl Value for u32 {
    const EXPECTED: &'static str = "a whole number, such as 4";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("must be {}, not “{text}”", Self::EXPECTED))
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let Some(number) = value.as_integer() else {
            return Err(format!(
                "must be {} without quotes, not a TOML {}",
                Self::EXPECTED,
                value.type_str()
            ));
        };
        let text = number.as_str();
        Self::from_str_radix(text.trim_start_matches('+'), number.radix())
            .map_err(|_| format!("must be {}, not {text}", Self::EXPECTED))
    }
}

/// The units of durations, in seconds.
const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];

impl Value for Duration {
    const EXPECTED: &'static str = "a time in quotes, such as \"30s\", \"10m\", \"2h\" or \"7d\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || format!("must be {}, not “{text}”", Self::EXPECTED);
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(end);
        let (_, factor) = UNITS
            .into_iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(factor).map(Self::from_secs).ok_or_else(wrong)
    }
}

/// Empty text means none.
impl<T: Value> Value for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Ok(None)
        } else {
            T::from_text(text).map(Some)
        }
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        if value.as_str() == Some("") {
            Ok(None)
        } else {
            T::from_toml(value).map(Some)
        }
    }
}

/// In a variable, commas separate the items.
impl<T: Value> Value for Vec<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_text(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(T::from_text)
            .collect()
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let other = || {
            let expected = T::EXPECTED;
            format!(
                "must be a list in [brackets], each of them {expected}, not a TOML {}",
                value.type_str()
            )
        };
        value
            .as_array()
            .ok_or_else(other)?
            .iter()
            .map(|one| T::from_toml(one.get_ref()))
            .collect()
    }
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(•••)")
    }
}

impl Value for Secret {
    const EXPECTED: &'static str = "text in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self::new(text))
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object per line.
    Json,
}

impl Value for LogFormat {
    const EXPECTED: &'static str = "\"text\" or \"json\"";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("must be {}, not “{text}”", Self::EXPECTED)),
        }
    }
}

/// Who has to have a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactorDemand {
    /// Nobody; whoever wants may.
    Optional,
    /// Whoever may administer everything.
    Administrators,
}

impl Value for SecondFactorDemand {
    const EXPECTED: &'static str = "\"optional\" or \"administrators\"";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "optional" => Ok(Self::Optional),
            "administrators" => Ok(Self::Administrators),
            _ => Err(format!("must be {}, not “{text}”", Self::EXPECTED)),
        }
    }
}

/// Whether scripts of repositories are confined on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptConfinement {
    /// Always; where this host cannot, they do not run.
    Auto,
    /// Never.
    Unconfined,
}

impl Value for ScriptConfinement {
    const EXPECTED: &'static str = "\"auto\" or \"unconfined\"";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "unconfined" => Ok(Self::Unconfined),
            _ => Err(format!("must be {}, not “{text}”", Self::EXPECTED)),
        }
    }
}

/// What network confined scripts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptNetwork {
    /// That of this host, its loopback included.
    Host,
    /// One of their own, which leads to the outside but not to this host's loopback.
    Outside,
    /// No network at all.
    None,
}

impl Value for ScriptNetwork {
    const EXPECTED: &'static str = "\"host\", \"outside\" or \"none\"";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "host" => Ok(Self::Host),
            "outside" => Ok(Self::Outside),
            "none" => Ok(Self::None),
            _ => Err(format!("must be {}, not “{text}”", Self::EXPECTED)),
        }
    }
}

impl Value for Network {
    const EXPECTED: &'static str = network::EXPECTED;

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl Value for PluginPlace {
    const EXPECTED: &'static str = "the absolute path of a program, or an address that begins with https://";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("must be {}, not “{text}”", Self::EXPECTED))
    }
}

impl Value for OtherHost {
    const EXPECTED: &'static str = "a host or host:port";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::read(text)
    }
}

impl Value for ProxyException {
    const EXPECTED: &'static str = "a host, an address, a range of addresses or \"*\"";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::read(text)
    }
}

/// A path must not depend on the working directory.
pub(super) fn absolute(path: &Path) -> Result<(), String> {
    if path.parent().is_none() && path.is_absolute() {
        return Err("must not be “/” itself".to_owned());
    }
    if path.is_absolute() {
        return Ok(());
    }
    Err(format!(
        "must be an absolute path (beginning with “/”), not “{}”",
        path.display()
    ))
}

/// As [`absolute`], for a path that may be left out.
pub(super) fn absolute_if_set(path: &Option<PathBuf>) -> Result<(), String> {
    path.as_deref().map_or(Ok(()), absolute)
}

/// As [`absolute`], for each of several.
pub(super) fn all_absolute(paths: &[PathBuf]) -> Result<(), String> {
    paths.iter().try_for_each(|path| absolute(path))
}

/// A duration of zero is always a mistake.
pub(super) fn some_time(time: &Duration) -> Result<(), String> {
    if time.is_zero() {
        Err("must be longer than 0".to_owned())
    } else {
        Ok(())
    }
}

/// Checks that a number is within the limits given by the type parameters.
pub(super) fn within<const LEAST: u32, const MOST: u32>(number: &u32) -> Result<(), String> {
    if (LEAST..=MOST).contains(number) {
        return Ok(());
    }
    Err(format!("must be between {LEAST} and {MOST}, not {number}"))
}

/// Accepts every value of the type.
pub(super) fn any<T>(_: &T) -> Result<(), String> {
    Ok(())
}
