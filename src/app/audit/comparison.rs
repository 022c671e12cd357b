//! Compares deployments, approvals and accounts with the events that recorded them.
//!
//! The chain proves the events; this proves what pages show beside them. A row whose event was cut lawfully
//! has nothing to be compared with.

mod accounts;
mod contradiction;
mod requests;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use self::accounts::differences_of_accounts;
pub use self::contradiction::Contradiction;
use self::contradiction::{APPROVER, CANCELLED, OVERRIDE, STATE, apply};
use self::requests::of_request;
use crate::domain::{AuditEvent, Deployment, DeploymentId, DeploymentState, EventKind, Instant, Result};
use crate::store::{Page, PastFilter, Reader, Store, audit, deployments};

/// Deployments that are compared at once.
const AT_ONCE: u64 = 200;
/// The most differences that are told.
const TOLD: usize = 100;

/// The events that a deployment is compared with.
const COMPARED: [EventKind; 11] = [
    EventKind::DeploymentRequested,
    EventKind::LockOverridden,
    EventKind::DeploymentStarted,
    EventKind::DeploymentApproved,
    EventKind::DeploymentRejected,
    EventKind::DeploymentSuperseded,
    EventKind::CancelRequested,
    EventKind::DeploymentSucceeded,
    EventKind::DeploymentFailed,
    EventKind::DeploymentCancelled,
    EventKind::DeploymentInterrupted,
];

/// Everything in the database that contradicts the log, as sentences.
pub(super) async fn all(store: &Store) -> Result<Vec<String>> {
    let mut told = Vec::new();
    let lawful = forgotten_until(store).await?;
    let mut page = Page::Newest;
    loop {
        let found = deployments::history(store, &PastFilter::default(), page, AT_ONCE).await?;
        for (deployment, differing) in contradictions(store, &found.items, lawful).await? {
            told.extend(
                differing
                    .iter()
                    .map(|one| format!("Deployment {deployment}: {}.", one.sentence())),
            );
        }
        match found.older {
            Some(row) => page = Page::Before(row),
            None => break,
        }
    }
    told.extend(missing(store).await?);
    told.extend(differences_of_accounts(store, lawful).await?);
    if told.len() > TOLD {
        let more = told.len() - TOLD;
        told.truncate(TOLD);
        told.push(format!("And {more} more."));
    }
    Ok(told)
}

/// Until when events were cut; `None`: never.
async fn forgotten_until(store: &Store) -> Result<Option<Instant>> {
    let mut after = 0;
    let mut until = None;
    loop {
        let cuts = audit::next_of(store, EventKind::AuditCut.as_str(), after).await?;
        let Some(last) = cuts.last() else { return Ok(until) };
        after = last.id.0;
        for cut in &cuts {
            let before = cut.event.detail.get("before").and_then(Value::as_str);
            until = until.max(before.and_then(|at| at.parse().ok()));
        }
    }
}

/// Deployments that the log knows and the database does not.
async fn missing(store: &Store) -> Result<Vec<String>> {
    let mut told = Vec::new();
    let mut after = 0;
    loop {
        let events = audit::next_of(store, EventKind::DeploymentRequested.as_str(), after).await?;
        let Some(last) = events.last() else {
            return Ok(told);
        };
        after = last.id.0;
        let ids: HashSet<DeploymentId> = events.iter().filter_map(number).collect();
        let known = deployments::by_ids(store, &ids).await?;
        let mut gone: Vec<DeploymentId> = ids.into_iter().filter(|id| !known.contains_key(id)).collect();
        gone.sort_unstable();
        told.extend(
            gone.iter()
                .map(|id| format!("Deployment {id} was removed from the database.")),
        );
    }
}

fn number(event: &AuditEvent) -> Option<DeploymentId> {
    event.event.detail["deployment"].as_i64().map(DeploymentId)
}

/// What of these deployments contradicts the log; those without a contradiction are left out.
async fn contradictions(
    on: &impl Reader,
    all: &[Deployment],
    forgotten_until: Option<Instant>,
) -> Result<Vec<(DeploymentId, Vec<Contradiction>)>> {
    let ids: Vec<DeploymentId> = all.iter().map(|one| one.id).collect();
    let mut events: HashMap<DeploymentId, Vec<AuditEvent>> = HashMap::new();
    for (id, event) in audit::about_deployments(on, &ids, &COMPARED).await? {
        events.entry(id).or_default().push(event);
    }
    let compared = all.iter().map(|one| {
        let events = events.get(&one.id).map(Vec::as_slice).unwrap_or_default();
        (one.id, of_one(one, events, forgotten_until))
    });
    Ok(compared.filter(|(_, differing)| !differing.is_empty()).collect())
}

/// Makes deployments say what the log says of them; returns what the database says instead.
///
/// # Errors
/// Of the store.
pub async fn correct(
    store: &Store,
    all: &mut [Deployment],
) -> Result<HashMap<DeploymentId, Vec<Contradiction>>> {
    let lawful = forgotten_until(store).await?;
    let found: HashMap<_, _> = contradictions(store, all, lawful).await?.into_iter().collect();
    for one in all {
        for contradiction in found.get(&one.id).into_iter().flatten() {
            apply(one, contradiction);
        }
    }
    Ok(found)
}

/// Compares one deployment with its events.
fn of_one(one: &Deployment, events: &[AuditEvent], forgotten_until: Option<Instant>) -> Vec<Contradiction> {
    let requested = EventKind::DeploymentRequested.as_str();
    let Some(request) = events.iter().find(|event| event.event.action == requested) else {
        let is_forgotten = forgotten_until.is_some_and(|until| one.queued_at < until);
        return match is_forgotten {
            true => Vec::new(),
            false => vec![Contradiction::new("request", "there", "")],
        };
    };
    let mut found = of_request(one, request);
    let state = state_by(events, request);
    if (one.state.is_final() || state.is_some_and(DeploymentState::is_final)) && state != Some(one.state) {
        let logged = state.map_or("", DeploymentState::as_str);
        found.push(Contradiction::new(STATE, one.state.as_str(), logged));
    }
    let approved = last_of(events, EventKind::DeploymentApproved);
    let logged = approved.map(|event| (event.event.actor.clone(), event.event.at));
    let logged = logged.or_else(|| approved_before(&request.event.detail));
    let stored = one.approval.as_ref().and_then(|approval| approval.given.clone());
    // An approval that a follow-up brings with it was not always recorded.
    let is_known = approved.is_some() || request.event.detail.get("approved_by").is_some();
    if is_known && stored != logged {
        let name = |given: Option<(String, Instant)>, other: Option<&String>| match given {
            Some((who, at)) if other == Some(&who) => {
                format!("{who} at {}", at.format("%Y-%m-%d %H:%M:%S%.6f UTC"))
            }
            Some((who, _)) => who,
            None => String::new(),
        };
        let both = (
            logged.as_ref().map(|one| one.0.clone()),
            stored.as_ref().map(|one| one.0.clone()),
        );
        found.push(Contradiction::new(
            if both.0 == both.1 { "approval" } else { APPROVER },
            name(stored, both.0.as_ref()),
            name(logged, both.1.as_ref()),
        ));
    }
    let overridden = last_of(events, EventKind::LockOverridden);
    let logged = overridden
        .and_then(|event| event.event.detail["reason"].as_str())
        .unwrap_or_default();
    let stored = one.lock_override.clone().unwrap_or_default();
    if stored != logged {
        found.push(Contradiction::new(OVERRIDE, stored, logged));
    }
    let enders = [EventKind::CancelRequested, EventKind::DeploymentRejected];
    let ended = |event: &&AuditEvent| enders.iter().any(|kind| kind.as_str() == event.event.action);
    let mut enders = events.iter().filter(ended);
    let first = enders.clone().next().map(|event| event.event.actor.clone());
    let is_known = match &one.cancelled_by {
        Some(who) => enders.any(|event| event.event.actor == *who),
        None => first.is_none(),
    };
    let is_brought_in = state_in(&request.event.detail).is_some_and(DeploymentState::is_final);
    if !is_known && !is_brought_in {
        let stored = one.cancelled_by.clone().unwrap_or_default();
        found.push(Contradiction::new(CANCELLED, stored, first.unwrap_or_default()));
    }
    found
}

fn last_of(events: &[AuditEvent], kind: EventKind) -> Option<&AuditEvent> {
    events.iter().rfind(|event| event.event.action == kind.as_str())
}

/// The approval that a follow-up brought with it.
fn approved_before(request: &Value) -> Option<(String, Instant)> {
    let who = request["approved_by"].as_str()?.to_owned();
    Some((who, request["approved_at"].as_str()?.parse().ok()?))
}

fn state_in(request: &Value) -> Option<DeploymentState> {
    request["state"].as_str().and_then(DeploymentState::parse)
}

/// The final state that the events say it reached; `None`: it has not ended.
fn state_by(events: &[AuditEvent], request: &AuditEvent) -> Option<DeploymentState> {
    let state_of = |event: &AuditEvent| {
        Some(match EventKind::parse(&event.event.action)? {
            EventKind::DeploymentRejected | EventKind::DeploymentSuperseded => DeploymentState::Cancelled,
            EventKind::DeploymentSucceeded => DeploymentState::Succeeded,
            EventKind::DeploymentFailed => DeploymentState::Failed,
            EventKind::DeploymentCancelled => DeploymentState::Cancelled,
            EventKind::DeploymentInterrupted => DeploymentState::Interrupted,
            _ => return None,
        })
    };
    let ended = events.iter().rev().find_map(state_of);
    // A waiting deployment is cancelled by the request to do so.
    let is_begun = events
        .iter()
        .any(|event| event.event.action == EventKind::DeploymentStarted.as_str());
    let cancelled = last_of(events, EventKind::CancelRequested).filter(|_| !is_begun);
    ended
        .or(cancelled.map(|_| DeploymentState::Cancelled))
        .or_else(|| state_in(&request.event.detail).filter(|state| state.is_final()))
}
