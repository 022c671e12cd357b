//! Lines that allow something only together with a second person.

use super::*;

const LINES: &str = "p, role:dev, shop, prod, deploy, always, allow with role:lead\n\
                     p, role:dev, shop, prod, deploy, business-hours, allow with group:on call\n\
                     p, role:lead, shop, prod, deploy, business-hours, allow\n\
                     p, role:dev, shop, beta, deploy, always, allow with role:lead\n\
                     p, role:dev, shop, beta, rollback, always, allow\n\
                     g, dora, role:dev\ng, lea, role:lead\ng, kim, role:dev\ng, kim, role:lead\n\
                     g, group:leads, role:lead";

fn second(access: &Access, actor: &Actor, action: Action, place: &str, time: &str) -> Option<Vec<String>> {
    let permit = access.permit(actor, action, &environment("shop", place), at(time));
    permit.ok().map(|permit| permit.second().to_vec())
}

#[test]
fn a_permit_says_who_has_to_be_the_second_person() {
    let access = with_lines(LINES);
    let deploy =
        |name: &str, place: &str, time: &str| second(&access, &user(name), Action::Deploy, place, time);
    let night = "2026-11-23 23:00";
    let noon = "2026-11-23 12:00";
    let (lead, call) = ("role:lead".to_owned(), "group:on call".to_owned());
    assert_eq!(deploy("dora", "prod", night), Some(vec![lead.clone()]));
    assert_eq!(deploy("dora", "prod", noon), Some(vec![lead.clone(), call]));
    assert_eq!(deploy("lea", "prod", noon), Some(Vec::new()));
    assert_eq!(deploy("lea", "prod", night), None);
    assert_eq!(
        deploy("kim", "prod", noon),
        Some(Vec::new()),
        "a line that takes nobody else wins"
    );
    assert_eq!(deploy("kim", "prod", night), Some(vec![lead.clone()]));
    // What such a line implies takes the second person too, as far as it is a deployment.
    let roll_back = |place| second(&access, &user("dora"), Action::Rollback, place, night);
    assert_eq!(roll_back("prod"), Some(vec![lead]));
    assert_eq!(roll_back("beta"), Some(Vec::new()));
    let cancel = second(&access, &user("dora"), Action::Cancel, "prod", night);
    assert_eq!(cancel, Some(Vec::new()));
}

/// Two lines that casbin cannot tell apart.
#[test]
fn the_same_line_with_and_without_a_second_person_takes_nobody_else() {
    for lines in [
        "p, ann, shop, prod, deploy, always, allow with role:lead\np, ann, shop, prod, deploy, always, allow",
        "p, ann, shop, prod, deploy, always, allow\np, ann, shop, prod, deploy, always, allow with role:lead",
    ] {
        let access = with_lines(&format!("{lines}\ng, lea, role:lead"));
        let found = second(&access, &user("ann"), Action::Deploy, "prod", "2026-11-23 12:00");
        assert_eq!(found, Some(Vec::new()), "{lines}");
    }
}

#[test]
fn a_deny_line_overrides_whatever_the_second_person() {
    let access = with_lines(&format!("{LINES}\np, *, shop, prod, deploy, always, deny"));
    assert_eq!(
        second(&access, &user("dora"), Action::Deploy, "prod", "2026-11-23 12:00"),
        None
    );
}

#[test]
fn somebody_is_one_of_a_role_a_group_or_a_name() {
    let access = with_lines(LINES);
    let is = |actor: &Actor, subject: &str| access.is_one_of(actor, &[subject.to_owned()]);
    let grouped = |name: &str, group: &str| Actor {
        groups: vec![group.to_owned()],
        ..user(name)
    };
    assert!(is(&user("lea"), "role:lead") && is(&user("lea"), "lea"));
    assert!(is(&grouped("zoe", "leads"), "role:lead") && is(&grouped("zoe", "leads"), "group:leads"));
    assert!(!is(&user("dora"), "role:lead") && !is(&user("zoe"), "group:leads"));
    assert!(!is(&user("role:lead"), "role:lead"), "a name is no role");
    assert!(!access.is_one_of(&user("lea"), &[]));
}

#[test]
fn tests_can_expect_a_second_person() {
    let expect = [
        "dora may deploy shop/prod with role:lead at 2026-11-23 23:00",
        "dora may deploy shop/prod with group:on call at 2026-11-23 12:00",
        "dora may deploy shop/prod at 2026-11-23 23:00",
        "lea may deploy shop/prod at 2026-11-23 12:00",
        "lea may deploy shop/prod with role:lead at 2026-11-23 12:00",
        "dora may deploy shop/prod with group:on call at 2026-11-23 23:00",
        "dora may not deploy shop/dev with role:lead at 2026-11-23 23:00",
        "dora may deploy shop/beta with * at 2026-11-23 23:00",
    ];
    let policy = format!("{}\n{LINES}\n", shipped(POLICY).unwrap());
    let dir = directory(&[(POLICY, &policy), (TESTS, &format!("expect = {expect:#?}\n"))]);
    let report = check(dir.path());
    let errors: Vec<String> = report
        .problems
        .iter()
        .filter(|problem| problem.is_error())
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors.len(), 5, "{errors:#?}");
    let says = |line: u32, what: &str| {
        let place = format!("tests.toml:{line}: ");
        let said = errors.iter().find(|error| error.starts_with(&place));
        assert!(
            said.is_some_and(|said| said.contains(what)),
            "{line} {what}: {errors:#?}"
        );
    };
    says(
        4,
        "dora should be allowed to deploy shop/prod alone then, but policy.csv:",
    );
    says(4, "write “deploy shop/prod with role:lead at …”");
    says(6, "lea should need a second person of role:lead");
    says(7, "dora should need a second person of group:on call");
    says(8, "is not an expectation");
    says(9, "is not an expectation");
}
