//! Queues the deployments that undo a rollout which failed.
//!
//! They are stored in the transaction that closes the failed one, so that neither is there without the
//! other. They go through the queue like any other deployment, and their permission is checked again
//! when they begin.

use crate::domain::{Deployment, Event, Instant, Kind, Result, Strategy};
use crate::engine::ending::Undo;
use crate::engine::words;
use crate::store::deployments::{self, NewDeployment, ROLLBACK_PRIORITY};
use crate::store::{Change, Leased, Right};

/// Queues the deployments that undo this one; returns sentences about them. `is_late`: the deployer had
/// stopped before it could do so.
pub(super) async fn queue(
    change: &mut Leased<Change>,
    failed: &Deployment,
    (undo, is_late): (&Undo, bool),
    now: Instant,
) -> Result<String> {
    let mut said = Vec::new();
    for group in &undo.groups {
        if failed.environment_id.is_none() {
            continue;
        }
        let heir = undo.heir.as_ref();
        let deployment = Deployment {
            actor: heir.map_or_else(|| failed.actor.clone(), |heir| heir.name.clone()),
            groups: heir.map_or_else(|| failed.groups.clone(), |heir| heir.groups.clone()),
            impersonator: heir.map_or_else(|| failed.impersonator.clone(), |heir| heir.impersonator.clone()),
            token: heir.map_or_else(|| failed.token.clone(), |heir| heir.token.clone()),
            target: group.target.clone(),
            commit: group.commit.clone(),
            commit_title: group.title.clone(),
            previous_commit: Some(failed.commit.clone()),
            kind: Kind::Rollback,
            reason: format!(
                "Automatic rollback of deployment {} ({}).",
                failed.id, undo.reason
            ),
            permit: undo.permit.clone(),
            origin: Some(failed.id),
            undoes: true,
            strategy: failed.strategy.map(Strategy::without_pause),
            ..failed.made_anew(now)
        };
        let new = NewDeployment {
            priority: ROLLBACK_PRIORITY,
            ..NewDeployment::new(deployment, group.parts.clone())
        };
        let undoing = deployments::insert(change, &new).await?;
        let id = undoing.id;
        change.also_by(Right::of_engine(&undoing), Event::requested(&undoing));
        said.push(format!(
            "Deployment {id}{} is to return {} to {}.",
            if is_late {
                ", queued when this one was closed,"
            } else {
                ""
            },
            words::servers(group.parts.len()),
            group.commit.short()
        ));
    }
    said.extend(undo.not.iter().cloned());
    Ok(said.join(" "))
}
