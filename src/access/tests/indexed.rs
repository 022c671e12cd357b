//! Asking casbin about the rules that matter gives the same answers as asking it about all.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::access::columns::Vocabulary;
use crate::access::judge::Judge;
use crate::access::lines::{self, PolicyLines};
use crate::access::model;
use crate::access::question::Question;

const SUBJECTS: [&str; 9] = [
    "ada",
    "bob",
    "default",
    "group:ops",
    "role:a",
    "role:b",
    "role:c",
    "role:d",
    "*",
];
const PROJECTS: [&str; 8] = [
    "*",
    "shop",
    "blog",
    "deploy",
    "projects:web",
    "projects:all",
    "projects:closed",
    "wiki",
];
const MEMBERS: [&str; 6] = ["shop", "blog", "deploy", "administer", "view", "projects:web"];
const ENVIRONMENTS: [&str; 4] = ["*", "dev", "beta", "prod"];
const ACTIONS: [&str; 7] = [
    "view",
    "deploy",
    "rollback",
    "lock",
    "configure",
    "administer",
    "audit",
];
const WINDOWS: [&str; 3] = ["always", "business-hours", "freeze"];

fn rule() -> impl Strategy<Value = String> {
    let columns = (
        select(&SUBJECTS[..]),
        select(&PROJECTS[..]),
        select(&ENVIRONMENTS[..]),
        select(&ACTIONS[..]),
        select(&WINDOWS[..]),
        0..10u8,
    );
    columns.prop_map(|(subject, project, environment, action, window, kind)| {
        let (action, effect) = match kind {
            0 => ("*", "deny"),
            1 | 2 => (action, "deny"),
            _ => (action, "allow"),
        };
        format!("p, {subject}, {project}, {environment}, {action}, {window}, {effect}")
    })
}

/// Who has which role: a role has later ones only, so there is no circle.
fn link() -> impl Strategy<Value = String> {
    (0..7usize, 0..4usize).prop_filter_map("a circle", |(from, to)| {
        let (from, to) = (SUBJECTS[from], to + 4);
        let is_later = SUBJECTS
            .iter()
            .position(|one| *one == from)
            .is_some_and(|at| at < to);
        is_later.then(|| format!("g, {from}, {}", SUBJECTS[to]))
    })
}

fn implication() -> impl Strategy<Value = String> {
    (0..ACTIONS.len(), 0..ACTIONS.len()).prop_filter_map("a circle", |(from, to)| {
        (from > to).then(|| format!("g2, {}, {}", ACTIONS[from], ACTIONS[to]))
    })
}

/// Which project is in which group.
fn member() -> impl Strategy<Value = String> {
    let members = (select(&MEMBERS[..]), select(&PROJECTS[5..7]));
    let direct = select(&MEMBERS[..5]).prop_map(|project| format!("g3, {project}, projects:web"));
    prop_oneof![
        members.prop_map(|(project, group)| format!("g3, {project}, {group}")),
        direct
    ]
}

fn read(lines: &[String]) -> PolicyLines {
    let mut problems = Vec::new();
    let calendar = Access::builtin().calendar();
    let known = Vocabulary {
        calendar: Some(&calendar),
        groups: true,
    };
    let lines = lines::read(&lines.join("\n"), known, &mut problems);
    assert!(!problems.iter().any(Problem::is_error), "{problems:?}");
    lines
}

/// As casbin is asked about them.
const PLACES: [(&str, &str); 9] = [
    ("shop", "dev"),
    ("shop", "prod"),
    ("blog", "dev"),
    ("project:deploy", "dev"),
    ("project:administer", "dev"),
    ("other", "dev"),
    ("shop", "*"),
    ("*", "*"),
    ("area:users", "*"),
];

proptest! {
    #![proptest_config(crate::cases::cases(24))]

    #[test]
    fn what_is_left_out_changes_no_answer(
        rules in vec(rule(), 0..40),
        links in vec(link(), 0..8),
        implications in vec(implication(), 0..8),
        members in vec(member(), 0..6),
    ) {
        let lines = read(&[rules, links, implications, members].concat());
        let standard = model::read(shipped(MODEL).unwrap(), &mut Vec::new()).unwrap();
        prop_assert!(standard.standard);
        let mut plain = standard.clone();
        plain.standard = false;
        let (indexed, plain) = (Judge::build(&standard, &lines).unwrap(), Judge::build(&plain, &lines).unwrap());
        for subject in ["ada", "bob", "default", "group:ops", "role:a", "nobody"] {
            for (project, environment) in PLACES {
                for action in ACTIONS {
                    for open in ["always", "always freeze", "always business-hours", ""] {
                        let question = Question { subject, project, environment, action, open };
                        prop_assert_eq!(
                            indexed.ask(&question).unwrap(),
                            plain.ask(&question).unwrap(),
                            "{} {} {}/{} while {}", subject, action, project, environment, open
                        );
                    }
                }
            }
        }
    }
}
