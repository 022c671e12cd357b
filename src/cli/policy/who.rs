//! `deployer policy who`: everybody who may do something somewhere.

use super::super::outcome::{CommandFailure, complain, say};
use super::directory::{DirArgs, say_json, told};
use crate::clock::Clock;
use crate::domain::access::GUEST;
use crate::domain::{Action, Error};

/// Name everybody who may do something somewhere, by which lines and in which windows.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 somebody may, 1 nobody may or the policy has errors, 2 wrong command line or configuration."
)]
pub(crate) struct Args {
    /// PROJECT/ENVIRONMENT, PROJECT, everything, or audit, users, policy, servers.
    place: String,
    /// What they may do [default: each action].
    action: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dir: DirArgs,
}

pub(super) fn run(args: &Args) -> Result<(), CommandFailure> {
    told(args.json, answer(args))
}

fn answer(args: &Args) -> Result<(), CommandFailure> {
    let wrong = |sentence: String| CommandFailure::Usage(Error::invalid(sentence));
    let opened = args.dir.open(args.json)?;
    let place = || {
        format!(
            "“{}” is not a place; write PROJECT/ENVIRONMENT, PROJECT, everything, or audit, users, policy, servers.",
            args.place.escape_debug()
        )
    };
    let resource = opened.resource(&args.place).ok_or_else(|| wrong(place()))?;
    opened.unnamed_project(&resource).iter().for_each(complain);
    let actions = match &args.action {
        Some(action) => vec![action.parse::<Action>().map_err(|why| wrong(format!("{why}.")))?],
        None => Action::ALL.to_vec(),
    };
    let found = opened.who(&resource, &actions, Clock::System.now());
    if args.json {
        say_json(&found)?;
    } else {
        for holder in &found.holders {
            let who = if holder.who == GUEST {
                "everybody"
            } else {
                &holder.who
            };
            let with = match holder.with.as_slice() {
                [] => String::new(),
                with => format!(" with {}", with.join(" or ")),
            };
            say(format_args!(
                "{who} may {}{with}: {}",
                holder.action, holder.windows
            ));
            holder
                .lines
                .iter()
                .for_each(|line| say(format_args!("    {line}")));
        }
        if found.holders.is_empty() {
            say(format_args!("Nobody may do that: {}.", found.place));
        }
    }
    if !found.is_complete {
        complain(
            "This is not complete: the matcher of model.conf is not the shipped one, so it may give something to others.",
        );
    }
    if found.holders.is_empty() {
        Err(CommandFailure::Printed)
    } else {
        Ok(())
    }
}
