//! `deployer policy check`: what a sysadmin runs before and after editing the policy.

use std::path::PathBuf;

use clap::Subcommand;

use super::config_args::ConfigArgs;
use super::outcome::{CommandFailure, say};
use crate::access;
use crate::domain::Error;

/// Check the policy files.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Check all policy files and run their tests.
    ///
    /// Prints every problem as file:line: reason. A policy with errors never takes effect; the one in
    /// force stays.
    Check {
        /// The directory with model.conf, policy.csv, calendar.toml and tests.toml
        /// [default: the configured one].
        dir: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(super) fn run(command: &PolicyCommand) -> Result<(), CommandFailure> {
    let PolicyCommand::Check { dir, config } = command;
    let configured = match dir {
        Some(dir) => Some(dir.clone()),
        None => config.load()?.access.policies,
    };
    let Some(dir) = configured else {
        let sentence = "No policy directory is configured, so the policy shipped inside the program is in force. \
                        Give a directory, or set access.policies.";
        return Err(Error::invalid(sentence).into());
    };
    if !dir.is_dir() {
        let sentence = format!("There is no directory {}.", dir.display());
        return Err(Error::invalid(sentence).into());
    }
    let report = access::check(&dir);
    for problem in &report.problems {
        say(problem);
    }
    let tests = report.tests_run;
    if report.is_good() {
        say(format_args!(
            "{}: good; {tests} of its tests passed.",
            dir.display()
        ));
        return Ok(());
    }
    say(format_args!(
        "{}: it has errors and would not take effect.",
        dir.display()
    ));
    Err(CommandFailure::Printed)
}
