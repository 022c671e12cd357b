//! What a commit turns from a directory into a file or link on servers, or the other way round: where trees are
//! changed in place, it takes what nobody may have meant to lose.

use std::collections::BTreeSet;

use crate::domain::{CommitId, Project, SyncMethod};
use crate::git::Mirror;

/// Paths that a preview names.
const NAMED: usize = 40;

/// A sentence for each such path, where servers run the commits `before`. A difference that is too large for a
/// preview is told by the deployment.
pub(super) async fn told(
    mirror: &Mirror,
    project: &Project,
    before: impl Iterator<Item = &CommitId>,
    commit: &CommitId,
) -> Vec<String> {
    let mut told = BTreeSet::new();
    if project.method != SyncMethod::InPlace {
        return Vec::new();
    }
    for from in before {
        let turned = mirror.turned(from, commit, NAMED).await;
        for (path, is_directory) in turned.unwrap_or_default() {
            told.insert(match is_directory {
                true => format!("“{path}” becomes a directory: the file or link there is removed on the servers."),
                false => format!(
                    "“{path}” is no directory any more: it is removed on the servers with all that is in it, also what no commit has. Where something in it is excluded or shared, nothing is changed and the deployment fails."
                ),
            });
        }
    }
    told.into_iter().take(NAMED).collect()
}
