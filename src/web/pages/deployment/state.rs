//! What a deployment's page says about how far it is: rendered into the page, and again into the
//! live stream, once for all viewers.

use std::collections::BTreeMap;

use askama::Template;

use crate::app::{App, watch};
use crate::domain::deployment::{ServerPart, ServerState};
use crate::domain::{Deployment, DeploymentId, Error, Instant, Phase, Result, Step, StepKind, StepState};
use crate::web::urls;

/// More servers than fit on a screen: what went wrong stands first then, with a tally above.
const FLEET: usize = 8;

/// The contract of `templates/deployments/_state.html`.
pub struct StateView {
    pub deployment: Deployment,
    pub now: Instant,
    /// The phases, each with how far it is.
    pub phases: Vec<PhaseView>,
    /// Steps on the deployer's host.
    pub host: Vec<StepView>,
    /// Headings of the grid.
    pub columns: Vec<StepKind>,
    pub servers: Vec<ServerView>,
    /// Servers that are through, and all of them that are not left alone.
    pub done: usize,
    pub total: usize,
}

pub struct PhaseView {
    pub title: &'static str,
    /// `done`, `now`, `next` or `stopped`: a class of `app.css`.
    pub class: &'static str,
}

pub struct ServerView {
    pub part: ServerPart,
    /// One per column; `None` where this server has no such step.
    pub steps: Vec<Option<StepView>>,
    pub log_url: String,
}

pub struct StepView {
    pub step: Step,
    pub log_url: String,
}

#[derive(Template)]
#[template(path = "deployments/_state_message.html")]
struct StateMessage<'a> {
    state: &'a StateView,
}

impl StateView {
    pub async fn load(app: &App, id: DeploymentId) -> Result<Self> {
        Ok(Self::new(watch::now(app, id).await?))
    }

    pub fn new(watched: watch::Watched) -> Self {
        let watch::Watched {
            deployment,
            servers,
            steps,
            at,
        } = watched;
        let step_view = |step: Step| StepView {
            log_url: urls::deployment_log_of(deployment.id, &step.server_name, step.kind.as_str()),
            step,
        };
        let (on_host, on_servers): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| step.server_name.is_empty());
        let mut columns: Vec<StepKind> = on_servers.iter().map(|step| step.kind).collect();
        columns.sort_unstable();
        columns.dedup();
        let mut by_server: BTreeMap<(String, StepKind), StepView> = BTreeMap::new();
        for step in on_servers {
            by_server.insert((step.server_name.clone(), step.kind), step_view(step));
        }
        let mut servers: Vec<ServerView> = servers
            .into_iter()
            .map(|part| ServerView {
                steps: columns
                    .iter()
                    .map(|&kind| by_server.remove(&(part.server.clone(), kind)))
                    .collect(),
                log_url: urls::deployment_log_of(deployment.id, &part.server, ""),
                part,
            })
            .collect();
        if servers.len() > FLEET {
            servers
                .sort_by_key(|one| !matches!(one.part.state, ServerState::Failed | ServerState::Interrupted));
        }
        let left_alone = servers
            .iter()
            .filter(|s| s.part.state == ServerState::Skipped)
            .count();
        let done = servers
            .iter()
            .filter(|s| s.part.state == ServerState::Succeeded)
            .count();
        Self {
            phases: phases(&deployment),
            host: on_host.into_iter().map(step_view).collect(),
            done,
            total: servers.len() - left_alone,
            now: at,
            columns,
            servers,
            deployment,
        }
    }

    /// The message that brings open pages up to date.
    pub fn fragments(&self) -> Result<String> {
        StateMessage { state: self }.render().map_err(Error::internal)
    }

    /// How many servers stand where, when there are many.
    pub fn tally(&self) -> Vec<(ServerState, usize)> {
        if self.servers.len() <= FLEET {
            return Vec::new();
        }
        let count = |state| self.servers.iter().filter(|one| one.part.state == state).count();
        let all = ServerState::ALL.iter().map(|&state| (state, count(state)));
        all.filter(|(_, count)| *count > 0).collect()
    }

    pub fn is_final(&self) -> bool {
        self.deployment.state.is_final()
    }
}

impl StepView {
    /// For people who hover or listen: what it is, how it went, how long it took.
    pub fn title(&self, now: &Instant) -> String {
        let Step {
            kind,
            state,
            started_at,
            finished_at,
            exit_code,
            detail,
            ..
        } = &self.step;
        let mut title = format!("{}: {}", kind.title(), state.title());
        if let Some(start) = started_at {
            title.push_str(&format!(
                ", {}",
                crate::web::format::took(start, finished_at, now)
            ));
        }
        if let Some(code) = exit_code.filter(|code| *code != 0) {
            title.push_str(&format!(", exit code {code}"));
        }
        if !detail.is_empty() && *state != StepState::Succeeded {
            title.push_str(&format!(". {detail}"));
        }
        title
    }
}

fn phases(deployment: &Deployment) -> Vec<PhaseView> {
    let has_begun = deployment.started_at.is_some();
    Phase::ALL
        .iter()
        .map(|&phase| {
            let class = match (deployment.state, phase.cmp(&deployment.phase)) {
                _ if !has_begun => "next",
                (crate::domain::DeploymentState::Succeeded, _) | (_, std::cmp::Ordering::Less) => "done",
                (state, std::cmp::Ordering::Equal) if state.is_final() => "stopped",
                (_, std::cmp::Ordering::Equal) => "now",
                (_, std::cmp::Ordering::Greater) => "next",
            };
            PhaseView {
                title: phase.title(),
                class,
            }
        })
        .collect()
}
