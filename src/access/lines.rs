//! Reads `policy.csv` line by line, and reports what is wrong with each bad line.
//!
//! The casbin crate's own loader drops unknown lines, accepts short ones that break every later
//! decision, and has no line numbers; so it only gets lines that were checked here. Columns are
//! plain: no quotes, and a comment needs a line of its own.

use std::collections::{HashMap, HashSet};

use super::columns::{self, Vocabulary, is_project_group};
use super::files::POLICY;
use super::model::CLOSED;
use super::problem::Problem;
use super::rule::{PolicyLink, Rule};
use crate::domain::{Action, Area, PolicyLine};

/// Actions that policies written for earlier versions do not know.
const NEWER_ACTIONS: [Action; 2] = [Action::Audit, Action::Run];

/// The lines of a policy, each of them valid by itself.
#[derive(Debug, Clone, Default)]
pub(super) struct PolicyLines {
    pub rules: Vec<Rule>,
    pub roles: Vec<PolicyLink>,
    pub implications: Vec<PolicyLink>,
    /// Which project, as casbin knows it, is in which group; areas are closed.
    pub groups: Vec<PolicyLink>,
}

/// Reads the lines of `text`; what is wrong is added to `problems`.
pub(super) fn read(text: &str, known: Vocabulary<'_>, problems: &mut Vec<Problem>) -> PolicyLines {
    let mut lines = PolicyLines::default();
    let before = problems.len();
    let mut seen: HashMap<Vec<&str>, u32> = HashMap::new();
    for (number, whole) in (1..).zip(text.lines()) {
        let whole = whole.trim();
        if whole.is_empty() || whole.starts_with('#') {
            continue;
        }
        let columns: Vec<&str> = whole.split(',').map(str::trim).collect();
        if let Err(message) = lines.add(&columns, number, whole, known) {
            problems.push(Problem::error(POLICY, number, message));
        } else if let Some(first) = seen.insert(columns, number) {
            problems.push(Problem::warning(
                POLICY,
                number,
                format!("This line says the same as line {first}."),
            ));
        }
    }
    if known.groups {
        let closed = |area: &Area| PolicyLink::new(area.key(), CLOSED, 0);
        lines.groups.extend(Area::ALL.iter().map(closed));
    }
    if !problems[before..].iter().any(Problem::is_error) {
        lines.complete(problems);
    }
    lines
}

impl PolicyLines {
    /// Whether a line knows the action `unlock`; otherwise `lock` stands for it, as before there were
    /// two.
    pub fn know_unlock(&self) -> bool {
        let unlock = Action::Unlock.as_str();
        let links = self.implications.iter();
        let linked = links.flat_map(|link| [&link.from, &link.to]);
        let named = self.rules.iter().map(|rule| &rule.action);
        linked.chain(named).any(|action| action == unlock)
    }

    /// The projects and areas in `group`, directly or in a group of it, as casbin knows them.
    pub fn keys_in(&self, group: &str) -> HashSet<String> {
        let (mut members, mut waiting, mut seen) = (HashSet::new(), vec![group], HashSet::from([group]));
        while let Some(group) = waiting.pop() {
            for link in self.groups.iter().filter(|link| link.to == group) {
                if !seen.insert(&link.from) {
                    continue;
                }
                if is_project_group(&link.from) {
                    waiting.push(&link.from);
                } else {
                    members.insert(link.from.clone());
                }
            }
        }
        members
    }

    /// The names of the projects in `group`.
    pub fn members_of(&self, group: &str) -> Vec<String> {
        let keys = self.keys_in(group);
        let mut names: Vec<String> = keys
            .iter()
            .filter_map(|key| columns::project_of(key))
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        names
    }

    /// Whether `project` is `column`, or in the group that `column` names.
    pub fn is_in(&self, project: &str, column: &str) -> bool {
        project == column
            || is_project_group(column) && self.members_of(column).iter().any(|one| one == project)
    }

    /// Lets `administer` imply the newer actions that no `g2` line gives to anything, so that
    /// administrators lose nothing when only the program is updated.
    fn complete(&mut self, problems: &mut Vec<Problem>) {
        let administer = Action::Administer.as_str();
        let unlock = Some(Action::Unlock).filter(|_| self.know_unlock());
        for action in NEWER_ACTIONS.into_iter().chain(unlock).map(Action::as_str) {
            if self.implications.iter().any(|link| link.to == action) {
                continue;
            }
            let message = format!(
                "No g2 line implies “{action}”, so “{administer}” does. Add the line “g2, {administer}, {action}”."
            );
            problems.push(Problem::warning(POLICY, 0, message));
            self.implications.push(PolicyLink::new(administer, action, 0));
        }
    }

    fn add(&mut self, columns: &[&str], line: u32, whole: &str, known: Vocabulary<'_>) -> Result<(), String> {
        let (&kind, values) = columns.split_first().ok_or("The line is empty.")?;
        let form = match kind {
            "p" => "p, subject, project, environment, action, window, effect",
            "g" => "g, user or group, role",
            "g2" => "g2, action, action it implies",
            "g3" => "g3, project, projects:GROUP",
            _ => {
                let kind = kind.escape_debug();
                return Err(format!(
                    "“{kind}” is not a kind of line; lines begin with p, g, g2 or g3."
                ));
            }
        };
        let needed = form.split(',').count() - 1;
        if values.len() != needed {
            let found = values.len();
            return Err(format!(
                "A {kind} line has {needed} columns after the “{kind}”, this one has {found}: write “{form}”."
            ));
        }
        if let Some(empty) = values.iter().position(|value| value.is_empty()) {
            return Err(format!("Column {} is empty: write “{form}”.", empty + 2));
        }
        if whole.contains('#') {
            return Err("A comment needs a line of its own that begins with “#”.".to_owned());
        }
        match (kind, values) {
            ("p", &[subject, project, environment, action, window, effect]) => {
                let line = PolicyLine {
                    policy: None,
                    file: POLICY.to_owned(),
                    line,
                    text: whole.to_owned(),
                };
                let columns = [subject, project, environment, action, window, effect];
                self.rules.push(columns::rule(columns, line, known)?);
            }
            ("g", &[from, to]) => self.roles.push(columns::role(from, to, line)?),
            ("g2", &[from, to]) => self.implications.push(columns::implication(from, to, line)?),
            (_, &[from, to]) => self.groups.push(columns::member(from, to, line, known)?),
            _ => return Err(format!("Write “{form}”.")),
        }
        Ok(())
    }
}
