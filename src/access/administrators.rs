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
    /// denies it: then nobody is left who may, at any time. `None`: somebody may, or the policy has no
    /// lines.
    pub fn administered_by_nobody(&self) -> Option<u32> {
        let administer = Action::Administer.as_str();
        let gives = |rule: &&Rule| !rule.deny && rule.action == administer;
        let windows: BTreeSet<&str> = self
            .rules()
            .iter()
            .filter(gives)
            .map(|rule| rule.window.as_str())
            .collect();
        let subjects: BTreeSet<&str> = self
            .rules()
            .iter()
            .filter(gives)
            .map(|rule| rule.subject.as_str())
            .collect();
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
        let somebody = people.into_iter().filter(may_hold).any(|name| {
            let mut windows = windows.iter();
            windows.any(|window| self.administers(&[name, GUEST], window).is_some())
        });
        let first = self.rules().iter().find(gives).or_else(|| self.rules().first());
        first.filter(|_| !somebody).map(|rule| rule.line.line)
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
