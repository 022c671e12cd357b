//! The servers of an environment, each with what we know to be on it.

use super::plan::PlanView;
use crate::app::places::{EnvironmentView, PlaceServer};
use crate::domain::DeploymentId;
use crate::domain::deployment::ServerState;
use crate::web::look::Look;
use crate::web::urls;

/// One server.
pub struct ServerRow {
    pub one: PlaceServer,
    /// The title of the commit on it, where somebody remembers it.
    pub title: String,
    /// Where the server itself is asked.
    pub live: String,
    /// What lies between it and the chosen commit; empty when there is nothing to compare.
    pub diff: String,
    /// The form that deploys to it alone.
    pub deploy: String,
    /// The deployment that has the server now, and how far it is there.
    pub work: Option<(DeploymentId, ServerState)>,
}

impl ServerRow {
    /// Whether it is worked on at this moment: then it is not asked what it runs.
    pub fn is_busy(&self) -> bool {
        matches!(self.work, Some((_, ServerState::Running)))
    }

    /// How far the deployment is there that has it: the class of a tone, and words.
    pub fn work_words(&self) -> Option<(&'static str, &'static str)> {
        let (_, state) = self.work?;
        let words = match state {
            ServerState::Running => "Deploying",
            ServerState::Waiting => "To come",
            ServerState::Succeeded => "Done",
            state => state.title(),
        };
        Some((Look::tone(&state).class(), words))
    }
}

/// All of them, in the order they are deployed to.
pub fn rows(view: &EnvironmentView, plan: &PlanView) -> Vec<ServerRow> {
    let (project, name) = (view.project.name.as_str(), view.place.environment.name.as_str());
    let chosen = plan.preview.as_ref().map(|preview| preview.commit.id.as_str());
    let row = |one: &PlaceServer| {
        let runs = one.release.as_ref().map(|release| &release.commit);
        let title = view.place.runs.iter().find(|run| Some(&run.commit) == runs);
        let diff = match (runs, chosen) {
            (Some(runs), Some(chosen)) if runs.as_str() != chosen => {
                urls::diff(project, runs.as_str(), chosen)
            }
            _ => String::new(),
        };
        let target = format!("server:{}", one.server.id);
        ServerRow {
            title: title.map(|run| run.title.clone()).unwrap_or_default(),
            live: urls::live_release(project, name, one.server.name.as_str()),
            deploy: urls::deploy_form(project, name, chosen.unwrap_or_default(), &target, ""),
            diff,
            work: view.work.get(&one.server.id).copied(),
            one: one.clone(),
        }
    };
    view.place.servers.iter().map(row).collect()
}
