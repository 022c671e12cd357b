//! How far a deployment is: rendered into its page, and again into the live stream, once for all
//! viewers.

use askama::Template;
use chrono::TimeDelta;

use super::finding::{FindingView, findings};
use super::lanes::{BatchView, Lane, lanes};
use super::step::StepView;
use super::tile::{ServerView, tone};
use crate::app::{App, watch};
use crate::domain::deployment::{ServerPart, ServerState};
use crate::domain::{
    Deployment, DeploymentId, DeploymentState, Error, Instant, Phase, Result, Step, StepKind, StepState,
};
use crate::web::format;
use crate::web::look::{Look, TabSign, Tone};

/// More servers than this get small tiles, and a choice of which are shown.
const FLEET: usize = 12;

/// The contract of `templates/deployments/_state.html` and `_lanes.html`.
pub struct StateView {
    pub deployment: Deployment,
    pub now: Instant,
    /// The phases, each with how far it is.
    pub phases: Vec<PhaseView>,
    /// Steps on the deployer's host.
    pub host: Vec<StepView>,
    /// The batches in order; empty until there is a plan.
    pub batches: Vec<BatchView>,
    /// The clusters, each with its servers.
    pub lanes: Vec<Lane>,
    /// The servers that need attention.
    pub findings: Vec<FindingView>,
    /// Servers that have the new release, and all that should get it.
    pub done: usize,
    pub total: usize,
    /// Whether tiles are small.
    pub is_fleet: bool,
    /// The remaining time, in words; empty when unknown.
    pub estimate: String,
    /// See [`acts_key`].
    pub acts: String,
    /// What the browser's tab shows.
    pub tab: TabSign,
}

/// A phase in the line of all phases.
pub struct PhaseView {
    pub title: &'static str,
    /// `done`, `now`, `next` or `stopped`: a class of `app.css`.
    pub class: &'static str,
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
        let (estimate, acts) = (estimate(&watched), acts_key(&watched));
        let watch::Watched {
            deployment,
            servers,
            steps,
            plan,
            since,
            at,
            ..
        } = watched;
        let (on_host, on_servers): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| step.server_name.is_empty());
        let states = on_host.iter().chain(&on_servers);
        let phases = phases(&deployment, states.map(|step| (step.kind, step.state)));
        let is_fleet = servers.len() > FLEET;
        let servers = ServerView::all(&deployment, servers, on_servers, &since);
        let count = |wanted: fn(&ServerPart) -> bool| servers.iter().filter(|one| wanted(&one.part)).count();
        let done = count(|part| part.state == ServerState::Succeeded);
        let total = servers.len() - count(ServerPart::is_left_alone);
        let findings = findings(&deployment, &servers);
        let tab = tab(&deployment, done, total);
        let (batches, lanes) = lanes(&deployment, plan.as_ref(), servers);
        Self {
            phases,
            host: on_host
                .into_iter()
                .map(|step| StepView::new(deployment.id, step))
                .collect(),
            batches,
            lanes,
            findings,
            done,
            total,
            is_fleet,
            estimate,
            acts,
            tab,
            now: at,
            deployment,
        }
    }

    /// The message that brings open pages up to date.
    pub fn fragments(&self) -> Result<String> {
        StateMessage { state: self }.render().map_err(Error::internal)
    }

    /// For a notification, once it has ended.
    pub fn ending(&self) -> String {
        let one = &self.deployment;
        format!("{}. {}", one.state.title(), one.outcome)
            .trim_end()
            .to_owned()
    }

    pub fn is_final(&self) -> bool {
        self.deployment.state.is_final()
    }

    /// How many servers there are.
    pub fn tally_total(&self) -> usize {
        self.lanes.iter().map(|lane| lane.tiles().count()).sum()
    }

    /// How many servers are in which state, the worst first: the class of a tone, and words.
    pub fn tally(&self) -> Vec<(&'static str, String)> {
        use ServerState as S;
        const ORDER: [ServerState; 6] = [
            S::Failed,
            S::Interrupted,
            S::Cancelled,
            S::Running,
            S::Waiting,
            S::Succeeded,
        ];
        let is_final = self.is_final();
        let count = |wanted: &dyn Fn(&ServerPart) -> bool| {
            let tiles = self.lanes.iter().flat_map(Lane::tiles);
            tiles.filter(|tile| wanted(&tile.part)).count()
        };
        let of_state = |state: ServerState| {
            let wanted = |part: &ServerPart| match state {
                S::Waiting => part.is_untouched(),
                state => part.state == state,
            };
            let title = match state {
                S::Waiting if is_final => "not touched".to_owned(),
                state => state.title().to_lowercase(),
            };
            (tone(state), title, count(&wanted))
        };
        let alone = (
            Tone::Quiet,
            "left alone".to_owned(),
            count(&ServerPart::is_left_alone),
        );
        let all = ORDER.into_iter().map(of_state).chain([alone]);
        all.filter(|(.., count)| *count > 0)
            .map(|(tone, title, count)| (tone.class(), format!("{count} {title}")))
            .collect()
    }
}

/// What the browser's tab shows of a deployment with `done` of `total` servers through.
fn tab(deployment: &Deployment, done: usize, total: usize) -> TabSign {
    let sign = deployment.state.sign();
    let word = match deployment.state {
        DeploymentState::Running if deployment.cancelled_by.is_some() => "Stopping".to_owned(),
        DeploymentState::Running if total > 0 => format!("{} {done} of {total}", sign.word),
        _ => sign.word.to_owned(),
    };
    TabSign::new(word, sign.tone)
}

/// The state that acts depend on: when this changes, open pages load their acts again.
pub fn acts_key(watched: &watch::Watched) -> String {
    let deployment = &watched.deployment;
    let mut key = deployment.state.as_str().to_owned();
    if deployment.state == DeploymentState::Running {
        key.push_str(&format!("-{}-{}", deployment.phase.as_str(), watched.may_pause()));
    }
    if let Some(pause) = &deployment.pause {
        key.push_str(&format!("-{}", pause.since.timestamp()));
    }
    if deployment.cancelled_by.is_some() {
        key.push_str("-ending");
    }
    if deployment.pause_requested_by.is_some() {
        key.push_str("-pausing");
    }
    key
}

/// The phase of a step, in a deployment that came as far as `reached`.
fn phase_of(kind: StepKind, reached: Phase) -> Phase {
    match kind {
        StepKind::Check => Phase::Check,
        // Servers are looked at by the check, and once more before another attempt.
        StepKind::Inspect if reached == Phase::Check => Phase::Check,
        StepKind::Fetch | StepKind::Export | StepKind::Predeploy | StepKind::LocalTests => Phase::Prepare,
        StepKind::Finish => Phase::Finish,
        _ => Phase::RollOut,
    }
}

/// The phases. A failure is shown at the phase where it happened, which is not always the last one.
fn phases(deployment: &Deployment, steps: impl Iterator<Item = (StepKind, StepState)>) -> Vec<PhaseView> {
    use StepState::{Cancelled, Failed, Interrupted};
    let has_begun = deployment.started_at.is_some();
    let bad = steps.filter(|(_, state)| matches!(state, Failed | Cancelled | Interrupted));
    let mut went_wrong: Vec<Phase> = bad.map(|(kind, _)| phase_of(kind, deployment.phase)).collect();
    if went_wrong.is_empty() {
        // No step failed, so a person ended the rollout: the later phases only cleaned up.
        went_wrong.push(deployment.phase.min(Phase::RollOut));
    }
    Phase::ALL
        .iter()
        .map(|&phase| {
            let class = match (deployment.state, phase.cmp(&deployment.phase)) {
                _ if !has_begun => "next",
                (DeploymentState::Succeeded, _) => "done",
                (state, _) if state.is_final() && went_wrong.contains(&phase) => "stopped",
                (state, std::cmp::Ordering::Equal) if state.is_final() => "done",
                (_, std::cmp::Ordering::Less) => "done",
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

/// The remaining time, from what such deployments usually take. A pause has no usual length.
fn estimate(watched: &watch::Watched) -> String {
    let one = &watched.deployment;
    let (Some(usual), Some(start)) = (watched.usual, one.started_at) else {
        return String::new();
    };
    if one.state != DeploymentState::Running || one.cancelled_by.is_some() {
        return String::new();
    }
    remaining(usual, watched.at - start)
}

/// In words, the rest of something that usually takes `usual` and started `since` ago.
fn remaining(usual: TimeDelta, since: TimeDelta) -> String {
    match (usual - since).num_seconds() {
        ..=-5 => format!("usually done after {}", format::duration(whole(usual))),
        -4..10 => "nearly done".to_owned(),
        10..60 => "less than a minute left".to_owned(),
        seconds => format!("about {} min left", (seconds + 30) / 60),
    }
}

/// Whole seconds: a guess has no tenths.
fn whole(length: TimeDelta) -> TimeDelta {
    TimeDelta::seconds(length.num_seconds().max(1))
}

#[cfg(test)]
mod tests {
    use super::remaining;
    use chrono::TimeDelta;

    #[test]
    fn the_remaining_time_is_rough() {
        let told = |usual, since| remaining(TimeDelta::seconds(usual), TimeDelta::seconds(since));
        assert_eq!(told(600, 0), "about 10 min left");
        assert_eq!(told(600, 571), "less than a minute left");
        assert_eq!(told(600, 300), "about 5 min left");
        assert_eq!(told(600, 595), "nearly done");
        assert_eq!(told(600, 604), "nearly done");
        assert_eq!(told(600, 700), "usually done after 10 min 00 s");
    }
}
