//! `deployer deploy`, `status`, `log` and the like: the client of the JSON API, for people at a terminal and for
//! jobs of a CI.
//!
//! It decides nothing: each command is a request or two, and the sentence that comes back. What differs is the exit
//! code, by which a job tells a refusal from a failure. `docs/cli.md` has the codes and ready steps.

mod acts;
mod connection;
mod deploy;
mod locks;
mod settings;
mod status;
mod targets;
mod watching;

use clap::Subcommand;

use super::outcome::CommandFailure;

/// What the help of each of these commands ends with.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 it succeeded, 1 it failed, 2 wrong command line or input, 3 not \
     allowed, 4 waits for a person (an approval, an answer), 5 the deployer cannot be reached.";

/// Commands that a deployer elsewhere carries out.
#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    #[command(after_help = EXIT_CODES)]
    Deploy(deploy::Args),
    #[command(after_help = EXIT_CODES)]
    Status(status::Args),
    #[command(after_help = EXIT_CODES)]
    Log(watching::LogArgs),
    /// Roll back to what ran before.
    #[command(after_help = EXIT_CODES)]
    Rollback(acts::FollowUpArgs),
    /// Promote a commit that succeeded to the next environment.
    #[command(after_help = EXIT_CODES)]
    Promote(acts::PromoteArgs),
    /// Cancel a deployment that waits or runs.
    #[command(after_help = EXIT_CODES)]
    Cancel(acts::ActArgs),
    /// Pause a running deployment after its current batch.
    #[command(after_help = EXIT_CODES)]
    Pause(acts::ActArgs),
    /// Continue a paused deployment.
    #[command(after_help = EXIT_CODES)]
    Continue(acts::ActArgs),
    /// Approve a deployment that somebody else requested.
    #[command(after_help = EXIT_CODES)]
    Approve(acts::ActArgs),
    #[command(after_help = EXIT_CODES)]
    Lock(locks::LockArgs),
    #[command(after_help = EXIT_CODES)]
    Unlock(locks::UnlockArgs),
    #[command(after_help = EXIT_CODES)]
    Who(status::WhoArgs),
    #[command(after_help = EXIT_CODES)]
    Open(status::OpenArgs),
}

pub(super) async fn run(command: ClientCommand) -> Result<(), CommandFailure> {
    match command {
        ClientCommand::Deploy(args) => deploy::run(&args).await,
        ClientCommand::Status(args) => status::run(&args).await,
        ClientCommand::Log(args) => watching::run(&args).await,
        ClientCommand::Rollback(args) => acts::roll_back(&args).await,
        ClientCommand::Promote(args) => acts::promote(&args).await,
        ClientCommand::Cancel(args) => acts::act(&args, "cancel").await,
        ClientCommand::Pause(args) => acts::act(&args, "pause").await,
        ClientCommand::Continue(args) => acts::go_on(&args).await,
        ClientCommand::Approve(args) => acts::act(&args, "approve").await,
        ClientCommand::Lock(args) => locks::lock(&args).await,
        ClientCommand::Unlock(args) => locks::unlock(&args).await,
        ClientCommand::Who(args) => status::who(&args).await,
        ClientCommand::Open(args) => status::open(&args).await,
    }
}
