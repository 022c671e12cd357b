//! Which actions a line answers questions about, as bits of one number.

use std::collections::{HashMap, HashSet};

use super::lines::PolicyLines;
use super::rule::ANY;
use crate::domain::Action;

/// The bit of an action.
pub(super) fn bit(action: Action) -> u32 {
    let place = Action::ALL.iter().position(|one| *one == action);
    place.map_or(0, |place| 1 << place)
}

/// By rule, the actions that it answers questions about.
pub(super) fn answered(lines: &PolicyLines) -> Vec<u32> {
    let knows_unlock = lines.know_unlock();
    let mut known: HashMap<(&str, bool), u32> = HashMap::new();
    let mut bits = Vec::new();
    for rule in &lines.rules {
        let own = known.entry((rule.action.as_str(), rule.deny)).or_insert_with(|| {
            let implied = implied(lines, &rule.action);
            let answers = |asked: &Action| {
                let asked = match asked {
                    Action::Unlock if !knows_unlock => Action::Lock,
                    asked => *asked,
                };
                let is_own = rule.action == asked.as_str() || rule.action == ANY;
                is_own || !rule.deny && implied.contains(asked.as_str())
            };
            Action::ALL.iter().copied().filter(answers).map(bit).sum()
        });
        bits.push(*own);
    }
    bits
}

/// The actions that `action` implies, over others too.
fn implied<'l>(lines: &'l PolicyLines, action: &'l str) -> HashSet<&'l str> {
    let (mut reached, mut waiting) = (HashSet::new(), vec![action]);
    while let Some(name) = waiting.pop() {
        for link in lines.implications.iter().filter(|link| link.from == name) {
            if reached.insert(link.to.as_str()) {
                waiting.push(&link.to);
            }
        }
    }
    reached
}
