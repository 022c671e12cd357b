//! Reads `tests.toml`, and tests a policy by it before it takes effect.

use chrono::{NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use serde::Deserialize;
use toml::Spanned;

use super::calendar_times::wrong_day_of;
use super::columns::{is_name, is_subject};
use super::files::{LineStarts, TESTS, read_toml};
use super::policy::Policy;
use super::problem::Problem;
use super::verdict::Verdict;
use crate::domain::access::{GUEST, VISITOR};
use crate::domain::{Action, Area, Instant, Resource};

const FORM: &str = "alice may [not] deploy webshop/beta at 2026-11-23 10:00";
/// What stands between a name and the groups that its login tells.
const IN: &str = " in group:";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    expect: Vec<Spanned<String>>,
}

/// What the policy has to answer to one question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    /// Who is asked about, as written.
    pub who: String,
    /// Their names for policy.
    pub names: Vec<String>,
    pub allowed: bool,
    pub action: Action,
    pub resource: Resource,
    /// Of whom a second person has to be; `None`: nobody else is needed.
    pub second: Option<String>,
    pub at: Instant,
    /// Where it stands in the file.
    pub line: u32,
}

/// Reads every expectation of `text`; what is wrong is added to `problems`. Times are local times of
/// `zone`; areas are known where there are groups of projects.
pub(super) fn read_all(text: &str, zone: Tz, groups: bool, problems: &mut Vec<Problem>) -> Vec<Expectation> {
    let Some(file) = read_toml::<File>(TESTS, text, problems) else {
        return Vec::new();
    };
    let starts = LineStarts::of(text);
    let mut expected = Vec::new();
    for sentence in &file.expect {
        let line = starts.line_at(sentence.span().start);
        match read(sentence.get_ref(), zone, groups) {
            Ok(expectation) => expected.push(Expectation { line, ..expectation }),
            Err(why) => problems.push(Problem::error(TESTS, line, why)),
        }
    }
    expected
}

/// Tries every expectation on `policy`; what fails is added to `problems`.
pub(super) fn run(expected: &[Expectation], policy: &Policy, problems: &mut Vec<Problem>) {
    for one in expected {
        let contradiction = contradiction(one, policy);
        problems.extend(contradiction.map(|message| Problem::error(TESTS, one.line, message)));
    }
}

/// The complaint about a policy that does not answer as expected.
fn contradiction(expected: &Expectation, policy: &Policy) -> Option<String> {
    let Expectation {
        who,
        names,
        action,
        resource,
        at,
        allowed,
        second,
        ..
    } = expected;
    let verdict = policy.decide(names, *action, resource, *at);
    let decided = verdict.rule().and_then(|rule| policy.line(rule));
    let because = decided.map_or("no line allows it".to_owned(), |line| format!("{line}"));
    let with = match &verdict {
        Verdict::Allowed(allowance) => policy.second_of(allowance),
        _ => Vec::new(),
    };
    if verdict.is_allowed() != *allowed {
        let may = if *allowed {
            "should be allowed to"
        } else {
            "should not be allowed to"
        };
        return Some(format!("{who} {may} {action} {resource} then, but {because}."));
    }
    match second {
        None if with.is_empty() => None,
        Some(second) if with.contains(second) => None,
        None => Some(format!(
            "{who} should be allowed to {action} {resource} alone then, but {because}. If a second person is meant, write “{action} {resource} with {} at …”.",
            with.join(" or ")
        )),
        Some(second) => Some(format!(
            "{who} should need a second person of {second} to {action} {resource} then, but {because}."
        )),
    }
}

/// Reads one expectation; its time is local time in `zone`.
pub(super) fn read(sentence: &str, zone: Tz, groups: bool) -> Result<Expectation, String> {
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
    let (what, at) = rest.rsplit_once(" at ").ok_or_else(unreadable)?;
    let (action, what) = what.split_once(' ').ok_or_else(unreadable)?;
    let (resource, second) = match what.split_once(" with ") {
        Some((resource, second)) => (resource, Some(second.trim())),
        None => (what, None),
    };
    if !second.is_none_or(|second| allowed && is_subject(second)) {
        return Err(unreadable());
    }
    Ok(Expectation {
        who: who.trim().to_owned(),
        names: names(who.trim()).ok_or_else(unreadable)?,
        allowed,
        action: action.parse().map_err(|why| format!("{why}."))?,
        resource: resource_of(resource.trim(), groups).ok_or_else(unreadable)?,
        second: second.map(str::to_owned),
        at: time(at.trim(), zone).ok_or_else(|| wrong_day_of(at.trim()).unwrap_or_else(unreadable))??,
        line: 0,
    })
}

/// The instant of `2026-11-23 10:00` by the clock of `zone`; `None` where it is not written so.
pub(super) fn time(text: &str, zone: Tz) -> Option<Result<Instant, String>> {
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").ok()?;
    let at = zone.from_local_datetime(&local).earliest();
    let never = || format!("The clock of {zone} never shows that time.");
    Some(at.map(|at| at.to_utc()).ok_or_else(never))
}

/// The names under which `who` is asked about: `alice`, `role:developer`, `group:ops`,
/// `group:ops, group:web`, `alice in group:ops, group:web`.
pub(super) fn names(who: &str) -> Option<Vec<String>> {
    let (own, groups) = match who.find(IN) {
        Some(at) => (Some(&who[..at]), &who[at + IN.len() - "group:".len()..]),
        None if who.starts_with("group:") => (None, who),
        None => (Some(who), ""),
    };
    let own = own.map(str::trim);
    let groups: Vec<&str> = groups
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .collect();
    let is_group = |one: &&str| one.starts_with("group:") && is_subject(one);
    if !own.is_none_or(is_subject) || !groups.iter().all(is_group) || own.is_none() && groups.is_empty() {
        return None;
    }
    let own = own.filter(|own| *own != VISITOR && *own != GUEST);
    let all = own.into_iter().chain(groups).chain([GUEST]);
    Some(all.map(str::to_owned).collect())
}

/// What `text` asks about: `project/environment`, a project, `everything`, or an area.
pub(super) fn resource_of(text: &str, groups: bool) -> Option<Resource> {
    let area = Area::parse(text).filter(|_| groups);
    let found = match text.split_once('/') {
        None if text == "everything" => Resource::Everything,
        None => area.map_or_else(|| Resource::Project(text.to_owned()), Resource::Area),
        Some((project, environment)) => Resource::Environment(project.to_owned(), environment.to_owned()),
    };
    let named = |name: &str| name == "*" || is_name(name);
    let is_named = named(found.project()) && named(found.environment());
    let is_alone = matches!(found, Resource::Everything | Resource::Area(_));
    (is_alone || text != "*" && is_named).then_some(found)
}
