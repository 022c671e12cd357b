//! What is valid and hardly meant is said.

use super::*;

fn with(lines: &str, tests: Option<&str>, matcher: Option<(&str, &str)>) -> Vec<String> {
    let policy = format!("{}{lines}", shipped(POLICY).unwrap());
    let mut model = shipped(MODEL).unwrap().to_owned();
    if let Some((from, to)) = matcher {
        assert!(model.contains(from), "{model}");
        model = model.replace(from, to);
    }
    let dir = directory(&[
        (POLICY, &policy),
        (MODEL, &model),
        (TESTS, tests.unwrap_or_default()),
    ]);
    if tests.is_none() {
        std::fs::remove_file(dir.path().join(TESTS)).unwrap();
    }
    told(dir.path())
}

#[test]
fn everybody_as_administrator_is_refused_unless_the_tests_expect_it() {
    let line = "g, default, role:sysadmin\n";
    for tests in [
        None,
        Some(""),
        Some("expect = [\"guest may view shop/dev at 2026-11-23 10:00\"]"),
        Some("expect = [\"alice may administer everything at 2026-01-01 12:00\"]"),
        Some("expect = [\"guest may not administer everything at 2026-01-01 12:00\"]"),
    ] {
        let told = with(line, tests, None).join("\n");
        assert!(
            !told.contains("warning: By this line") && told.contains("may administer everything"),
            "{told}"
        );
        assert!(told.contains("write “guest may administer everything"), "{told}");
    }
    let expected = "expect = [\"guest may administer everything at 2026-01-01 12:00\"]";
    let told = with(line, Some(expected), None).join("\n");
    assert!(told.contains("warning: By this line everybody"), "{told}");
    assert_eq!(with("g, default, role:reader\n", Some(""), None), [""; 0]);
}

#[test]
fn an_account_that_expectations_cannot_name_is_told() {
    for line in ["p, guest, *, *, view, always, allow\n", "g, guest, role:reader\n"] {
        let told = with(line, Some(""), None).join("\n");
        assert!(
            told.contains(
                "warning: “guest” is an account here; in tests.toml it means visitors without login"
            ),
            "{told}"
        );
    }
}

#[test]
fn subjects_that_look_alike_are_named_with_their_lines() {
    let told = with(
        "g, alice, role:reader\ng, Alice, role:developer\ng, аdmin, role:reader\ng, ALICE, role:reader\ng, pаt, role:reader\n",
        Some(""),
        None,
    );
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[2].contains("“ALICE” looks like “alice” of line"), "{told:?}");
    assert!(
        told[3].contains("“pаt” mixes letters of several scripts"),
        "{told:?}"
    );
    assert!(told[0].contains("“Alice” looks like “alice” of line"), "{told:?}");
    assert!(told[1].contains("“аdmin” looks like “admin” of line"), "{told:?}");
}

#[test]
fn a_matcher_that_gives_more_is_named_with_an_example() {
    let project = "p.project == r.project || ";
    let told = with(
        "p, zoe, shop, dev, deploy, always, allow\n",
        Some(""),
        Some((project, "true || ")),
    )
    .join("\n");
    assert!(
        told.contains("The matcher is not the shipped one. By line"),
        "{told}"
    );
    assert!(told.contains("lets zoe deploy another-project/dev"), "{told}");
    // What a line denies is not given.
    let denied = with(
        "p, zoe, shop, dev, deploy, always, allow\np, zoe, shop, dev, deploy, always, deny\n",
        Some(""),
        Some((project, "true || ")),
    )
    .join("\n");
    assert!(!denied.contains("lets zoe deploy"), "{denied}");
    let same = ("m = ((p.project", "m = true && ((p.project");
    let told = with("", Some(""), Some(same));
    assert!(
        told.len() == 1 && told[0].ends_with("The matcher is not the shipped one."),
        "{told:?}"
    );
}
