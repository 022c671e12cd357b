//! Two policies compared: worked out, and held against casbin's answers to every question.

use chrono::Duration;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::access::cells::Cell;
use crate::access::diff::PolicyComparison;
use crate::access::files::Source;
use crate::access::grid::Spot;
use crate::access::load;
use crate::access::policy::Policy;
use crate::access::states::States;
use crate::access::{OpenedPolicy, Shift};

const SUBJECTS: [&str; 7] = ["ada", "bob", "default", "group:ops", "role:a", "role:b", "*"];
const PROJECTS: [&str; 6] = ["*", "shop", "blog", "projects:web", "projects:closed", "deploy"];
const ENVIRONMENTS: [&str; 3] = ["*", "dev", "prod"];
const ACTIONS: [&str; 6] = ["view", "deploy", "rollback", "lock", "administer", "unlock"];
const WINDOWS: [&str; 5] = ["always", "business-hours", "late", "freeze", "freeze:sale"];
const EFFECTS: [&str; 5] = ["allow", "allow", "deny", "allow with role:a", "allow with bob"];

fn rule() -> impl Strategy<Value = String> {
    let columns = (
        select(&SUBJECTS[..]),
        select(&PROJECTS[..]),
        select(&ENVIRONMENTS[..]),
        select(&ACTIONS[..]),
        select(&WINDOWS[..]),
        select(&EFFECTS[..]),
    );
    columns.prop_map(|(subject, project, environment, action, window, effect)| {
        let two = ["deploy", "rollback"].contains(&action);
        let effect = if effect.contains("with") && !two {
            "allow"
        } else {
            effect
        };
        format!("p, {subject}, {project}, {environment}, {action}, {window}, {effect}\n")
    })
}

fn link() -> impl Strategy<Value = String> {
    select(
        &[
            "g, ada, role:a\n",
            "g, bob, role:b\n",
            "g, role:a, role:b\n",
            "g, group:ops, role:a\n",
            "g, default, role:b\n",
            "g2, administer, deploy\n",
            "g2, deploy, rollback\n",
            "g2, deploy, view\n",
            "g2, unlock, lock\n",
            "g3, shop, projects:web\n",
            "g3, blog, projects:web\n",
            "g3, shop, projects:closed\n",
            "g3, projects:web, projects:closed\n",
            "g3, deploy, projects:web\n",
        ][..],
    )
    .prop_map(str::to_owned)
}

pub(super) fn policy_text() -> impl Strategy<Value = String> {
    (vec(rule(), 0..9), vec(link(), 0..8)).prop_map(|(rules, links)| {
        // Somebody administers, or the policy would be refused.
        let links: std::collections::BTreeSet<String> = links.into_iter().collect();
        let root = "p, root, *, *, administer, always, allow\n".to_owned();
        rules.into_iter().chain(links).chain([root]).collect()
    })
}

pub(super) fn calendar_text() -> impl Strategy<Value = String> {
    let windows = select(&["08:00-18:00", "09:00-12:00", "20:00-02:00"][..]);
    let zones = select(&["UTC", "Europe/Paris"][..]);
    let freezes = select(
        &[
            "[[freezes]]\nname = \"sale\"\nreason = \"r\"\nfrom = 2026-11-24\nuntil = 2026-11-26\n",
            "[[freezes]]\nname = \"sale\"\nreason = \"r\"\nfrom = 2026-11-24T12:00:00\nuntil = 2026-11-25\nprojects = [\"shop\"]\n[[freezes]]\nname = \"x\"\nreason = \"r\"\nfrom = 2026-12-24\nuntil = 2026-12-26\nenvironments = [\"prod\"]\n",
        ][..],
    );
    (windows, zones, freezes).prop_map(|(hours, zone, freezes)| {
        format!(
            "timezone = \"{zone}\"\n[windows.business-hours]\ndays = [\"mon-fri\"]\nhours = [\"{hours}\"]\n[windows.late]\nhours = [\"22:00-23:00\"]\nuntil = 2026-12-31\n[holidays]\ndates = [\"12-25\"]\n{freezes}"
        )
    })
}

pub(super) fn loaded(policy: &str, calendar: &str) -> Option<Policy> {
    let dir = directory(&[(POLICY, policy), (CALENDAR, calendar), (TESTS, "")]);
    load::open(&Source::Directory(dir.path().to_owned()))
        .0
        .map(|loaded| loaded.policy)
}

/// The spots, as questions.
fn places() -> Vec<(Spot<'static>, Resource)> {
    let spot = |project: &'static str, environment: &'static str| Spot { project, environment };
    let mut all = vec![
        (spot("*", "*"), Resource::Everything),
        (spot("area:users", "*"), Resource::Area(Area::Users)),
    ];
    for (key, name) in [
        ("shop", "shop"),
        ("blog", "blog"),
        ("project:deploy", "deploy"),
        ("", "zzz"),
    ] {
        for (environment, place) in [("dev", "dev"), ("prod", "prod"), ("", "zzz")] {
            all.push((
                spot(key, environment),
                crate::domain::Resource::Environment(name.into(), place.into()),
            ));
        }
    }
    all
}

proptest! {
    #![proptest_config(crate::cases::cases(24))]

    /// For each name, place, action and time: what differs by casbin is told, and nothing else.
    #[test]
    fn what_is_told_is_what_casbin_answers(
        old in policy_text(), new in policy_text(), same in any::<bool>(),
        old_calendar in calendar_text(), new_calendar in calendar_text(),
    ) {
        let new = if same { format!("{old}p, ada, shop, dev, deploy, late, allow\n") } else { new };
        let (Some(before), Some(after)) = (loaded(&old, &old_calendar), loaded(&new, &new_calendar)) else {
            return Ok(());
        };
        let now = at("2026-11-23 10:00");
        let states = States::of(&[&before.calendar, &after.calendar], now);
        let comparison = PolicyComparison::new(&before, &after, &states);
        for name in ["ada", "bob", "group:ops", "stranger", "default"] {
            let names = crate::access::names_for(name, &[]).unwrap();
            let cells = comparison.cells(name);
            for (spot, resource) in places() {
                for &action in Action::ALL {
                    for (state, time) in states.each() {
                        let rulings = [&before, &after].map(|policy| {
                            let verdict = policy.decide_place(&names, action, &resource, time);
                            policy.ruling_of(&verdict)
                        });
                        let told = |shift| {
                            let cell = Cell { spot, action, shift };
                            cells.at(&cell).is_some_and(|states| states.contains(state))
                        };
                        let [was, is] = &rulings;
                        let what = format!("{name} {action} {resource} at {time}: {was:?} -> {is:?}\n{old}\n---\n{new}");
                        prop_assert_eq!(told(Shift::Gained), !was.allowed && is.allowed, "gained {}", what);
                        prop_assert_eq!(told(Shift::Lost), was.allowed && !is.allowed, "lost {}", what);
                        let both = was.allowed && is.allowed;
                        let sorted = |with: &[String]| { let mut with = with.to_vec(); with.sort(); with };
                        let differs = both && sorted(&was.with) != sorted(&is.with);
                        prop_assert_eq!(told(Shift::Eased) || told(Shift::Tightened), differs, "with {}", what);
                    }
                }
            }
        }
    }

    /// Between two changes of the calendars nothing is told apart that the states do not tell apart.
    #[test]
    fn every_time_has_its_state(old in calendar_text(), new in calendar_text(), minute in 0i64..500_000) {
        let lines = "p, root, *, *, administer, always, allow\n";
        let (before, after) = (loaded(lines, &old).unwrap(), loaded(lines, &new).unwrap());
        let now = at("2026-11-23 10:00");
        let states = States::of(&[&before.calendar, &after.calendar], now);
        prop_assert!(states.is_complete);
        let time = now + Duration::minutes(minute);
        let open = |at| [&before, &after].map(|policy| {
            ["business-hours", "late", "freeze:sale", "freeze:x", "freeze"].map(|window| policy.calendar.is_open(window, at))
        });
        prop_assert!(states.each().any(|(_, at)| open(at) == open(time)), "{time}");
    }
}

pub(super) fn compared(old: &str, new: &str) -> Vec<String> {
    let of = |lines: &str| {
        let policy = format!("{}{lines}\n", shipped(POLICY).unwrap());
        let dir = directory(&[(POLICY, &policy), (TESTS, "")]);
        OpenedPolicy::open(Some(dir.path()))
            .map_err(|report| report.problems)
            .unwrap()
    };
    let found = of(old).diff(&of(new), at("2026-11-23 10:00"));
    assert!(found.is_complete);
    let one = |one: &crate::access::RightsChange| {
        let actions: Vec<&str> = one.actions.iter().copied().map(Action::as_str).collect();
        let but = match one.but.as_slice() {
            [] => String::new(),
            but => format!(" but {}", but.join(" ")),
        };
        format!(
            "{} {}{but}: {} {} ({})",
            one.shift.words(),
            one.who.join(" "),
            actions.join(" "),
            one.places.join(" "),
            one.windows
        )
    };
    found.differences.iter().map(one).collect()
}

#[test]
fn a_difference_is_told_in_few_words() {
    assert_eq!(compared("", ""), [""; 0]);
    assert_eq!(
        compared("", "p, zoe, shop, dev, deploy, business-hours, allow"),
        ["gained zoe: view deploy rollback cancel shop/dev (business-hours)"]
    );
    assert_eq!(
        compared("g, zoe, role:reader\ng, ann, role:reader", ""),
        ["lost ann zoe: view everything */* (always)"]
    );
    assert_eq!(
        compared("", "g, default, role:reader"),
        ["gained default: view everything */* (always)"]
    );
    assert_eq!(
        compared(
            "p, zoe, shop, dev, deploy, always, allow",
            "p, zoe, shop, dev, deploy, always, allow with role:releaser"
        ),
        ["tightened zoe: deploy rollback shop/dev (always)"]
    );
    assert_eq!(
        compared("", "p, group:interns, *, prod, deploy, always, deny"),
        ["denied group:interns: deploy */prod (always)"]
    );
    let closed = compared(
        "g, zoe, role:reader",
        "g, zoe, role:reader\ng3, vault, projects:closed",
    );
    assert!(
        closed.contains(&"lost group:auditors: view audit vault/* (always)".to_owned()),
        "{closed:#?}"
    );
    assert!(!closed.iter().any(|one| one.contains("admin")), "{closed:#?}");
}

#[test]
fn who_may_be_the_second_person_is_told() {
    let line = "p, zoe, shop, prod, deploy, always, allow with role:lead";
    let leads = |names: &str| {
        let links = names.split_whitespace();
        let links: String = links.map(|name| format!("\ng, {name}, role:lead")).collect();
        format!("{line}{links}")
    };
    assert_eq!(
        compared(&leads("lea"), &leads("lea mallory group:ops")),
        ["may be the second person group:ops mallory: deploy rollback shop/prod (always)"]
    );
    assert_eq!(
        compared(&leads("lea mallory"), &leads("lea")),
        ["may not be the second person any more mallory: deploy rollback shop/prod (always)"]
    );
    // A role of a role, and a line for other members.
    assert_eq!(
        compared(
            &leads("role:chief"),
            &format!("{}\ng, mallory, role:chief", leads("role:chief"))
        ),
        ["may be the second person mallory: deploy rollback shop/prod (always)"]
    );
    let by_others = leads("lea").replace("allow with role:lead", "allow with mallory");
    let told = compared(&leads("lea"), &by_others);
    let seconds = told.iter().filter(|one| one.contains("second person"));
    assert_eq!(
        seconds.collect::<Vec<_>>(),
        [
            "may be the second person mallory: deploy rollback shop/prod (always)",
            "may not be the second person any more lea: deploy rollback shop/prod (always)"
        ]
    );
    // Where nobody else was needed before, whoever is needed now gains nothing; nor do they lose what nobody
    // needs any more.
    let alone = line.replace(" with role:lead", "");
    let told = |old: &str, new: &str| {
        let mut told = compared(old, new);
        told.retain(|one| one.contains("second person"));
        told
    };
    let with_lea = |line: &str| format!("{line}\ng, lea, role:lead");
    assert_eq!(told(&with_lea(&alone), &with_lea(line)), [""; 0]);
    assert_eq!(told(&with_lea(line), &with_lea(&alone)), [""; 0]);
}

#[test]
fn how_many_gain_and_lose_is_told_without_names() {
    let opened = |lines: &str| {
        let policy = format!("{}{lines}\n", shipped(POLICY).unwrap());
        let dir = directory(&[(POLICY, &policy), (TESTS, "")]);
        OpenedPolicy::open(Some(dir.path()))
            .map_err(|report| report.problems)
            .unwrap()
    };
    let reads = |names: &str| -> String {
        let names = names.split_whitespace();
        names.map(|name| format!("\ng, {name}, role:reader")).collect()
    };
    for (old, new, told) in [
        ("", "", "nobody gains or loses"),
        ("", "zoe", "1 user or group gains"),
        ("zoe ann", "", "2 users or groups lose"),
        ("zoe", "ann group:b", "2 users or groups gain, 1 loses"),
        ("", "default", "everybody gains"),
    ] {
        let diff = opened(&reads(old)).diff(&opened(&reads(new)), at("2026-11-23 10:00"));
        assert_eq!(diff.summary(), told);
    }
}

#[test]
fn a_comparison_can_be_given_up() {
    let snapshot = |lines: &str| {
        let policy = format!("{}{lines}\n", shipped(POLICY).unwrap());
        let dir = directory(&[(POLICY, &policy), (TESTS, "")]);
        Access::load(dir.path()).unwrap().snapshot()
    };
    let (old, new) = (snapshot(""), snapshot("g, zoe, role:reader"));
    let now = at("2026-11-23 10:00");
    assert_eq!(old.diff(&new, now, &|| true), None);
    assert_eq!(
        old.diff(&new, now, &|| false).unwrap().summary(),
        "1 user or group gains"
    );
}
