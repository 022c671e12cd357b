//! The table of who may do what somewhere: held against casbin, and as people read it.

use proptest::prelude::*;

use super::compared::{calendar_text, loaded, policy_text};
use super::*;
use crate::access::rights::RightsSearch;
use crate::access::states::States;
use crate::access::{AllowedTime, OpenedPolicy, RightsTable};
use crate::domain::access::GUEST;

const ACTIONS: [Action; 4] = [Action::View, Action::Deploy, Action::Rollback, Action::Lock];

proptest! {
    #![proptest_config(crate::cases::cases(24))]

    /// For each name, place, action and state of time, also for projects as a whole and areas.
    #[test]
    fn the_rights_of_a_name_are_what_casbin_answers(policy in policy_text(), calendar in calendar_text()) {
        let Some(policy) = loaded(&policy, &calendar) else { return Ok(()) };
        let states = States::of(&[&policy.calendar], at("2026-11-23 10:00"));
        let places = [
            Resource::Everything, Resource::Area(Area::Users), project("shop"), project("deploy"), project("zzz"),
            environment("shop", "prod"), environment("blog", "zzz"),
        ];
        for place in &places {
            let search = RightsSearch::new(&policy, place, &ACTIONS, &states);
            for name in ["ada", "bob", "group:ops", "role:a", GUEST, "nobody"] {
                let found = search.of(name);
                let mut names = vec![name.to_owned(), GUEST.to_owned()];
                names.dedup();
                for (&action, rights) in ACTIONS.iter().zip(found.iter()) {
                    for (state, instant) in states.each() {
                        let asked = policy.ruling(&names, action, place, instant);
                        let mut own = rights.iter().filter(|right| right.states.contains(state)).peekable();
                        prop_assert_eq!(own.peek().is_some(), asked.allowed, "{} {} {} {}", name, action, place, instant);
                        let mut with: Vec<String> = own.flat_map(|right| right.with.clone()).collect();
                        let mut expected = asked.with;
                        with.sort_unstable();
                        with.dedup();
                        expected.sort_unstable();
                        prop_assert_eq!(with, expected, "{} {} {} {}", name, action, place, instant);
                    }
                }
            }
        }
    }
}

fn opened(lines: &str) -> OpenedPolicy {
    let policy = format!("{}{lines}\n", shipped(POLICY).unwrap());
    let dir = directory(&[(POLICY, &policy), (TESTS, "")]);
    OpenedPolicy::open(Some(dir.path()))
        .map_err(|report| report.problems)
        .unwrap()
}

/// `subject | people | when each action is allowed`
fn told(table: &RightsTable) -> Vec<String> {
    let time = |time: &AllowedTime| match time.with.as_slice() {
        [] => time.when.clone(),
        with => format!("{} with {}", time.when, with.join("+")),
    };
    let cell = |times: &Vec<AllowedTime>| times.iter().map(time).collect::<Vec<_>>().join(" & ");
    let rows = table.rows.iter().map(|row| {
        let cells: Vec<String> = row.cells.iter().map(cell).collect();
        let subject = row.subject.as_deref().unwrap_or("-");
        format!("{subject} | {} | {}", row.people.join(" "), cells.join(" | "))
    });
    rows.collect()
}

#[test]
fn people_stand_with_the_role_that_gives_all_they_have_and_otherwise_with_their_like() {
    let lines =
        "g, ann, role:releaser\ng, bob, role:releaser\np, bob, shop, prod, deploy, business-hours, deny
g, zoe, role:junior\np, role:junior, shop, prod, deploy, business-hours, allow with role:releaser
p, carl, shop, prod, view, always, allow\np, dora, *, *, view, always, allow\ng, eve, role:auditor";
    let answers = opened(lines).into_answers();
    let actions = [Action::View, Action::Deploy];
    let table = answers.table(&environment("shop", "prod"), &actions, at("2026-11-23 10:00"));
    assert!(table.is_complete);
    assert_eq!(
        told(&table),
        [
            "role:junior | zoe | business-hours | business-hours with role:releaser",
            "role:releaser | ann group:releasers | always | business-hours",
            "role:sysadmin | admin group:sysadmins | always | always",
            "role:auditor | eve group:auditors | always | ",
            "role:developer | bob group:developers | always | ",
            "role:reader | group:readers | always | ",
            "- | carl dora | always | ",
        ]
    );
    let friday = chrono::NaiveDate::from_ymd_opt(2026, 11, 27).unwrap();
    let zone = chrono_tz::Europe::Paris;
    let day = answers
        .table_of_day(&environment("shop", "prod"), &actions, (friday, zone), None)
        .unwrap();
    assert_eq!(
        told(&day)[..3],
        [
            "role:junior | zoe | 09:00–15:00 | 09:00–15:00 with role:releaser",
            "role:releaser | ann group:releasers | all day | 09:00–15:00",
            "role:sysadmin | admin group:sysadmins | all day | all day",
        ]
    );
    let in_force = Some((at("2026-11-27 10:00"), at("2026-11-27 11:30")));
    let part = answers
        .table_of_day(&environment("shop", "prod"), &actions, (friday, zone), in_force)
        .unwrap();
    assert_eq!(
        told(&part)[1],
        "role:releaser | ann group:releasers | 11:00–12:30 | 11:00–12:30",
    );
    let sunday = friday + chrono::Days::new(2);
    let day = answers
        .table_of_day(&environment("shop", "prod"), &actions, (sunday, zone), None)
        .unwrap();
    assert!(
        !told(&day).iter().any(|row| row.starts_with("role:junior")),
        "{:?}",
        told(&day)
    );
}

#[test]
fn a_role_that_gives_what_everybody_has_is_not_listed() {
    let answers = opened("g, default, role:reader").into_answers();
    let table = answers.table(&project("shop"), &[Action::View], at("2026-11-23 10:00"));
    assert_eq!(told(&table), ["default |  | always"]);
}

#[test]
fn two_thousand_people_are_worked_out_once_for_each_kind_of_them() {
    let mut lines = String::new();
    for number in 0..2000 {
        lines.push_str(&format!(
            "g, user-{number}, role:developer\np, user-{number}, shop-{number}, dev, lock, always, allow\n"
        ));
    }
    let policy = opened(&lines).into_answers();
    let begun = std::time::Instant::now();
    let table = policy.table(&environment("shop", "beta"), Action::ALL, at("2026-11-23 10:00"));
    let took = begun.elapsed();
    let developers = table
        .rows
        .iter()
        .find(|row| row.subject.as_deref() == Some("role:developer"));
    assert_eq!(developers.unwrap().people.len(), 2001);
    // A debug build on a busy machine; worked out name by name it takes a minute.
    assert!(took < std::time::Duration::from_secs(10), "{took:?}");
    table_of_all(&policy);
}

/// A project as a whole, which is every environment of it: the lock of one of them gives none of all.
fn table_of_all(policy: &crate::access::PolicyAnswers) {
    let begun = std::time::Instant::now();
    let table = policy.table(&project("shop-7"), Action::ALL, at("2026-11-23 10:00"));
    let mut rows = table.rows.iter();
    let developers = rows.find(|row| row.subject.as_deref() == Some("role:developer"));
    assert_eq!(developers.unwrap().people.len(), 2001);
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn windows_are_those_of_lines_about_a_place() {
    let dir = directory(&[
        (
            CALENDAR,
            "timezone = \"UTC\"\n[windows.business-hours]\ndays = [\"mon-fri\"]\nhours = [\"08:00-18:00\"]\n[windows.night]\ndays = [\"mon-fri\"]\nhours = [\"22:00-23:00\"]\n[windows.late]\ndays = [\"mon-fri\"]\nhours = [\"20:00-21:00\"]\n",
        ),
        (
            POLICY,
            &format!(
                "{}\np, ada, blog, dev, deploy, night, allow\np, ada, projects:web, dev, deploy, late, allow\ng3, shop, projects:web\n",
                shipped(POLICY).unwrap()
            ),
        ),
        (TESTS, ""),
    ]);
    let access = Access::load(dir.path()).unwrap();
    let of = |name: &str| -> Vec<String> {
        let places = [environment(name, "dev")];
        access.answers().windows_at(&places).into_iter().collect()
    };
    assert_eq!(of("blog"), ["business-hours", "night"]);
    assert_eq!(of("shop"), ["business-hours", "late"]);
}
