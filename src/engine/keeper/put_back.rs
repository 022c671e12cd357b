//! Puts servers back step by step, so that none gets requests before its balancer has checked it.

use std::collections::HashMap;

use crate::balancer::{Admin, BackendSlot, BalancerClient, ServerLine};
use crate::domain::Result;
use crate::domain::rollout::EndpointPlace;
use crate::engine::out_of_service::BalancerLook;

/// How far a server is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Open,
    Done,
    /// Somebody has taken it out meanwhile.
    TakenOut,
    /// HAProxy does not have it any more, anywhere.
    Gone,
}

/// Brings places one step nearer to being in service at every endpoint. `before` is how each was left or last
/// seen: one that is further out now was taken out by somebody.
pub(super) async fn put_back(
    balancer: &BalancerClient,
    places: &[BackendSlot],
    before: &mut HashMap<EndpointPlace, Admin>,
) -> Result<Progress> {
    let seen = BalancerLook::at(balancer).await;
    let lines = seen.lines(places);
    if lines
        .iter()
        .any(|line| is_taken_out(line, before.get(&line.place())))
    {
        return Ok(Progress::TakenOut);
    }
    let ready = lines.iter().filter(|line| line.admin == Admin::Ready);
    before.extend(ready.map(|line| (line.place(), Admin::Ready)));
    let all = |is_so: fn(&ServerLine) -> bool| lines.iter().all(|line| is_so(line));
    let (done, left_as) = if lines.is_empty() {
        return Ok(Progress::Open);
    } else if all(|line| line.admin == Admin::Ready) {
        let is_complete = seen.is_complete();
        return Ok(if is_complete {
            Progress::Done
        } else {
            Progress::Open
        });
    } else if all(ServerLine::passes) || lines.iter().any(|line| line.is_proven()) {
        (balancer.ready(places).await, Admin::Ready)
    } else {
        // Straight out of maintenance it would get requests before HAProxy has checked it.
        (balancer.check(places).await, Admin::Drain)
    };
    for line in &lines {
        match done {
            Ok(()) => before.insert(line.place(), left_as),
            // How far it came is not known.
            Err(_) => before.remove(&line.place()),
        };
    }
    match done {
        // An endpoint that is away is asked again.
        Err(error) if seen.is_complete() => Err(error.into()),
        _ => Ok(Progress::Open),
    }
}

/// Whether a place is further out of service than it was left or last seen.
fn is_taken_out(line: &ServerLine, before: Option<&Admin>) -> bool {
    match (before, line.admin) {
        (Some(Admin::Ready), now) => now != Admin::Ready,
        (Some(Admin::Drain), now) => now == Admin::Maint,
        (Some(Admin::Maint) | None, _) => false,
    }
}

/// The place as the balancer's client takes it.
pub(super) fn slot_of(place: &EndpointPlace) -> BackendSlot {
    BackendSlot {
        backend: place.backend.clone(),
        server: place.server.clone(),
    }
}

/// Places in a sentence that names the server.
pub(super) fn at<'a>(places: impl IntoIterator<Item = &'a EndpointPlace>) -> String {
    let words = places.into_iter();
    let words: Vec<String> = words
        .map(|place| format!("{} (backend {})", place.endpoint, place.backend))
        .collect();
    words.join(", ")
}
