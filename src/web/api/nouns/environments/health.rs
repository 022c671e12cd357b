//! The health check of an environment.

use poem_openapi::{Enum, Object};

use crate::domain::HealthCheck;
use crate::domain::health::{AskedFrom, CommandProbe, HttpProbe, Probe, TcpProbe};
use crate::web::api::fields::Fields;
use crate::web::api::words::Word;

/// The kinds of health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case", rename = "HealthCheckKind")]
pub enum CheckKind {
    /// There is no check.
    None,
    /// A page is fetched.
    Http,
    /// A port accepts a connection.
    Tcp,
    /// A command ends with code 0.
    Command,
}

/// How a server is checked after its new release was activated. What is absent has a default.
#[derive(Debug, Clone, Object)]
#[oai(rename = "HealthCheck", skip_serializing_if_is_none)]
pub struct HealthCheckDto {
    kind: CheckKind,
    /// From where it is asked.
    from: Option<Word<AskedFrom>>,
    /// HTTP and TCP.
    port: Option<u16>,
    /// HTTP: the path, perhaps with a query.
    path: Option<String>,
    tls: Option<bool>,
    /// Whether the certificate has to be valid.
    verify: Option<bool>,
    /// The `Host` header; empty: the server's own address and port.
    host: Option<String>,
    /// The statuses that count as healthy: `200-399`.
    status: Option<String>,
    /// Text that has to be in the page.
    text: Option<String>,
    /// Whether redirects on the same host are followed.
    redirects: Option<bool>,
    /// A line for `sh -c`.
    command: Option<String>,
    /// Seconds between attempts.
    interval: Option<u64>,
    attempts: Option<u32>,
    /// How many good answers in a row are wanted.
    successes: Option<u32>,
    /// Seconds that one attempt may take.
    limit: Option<u64>,
}

impl From<Option<&HealthCheck>> for HealthCheckDto {
    fn from(check: Option<&HealthCheck>) -> Self {
        let plain = |kind| Self {
            kind,
            from: None,
            port: None,
            path: None,
            tls: None,
            verify: None,
            host: None,
            status: None,
            text: None,
            redirects: None,
            command: None,
            interval: None,
            attempts: None,
            successes: None,
            limit: None,
        };
        let Some(check) = check else {
            return plain(CheckKind::None);
        };
        let of_probe = match &check.probe {
            Probe::Http(http) => Self {
                port: Some(http.port),
                path: Some(http.path.clone()),
                tls: Some(http.tls),
                verify: Some(http.verify),
                host: Some(http.host.clone()),
                status: Some(http.status.to_string()),
                text: Some(http.text.clone()),
                redirects: Some(http.redirects),
                ..plain(CheckKind::Http)
            },
            Probe::Tcp(tcp) => Self {
                port: Some(tcp.port),
                ..plain(CheckKind::Tcp)
            },
            Probe::Command(command) => Self {
                command: Some(command.line.clone()),
                ..plain(CheckKind::Command)
            },
        };
        Self {
            from: Some(Word(check.from)),
            interval: Some(check.interval),
            attempts: Some(check.attempts),
            successes: Some(check.successes),
            limit: Some(check.limit),
            ..of_probe
        }
    }
}

impl HealthCheckDto {
    /// The check, where one is wanted and nothing is wrong with it.
    pub fn read(&self, fields: &mut Fields) -> Option<Option<HealthCheck>> {
        let plain = HealthCheck::default();
        let probe = match self.kind {
            CheckKind::None => return Some(None),
            CheckKind::Http => Probe::Http(self.http(fields)?),
            CheckKind::Tcp => Probe::Tcp(TcpProbe {
                port: self.port.unwrap_or(TcpProbe::default().port),
            }),
            CheckKind::Command => Probe::Command(CommandProbe {
                line: self.command.clone().unwrap_or_default().trim().to_owned(),
            }),
        };
        let check = HealthCheck {
            probe,
            from: self.from.map_or(plain.from, |word| word.0),
            interval: self.interval.unwrap_or(plain.interval),
            attempts: self.attempts.unwrap_or(plain.attempts),
            successes: self.successes.unwrap_or(plain.successes),
            limit: self.limit.unwrap_or(plain.limit),
        };
        match check.validate() {
            Ok(()) => Some(Some(check)),
            Err(error) => {
                for wrong in error.field_errors() {
                    let field = wrong.field.replacen("health_", "health.", 1);
                    fields.complain(&field, wrong.message.as_str());
                }
                None
            }
        }
    }

    fn http(&self, fields: &mut Fields) -> Option<HttpProbe> {
        let plain = HttpProbe::default();
        let status = match &self.status {
            None => Some(plain.status),
            Some(text) => fields.take("health.status", text.parse()),
        };
        Some(HttpProbe {
            port: self.port.unwrap_or(plain.port),
            path: self.path.clone().unwrap_or(plain.path),
            tls: self.tls.unwrap_or(plain.tls),
            verify: self.verify.unwrap_or(plain.verify),
            host: self.host.clone().unwrap_or_default(),
            status: status?,
            text: self.text.clone().unwrap_or_default(),
            redirects: self.redirects.unwrap_or(plain.redirects),
        })
    }
}
