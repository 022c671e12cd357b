//! What a failed attempt has changed on a server.

use std::collections::HashSet;

use super::changed::{Changed, Partial, Portion};
use super::delivery::{Delivery, staging};
use super::error::readable;
use super::listing::Path;
use super::manifest::{Manifest, TreeEntry};
use super::remote::{AFTERMATH, Limits, ScriptAnswer, ask};
use super::source::Prepared;
use crate::domain::SyncMethod;

/// Finds out what a failed attempt has changed, and clears away what it left. `None` means that the
/// attempt succeeded after all: the tree was checked and the staging directory is gone or going.
pub(super) async fn aftermath(
    delivery: &Delivery<'_>,
    root: &str,
    data: &str,
    prepared: &Prepared,
    goal: &Manifest,
) -> Option<Changed> {
    let Delivery { session, layout, .. } = *delivery;
    let method = layout.method;
    let kind = if method == SyncMethod::Symlink {
        "release"
    } else {
        ""
    };
    let staging = staging(delivery);
    let args = [root, &staging, layout.target.as_str(), kind, data].map(str::as_bytes);
    // Has its own time limit and cannot be cancelled: it cleans up after a cancelled attempt.
    let answer = ask(session, AFTERMATH, &args, Limits::cleaning_up()).await;
    Some(match (method, answer) {
        (SyncMethod::Symlink, _) => Changed::OnlyBeside,
        (SyncMethod::InPlace, Ok(answer)) if answer.text("finished").is_some() => return None,
        (SyncMethod::InPlace, Ok(answer)) if answer.text("gone").is_some() => Changed::Unknown,
        (SyncMethod::InPlace, Ok(answer)) if answer.ended() => partly(&answer, prepared, goal),
        (SyncMethod::InPlace, _) => Changed::Unknown,
    })
}

fn partly(answer: &ScriptAnswer, prepared: &Prepared, goal: &Manifest) -> Changed {
    let work = &prepared.work;
    if answer.text("unfinished").is_none() {
        return Changed::Nothing;
    }
    let told = |key| {
        let paths = answer
            .all(key)
            .map(|path| path.strip_prefix(b"./").unwrap_or(path));
        paths.collect::<HashSet<&[u8]>>()
    };
    let (left, missing, set, still) = (told("left"), told("missing"), told("set"), told("still"));
    let entry = |path: &Path| goal.entries().get(path);
    let leaves = work
        .send
        .iter()
        .filter(|path| !matches!(entry(path), Some(TreeEntry::Directory { .. })));
    // Uncounted directories are left out: nobody knows whether they existed before.
    let directories = work
        .directories
        .iter()
        .filter(|path| matches!(entry(path), Some(TreeEntry::Directory { counted: true, .. })));
    let removals = [&work.clear, &work.delete]
        .into_iter()
        .flat_map(|removal| removal.files.iter().chain(&removal.directories));
    Changed::Partly(Box::new(Partial {
        put: portion(leaves, |path| !left.contains(path)),
        made: portion(directories, |path| !missing.contains(path)),
        modes: portion(work.modes.values().flatten(), |path| set.contains(path)),
        removed: portion(removals, |path| !still.contains(path)),
    }))
}

fn portion<'a>(all: impl Iterator<Item = &'a Path>, is_done: impl Fn(&[u8]) -> bool) -> Portion {
    let mut portion = Portion::default();
    for path in all {
        portion.of += 1;
        if is_done(path) {
            portion.done.push(readable(path));
        }
    }
    portion
}
