//! Broken files are reported by file and line, and never take effect.

use proptest::prelude::*;

use super::*;

/// The problems of the shipped policy with one more line.
pub(super) fn told_of_line(line: &str) -> String {
    let policy = format!("{}{line}\n", shipped(POLICY).unwrap());
    let number = policy.lines().count();
    let dir = directory(&[(POLICY, &policy)]);
    assert!(Access::load(dir.path()).is_err(), "{line} takes effect");
    let problems = told(dir.path()).join("\n");
    let place = format!("policy.csv:{number}: ");
    assert!(problems.starts_with(&place), "not of line {number}: {problems}");
    problems[place.len()..].to_owned()
}

#[test]
fn each_bad_line_is_told_with_its_number_and_a_reason() {
    let cases = [
        ("q, alice, role:reader", "not a kind of line"),
        ("g4, alice, role:reader", "not a kind of line"),
        ("p, alice, *, dev, deploy, always", "this one has 5"),
        ("p, alice, *, dev, deploy, always, allow, x", "this one has 7"),
        ("g, alice", "this one has 1"),
        ("p, alice, *, , deploy, always, allow", "Column 4 is empty"),
        (
            "p, alice, *, dev, destroy, always, allow",
            "“destroy” is not an action",
        ),
        ("p, alice, *, dev, *, always, allow", "for deny lines only"),
        (
            "p, alice, *, dev, deploy, always, permit",
            "“permit” is not an effect",
        ),
        (
            "p, alice, *, dev, deploy, Always, allow",
            "“Always” is not a window",
        ),
        (
            "p, alice, *, dev, deploy, always, allow # for now",
            "line of its own",
        ),
        ("p, role:, *, dev, deploy, always, allow", "not a subject"),
        ("p, rôle:x, *, dev, deploy, always, allow", "not a subject"),
        ("p, team:x, *, dev, deploy, always, allow", "not a subject"),
        ("p, deploy, *, dev, deploy, always, allow", "name of an action"),
        ("p, \"alice\", *, dev, deploy, always, allow", "not a subject"),
        (
            "p, alice, shop*, dev, deploy, always, allow",
            "not the name of a project",
        ),
        (
            "p, alice, *, pr/od, deploy, always, allow",
            "not the name of an environment",
        ),
        ("g, alice, reader", "write it as “role:NAME”"),
        ("g, *, role:reader", "g, default"),
        ("g, role:developer, role:releaser", "closes a cycle"),
        ("g, role:reader, role:reader", "closes a cycle"),
        ("g2, view, administer", "closes a cycle"),
        ("g2, view, look", "not an action"),
    ];
    for (line, reason) in cases {
        let message = told_of_line(line);
        assert!(message.contains(reason), "{line}: {message}");
        assert!(!message.contains('\n'), "one problem, once: {message}");
    }
}

#[test]
fn all_bad_lines_are_told_at_once() {
    let dir = directory(&[(POLICY, "p, a\n\ng, b\n# fine\nx\n")]);
    let problems = told(dir.path());
    let places: Vec<&str> = problems
        .iter()
        .filter_map(|problem| problem.split(": ").next())
        .collect();
    assert_eq!(places, ["policy.csv:1", "policy.csv:3", "policy.csv:5"]);
}

#[test]
fn doubts_are_told_and_the_policy_takes_effect() {
    let policy = format!(
        "{}p, role:nobody, *, dev, deploy, always, allow\ng, alice, role:readr\ng,alice,role:readr\n",
        shipped(POLICY).unwrap()
    );
    let count = policy.lines().count();
    let dir = directory(&[(POLICY, &policy)]);
    let access = Access::load(dir.path()).unwrap();
    let problems: Vec<String> = access.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            format!(
                "policy.csv:{}: warning: No g line gives “role:nobody” to anybody.",
                count - 2
            ),
            format!(
                "policy.csv:{}: warning: “role:readr” is given here, but no p line mentions it.",
                count - 1
            ),
            format!(
                "policy.csv:{count}: warning: This line says the same as line {}.",
                count - 1
            ),
        ]
    );
}

#[test]
fn a_policy_from_before_an_action_existed_gives_it_to_administrators_and_warns() {
    let policy: String = shipped(POLICY)
        .unwrap()
        .lines()
        .filter(|line| !line.contains("audit") && !line.contains("run"))
        .map(|line| format!("{line}\n"))
        .collect();
    let dir = directory(&[(POLICY, &policy), (TESTS, "")]);
    let access = Access::load(dir.path()).unwrap();
    let warnings: Vec<String> = access.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "policy.csv:0: warning: No g2 line implies “audit”, so “administer” does. Add the line “g2, administer, audit”.",
            "policy.csv:0: warning: No g2 line implies “run”, so “administer” does. Add the line “g2, administer, run”.",
        ]
    );
    let now = at("2026-11-23 10:00");
    for action in [Action::Audit, Action::Run] {
        assert!(
            access.may(&user("admin"), action, &Resource::Everything, now),
            "{action}"
        );
        let releaser = Actor {
            groups: vec!["releasers".to_owned()],
            ..user("somebody")
        };
        assert!(
            !access.may(&releaser, action, &Resource::Everything, now),
            "{action}"
        );
    }
}

#[test]
fn roles_too_deep_for_casbin_are_an_error() {
    let chain: String = (0..10)
        .map(|n| format!("g, role:r{n}, role:r{}\n", n + 1))
        .collect();
    let dir = directory(&[(POLICY, &chain), (TESTS, "")]);
    assert!(
        told(dir.path())
            .iter()
            .any(|problem| problem.contains("more than 9 steps"))
    );
}

#[test]
fn each_bad_model_is_told_with_its_line() {
    let model = shipped(MODEL).unwrap();
    let matcher = model.lines().find(|line| line.starts_with("m =")).unwrap();
    let line_of = |start: &str| model.lines().position(|line| line.starts_with(start)).unwrap() + 1;
    let cases = [
        (
            model.replace("r = sub,", "r = who,"),
            line_of("r ="),
            "only the matcher",
        ),
        (
            model.replace(" && !some(where (p.eft == deny))", ""),
            line_of("e ="),
            "only the matcher",
        ),
        (
            model.replace(matcher, "m = g(r.sub, p.sub) &&"),
            line_of("m ="),
            "Casbin cannot use",
        ),
        (
            model.replace(matcher, "m = unheard_of(r.sub)"),
            line_of("m ="),
            "cannot be used",
        ),
        (
            model.replace(matcher, "m = true"),
            line_of("m ="),
            "gives a stranger",
        ),
        (model.replace(matcher, ""), 0, "“m = …” is missing"),
        (
            model.replace("[matchers]", "[matcher]"),
            line_of("m ="),
            "not known here",
        ),
    ];
    for (text, line, reason) in cases {
        let dir = directory(&[(MODEL, &text)]);
        let problems = told(dir.path()).join("\n");
        assert!(
            problems.contains(&format!("model.conf:{line}: ")),
            "{reason}: {problems}"
        );
        assert!(problems.contains(reason), "{problems}");
        assert!(Access::load(dir.path()).is_err());
    }
}

#[test]
fn another_matcher_may_be_used() {
    let model = shipped(MODEL)
        .unwrap()
        .replace("p.project == r.project", "keyMatch(r.project, p.project)");
    let lines = "p, role:x, shop, dev, view, always, allow\ng, alice, role:x\n";
    let policy = format!("{}{lines}", shipped(POLICY).unwrap());
    let dir = directory(&[(MODEL, &model), (POLICY, &policy)]);
    let access = Access::load(dir.path()).unwrap();
    let may = |name: &str| {
        access.may(
            &user("alice"),
            Action::View,
            &project(name),
            at("2026-11-23 10:00"),
        )
    };
    assert!(may("shop"));
    assert!(!may("blog"));
}

#[test]
fn a_policy_that_fails_its_own_tests_does_not_take_effect() {
    let cases = [
        (
            "\"role:reader may deploy shop/dev at 2026-11-23 10:00\"",
            "should be allowed to deploy",
        ),
        (
            "\"admin may not view everything at 2026-11-23 10:00\"",
            "should not be allowed to view everything then, but policy.csv:",
        ),
        (
            "\"alice can view shop at 2026-11-23 10:00\"",
            "not an expectation",
        ),
        ("\"alice may view shop at 2026-11-23\"", "not an expectation"),
        (
            "\"alice may view shop at 11-23 10:00\"",
            "“11-23 10:00” has no year: write the year first, as 2026-11-23 10:00.",
        ),
        (
            "\"alice may view shop at 2026-11-31 10:00\"",
            "“2026-11-31” is not a day: November 2026 has 30 days.",
        ),
        ("\"alice may view * at 2026-11-23 10:00\"", "not an expectation"),
        ("\"alice may look shop at 2026-11-23 10:00\"", "not an action"),
        (
            "\"team:x may view shop at 2026-11-23 10:00\"",
            "not an expectation",
        ),
    ];
    for (sentence, reason) in cases {
        let dir = directory(&[(TESTS, &format!("expect = [\n{sentence}]\n"))]);
        let problems = told(dir.path()).join("\n");
        assert!(
            problems.starts_with("tests.toml:2: ") && problems.contains(reason),
            "{problems}"
        );
        assert!(Access::load(dir.path()).is_err());
    }
}

#[test]
fn a_missing_or_unreadable_file_is_an_error() {
    for file in [MODEL, POLICY, CALENDAR] {
        let dir = directory(&[]);
        std::fs::remove_file(dir.path().join(file)).unwrap();
        let problems = told(dir.path()).join("\n");
        assert!(
            problems.contains(&format!("{file}:0: There is no such file")),
            "{problems}"
        );
        std::fs::write(dir.path().join(file), b"# fine\n# \xff\n").unwrap();
        let problems = told(dir.path()).join("\n");
        assert!(
            problems.contains(&format!("{file}:2: This line is not UTF-8")),
            "{problems}"
        );
    }
    assert!(Access::load(Path::new("/nonexistent")).is_err());
    let dir = directory(&[]);
    std::fs::remove_file(dir.path().join(TESTS)).unwrap();
    assert_eq!(
        told(dir.path()),
        ["tests.toml:0: warning: There is no such file, so the policy has no tests."]
    );
}

#[test]
fn a_broken_reload_keeps_the_last_good_policy() {
    let dir = directory(&[]);
    let access = Access::load(dir.path()).unwrap();
    let may = |name: &str| {
        access.may(
            &user(name),
            Action::View,
            &project("shop"),
            at("2026-11-23 10:00"),
        )
    };
    let write = |text: &str| std::fs::write(dir.path().join(POLICY), text).unwrap();
    assert!(may("admin") && !may("alice"));

    write("p, *, *, *, administer, always, allow\np, broken\n");
    assert!(access.reload().is_err());
    assert_eq!(
        access
            .problems()
            .iter()
            .map(ToString::to_string)
            .next()
            .unwrap()
            .split(": ")
            .next(),
        Some("policy.csv:2")
    );
    assert!(
        may("admin") && !may("alice"),
        "nothing of the broken file is in force"
    );

    write(&format!("{}g, alice, role:reader\n", shipped(POLICY).unwrap()));
    assert!(access.reload().is_ok());
    assert!(access.problems().is_empty());
    assert!(may("alice"), "the mended one is");

    write(shipped(POLICY).unwrap());
    assert!(access.reload().is_ok());
    assert!(!may("alice"), "no answer is remembered from before");
}

proptest! {
    #![proptest_config(crate::cases::cases(40))]

    /// If a file with a damaged line still loads, nobody may do more than before.
    #[test]
    fn a_damaged_line_never_widens_access(line in 0usize..60, cut in 0usize..60, put in "[,#* a-z:]{0,3}") {
        let mut lines: Vec<String> = shipped(POLICY).unwrap().lines().map(str::to_owned).collect();
        let line = line % lines.len();
        // A comment without its `#` becomes a policy line: that is an edit, not damage.
        prop_assume!(!lines[line].starts_with('#'));
        let cut = cut % (lines[line].len() + 1);
        lines[line].truncate(cut);
        lines[line].push_str(&put);
        let dir = directory(&[(POLICY, &lines.join("\n"))]);
        if let Ok(access) = Access::load(dir.path()) {
            let shipped = Access::builtin();
            let actors = [Actor::guest(""), user("alice"), user("auto"),
                Actor { groups: vec!["developers".into()], ..user("dan") },
                Actor { groups: vec!["readers".into()], ..user("ron") }];
            for (actor, action) in actors.iter().flat_map(|actor| Action::ALL.iter().map(move |&action| (actor, action))) {
                for place in ["dev", "beta", "prod"] {
                    let resource = environment("shop", place);
                    let now = at("2026-11-23 10:00");
                    prop_assert!(!access.may(actor, action, &resource, now) || shipped.may(actor, action, &resource, now),
                        "{} may {action} {resource} by {:?}", actor.name, lines[line]);
                }
            }
        }
    }
}

/// The samples of the sysadmin's page are what the program accepts.
#[test]
fn the_examples_in_the_readme_are_valid() {
    let page = include_str!("../../../policies/README.md");
    let blocks = |kind: &str| -> Vec<String> {
        let fence = format!("```{kind}\n");
        page.split(&fence)
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap().to_owned())
            .collect()
    };
    let lines = blocks("csv").concat();
    assert!(lines.lines().count() > 8);
    let policy = format!("{}{lines}", shipped(POLICY).unwrap());
    let [calendar, tests] = blocks("toml").try_into().unwrap();
    let tests = tests.replace("\"guest may not view", "\"guest may view");
    let calendar_dir = directory(&[(POLICY, &policy), (CALENDAR, &calendar), (TESTS, &tests)]);
    let report = check(calendar_dir.path());
    assert!(report.is_good(), "{:?}", report.problems);
    assert_eq!(report.tests_run, 7);
}
