//! Sentences about configuration, locks, balancers, and the deployer itself.

use serde_json::Value;

use super::parts::{because, changes, items, items_of, text, time, who};
use crate::domain::{EventKind, NewAuditEvent, ReadCause, short_hash};

/// Digits of a policy's digest that people read.
const DIGITS: usize = 12;

/// The sentence of an event; `None` for a kind of another file.
pub fn told(kind: EventKind, event: &NewAuditEvent) -> Option<String> {
    of_inventory(kind, event)
        .or_else(|| of_pushes(kind, event))
        .or_else(|| of_locks_and_balancers(kind, event))
        .or_else(|| of_policy_and_keys(kind, event))
        .or_else(|| of_deployer(kind, event))
}

fn of_inventory(kind: EventKind, event: &NewAuditEvent) -> Option<String> {
    use EventKind as K;
    let (who, what) = (who(event), &event.resource);
    let noun = match kind {
        K::EnvironmentAdded | K::EnvironmentChanged | K::EnvironmentMoved | K::EnvironmentDeleted => {
            "environment "
        }
        K::ProjectAdded | K::ProjectChanged | K::ProjectDeleted => noun_unless(what, "project "),
        K::ServerAdded | K::ServerChanged | K::ServerDeleted => noun_unless(what, "server "),
        K::ClusterAdded | K::ClusterChanged | K::ClusterDeleted => noun_unless(what, "cluster "),
        K::BalancerAdded | K::BalancerChanged | K::BalancerDeleted => noun_unless(what, "balancer "),
        _ => "",
    };
    Some(match kind {
        K::ProjectAdded | K::EnvironmentAdded | K::ServerAdded | K::ClusterAdded | K::BalancerAdded => {
            format!("{who} added {noun}{what}.")
        }
        K::ProjectChanged
        | K::EnvironmentChanged
        | K::ServerChanged
        | K::ClusterChanged
        | K::BalancerChanged => {
            format!("{who} changed {noun}{what}{}.", changes(event))
        }
        K::ProjectDeleted
        | K::EnvironmentDeleted
        | K::ServerDeleted
        | K::ClusterDeleted
        | K::BalancerDeleted => {
            format!("{who} deleted {noun}{what}.")
        }
        K::EnvironmentMoved => {
            let order = because(&items(&event.detail["order"]));
            format!("{who} moved {noun}{what} in its chain{order}.")
        }
        K::ServerActivated => format!("{who} let {what} take part in deployments again."),
        K::ServerDeactivated => format!("{who} took {what} out of further deployments."),
        K::HostKeyTrusted => {
            let instead = match text(event, "replaces") {
                "" => String::new(),
                before => format!(" instead of {before}"),
            };
            format!(
                "{who} trusted the host key {} of {what}{instead}.",
                text(event, "fingerprint")
            )
        }
        K::HostKeyForgotten => {
            format!(
                "{who} revoked the trust in the host key {} of {what}.",
                text(event, "fingerprint")
            )
        }
        _ => return None,
    })
}

fn of_pushes(kind: EventKind, event: &NewAuditEvent) -> Option<String> {
    let (who, what) = (who(event), &event.resource);
    Some(match kind {
        EventKind::HookMade => format!("{who} made a hook for {what}."),
        EventKind::HookRenewed => format!("{who} renewed the hook of {what}."),
        EventKind::HookRemoved => format!("{who} removed the hook of {what}."),
        EventKind::PollingChanged => match event.detail["minutes"]["to"].as_u64() {
            Some(minutes) if minutes > 0 => {
                format!("{who} lets the repository of {what} be polled every {minutes} minutes.")
            }
            _ => format!("{who} turned polling off for {what}."),
        },
        EventKind::AutomaticDropped => {
            let commit = short_hash(text(event, "commit"));
            let why = because(&event.permit);
            format!("The automatic deployment of {commit} to {what} was dropped{why}.")
        }
        _ => return None,
    })
}

/// `noun`, unless `what` begins with it.
fn noun_unless(what: &str, noun: &'static str) -> &'static str {
    match what.starts_with(noun) {
        true => "",
        false => noun,
    }
}

fn of_locks_and_balancers(kind: EventKind, event: &NewAuditEvent) -> Option<String> {
    let (who, what) = (who(event), &event.resource);
    let slot = format!("{}/{}", text(event, "backend"), text(event, "server"));
    Some(match kind {
        EventKind::LockCreated => {
            let until = match time(&event.detail["ends_at"]) {
                end if end.is_empty() => end,
                end => format!(" until {end}"),
            };
            format!("{who} locked {what}{until}{}.", because(text(event, "reason")))
        }
        EventKind::LockLifted => {
            let whose = match text(event, "author") {
                "" => "a lock".to_owned(),
                author => format!("the lock that {author} made"),
            };
            format!(
                "{who} lifted {whose} of {what}{}.",
                because(text(event, "reason"))
            )
        }
        EventKind::BalancerDrained => format!("{who} drained {slot} at {what}."),
        EventKind::BalancerTakenOut => format!("{who} took {slot} out of service at {what}."),
        EventKind::BalancerPutBack => format!("{who} put {slot} back into service at {what}."),
        EventKind::BalancerActFailed => {
            format!(
                "{what} did not do with {slot} what {who} asked{}.",
                because(text(event, "error"))
            )
        }
        _ => return None,
    })
}

fn of_policy_and_keys(kind: EventKind, event: &NewAuditEvent) -> Option<String> {
    let who = who(event);
    let count = |name: &str| event.detail[name].as_array().map_or(0, Vec::len);
    Some(match kind {
        EventKind::PolicyReloaded => reloaded(event),
        EventKind::PolicyRejected => {
            let problem = because(&items(&event.detail["problems"]));
            let cause = read_by(event);
            format!("The policy files have errors, and the policy before stays in force{problem}.{cause}")
        }
        EventKind::SecretsSealed => {
            format!(
                "Secrets are sealed with the key {}: {} secrets.",
                text(event, "key"),
                count("secrets")
            )
        }
        EventKind::SealingKeyChanged => {
            format!(
                "{who} sealed {} secrets with the key {}.",
                count("secrets"),
                text(event, "to")
            )
        }
        EventKind::SecretsForgotten => {
            format!("{who} deleted {} secrets whose key is lost.", count("secrets"))
        }
        EventKind::AuditKeySet => {
            format!(
                "The audit log's heads are signed with the key {}.",
                text(event, "key")
            )
        }
        EventKind::AuditKeyChanged => {
            let to = event.detail["key"]["to"].as_str().unwrap_or_default();
            format!("{who} made {to} the key that signs the audit log's heads.")
        }
        _ => return None,
    })
}

fn of_deployer(kind: EventKind, event: &NewAuditEvent) -> Option<String> {
    let who = who(event);
    let number = |name: &str| event.detail[name].as_i64().unwrap_or_default();
    Some(match kind {
        EventKind::AuditCut => format!(
            "{who} moved {} events, up to number {}, from the audit log to the archive {}.",
            number("events"),
            number("up_to"),
            text(event, "archive")
        ),
        EventKind::AuditExported => {
            let filter = match text(event, "filter") {
                "" => "all of it".to_owned(),
                filter => filter.to_owned(),
            };
            format!(
                "{who} exported the audit log as {}: {filter}.",
                text(event, "format")
            )
        }
        EventKind::DeployerStarted => {
            let before = match event.detail["unclean"] {
                Value::Bool(true) => " The one before did not stop by itself.",
                _ => "",
            };
            let policy = match event.detail["policy_changed"] {
                Value::Bool(true) => " Its policy is another one than before.",
                _ => "",
            };
            let kept = match event.detail["policy_is_last_good"] {
                Value::Bool(true) => format!(
                    " Its policy files have errors, so the last good policy ({}) is in force{}.",
                    text(event, "policy").get(..DIGITS).unwrap_or_default(),
                    because(text(event, "policy_problem"))
                ),
                _ => String::new(),
            };
            format!(
                "The deployer started, version {}.{before}{policy}{kept}",
                text(event, "version")
            )
        }
        EventKind::DeployerStopped => "The deployer stopped.".to_owned(),
        EventKind::ScriptsUnconfined => {
            "The deployer began to serve, with scripts of repositories unconfined on its host.".to_owned()
        }
        EventKind::HistoryBroughtIn => format!("{who} imported {} past deployments.", number("deployments")),
        _ => return None,
    })
}

/// A policy that was read, and what changed by it.
fn reloaded(event: &NewAuditEvent) -> String {
    let lines = |name: &str| {
        let left_out = event.detail[format!("{name}_left_out")]
            .as_u64()
            .unwrap_or_default();
        items_of(
            &event.detail[name],
            usize::try_from(left_out).unwrap_or(usize::MAX),
        )
    };
    let (added, removed) = (lines("added"), lines("removed"));
    let files = items(&event.detail["files"]);
    let sentence = match (added.is_empty(), removed.is_empty()) {
        (true, true) if !files.is_empty() => format!("A changed policy is in force: {files} changed."),
        (true, true) => "The policy was read again and is in force.".to_owned(),
        (false, true) => format!("A changed policy is in force: added {added}."),
        (true, false) => format!("A changed policy is in force: removed {removed}."),
        (false, false) => format!("A changed policy is in force: added {added}; removed {removed}."),
    };
    let changes_model = event.detail["files"].as_array().is_some_and(|files| {
        files.iter().any(|file| file == "model.conf") && !(added.is_empty() && removed.is_empty())
    });
    let sentence = match changes_model {
        true => format!("{sentence} How requests are matched changed too (model.conf)."),
        false => sentence,
    };
    let sentence = format!("{sentence}{}", read_by(event));
    match text(event, "rights") {
        "" => sentence,
        rights => format!("{sentence} Rights: {rights}."),
    }
}

/// Who had the policy files read, or why that was; nothing where the event does not say it.
pub fn read_by(event: &NewAuditEvent) -> String {
    match ReadCause::parse(text(event, "cause")) {
        Some(ReadCause::Button) => format!(" {} had the files read.", who(event)),
        Some(cause) => format!(" {}.", cause.title()),
        None => String::new(),
    }
}
