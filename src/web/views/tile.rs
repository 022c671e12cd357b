//! A server of a deployment as a tile: its state in one word, and whether it gets traffic.

use std::collections::HashMap;

use super::step::StepView;
use crate::app::watch::Since;
use crate::domain::deployment::{ServerPart, ServerState, Service};
use crate::domain::{Deployment, ServerId, Step, StepKind, StepState};
use crate::web::look::{Sign, Tone, sign};
use crate::web::urls;

/// One server of a deployment, with its steps.
pub struct ServerView {
    pub part: ServerPart,
    pub sign: Sign,
    /// Whether it gets traffic, where that was changed.
    pub service: Option<Sign>,
    pub steps: Vec<StepView>,
    pub log_url: String,
    /// Its state as a sentence, or only the cause if another deployment has been there since. May be empty.
    pub told: String,
    /// What another deployment has put on it since, and its address.
    pub since: Option<(String, String)>,
    /// Length of the end of its name that all of them share: `.example.org`.
    shared: usize,
}

impl ServerView {
    /// All servers of a deployment, in its order.
    pub fn all(
        deployment: &Deployment,
        parts: Vec<ServerPart>,
        steps: Vec<Step>,
        since: &HashMap<ServerId, Since>,
    ) -> Vec<Self> {
        let mut by_server: HashMap<String, Vec<StepView>> = HashMap::new();
        for step in steps {
            let of_server = by_server.entry(step.server_name.clone()).or_default();
            of_server.push(StepView::new(deployment.id, step));
        }
        let shared = shared_end(&parts);
        let view = |part: ServerPart| {
            let steps = by_server.remove(&part.server).unwrap_or_default();
            let since = part.server_id.and_then(|id| since.get(&id));
            Self {
                told: told(deployment, &part, since.is_some()),
                since: since.map(|one| (since_words(one), urls::deployment(one.deployment))),
                sign: standing(&part, &steps, deployment.state.is_final()),
                service: service(part.service, deployment.state.is_final()),
                log_url: urls::deployment_log_of(deployment.id, &part.server, ""),
                shared,
                steps,
                part,
            }
        };
        parts.into_iter().map(view).collect()
    }

    /// Its name without the domain that all of them share.
    pub fn short(&self) -> &str {
        let name = self.part.server.as_str();
        name.get(..name.len() - self.shared).unwrap_or(name)
    }

    /// For tooltips and screen readers.
    pub fn title(&self) -> String {
        let mut title = format!("{}: {}", self.part.server, self.sign.word);
        if let Some(service) = self.service.filter(|service| service.word != self.sign.word) {
            title.push_str(&format!(", {}", service.word.to_lowercase()));
        }
        let since = self.since.as_ref().map_or("", |(words, _)| words);
        for sentence in [self.told.as_str(), since] {
            if !sentence.is_empty() {
                title.push_str(&format!(". {}", sentence.trim_end_matches('.')));
            }
        }
        title
    }

    /// Whether it needs attention.
    pub fn is_bad(&self) -> bool {
        matches!(
            self.part.state,
            ServerState::Failed | ServerState::Interrupted | ServerState::Cancelled
        )
    }

    /// The class of `deployment.css` that the filter above the tiles selects it by.
    pub fn sort(&self) -> &'static str {
        match self.part.state {
            _ if self.is_bad() => "is-bad",
            ServerState::Running => "is-now",
            ServerState::Succeeded => "is-done",
            _ => "is-next",
        }
    }
}

/// The state of a server: nothing yet before its turn, and only the cause if another deployment has changed
/// it since.
fn told(deployment: &Deployment, part: &ServerPart, is_changed: bool) -> String {
    let is_to_come = part.state == ServerState::Waiting && !deployment.state.is_final();
    let stands = match is_changed {
        _ if is_to_come => String::new(),
        true => part
            .standing()
            .map(|one| one.cause().to_owned())
            .unwrap_or_default(),
        false => part.told(&deployment.commit),
    };
    format!("{stands} {}", part.remains_told()).trim().to_owned()
}

fn since_words(since: &Since) -> String {
    let commit = since.commit.short();
    match since.is_return {
        true => format!(
            "Rolled back since to {commit}, by deployment {}.",
            since.deployment
        ),
        false => format!("Deployment {} has put {commit} on it since.", since.deployment),
    }
}

/// The colour of a server's state where it is counted, or mentioned on another page.
pub fn tone(state: ServerState) -> Tone {
    match state {
        ServerState::Waiting | ServerState::Skipped | ServerState::Cancelled => Tone::Quiet,
        ServerState::Running => Tone::Busy,
        ServerState::Succeeded => Tone::Good,
        ServerState::Interrupted => Tone::Warn,
        ServerState::Failed => Tone::Bad,
    }
}

/// The length of the domain that all names end in; 0 where there is none, or one server only.
fn shared_end(parts: &[ServerPart]) -> usize {
    let domain = |part: &ServerPart| part.server.split_once('.').map(|(_, domain)| domain.to_owned());
    let [first, others @ ..] = parts else { return 0 };
    match domain(first) {
        Some(shared)
            if !others.is_empty() && others.iter().all(|one| domain(one).as_ref() == Some(&shared)) =>
        {
            shared.len() + 1
        }
        _ => 0,
    }
}

/// A server's state in one word.
fn standing(part: &ServerPart, steps: &[StepView], is_final: bool) -> Sign {
    let has = |kind, state| {
        steps
            .iter()
            .any(|one| one.step.kind == kind && one.step.state == state)
    };
    match part.state {
        ServerState::Failed => sign("circle-x", Tone::Bad, "Failed"),
        ServerState::Skipped if part.is_untouched() => sign("circle-minus", Tone::Quiet, "Not touched"),
        ServerState::Skipped => sign("circle-minus", Tone::Quiet, "Left alone"),
        ServerState::Cancelled => sign("ban", Tone::Warn, "Cancelled"),
        ServerState::Interrupted => sign("plug-connected-x", Tone::Warn, "Interrupted"),
        ServerState::Waiting if is_final => sign("circle-minus", Tone::Quiet, "Not touched"),
        ServerState::Waiting if matches!(part.service, Service::Out | Service::TakingOut) => {
            sign("door-exit", Tone::Later, "Out of service, waiting")
        }
        ServerState::Waiting if has(StepKind::Sync, StepState::Running) => {
            sign("cloud-upload", Tone::Later, "Sending files")
        }
        ServerState::Waiting if has(StepKind::Sync, StepState::Succeeded) => {
            sign("circle-dashed", Tone::Quiet, "Files sent")
        }
        ServerState::Waiting => sign("circle-dotted", Tone::Quiet, "Waiting"),
        ServerState::Running => at_work(part.service, steps),
        ServerState::Succeeded => match part.service {
            Service::Back => sign("circle-check", Tone::Good, "In service"),
            Service::PuttingBack => sign("door-enter", Tone::Busy, "Putting back"),
            Service::Out | Service::TakingOut => sign("door-exit", Tone::Warn, "Deployed, out of service"),
            Service::ByHand | Service::Untouched => sign("circle-check", Tone::Good, "Deployed"),
        },
    }
}

/// What is being done on a server.
fn at_work(service: Service, steps: &[StepView]) -> Sign {
    let running = steps.iter().find(|one| one.step.state == StepState::Running);
    let (icon, word) = match running.map(|one| one.step.kind) {
        Some(StepKind::Inspect) => ("eye", "Inspecting"),
        Some(StepKind::Sync) => ("cloud-upload", "Syncing"),
        Some(StepKind::Drain) => ("door-exit", "Taking out"),
        Some(StepKind::Activate) => ("arrows-split-2", "Activating"),
        Some(StepKind::Deploy) => ("terminal-2", "Running scripts"),
        Some(StepKind::Tests) => ("progress-check", "Running tests"),
        Some(StepKind::Health) => ("heartbeat", "Health check"),
        Some(StepKind::Restore) => ("door-enter", "Putting back"),
        Some(_) => ("loader-2", "Working"),
        None => match service {
            Service::TakingOut => ("door-exit", "Taking out"),
            Service::PuttingBack => ("door-enter", "Putting back"),
            Service::Out => ("door-exit", "Out of service"),
            _ => ("loader-2", "Working"),
        },
    };
    sign(icon, Tone::Busy, word)
}

fn service(service: Service, is_final: bool) -> Option<Sign> {
    Some(match (service, is_final) {
        (Service::Untouched, _) => return None,
        (Service::TakingOut, false) => sign("door-exit", Tone::Busy, "Being taken out"),
        (Service::TakingOut, true) => sign("door-exit", Tone::Warn, "Being taken out"),
        (Service::Out, _) => sign("door-exit", Tone::Warn, "Out of service"),
        (Service::PuttingBack, false) => sign("door-enter", Tone::Busy, "Being put back"),
        (Service::PuttingBack, true) => sign("door-enter", Tone::Warn, "Being put back"),
        (Service::Back, _) => sign("plug-connected", Tone::Good, "In service"),
        (Service::ByHand, _) => sign("hand-stop", Tone::Info, "Out by hand"),
    })
}
