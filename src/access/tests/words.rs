//! What lines can say: windows with an end and a zone, one freeze, groups of projects, closed
//! projects, areas.

use super::*;

/// The shipped calendar with more in it, before its holidays.
fn calendar(more: &str) -> String {
    let shipped = shipped(CALENDAR).unwrap();
    shipped.replace("[holidays]", &format!("{more}\n[holidays]"))
}

/// The shipped policy with more lines and a calendar with more in it; the expectations hold.
fn access(lines: &str, more: &str, expect: &[&str]) -> Access {
    let dir = written(lines, more, expect);
    Access::load(dir.path()).unwrap()
}

fn written(lines: &str, more: &str, expect: &[&str]) -> tempfile::TempDir {
    let policy = format!("{}\n{lines}\n", shipped(POLICY).unwrap());
    let tests = format!("expect = {expect:?}\n");
    directory(&[(POLICY, &policy), (CALENDAR, &calendar(more)), (TESTS, &tests)])
}

#[test]
fn a_window_ends_and_a_bare_date_is_the_whole_day() {
    access(
        "p, carl, shop, dev, deploy, contract, allow\n\
         p, carl, shop, beta, deploy, working-contract, allow\n\
         p, dave, shop, dev, deploy, second-half, allow",
        "[windows.contract]\nuntil = 2026-12-31\n\
         [windows.working-contract]\ndays = [\"mon-fri\"]\nhours = [\"08:00-18:00\"]\nfrom = 2026-11-23\nuntil = 2026-12-31T12:00:00\n\
         [windows.second-half]\nfrom = 2026-07-01\nhours = [\"10:00-11:00\"]\n",
        &[
            "carl may deploy shop/dev at 2026-11-22 03:00",
            // A contract does not pause on holidays.
            "carl may deploy shop/dev at 2026-12-25 10:00",
            "carl may deploy shop/dev at 2026-12-31 23:59",
            "carl may not deploy shop/dev at 2027-01-01 00:00",
            "carl may not deploy shop/beta at 2026-11-20 10:00",
            "carl may deploy shop/beta at 2026-11-23 08:00",
            "carl may not deploy shop/beta at 2026-11-28 10:00",
            "carl may not deploy shop/beta at 2026-12-25 10:00",
            "carl may deploy shop/beta at 2026-12-31 11:59",
            "carl may not deploy shop/beta at 2026-12-31 12:00",
            "dave may not deploy shop/dev at 2026-06-30 10:30",
            "dave may deploy shop/dev at 2026-07-01 10:30",
            "dave may not deploy shop/dev at 2026-07-01 11:00",
        ],
    );
}

#[test]
fn a_refusal_knows_the_beginning_of_a_window_and_nothing_after_its_end() {
    let access = access(
        "p, carl, shop, dev, deploy, contract, allow",
        "[windows.contract]\nfrom = 2026-12-01\nuntil = 2026-12-31\n",
        &[],
    );
    let ask = |time| {
        access.permit(
            &user("carl"),
            Action::Deploy,
            &environment("shop", "dev"),
            at(time),
        )
    };
    let early = ask("2026-11-23 10:00").unwrap_err();
    assert_eq!(early.next_allowed, Some(at("2026-12-01 00:00")));
    assert_eq!(ask("2027-01-01 00:00").unwrap_err().next_allowed, None);
}

#[test]
fn a_window_has_a_zone_of_its_own() {
    access(
        "p, noor, shop, dev, deploy, india, allow",
        "[windows.india]\ntimezone = \"Asia/Kolkata\"\ndays = [\"mon-fri\"]\nhours = [\"09:00-18:00\"]\nuntil = 2026-11-30\n",
        &[
            "noor may not deploy shop/dev at 2026-11-23 03:29",
            "noor may deploy shop/dev at 2026-11-23 03:30",
            "noor may deploy shop/dev at 2026-11-23 12:29",
            "noor may not deploy shop/dev at 2026-11-23 12:30",
            // The day ends in India.
            "noor may deploy shop/dev at 2026-11-30 12:29",
            "noor may not deploy shop/dev at 2026-12-01 04:00",
        ],
    );
}

#[test]
fn a_line_names_one_freeze_by_its_name() {
    let freeze = |name: &str, from: &str, until: &str| {
        format!("[[freezes]]\nname = \"{name}\"\nreason = \"r\"\nfrom = {from}\nuntil = {until}\n")
    };
    let freezes = [
        freeze("end of year", "2026-12-18T18:00:00", "2027-01-03"),
        freeze("audit", "2026-11-20", "2026-11-24"),
        freeze("end of year", "2027-12-18", "2028-01-03"),
    ]
    .concat();
    let lines = "p, role:developer, *, dev, deploy, freeze:end of year, deny\n\
                 p, erin, *, prod, rollback, freeze:audit, allow\n\
                 g, erin, role:developer";
    access(
        lines,
        &freezes,
        &[
            "erin may deploy shop/dev at 2026-11-24 10:00",
            "erin may not deploy shop/dev at 2026-12-18 18:00",
            // A freeze until a date lasts that whole day.
            "erin may not deploy shop/dev at 2027-01-03 23:59",
            "erin may deploy shop/dev at 2027-01-04 00:00",
            "erin may not deploy shop/dev at 2027-12-20 00:00",
            "erin may not rollback shop/prod at 2026-12-20 10:00",
            "erin may rollback shop/prod at 2026-11-24 23:59",
            "erin may not rollback shop/prod at 2026-11-25 00:00",
        ],
    );
}

#[test]
fn a_group_stands_for_its_projects_in_lines_and_freezes() {
    let lines = "g3, shop, projects:web\ng3, blog, projects:web\ng3, projects:web, projects:public\n\
                 g3, docs, projects:public\n\
                 p, role:web, projects:web, dev, deploy, always, allow\n\
                 p, role:web, projects:public, *, view, always, allow\n\
                 p, ruth, *, *, configure, always, allow\n\
                 p, *, projects:web, prod, configure, always, deny\n\
                 g, alice, role:web";
    let freeze = "[[freezes]]\nname = \"sale\"\nreason = \"r\"\nfrom = 2026-11-24\nuntil = 2026-11-24\nprojects = [\"projects:web\"]\n";
    access(
        lines,
        freeze,
        &[
            "alice may deploy shop/dev at 2026-11-23 10:00",
            "alice may deploy blog/dev at 2026-11-23 10:00",
            "alice may not deploy docs/dev at 2026-11-23 10:00",
            "alice may not deploy shop/prod at 2026-11-23 10:00",
            "alice may view docs/prod at 2026-11-23 10:00",
            "alice may view shop at 2026-11-23 10:00",
            "alice may not view wiki at 2026-11-23 10:00",
            "alice may not view everything at 2026-11-23 10:00",
            "ruth may not configure blog/prod at 2026-11-23 10:00",
            "ruth may not configure blog at 2026-11-23 10:00",
            "ruth may configure docs/prod at 2026-11-23 10:00",
            "admin may not deploy blog/prod at 2026-11-24 10:00",
            "admin may deploy docs/prod at 2026-11-24 10:00",
            "admin may deploy blog/prod at 2026-11-25 00:00",
        ],
    );
}

/// Casbin keeps projects and actions in one graph.
#[test]
fn a_project_called_like_an_action_is_in_no_group_of_another() {
    access(
        "g3, deploy, projects:web\np, alice, projects:web, *, view, always, allow\n\
         p, bob, view, *, view, always, allow\np, carl, deploy, *, view, always, allow",
        "",
        &[
            "alice may view deploy/dev at 2026-11-23 10:00",
            "alice may not view configure/dev at 2026-11-23 10:00",
            "alice may not view administer/dev at 2026-11-23 10:00",
            "bob may view view/dev at 2026-11-23 10:00",
            "bob may not view deploy/dev at 2026-11-23 10:00",
            "carl may view deploy/dev at 2026-11-23 10:00",
        ],
    );
}

#[test]
fn a_closed_project_is_seen_by_whom_a_line_names_it_for() {
    let lines = "g3, payroll, projects:closed\n\
                 g3, salaries, projects:hr\ng3, projects:hr, projects:closed\n\
                 p, role:hr, projects:hr, *, view, always, allow\n\
                 p, role:hr, payroll, *, view, always, allow\n\
                 p, role:hr, payroll, dev, deploy, always, allow\n\
                 p, ruth, *, *, configure, always, allow\n\
                 p, kate, *, dev, deploy, always, deny\n\
                 g, hans, role:hr\ng, kate, role:hr\ng, default, role:reader";
    access(
        lines,
        "",
        &[
            "guest may view shop/prod at 2026-11-23 10:00",
            "guest may not view payroll/prod at 2026-11-23 10:00",
            "guest may not view payroll at 2026-11-23 10:00",
            "guest may not view salaries/prod at 2026-11-23 10:00",
            "ruth may configure shop at 2026-11-23 10:00",
            "ruth may not configure payroll at 2026-11-23 10:00",
            "ruth may not view payroll/dev at 2026-11-23 10:00",
            "role:releaser may not deploy payroll/prod at 2026-11-23 10:00",
            "hans may view payroll/prod at 2026-11-23 10:00",
            "hans may view salaries at 2026-11-23 10:00",
            "hans may deploy payroll/dev at 2026-11-23 10:00",
            // A line that denies for every project counts for closed ones too.
            "kate may not deploy payroll/dev at 2026-11-23 10:00",
            "admin may deploy payroll/prod at 2026-11-23 10:00",
            "admin may administer salaries at 2026-11-23 10:00",
        ],
    );
}

#[test]
fn areas_are_read_by_whom_a_line_names_them_for_or_by_the_right_to_all() {
    let access = access(
        "p, aud, audit, *, audit, always, allow\np, aud2, audit, *, view, always, allow\n\
         p, una, users, *, view, always, allow\np, una, policy, *, view, always, allow\n\
         p, sam, servers, *, view, business-hours, allow\n\
         p, adam, *, *, administer, always, allow\np, adam, users, *, view, always, deny\n\
         p, ruth, *, *, configure, always, allow",
        "",
        &[
            "una may view users at 2026-11-23 10:00",
            "una may not view servers at 2026-11-23 10:00",
            "una may not view shop at 2026-11-23 10:00",
            "role:reader may not view policy at 2026-11-23 10:00",
            "admin may view users at 2026-11-23 10:00",
        ],
    );
    let reads = |name: &str, area, time| {
        let may = access.may_read(&user(name), area, at(time));
        let permit = access.reading(&user(name), area, at(time));
        assert_eq!(
            permit.is_ok_and(|permit| permit.reads(area)),
            may,
            "{name} {area}"
        );
        may
    };
    let all = |name: &str| -> Vec<&str> {
        let areas = Area::ALL.iter().copied();
        let read = areas.filter(|&area| reads(name, area, "2026-11-23 10:00"));
        read.map(Area::as_str).collect()
    };
    assert_eq!(all("admin"), ["audit", "users", "policy", "servers"]);
    assert_eq!(all("aud"), ["audit"]);
    assert_eq!(all("aud2"), ["audit"]);
    assert_eq!(all("una"), ["users", "policy"]);
    assert_eq!(all("sam"), ["servers"]);
    assert_eq!(all("adam"), ["audit", "policy", "servers"], "a denial counts");
    assert_eq!(all("ruth"), ["policy", "servers"], "as before there were areas");
    assert_eq!(all("nobody"), [""; 0]);
    assert!(!reads("sam", Area::Servers, "2026-11-23 20:00"));
    let auditor = Actor {
        groups: vec!["auditors".to_owned()],
        ..user("ada")
    };
    assert!(access.may_read(&auditor, Area::Audit, at("2026-11-23 10:00")));
    assert!(access.may_read(&auditor, Area::Users, at("2026-11-23 10:00")));
    assert!(!access.may_read(&auditor, Area::Servers, at("2026-11-23 10:00")));
    let permit = access
        .reading(&user("una"), Area::Users, at("2026-11-23 10:00"))
        .unwrap();
    assert!(!permit.reads(Area::Policy) && !permit.covers(Action::Administer, &Resource::Everything));
}

/// A project may be called like an area from before there were areas.
#[test]
fn a_line_for_an_area_gives_nothing_of_a_project_with_its_name() {
    let access = access("p, una, users, *, view, always, allow", "", &[]);
    let now = at("2026-11-23 10:00");
    assert!(!access.may(&user("una"), Action::View, &environment("users", "dev"), now));
    assert!(!access.may(&user("una"), Action::View, &project("users"), now));
    assert!(access.may(&user("admin"), Action::View, &project("users"), now));
}

#[test]
fn an_expectation_is_about_somebody_in_several_groups() {
    let dir = written(
        "p, group:interns, *, dev, deploy, always, deny\np, group:my team, *, qa, deploy, always, allow",
        "",
        &[
            "alice in group:developers may deploy shop/dev at 2026-11-23 10:00",
            "alice in group:developers, group:interns may not deploy shop/dev at 2026-11-23 10:00",
            "group:readers, group:my team may deploy shop/qa at 2026-11-23 10:00",
            "group:readers may not deploy shop/qa at 2026-11-23 10:00",
            "alice in group:interns, group:developers may deploy shop/dev at 2026-11-23 10:00",
            "alice in role:x may view shop/dev at 2026-11-23 10:00",
            "guest may view shop/dev at 2026-11-23 10:00",
        ],
    );
    let told = told(dir.path()).join("\n");
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(
        told.contains("alice in group:interns, group:developers should be allowed to deploy shop/dev then, but policy.csv:"),
        "{told}"
    );
    assert!(told.contains("“alice in role:x may view"), "{told}");
    assert!(
        told.contains("guest should be allowed to view shop/dev then, but no line allows it."),
        "{told}"
    );
}

/// One look shows what is wrong in each file.
#[test]
fn a_broken_file_hides_nothing_of_the_others() {
    let dir = directory(&[
        (MODEL, "[matchers]\n"),
        (POLICY, "p, alice\np, bob, shop, dev, deploy, nowhere, allow\n"),
        (CALENDAR, "timezone = \"Mars\"\n"),
        (TESTS, "expect = [\"alice can fly\"]\n"),
    ]);
    let told = told(dir.path());
    for place in [
        "model.conf:0: ",
        "policy.csv:1: ",
        "policy.csv:2: ",
        "calendar.toml:1: ",
        "tests.toml:1: ",
    ] {
        assert!(
            told.iter().any(|one| one.starts_with(place)),
            "{place} in {told:#?}"
        );
    }
    std::fs::write(dir.path().join(CALENDAR), "timezone = \n").unwrap();
    let told = super::told(dir.path());
    assert!(
        told.iter().any(|one| one.starts_with("policy.csv:1: ")),
        "{told:#?}"
    );
    assert!(
        !told.iter().any(|one| one.contains("nowhere")),
        "no window is known: {told:#?}"
    );
}
