//! What a check says beyond errors, each with its line.

use super::*;
use crate::access::{Existing, OpenedPolicy};

const NOW: &str = "2026-11-23 10:00";

/// What a check of the shipped policy with more lines says, without the tests of the shipped one.
pub(super) fn said(lines: &str, files: &[(&str, &str)], existing: Option<&Existing>) -> Vec<String> {
    let policy = format!("{}{lines}", shipped(POLICY).unwrap());
    let own = [(POLICY, policy.as_str()), (TESTS, "expect = []\n")];
    let dir = directory(&[&own[..], files].concat());
    let opened = OpenedPolicy::open(Some(dir.path()))
        .map_err(|report| report.problems)
        .unwrap();
    let report = opened.check(at(NOW), existing);
    let told = report.problems.iter().map(ToString::to_string);
    // Lines counted from the first that was added.
    let before = shipped(POLICY).unwrap().lines().count();
    told.map(|one| {
        match one
            .strip_prefix("policy.csv:")
            .and_then(|rest| rest.split_once(": "))
        {
            Some((line, rest)) => match line.parse::<usize>() {
                Ok(line) if line > before => format!("+{}: {rest}", line - before),
                _ => one.clone(),
            },
            None => one.clone(),
        }
    })
    .collect()
}

#[track_caller]
pub(super) fn says(lines: &str, what: &str) {
    let told = said(lines, &[], None);
    assert!(told.iter().any(|one| one.contains(what)), "{what} in {told:#?}");
}

#[track_caller]
pub(super) fn is_silent(lines: &str, about: &str) {
    let told = said(lines, &[], None);
    assert!(
        !told.iter().any(|one| one.contains(about)),
        "{about} in {told:#?}"
    );
}

#[test]
fn the_shipped_policy_has_nothing_to_say() {
    let opened = OpenedPolicy::open(None)
        .map_err(|report| report.problems)
        .unwrap();
    assert_eq!(opened.check(at(NOW), None).problems, []);
}

#[test]
fn lines_that_decide_nothing_are_named_with_what_decides_instead() {
    for (lines, what) in [
        (
            "p, role:developer, shop, dev, deploy, business-hours, allow",
            "+1: warning: This line decides nothing: line 10 allows the same.",
        ),
        (
            "p, role:releaser, shop, dev, rollback, always, allow",
            "+1: warning: This line decides nothing: line 10 allows the same.",
        ),
        (
            "p, zoe, shop, dev, deploy, always, allow\np, zoe, shop, *, *, always, deny",
            "+1: warning: This line can never allow anything: line ",
        ),
        (
            "p, zoe, shop, dev, lock, business-hours, deny\np, *, shop, *, *, always, deny",
            "+1: warning: This line decides nothing: line ",
        ),
        // Two lines together.
        (
            "g3, shop, projects:web\ng3, blog, projects:web\np, zoe, shop, dev, view, always, allow\n\
             p, zoe, blog, dev, view, always, allow\np, zoe, projects:web, dev, view, always, allow",
            "+5: warning: This line decides nothing: lines ",
        ),
    ] {
        says(lines, what);
    }
}

#[test]
fn lines_that_decide_something_are_not_named() {
    for lines in [
        "p, role:developer, shop, beta, deploy, always, allow\n",
        "p, zoe, shop, dev, deploy, always, allow\np, zoe, shop, dev, deploy, business-hours, deny\n",
        "p, group:interns, *, prod, deploy, always, deny\n",
        "p, zoe, shop, dev, deploy, always, allow with role:releaser\n\
         p, zoe, shop, dev, deploy, always, allow with role:auditor\n",
        "g3, vault, projects:closed\np, role:reader, vault, *, view, always, allow\n",
    ] {
        is_silent(lines, "decides nothing");
        is_silent(lines, "can never");
    }
}

#[test]
fn a_deny_that_locks_out_every_administrator_is_an_error() {
    for lines in [
        "p, *, *, *, administer, always, deny",
        "p, *, *, *, *, always, deny",
        "p, role:sysadmin, *, *, administer, always, deny",
    ] {
        let policy = format!("{}{lines}", shipped(POLICY).unwrap());
        let dir = directory(&[(POLICY, &policy), (TESTS, "")]);
        let report = check(dir.path());
        let is_it = |problem: &Problem| problem.is_error() && problem.message.contains("Nobody is left");
        assert!(report.problems.iter().any(is_it), "{:#?}", report.problems);
        assert!(Access::load(dir.path()).is_err());
    }
    // One is left, at some time.
    for lines in [
        "p, group:sysadmins, *, *, administer, always, deny",
        "p, role:sysadmin, *, *, administer, business-hours, deny",
    ] {
        with_lines(lines);
    }
}

#[test]
fn roles_that_nobody_can_have_are_named() {
    says(
        "g, role:ghost, role:shade\np, role:shade, shop, dev, view, always, allow\np, role:ghost, shop, dev, lock, always, allow",
        "Nobody has “role:shade”",
    );
    says(
        "p, zoe, shop, prod, deploy, always, allow with role:lead\ng, lea, role:lead",
        "+1: warning: Nobody of “role:lead” may approve here",
    );
    is_silent(
        "p, zoe, shop, prod, deploy, always, allow with role:lead\ng, lea, role:lead\np, role:lead, shop, *, approve, always, allow",
        "may approve here",
    );
}

#[test]
fn a_removed_implication_is_named() {
    let policy = shipped(POLICY).unwrap().replace("g2, deploy,      cancel\n", "");
    let told = said("", &[(POLICY, &policy)], None);
    assert!(
        told.iter()
            .any(|one| one.contains("administrators may not cancel unless a line names it")),
        "{told:#?}"
    );
    let policy = shipped(POLICY).unwrap().replace("g2, lock,        view\n", "");
    let told = said("", &[(POLICY, &policy)], None);
    assert!(
        told.iter()
            .any(|one| one.contains("whoever may only lock something does not see it")),
        "{told:#?}"
    );
}

#[test]
fn names_that_are_nearly_others_are_named() {
    says(
        "p, developer, shop, dev, view, always, allow",
        "the role of line 9 is written “role:developer”",
    );
    says(
        "p, zoe, webshop, dev, deploy, always, allow\np, zoe, webshop, qa, deploy, always, allow\np, zoe, webshpo, prod, deploy, always, allow",
        "+3: warning: “webshpo” is named only here, and “webshop” 2 times",
    );
    is_silent(
        "p, zoe, web1, dev, deploy, always, allow\np, zoe, web1, qa, deploy, always, allow\np, zoe, web2, prod, deploy, always, allow",
        "is named only here",
    );
    let tests = "expect = [\"role:developr may not deploy shop/prod at 2026-11-23 10:00\"]\n";
    let told = said("", &[(TESTS, tests)], None);
    assert!(
        told.iter().any(|one| one.starts_with(
            "tests.toml:1: warning: No line names “role:developr”, but some name “role:developer”"
        )),
        "{told:#?}"
    );
    says(
        "p, role:web, shop, dev, deploy, always, allow\ng, zoe, role:web\np, role:ops, shop, qa, view, always, allow\ng, zoe, role:ops\np, role:web, blog, dev, deploy, always, allow",
        "if these are two teams",
    );
}

/// The shipped calendar with more windows or freezes.
fn calendar(more: &str) -> String {
    let shipped = shipped(CALENDAR).unwrap();
    shipped.replace("[holidays]\n", &format!("{more}\n[holidays]\n"))
}

fn said_with(more: &str, lines: &str) -> Vec<String> {
    said(lines, &[(CALENDAR, &calendar(more))], None)
}

#[track_caller]
fn has(told: &[String], what: &str) {
    assert!(told.iter().any(|one| one.contains(what)), "{what} in {told:#?}");
}

#[test]
fn windows_and_freezes_that_do_nothing_are_named() {
    has(
        &said_with("[windows.w]\ndays = [\"mon\"]\nhours = [\"08:00-09:00\"]", ""),
        "warning: No line uses the window “w”.",
    );
    has(
        &said_with("[windows.w]\ndays = []\nhours = [\"08:00-09:00\"]", ""),
        "The window “w” never opens.",
    );
    has(
        &said_with("[windows.w]\nuntil = 2026-11-22", ""),
        "The window “w” ended on 2026-11-23 00:00",
    );
    let freeze = |environment: &str, until: &str| {
        format!(
            "[[freezes]]\nname = \"sale\"\nreason = \"r\"\nfrom = 2026-11-20\nuntil = {until}\nenvironments = [\"{environment}\"]\n"
        )
    };
    has(
        &said_with(&freeze("beta", "2026-12-01"), ""),
        "during the freeze “sale” where it holds, so it stops nobody",
    );
    has(
        &said_with(&freeze("beta", "2026-11-21"), ""),
        "note: The freeze “sale” is over",
    );
    for lines in [
        "p, *, *, beta, deploy, freeze:sale, deny",
        "p, *, *, *, deploy, freeze, deny",
    ] {
        let told = said_with(&freeze("beta", "2026-12-01"), lines);
        assert!(!told.iter().any(|one| one.contains("stops nobody")), "{told:#?}");
    }
}

#[test]
fn lines_for_freezes_that_hold_elsewhere_are_named() {
    // The other way round: a line for freezes that hold elsewhere.
    let shop = "[[freezes]]\nname = \"sale\"\nreason = \"r\"\nfrom = 2026-11-20\nuntil = 2026-12-01\nprojects = [\"shop\"]\n";
    let never = "for other projects or environments, so this line never applies.";
    for (lines, which) in [
        (
            "p, *, blog, *, deploy, freeze, deny",
            "+1: warning: All freezes of calendar.toml are",
        ),
        (
            "p, *, blog, *, deploy, freeze:sale, deny",
            "+1: warning: The freeze “sale” is",
        ),
    ] {
        has(&said_with(shop, lines), &format!("{which} {never}"));
    }
    for lines in [
        "p, *, shop, *, deploy, freeze, deny",
        "p, *, *, *, deploy, freeze:sale, deny",
        "",
    ] {
        let told = said_with(shop, lines);
        assert!(!told.iter().any(|one| one.contains(never)), "{told:#?}");
    }
}

#[test]
fn holidays_that_come_to_their_end_are_named() {
    let holidays = |date: &str| {
        shipped(CALENDAR)
            .unwrap()
            .replace("\"01-01\"", &format!("\"{date}\""))
    };
    has(
        &said("", &[(CALENDAR, &holidays("2026-12-26"))], None),
        "note: The last holiday with a year is 2026-12-26",
    );
    has(
        &said("", &[(CALENDAR, &holidays("2026-01-06"))], None),
        "warning: The last holiday with a year",
    );
}

#[test]
fn lines_that_give_more_or_less_than_they_seem_are_named() {
    says(
        "p, *, shop, dev, deploy, always, allow",
        "+1: warning: This line lets everybody deploy",
    );
    says(
        "p, zoe, *, *, configure, always, allow",
        "in every environment of every project",
    );
    says(
        "p, zoe, shop, qa, deploy, business-hours, allow",
        "Outside of “business-hours”, “zoe” may not cancel or rollback what this line lets them begin",
    );
    is_silent(
        "p, zoe, shop, qa, deploy, business-hours, allow\np, zoe, shop, qa, cancel, always, allow\np, zoe, shop, qa, rollback, always, allow",
        "Outside of",
    );
}

#[test]
fn what_can_be_written_better_is_a_note() {
    let lines: String = ["a1", "b2", "c3", "d4"]
        .map(|name| format!("p, zoe, {name}, dev, deploy, always, allow\n"))
        .concat();
    says(&lines, "+1: note: Lines ");
    says(
        "p, role:reader, vault, *, view, always, deny\np, role:developer, vault, *, view, always, deny",
        "“g3, vault, projects:closed” hides it from all",
    );
}

#[test]
fn names_that_the_database_does_not_know_are_named() {
    let existing = Existing {
        projects: [
            (
                "webshop".to_owned(),
                ["dev".to_owned(), "prod".to_owned(), "beta".to_owned()].into(),
            ),
            ("users".to_owned(), ["dev".to_owned()].into()),
        ]
        .into(),
        users: ["admin".to_owned(), "zoe".to_owned()].into(),
    };
    let lines = "p, zoe, webshpo, dev, view, always, allow\np, zoe, webshop, prdo, view, always, allow\np, zoé, webshop, dev, view, always, allow\ng, zoo, role:reader\ng3, webshop2, projects:web\np, zoe, *, qa, view, always, allow\n";
    let told = said(lines, &[], Some(&existing));
    for what in [
        "+1: warning: There is no project “webshpo”. Is “webshop” meant?",
        "+2: warning: There is no environment “prdo” in “webshop”. Is “prod” meant?",
        "+3: warning: There is no user “zoé”.",
        "+4: warning: There is no user “zoo”.",
        "+5: warning: There is no project “webshop2”.",
        "+6: warning: There is no environment “qa” in any project.",
        "There is a project “users”, and lines mean the users by that name: rename the project.",
    ] {
        assert!(told.iter().any(|one| one.contains(what)), "{what} in {told:#?}");
    }
    assert!(
        !told.iter().any(|one| one.contains("no user “admin”")),
        "{told:#?}"
    );
}
