//! `deployer completions` and `deployer man`: what shells and manuals want to know of the command line.

use std::io;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

use super::outcome::{CommandFailure, say};
use crate::domain::Error;

/// Print the completions for a shell.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionArgs {
    shell: Shell,
}

/// Write a manual page for each command into a directory.
#[derive(Debug, clap::Args)]
pub(super) struct ManualArgs {
    /// It is made where it is missing.
    directory: PathBuf,
}

/// Prints the completions of the command line `C`.
pub(super) fn complete<C: CommandFactory>(args: &CompletionArgs) {
    clap_complete::generate(args.shell, &mut C::command(), "deployer", &mut io::stdout());
}

/// Writes the manual pages of the command line `C`.
pub(super) fn write<C: CommandFactory>(args: &ManualArgs) -> Result<(), CommandFailure> {
    let written = std::fs::create_dir_all(&args.directory)
        .and_then(|()| clap_mangen::generate_to(C::command(), &args.directory));
    written.map_err(|cause| {
        let message = format!(
            "The manual pages cannot be written into {}.",
            args.directory.display()
        );
        CommandFailure::Failed(Error::unavailable(message).because(cause))
    })?;
    say(format_args!(
        "The manual pages are in {}.",
        args.directory.display()
    ));
    Ok(())
}
