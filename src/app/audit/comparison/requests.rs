//! Compares a deployment with the event of its request.

use serde_json::Value;

use super::contradiction::{COMMIT, Contradiction, REASON, REQUESTER, THROUGH, TITLE};
use crate::domain::rollout::Strategy;
use crate::domain::{AuditEvent, CommitId, Deployment, DeploymentId, Instant};

/// What the event says otherwise.
pub fn of_request(one: &Deployment, request: &AuditEvent) -> Vec<Contradiction> {
    let detail = &request.event.detail;
    let pairs = pairs(one, request);
    let differ = pairs.into_iter().filter(|(_, stored, logged)| stored != logged);
    let mut found: Vec<Contradiction> = differ
        .map(|(what, stored, logged)| Contradiction::new(what, stored, logged))
        .collect();
    let strategy = detail.get("strategy").cloned();
    let strategy: Option<Option<Strategy>> = strategy.and_then(|one| serde_json::from_value(one).ok());
    if strategy.is_some_and(|logged| logged != one.strategy) {
        let stored = serde_json::to_string(&one.strategy).unwrap_or_default();
        found.push(Contradiction::new("strategy", stored, text(detail, "strategy")));
    }
    found
}

/// What is compared: a name, as the database has it, as the event has it.
fn pairs(one: &Deployment, request: &AuditEvent) -> Vec<(&'static str, String, String)> {
    let (event, detail) = (&request.event, &request.event.detail);
    let owned = |text: &Option<String>| text.clone().unwrap_or_default();
    let time = |at: Option<Instant>| at.map(|at| at.to_rfc3339()).unwrap_or_default();
    let permit = one.permit.as_ref().map(ToString::to_string);
    let mut pairs = vec![
        (REQUESTER, one.actor.clone(), event.actor.clone()),
        (THROUGH, owned(&one.impersonator), owned(&event.impersonator)),
        (
            "place",
            format!("{}/{}", one.project, one.environment),
            event.resource.clone(),
        ),
        ("permit", permit.unwrap_or_default(), event.permit.clone()),
        (
            "time of the request",
            time(Some(one.queued_at)),
            time(Some(event.at)),
        ),
    ];
    let in_detail = in_detail(one).into_iter();
    // Events of earlier versions do not have all of these.
    let in_detail = in_detail.filter(|(_, name, _)| detail.get(name).is_some());
    pairs.extend(in_detail.map(|(what, name, stored)| (what, stored, text(detail, name))));
    if detail.get("at").is_some() {
        let logged = detail["at"].as_str().and_then(|at| at.parse().ok());
        pairs.push(("scheduled time", time(one.scheduled_at), time(logged)));
    }
    pairs
}

/// What the detail has as texts: a name for people, the name in the detail, as the database has it.
fn in_detail(one: &Deployment) -> [(&'static str, &'static str, String); 9] {
    let commit = |commit: Option<&CommitId>| commit.map(CommitId::to_string).unwrap_or_default();
    let number = |id: DeploymentId| id.to_string();
    [
        (COMMIT, "commit", commit(Some(&one.commit))),
        ("target", "target", one.target.to_string()),
        ("kind", "kind", one.kind.as_str().to_owned()),
        (REASON, "reason", one.reason.clone()),
        (
            "deployment it follows",
            "origin",
            one.origin.map(number).unwrap_or_default(),
        ),
        ("whether it undoes that one", "undoes", one.undoes.to_string()),
        (TITLE, "title", one.commit_title.clone()),
        ("branch", "branch", one.branch.clone()),
        (
            "previous release",
            "previous_commit",
            commit(one.previous_commit.as_ref()),
        ),
    ]
}

/// A field of the detail as a text; empty where there is none.
fn text(detail: &Value, name: &str) -> String {
    match &detail[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
