//! What a check says beyond errors: what is valid, and hardly meant or better written otherwise.
//!
//! Each file looks for one kind of thing. `unused` asks for lines that decide nothing, `holders` for
//! roles and people, `names` for names that are nearly others, `times` for windows and freezes,
//! `grants` for lines that give more or less than they seem to, `existing` for names that the
//! database does not know, `better` for what newer words say in fewer lines.

mod better;
mod checked;
mod existing;
mod grants;
mod holders;
mod names;
mod times;
mod unused;

use super::files::TESTS;
use super::grid::Grid;
use super::problem::Problem;
use super::states::States;

pub(super) use self::checked::CheckedPolicy;
pub use self::checked::Existing;

/// Adds everything that is worth saying about a policy without errors.
pub(super) fn check(checked: &CheckedPolicy<'_>, problems: &mut Vec<Problem>) {
    let states = States::of(&[&checked.policy.calendar], checked.now);
    if checked.expected.is_empty() && checked.policy.files.0.contains_key(TESTS) {
        let message = "There is no expectation in it, so nothing tries the policy.";
        problems.push(Problem::warning(TESTS, 0, message));
    }
    times::check(checked, &states, problems);
    names::check(checked, problems);
    holders::check(checked, problems);
    better::check(checked, problems);
    if let Some(existing) = checked.existing {
        existing::check(checked, existing, problems);
    }
    // The rest works lines out, which it can for the matchers that were shipped.
    if checked.model.standard {
        let grid = Grid::new(checked.policy, &states, 0);
        unused::check(&grid, problems);
        grants::check(&grid, problems);
    }
}
