//! What the shipped policy says, and how lines, names and places work together.

use std::fmt::Write as _;

use super::*;

#[test]
fn the_shipped_policy_has_no_problem_and_passes_its_tests() {
    let dir = directory(&[]);
    let report = check(dir.path());
    assert_eq!(report.problems, []);
    assert!(report.tests_run > 20, "{} tests", report.tests_run);
    assert!(Access::builtin().problems().is_empty());
}

/// The sysadmin's page describes nothing that the program cannot do yet.
#[test]
fn the_shipped_files_speak_only_of_what_works() {
    for file in ["README.md", POLICY, TESTS] {
        let text = shipped(file).unwrap();
        let described = text
            .lines()
            .filter(|line| !line.starts_with("g2,") && !line.contains("nothing uses it yet"));
        let idle: Vec<&str> = described
            .filter(|line| ["push", "mail"].iter().any(|word| line.contains(word)))
            .collect();
        assert_eq!(idle, [""; 0], "{file}");
    }
}

/// One line: what somebody may do at a place, at three times: `d`, Monday 10:00; `n`, Monday
/// 23:00; `f`, Monday 10:00 during a freeze of prod.
fn row(access: &Access, actor: &Actor, place: &Resource) -> String {
    let times = [
        ("2026-11-23 10:00", 'd'),
        ("2026-11-23 23:00", 'n'),
        ("2026-11-30 10:00", 'f'),
    ];
    let mut row = String::new();
    for &action in Action::ALL {
        let may = times.map(|(time, sign)| access.may(actor, action, place, at(time)).then_some(sign));
        let may: String = may.into_iter().flatten().collect();
        if !may.is_empty() {
            let _ = write!(row, " {action}:{may}");
        }
    }
    row
}

/// The shipped calendar with one more freeze.
fn frozen(freeze: &str) -> tempfile::TempDir {
    let shipped = shipped(CALENDAR).unwrap();
    let calendar = format!("{shipped}\n[[freezes]]\nname = \"sale\"\nreason = \"the sale\"\n{freeze}\n");
    directory(&[(CALENDAR, &calendar)])
}

/// Every role × action × place.
#[test]
fn the_shipped_roles_may_exactly_this() {
    let freeze = "from = 2026-11-30T00:00:00\nuntil = 2026-12-01T00:00:00\nenvironments = [\"prod\"]";
    let dir = frozen(freeze);
    let access = Access::load(dir.path()).unwrap();
    let places = ["dev", "beta", "prod"].map(|name| environment("shop", name));
    let places = [places.as_slice(), &[project("shop"), Resource::Everything]].concat();
    let mut table = String::new();
    for role in [
        "guest",
        "readers",
        "developers",
        "releasers",
        "auditors",
        "sysadmins",
    ] {
        let actor = match role {
            "guest" => Actor::guest("192.0.2.1"),
            group => Actor {
                groups: vec![group.to_owned()],
                ..user("somebody")
            },
        };
        for place in &places {
            let row = row(&access, &actor, place);
            let _ = writeln!(table, "{role} {place}{row}");
        }
    }
    insta::assert_snapshot!(table, @r"
    guest shop/dev
    guest shop/beta
    guest shop/prod
    guest shop
    guest everything
    readers shop/dev view:dnf
    readers shop/beta view:dnf
    readers shop/prod view:dnf
    readers shop view:dnf
    readers everything view:dnf
    developers shop/dev view:dnf deploy:dnf rollback:dnf cancel:dnf
    developers shop/beta view:dnf deploy:df rollback:dnf cancel:dnf
    developers shop/prod view:dnf
    developers shop view:dnf
    developers everything view:dnf
    releasers shop/dev view:dnf deploy:dnf rollback:dnf cancel:dnf approve:dnf
    releasers shop/beta view:dnf deploy:dnf rollback:dnf cancel:dnf approve:dnf
    releasers shop/prod view:dnf deploy:d rollback:dnf cancel:dnf lock:dnf unlock:dnf approve:dnf
    releasers shop view:dnf approve:dnf
    releasers everything view:dnf approve:dnf
    auditors shop/dev view:dnf audit:dnf
    auditors shop/beta view:dnf audit:dnf
    auditors shop/prod view:dnf audit:dnf
    auditors shop view:dnf audit:dnf
    auditors everything view:dnf audit:dnf
    sysadmins shop/dev view:dnf deploy:dnf rollback:dnf cancel:dnf run:dnf lock:dnf unlock:dnf approve:dnf audit:dnf configure:dnf impersonate:dnf administer:dnf
    sysadmins shop/beta view:dnf deploy:dnf rollback:dnf cancel:dnf run:dnf lock:dnf unlock:dnf approve:dnf audit:dnf configure:dnf impersonate:dnf administer:dnf
    sysadmins shop/prod view:dnf deploy:dn rollback:dnf cancel:dnf run:dnf lock:dnf unlock:dnf approve:dnf audit:dnf configure:dnf impersonate:dnf administer:dnf
    sysadmins shop view:dnf deploy:dn rollback:dnf cancel:dnf run:dnf lock:dnf unlock:dnf approve:dnf audit:dnf configure:dnf impersonate:dnf administer:dnf
    sysadmins everything view:dnf deploy:dnf rollback:dnf cancel:dnf run:dnf lock:dnf unlock:dnf approve:dnf audit:dnf configure:dnf impersonate:dnf administer:dnf
    ");
}

#[test]
fn a_permit_names_the_line_that_gave_it() {
    let access = with_lines("g, alice, role:developer");
    let permit = access.permit(
        &user("alice"),
        Action::Rollback,
        &environment("shop", "dev"),
        at("2026-11-23 10:00"),
    );
    let permit = permit.unwrap();
    assert_eq!(
        permit.line().text,
        "p, role:developer, *,      dev,  deploy,     always,         allow"
    );
    let text = shipped(POLICY)
        .unwrap()
        .lines()
        .nth(permit.line().line as usize - 1)
        .unwrap();
    assert_eq!(text, permit.line().text);
    assert!(permit.covers(Action::Rollback, &environment("shop", "dev")));
    assert!(!permit.covers(Action::Deploy, &environment("shop", "dev")));
    assert!(!permit.covers(Action::Rollback, &environment("shop", "prod")));
    assert!(Access::local_operator("root", at("2026-11-23 10:00")).covers(Action::Lock, &project("shop")));
}

#[test]
fn a_role_for_one_project_ends_at_that_project() {
    let access = with_lines(
        "p, role:webshop, webshop, beta, deploy, business-hours, allow\n\
         p, role:webshop, webshop, *, view, always, allow\n\
         g, alice, role:webshop",
    );
    let may =
        |action, resource: &Resource| access.may(&user("alice"), action, resource, at("2026-11-23 10:00"));
    assert!(may(Action::Deploy, &environment("webshop", "beta")));
    assert!(may(Action::View, &environment("webshop", "prod")));
    assert!(!may(Action::Deploy, &environment("webshop", "prod")));
    assert!(!may(Action::View, &environment("blog", "beta")));
    assert!(may(Action::View, &project("webshop")));
    assert!(!may(Action::View, &project("blog")));
    assert!(!may(Action::View, &Resource::Everything));
}

#[test]
fn a_project_is_seen_by_who_sees_a_part_and_changed_by_who_may_change_all() {
    let access = with_lines(
        "p, bob, shop, beta, configure, always, allow\n\
         p, carol, shop, *, configure, always, allow\n\
         p, carol, shop, prod, configure, always, deny",
    );
    let may =
        |who, action, resource: &Resource| access.may(&user(who), action, resource, at("2026-11-23 10:00"));
    assert!(may("bob", Action::View, &project("shop")));
    assert!(!may("bob", Action::Configure, &project("shop")));
    assert!(may("bob", Action::Configure, &environment("shop", "beta")));
    assert!(may("carol", Action::Configure, &environment("shop", "beta")));
    assert!(
        !may("carol", Action::Configure, &project("shop")),
        "denied for prod, so for the whole"
    );
    assert!(
        may("carol", Action::View, &environment("shop", "prod")),
        "a denial is of one action"
    );
}

#[test]
fn everybody_has_the_rights_of_default_and_a_deny_overrides() {
    let access = with_lines(
        "g, default, role:reader\n\
         p, mallory, *, *, *, always, deny\n\
         p, group:interns, *, prod, view, always, deny\n\
         p, *, secret, *, view, always, deny",
    );
    let view = |actor: &Actor, resource: &Resource| {
        access.may(actor, Action::View, resource, at("2026-11-23 10:00"))
    };
    assert!(view(&Actor::guest("192.0.2.1"), &environment("shop", "prod")));
    assert!(view(&user("somebody"), &environment("shop", "prod")));
    assert!(!view(&user("mallory"), &environment("shop", "prod")));
    assert!(!view(&user("somebody"), &project("secret")));
    let intern = Actor {
        groups: vec!["interns".to_owned()],
        ..user("ingrid")
    };
    assert!(!view(&intern, &environment("shop", "prod")));
    assert!(view(&intern, &environment("shop", "dev")));
}

#[test]
fn nobody_becomes_a_role_by_being_called_like_one() {
    let access = with_lines("p, *, open, *, view, always, allow");
    for name in [
        "role:sysadmin",
        "group:sysadmins",
        "*",
        "administer",
        "",
        "admin\n",
        "admin ",
        "\u{1}",
    ] {
        assert!(
            !access.may(
                &user(name),
                Action::View,
                &project("shop"),
                at("2026-11-23 10:00")
            ),
            "{name:?}"
        );
        assert!(
            access.may(
                &user(name),
                Action::View,
                &project("open"),
                at("2026-11-23 10:00")
            ),
            "{name:?}"
        );
    }
    let grouped = Actor {
        groups: vec!["x, role:sysadmin".to_owned(), "*".to_owned()],
        ..user("eve")
    };
    assert!(!access.may(&grouped, Action::View, &project("shop"), at("2026-11-23 10:00")));
    for place in ["*", "shop/prod", "\n"] {
        let developer = Actor {
            groups: vec!["developers".to_owned()],
            ..user("dan")
        };
        assert!(!access.may(
            &developer,
            Action::Deploy,
            &environment("shop", place),
            at("2026-11-23 10:00")
        ));
    }
}

#[test]
fn a_refusal_says_when_it_would_be_allowed() {
    let access = with_lines("g, alice, role:releaser");
    let prod = environment("shop", "prod");
    let ask = |time| access.permit(&user("alice"), Action::Deploy, &prod, time);
    let refusal = ask(at("2026-11-27 14:00")).unwrap_err();
    let next = refusal.next_allowed.unwrap();
    assert_eq!(next, at("2026-11-30 08:00"));
    assert_eq!(refusal.line, None);
    assert_eq!(refusal.outside_window.len(), 1);
    assert!(
        refusal.outside_window[0]
            .text
            .starts_with("p, role:releaser,  *,      prod, deploy")
    );
    assert!(ask(next).is_ok());
    assert!(ask(next - chrono::Duration::minutes(1)).is_err());

    let hopeless = access
        .permit(&user("bob"), Action::Deploy, &prod, at("2026-11-27 14:00"))
        .unwrap_err();
    assert_eq!((hopeless.line, hopeless.next_allowed), (None, None));
    assert!(hopeless.outside_window.is_empty());
}

#[test]
fn a_freeze_stops_deploying_and_says_until_when() {
    let dir = frozen("from = 2026-11-23T09:00:00\nuntil = 2026-11-25T12:00:00\nprojects = [\"shop\"]");
    std::fs::write(dir.path().join(TESTS), "").unwrap();
    let access = Access::load(dir.path()).unwrap();
    let admin = user("admin");
    let now = at("2026-11-23 10:00");
    let refusal = access
        .permit(&admin, Action::Deploy, &environment("shop", "prod"), now)
        .unwrap_err();
    assert!(refusal.line.unwrap().text.contains("freeze"));
    assert_eq!(refusal.next_allowed, Some(at("2026-11-25 12:00")));
    assert!(access.may(&admin, Action::Rollback, &environment("shop", "prod"), now));
    assert!(access.may(&admin, Action::Deploy, &environment("shop", "beta"), now));
    assert!(access.may(&admin, Action::Deploy, &environment("blog", "prod"), now));
    let calendar = access.calendar();
    let freeze = calendar.freeze_for(&environment("shop", "prod"), now);
    assert_eq!(freeze.unwrap().reason, "the sale");
}

#[test]
fn roles_of_roles_are_followed_as_deep_as_the_check_allows() {
    let chain: String = (0..9)
        .map(|n| format!("g, role:r{n}, role:r{}\n", n + 1))
        .collect();
    let access = with_lines(&format!(
        "{chain}p, role:r9, *, dev, deploy, always, allow\ng, alice, role:r1"
    ));
    assert!(access.may(
        &user("alice"),
        Action::Deploy,
        &environment("shop", "dev"),
        at("2026-11-23 10:00")
    ));
}

/// A page of 100 projects × 3 environments × 4 actions asks this often. The time depends on the
/// machine, so the test compares it with the cost of asking casbin each time.
#[test]
fn a_page_full_of_questions_is_cheap() {
    let lines: String = (0..100)
        .map(|n| format!("p, role:p{n}, p{n}, beta, deploy, business-hours, allow\ng, alice, role:p{n}\n"))
        .collect();
    let access = with_lines(&lines);
    let alice = Actor {
        groups: vec!["developers".to_owned()],
        ..user("alice")
    };
    let page = || {
        let mut allowed = 0;
        for n in 0..100 {
            for place in ["dev", "beta", "prod"] {
                for action in [Action::View, Action::Deploy, Action::Rollback, Action::Configure] {
                    let resource = environment(&format!("p{n}"), place);
                    allowed += usize::from(access.may(&alice, action, &resource, at("2026-11-23 10:00")));
                }
            }
        }
        allowed
    };
    let timed = || {
        let start = std::time::Instant::now();
        (page(), start.elapsed())
    };
    let ((asked, first), (remembered, second)) = (timed(), timed());
    assert_eq!(asked, 100 * (3 + 2 + 2));
    assert_eq!(remembered, asked);
    assert!(second * 10 < first, "{first:?}, then {second:?}");
}
