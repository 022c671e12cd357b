//! The policy directory that a command works on.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::super::config_args::ConfigArgs;
use super::super::outcome::{CommandFailure, complain, say};
use crate::access::{OpenedPolicy, Problem};
use crate::domain::Error;

/// What is said of a policy that cannot be asked.
const HAS_ERRORS: &str = "The policy has errors; correct them first.";

/// The directory that a question is about.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct DirArgs {
    /// The directory with the policy files [default: the configured one, or what is shipped inside the
    /// program].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

impl DirArgs {
    /// As [`open`]; says so where it is the shipped policy that is asked.
    pub(super) fn open(&self, json: bool) -> Result<OpenedPolicy, CommandFailure> {
        let dir = chosen(self.dir.as_deref(), &self.config)?;
        if dir.is_none() {
            complain(
                "No policy directory is configured: this is what the policy shipped inside the program says. Give --dir, or set access.policies.",
            );
        }
        open(dir.as_deref(), json)
    }
}

/// The given directory, or the configured one; `None`: the shipped policy is in force.
fn chosen(given: Option<&Path>, config: &ConfigArgs) -> Result<Option<PathBuf>, CommandFailure> {
    match given {
        Some(dir) => Ok(Some(dir.to_owned())),
        None => Ok(config.load()?.access.policies),
    }
}

/// As [`chosen`], where there has to be one.
pub(super) fn directory(given: Option<&Path>, config: &ConfigArgs) -> Result<PathBuf, CommandFailure> {
    let Some(dir) = chosen(given, config)? else {
        let sentence = "No policy directory is configured, so the policy shipped inside the program is in force. \
                        Give a directory, or set access.policies.";
        return Err(Error::invalid(sentence).into());
    };
    demand_directory(&dir)?;
    Ok(dir)
}

fn demand_directory(dir: &Path) -> Result<(), CommandFailure> {
    if dir.is_dir() {
        return Ok(());
    }
    let sentence = format!("There is no directory {}.", dir.display());
    Err(Error::invalid(sentence).into())
}

/// Opens a policy to ask it something; prints what keeps it from that, with `json` as JSON too.
pub(super) fn open(dir: Option<&Path>, json: bool) -> Result<OpenedPolicy, CommandFailure> {
    if let Some(dir) = dir {
        demand_directory(dir)?;
    }
    OpenedPolicy::open(dir).map_err(|report| {
        let errors: Vec<&Problem> = report
            .problems
            .iter()
            .filter(|problem| problem.is_error())
            .collect();
        errors.iter().for_each(complain);
        complain(HAS_ERRORS);
        if json {
            say(json!({ "error": HAS_ERRORS, "problems": errors }));
        }
        CommandFailure::Printed
    })
}

/// What came of a command; with `json`, an error is printed as JSON beside the sentence about it.
pub(super) fn told(json: bool, done: Result<(), CommandFailure>) -> Result<(), CommandFailure> {
    done.inspect_err(|failure| match failure {
        CommandFailure::Printed => {}
        failure if json => say(json!({ "error": failure.to_string() })),
        _ => {}
    })
}

/// Prints `value` as JSON.
pub(super) fn say_json(value: &impl Serialize) -> Result<(), CommandFailure> {
    let text = serde_json::to_string_pretty(value).map_err(Error::internal)?;
    say(text);
    Ok(())
}
