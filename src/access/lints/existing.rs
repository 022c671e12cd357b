//! Names that the database does not know: projects, environments and users that were mistyped,
//! renamed or deleted, and projects that are called like something else in lines.

use std::collections::BTreeSet;

use super::super::columns::{is_project_group, is_user, project_of};
use super::super::files::{CALENDAR, POLICY};
use super::super::problem::Problem;
use super::super::rule::ANY;
use super::checked::{CheckedPolicy, Existing};
use super::names::is_near;
use crate::domain::Area;
use crate::domain::access::{AUTO, GUEST};

pub(super) fn check(checked: &CheckedPolicy<'_>, existing: &Existing, problems: &mut Vec<Problem>) {
    let lines = checked.policy.lines();
    let mut search = Search {
        existing,
        told: BTreeSet::new(),
        problems,
    };
    for rule in &lines.rules {
        let line = rule.line.line;
        let project = project_of(&rule.key).filter(|_| rule.key != ANY);
        if let Some(project) = project {
            search.project(project, POLICY, line);
        }
        search.environment(project, &rule.environment, POLICY, line);
        search.user(&rule.subject, line);
    }
    for link in &lines.roles {
        search.user(&link.from, link.line);
    }
    for link in lines.groups.iter().filter(|link| !is_project_group(&link.from)) {
        if let Some(project) = project_of(&link.from) {
            search.project(project, POLICY, link.line);
        }
    }
    let freezes = checked.policy.calendar.freezes.iter();
    for (freeze, &line) in freezes.zip(&checked.calendar.freezes) {
        for project in freeze.projects.iter().filter(|name| !is_project_group(name)) {
            search.project(project, CALENDAR, line);
        }
        for environment in &freeze.environments {
            search.environment(None, environment, CALENDAR, line);
        }
    }
    if checked.model.groups {
        for area in Area::ALL
            .iter()
            .filter(|area| existing.projects.contains_key(area.as_str()))
        {
            let message = format!(
                "There is a project “{area}”, and lines mean {} by that name: rename the project.",
                area.title()
            );
            problems.push(Problem::warning(POLICY, 0, message));
        }
    }
}

struct Search<'a> {
    existing: &'a Existing,
    /// Each is told once.
    told: BTreeSet<String>,
    problems: &'a mut Vec<Problem>,
}

impl Search<'_> {
    fn tell<'n>(
        &mut self,
        what: String,
        name: &str,
        known: impl IntoIterator<Item = &'n String>,
        (file, line): (&str, u32),
    ) {
        if !self.told.insert(what.clone()) {
            return;
        }
        let near = known
            .into_iter()
            .find(|other| is_near(name, other) || name.eq_ignore_ascii_case(other));
        let hint = near
            .map(|near| format!(" Is “{near}” meant?"))
            .unwrap_or_default();
        self.problems
            .push(Problem::warning(file, line, format!("There is no {what}.{hint}")));
    }

    fn project(&mut self, name: &str, file: &str, line: u32) {
        let existing = self.existing;
        if !existing.projects.contains_key(name) {
            self.tell(
                format!("project “{name}”"),
                name,
                existing.projects.keys(),
                (file, line),
            );
        }
    }

    /// An environment of a project, or of any where none is named.
    fn environment(&mut self, project: Option<&str>, name: &str, file: &str, line: u32) {
        let existing = self.existing;
        if name == ANY {
            return;
        }
        let own = project.and_then(|project| existing.projects.get(project));
        let known: BTreeSet<&String> = match (project, own) {
            (Some(_), None) => return,
            (_, Some(own)) => own.iter().collect(),
            (None, None) => existing.projects.values().flatten().collect(),
        };
        if !known.iter().any(|one| *one == name) {
            let what = match project {
                Some(project) => format!("environment “{name}” in “{project}”"),
                None => format!("environment “{name}” in any project"),
            };
            self.tell(what, name, known, (file, line));
        }
    }

    fn user(&mut self, name: &str, line: u32) {
        let existing = self.existing;
        if is_user(name) && ![GUEST, AUTO].contains(&name) && !existing.users.contains(name) {
            self.tell(format!("user “{name}”"), name, &existing.users, (POLICY, line));
        }
    }
}
