//! `deployer policy explain`: whether somebody may do something, and why.

use chrono_tz::Tz;
use serde::Serialize;

use super::super::outcome::{CommandFailure, complain, say};
use super::directory::{DirArgs, say_json, told};
use crate::access::{DrawnDay, Explanation, PolicyQuestion, Ruling, SpeakingLine, names_for};
use crate::clock::Clock;
use crate::domain::{Action, Error, Instant};

/// Say whether somebody may do something, by which lines, and when that changes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 allowed, 1 not allowed or the policy has errors, 2 wrong command line or configuration."
)]
pub(crate) struct Args {
    /// A user, role:NAME, group:NAME or guest.
    who: String,
    /// What they would do: view, deploy, rollback, …
    action: String,
    /// PROJECT/ENVIRONMENT, PROJECT, everything, or audit, users, policy, servers.
    place: String,
    /// When, by the clock of the calendar's zone: 2026-11-23 10:00 [default: now].
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// A group that the login tells; may be given several times.
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
    /// Draw the week.
    #[arg(long)]
    week: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dir: DirArgs,
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    explanation: Explanation,
    #[serde(skip_serializing_if = "Option::is_none")]
    week: Option<Vec<DrawnDay>>,
}

pub(super) fn run(args: &Args) -> Result<(), CommandFailure> {
    told(args.json, answer(args))
}

fn answer(args: &Args) -> Result<(), CommandFailure> {
    let wrong = |sentence: String| CommandFailure::Usage(Error::invalid(sentence));
    let opened = args.dir.open(args.json)?;
    let at = match &args.at {
        Some(text) => opened.time(text).map_err(wrong)?,
        None => Clock::System.now(),
    };
    let who = || {
        format!(
            "“{}” is not a user, role:NAME, group:NAME or guest.",
            args.who.escape_debug()
        )
    };
    let place = || {
        format!(
            "“{}” is not a place; write PROJECT/ENVIRONMENT, PROJECT, everything, or audit, users, policy, servers.",
            args.place.escape_debug()
        )
    };
    let asked = PolicyQuestion {
        names: names_for(&args.who, &args.group).ok_or_else(|| wrong(who()))?,
        action: args
            .action
            .parse::<Action>()
            .map_err(|why| wrong(format!("{why}.")))?,
        resource: opened.resource(&args.place).ok_or_else(|| wrong(place()))?,
        at,
    };
    for hint in opened.unnamed(&args.who, &asked.resource) {
        complain(hint);
    }
    if args.group.is_empty() && !args.who.contains(':') {
        group_hint(&opened.deciding_groups(&asked))
            .iter()
            .for_each(complain);
    }
    let explained = Told {
        explanation: opened.explain(&asked),
        week: args.week.then(|| opened.week(&asked)),
    };
    let allowed = explained.explanation.ruling.allowed;
    if args.json {
        say_json(&explained)?;
    } else {
        print(args, &explained, opened.zone());
    }
    if allowed {
        Ok(())
    } else {
        Err(CommandFailure::Printed)
    }
}

/// That lines for groups would decide otherwise, which only the login knows.
fn group_hint(groups: &[String]) -> Option<String> {
    let first = groups.first()?;
    Some(format!(
        "A line for a group would decide otherwise ({}): if their login tells one, add --group, as in --group {first}.",
        groups.join(", ")
    ))
}

fn print(args: &Args, told: &Told, zone: Tz) {
    let one = &told.explanation;
    let may = if one.ruling.allowed { "may" } else { "may not" };
    let with = with(&one.ruling);
    let because = because(one, zone);
    let at = time(one.at, zone);
    say(format_args!(
        "{} {may} {} {}{with} at {at}: {because}.",
        args.who, one.action, one.place
    ));
    for (word, lines) in [("For", &one.speak_for), ("Against", &one.speak_against)] {
        for SpeakingLine { line, way } in lines {
            say(format_args!("{word}: {line} ({})", way.join(" → ")));
        }
    }
    match &one.next {
        Some((at, then)) => {
            let may = if then.allowed { "allowed" } else { "not allowed" };
            say(format_args!(
                "From {} on: {may}{}.",
                time(*at, zone),
                self::with(then)
            ));
        }
        None => say("Nothing changes that within a year."),
    }
    for day in told.week.iter().flatten() {
        let spans: Vec<String> = day
            .spans
            .iter()
            .map(|span| {
                let clock = |at: Instant| at.with_timezone(&zone).format("%H:%M").to_string();
                let until = match clock(span.until) {
                    end if end == "00:00" => "24:00".to_owned(),
                    end => end,
                };
                format!("{}-{until}{}", clock(span.from), self::with(&span.ruling))
            })
            .collect();
        say(format_args!(
            "{} {} {}",
            day.date.format("%a %Y-%m-%d"),
            day.drawn,
            spans.join(", ")
        ));
    }
    if told.week.is_some() {
        say(format_args!(
            "Each sign is half an hour in the zone {zone}: # allowed, + with a second person, . not."
        ));
    }
}

/// The line that decided, or why none did.
fn because(one: &Explanation, zone: Tz) -> String {
    let next = match one.next_allowed {
        Some(next) => format!("; next: {}", time(next, zone)),
        None => String::new(),
    };
    match (&one.line, one.outside_window.first()) {
        (Some(line), _) => format!("{line}{next}"),
        (None, Some(line)) => format!("{line} allows it, but not at this time{next}"),
        (None, None) => "no line allows it".to_owned(),
    }
}

/// ` with role:releaser`; empty where nobody else is needed.
fn with(ruling: &Ruling) -> String {
    match ruling.with.as_slice() {
        [] => String::new(),
        with => format!(" with {}", with.join(" or ")),
    }
}

fn time(at: Instant, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z").to_string()
}
