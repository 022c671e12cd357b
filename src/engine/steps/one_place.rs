//! Finds servers of a deployment that write to one directory: an alias, or a file system that both mount.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::transfer;
use crate::domain::ServerId;
use crate::engine::ending::Failure;
use crate::engine::found::Reached;
use crate::engine::run::{Run, TargetServer};
use crate::sync;

/// The servers that write where another one does, with a complaint for each.
pub async fn shared<'a>(
    run: &'a Run,
    reached: &HashMap<ServerId, Arc<Reached>>,
) -> Vec<(&'a TargetServer, Failure)> {
    let mut alike: BTreeMap<&str, Vec<(&TargetServer, &Reached)>> = BTreeMap::new();
    for member in &run.members {
        let found = reached.get(&member.server.id).map(Arc::as_ref);
        if let Some(found) = found.filter(|found| !found.found.identity.is_empty()) {
            let one = alike.entry(found.found.identity.as_str()).or_default();
            one.push((member, found));
        }
    }
    let mut complaints = Vec::new();
    for group in alike.into_values().filter(|group| group.len() > 1) {
        let places: Vec<_> = group
            .iter()
            .map(|(_, found)| (&found.session, found.found.place.as_str()))
            .collect();
        let same = sync::same_places(&places, &transfer::limits(run)).await;
        for (number, ((member, found), same)) in group.iter().zip(same).enumerate() {
            let others = same.into_iter().filter(|other| *other != number);
            let others = others.filter_map(|other| group.get(other));
            let others: Vec<&str> = others.map(|(other, _)| other.server.name.as_str()).collect();
            if !others.is_empty() {
                complaints.push((*member, Failure::new(complaint(&found.found.place, &others))));
            }
        }
    }
    complaints
}

fn complaint(place: &str, others: &[&str]) -> String {
    format!(
        "Its directory {place} is that of {} as well: they are names of one machine, or share a file system, and would delete each other's files. Keep one of them in the cluster.",
        others.join(", ")
    )
}
