//! The acts on a deployment as one panel: the decision to make, or what happened, and below it the
//! buttons, the recommended one first.

use super::button::Button;
use super::buttons::{afterwards, meanwhile};
use super::ended::{Words, ended_badly};
use super::why_not::{WhyNot, why_not};
use crate::app::deployments::Superseded;
use crate::app::watch::{Acts, Watched};
use crate::domain::deployment::ServerState;
use crate::domain::{Answer, Deployment, DeploymentState, Instant, PauseReason, Phase};
use crate::web::format;
use crate::web::urls;
use crate::web::views::queue::QueueView;

/// The contract of the block `acts` of `templates/deployments/show.html`.
#[derive(Default)]
pub struct ActsView {
    pub icon: &'static str,
    /// A class of `app.css`.
    pub tone: &'static str,
    /// One line; empty: there is nothing to decide.
    pub title: String,
    /// A sentence below it; may be empty.
    pub text: String,
    /// When it starts or continues automatically.
    pub until: Option<Instant>,
    /// Its position, while it is queued.
    pub queue: Option<QueueView>,
    /// The recommended one first.
    pub buttons: Vec<Button>,
    /// The deployment that retries or resumes this one, in words, and its address.
    pub continued: Option<(String, String)>,
    /// The later deployment that has replaced it: its words, its address, and what it did.
    pub superseded: Option<(String, String, String)>,
    /// Why some buttons are missing now.
    pub obstacles: Vec<WhyNot>,
}

impl ActsView {
    pub fn new(watched: &Watched, allowed: &Acts) -> Self {
        let one = &watched.deployment;
        let mut view = Self::in_words(watched, allowed);
        view.buttons = if one.state.is_final() {
            afterwards(watched, allowed)
        } else {
            meanwhile(watched, allowed)
        };
        view.queue = allowed.turn.as_ref().map(QueueView::new);
        view.continued = allowed
            .continued_by
            .map(|id| (format!("Deployment {id}"), urls::deployment(id)));
        view.superseded = allowed.superseded.as_ref().map(superseded);
        view.obstacles = why_not(watched, allowed);
        view.add_who_can(one, allowed);
        if let Some(first) = view.buttons.first_mut()
            && first.class.is_empty()
            && one.state != DeploymentState::Running
            && allowed.superseded.is_none()
        {
            first.class = "btn-primary";
        }
        view
    }

    /// Whether there is anything to show.
    pub fn is_empty(&self) -> bool {
        self.title.is_empty()
            && self.buttons.is_empty()
            && self.obstacles.is_empty()
            && self.superseded.is_none()
    }

    /// What has to be decided, in words, without buttons.
    fn in_words(watched: &Watched, allowed: &Acts) -> Self {
        let one = &watched.deployment;
        let (icon, tone, title, text) = match one.state {
            DeploymentState::Awaiting => awaiting(one),
            DeploymentState::Scheduled => (
                "calendar-time",
                "t-later",
                match one.scheduled_at {
                    Some(at) => format!("Scheduled for {}.", format::day_and_time(&at)),
                    None => "Scheduled.".to_owned(),
                },
                "Permission is checked again when it starts.".to_owned(),
            ),
            DeploymentState::Queued => ("hourglass", "t-quiet", "Queued.".to_owned(), String::new()),
            DeploymentState::Running => running(watched),
            DeploymentState::Paused => paused(watched, allowed),
            DeploymentState::Succeeded => ("circle-check", "t-good", String::new(), String::new()),
            DeploymentState::Failed | DeploymentState::Cancelled | DeploymentState::Interrupted => {
                ended_badly(watched)
            }
        };
        Self {
            icon,
            tone,
            title,
            text,
            until: match one.state {
                DeploymentState::Paused => one.pause.as_ref().and_then(|pause| pause.until),
                DeploymentState::Scheduled => one.scheduled_at,
                _ => None,
            },
            ..Self::default()
        }
    }

    /// Adds who can decide, for a visitor who cannot.
    fn add_who_can(&mut self, one: &Deployment, allowed: &Acts) {
        if one.state == DeploymentState::Awaiting {
            if let Some(obstacle) = &allowed.approve_obstacle {
                self.text = format!("{} {obstacle}", self.text);
            } else if !allowed.approve {
                let by = one.approval.as_ref().map_or(&[][..], |approval| &approval.by);
                let who = match by {
                    [] => "Anyone".to_owned(),
                    by => format!("Anyone of {}", by.join(" or ")),
                };
                let can = format!(" {who} with the right “approve” here can do it.");
                self.text.push_str(&can);
            }
        }
        if one.state == DeploymentState::Paused && allowed.answers.is_empty() && one.cancelled_by.is_none() {
            self.text = format!(
                "{} You may not decide this; anyone who may deploy here can.",
                self.text
            )
            .trim_start()
            .to_owned();
        }
        if let Some(why) = &allowed.takes_over {
            // The pause may be for the same reason.
            let why = if self.text.contains(why.as_str()) { "" } else { why };
            let told = [
                self.text.as_str(),
                why,
                "If you continue it or roll it back, that is in your name.",
            ];
            let told: Vec<&str> = told.into_iter().filter(|part| !part.is_empty()).collect();
            self.text = told.join(" ");
        }
    }

    /// Whether it begins at `until`, which the title says already; else it continues then.
    pub fn begins(&self) -> bool {
        self.tone == "t-later"
    }
}

fn awaiting(one: &Deployment) -> Words {
    let end = one
        .approval
        .as_ref()
        .map(|approval| format::full(&approval.expires_at));
    let text = match end {
        Some(end) => format!(
            "Someone other than {} must approve it by {end}. The approval covers exactly this commit, these servers and this strategy.",
            one.actor
        ),
        None => format!("Someone other than {} must approve it.", one.actor),
    };
    ("user-check", "t-warn", "Waiting for approval.".to_owned(), text)
}

fn running(watched: &Watched) -> Words {
    let one = &watched.deployment;
    if let Some(who) = &one.cancelled_by {
        let title = format!("Cancelled by {who}.");
        let text = "Stopping what is running. Each server then shows what it runs.".to_owned();
        return ("ban", "t-warn", title, text);
    }
    if let Some(who) = one.pause_requested_by.as_ref().filter(|_| watched.may_pause()) {
        let when = match one.phase {
            Phase::Check | Phase::Prepare => "before the first batch",
            _ => "after this batch",
        };
        let title = format!("Pausing {when}, requested by {who}.");
        return ("player-pause", "t-warn", title, String::new());
    }
    ("loader-2", "t-busy", String::new(), String::new())
}

fn paused(watched: &Watched, allowed: &Acts) -> Words {
    let one = &watched.deployment;
    if one.cancelled_by.is_some() {
        return running(watched);
    }
    let offers = |answer| allowed.answers.contains(&answer);
    let findings = one
        .pause
        .as_ref()
        .map_or(&[][..], |pause| pause.findings.as_slice());
    if !findings.is_empty() {
        let title = "It cannot continue: something has changed.".to_owned();
        let again = if offers(Answer::Resume) {
            " Continue looks again."
        } else {
            ""
        };
        let text = format!("{}{again}", findings.join(" "));
        return ("player-pause", "t-warn", title, text);
    }
    let (title, text) = match one.pause.as_ref().map(|pause| &pause.reason) {
        Some(PauseReason::Person { by }) => (
            if offers(Answer::Resume) {
                format!("Paused by {by}. Continue?")
            } else {
                format!("Paused by {by}.")
            },
            "Finished servers are in service; the others still run their previous release.".to_owned(),
        ),
        Some(PauseReason::Canary) => (
            "Canary deployed. Is it healthy?".to_owned(),
            choices(watched, allowed),
        ),
        Some(PauseReason::Failure { servers }) => (
            format!("{} failed.", names(servers)),
            "No other server is started until someone decides. Each server's log says why it failed."
                .to_owned(),
        ),
        Some(PauseReason::Policy { why }) => {
            ("Not permitted to continue at this time.".to_owned(), why.clone())
        }
        None => ("Paused.".to_owned(), String::new()),
    };
    ("player-pause", "t-warn", title, text)
}

/// What each of the answers to a canary that are offered does.
fn choices(watched: &Watched, allowed: &Acts) -> String {
    let of_state = |state| watched.servers.iter().filter(move |one| one.state == state);
    let canaries: Vec<_> = of_state(ServerState::Succeeded).collect();
    let before = canaries.first().and_then(|one| one.previous_commit.as_ref());
    let before = before.filter(|commit| {
        canaries
            .iter()
            .all(|one| one.previous_commit.as_ref() == Some(commit))
    });
    let servers: Vec<String> = canaries.iter().map(|one| one.server.clone()).collect();
    let others = match of_state(ServerState::Waiting).count() {
        1 => "the other server".to_owned(),
        some => format!("the other {some} servers"),
    };
    let back = before.map_or("the previous release", |commit| commit.short());
    let offers = |answer| allowed.answers.contains(&answer);
    let parts = [
        offers(Answer::Resume).then(|| format!("Continue deploys {others}")),
        offers(Answer::RollBack).then(|| format!("Roll back returns {} to {back}", names(&servers))),
    ];
    match parts.into_iter().flatten().collect::<Vec<_>>().join("; ") {
        none if none.is_empty() => none,
        parts => format!("{parts}."),
    }
}

/// What a later deployment has done to its servers: the deployment, its address, and the rest of the sentence.
fn superseded(later: &Superseded) -> (String, String, String) {
    let place = match (later.servers, later.of) {
        (_, 1) => "its server".to_owned(),
        (servers, of) if servers == of => "its servers".to_owned(),
        (servers, of) => format!("{servers} of its {of} servers"),
    };
    (
        format!("Deployment {}", later.by),
        urls::deployment(later.by),
        format!("has put {} on {place} since.", later.commit.short()),
    )
}

/// The first names, and how many more.
fn names(all: &[String]) -> String {
    const FEW: usize = 4;
    if all.len() <= FEW {
        return all.join(", ");
    }
    format!("{} and {} more", all[..FEW].join(", "), all.len() - FEW)
}
