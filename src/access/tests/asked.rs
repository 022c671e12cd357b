//! Questions about a policy: why, when next, who, and what its tests leave out.

use super::*;
use crate::access::{OpenedPolicy, PolicyQuestion, names_for};

fn opened(lines: &str, tests: &str) -> OpenedPolicy {
    let policy = format!("{}{lines}\n", shipped(POLICY).unwrap());
    let dir = directory(&[(POLICY, &policy), (TESTS, tests)]);
    OpenedPolicy::open(Some(dir.path()))
        .map_err(|report| report.problems)
        .unwrap()
}

fn question(who: &str, action: Action, resource: Resource, time: &str) -> PolicyQuestion {
    PolicyQuestion {
        names: names_for(who, &[]).unwrap(),
        action,
        resource,
        at: at(time),
    }
}

#[test]
fn an_explanation_names_every_line_that_spoke_and_the_way_to_it() {
    let lines = "g, zoe, role:releaser\np, zoe, shop, prod, deploy, always, allow with role:sysadmin\np, role:developer, shop, prod, deploy, business-hours, deny";
    let policy = opened(lines, "");
    let prod = environment("shop", "prod");
    let told = policy.explain(&question("zoe", Action::Deploy, prod.clone(), "2026-11-23 10:00"));
    assert!(!told.ruling.allowed);
    assert_eq!(
        told.line.as_ref().unwrap().text,
        "p, role:developer, shop, prod, deploy, business-hours, deny"
    );
    let texts = |lines: &[crate::access::SpeakingLine]| -> Vec<(String, String)> {
        lines
            .iter()
            .map(|one| {
                (
                    one.line.text.split(", ").nth(1).unwrap().trim().to_owned(),
                    one.way.join(" "),
                )
            })
            .collect()
    };
    assert_eq!(
        texts(&told.speak_for),
        [
            ("role:releaser".to_owned(), "zoe role:releaser".to_owned()),
            ("zoe".to_owned(), "zoe".to_owned()),
        ]
    );
    assert_eq!(
        texts(&told.speak_against),
        [(
            "role:developer".to_owned(),
            "zoe role:releaser role:developer".to_owned()
        )]
    );
    let (next, then) = told.next.unwrap();
    assert_eq!(next, at("2026-11-23 18:30"));
    assert!(then.allowed);
    assert_eq!(then.with, ["role:sysadmin"]);
    let night = policy.explain(&question("zoe", Action::Deploy, prod, "2026-11-23 20:00"));
    assert_eq!(
        (night.ruling, night.next.unwrap().0),
        (then, at("2026-11-24 08:00"))
    );
}

#[test]
fn an_explanation_of_a_project_and_of_an_area_names_what_decides() {
    let policy = opened(
        "p, carol, shop, *, configure, always, allow\np, carol, shop, prod, configure, always, deny\np, ruth, *, *, configure, always, allow",
        "",
    );
    let told = policy.explain(&question(
        "carol",
        Action::Configure,
        project("shop"),
        "2026-11-23 10:00",
    ));
    assert!(!told.ruling.allowed && told.next.is_none());
    assert_eq!(
        told.speak_against[0].line.text,
        "p, carol, shop, prod, configure, always, deny"
    );
    let told = policy.explain(&question(
        "ruth",
        Action::View,
        Resource::Area(Area::Policy),
        "2026-11-23 10:00",
    ));
    assert!(told.ruling.allowed);
    assert_eq!(
        told.speak_for[0].line.text,
        "p, ruth, *, *, configure, always, allow"
    );
}

#[test]
fn a_week_is_drawn_by_the_clock_of_the_zone() {
    let policy = opened("", "");
    let week = policy.week(&question(
        "role:releaser",
        Action::Deploy,
        environment("shop", "prod"),
        "2026-11-25 12:00",
    ));
    assert_eq!(week.len(), 7);
    assert_eq!(week[0].date.to_string(), "2026-11-23");
    assert_eq!(
        week[0].drawn,
        format!("{}{}{}", ".".repeat(16), "#".repeat(21), ".".repeat(11))
    );
    assert_eq!(
        (week[0].spans[0].from, week[0].spans[0].until),
        (at("2026-11-23 08:00"), at("2026-11-23 18:30"))
    );
    assert_eq!(week[4].spans[0].until, at("2026-11-27 14:00"));
    assert!(week[5].spans.is_empty() && week[6].drawn == ".".repeat(48));
}

#[test]
fn who_may_is_told_with_lines_and_windows() {
    let lines = "g, zoe, role:releaser\ng, ann, role:developer\ng, default, role:reader\np, ann, shop, prod, deploy, business-hours, allow with role:releaser\ng3, vault, projects:closed";
    let policy = opened(lines, "");
    let who = |place: Resource, action| policy.who(&place, &[action], at("2026-11-23 10:00"));
    let told = |found: &crate::access::Holders| -> Vec<String> {
        let one = |holder: &crate::access::Holder| {
            format!(
                "{} {} {:?} {}",
                holder.who,
                holder.windows,
                holder.with,
                holder.lines.len()
            )
        };
        found.holders.iter().map(one).collect()
    };
    let deploy = who(environment("shop", "prod"), Action::Deploy);
    assert!(deploy.is_complete);
    assert_eq!(
        told(&deploy),
        [
            "admin always [] 1",
            "ann business-hours [\"role:releaser\"] 1",
            "group:releasers business-hours [] 1",
            "group:sysadmins always [] 1",
            "zoe business-hours [] 1",
        ]
    );
    let view = who(environment("shop", "prod"), Action::View);
    assert_eq!(
        told(&view),
        ["default always [] 1"],
        "what everybody may is told once"
    );
    assert_eq!(
        told(&who(environment("vault", "prod"), Action::View)),
        ["admin always [] 1", "group:sysadmins always [] 1"]
    );
    let users = who(Resource::Area(Area::Users), Action::View);
    assert_eq!(
        told(&users),
        [
            "admin always [] 1",
            "group:auditors always [] 1",
            "group:sysadmins always [] 1"
        ]
    );
}

#[test]
fn coverage_names_the_lines_that_no_test_exercises() {
    let lines = "p, zoe, shop, dev, deploy, always, allow\ng, ann, role:developer\ng3, shop, projects:web\np, bob, projects:web, dev, view, always, allow";
    let all = opened(lines, "expect = []\n").unexercised();
    let count = |text: &str| all.iter().filter(|line| line.text == text).count();
    assert_eq!(count("p, zoe, shop, dev, deploy, always, allow"), 1);
    let tests = "expect = [\"zoe may cancel shop/dev at 2026-11-23 10:00\", \"ann may deploy shop/dev at 2026-11-23 10:00\", \"bob may view shop/dev at 2026-11-23 10:00\"]\n";
    let left: Vec<String> = opened(lines, tests)
        .unexercised()
        .into_iter()
        .map(|line| line.text)
        .collect();
    for text in lines.lines().chain(["g2, deploy,      cancel"]) {
        assert!(!left.iter().any(|one| one == text), "{text} in {left:#?}");
    }
    assert!(
        left.iter().any(|one| one == "g2, deploy,      rollback"),
        "{left:#?}"
    );
    assert!(
        left.iter().any(|one| one == "g, admin,            role:sysadmin"),
        "{left:#?}"
    );
}

#[test]
fn the_recipes_pass_their_tests_and_have_nothing_to_say() {
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/recipes");
    let page = shipped("README.md").unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(recipes).unwrap().map(Result::unwrap) {
        let opened = OpenedPolicy::open(Some(&entry.path()));
        let opened = opened.map_err(|report| (entry.path(), report.problems)).unwrap();
        assert_eq!(
            opened.check(at("2026-11-23 10:00"), None).problems,
            [],
            "{:?}",
            entry.path()
        );
        assert!(opened.tests().0 >= 4, "{:?}", entry.path());
        let name = entry.file_name().into_string().unwrap();
        assert!(
            page.contains(&format!("| `{name}` |")),
            "{name} is not in the README"
        );
        seen += 1;
    }
    assert_eq!(seen, 8);
}
