//! Clears away what a deployment left on a server when it could not do that itself: programs, files that were
//! being sent, and `deploy.sh`, which must not stay where a web server shows it.

use super::remote_script;
use super::script::{self, DEPLOY};
use crate::domain::Deployment;
use crate::ssh::Session;
use crate::sync::{self, Error, Layout, Limits, Looked};

/// A visit to a server after a deployment.
pub struct ClearAway<'a> {
    pub session: &'a Session,
    pub layout: &'a Layout,
    pub deployment: &'a Deployment,
}

/// What could not be cleared away.
#[derive(Debug, Default)]
pub struct Uncleared {
    /// Programs and paths, for people.
    pub left: Vec<String>,
    /// Whether programs still run there.
    pub is_busy: bool,
}

impl ClearAway<'_> {
    /// Waits until the deployment's programs have ended, ends those that do not, and removes what it left.
    /// `with_script`: `deploy.sh` too, where the files of the deployment are in use.
    ///
    /// # Errors
    /// Why the server could not be asked.
    pub async fn clear(&self, limits: &Limits, with_script: bool) -> Result<Uncleared, Error> {
        let (session, layout, id) = (self.session, self.layout, self.deployment.id);
        let scripts = script::on_servers();
        let cleared = sync::clear_leftovers(session, layout, id, &scripts, limits).await?;
        let watchers = cleared.watchers.iter().map(|number| {
            format!(
                "process {number}, a shell that ends what it watches over once the server notices that the deployer's connection is gone"
            )
        });
        if !cleared.running.is_empty() {
            let process = |number: &String| format!("process {number}");
            return Ok(Uncleared {
                left: cleared.running.iter().map(process).chain(watchers).collect(),
                is_busy: true,
            });
        }
        let mut left: Vec<String> = cleared.left.into_iter().chain(watchers).collect();
        if with_script {
            let looked = sync::look(session, layout, limits).await?;
            left.extend(self.remove_script(&looked).await);
        }
        Ok(Uncleared { left, is_busy: false })
    }

    /// Deletes `deploy.sh` from the directory in use; returns its path where that does not work.
    pub async fn remove_script(&self, looked: &Looked) -> Option<String> {
        let dir = looked.resolved.as_deref().filter(|_| self.is_in_use(looked))?;
        let removed = remote_script::clean_up(self.session, dir, DEPLOY).await;
        if let Err(error) = sync::note_own(self.session, self.layout, dir, false, &Limits::default()).await {
            tracing::debug!(%error, "what deploy.sh put in the place of links could not be noted");
        }
        removed.is_err().then(|| format!("{dir}/{DEPLOY}"))
    }

    /// Whether the files in use are of its commit. Another deployment has a script of its own there.
    fn is_in_use(&self, looked: &Looked) -> bool {
        let release = looked.release.as_ref();
        release.is_some_and(|release| release.commit == self.deployment.commit.as_str())
    }
}
