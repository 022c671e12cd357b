//! Lines that give more, or less, than they seem to.

use std::collections::{BTreeSet, HashMap};

use super::super::files::POLICY;
use super::super::grid::{Grid, Spot};
use super::super::problem::Problem;
use super::super::rule::{ANY, Rule};
use crate::domain::Action;
use crate::domain::access::GUEST;
use crate::domain::calendar::ALWAYS;

/// What somebody everywhere is seldom meant to have.
const STRONG: [Action; 2] = [Action::Deploy, Action::Administer];
/// How many lines are looked at for implied rights; each takes some decisions.
const LINES: usize = 2_000;

pub(super) fn check(grid: &Grid<'_>, problems: &mut Vec<Problem>) {
    let everybody: BTreeSet<usize> = grid.rules_of(GUEST).into_iter().collect();
    let mut known: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut looked = 0;
    for (index, rule) in grid.rules().iter().enumerate().filter(|(_, rule)| !rule.deny) {
        problems.extend(wide(grid, index, rule, everybody.contains(&index)));
        // What ends for good takes the rights to stop and to undo along.
        let ends = grid.has_end(&rule.window);
        let begins = grid.answers(index, Action::Deploy) && rule.window != ALWAYS && !ends;
        if begins && looked < LINES {
            looked += 1;
            let rules = known
                .entry(&rule.subject)
                .or_insert_with(|| grid.rules_of(&rule.subject));
            problems.extend(surprising(grid, index, rule, rules));
        }
    }
}

/// A line that gives much to everybody, or to somebody everywhere.
fn wide(grid: &Grid<'_>, index: usize, rule: &Rule, is_for_everybody: bool) -> Option<Problem> {
    let (action, subject) = (&rule.action, &rule.subject);
    let is_strong = STRONG.iter().any(|action| grid.answers(index, *action));
    let administers = *action == Action::Administer.as_str();
    let message = if is_for_everybody && *action != Action::View.as_str() {
        format!("This line lets everybody {action}, also without a login.")
    } else if *action == Action::Impersonate.as_str() {
        format!(
            "This line lets “{subject}” do whatever anybody may, in that one's name: have its token's scope say what it needs."
        )
    } else if is_strong && rule.project == ANY && rule.environment == ANY && !administers {
        format!(
            "This line lets “{subject}” {action} in every environment of every project, those to come included. Name the environments that are meant."
        )
    } else {
        return None;
    };
    Some(Problem::warning(POLICY, rule.line.line, message))
}

/// What is begun in a window has to be stopped and undone after it too, and an implied action keeps
/// the window of its line.
fn surprising(grid: &Grid<'_>, index: usize, rule: &Rule, rules: &[usize]) -> Option<Problem> {
    let spots = grid.spots(&[index]);
    let spot: Spot<'_> = spots
        .into_iter()
        .find(|spot| grid.is_about(rule, *spot) && spot.project != ANY && spot.environment != ANY)?;
    let outside = grid.states().all().without(&grid.window(index, spot));
    let lost = [Action::Cancel, Action::Rollback].into_iter().filter(|&action| {
        let allowed = grid.answer(rules, spot, action).allowed();
        grid.answers(index, action) && !outside.is_within(&allowed)
    });
    let lost: Vec<&str> = lost.map(Action::as_str).collect();
    if lost.is_empty() || outside.is_empty() {
        return None;
    }
    let message = format!(
        "Outside of “{}”, “{}” may not {} what this line lets them begin: an implied action keeps the window of its line. Give it lines of its own.",
        rule.window,
        rule.subject,
        lost.join(" or ")
    );
    Some(Problem::warning(POLICY, rule.line.line, message))
}
