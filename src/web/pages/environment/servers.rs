//! The servers of an environment, each with the release we know of.

use super::form;
use super::plan::PlanView;
use crate::app::deployments::Choice;
use crate::app::places::{EnvironmentView, PlaceServer};
use crate::domain::DeploymentId;
use crate::domain::deployment::ServerState;
use crate::web::urls;
use crate::web::views::tile::tone;

/// A row of the table of servers.
pub struct ServerRow {
    pub one: PlaceServer,
    /// The title of the commit on it, where known.
    pub title: String,
    /// The address that asks the server itself.
    pub live: String,
    /// The diff to the chosen commit; empty when there is nothing to compare.
    pub diff: String,
    /// The form that deploys to it alone.
    pub deploy: String,
    /// The deployment that holds the server now, and its state there.
    pub work: Option<(DeploymentId, ServerState)>,
}

impl ServerRow {
    /// Whether a deployment is working on it: then the page does not ask it for its release.
    pub fn is_busy(&self) -> bool {
        matches!(self.work, Some((_, ServerState::Running)))
    }

    /// The state of the deployment that holds it: the class of a tone, and words.
    pub fn work_words(&self) -> Option<(&'static str, &'static str)> {
        let (_, state) = self.work?;
        let words = match state {
            ServerState::Running => "Deploying",
            ServerState::Waiting => "Pending",
            ServerState::Succeeded => "Done",
            state => state.title(),
        };
        Some((tone(state).class(), words))
    }
}

/// All servers, in the order of deployment.
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
        let target = form::target(Choice::Server(one.server.id));
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
