//! Loads a policy from its files, or lists the problems that keep it from taking effect.
//!
//! Every file is read whatever is wrong with the others, so that one look shows everything.

use std::collections::BTreeSet;
use std::path::Path;

use super::calendar_file::CalendarLines;
use super::columns::{Vocabulary, is_project_group};
use super::expectations::Expectation;
use super::files::{CALENDAR, FILES, FilesStamp, MODEL, POLICY, PolicyFiles, Source, TESTS};
use super::judge::Judge;
use super::model::PolicyModel;
use super::policy::Policy;
use super::problem::{PolicyReport, Problem};
use super::{calendar_file, expectations, lines, model, roles, suspicions};
use crate::domain::Calendar;

/// A policy, with what a check needs of its files.
pub(super) struct Loaded {
    pub policy: Policy,
    pub model: PolicyModel,
    /// Where the parts of the calendar stand.
    pub calendar: CalendarLines,
    pub expected: Vec<Expectation>,
}

/// How often files that change while they are read are read again.
const READINGS: usize = 3;

/// Files that a policy is made of, whether they are there or not, and their state.
#[derive(Debug, Clone)]
pub(super) struct Followed {
    pub names: BTreeSet<String>,
    pub stamp: FilesStamp,
}

/// Reads the files, once more where somebody writes them meanwhile (parts of two policies make a third) or where
/// others are looked for than are `followed`.
pub(super) fn followed(source: &Source, followed: &mut Followed) -> (Option<Policy>, PolicyReport) {
    followed.stamp = source.stamp(&followed.names);
    let mut loaded = load(source);
    for _ in 1..READINGS {
        followed.names.clone_from(&loaded.1.looked_for);
        let after = source.stamp(&followed.names);
        if after == followed.stamp {
            break;
        }
        followed.stamp = after;
        loaded = load(source);
    }
    loaded
}

/// Checks the policy directory `dir` as [`Access::load`](super::Access::load) would.
pub fn check(dir: &Path) -> PolicyReport {
    load(&Source::Directory(dir.to_owned())).1
}

/// Loads the policy of `source`: `None` when the report has an error.
pub(super) fn load(source: &Source) -> (Option<Policy>, PolicyReport) {
    let (loaded, report) = open(source);
    let policy = loaded.map(|loaded| loaded.policy).filter(|_| report.is_good());
    (policy, report)
}

/// The policy of `source`, also when its tests fail: `None` when the report has another error.
pub(super) fn open(source: &Source) -> (Option<Loaded>, PolicyReport) {
    let mut report = PolicyReport::default();
    let is_grave = |problem: &Problem| problem.is_error() && problem.file != TESTS;
    let loaded = read(source, &mut report).filter(|_| !report.problems.iter().any(is_grave));
    report.arrange();
    (loaded, report)
}

fn read(source: &Source, report: &mut PolicyReport) -> Option<Loaded> {
    let problems = &mut report.problems;
    let mut files = PolicyFiles::default();
    let mut text = |file: &str| {
        let text = source
            .require(file)
            .map_err(|problem| problems.push(problem))
            .ok();
        files.0.extend(text.clone().map(|text| (file.to_owned(), text)));
        text
    };
    report.looked_for = FILES.map(str::to_owned).into();
    let (model, policy, calendar) = (text(MODEL), text(POLICY), text(CALENDAR));
    let model = model.and_then(|text| model::read(&text, problems));
    let read = calendar.and_then(|text| calendar_file::read(&text, source, problems));
    let (mut calendar, calendar_lines) = read.unzip();
    let holidays = calendar_lines.iter().flat_map(|lines| lines.holiday_names.iter());
    report.looked_for.extend(holidays.cloned());
    let known = Vocabulary {
        calendar: calendar.as_ref(),
        // What a model that cannot be read knows is not what is wrong with a line.
        groups: model.as_ref().is_none_or(|model| model.groups),
    };
    let lines = policy.as_ref().map(|text| lines::read(text, known, problems));
    if let Some(lines) = &lines {
        roles::check(lines, problems);
    }
    let zone = calendar
        .as_ref()
        .map_or_else(Default::default, |calendar| calendar.zone);
    let mut of_tests = Vec::new();
    let tests = tests(source, &mut of_tests);
    files.0.extend(tests.clone().map(|text| (TESTS.to_owned(), text)));
    let tests = tests.unwrap_or_default();
    let expected = expectations::read_all(&tests, zone, known.groups, &mut of_tests);
    if let (Some(lines), Some(calendar), Some(at)) = (&lines, &mut calendar, &calendar_lines) {
        name_members(calendar, lines, at, problems);
    }
    // A test that cannot be read keeps no other from being tried.
    let is_broken = problems.iter().any(Problem::is_error);
    problems.append(&mut of_tests);
    let (model, lines, calendar) = (model?, lines?, calendar?);
    if is_broken {
        return None;
    }
    let judge = Judge::build(&model, &lines)
        .map_err(|problem| problems.push(problem))
        .ok()?;
    let calendar_lines = calendar_lines.unwrap_or_default();
    files.0.extend(calendar_lines.holidays.0.clone());
    let policy = Policy::new(calendar, files, lines, judge, &model);
    expectations::run(&expected, &policy, problems);
    suspicions::check(&model, &policy, &expected, problems);
    report.tests_run = expected.len();
    Some(Loaded {
        policy,
        model,
        calendar: calendar_lines,
        expected,
    })
}

/// The text of the tests; `None` where there are none.
fn tests(source: &Source, problems: &mut Vec<Problem>) -> Option<String> {
    match source.read(TESTS) {
        Ok(Some(text)) => return Some(text),
        Ok(None) => {
            let message = "There is no such file, so the policy has no tests.";
            problems.push(Problem::warning(TESTS, 0, message));
        }
        Err(problem) => problems.push(problem),
    }
    None
}

/// Puts the projects of groups that freezes name into the freezes.
fn name_members(
    calendar: &mut Calendar,
    lines: &lines::PolicyLines,
    at: &CalendarLines,
    problems: &mut Vec<Problem>,
) {
    for (freeze, &line) in calendar.freezes.iter_mut().zip(&at.freezes) {
        for group in freeze.projects.iter().filter(|name| is_project_group(name)) {
            let members = lines.members_of(group);
            if members.is_empty() {
                let message = format!(
                    "The freeze “{}” is for “{group}”, and no g3 line of policy.csv puts a project into it.",
                    freeze.name
                );
                problems.push(Problem::warning(CALENDAR, line, message));
            }
            freeze.members.extend(members);
        }
    }
}
