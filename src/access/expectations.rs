//! Reads `tests.toml`, and tests a policy by it before it takes effect.

use chrono::{NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use serde::Deserialize;
use toml::Spanned;

use super::files::{TESTS, line_at, read_toml};
use super::lines::{is_name, is_subject};
use super::policy::{Policy, Verdict};
use super::problem::Problem;
use crate::domain::access::GUEST;
use crate::domain::{Action, Instant, Resource};

const FORM: &str = "alice may [not] deploy webshop/beta at 2026-11-23 10:00";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    expect: Vec<Spanned<String>>,
}

/// What the policy has to answer to one question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    pub names: Vec<String>,
    pub allowed: bool,
    pub action: Action,
    pub resource: Resource,
    pub at: Instant,
}

/// Tries every expectation of `text` on `policy`; what fails is added to `problems`. Returns those
/// that were tried.
pub(super) fn run(text: &str, policy: &Policy, problems: &mut Vec<Problem>) -> Vec<Expectation> {
    let Some(file) = read_toml::<File>(TESTS, text, problems) else {
        return Vec::new();
    };
    let mut tried = Vec::new();
    for sentence in &file.expect {
        let message = match read(sentence.get_ref(), policy.calendar.zone) {
            Err(why) => Some(why),
            Ok(expectation) => {
                let contradiction = contradiction(&expectation, policy);
                tried.push(expectation);
                contradiction
            }
        };
        let line = line_at(text, sentence.span().start);
        problems.extend(message.map(|message| Problem::error(TESTS, line, message)));
    }
    tried
}

/// The complaint about a policy that does not answer as expected.
fn contradiction(expected: &Expectation, policy: &Policy) -> Option<String> {
    let Expectation {
        names,
        action,
        resource,
        at,
        allowed,
    } = expected;
    let verdict = policy.decide(names, *action, resource, *at);
    if verdict.is_allowed() == *allowed {
        return None;
    }
    let decided = match verdict {
        Verdict::Allowed(index) | Verdict::Denied(Some(index)) => policy.line(index),
        Verdict::Silent | Verdict::Denied(None) => None,
    };
    let who = names.first().map_or(GUEST, String::as_str);
    let may = if *allowed {
        "should be allowed to"
    } else {
        "should not be allowed to"
    };
    let because = decided.map_or("no line allows it".to_owned(), |line| format!("{line}"));
    Some(format!("{who} {may} {action} {resource} then, but {because}."))
}

/// Reads one expectation; its time is local time in `zone`.
pub(super) fn read(sentence: &str, zone: Tz) -> Result<Expectation, String> {
    let unreadable = || {
        format!(
            "“{}” is not an expectation; write it like “{FORM}”.",
            sentence.escape_debug()
        )
    };
    let (who, rest) = sentence.split_once(" may ").ok_or_else(unreadable)?;
    let (allowed, rest) = rest
        .strip_prefix("not ")
        .map_or((true, rest), |rest| (false, rest));
    let (what, at) = rest.split_once(" at ").ok_or_else(unreadable)?;
    let (action, resource) = what.split_once(' ').ok_or_else(unreadable)?;
    let at = NaiveDateTime::parse_from_str(at.trim(), "%Y-%m-%d %H:%M").map_err(|_| unreadable())?;
    let at = zone.from_local_datetime(&at).earliest();
    let at = at
        .ok_or_else(|| format!("The clock of {zone} never shows that time."))?
        .to_utc();
    Ok(Expectation {
        names: names(who.trim()).ok_or_else(unreadable)?,
        allowed,
        action: action.parse().map_err(|why| format!("{why}."))?,
        resource: resource_of(resource.trim()).ok_or_else(unreadable)?,
        at,
    })
}

/// The names under which `who` is asked about.
fn names(who: &str) -> Option<Vec<String>> {
    let own = (who != "guest" && who != GUEST).then(|| who.to_owned());
    is_subject(who).then(|| own.into_iter().chain([GUEST.to_owned()]).collect())
}

fn resource_of(text: &str) -> Option<Resource> {
    let found = match text.split_once('/') {
        None if text == "everything" => Resource::Everything,
        None => Resource::Project(text.to_owned()),
        Some((project, environment)) => Resource::Environment(project.to_owned(), environment.to_owned()),
    };
    let named = |name: &str| name == "*" || is_name(name);
    (found == Resource::Everything || text != "*" && named(found.project()) && named(found.environment()))
        .then_some(found)
}
