//! Events in words: one sentence each, old and new values of each change, and which events people mean by
//! a word.

mod of_deployments;
mod of_people;
mod of_settings;
mod parts;

pub use self::of_settings::read_by;
pub use self::parts::{Detail, details};
use self::parts::{time, who};
use crate::domain::{Action, EventKind, NewAuditEvent};

/// What happened, as one sentence.
pub fn sentence(event: &NewAuditEvent) -> String {
    let told = match EventKind::parse(&event.action) {
        Some(kind) => {
            let told = of_deployments::told(kind, event).or_else(|| of_people::told(kind, event));
            told.or_else(|| of_settings::told(kind, event))
        }
        None => refused(event),
    };
    told.unwrap_or_else(|| format!("{}: {} {}.", who(event), event.action, event.resource))
}

/// A refusal; its permit is a sentence.
fn refused(event: &NewAuditEvent) -> Option<String> {
    let (action, kind) = event.action.split_once('.')?;
    let action = Action::parse(action).filter(|_| kind == EventKind::Refused.as_str())?;
    let what = format!("{} was refused to {action} {}", who(event), event.resource);
    Some(match event.detail["repeated"].as_u64() {
        Some(times) => format!(
            "{what}, {times} more times until {}.",
            time(&event.detail["last"])
        ),
        None => format!("{what}."),
    })
}

/// Words that people use for events beside their names and titles.
const SYNONYMS: [(&str, &[EventKind]); 10] = [
    (
        "webhook",
        &[
            EventKind::HookMade,
            EventKind::HookRenewed,
            EventKind::HookRemoved,
        ],
    ),
    ("override overrode", &[EventKind::LockOverridden]),
    (
        "deploy deployed",
        &[EventKind::DeploymentRequested, EventKind::DeploymentSucceeded],
    ),
    (
        "access rights permission role",
        &[
            EventKind::PolicyReloaded,
            EventKind::PolicyRejected,
            EventKind::UserAdded,
            EventKind::UserEnabled,
            EventKind::UserDisabled,
            EventKind::UserDeleted,
            EventKind::PasswordSet,
        ],
    ),
    ("signed in", &[EventKind::LoginSucceeded]),
    ("signed out", &[EventKind::Logout]),
    ("reset", &[EventKind::PasswordSet]),
    ("stopped continued", &[EventKind::DeploymentAnswered]),
    ("freeze frozen", &[EventKind::LockCreated]),
    ("unlock unlocked", &[EventKind::LockLifted]),
];

/// Words that people use for some events of a kind: the kind, and what the details of those hold.
const TELLING: [(&str, EventKind, &str); 9] = [
    (
        "rollback rolled back",
        EventKind::DeploymentRequested,
        "\"kind\":\"rollback\"",
    ),
    (
        "rollback rolled back",
        EventKind::DeploymentAnswered,
        "\"answer\":\"roll_back\"",
    ),
    (
        "promotion promoted",
        EventKind::DeploymentRequested,
        "\"kind\":\"promotion\"",
    ),
    (
        "automatic push pushed",
        EventKind::DeploymentRequested,
        "\"kind\":\"automatic\"",
    ),
    (
        "scheduled",
        EventKind::DeploymentRequested,
        "\"kind\":\"scheduled\"",
    ),
    (CALENDAR, EventKind::PolicyReloaded, "calendar.toml"),
    (CALENDAR, EventKind::PolicyReloaded, ".ics"),
    (CALENDAR, EventKind::PolicyRejected, "calendar.toml"),
    ("drift", EventKind::EnvironmentChanged, "\"watch_drift\""),
];
/// Words for what the calendar has in it.
const CALENDAR: &str = "calendar freeze frozen holiday window";

/// The events that people mean by some words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeantEvents {
    /// The names of those that are always meant.
    pub names: Vec<String>,
    /// The names of those that are meant where their details hold the second.
    pub telling: Vec<(&'static str, &'static str)>,
}

/// The events that people mean by `words`, whatever their case and order: `failed login`, `override`,
/// `server.`, `refused`, `rollback`. A word that fits no event is its own name.
pub fn meant_by(words: &str) -> MeantEvents {
    let words = words.trim().to_lowercase();
    let wanted: Vec<&str> = words.split_whitespace().collect();
    let fits = |said: &str| wanted.iter().all(|word| said.contains(word));
    let kinds = EventKind::ALL.iter().filter(|kind| {
        let synonyms = SYNONYMS.iter().filter(|(_, kinds)| kinds.contains(kind));
        let synonyms: Vec<&str> = synonyms.map(|(words, _)| *words).collect();
        let said = format!("{kind} {} {}", kind.title(), synonyms.join(" "));
        fits(&said.to_lowercase())
    });
    let kinds = kinds
        .filter(|kind| **kind != EventKind::Refused)
        .map(|kind| kind.as_str().to_owned());
    let refusals = Action::ALL
        .iter()
        .map(|action| (format!("{action}.refused"), action.title()));
    let refusals =
        refusals.filter(|(name, title)| fits(&format!("{name} refused to {title}").to_lowercase()));
    let mut names: Vec<String> = kinds.chain(refusals.map(|(name, _)| name)).collect();
    let telling = TELLING.iter().filter(|(synonyms, kind, _)| {
        let said = format!("{} {synonyms}", kind.title());
        fits(&said.to_lowercase()) && !names.iter().any(|name| name == kind.as_str())
    });
    let telling: Vec<_> = telling
        .map(|(_, kind, detail)| (kind.as_str(), *detail))
        .collect();
    if names.is_empty() && telling.is_empty() {
        names.push(words);
    }
    MeantEvents { names, telling }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::Outcome;

    pub fn event(action: &str, detail: Value) -> NewAuditEvent {
        NewAuditEvent {
            at: "2026-11-29T10:00:00Z".parse().unwrap(),
            actor: "alice".into(),
            impersonator: None,
            address: "192.0.2.7".into(),
            action: action.into(),
            resource: "shop/prod".into(),
            outcome: Outcome::Allowed,
            permit: "policy.csv:3: p, …".into(),
            detail,
        }
    }

    #[test]
    fn every_kind_of_event_has_a_sentence_of_its_own() {
        let mut seen = std::collections::BTreeMap::new();
        for kind in EventKind::ALL.iter().filter(|kind| **kind != EventKind::Refused) {
            let told = sentence(&event(kind.as_str(), json!({ "deployment": 7 })));
            assert!(
                told.ends_with('.') && !told.contains(kind.as_str()),
                "{kind}: {told}"
            );
            let first = seen.insert(told.clone(), kind);
            assert_eq!(first, None, "{kind}: {told}");
        }
        for action in Action::ALL {
            let told = sentence(&event(&format!("{action}.refused"), json!({})));
            assert_eq!(told, format!("alice was refused to {action} shop/prod."));
        }
        assert_eq!(sentence(&event("odd", json!({}))), "alice: odd shop/prod.");
    }

    #[test]
    fn a_policy_event_says_who_had_the_files_read() {
        for (kind, cause, told) in [
            (
                "policy.reloaded",
                "changed files",
                "The deployer found the files changed.",
            ),
            (
                "policy.rejected",
                "SIGHUP",
                "The deployer was sent SIGHUP on its host.",
            ),
            ("policy.reloaded", "button", "alice had the files read."),
        ] {
            let one = sentence(&event(kind, json!({ "cause": cause })));
            assert!(one.ends_with(told), "{one}");
        }
    }

    #[test]
    fn people_find_events_by_their_own_words() {
        for (words, name) in [
            ("Override", "lock.overridden"),
            ("failed login", "login.failed"),
            ("LOGIN", "login.succeeded"),
            ("approve", "deployment.approve_refused"),
            ("approved", "deployment.approved"),
            ("server.", "server.added"),
            ("refused deploy", "deploy.refused"),
            ("policy", "policy.reloaded"),
            ("server.added", "server.added"),
            ("Password reset", "user.password_set"),
            ("Nonsense", "nonsense"),
            ("calendar", "policy.reloaded"),
            ("Freeze", "policy.reloaded"),
            ("freeze", "lock.created"),
            ("rollback", "deployment.requested"),
            ("roll back", "rollback.refused"),
            ("rolled back", "deployment.answered"),
            ("promotion", "deployment.requested"),
            ("login", "login.failed"),
            ("password", "user.password_changed"),
            ("token", "token.refused"),
            ("lock", "lock.overridden"),
            ("drift", "environment.changed"),
        ] {
            let found = meant_by(words);
            let telling = found.telling.iter().map(|(name, _)| *name);
            let mut names = found.names.iter().map(String::as_str).chain(telling);
            assert!(names.any(|one| one == name), "{words}: {found:?}");
        }
        assert!(
            !meant_by("failed login")
                .names
                .contains(&"login.succeeded".to_owned())
        );
        let rollbacks = meant_by("rollback");
        assert_eq!(rollbacks.names, ["rollback.refused"]);
        assert!(
            rollbacks
                .telling
                .contains(&("deployment.requested", "\"kind\":\"rollback\""))
        );
        assert!(meant_by("lock").names.contains(&"lock.created".to_owned()));
        assert!(meant_by("deploy").telling.is_empty(), "{:?}", meant_by("deploy"));
    }
}
