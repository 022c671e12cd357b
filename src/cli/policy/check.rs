//! `deployer policy check`: errors, warnings and notes of all files in one run.

use std::path::PathBuf;

use serde::Serialize;

use super::super::config_args::ConfigArgs;
use super::super::data;
use super::super::outcome::{CommandFailure, complain, say};
use super::directory::{directory, say_json};
use crate::access::{Existing, OpenedPolicy, PolicyReport, Problem};
use crate::app::policy;
use crate::clock::Clock;

/// Check all policy files and run their tests.
///
/// Prints every problem of every file as file:line: reason. A policy with errors never takes effect: a
/// server that runs keeps the one in force, and one that starts takes the last good one that it had. Warnings name what is valid and
/// hardly meant, notes what can be written better. With a configuration, names are compared with the
/// projects, environments and users of its database.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 good, 1 errors (with --strict also warnings), 2 wrong command line or configuration."
)]
pub(crate) struct Args {
    /// The directory with model.conf, policy.csv, calendar.toml and tests.toml
    /// [default: the configured one].
    dir: Option<PathBuf>,
    /// Fail on warnings too.
    #[arg(long)]
    strict: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Serialize)]
struct Told<'a> {
    directory: String,
    good: bool,
    tests: usize,
    /// Whether names were compared with a database.
    compared: bool,
    problems: &'a [Problem],
}

pub(super) async fn run(args: &Args) -> Result<(), CommandFailure> {
    let dir = directory(args.dir.as_deref(), &args.config)?;
    let existing = existing(args).await?;
    let report = match OpenedPolicy::open(Some(&dir)) {
        Ok(opened) => opened.check(Clock::System.now(), existing.as_ref()),
        Err(report) => report,
    };
    let good = report.is_good() && !(args.strict && has_warnings(&report));
    if args.json {
        say_json(&Told {
            directory: dir.display().to_string(),
            good,
            tests: report.tests_run,
            compared: existing.is_some(),
            problems: &report.problems,
        })?;
    } else {
        report.problems.iter().for_each(say);
        let (dir, tests) = (dir.display(), report.tests_run);
        match (report.is_good(), good) {
            (true, true) => say(format_args!("{dir}: good; {tests} of its tests passed.")),
            (true, false) => say(format_args!(
                "{dir}: it has warnings, which --strict does not pass."
            )),
            (false, _) => say(format_args!("{dir}: it has errors and would not take effect.")),
        }
    }
    if good {
        Ok(())
    } else {
        Err(CommandFailure::Printed)
    }
}

fn has_warnings(report: &PolicyReport) -> bool {
    report
        .problems
        .iter()
        .any(|problem| !problem.is_error() && !problem.is_note())
}

/// What the database of the configuration knows; `None` where there is no configuration or database.
async fn existing(args: &Args) -> Result<Option<Existing>, CommandFailure> {
    if !args.config.is_given() {
        return Ok(None);
    }
    let config = args.config.load()?;
    let found = async {
        match data::open_existing(&config).await? {
            Some(store) => {
                let found = policy::existing(&store).await;
                store.close().await?;
                found.map(Some)
            }
            None => Ok(None),
        }
    };
    match found.await {
        Ok(found) => Ok(found),
        // The files can be checked without it.
        Err(error) => {
            complain(format_args!(
                "Names were not compared with the database: {}",
                error.message()
            ));
            Ok(None)
        }
    }
}
