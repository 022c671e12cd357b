//! What is valid in a policy and hardly meant: everybody as administrator, a matcher that gives more
//! than the shipped one, subjects that look alike.

use std::collections::{BTreeMap, HashMap};

use unicode_security::{MixedScript, skeleton};

use super::expectations::Expectation;
use super::files::{MODEL, POLICY, shipped};
use super::judge::{Judge, STRANGER};
use super::lines::PolicyLines;
use super::model::{self, PolicyModel};
use super::policy::Policy;
use super::problem::Problem;
use super::question::Question;
use super::rule::{ANY, Rule};
use crate::domain::access::{GUEST, VISITOR};
use crate::domain::{Action, Resource};

/// How many rules a changed matcher is asked about in all; each takes some microseconds.
const EVALUATIONS: usize = 200_000;

/// Adds to `problems` what is suspicious.
pub(super) fn check(
    model: &PolicyModel,
    policy: &Policy,
    expected: &[Expectation],
    problems: &mut Vec<Problem>,
) {
    let lines = policy.lines();
    if !model.groups {
        let message = "This model knows no groups of projects, no closed projects, and nothing that belongs to no project by itself: the model.conf of this version does.";
        problems.push(Problem::note(MODEL, 0, message));
    }
    everybody_administers(policy, expected, problems);
    if let Some(line) = policy.administered_by_nobody() {
        let message = "Nobody is left who may administer everything: no line gives it to a user or a group, or others deny it to all of them.";
        problems.push(Problem::error(POLICY, line, message));
    } else if let Some((rule, takes)) = policy.administered_at_times() {
        let (window, line) = (&rule.window, rule.line.line);
        let message = if takes {
            format!(
                "While “{window}” is open nobody may administer everything: this line denies it to all who may."
            )
        } else {
            format!("Nobody may administer everything at all times: this line gives it in “{window}” only.")
        };
        problems.push(Problem::warning(POLICY, line, message));
    }
    look_alikes(lines, problems);
    guest_account(lines, problems);
    if !model.standard {
        wider_matcher(model, lines, policy.judge(), problems);
    }
}

/// That everybody may administer everything is an error, unless it is expected.
fn everybody_administers(policy: &Policy, expected: &[Expectation], problems: &mut Vec<Problem>) {
    let Some(line) = policy.administered_by_all() else {
        return;
    };
    let says_so = |one: &Expectation| {
        one.allowed
            && one.names == [GUEST]
            && one.action == Action::Administer
            && one.resource == Resource::Everything
    };
    let what =
        format!("By this line everybody, also without a login, may administer everything: “{GUEST}” has it.");
    problems.push(if expected.iter().any(says_so) {
        Problem::warning(POLICY, line, what)
    } else {
        let way_out = "Take it away; if it is meant, write “guest may administer everything at 2026-01-01 12:00” into tests.toml.";
        Problem::error(POLICY, line, format!("{what} {way_out}"))
    });
}

/// Every subject of rules and roles, with its line.
fn subjects(lines: &PolicyLines) -> impl Iterator<Item = (&str, u32)> {
    let in_rules = lines
        .rules
        .iter()
        .map(|rule| (rule.subject.as_str(), rule.line.line));
    let in_roles = lines
        .roles
        .iter()
        .flat_map(|link| [(link.from.as_str(), link.line), (link.to.as_str(), link.line)]);
    in_rules.chain(in_roles)
}

/// A line for an account that expectations cannot name, as they mean visitors without login by it.
fn guest_account(lines: &PolicyLines, problems: &mut Vec<Problem>) {
    let first = subjects(lines)
        .filter(|(subject, _)| *subject == VISITOR)
        .map(|(_, line)| line)
        .min();
    if let Some(line) = first {
        let message = format!(
            "“{VISITOR}” is an account here; in tests.toml it means visitors without login, whom lines call “{GUEST}”. Give the account another name."
        );
        problems.push(Problem::warning(POLICY, line, message));
    }
}

/// Subjects that a reader takes for one another are two subjects to the program.
fn look_alikes(lines: &PolicyLines, problems: &mut Vec<Problem>) {
    let mut first_lines: BTreeMap<&str, u32> = BTreeMap::new();
    for (subject, line) in subjects(lines).filter(|(subject, _)| *subject != ANY) {
        let first = first_lines.entry(subject).or_insert(line);
        *first = line.min(*first);
    }
    let mut by_look: HashMap<String, (&str, u32)> = HashMap::new();
    let mut in_order: Vec<(&str, u32)> = first_lines.into_iter().collect();
    in_order.sort_by_key(|&(subject, line)| (line, subject));
    for (subject, line) in in_order {
        let message = match by_look.get(&look(subject)) {
            Some((other, at)) => format!(
                "“{subject}” looks like “{other}” of line {at}, and is another subject. Write both alike if they are one."
            ),
            None if !subject.is_single_script() => {
                format!("“{subject}” mixes letters of several scripts, some of which look like others.")
            }
            None => String::new(),
        };
        by_look.entry(look(subject)).or_insert((subject, line));
        if !message.is_empty() {
            problems.push(Problem::warning(POLICY, line, message));
        }
    }
}

/// The same for all names that look the same.
pub(super) fn look(subject: &str) -> String {
    let shape: String = skeleton(&subject.to_lowercase()).collect();
    shape.to_lowercase()
}

/// Whether a reader takes `name` for `word`: in other letters, upper or lower, or with other marks around it.
pub fn is_taken_for(name: &str, word: &str) -> bool {
    // 1, I, l and i are told apart in few fonts.
    let plain = |text: &str| look(text.trim_matches(['.', '_', '-'])).replace('i', "l");
    plain(name) == plain(word)
}

/// A changed matcher is a warning, with what it gives beyond the shipped one.
fn wider_matcher(model: &PolicyModel, lines: &PolicyLines, own: &Judge, problems: &mut Vec<Problem>) {
    let mut message = "The matcher is not the shipped one.".to_owned();
    let shipped = shipped(MODEL).and_then(|text| model::read(text, &mut Vec::new()));
    let shipped = shipped.and_then(|model| Judge::build(&model, lines).ok());
    if let Some(shipped) = shipped
        && let Some(given) = given_beyond(lines, own, &shipped)
    {
        message.push_str(&given);
    }
    problems.push(Problem::warning(MODEL, model.matcher_line, message));
}

/// Something that `own` allows and `shipped` does not, in a sentence.
fn given_beyond(lines: &PolicyLines, own: &Judge, shipped: &Judge) -> Option<String> {
    let allows = |judge: &Judge, question: &Question<'_>| {
        let found = judge.ask(question).unwrap_or_default();
        let rules: Vec<&Rule> = found.iter().filter_map(|&rule| lines.rules.get(rule)).collect();
        let is_allowed = !rules.is_empty() && rules.iter().all(|rule| !rule.deny);
        is_allowed.then(|| rules.first().map_or(0, |rule| rule.line.line))
    };
    let questions = lines.rules.iter().flat_map(questions);
    let limit = EVALUATIONS / lines.rules.len().max(1);
    questions.take(limit).find_map(|question| {
        let line = allows(own, &question)?;
        if allows(shipped, &question).is_some() {
            return None;
        }
        let who = match question.subject {
            STRANGER => "a stranger",
            name => name,
        };
        let Question {
            action,
            project,
            environment,
            open,
            ..
        } = question;
        let window = if open.is_empty() { "no window" } else { open };
        Some(format!(
            " By line {line} it lets {who} {action} {project}/{environment} while {window} is open, which the shipped one does not."
        ))
    })
}

/// Questions close to what a rule says.
fn questions(rule: &Rule) -> impl Iterator<Item = Question<'_>> {
    let own = |text, other| {
        if text == ANY {
            [other, other]
        } else {
            [text, other]
        }
    };
    let subjects = own(rule.subject.as_str(), STRANGER);
    let projects = own(rule.key.as_str(), "another-project");
    let environments = own(rule.environment.as_str(), "another-environment");
    let actions = [rule.action.as_str(), "view", "administer"];
    let actions = actions.into_iter().filter(|action| *action != ANY);
    actions.flat_map(move |action| {
        subjects.into_iter().flat_map(move |subject| {
            projects.into_iter().flat_map(move |project| {
                environments.into_iter().flat_map(move |environment| {
                    [rule.window.as_str(), ""].map(|open| Question {
                        subject,
                        project,
                        environment,
                        action,
                        open,
                    })
                })
            })
        })
    })
}
