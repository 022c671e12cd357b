//! Compares a deployment with the events after its request: how it was approved, ran and ended.

use serde_json::Value;

use super::contradiction::{APPROVED_THROUGH, APPROVER, CANCELLED, Contradiction, OUTCOME, OVERRIDE, STATE};
use crate::domain::{AuditEvent, Deployment, DeploymentState, EventKind, Instant};

/// What the events say otherwise.
pub fn of_course(one: &Deployment, events: &[AuditEvent], request: &AuditEvent) -> Vec<Contradiction> {
    let overridden = last_of(events, EventKind::LockOverridden);
    let reason = overridden.and_then(|event| event.event.detail["reason"].as_str());
    let stored = one.lock_override.clone().unwrap_or_default();
    let mut found = differing(OVERRIDE, stored, reason.unwrap_or_default());
    found.extend(of_end(one, events, request));
    found.extend(of_approval(one, events, request));
    found.extend(of_cancel(one, events, request));
    found
}

fn differing(what: &'static str, stored: impl Into<String>, logged: impl Into<String>) -> Vec<Contradiction> {
    let (stored, logged) = (stored.into(), logged.into());
    match stored == logged {
        true => Vec::new(),
        false => vec![Contradiction::new(what, stored, logged)],
    }
}

/// How and when it began and ended.
fn of_end(one: &Deployment, events: &[AuditEvent], request: &AuditEvent) -> Vec<Contradiction> {
    let end = events.iter().rev().find(|event| state_by(event).is_some());
    let state = state_after(events, request);
    if one.state.is_final() != state.is_some() || state.is_some_and(|state| state != one.state) {
        return differing(
            STATE,
            one.state.as_str(),
            state.map_or("", DeploymentState::as_str),
        );
    }
    let mut found = Vec::new();
    if let Some(end) = end {
        // What people ended has no outcome in its event.
        let outcome = end.event.detail["outcome"].as_str();
        found.extend(outcome.map_or(Vec::new(), |outcome| differing(OUTCOME, &one.outcome, outcome)));
        let at = end.event.detail["finished_at"].as_str();
        let at = at.and_then(|at| at.parse().ok());
        if at.is_some() {
            found.extend(differing("time of its end", second(one.finished_at), second(at)));
        }
    }
    if let Some(start) = events
        .iter()
        .find(|event| is(event, EventKind::DeploymentStarted))
    {
        let (stored, logged) = (second(one.started_at), second(Some(start.event.at)));
        found.extend(differing("time of its start", stored, logged));
    }
    found
}

fn second(at: Option<Instant>) -> String {
    at.map(|at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_default()
}

/// Who approved it, and when.
fn of_approval(one: &Deployment, events: &[AuditEvent], request: &AuditEvent) -> Vec<Contradiction> {
    let approved = last_of(events, EventKind::DeploymentApproved);
    let detail = &request.event.detail;
    // An approval that a follow-up brings with it was not always recorded.
    if approved.is_none() && detail.get("approved_by").is_none() {
        return Vec::new();
    }
    let logged = approved.map(|event| (event.event.actor.clone(), event.event.at));
    let logged = logged.or_else(|| approved_before(detail));
    let stored = one.approval.as_ref().and_then(|approval| approval.given.clone());
    let name = |given: &Option<(String, Instant)>| given.as_ref().map(|(who, _)| who.clone());
    let behind = one
        .approval
        .as_ref()
        .and_then(|approval| approval.impersonator.clone());
    let logged_behind = match approved {
        Some(event) => event.event.impersonator.clone(),
        None => detail["approved_through"].as_str().map(str::to_owned),
    };
    // Approvals of earlier versions did not keep it.
    if behind.is_some() && behind != logged_behind {
        let text = |name: Option<String>| name.unwrap_or_default();
        return differing(APPROVED_THROUGH, text(behind), text(logged_behind));
    }
    match name(&stored) == name(&logged) {
        false => vec![Contradiction::new(
            APPROVER,
            name(&stored).unwrap_or_default(),
            name(&logged).unwrap_or_default(),
        )],
        true => differing(
            "time of the approval",
            second(stored.map(|(_, at)| at)),
            second(logged.map(|(_, at)| at)),
        ),
    }
}

/// Who cancelled it.
fn of_cancel(one: &Deployment, events: &[AuditEvent], request: &AuditEvent) -> Vec<Contradiction> {
    // One that was imported has no event of that.
    if state_in(request).is_some_and(DeploymentState::is_final) {
        return Vec::new();
    }
    let ended = |event: &&AuditEvent| {
        is(event, EventKind::CancelRequested) || is(event, EventKind::DeploymentRejected)
    };
    let enders: Vec<&str> = events
        .iter()
        .filter(ended)
        .map(|event| event.event.actor.as_str())
        .collect();
    let stored = one.cancelled_by.as_deref().unwrap_or_default();
    // Several people may have tried; the first one who could did.
    match enders.contains(&stored) {
        true => Vec::new(),
        false => differing(CANCELLED, stored, enders.first().copied().unwrap_or_default()),
    }
}

fn is(event: &AuditEvent, kind: EventKind) -> bool {
    event.event.action == kind.as_str()
}

fn last_of(events: &[AuditEvent], kind: EventKind) -> Option<&AuditEvent> {
    events.iter().rfind(|event| is(event, kind))
}

/// The approval that a follow-up brought with it.
fn approved_before(request: &Value) -> Option<(String, Instant)> {
    let who = request["approved_by"].as_str()?.to_owned();
    Some((who, request["approved_at"].as_str()?.parse().ok()?))
}

/// The state of an imported deployment.
fn state_in(request: &AuditEvent) -> Option<DeploymentState> {
    let state = request.event.detail["state"].as_str();
    state.and_then(DeploymentState::parse)
}

/// The final state that a deployment reached by this event.
fn state_by(event: &AuditEvent) -> Option<DeploymentState> {
    Some(match EventKind::parse(&event.event.action)? {
        EventKind::DeploymentRejected | EventKind::DeploymentSuperseded => DeploymentState::Cancelled,
        EventKind::DeploymentSucceeded => DeploymentState::Succeeded,
        EventKind::DeploymentFailed => DeploymentState::Failed,
        EventKind::DeploymentCancelled => DeploymentState::Cancelled,
        EventKind::DeploymentInterrupted => DeploymentState::Interrupted,
        _ => return None,
    })
}

/// The final state that the events say it reached; `None`: it has not ended.
fn state_after(events: &[AuditEvent], request: &AuditEvent) -> Option<DeploymentState> {
    // A waiting deployment is cancelled by the request to do so.
    let is_begun = events.iter().any(|event| is(event, EventKind::DeploymentStarted));
    let cancelled = last_of(events, EventKind::CancelRequested).filter(|_| !is_begun);
    let ended = events.iter().rev().find_map(state_by);
    ended
        .or(cancelled.map(|_| DeploymentState::Cancelled))
        .or_else(|| state_in(request).filter(|state| state.is_final()))
}
