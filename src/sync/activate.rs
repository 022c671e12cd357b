//! Putting a release in service, and before that: what is stored has to be in the store.
//!
//! Until a path became a stored one it was in the releases, and what an application writes there goes
//! on being written until the last moment. So it is moved into the store right before the switch, by
//! one rename, which leaves it the same directory for whoever has it open, with its owner and bits. A
//! link stays at its place, also for processes of the old release that still run after the switch.
//! Nothing is deleted: what two places claim is put aside under a name that tells of the deployment.
//! What cannot be renamed (it is on another file system, or belongs to somebody else) is for a person
//! to move; going back to an older release never waits for that.

use super::error::{Error, Trouble, readable};
use super::layout::Layout;
use super::remote::{ACTIVATE, Answer, Limits, ask};
use crate::domain::DeploymentId;
use crate::ssh::Session;

/// A release that was put in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activated {
    /// The directory that was in service before.
    pub previous: Option<String>,
    /// What was moved into the store, as sentences.
    pub moved: Vec<String>,
}

/// Puts `release` in service by one rename.
///
/// # Errors
/// [`Error::Server`]: what was in service still is.
pub async fn activate(
    session: &Session,
    layout: &Layout,
    release: &str,
    deployment: DeploymentId,
    limits: &Limits,
) -> Result<Activated, Error> {
    switch(session, layout, release, deployment, "", limits).await
}

/// Puts an older `release` in service again, also when not everything can be moved into the store.
///
/// # Errors
/// As [`activate`].
pub async fn go_back(
    session: &Session,
    layout: &Layout,
    release: &str,
    deployment: DeploymentId,
    limits: &Limits,
) -> Result<Activated, Error> {
    switch(session, layout, release, deployment, "back", limits).await
}

async fn switch(
    session: &Session,
    layout: &Layout,
    release: &str,
    deployment: DeploymentId,
    back: &str,
    limits: &Limits,
) -> Result<Activated, Error> {
    let (id, releases, stored) = (deployment.to_string(), layout.releases(), layout.stored_words());
    let mut args = vec![layout.target.as_str(), release, &id, &releases, back];
    args.extend(stored.iter().map(String::as_str));
    let args: Vec<&[u8]> = args.into_iter().map(str::as_bytes).collect();
    let answer = ask(session, ACTIVATE, &args, limits.question())
        .await
        .map_err(|trouble| match trouble {
            Trouble::Unfinished { .. } => Trouble::Unfinished {
                release: release.to_owned(),
            },
            Trouble::NotALink { .. } => Trouble::NotALink {
                target: layout.target.to_string(),
            },
            other => other,
        })?;
    Ok(Activated {
        previous: answer.text("previous").filter(|path| !path.is_empty()),
        moved: moved(&answer),
    })
}

fn moved(answer: &Answer) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut from: Option<(bool, String)> = None;
    for (key, value) in answer.records() {
        let path = readable(value);
        match (key, from.take()) {
            (b"moved", _) => from = Some((true, path)),
            (b"aside", _) => from = Some((false, path)),
            (b"to", Some((true, from))) => {
                sentences.push(format!("Moved {from} to {path}; a link to it is left there."));
            }
            (b"to", Some((false, from))) => sentences.push(format!("Set {from} aside as {path}.")),
            (b"stays", _) => sentences.push(format!(
                "{path} could not be moved to where excluded and shared paths are kept; this release has its own."
            )),
            _ => {}
        }
    }
    sentences.dedup();
    sentences
}
