//! A policy, in force or as it once was, for pages that ask it questions.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::explain::Explanation;
use super::policy::Policy;
use super::question::PolicyQuestion;
use super::rights_table::{self, AllowedTime, RightsTable};
use super::rule::{ANY, Rule};
use super::week::{DaySpan, DrawnDay};
use super::{expectations, scope};
use crate::domain::access::GUEST;
use crate::domain::calendar::{ALWAYS, beginning};
use crate::domain::{Action, Actor, Calendar, Instant, Resource};

/// Answers questions about one policy. Cheap to clone; what is read meanwhile changes nothing.
#[derive(Clone)]
pub struct PolicyAnswers(Arc<Policy>);

impl PolicyAnswers {
    pub(super) fn new(policy: Arc<Policy>) -> Self {
        Self(policy)
    }

    /// The digest of the policy's files.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// The calendar of the policy.
    pub fn calendar(&self) -> &Calendar {
        &self.0.calendar
    }

    /// What `text` names: `project/environment`, a project, `everything`, or an area.
    pub fn resource(&self, text: &str) -> Option<Resource> {
        expectations::resource_of(text, self.0.knows_groups())
    }

    /// The names under which the policy knows `actor`: the user, groups of the login, and everybody's.
    pub fn names_of(actor: &Actor) -> Vec<String> {
        scope::names_of(actor)
    }

    /// Whether a line names this user, role or group.
    pub fn knows(&self, name: &str) -> bool {
        let lines = self.0.lines();
        let mut links = lines.roles.iter();
        lines.rules.iter().any(|rule| rule.subject == name)
            || links.any(|link| link.from == name || link.to == name)
    }

    /// Whether a line names this project.
    pub fn knows_project(&self, project: &Resource) -> bool {
        self.0.names_project(project)
    }

    /// Whether a line or a freeze names an environment of this name.
    pub fn knows_environment(&self, name: &str) -> bool {
        self.0.environments().any(|one| one == name)
    }

    /// Why somebody may or may not do something.
    pub fn explain(&self, asked: &PolicyQuestion) -> Explanation {
        self.0
            .explain(&asked.names, asked.action, &asked.resource, asked.at)
    }

    /// Some groups that would make the answer another one, if the login told them.
    pub fn deciding_groups(&self, asked: &PolicyQuestion) -> Vec<String> {
        self.0
            .deciding_groups(&asked.names, asked.action, &asked.resource, asked.at)
    }

    /// The week around the time of the question, from Monday by the clock of `zone`.
    pub fn week(&self, asked: &PolicyQuestion, zone: Tz) -> Vec<DrawnDay> {
        self.0.week(asked, zone)
    }

    /// Who may do which of `actions` on `resource` from `now` on.
    pub fn table(&self, resource: &Resource, actions: &[Action], now: Instant) -> RightsTable {
        rights_table::table(&self.0, resource, actions, now)
    }

    /// The same for one day of `zone`: the times of cells are hours of that day, and only of the part of it in
    /// which the policy was `in_force`.
    pub fn table_of_day(
        &self,
        resource: &Resource,
        actions: &[Action],
        (day, zone): (NaiveDate, Tz),
        in_force: Option<(Instant, Instant)>,
    ) -> Option<RightsTable> {
        let whole = (beginning(day, zone)?, beginning(day.succ_opt()?, zone)?);
        let (from, until) = in_force.unwrap_or(whole);
        let mut table = self.table(resource, actions, from);
        for row in &mut table.rows {
            let name = row.subject.as_ref().or(row.people.first()).cloned();
            let mut names = vec![name.unwrap_or_default(), GUEST.to_owned()];
            names.dedup();
            let cells = row.cells.iter_mut().zip(actions);
            for (cell, &action) in cells.filter(|(cell, _)| !cell.is_empty()) {
                let spans = self.0.spans(&names, action, resource, (from, until));
                let allowed = spans.iter().filter(|span| span.ruling.allowed);
                *cell = allowed.map(|span| hours(span, whole, zone)).collect();
            }
        }
        table
            .rows
            .retain(|row| row.cells.iter().any(|cell| !cell.is_empty()));
        Some(table)
    }

    /// The windows of lines that are about one of `places`, without `always` and freezes.
    pub fn windows_at(&self, places: &[Resource]) -> BTreeSet<String> {
        let lines = self.0.lines();
        let projects: BTreeSet<String> = places
            .iter()
            .map(|place| self.0.key(place).into_owned())
            .collect();
        let groups: BTreeSet<&str> = lines.groups.iter().map(|link| link.to.as_str()).collect();
        let has_one = |group: &&str| lines.keys_in(group).iter().any(|key| projects.contains(key));
        let groups: BTreeSet<&str> = groups.into_iter().filter(has_one).collect();
        let is_about = |rule: &&Rule| {
            rule.key == ANY || projects.contains(&rule.key) || groups.contains(rule.key.as_str())
        };
        let known = |window: &&String| *window != ALWAYS && self.0.calendar.windows.contains_key(*window);
        let about = self.0.rules().iter().filter(is_about);
        about.map(|rule| &rule.window).filter(known).cloned().collect()
    }
}

/// A span as hours of the day that it is in.
fn hours(span: &DaySpan, (from, until): (Instant, Instant), zone: Tz) -> AllowedTime {
    let clock = |at: Instant| match at == until {
        true => "24:00".to_owned(),
        false => at.with_timezone(&zone).format("%H:%M").to_string(),
    };
    let is_always = span.from == from && span.until == until;
    AllowedTime {
        when: match is_always {
            true => "all day".to_owned(),
            false => format!("{}–{}", clock(span.from), clock(span.until)),
        },
        is_always,
        with: span.ruling.with.clone(),
    }
}
