//! Windows that never open and windows and freezes that no line uses; holidays that come to their end.

use chrono::{Days, NaiveDate};

use super::super::files::{CALENDAR, POLICY};
use super::super::problem::Problem;
use super::super::rule::{ANY, Rule};
use super::super::states::States;
use super::checked::CheckedPolicy;
use crate::domain::calendar::{FREEZE, ONE_FREEZE};
use crate::domain::{Freeze, OnHolidays};

/// Holidays have to be listed for as long as this ahead.
const HOLIDAYS_AHEAD: Days = Days::new(365);

pub(super) fn check(checked: &CheckedPolicy<'_>, states: &States, problems: &mut Vec<Problem>) {
    let calendar = &checked.policy.calendar;
    let rules = checked.policy.rules();
    for (name, &line) in &checked.calendar.windows {
        let message = if states.open(0, calendar, name, |_| true).is_empty() {
            let is_over = calendar.windows.get(name).and_then(|window| window.until);
            match is_over.filter(|until| *until <= checked.now) {
                Some(until) => format!(
                    "The window “{name}” ended on {}: it never opens again.",
                    until.with_timezone(&calendar.zone).format("%Y-%m-%d %H:%M")
                ),
                None => format!("The window “{name}” never opens."),
            }
        } else if rules.iter().all(|rule| rule.window != *name) {
            format!("No line uses the window “{name}”.")
        } else {
            continue;
        };
        problems.push(Problem::warning(CALENDAR, line, message));
    }
    for (freeze, &line) in calendar.freezes.iter().zip(&checked.calendar.freezes) {
        let message = if freeze.until <= checked.now {
            format!("The freeze “{}” is over; it can be removed.", freeze.name)
        } else if !rules.iter().any(|rule| uses(checked, rule, freeze)) {
            format!(
                "No line applies during the freeze “{}” where it holds, so it stops nobody: write a line with the window “{FREEZE}” or “{}”.",
                freeze.name,
                freeze.window()
            )
        } else {
            continue;
        };
        let problem = if freeze.until <= checked.now {
            Problem::note(CALENDAR, line, message)
        } else {
            Problem::warning(CALENDAR, line, message)
        };
        problems.push(problem);
    }
    lines_without_freeze(checked, problems);
    holidays(checked, problems);
}

/// Lines that apply during freezes, and never where a freeze holds.
fn lines_without_freeze(checked: &CheckedPolicy<'_>, problems: &mut Vec<Problem>) {
    let freezes = &checked.policy.calendar.freezes;
    let to_come: Vec<&Freeze> = freezes.iter().filter(|one| checked.now < one.until).collect();
    for rule in checked.policy.rules() {
        let named = rule.window.strip_prefix(ONE_FREEZE);
        if rule.window != FREEZE && named.is_none() {
            continue;
        }
        let own = to_come
            .iter()
            .filter(|one| named.is_none_or(|name| name == one.name));
        // A line for all freezes waits for the next one.
        if own.clone().count() == 0 || own.into_iter().any(|one| uses(checked, rule, one)) {
            continue;
        }
        let which = match named {
            Some(name) => format!("The freeze “{name}” is"),
            None => "All freezes of calendar.toml are".to_owned(),
        };
        let message = format!("{which} for other projects or environments, so this line never applies.");
        problems.push(Problem::warning(POLICY, rule.line.line, message));
    }
}

/// Whether `rule` applies during `freeze` somewhere.
fn uses(checked: &CheckedPolicy<'_>, rule: &Rule, freeze: &Freeze) -> bool {
    let lines = checked.policy.lines();
    let is_of = |project: &String| lines.is_in(project, &rule.project);
    let of_project = rule.project == ANY
        || freeze.projects.is_empty()
        || freeze.projects.contains(&rule.project)
        || freeze.projects.iter().chain(&freeze.members).any(is_of);
    let of_environment = rule.environment == ANY
        || freeze.environments.is_empty()
        || freeze.environments.contains(&rule.environment);
    (rule.window == FREEZE || rule.window == freeze.window()) && of_project && of_environment
}

/// Holidays with a year of their own have to be listed again each year.
fn holidays(checked: &CheckedPolicy<'_>, problems: &mut Vec<Problem>) {
    let calendar = &checked.policy.calendar;
    let matters = calendar
        .windows
        .values()
        .any(|window| window.holidays != OnHolidays::Open);
    let Some(&last) = calendar.holidays.dates.last().filter(|_| matters) else {
        return;
    };
    let today = checked.now.with_timezone(&calendar.zone).date_naive();
    let ahead: Option<NaiveDate> = today.checked_add_days(HOLIDAYS_AHEAD);
    if ahead.is_some_and(|ahead| last < ahead) {
        let message = format!(
            "The last holiday with a year is {last}: list those of the year after, or windows stay open on them."
        );
        let line = checked.calendar.first_date;
        let problem = if last < today {
            Problem::warning(CALENDAR, line, message)
        } else {
            Problem::note(CALENDAR, line, message)
        };
        problems.push(problem);
    }
}
