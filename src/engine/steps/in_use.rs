//! Asks a server which release is in use, after something went wrong.

use std::time::Duration;

use super::script;
use crate::engine::found::Reached;
use crate::engine::run::Run;
use crate::sync::{self, Limits};

/// How long a server may take to say what is in use on it: somebody waits for a cancel.
const LOOK_LIMIT: Duration = Duration::from_secs(20);

/// Whether a release is in use on a server; `None` when it cannot be asked. Asked after
/// something went wrong, so neither a cancel nor the deployment's own limits keep us from it.
pub async fn is_in_use(reached: &Reached, release: &str) -> Option<bool> {
    let found = sync::look(&reached.session, &reached.layout, &Limits::within(LOOK_LIMIT))
        .await
        .ok()?;
    Some(found.resolved.as_deref() == Some(release))
}

/// As [`is_in_use`], for a switch whose end was not seen: first ends what still runs there and removes the
/// link that it would put in use, so that the answer stays true.
pub async fn settle_switch(run: &Run, reached: &Reached, release: &str) -> Option<bool> {
    let limits = Limits::within(LOOK_LIMIT);
    let (session, layout) = (&reached.session, &reached.layout);
    let scripts = script::on_servers();
    let cleared = sync::clear_leftovers(session, layout, run.deployment.id, &scripts, &limits)
        .await
        .ok()?;
    match cleared.running.is_empty() {
        true => is_in_use(reached, release).await,
        false => None,
    }
}
