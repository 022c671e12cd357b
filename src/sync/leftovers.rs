//! Clearing away what a deployment left on a server when the deployer itself was killed.
//!
//! Its commands may still run: the guard beside each of them ends it when the connection breaks,
//! after the time a command may ignore `TERM`, or never where the server has not noticed that the
//! connection is gone. So we wait for them and then kill them, since a tree cannot be judged while
//! somebody changes it. Scripts are recognised by the deployment's number among their variables, by
//! their names and by their directory, so that a service which a script started lives on; our own
//! commands by the name of their staging directory.
//!
//! A deployment that fails cleans up after itself; one that was interrupted can leave a staging
//! directory, an incomplete release and a link that was not renamed yet. All have the deployment's
//! number in their names. What is in service, and complete releases, stay.

use super::digest::Digest;
use super::error::Error;
use super::layout::Layout;
use super::remote::{LEFTOVERS, Limits, ask};
use crate::domain::{DeploymentId, TargetPath};
use crate::ssh::Session;

/// What could not be cleared away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Paths that could not be removed.
    pub left: Vec<String>,
    /// Numbers of processes that could not be ended; then nothing was removed.
    pub running: Vec<String>,
    /// Numbers of shells that still watch over a script, as the server has not noticed that the connection
    /// to the deployer is gone: what runs there now is not known as the script any more.
    pub watchers: Vec<String>,
}

/// The word by which the shells that watch over a deployment's scripts are found, on the servers where it
/// deploys to `target`; see [`crate::ssh::Command::watched_as`].
pub fn watch_word(target: &TargetPath, deployment: DeploymentId) -> String {
    format!("{WATCH_WORD}-{deployment}-{}", place(target))
}

/// What the words begin with.
const WATCH_WORD: &str = "deployer-watch";

/// Tells this target from one of another installation, whose deployment may have the same number.
fn place(target: &TargetPath) -> String {
    let digest = Digest::of(target.as_str().as_bytes());
    hex::encode(&digest.0[..6])
}

/// How long commands may take to end by themselves: the guard's grace and a little more.
const PATIENCE_SECONDS: u32 = 6;

/// Ends what `deployment` still runs on a server, `scripts` as they were called (`./deploy.sh`) and
/// our own commands, and removes what it left.
///
/// # Errors
/// [`Error::Server`] when the server cannot be asked.
pub async fn clear_leftovers(
    session: &Session,
    layout: &Layout,
    deployment: DeploymentId,
    scripts: &[String],
    limits: &Limits,
) -> Result<Leftovers, Error> {
    let (releases, id) = (layout.releases(), deployment.to_string());
    let seconds = PATIENCE_SECONDS.to_string();
    // In two parts, as the word itself would be found among the arguments of the script.
    let place = place(&layout.target);
    let mut args = vec![
        layout.target.as_str(),
        &releases,
        &id,
        &seconds,
        WATCH_WORD,
        &place,
    ];
    args.extend(scripts.iter().map(String::as_str));
    let args: Vec<&[u8]> = args.into_iter().map(str::as_bytes).collect();
    let answer = ask(session, LEFTOVERS, &args, limits.question()).await?;
    Ok(Leftovers {
        left: answer.texts("left"),
        running: answer.texts("running"),
        watchers: answer.texts("watcher"),
    })
}
