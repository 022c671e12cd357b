//! The deployer's own log: `tracing` events on standard error, for people or as JSON.
//!
//! Chatty crates are held to warnings unless the filter names them. Secrets have types of their own
//! (`config::Secret`) whose debug form hides them, so no field of an event can show one by accident.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Crates whose own “info” is our “debug”: they log each query, each connection, each decision.
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

/// Starts logging as `log` says. Later calls change nothing, so tests may call it too.
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

/// Shows warnings of a command that prints its result itself, without time and place.
pub fn start_for_command() {
    let started = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter("warn")))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .without_time()
        .with_target(false)
        .try_init();
    if let Err(error) = started {
        tracing::debug!(%error, "telemetry runs already");
    }
}

/// The directives of `asked`, after those that quieten chatty crates: a later directive for the same crate
/// replaces an earlier one.
fn filter(asked: &str) -> String {
    QUIET.map(|name| format!("{name}=warn,")).concat() + asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chatty_crates_are_quiet_unless_named() {
        let directives = |asked: &str| EnvFilter::try_new(filter(asked)).unwrap().to_string();
        let one = directives("debug,sqlx=info,hyper_util::client=trace");
        let all: Vec<&str> = one.split(',').collect();
        for kept in ["debug", "casbin=warn", "sqlx=info", "hyper_util::client=trace"] {
            assert!(all.contains(&kept), "{kept} of {one}");
        }
        assert!(!all.contains(&"sqlx=warn"), "{one}");
    }
}
