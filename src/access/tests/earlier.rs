//! Files of earlier versions go on meaning what they meant; and what is wrong with newer words.

use super::broken::told_of_line;
use super::*;

/// The model of before there were groups of projects.
pub(super) const EARLIER: &str = include_str!("earlier_model.conf");

#[test]
fn a_model_of_before_keeps_its_meaning_and_knows_no_groups() {
    let lines = "p, una, users, prod, deploy, always, allow\ng, default, role:reader";
    let policy = format!("{}\n{lines}\n", shipped(POLICY).unwrap());
    let dir = directory(&[(MODEL, EARLIER), (POLICY, &policy), (TESTS, "")]);
    let access = Access::load(dir.path()).unwrap();
    assert!(
        access
            .problems()
            .iter()
            .all(|problem| !problem.message.contains("matcher"))
    );
    let now = at("2026-11-23 10:00");
    assert!(access.may(&user("una"), Action::Deploy, &environment("users", "prod"), now));
    assert!(
        !access.may_read(&user("una"), Area::Users, now),
        "a reader of everything"
    );
    assert!(access.may_read(&user("admin"), Area::Users, now));
    for line in [
        "g3, shop, projects:web",
        "p, una, projects:web, *, view, always, allow",
    ] {
        let policy = format!("{policy}{line}\n");
        std::fs::write(dir.path().join(POLICY), policy).unwrap();
        let told = told(dir.path()).join("\n");
        assert!(told.contains("take the model.conf of this version"), "{told}");
    }
}

#[test]
fn closed_projects_stay_closed_whatever_the_matcher() {
    let patterns = shipped(MODEL)
        .unwrap()
        .replace("p.project == r.project", "keyMatch(r.project, p.project)");
    let model = EARLIER.replace("g2 = _, _", "g2 = _, _\ng3 = _, _");
    let plain = model.replace("p.project == r.project", "g3(r.project, p.project)");
    let lines =
        "g, default, role:reader\ng3, payroll, projects:closed\np, hans, payroll, *, view, always, allow";
    let policy = format!("{}\n{lines}\n", shipped(POLICY).unwrap());
    for model in [patterns, plain] {
        let dir = directory(&[(MODEL, &model), (POLICY, &policy), (TESTS, "")]);
        let access = Access::load(dir.path()).unwrap();
        let now = at("2026-11-23 10:00");
        let sees = |name: &str, place: &str| access.may(&user(name), Action::View, &project(place), now);
        assert!(sees("alice", "shop") && !sees("alice", "payroll"), "{model}");
        assert!(sees("hans", "payroll") && sees("admin", "payroll"), "{model}");
        assert!(!access.may_read(&user("alice"), Area::Users, now), "{model}");
        assert!(access.may_read(&user("admin"), Area::Users, now), "{model}");
    }
}

#[test]
fn unlock_is_part_of_lock_where_no_line_knows_it() {
    let knows = |lines: &str, expect: &[&str]| {
        let today: String = shipped(POLICY)
            .unwrap()
            .replace(
                "g2, configure,   unlock\ng2, unlock,      lock\n",
                "g2, configure, lock\n",
            )
            .replace(", unlock, ", ", lock, ");
        assert!(!today.contains("unlock"));
        let tests = format!("expect = {expect:?}\n");
        let dir = directory(&[(POLICY, &format!("{today}{lines}\n")), (TESTS, &tests)]);
        Access::load(dir.path()).unwrap();
    };
    let people = "g, rita, role:releaser\np, adam, *, *, administer, always, allow\n";
    // Whoever may lock lifts, and whoever is denied to lock does not.
    knows(
        &format!("{people}p, adam, shop, prod, lock, always, deny"),
        &[
            "rita may lock shop/prod at 2026-11-23 10:00",
            "rita may unlock shop/prod at 2026-11-23 10:00",
            "rita may not unlock shop/dev at 2026-11-23 10:00",
            "adam may unlock shop/dev at 2026-11-23 10:00",
            "adam may not unlock shop/prod at 2026-11-23 10:00",
        ],
    );
    // One line that knows it takes the two apart.
    knows(
        &format!("{people}p, zoe, *, *, unlock, always, allow"),
        &[
            "rita may lock shop/prod at 2026-11-23 10:00",
            "rita may not unlock shop/prod at 2026-11-23 10:00",
            "zoe may unlock shop/prod at 2026-11-23 10:00",
            "adam may unlock shop/prod at 2026-11-23 10:00",
        ],
    );
}

#[test]
fn each_wrong_line_with_newer_words_is_told() {
    let cases = [
        ("g3, webshop, role:reader", "not a group of projects"),
        ("g3, group:x, projects:web", "not a project; write its name"),
        ("g3, *, projects:web", "not a project; write its name"),
        ("g3, users, projects:web", "stands for the users"),
        ("g3, webshop, projects:", "not a group of projects"),
        (
            "p, alice, projects:, dev, deploy, always, allow",
            "not the name of a project",
        ),
        (
            "p, alice, users, dev, view, always, allow",
            "belongs to no project: write “users, *, view”",
        ),
        (
            "p, alice, policy, *, configure, always, allow",
            "belongs to no project",
        ),
        ("p, alice, *, prod, deploy, always, allow with", "not an effect"),
        ("p, alice, *, prod, deploy, always, allow with *", "not a subject"),
        (
            "p, alice, *, prod, deploy, always, deny with role:x",
            "not an effect",
        ),
        (
            "p, alice, *, prod, configure, always, allow with role:x",
            "can wait for a second person",
        ),
        (
            "p, alice, *, prod, deploy, freeze:sale, deny",
            "has no freeze “sale”; it has: no freeze",
        ),
    ];
    for (line, reason) in cases {
        let message = told_of_line(line);
        assert!(message.contains(reason), "{line}: {message}");
    }
}
