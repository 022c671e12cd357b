//! Compares deployments, approvals, accounts and API tokens with the events that recorded them.
//!
//! The chain proves the events; this proves what pages show beside them. A row whose event was cut lawfully
//! has nothing to be compared with.

mod accounts;
mod contradiction;
mod course;
mod requests;
mod tokens;

use std::collections::{HashMap, HashSet};

use self::accounts::differences_of_accounts;
pub use self::contradiction::Contradiction;
use self::contradiction::apply;
use self::course::of_course;
use self::requests::of_request;
use self::tokens::differences_of_tokens;
use crate::domain::{AuditEvent, Deployment, DeploymentId, EventKind, Instant, Result};
use crate::store::audit::{self, AuditReading, StoredEvent};
use crate::store::{Page, PastFilter, Reader, Store, deployments};

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
    told.extend(differences_of_tokens(store, lawful).await?);
    if told.len() > TOLD {
        let more = told.len() - TOLD;
        told.truncate(TOLD);
        told.push(format!("And {more} more."));
    }
    Ok(told)
}

/// Until when events were cut; `None`: never.
async fn forgotten_until(store: &Store) -> Result<Option<Instant>> {
    let mut cuts = AuditReading::of_action(EventKind::AuditCut.as_str());
    let mut until = None;
    loop {
        let events = cuts.next(store).await?;
        if events.is_empty() {
            return Ok(until);
        }
        for cut in events {
            let cut = cut.into_event().event;
            let before: Option<Instant> = cut.detail["before"].as_str().and_then(|at| at.parse().ok());
            // What happened after a cut was not cut by it, whatever day it was given.
            until = until.max(before.map(|before| before.min(cut.at)));
        }
    }
}

/// Deployments that the log knows and the database does not.
async fn missing(store: &Store) -> Result<Vec<String>> {
    let mut told = Vec::new();
    let mut requests = AuditReading::of_action(EventKind::DeploymentRequested.as_str());
    loop {
        let events = requests.next(store).await?;
        if events.is_empty() {
            return Ok(told);
        }
        let ids: HashSet<DeploymentId> = events.iter().filter_map(StoredEvent::about_deployment).collect();
        let known = deployments::by_ids(store, &ids).await?;
        let mut gone: Vec<DeploymentId> = ids.into_iter().filter(|id| !known.contains_key(id)).collect();
        gone.sort_unstable();
        told.extend(
            gone.iter()
                .map(|id| format!("Deployment {id} was removed from the database.")),
        );
    }
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
    let found = compared(all, &events, forgotten_until);
    if found.is_empty() {
        return Ok(found);
    }
    for event in audit::unfiled(on, &COMPARED).await? {
        let id = event.event.detail["deployment"].as_i64().map(DeploymentId);
        if let Some(id) = id.filter(|id| ids.contains(id)) {
            let of_it = events.entry(id).or_default();
            of_it.push(event);
            of_it.sort_by_key(|event| event.id);
        }
    }
    Ok(compared(all, &events, forgotten_until))
}

fn compared(
    all: &[Deployment],
    events: &HashMap<DeploymentId, Vec<AuditEvent>>,
    forgotten_until: Option<Instant>,
) -> Vec<(DeploymentId, Vec<Contradiction>)> {
    let compared = all.iter().map(|one| {
        let events = events.get(&one.id).map(Vec::as_slice).unwrap_or_default();
        (one.id, of_one(one, events, forgotten_until))
    });
    compared.filter(|(_, differing)| !differing.is_empty()).collect()
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
    found.extend(of_course(one, events, request));
    found
}
