//! Details of events that name other places than the event's own: a cluster's event names the projects
//! that may use it. Whoever may not view such a place does not read its name there either.

use serde_json::Value;

use crate::app::App;
use crate::domain::{Action, Actor, Area, AuditEvent, EventKind, Resource};

/// What is read in place of a name.
const COVERED: &str = "something you may not see";

/// What a field of an event's details names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// Projects, by their names.
    Projects,
    /// Environments of the event's own project.
    Environments,
    /// Where a token counts, which may name any place.
    Scope,
    /// Lines of policy files, which may too.
    PolicyLines,
}

/// What events about the policy say of its lines.
const POLICY_LINES: &[&str] = &["problems", "added", "removed"];

/// The fields of details that name places, apart from the event's own. A test knows all other kinds of events,
/// so that whoever adds one has to decide. Events about secrets are left out where they name what is hidden.
const NAMING: [(EventKind, &[&str], Naming); 14] = [
    (EventKind::ClusterAdded, &["projects"], Naming::Projects),
    (EventKind::ClusterChanged, &["projects"], Naming::Projects),
    (EventKind::ClusterDeleted, &["projects"], Naming::Projects),
    (EventKind::ProjectAdded, &["name"], Naming::Projects),
    (EventKind::ProjectChanged, &["name"], Naming::Projects),
    (EventKind::ProjectDeleted, &["name"], Naming::Projects),
    (EventKind::EnvironmentAdded, &["name"], Naming::Environments),
    (EventKind::EnvironmentChanged, &["name"], Naming::Environments),
    (EventKind::EnvironmentDeleted, &["name"], Naming::Environments),
    (EventKind::EnvironmentMoved, &["order"], Naming::Environments),
    (EventKind::TokenMade, &["scope"], Naming::Scope),
    (EventKind::PolicyReloaded, POLICY_LINES, Naming::PolicyLines),
    (EventKind::PolicyRejected, POLICY_LINES, Naming::PolicyLines),
    (
        EventKind::DeployerStarted,
        &["policy_problem"],
        Naming::PolicyLines,
    ),
];

/// The kinds of events whose details are covered for `actor` where they name what they may not know;
/// `sees_all`: they may view every project and environment.
pub(super) fn may_be_covered(app: &App, actor: &Actor, sees_all: bool) -> Vec<EventKind> {
    let knows_all = |naming: Naming| match naming {
        Naming::Projects | Naming::Environments => sees_all,
        Naming::Scope => app.may_read(actor, Area::Users),
        Naming::PolicyLines => app.may_read(actor, Area::Policy),
    };
    let kinds = NAMING.iter().filter(|(_, _, naming)| !knows_all(*naming));
    kinds.map(|(kind, ..)| *kind).collect()
}

/// The event without the names of places that `actor` may not view.
pub(super) fn covered(app: &App, actor: &Actor, mut event: AuditEvent) -> AuditEvent {
    let mut naming = NAMING.iter();
    let Some((_, fields, naming)) = naming.find(|(kind, ..)| kind.as_str() == event.event.action) else {
        return event;
    };
    let resource = event.event.resource.clone();
    let own_project = resource.split('/').next().unwrap_or_default();
    let may_view = |place: Resource| app.may(actor, Action::View, &place);
    let place = |project: &str, environment: &str| {
        may_view(Resource::Environment(project.to_owned(), environment.to_owned()))
    };
    let may_know = |text: &str| match naming {
        Naming::Projects => may_view(Resource::Project(text.to_owned())),
        Naming::Environments => place(own_project, text),
        Naming::Scope => app.may_read(actor, Area::Users),
        Naming::PolicyLines => app.may_read(actor, Area::Policy),
    };
    for field in *fields {
        if let Some(value) = event.event.detail.get_mut(*field) {
            cover(value, &may_know);
        }
    }
    event
}

/// Replaces the names in a value, in a list, or in what a change led `from` and `to`.
fn cover(value: &mut Value, may_know: &impl Fn(&str) -> bool) {
    match value {
        Value::String(text) if !may_know(text) => COVERED.clone_into(text),
        Value::Array(names) => {
            let before = names.len();
            names.retain(|name| name.as_str().is_none_or(may_know));
            if names.len() < before {
                names.push(COVERED.into());
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(|one| cover(one, may_know)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Events whose details name no place but their own.
    const PLAIN: [EventKind; 82] = [
        EventKind::HookMade,
        EventKind::HookRenewed,
        EventKind::HookRemoved,
        EventKind::PollingChanged,
        EventKind::AutomaticDropped,
        EventKind::TokenRevoked,
        EventKind::SecondFactorBegun,
        EventKind::SecondFactorOn,
        EventKind::SecondFactorOff,
        EventKind::SecondFactorReset,
        EventKind::RecoveryCodesMade,
        EventKind::CodeFailed,
        EventKind::SessionsEnded,
        EventKind::SecretsSealed,
        EventKind::SealingKeyChanged,
        EventKind::SecretsForgotten,
        EventKind::TokenRefused,
        EventKind::AuditKeySet,
        EventKind::AuditKeyChanged,
        EventKind::AuditCut,
        EventKind::AuditExported,
        EventKind::DeployerStopped,
        EventKind::DeploymentRequested,
        EventKind::DeploymentApproved,
        EventKind::ApprovalRefused,
        EventKind::DeploymentRejected,
        EventKind::DeploymentSuperseded,
        EventKind::CancelRequested,
        EventKind::PauseRequested,
        EventKind::PauseWithdrawn,
        EventKind::DeploymentAnswered,
        EventKind::DeploymentQueued,
        EventKind::DeploymentStarted,
        EventKind::DeploymentPaused,
        EventKind::DeploymentResumed,
        EventKind::DeploymentStopped,
        EventKind::DeploymentRefused,
        EventKind::DeploymentSucceeded,
        EventKind::DeploymentFailed,
        EventKind::DeploymentCancelled,
        EventKind::DeploymentInterrupted,
        EventKind::ServerKeptOut,
        EventKind::ServerPutBack,
        EventKind::ServerPutBackByHand,
        EventKind::ServerTakenOutByHand,
        EventKind::LockOverridden,
        EventKind::LockCreated,
        EventKind::LockLifted,
        EventKind::CommitsFetched,
        EventKind::ServerAdded,
        EventKind::ServerChanged,
        EventKind::ServerActivated,
        EventKind::ServerDeactivated,
        EventKind::ServerDeleted,
        EventKind::HostKeyTrusted,
        EventKind::HostKeyForgotten,
        EventKind::BalancerAdded,
        EventKind::BalancerChanged,
        EventKind::BalancerDeleted,
        EventKind::BalancerDrained,
        EventKind::BalancerTakenOut,
        EventKind::BalancerPutBack,
        EventKind::BalancerActFailed,
        EventKind::IdentityLinked,
        EventKind::IdentityUnlinked,
        EventKind::OutsideLoginRefused,
        EventKind::UserAdded,
        EventKind::UserChanged,
        EventKind::UserDisabled,
        EventKind::UserEnabled,
        EventKind::UserDeleted,
        EventKind::PasswordSet,
        EventKind::PasswordChanged,
        EventKind::PasswordChangeFailed,
        EventKind::PasswordChangeThrottled,
        EventKind::LoginSucceeded,
        EventKind::LoginFailed,
        EventKind::LoginThrottled,
        EventKind::Logout,
        EventKind::ScriptsUnconfined,
        EventKind::HistoryBroughtIn,
        EventKind::Refused,
    ];

    #[test]
    fn of_every_event_it_is_known_what_its_details_name() {
        for kind in EventKind::ALL {
            let lists = NAMING.iter().map(|(naming, ..)| naming).chain(&PLAIN);
            assert_eq!(lists.filter(|one| *one == kind).count(), 1, "{kind}");
        }
    }

    #[test]
    fn names_are_covered_in_values_lists_and_changes() {
        let may_know = |name: &str| name != "vault";
        for (before, after) in [
            (json!("shop"), json!("shop")),
            (json!("vault"), json!(COVERED)),
            (json!(["shop", "vault", "vault"]), json!(["shop", COVERED])),
            (
                json!({"from": ["vault"], "to": ["shop"]}),
                json!({"from": [COVERED], "to": ["shop"]}),
            ),
            (
                json!({"from": "shop", "to": "vault"}),
                json!({"from": "shop", "to": COVERED}),
            ),
            (json!(null), json!(null)),
        ] {
            let mut value = before;
            cover(&mut value, &may_know);
            assert_eq!(value, after);
        }
    }
}
