//! How a comparison of two policies words places, windows and everybody.

use super::compared::compared;
use super::*;
use crate::access::OpenedPolicy;

/// As `compared`, with a calendar.
fn compared_in(calendar: &str, old: &str, new: &str) -> Vec<String> {
    let of = |lines: &str| {
        let policy = format!("p, root, *, *, administer, always, allow\ng2, administer, deploy\n{lines}\n");
        let dir = directory(&[(POLICY, &policy), (CALENDAR, calendar), (TESTS, "")]);
        OpenedPolicy::open(Some(dir.path()))
            .map_err(|report| report.problems)
            .unwrap()
    };
    let found = of(old).diff(&of(new), at("2026-11-23 10:00"));
    let one = |one: &crate::access::RightsChange| {
        format!(
            "{} {}: {} ({})",
            one.shift.words(),
            one.who.join(" "),
            one.places.join(" "),
            one.windows
        )
    };
    found.differences.iter().map(one).collect()
}

#[test]
fn places_are_told_together_only_where_the_words_for_their_windows_are_the_same() {
    let freeze = |name: &str, days: &str, of: &str| {
        format!("[[freezes]]\nname = \"{name}\"\nreason = \"r\"\n{days}\n{of}\n")
    };
    let calendar = format!(
        "timezone = \"UTC\"\n{}{}",
        freeze("year", "from = 2026-12-18\nuntil = 2027-01-03", ""),
        freeze(
            "audit",
            "from = 2026-12-07\nuntil = 2026-12-11",
            "projects = [\"lake\"]"
        )
    );
    let allow = "p, zoe, *, prod, deploy, always, allow\n";
    assert_eq!(
        compared_in(
            &calendar,
            "",
            &format!("{allow}p, zoe, *, prod, deploy, freeze:year, deny")
        ),
        [
            "gained zoe: */prod (always except freeze:year)",
            "denied zoe: */prod (freeze:year)",
        ]
    );
    assert_eq!(
        compared_in(
            &calendar,
            "",
            &format!("{allow}p, zoe, *, prod, deploy, freeze, deny")
        ),
        [
            "gained zoe: any project but lake/prod (always except freeze:year)",
            "gained zoe: lake/prod (always except freeze)",
            "denied zoe: any project but lake/prod (freeze:year)",
            "denied zoe: lake/prod (freeze)",
        ]
    );
    let denied = format!("{allow}p, zoe, *, prod, deploy, freeze:audit, deny");
    let lost = compared_in(&calendar, &denied, "");
    assert_eq!(
        lost,
        [
            "freed zoe: lake/prod (freeze:audit)",
            "lost zoe: any project but lake/prod (always)",
            "lost zoe: lake/prod (always except freeze:audit)",
        ]
    );
}

#[test]
fn other_places_say_other_than_what() {
    assert_eq!(
        compared(
            "p, zoe, *, prod, lock, always, allow",
            "p, zoe, *, *, lock, always, allow"
        ),
        ["gained zoe: view lock everything */any environment but prod * as a whole (always)"]
    );
}

#[test]
fn who_keeps_a_right_by_a_name_of_their_own_does_not_lose_it_with_everybody() {
    let kept = "p, bob, shop, *, lock, always, allow\np, group:g2, shop, dev, lock, always, allow";
    let old = format!("p, default, shop, dev, lock, always, allow\n{kept}");
    let mut told = compared(&old, kept);
    told.retain(|one| one.contains(": lock "));
    assert_eq!(told.len(), 1, "{told:#?}");
    let (who, _) = told[0].split_once(": ").unwrap();
    let but: Vec<&str> = who
        .strip_prefix("lost default but ")
        .unwrap()
        .split(' ')
        .collect();
    assert!(
        but.contains(&"bob") && but.contains(&"group:g2") && but.contains(&"admin"),
        "{told:#?}"
    );
    assert!(!but.contains(&"zoe"));
}
