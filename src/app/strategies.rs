//! The rules of a strategy, for an environment or for one deployment.

use crate::domain::{FieldErrors, Result, Strategy};

/// The longest pause after canaries, a day: beyond it, let a person continue.
const LONGEST_WAIT: u64 = 24 * 3600;

/// Whether a rollout can follow the strategy.
///
/// # Errors
/// Complaints about the fields `first` and `wait`.
pub fn check(strategy: Strategy) -> Result<()> {
    let Strategy::Canary { first, wait, .. } = strategy else {
        return Ok(());
    };
    let mut wrong = FieldErrors::default();
    if first == 0 {
        wrong.add("first", "Write how many servers go first: 1 or more.");
    }
    if wait.is_some_and(|seconds| !(1..=crate::sabotage::most("u24", LONGEST_WAIT)).contains(&seconds)) {
        wrong.add(
            "wait",
            format!("Write seconds from 1 to {LONGEST_WAIT}, or leave it empty to wait for a person."),
        );
    }
    wrong.none()
}
