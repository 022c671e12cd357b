//! Loads a policy from its files, or lists the problems that keep it from taking effect.

use super::files::{CALENDAR, MODEL, POLICY, Source, TESTS};
use super::judge::Judge;
use super::policy::Policy;
use super::problem::{PolicyReport, Problem};
use super::{calendar_file, expectations, lines, model, roles, suspicions};

/// Loads the policy of `source`: `None` when the report has an error.
pub(super) fn load(source: &Source) -> (Option<Policy>, PolicyReport) {
    let mut report = PolicyReport::default();
    let policy = read(source, &mut report).filter(|_| report.is_good());
    report.arrange();
    (policy, report)
}

fn read(source: &Source, report: &mut PolicyReport) -> Option<Policy> {
    let problems = &mut report.problems;
    let mut text = |file| {
        source
            .require(file)
            .map_err(|problem| problems.push(problem))
            .ok()
    };
    let (model, policy, calendar) = (text(MODEL), text(POLICY), text(CALENDAR));
    let model = model.and_then(|text| model::read(&text, problems));
    // Lines cannot be checked against the windows of a broken calendar.
    let calendar_errors = problems.iter().filter(|problem| problem.is_error()).count();
    let calendar = calendar_file::read(&calendar?, source, problems);
    if problems.iter().filter(|problem| problem.is_error()).count() > calendar_errors {
        return None;
    }
    let text = policy?;
    let lines = lines::read(&text, &calendar, problems);
    roles::check(&lines, problems);
    let tests = match source.read(TESTS) {
        Ok(Some(text)) => text,
        Ok(None) => {
            problems.push(Problem::warning(
                TESTS,
                0,
                "There is no such file, so the policy has no tests.",
            ));
            String::new()
        }
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let model = model?;
    if problems.iter().any(Problem::is_error) {
        return None;
    }
    let judge = Judge::build(&model, &lines)
        .map_err(|problem| problems.push(problem))
        .ok()?;
    let policy = Policy::new(calendar, text, lines.clone(), judge, model.standard);
    let expected = expectations::run(&tests, &policy, problems);
    suspicions::check(&model, &lines, &policy, &expected, problems);
    report.tests_run = expected.len();
    Some(policy)
}
