//! `deployer policy diff`: who may more and who may less by another policy.

use std::path::PathBuf;

use super::super::outcome::{CommandFailure, complain, say};
use super::directory::{open, say_json, told};
use crate::access::{NamedPlaces, RightsChange};
use crate::clock::Clock;
use crate::domain::Action;
use crate::domain::access::GUEST;

/// Say who may more and who may less by another policy: what, where and in which windows.
///
/// Nothing is left out, for all people, projects and times that either policy can tell apart, as long as
/// both have the shipped model.conf.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0, or 1 when a policy has errors or, with --fail-on-gain, when somebody may more; 2 wrong command line."
)]
pub(crate) struct Args {
    /// The directory with the policy as it is.
    old: PathBuf,
    /// The directory with the policy as it is to be.
    new: PathBuf,
    /// Exit with 1 when somebody may more than before.
    #[arg(long)]
    fail_on_gain: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), CommandFailure> {
    told(args.json, answer(args))
}

fn answer(args: &Args) -> Result<(), CommandFailure> {
    let (old, new) = (
        open(Some(&args.old), args.json)?,
        open(Some(&args.new), args.json)?,
    );
    let found = old.diff(&new, Clock::System.now());
    if args.json {
        say_json(&found)?;
    } else {
        found.differences.iter().for_each(print);
        if found.differences.is_empty() {
            say("Nobody may more or less.");
        }
    }
    if !found.is_complete {
        complain(
            "This is not complete: a matcher is not the shipped one, or a calendar names too many dates.",
        );
    }
    // What is not known to be without a gain does not pass for it.
    let fails = args.fail_on_gain && (found.has_gain() || !found.is_complete);
    if fails {
        Err(CommandFailure::Printed)
    } else {
        Ok(())
    }
}

fn print(one: &RightsChange) {
    let who: Vec<&str> = one
        .who
        .iter()
        .map(|name| if name == GUEST { "everybody" } else { name.as_str() })
        .collect();
    let but = match one.but.as_slice() {
        [] => String::new(),
        but => format!(" but {}", but.join(", ")),
    };
    let actions: Vec<&str> = one.actions.iter().copied().map(Action::as_str).collect();
    let sign = if one.shift.is_gain() { '+' } else { '-' };
    say(format_args!(
        "{sign} {}: {}{but} {} ({}) {} [{}]",
        one.shift.words(),
        who.join(", "),
        actions.join(", "),
        one.places.join(", "),
        one.windows,
        one.example.format("%Y-%m-%d %H:%M UTC")
    ));
    for NamedPlaces { kind, names } in &one.left_out {
        say(format_args!("    the named {kind}s: {}", names.join(", ")));
    }
}
