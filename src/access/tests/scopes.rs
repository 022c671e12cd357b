//! API tokens narrow what policy allows, and never widen it.

use super::*;
use crate::domain::{Name, TokenId, TokenScope, UsedToken};

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn scope(actions: &[Action], projects: &[&str], environments: &[&str]) -> TokenScope {
    TokenScope {
        actions: actions.to_vec(),
        projects: names(projects),
        environments: names(environments),
    }
}

fn by_token(name: &str, scope: &TokenScope) -> Actor {
    let token = UsedToken {
        id: TokenId(1),
        name: "ci".to_owned(),
        scope: scope.clone(),
    };
    Actor {
        token: Some(token),
        ..user(name)
    }
}

fn scopes() -> Vec<TokenScope> {
    let mut scopes = Vec::new();
    for actions in [
        &[][..],
        &[Action::Deploy],
        &[Action::Audit],
        &[Action::Administer, Action::Configure],
    ] {
        for projects in [&[][..], &["shop"], &["none"]] {
            for environments in [&[][..], &["beta"], &["none"]] {
                scopes.push(scope(actions, projects, environments));
            }
        }
    }
    scopes
}

fn places() -> Vec<Resource> {
    let areas = Area::ALL.iter().map(|area| Resource::Area(*area));
    let mut places: Vec<Resource> = areas.chain([Resource::Everything]).collect();
    for name in ["shop", "vault"] {
        places.push(project(name));
        places.extend(["dev", "beta", "prod"].map(|env| environment(name, env)));
    }
    places
}

/// Rita sees prod of the shop alone; Nora reads no audit log, whatever else she may.
const LINES: &str = "p, rita, shop, prod, view, always, allow\n\
                     p, nora, *, *, administer, always, allow\n\
                     p, nora, audit, *, audit, always, deny\n\
                     p, nora, audit, *, view, always, allow\n\
                     g, dora, role:developer\ng, lea, role:releaser";

#[test]
fn no_scope_gives_what_policy_does_not_and_each_leaves_only_what_it_names() {
    let access = with_lines(LINES);
    let noon = at("2026-11-23 12:00");
    let mut narrowed = 0;
    for scope in scopes() {
        for name in ["admin", "dora", "lea", "rita", "nora", "nobody"] {
            let (person, program) = (user(name), by_token(name, &scope));
            for place in places() {
                for &action in Action::ALL {
                    let alone = access.may(&person, action, &place, noon);
                    let with = access.may(&program, action, &place, noon);
                    let what = format!("{name} {action} {place}: {scope}");
                    assert_eq!(
                        access.permit(&program, action, &place, noon).is_ok(),
                        with,
                        "{what}"
                    );
                    assert!(alone || !with, "widened: {what}");
                    assert!(scope.includes(action, &place) || !with, "out of scope: {what}");
                    narrowed += usize::from(alone && !with);
                }
            }
            for &area in Area::ALL {
                let alone = access.may_read(&person, area, noon);
                let with = access.may_read(&program, area, noon);
                assert!(alone || !with, "widened: {name} reads {area}: {scope}");
                assert_eq!(
                    access.reading(&program, area, noon).is_ok(),
                    with,
                    "{name} {area}: {scope}"
                );
            }
        }
    }
    assert!(narrowed > 100, "{narrowed}");
}

#[test]
fn a_project_is_seen_only_through_environments_in_the_scope() {
    let access = with_lines(LINES);
    let noon = at("2026-11-23 12:00");
    let sees = |environment: &str| {
        let rita = by_token("rita", &scope(&[], &[], &[environment]));
        access.may(&rita, Action::View, &project("shop"), noon)
    };
    assert!(sees("prod"));
    assert!(!sees("beta"), "she sees the shop through prod alone");
}

#[test]
fn a_refusal_says_that_it_was_the_scope_and_offers_no_other_time() {
    let access = with_lines("p, olaf, shop, *, deploy, business-hours, allow");
    let night = at("2026-11-23 23:00");
    let ci = |scope| by_token("olaf", &scope);
    let beta = environment("shop", "beta");
    let told = |actor: &Actor| access.permit(actor, Action::Deploy, &beta, night).unwrap_err();
    let other_time = told(&ci(scope(&[], &["shop"], &[])));
    assert!(other_time.next_allowed.is_some());
    let left_out = told(&ci(scope(&[], &[], &["prod"])));
    assert_eq!(
        left_out.sentence(),
        "olaf may not deploy shop/beta: the scope of the API token “ci” does not include it."
    );
    assert_eq!((left_out.next_allowed, left_out.outside_window.len()), (None, 0));
}

#[test]
fn going_back_is_part_of_deploying_and_acting_for_others_happens_nowhere() {
    let deploy = scope(&[Action::Deploy], &["shop"], &[]);
    assert!(deploy.includes(Action::Rollback, &environment("shop", "beta")));
    assert!(
        deploy.includes(Action::View, &project("Shop")),
        "names are told apart without case"
    );
    assert!(!deploy.includes(Action::Cancel, &environment("shop", "beta")));
    assert!(!deploy.includes(Action::Deploy, &environment("vault", "beta")));
    assert!(!deploy.includes(Action::Impersonate, &Resource::Everything));
    let acting = scope(&[Action::Impersonate, Action::Deploy], &["shop"], &["beta"]);
    assert!(acting.includes(Action::Impersonate, &Resource::Everything));
    assert!(!acting.includes(Action::View, &Resource::Everything));
}
