//! Where an environment begins that is made to deploy pushes.

use crate::app::App;
use crate::app::pushes::beginning;
use crate::domain::{AutoProgress, Environment, EnvironmentId, ProjectId, Result};
use crate::store::{Change, auto_progress, projects};

/// What a changed form does to the automatic deployments of an environment.
pub(super) enum Beginning {
    /// They go on, or there are none.
    Unchanged,
    /// They begin after what the branch has now; `None`: that is not known yet.
    Anew(Option<AutoProgress>),
    End,
}

impl Beginning {
    /// Compares an environment with what it was; `None`: it is new.
    pub(super) async fn of(
        app: &App,
        project: ProjectId,
        before: Option<&Environment>,
        after: &Environment,
    ) -> Result<Self> {
        let goes_on = before.is_some_and(|before| before.auto_deploy && before.branch == after.branch);
        if !after.auto_deploy {
            return Ok(match before.is_some_and(|before| before.auto_deploy) {
                true => Self::End,
                false => Self::Unchanged,
            });
        }
        if goes_on {
            return Ok(Self::Unchanged);
        }
        let project = projects::by_id(&app.store, project).await?;
        Ok(Self::Anew(beginning(app, &project, after).await))
    }

    /// Stores it for the environment `id`.
    pub(super) async fn store(self, change: &Change, id: EnvironmentId) -> Result<()> {
        match self {
            Self::Unchanged => Ok(()),
            Self::Anew(Some(progress)) => {
                let own = AutoProgress {
                    environment: id,
                    ..progress
                };
                auto_progress::put(change, &own).await
            }
            Self::Anew(None) | Self::End => auto_progress::delete(change, id).await,
        }
    }
}
