//! Reloads the policy files while the server runs, on behalf of the host's operator.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::App;
use crate::access::Problem;
use crate::domain::{Error, Event, EventKind, Result};
use crate::store::Right;

/// What the audit log says was reloaded.
const POLICY: &str = "policy";
/// Problems that the audit log keeps of one reload; the program's log has all of them.
const KEPT_PROBLEMS: usize = 20;
/// Lines added, and lines removed, that it keeps.
const KEPT_LINES: usize = 50;
/// Characters that it keeps of a line.
const KEPT_CHARS: usize = 300;

/// Reads the policy files again. Good ones take effect as a whole; otherwise the policy in force
/// stays. Both outcomes are recorded as events. Returns the problems found; warnings keep nothing
/// from taking effect.
///
/// # Errors
/// When the event cannot be stored. The policy is then in force all the same.
pub async fn reload(app: &App) -> Result<Vec<Problem>> {
    let access = Arc::clone(&app.access);
    let before = access.policy_text();
    // Checking a large policy takes seconds, which would hold up everybody's pages.
    let read = tokio::task::spawn_blocking(move || match access.reload() {
        Ok(()) => (EventKind::PolicyReloaded, access.problems()),
        Err(problems) => (EventKind::PolicyRejected, problems),
    });
    let failed = |cause| Error::internal("The policy files could not be read.").because(cause);
    let (kind, problems) = read.await.map_err(failed)?;
    let kept: Vec<String> = problems
        .iter()
        .take(KEPT_PROBLEMS)
        .map(ToString::to_string)
        .collect();
    let change = app
        .store
        .change(Right::of_this_program(POLICY), app.now())
        .await?;
    let after = app.access.policy_text();
    let detail = json!({
        "problems": kept, "added": lines_beside(&after, &before), "removed": lines_beside(&before, &after),
        "policy_sha256": digest(&after),
    });
    change.commit(Event::new(kind, detail)).await?;
    Ok(problems)
}

/// The lines of a policy that another one does not have, without comments.
fn lines_beside(policy: &str, other: &str) -> Vec<String> {
    let lines = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let own = lines(policy);
    own.difference(&lines(other))
        .take(KEPT_LINES)
        .map(|line| line.chars().take(KEPT_CHARS).collect())
        .collect()
}

/// SHA-256 of a policy's lines, in hexadecimal: tells whether it is the same as at another time.
pub(super) fn digest(policy: &str) -> String {
    hex::encode(Sha256::digest(policy))
}
