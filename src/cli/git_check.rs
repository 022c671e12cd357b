//! `deployer git-check`: asks a Git remote for its branches, as the deployer would.

use super::config_args::ConfigArgs;
use super::outcome::{CommandFailure, say};
use crate::app::start;
use crate::domain::{self, Error, KeyName};
use crate::git;

/// Ask a Git remote for its branches, with the keys and known hosts the deployer uses.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// ssh://…, git@host:path, https://… or file://….
    url: String,
    /// The file name of the private key to offer, among those of the configuration [default: all of
    /// git.key_files, in order].
    #[arg(long)]
    key: Option<KeyName>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(args: &Args) -> Result<(), CommandFailure> {
    let options = start::git_options(&args.config.load()?);
    if let Some(key) = &args.key {
        options.keys.demand(key, "git").map_err(Error::invalid)?;
    }
    let remote = git::check_url(&args.url)
        .map_err(Error::invalid)?
        .with_key(args.key.clone());
    let branches = git::probe(&remote, &options).await.map_err(domain::Error::from)?;
    for (branch, commit) in &branches {
        say(format_args!("{commit}\t{branch}"));
    }
    if branches.is_empty() {
        return Err(
            Error::invalid("The repository can be reached but has no branch: push one first.").into(),
        );
    }
    Ok(())
}
