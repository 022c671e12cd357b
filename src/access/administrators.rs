//! Who may administer everything: not everybody, and not nobody.

use std::collections::{BTreeSet, HashMap};

use super::policy::Policy;
use super::rule::{ANY, Rule, window_key};
use crate::domain::access::GUEST;
use crate::domain::calendar::ALWAYS;
use crate::domain::{Action, Resource};

impl Policy {
    /// The number of the line by which everybody may administer everything, at some time.
    pub fn administered_by_all(&self) -> Option<u32> {
        let windows: BTreeSet<&str> = self.rules().iter().map(|rule| rule.window.as_str()).collect();
        let mut all = windows.into_iter();
        all.find_map(|window| self.administers(&[GUEST], window))
            .map(|rule| rule.line.line)
    }

    /// The line of a rule by which somebody would administer everything, were it not for another that
    /// denies it: then nobody is left who may, at any time. 0 where there are no lines at all. `None`:
    /// somebody may.
    pub fn administered_by_nobody(&self) -> Option<u32> {
        let windows: BTreeSet<&str> = self.giving().map(|rule| rule.window.as_str()).collect();
        let people = self.possible_administrators();
        let mut windows = windows.into_iter();
        let somebody = windows.any(|window| self.has_administrator(&people, window));
        let first = self.giving().next().or_else(|| self.rules().first());
        (!somebody).then(|| first.map_or(0, |rule| rule.line.line))
    }

    /// A window and a line because of which nobody may administer everything at some times, though
    /// somebody may at others: the line gives it in that window alone, or takes it away there (`true`).
    pub fn administered_at_times(&self) -> Option<(&Rule, bool)> {
        let people = self.possible_administrators();
        if !self.has_administrator(&people, ALWAYS) {
            return self.giving().next().map(|rule| (rule, false));
        }
        let of_any = [ANY, Action::Administer.as_str()];
        let takes = |rule: &&Rule| rule.deny && of_any.contains(&rule.action.as_str());
        let mut taking = self.rules().iter().filter(takes);
        let found = taking.find(|rule| !self.has_administrator(&people, &rule.window));
        found.map(|rule| (rule, true))
    }

    /// The lines that give it.
    fn giving(&self) -> impl Iterator<Item = &Rule> {
        let administer = Action::Administer.as_str();
        self.rules()
            .iter()
            .filter(move |rule| !rule.deny && rule.action == administer)
    }

    /// Who has, by a line or a role, what some line gives.
    fn possible_administrators(&self) -> Vec<&str> {
        let subjects: BTreeSet<&str> = self.giving().map(|rule| rule.subject.as_str()).collect();
        let roles = &self.lines().roles;
        let named = self
            .rules()
            .iter()
            .map(|rule| &rule.subject)
            .chain(roles.iter().map(|link| &link.from));
        let people: BTreeSet<&str> = named
            .map(String::as_str)
            .filter(|name| *name != ANY && !name.starts_with("role:"))
            .chain([GUEST])
            .collect();
        let holders = self.holders_of(subjects);
        let is_for_all = [GUEST, ANY].iter().any(|name| holders.contains(name));
        let may_hold = |name: &&str| is_for_all || holders.contains(name);
        people.into_iter().filter(may_hold).collect()
    }

    /// Whether one of `people` may administer everything while `window` is open.
    fn has_administrator(&self, people: &[&str], window: &str) -> bool {
        let mut people = people.iter();
        people.any(|name| self.administers(&[name, GUEST], window).is_some())
    }

    /// These names, and everybody who has one of them as a role, over others too.
    fn holders_of<'n>(&'n self, names: BTreeSet<&'n str>) -> BTreeSet<&'n str> {
        let mut having: HashMap<&str, Vec<&str>> = HashMap::new();
        for link in &self.lines().roles {
            having.entry(&link.to).or_default().push(&link.from);
        }
        let mut waiting: Vec<&str> = names.iter().copied().collect();
        let mut holders = names;
        while let Some(name) = waiting.pop() {
            for &from in having.get(name).into_iter().flatten() {
                if holders.insert(from) {
                    waiting.push(from);
                }
            }
        }
        holders
    }

    /// The rule by which somebody of these names may administer everything while `window` is open.
    fn administers(&self, names: &[&str], window: &str) -> Option<&Rule> {
        let open = format!("{ALWAYS} {}", window_key(window));
        let mut found = Vec::new();
        for name in names {
            found.extend(self.rules_for(name, Action::Administer, &Resource::Everything, &open)?);
        }
        let rules: Vec<&Rule> = found.iter().filter_map(|&rule| self.rules().get(rule)).collect();
        let is_allowed = rules.iter().all(|rule| !rule.deny);
        rules.first().copied().filter(|_| is_allowed)
    }
}
