//! Second persons whom there are not, and tests that test nothing.

use super::linted::{is_silent, said, says};
use super::*;

#[test]
fn a_second_person_whom_there_is_not_is_named() {
    let approve = "p, role:lead, shop, *, approve, always, allow\n";
    for (lines, what) in [
        (
            "p, zoe, shop, prod, deploy, always, allow with role:lead\n",
            "+1: warning: Nobody has “role:lead”, so nobody could approve, and this line lets nobody deploy",
        ),
        (
            "p, lea, shop, prod, rollback, always, allow with role:lead\ng, lea, role:lead\n",
            "+1: warning: Only “lea” has “role:lead”, and nobody approves what they request themselves, so this line lets nobody rollback",
        ),
        (
            "p, role:dev, shop, prod, deploy, always, allow with role:lead\ng, lea, role:dev\ng, role:dev, role:lead\n",
            "+1: warning: Only “lea” has “role:lead”",
        ),
        (
            "p, lea, shop, prod, deploy, always, allow with lea\np, lea, shop, *, approve, always, allow\n",
            "+1: warning: Only “lea” has “lea”",
        ),
        (
            "p, zoe, shop, prod, deploy, always, allow with role:lead\ng, role:ghost, role:lead\n",
            "+1: warning: Nobody has “role:lead”",
        ),
    ] {
        says(&format!("{lines}{approve}"), what);
    }
    for lines in [
        "p, zoe, shop, prod, deploy, always, allow with role:lead\ng, lea, role:lead\n",
        "p, lea, shop, prod, deploy, always, allow with role:lead\ng, lea, role:lead\ng, group:leads, role:lead\n",
        "p, group:leads, shop, prod, deploy, always, allow with role:lead\ng, group:leads, role:lead\n",
        "p, *, shop, prod, deploy, always, allow with role:lead\ng, default, role:lead\n",
    ] {
        let lines = format!("{lines}{approve}");
        is_silent(&lines, "Nobody has “role:lead”");
        is_silent(&lines, "nobody approves");
        is_silent(&lines, "may approve here");
    }
}

#[test]
fn tests_that_cannot_fail_are_named() {
    let told = |sentence: &str| {
        let tests = format!("expect = [\n  \"{sentence} at 2026-11-23 10:00\",\n]\n");
        said(
            "p, zoe, users, *, view, always, allow\n",
            &[(TESTS, &tests)],
            None,
        )
        .join("\n")
    };
    for (sentence, what) in [
        (
            "nobody-known may not administer users",
            "tests.toml:2: warning: Of “users” only view is ever asked, so nobody may administer it and this tests nothing.",
        ),
        (
            "zoe may not deploy audit",
            "tests.toml:2: warning: Of “audit” only view or audit is ever asked",
        ),
        (
            "zoe may not view users/dev",
            "tests.toml:2: warning: “users” means the users here and no project can be called so",
        ),
        (
            "nobody-known may not deploy shop/prod",
            "tests.toml:2: warning: No line names “nobody-known”, so this only tests what everybody may",
        ),
        (
            "hans in group:unheard may not deploy shop/prod",
            "tests.toml:2: warning: No line names “group:unheard”",
        ),
    ] {
        let told = told(sentence);
        assert!(told.contains(what), "{sentence}: {told}");
    }
    for sentence in [
        "zoe may view users",
        "zoe may not view audit",
        "guest may not deploy shop/prod",
        "role:reader may not deploy elsewhere/dev",
    ] {
        let told = told(sentence);
        assert!(!told.contains("tests.toml"), "{sentence}: {told}");
    }
}

#[test]
fn names_that_only_seem_to_be_the_one_that_is_meant_are_told() {
    for (lines, what) in [
        (
            "p, *, *, Prod, deploy, always, deny\n",
            "+1: warning: “Prod” looks like “prod” of line",
        ),
        (
            "p, *, *, prd, deploy, always, deny\n",
            "+1: warning: “prd” is named only here, and “prod”",
        ),
        (
            "p, role:reader, shop, dev, run, always, allow\ng3, Shop, projects:closed\n",
            "“Shop” looks like “shop” of line",
        ),
        (
            "g3, payroll, projects:close\n",
            "+1: warning: No line and no freeze names “projects:close”, so this line does nothing. Is “projects:closed” meant?",
        ),
        (
            "g3, payroll, projects:Closed\n",
            "+1: warning: No line and no freeze names “projects:Closed”, so this line does nothing. Is “projects:closed” meant?",
        ),
        (
            "g3, lake, projects:data\np, role:reader, projects:data, dev, run, always, allow\np, role:reader, data, dev, run, always, allow\n",
            "+3: warning: “data” is a project here; the group of projects of line",
        ),
    ] {
        says(lines, what);
    }
    is_silent(
        "g3, lake, projects:data\np, role:reader, projects:data, dev, run, always, allow\n",
        "projects:data",
    );
}

#[test]
fn rights_that_reach_far_are_told() {
    for (lines, what) in [
        (
            "p, zoe, *, *, impersonate, always, allow\n",
            "+1: warning: This line lets “zoe” do whatever anybody may",
        ),
        (
            "p, *, shop, dev, run, always, allow\n",
            "+1: warning: This line lets everybody run, also without a login.",
        ),
        (
            "g2, cancel, impersonate\n",
            "+1: warning: By this line whoever may cancel may impersonate as well",
        ),
        (
            "g2, approve, deploy\n",
            "+1: warning: By this line whoever may approve may deploy as well",
        ),
        (
            "p, *, *, *, administer, business-hours, deny\n",
            "+1: warning: While “business-hours” is open nobody may administer everything",
        ),
    ] {
        says(lines, what);
    }
    is_silent("p, *, shop, dev, view, always, allow\n", "everybody");
}

#[test]
fn a_policy_that_leaves_nobody_who_may_administer_is_an_error_and_one_at_times_a_warning() {
    let dir = directory(&[(POLICY, "# none\n"), (TESTS, "")]);
    let problems = told(dir.path()).join("\n");
    assert!(
        problems.contains("policy.csv:0: Nobody is left who may administer everything"),
        "{problems}"
    );
    let mut lines: Vec<String> = shipped(POLICY).unwrap().lines().map(str::to_owned).collect();
    for line in lines
        .iter_mut()
        .filter(|line| line.starts_with("p, ") && line.contains(" administer,"))
    {
        *line = line.replace("always", "business-hours");
    }
    let dir = directory(&[(POLICY, &lines.join("\n")), (TESTS, "")]);
    let problems = told(dir.path()).join("\n");
    assert!(
        problems.contains(
            "Nobody may administer everything at all times: this line gives it in “business-hours” only."
        ),
        "{problems}"
    );
}

#[test]
fn a_file_with_a_nul_byte_or_without_an_expectation_is_told() {
    for file in [MODEL, POLICY, CALENDAR, TESTS] {
        let dir = directory(&[]);
        std::fs::write(dir.path().join(file), b"# fine\n# \0\n").unwrap();
        let problems = told(dir.path()).join("\n");
        assert!(
            problems.contains(&format!("{file}:2: This line has a NUL byte")),
            "{problems}"
        );
    }
    says("", "tests.toml:0: warning: There is no expectation in it");
}
