//! The policy directory that a command works on.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::config_args::ConfigArgs;
use super::super::outcome::{CommandFailure, complain, say};
use crate::access::OpenedPolicy;
use crate::domain::Error;

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
    pub(super) fn open(&self) -> Result<OpenedPolicy, CommandFailure> {
        open(chosen(self.dir.as_deref(), &self.config)?.as_deref())
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

/// Opens a policy to ask it something; prints what keeps it from that.
pub(super) fn open(dir: Option<&Path>) -> Result<OpenedPolicy, CommandFailure> {
    if let Some(dir) = dir {
        demand_directory(dir)?;
    }
    OpenedPolicy::open(dir).map_err(|report| {
        report
            .problems
            .iter()
            .filter(|problem| problem.is_error())
            .for_each(complain);
        complain("The policy has errors; correct them first.");
        CommandFailure::Printed
    })
}

/// Prints `value` as JSON.
pub(super) fn say_json(value: &impl Serialize) -> Result<(), CommandFailure> {
    let text = serde_json::to_string_pretty(value).map_err(Error::internal)?;
    say(text);
    Ok(())
}
