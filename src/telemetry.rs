//! What the deployer tells about itself: `tracing` events on standard error, for people or as JSON.
//!
//! Chatty crates are held to warnings unless the filter names them. Secrets have types of their own
//! (`config::Secret`) whose debug form hides them, so no field of an event can show one by accident.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Crates whose own “info” is our “debug”: they tell of each query, each connection, each decision.
const QUIET: [&str; 9] = [
    "casbin",
    "sqlx",
    "sea_orm",
    "sea_orm_migration",
    "russh",
    "hyper",
    "hyper_util",
    "poem",
    "h2",
];

/// Starts telling, as `log` says. Later calls change nothing, so tests may call it too.
pub fn start(log: &Log) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter(&log.filter)))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let started = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "telemetry runs already");
    }
}

/// The directives of `asked`, with those that quieten chatty crates before them unless it names
/// these crates itself.
fn filter(asked: &str) -> String {
    let named = |name: &&&str| {
        asked.split(',').any(|part| {
            part.strip_prefix(**name)
                .is_some_and(|rest| rest.starts_with(['=', ':', '[']))
        })
    };
    let quiet = QUIET
        .iter()
        .filter(|name| !named(name))
        .map(|name| format!("{name}=warn,"));
    quiet.collect::<String>() + asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chatty_crates_are_quiet_unless_named() {
        let directives = filter("debug,sqlx::query=debug");
        assert!(directives.contains("casbin=warn,") && directives.ends_with("debug,sqlx::query=debug"));
        assert!(!directives.contains("sqlx=warn"), "{directives}");
        assert!(EnvFilter::try_new(directives).is_ok());
    }
}
