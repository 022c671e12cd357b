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
