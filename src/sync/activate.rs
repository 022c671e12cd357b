//! Putting a release in service, after moving into the store what belongs there.
//!
//! A path that has only just been listed as shared or excluded still lies in the running release,
//! where the application goes on writing to it. So it is moved into the store right before the
//! switch, by one rename: processes that have it open keep the same directory, with its owner and
//! mode. A link stays at the old place for processes of the old release that outlive the switch.
//! Nothing is deleted: when both the store and the release have the path, one of them is set aside
//! under a name with the deployment's number. What cannot be renamed (another file system, another
//! owner) has to be moved by a person. A rollback never waits for that: the release that is put in service
//! gets a link to where the data is, and no pruning removes the release that holds it.

use super::changed::Changed;
use super::error::{Error, Trouble, readable};
use super::layout::Layout;
use super::remote::{ACTIVATE, Limits, OWN, ScriptAnswer, ask};
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

/// Puts an older `release` in service again, even when something cannot be moved into the store.
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
    let ours = layout.ours();
    let mut args = vec![layout.target.as_str(), release, &id, &releases, back, &ours];
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
        })
        .map_err(unseen)?;
    Ok(Activated {
        previous: answer.text("previous").filter(|path| !path.is_empty()),
        moved: moved(&answer),
    })
}

/// Whether a switch was made is not known where the connection was lost in it.
fn unseen(trouble: Trouble) -> Error {
    let may_be_made = matches!(&trouble, Trouble::Connection(error) if !error.never_began());
    match may_be_made {
        true => Error::from(trouble).after(Changed::Unknown),
        false => trouble.into(),
    }
}

/// Notes what `deploy.sh` has put in the place of links in the release at `directory`: it stays that release's
/// own, while whatever else stands there later was written by the application. `again`: after a run of the
/// script; otherwise only where it was not noted yet.
///
/// # Errors
/// [`Error::Server`] when it cannot be noted.
pub async fn note_own(
    session: &Session,
    layout: &Layout,
    directory: &str,
    again: bool,
    limits: &Limits,
) -> Result<(), Error> {
    let stored = layout.stored_words();
    if stored.is_empty() {
        return Ok(());
    }
    let mut args = vec![
        layout.target.as_str(),
        directory,
        if again { "again" } else { "" },
    ];
    args.extend(stored.iter().map(String::as_str));
    let args: Vec<&[u8]> = args.into_iter().map(str::as_bytes).collect();
    ask(session, OWN, &args, limits.question()).await?;
    Ok(())
}

fn moved(answer: &ScriptAnswer) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut from: Option<(&[u8], String)> = None;
    for (key, value) in answer.records() {
        let path = readable(value);
        match (key, from.take()) {
            (b"moved" | b"aside" | b"passed", _) => from = Some((key, path)),
            (b"to", Some((b"moved", from))) => {
                sentences.push(format!("Moved {from} to {path}; a link to it is left there."));
            }
            (b"to", Some((_, from))) => sentences.push(format!("Set {from} aside as {path}.")),
            (b"by", Some((_, from))) => sentences.push(format!(
                "{from} could not be moved to where excluded and shared paths are kept. This release has a link to it, and the release that holds it is kept until it is moved: stop what writes there, and run “{path}” on the server as root."
            )),
            (b"stays", _) => sentences.push(format!(
                "{path} could not be moved to where excluded and shared paths are kept; this release has its own."
            )),
            _ => {}
        }
    }
    sentences.dedup();
    sentences
}
