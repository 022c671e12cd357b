//! A policy read from its files for questions about it: what commands ask, in force or not.

use std::path::Path;
use std::sync::Arc;

use chrono_tz::Tz;

use super::calendar_times::wrong_day_of;
use super::diff::{self, PolicyDiff};
use super::expectations;
use super::explain::Explanation;
use super::files::{PolicyFiles, Source, TESTS};
use super::lints::{self, CheckedPolicy, Existing};
use super::load::{self, Loaded};
use super::policy_answers::PolicyAnswers;
use super::problem::{PolicyReport, Problem};
use super::question::PolicyQuestion;
use super::week::DrawnDay;
use super::who::{self, Holders};
use crate::domain::{Action, Instant, PolicyLine, Resource};

/// A policy without errors; its own tests may fail.
pub struct OpenedPolicy {
    loaded: Loaded,
    report: PolicyReport,
}

impl OpenedPolicy {
    /// Reads the policy of a directory, or the one that is shipped.
    ///
    /// # Errors
    /// The report, with an error besides failed tests.
    pub fn open(dir: Option<&Path>) -> Result<Self, PolicyReport> {
        let source = dir.map_or(Source::Builtin, |dir| Source::Directory(dir.to_owned()));
        match load::open(&source) {
            (Some(loaded), report) => Ok(Self { loaded, report }),
            (None, report) => Err(report),
        }
    }

    /// Reads a policy from files that were kept.
    ///
    /// # Errors
    /// As [`OpenedPolicy::open`].
    pub fn of_files(files: PolicyFiles) -> Result<Self, PolicyReport> {
        match load::open(&Source::Kept(files)) {
            (Some(loaded), report) => Ok(Self { loaded, report }),
            (None, report) => Err(report),
        }
    }

    /// The policy alone.
    pub fn into_answers(self) -> PolicyAnswers {
        PolicyAnswers::new(Arc::new(self.loaded.policy))
    }

    /// Everything that is wrong, suspicious or better written otherwise.
    pub fn check(&self, now: Instant, existing: Option<&Existing>) -> PolicyReport {
        let mut report = self.report.clone();
        let checked = CheckedPolicy {
            model: &self.loaded.model,
            policy: &self.loaded.policy,
            calendar: &self.loaded.calendar,
            expected: &self.loaded.expected,
            now,
            existing,
        };
        lints::check(&checked, &mut report.problems);
        report.arrange();
        report
    }

    /// How many expectations there are, and what is wrong with those that cannot be read or fail.
    pub fn tests(&self) -> (usize, Vec<Problem>) {
        let failed = |problem: &&Problem| problem.file == TESTS && problem.is_error();
        let failures = self.report.problems.iter().filter(failed).cloned().collect();
        (self.report.tests_run, failures)
    }

    /// The lines that no expectation exercises.
    pub fn unexercised(&self) -> Vec<PolicyLine> {
        self.loaded.policy.unexercised(&self.loaded.expected)
    }

    /// The time zone of the calendar.
    pub fn zone(&self) -> Tz {
        self.loaded.policy.calendar.zone
    }

    /// What `text` names: `project/environment`, a project, `everything`, or an area.
    pub fn resource(&self, text: &str) -> Option<Resource> {
        expectations::resource_of(text, self.loaded.model.groups)
    }

    /// The instant of `2026-11-23 10:00` by the clock of the calendar's zone.
    pub fn time(&self, text: &str) -> Result<Instant, String> {
        let unreadable = || {
            format!(
                "“{}” is not a time; write it like “2026-11-23 10:00”.",
                text.escape_debug()
            )
        };
        expectations::time(text, self.zone())
            .unwrap_or_else(|| Err(wrong_day_of(text).unwrap_or_else(unreadable)))
    }

    /// What of a question no line names, as sentences: it may be mistyped.
    pub fn unnamed(&self, who: &str, resource: &Resource) -> Vec<String> {
        let lines = self.loaded.policy.lines();
        let mut said = Vec::new();
        let roles = lines.roles.iter().flat_map(|link| [&link.from, &link.to]);
        let mut subjects = roles.chain(lines.rules.iter().map(|rule| &rule.subject));
        if who != "guest" && !subjects.any(|name| name == who) {
            said.push(format!(
                "No line names “{}”, so only what everybody may counts for them.",
                who.escape_debug()
            ));
        }
        said.extend(self.unnamed_project(resource));
        said
    }

    /// That no line names the project of `resource`; an environment alone is hardly meant.
    pub fn unnamed_project(&self, resource: &Resource) -> Option<String> {
        let policy = &self.loaded.policy;
        let (Resource::Project(project) | Resource::Environment(project, _)) = resource else {
            return None;
        };
        if policy.names_project(resource) {
            return None;
        }
        let is_environment = policy.environments().any(|one| one == project);
        Some(match (resource, is_environment) {
            (Resource::Project(name), true) => format!(
                "“{name}” is an environment, and no line names a project called so: write PROJECT/{name}."
            ),
            _ => format!(
                "No line names the project “{}”, so only lines for all projects count for it.",
                project.escape_debug()
            ),
        })
    }

    /// Why somebody may or may not do something.
    pub fn explain(&self, asked: &PolicyQuestion) -> Explanation {
        let policy = &self.loaded.policy;
        policy.explain(&asked.names, asked.action, &asked.resource, asked.at)
    }

    /// Some groups that would make the answer another one, if the login told them.
    pub fn deciding_groups(&self, asked: &PolicyQuestion) -> Vec<String> {
        let policy = &self.loaded.policy;
        policy.deciding_groups(&asked.names, asked.action, &asked.resource, asked.at)
    }

    /// The week around the time of the question.
    pub fn week(&self, asked: &PolicyQuestion) -> Vec<DrawnDay> {
        let policy = &self.loaded.policy;
        policy.week(asked, policy.calendar.zone)
    }

    /// Everybody who may do one of `actions` there.
    pub fn who(&self, resource: &Resource, actions: &[Action], now: Instant) -> Holders {
        who::who(&self.loaded.policy, resource, actions, now)
    }

    /// What somebody may by `new` and not by this policy, and the other way round.
    pub fn diff(&self, new: &Self, now: Instant) -> PolicyDiff {
        let both = (&self.loaded.policy, &new.loaded.policy);
        diff::diff(both, now, &|| false).expect("it never gives up")
    }
}

/// The names under which policy asks about `who`, with further groups from a login; `None` where it is
/// no user, role or group.
pub fn names_for(who: &str, groups: &[String]) -> Option<Vec<String>> {
    let mut names = expectations::names(who)?;
    let own = names.len() - 1;
    for group in groups {
        let name = format!("group:{}", group.strip_prefix("group:").unwrap_or(group));
        expectations::names(&name)?;
        names.insert(own, name);
    }
    Some(names)
}
