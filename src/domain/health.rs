//! The health check: whether a server serves its new release.
//!
//! A [`HealthCheck`] sends a [`Probe`] from the deployer or the server ([`AskedFrom`]) repeatedly, as a
//! service needs a while to come up: until enough answers in a row were good, or the attempts are
//! used up. Everything has a default, so that stored checks survive new fields. The module `health`
//! sends the probes; this one only describes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{FieldErrors, Result};

#[cfg(test)]
mod tests;

/// The longest pause between attempts, in seconds: a server that needs longer should not be waited for.
pub const LONGEST_INTERVAL: u64 = 600;
/// The most attempts: with the usual pause half an hour.
pub const MOST_ATTEMPTS: u64 = 1000;
/// The longest one attempt may take, in seconds.
pub const LONGEST_LIMIT: u64 = 600;
/// The longest path, in bytes; servers take more, people do not.
pub const LONGEST_PATH: usize = 1024;
/// The longest text that is looked for, in characters.
pub const LONGEST_TEXT: usize = 500;
/// The longest command line, in bytes.
pub const LONGEST_COMMAND: usize = 4000;
/// The longest host name, in bytes, as DNS has it, with a port.
const LONGEST_HOST: usize = 259;

/// How many redirects one attempt follows: a sign-in page and a language are two.
pub const MOST_REDIRECTS: u32 = 5;

/// How a server is checked after its new release was activated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    pub probe: Probe,
    pub from: AskedFrom,
    /// Seconds from the end of an attempt to the beginning of the next.
    pub interval: u64,
    /// The most attempts.
    pub attempts: u32,
    /// How many good answers in a row are wanted.
    pub successes: u32,
    /// Seconds that one attempt may take.
    pub limit: u64,
}

words! {
    /// Where probes are sent from.
    AskedFrom {
        /// From the deployer's host, over the network.
        Deployer = "deployer", "The deployer";
        /// From the server itself, through the SSH connection.
        Server = "server", "The server itself";
    }
}

/// One question to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Probe {
    /// A page is fetched.
    Http(HttpProbe),
    /// A port accepts a connection.
    Tcp(TcpProbe),
    /// A command ends with code 0.
    Command(CommandProbe),
}

/// A page to fetch, and the expected answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpProbe {
    /// TCP port.
    pub port: u16,
    /// Path, perhaps with a query.
    pub path: String,
    /// Whether to speak TLS.
    pub tls: bool,
    /// Whether the certificate has to be valid for the host that is asked for; only with TLS.
    pub verify: bool,
    /// The `Host` header; empty: the server's own address and port.
    pub host: String,
    /// The statuses that count as healthy.
    pub status: Statuses,
    /// Text that has to be in the page; empty: any page will do.
    pub text: String,
    /// Whether redirects on the same host are followed, at most [`MOST_REDIRECTS`] of them.
    pub redirects: bool,
}

/// A port to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TcpProbe {
    /// TCP port.
    pub port: u16,
}

/// A command to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommandProbe {
    /// A line for `sh -c`. It finds the variables that scripts find.
    pub line: String,
}

/// Statuses of HTTP, from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Statuses {
    from: u16,
    to: u16,
}

impl Default for HealthCheck {
    /// Half a minute or more for a service to come up.
    fn default() -> Self {
        Self {
            probe: Probe::Http(HttpProbe::default()),
            from: AskedFrom::Deployer,
            interval: 2,
            attempts: 15,
            successes: 1,
            limit: 5,
        }
    }
}

impl Default for HttpProbe {
    fn default() -> Self {
        Self {
            port: 80,
            path: "/".to_owned(),
            tls: false,
            verify: true,
            host: String::new(),
            status: Statuses::default(),
            text: String::new(),
            redirects: false,
        }
    }
}

impl Default for TcpProbe {
    fn default() -> Self {
        Self { port: 80 }
    }
}

impl Default for Statuses {
    /// Success and redirects, as in HAProxy.
    fn default() -> Self {
        Self { from: 200, to: 399 }
    }
}

impl Statuses {
    /// Whether `status` is one of them.
    pub fn contains(self, status: u16) -> bool {
        (self.from..=self.to).contains(&status)
    }
}

impl FromStr for Statuses {
    type Err = String;

    /// `200`, or `200-399` (a dash of any length).
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (from, to) = text.split_once(['-', '–', '—']).unwrap_or((text, text));
        let number = |text: &str| text.trim().parse::<u16>().ok();
        match (number(from), number(to)) {
            (Some(from), Some(to)) if 100 <= from && from <= to && to <= 599 => Ok(Self { from, to }),
            _ => Err("Write a status such as 200, or two with a dash such as 200-399.".to_owned()),
        }
    }
}

impl TryFrom<String> for Statuses {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Statuses> for String {
    fn from(statuses: Statuses) -> Self {
        statuses.to_string()
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            return write!(f, "{}", self.from);
        }
        write!(f, "{}-{}", self.from, self.to)
    }
}

impl HealthCheck {
    /// Whether it runs a command on the deployer's host.
    pub fn runs_on_deployer(&self) -> bool {
        matches!(self.probe, Probe::Command(_)) && self.from == AskedFrom::Deployer
    }

    /// Whether its settings are valid.
    ///
    /// # Errors
    /// One complaint per field; the fields have the names used here, with `health_` in front.
    pub fn validate(&self) -> Result<()> {
        let mut wrong = FieldErrors::default();
        let mut add = |field: &str, complaint: Result<(), String>| {
            if let Err(message) = complaint {
                wrong.add(format!("health_{field}"), message);
            }
        };
        match &self.probe {
            Probe::Http(http) => {
                add("port", port(http.port));
                add("path", path(&http.path));
                add("host", host(&http.host));
                add("text", text(&http.text));
            }
            Probe::Tcp(tcp) => add("port", port(tcp.port)),
            Probe::Command(command) => add("command", command_line(&command.line)),
        }
        add("interval", within(self.interval, 0, crate::sabotage::most("u38", LONGEST_INTERVAL)));
        add("attempts", within(self.attempts.into(), 1, crate::sabotage::most("u37", MOST_ATTEMPTS)));
        add(
            "successes",
            within(self.successes.into(), 1, self.attempts.max(1).into()),
        );
        add("limit", within(self.limit, 1, crate::sabotage::most("u11", LONGEST_LIMIT)));
        wrong.none()
    }
}

/// For people, as the middle of a sentence: `GET /up on port 8080, asked by the deployer`.
impl fmt::Display for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.probe {
            Probe::Http(http) => {
                let tls = if http.tls { " with TLS" } else { "" };
                write!(f, "GET {} on port {}{tls}", http.path, http.port)?;
            }
            Probe::Tcp(tcp) => write!(f, "a connection to port {}", tcp.port)?,
            Probe::Command(command) => write!(f, "“{}”", command.line)?,
        }
        let command = matches!(self.probe, Probe::Command(_));
        f.write_str(match (command, self.from) {
            (false, AskedFrom::Deployer) => ", asked by the deployer",
            (false, AskedFrom::Server) => ", asked by the server itself",
            (true, AskedFrom::Deployer) => ", run on the deployer's host",
            (true, AskedFrom::Server) => ", run on the server",
        })
    }
}

fn within(number: u64, least: u64, most: u64) -> Result<(), String> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    Err(format!("Write a whole number from {least} to {most}."))
}

fn port(port: u16) -> Result<(), String> {
    within(port.into(), 1, u16::MAX.into())
}

fn path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err("Begin the path with “/”.".to_owned());
    }
    if path.len() > crate::sabotage::most("u33", LONGEST_PATH) {
        return Err(format!("Keep the path under {LONGEST_PATH} characters."));
    }
    if path.contains('#') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "Write the path as it goes over the wire: no blanks, no “#”, other letters as %C3%A9.".to_owned(),
        );
    }
    Ok(())
}

fn host(host: &str) -> Result<(), String> {
    let known = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if host.len() > crate::sabotage::most("u36", LONGEST_HOST) || !host.chars().all(known) {
        return Err("Write a host name alone, such as shop.example, perhaps with a port.".to_owned());
    }
    Ok(())
}

fn text(text: &str) -> Result<(), String> {
    if text.chars().count() > crate::sabotage::most("u34", LONGEST_TEXT) {
        return Err(format!("Keep the text under {LONGEST_TEXT} characters."));
    }
    Ok(())
}

fn command_line(line: &str) -> Result<(), String> {
    if line.trim().is_empty() {
        return Err("Write the command to run.".to_owned());
    }
    if line.len() > crate::sabotage::most("u35", LONGEST_COMMAND) {
        return Err(format!("Keep the command under {LONGEST_COMMAND} characters."));
    }
    if line.chars().any(char::is_control) {
        return Err("Keep the command on one line.".to_owned());
    }
    Ok(())
}
