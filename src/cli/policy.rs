//! `deployer policy`: what a sysadmin asks before and after editing the policy. No command needs a
//! server; each reads a directory.

use clap::Subcommand;

use super::outcome::CommandFailure;

mod check;
mod diff;
mod directory;
mod explain;
mod fmt;
mod test;
mod who;

/// Check the policy files, and ask them questions.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    Check(check::Args),
    Test(test::Args),
    Explain(explain::Args),
    Who(who::Args),
    Diff(diff::Args),
    Fmt(fmt::Args),
}

pub(super) async fn run(command: &PolicyCommand) -> Result<(), CommandFailure> {
    match command {
        PolicyCommand::Check(args) => check::run(args).await,
        PolicyCommand::Test(args) => test::run(args),
        PolicyCommand::Explain(args) => explain::run(args),
        PolicyCommand::Who(args) => who::run(args),
        PolicyCommand::Diff(args) => diff::run(args),
        PolicyCommand::Fmt(args) => fmt::run(args),
    }
}
