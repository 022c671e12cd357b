//! `deployer policy test`: runs tests.toml.

use std::path::PathBuf;

use serde::Serialize;

use super::super::config_args::ConfigArgs;
use super::super::outcome::{CommandFailure, say};
use super::directory::{directory, open, say_json, told};
use crate::access::Problem;
use crate::domain::PolicyLine;

/// Run the policy's own tests.
///
/// Prints each expectation of tests.toml that does not hold, with the line that decided.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all hold, 1 some do not or the policy has errors, 2 wrong command line or configuration."
)]
pub(crate) struct Args {
    /// The directory with the policy files [default: the configured one].
    dir: Option<PathBuf>,
    /// Name the lines of policy.csv that no test exercises.
    #[arg(long)]
    coverage: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Serialize)]
struct Told {
    tests: usize,
    failures: Vec<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unexercised: Option<Vec<PolicyLine>>,
}

pub(super) fn run(args: &Args) -> Result<(), CommandFailure> {
    told(args.json, answer(args))
}

fn answer(args: &Args) -> Result<(), CommandFailure> {
    let dir = directory(args.dir.as_deref(), &args.config)?;
    let opened = open(Some(&dir), args.json)?;
    let (tests, failures) = opened.tests();
    let failed = failures.len();
    let unexercised = args.coverage.then(|| opened.unexercised());
    if args.json {
        say_json(&Told {
            tests,
            failures,
            unexercised,
        })?;
    } else {
        failures.iter().for_each(say);
        for line in unexercised.iter().flatten() {
            say(format_args!(
                "{}:{}: no test exercises “{}”",
                line.file, line.line, line.text
            ));
        }
        match (tests, failed) {
            (0, 0) => say("There are no tests."),
            (tests, 0) => say(format_args!("All {tests} tests hold.")),
            (_, failed) => say(format_args!("{failed} tests do not hold.")),
        }
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(CommandFailure::Printed)
    }
}
