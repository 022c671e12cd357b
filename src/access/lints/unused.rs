//! Lines that decide nothing: whatever they allow or deny is allowed or denied already, or a deny
//! line overrides them always.

use std::collections::{BTreeSet, HashMap};

use super::super::files::POLICY;
use super::super::grid::{Grid, OTHER, Spot};
use super::super::problem::Problem;
use super::super::rule::{ANY, Rule};
use super::super::states::StateSet;
use crate::domain::Action;

/// How many times a rule is looked at in all: some seconds.
const LOOKS: usize = 40_000_000;
/// Lines named in one sentence.
const NAMED: usize = 3;

/// Adds a warning for each line that decides nothing.
pub(super) fn check(grid: &Grid<'_>, problems: &mut Vec<Problem>) {
    let mut search = Search {
        grid,
        of_subject: HashMap::new(),
        unused: BTreeSet::new(),
        looks: LOOKS,
    };
    // Of two lines that say the same, the later one is superfluous.
    for index in (0..grid.rules().len()).rev() {
        let Some(rule) = grid.rules().get(index) else {
            continue;
        };
        if search.looks == 0 {
            let message = "The policy is so long that the lines up to this one were not tried: whether each decides anything is not known.";
            problems.push(Problem::note(POLICY, rule.line.line, message));
            return;
        }
        if let Some(why) = search.superfluous(index, rule) {
            search.unused.insert(index);
            problems.push(Problem::warning(POLICY, rule.line.line, why));
        }
    }
}

struct Search<'a> {
    grid: &'a Grid<'a>,
    /// The rules that count for each subject.
    of_subject: HashMap<String, Vec<usize>>,
    /// Those found so far: what they say is not held against others.
    unused: BTreeSet<usize>,
    looks: usize,
}

/// What takes the place of a rule in one cell.
#[derive(Default)]
struct Instead {
    allows: BTreeSet<usize>,
    denies: BTreeSet<usize>,
}

impl Search<'_> {
    /// Why the rule at `index` decides nothing; `None`: it does.
    fn superfluous(&mut self, index: usize, rule: &Rule) -> Option<String> {
        let subject = if rule.subject == ANY { OTHER } else { &rule.subject };
        let rules = self.rules_of(subject);
        let rules: Vec<usize> = rules
            .into_iter()
            .filter(|one| !self.unused.contains(one))
            .collect();
        let spots = self.grid.spots(&rules);
        let spots: Vec<Spot<'_>> = spots
            .into_iter()
            .filter(|spot| self.grid.is_about(rule, *spot))
            .collect();
        let actions = Action::ALL
            .iter()
            .copied()
            .filter(|&action| self.grid.answers(index, action));
        let actions: Vec<Action> = actions.collect();
        let mut instead = Instead::default();
        let mut counts = false;
        for &spot in &spots {
            let states = self.grid.window(index, spot);
            counts |= !states.is_empty();
            self.looks = self.looks.saturating_sub(rules.len() * actions.len());
            for &action in &actions {
                let left = self.left(index, &rules, spot, action, states.clone(), &mut instead);
                if !left.is_empty() {
                    return None;
                }
            }
        }
        if let Some(one) = self.one_instead(index, &spots, &actions, &instead) {
            let is_deny = self.grid.rules().get(one).is_some_and(|rule| rule.deny);
            let place = if is_deny {
                &mut instead.denies
            } else {
                &mut instead.allows
            };
            *place = BTreeSet::from([one]);
            let other = if is_deny {
                &mut instead.allows
            } else {
                &mut instead.denies
            };
            other.clear();
        }
        counts.then(|| self.sentence(rule, &instead))
    }

    fn rules_of(&mut self, subject: &str) -> Vec<usize> {
        if let Some(known) = self.of_subject.get(subject) {
            return known.clone();
        }
        let rules = self.grid.rules_of(subject);
        self.of_subject.insert(subject.to_owned(), rules.clone());
        rules
    }

    /// The other rules of `rules` that answer the question.
    fn others<'r>(
        &'r self,
        index: usize,
        rules: &'r [usize],
        spot: Spot<'r>,
        action: Action,
    ) -> impl Iterator<Item = (usize, &'r Rule)> {
        let all = rules
            .iter()
            .filter_map(|&one| Some((one, self.grid.rules().get(one)?)));
        all.filter(move |(one, rule)| {
            *one != index && self.grid.answers(*one, action) && self.grid.is_about(rule, spot)
        })
    }

    /// The states in which only the rule at `index` answers: an allow rule where nothing else allows
    /// or denies, a deny rule where nothing else denies.
    fn left(
        &self,
        index: usize,
        rules: &[usize],
        spot: Spot<'_>,
        action: Action,
        mut left: StateSet,
        instead: &mut Instead,
    ) -> StateSet {
        let Some(own) = self.grid.rules().get(index) else {
            return left;
        };
        for (other, rule) in self.others(index, rules, spot, action) {
            let is_as_free = rule.second.is_none() || rule.second == own.second;
            if !rule.deny && (own.deny || !is_as_free) {
                continue;
            }
            let before = left.clone();
            left.take(&self.grid.window(other, spot));
            if left != before {
                let place = match rule.deny {
                    true => &mut instead.denies,
                    false => &mut instead.allows,
                };
                place.insert(other);
            }
        }
        left
    }

    /// One rule of `instead` that takes the place of the rule at `index` everywhere.
    fn one_instead(
        &self,
        index: usize,
        spots: &[Spot<'_>],
        actions: &[Action],
        instead: &Instead,
    ) -> Option<usize> {
        let covers = |other: &usize| {
            let Some(rule) = self.grid.rules().get(*other) else {
                return false;
            };
            spots.iter().all(|&spot| {
                let states = self.grid.window(index, spot);
                let here =
                    self.grid.is_about(rule, spot) && states.is_within(&self.grid.window(*other, spot));
                states.is_empty() || here && actions.iter().all(|&action| self.grid.answers(*other, action))
            })
        };
        instead.allows.iter().chain(&instead.denies).copied().find(covers)
    }

    fn sentence(&self, rule: &Rule, instead: &Instead) -> String {
        let lines = |rules: &BTreeSet<usize>| {
            let lines = rules.iter().filter_map(|&one| self.grid.rules().get(one));
            let lines: Vec<u32> = lines.map(|rule| rule.line.line).collect();
            let shown: Vec<String> = lines.iter().take(NAMED).map(u32::to_string).collect();
            match (shown.as_slice(), lines.len() > NAMED) {
                ([one], _) => format!("line {one}"),
                (shown, true) => format!("lines {} and others", shown.join(", ")),
                ([first @ .., last], false) => format!("lines {} and {last}", first.join(", ")),
                ([], _) => "another line".to_owned(),
            }
        };
        let Instead { allows, denies } = instead;
        let verb = |rules: &BTreeSet<usize>, verb: &str| match rules.len() {
            1 => format!("{} {verb}", lines(rules)),
            _ => format!(
                "{} {}",
                lines(rules),
                verb.replace("ies", "y").replace("ows", "ow")
            ),
        };
        match (rule.deny, allows.is_empty(), denies.is_empty()) {
            (true, ..) => format!("This line decides nothing: {} the same.", verb(denies, "denies")),
            (false, true, _) => format!(
                "This line can never allow anything: {} it.",
                verb(denies, "denies")
            ),
            (false, false, true) => {
                format!("This line decides nothing: {} the same.", verb(allows, "allows"))
            }
            (false, false, false) => format!(
                "This line decides nothing: {} the same, and {} the rest.",
                verb(allows, "allows"),
                verb(denies, "denies")
            ),
        }
    }
}
