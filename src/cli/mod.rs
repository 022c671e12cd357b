//! The command line: one file per command, each a few lines that call the library and print the
//! result.
//!
//! Results go to standard output, everything else to standard error. The exit code is 0 for success,
//! 1 for failure, 2 for a wrong command line or configuration; what another deployer is asked ([`client`]) has
//! further ones.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::outcome::{CommandFailure, complain};
use crate::domain::Error;
use crate::process;
use crate::telemetry;

mod audit;
mod client;
mod config_args;
mod data;
mod days;
mod demo;
mod git_check;
mod key;
mod manuals;
mod migrate;
mod outcome;
mod policy;
mod serve;
mod signals;
mod ssh_check;
mod token;
mod user;

/// Puts Git commits onto servers over SSH, safely, and shows who did what, when and why it was
/// allowed.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 for success, 1 for failure, 2 for a wrong command line or configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Migrate(migrate::Args),
    #[command(subcommand)]
    User(user::UserCommand),
    #[command(subcommand)]
    Token(token::TokenCommand),
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    #[command(subcommand)]
    Key(key::KeyCommand),
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    GitCheck(git_check::Args),
    SshCheck(ssh_check::Args),
    Completions(manuals::CompletionArgs),
    Man(manuals::ManualArgs),
    #[command(flatten)]
    Client(Box<client::ClientCommand>),
}

/// Runs the command given on the command line.
pub fn main() -> ExitCode {
    process::keep_open_files_to_ourselves();
    let CommandLine { command } = CommandLine::parse();
    let done = tokio::runtime::Runtime::new()
        .map_err(|cause| {
            CommandFailure::Failed(Error::unavailable("The system cannot start any threads.").because(cause))
        })
        .and_then(|runtime| {
            let done = runtime.block_on(run(command));
            // A prompt or a slow disk that is still being read must not delay the exit.
            runtime.shutdown_background();
            done
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, CommandFailure::Printed | CommandFailure::Exit(_)) {
                complain(&failure);
            }
            ExitCode::from(failure.code())
        }
    }
}

async fn run(command: Command) -> Result<(), CommandFailure> {
    if !matches!(command, Command::Demo(_) | Command::Serve(_)) {
        telemetry::start_for_command();
    }
    match command {
        Command::Demo(args) => demo::run(&args).await,
        Command::Serve(args) => serve::run(&args).await,
        Command::Migrate(args) => migrate::run(&args).await,
        Command::User(command) => user::run(command).await,
        Command::Token(command) => token::run(command).await,
        Command::Policy(command) => policy::run(&command).await,
        Command::Key(command) => key::run(command).await,
        Command::Audit(command) => audit::run(command).await,
        Command::GitCheck(args) => git_check::run(&args).await,
        Command::SshCheck(args) => ssh_check::run(&args).await,
        Command::Completions(args) => {
            manuals::complete::<CommandLine>(&args);
            Ok(())
        }
        Command::Man(args) => manuals::write::<CommandLine>(&args),
        Command::Client(command) => Box::pin(client::run(*command)).await,
    }
}
