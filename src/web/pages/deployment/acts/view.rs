//! The acts on a deployment as one panel: the decision to make, or what happened, and below it the
//! buttons, the recommended one first.

use super::button::Button;
use super::ended::{Words, ended_badly};
use super::plan::plan_url;
use crate::app::watch::{Acts, Watched};
use crate::domain::deployment::ServerState;
use crate::domain::rollout::Hold;
use crate::domain::{Answer, CommitId, Deployment, DeploymentState, Instant, Kind, PauseReason, Phase};
use crate::web::format::{self, count};
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
    /// Why some buttons are missing now.
    pub obstacles: Vec<String>,
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
        view.obstacles.clone_from(&allowed.obstacles);
        view.add_who_can(one, allowed);
        if let Some(first) = view.buttons.first_mut()
            && first.class.is_empty()
            && one.state != DeploymentState::Running
        {
            first.class = "btn-primary";
        }
        view
    }

    /// Whether there is anything to show.
    pub fn is_empty(&self) -> bool {
        self.title.is_empty() && self.buttons.is_empty() && self.obstacles.is_empty()
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
            DeploymentState::Paused => paused(watched, &allowed.answers),
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
        if one.state == DeploymentState::Paused && one.cancelled_by.is_none() {
            let can_go_on = allowed.answers.iter().any(|answer| answer.goes_on());
            let who = match &allowed.takes_over {
                Some(why) => format!("{why} You may: if you continue, it is yours."),
                None if allowed.answers.is_empty() => {
                    "You may not decide this; anyone who may deploy here can.".to_owned()
                }
                None if !can_go_on && allowed.obstacles.is_empty() => {
                    "You may not continue it; anyone who may deploy here can.".to_owned()
                }
                None => String::new(),
            };
            // The pause may be for the same reason.
            let who = match &allowed.takes_over {
                Some(why) if self.text == *why => who.replacen(why, "", 1),
                _ => who,
            };
            self.text = [self.text.trim(), who.trim()].join(" ").trim().to_owned();
        }
    }

    /// What happens at `until`.
    pub fn until_word(&self) -> &'static str {
        if self.tone == "t-later" {
            "Starts"
        } else {
            "Continues automatically"
        }
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

fn paused(watched: &Watched, offered: &[Answer]) -> Words {
    let one = &watched.deployment;
    if one.cancelled_by.is_some() {
        return running(watched);
    }
    let findings = one
        .pause
        .as_ref()
        .map_or(&[][..], |pause| pause.findings.as_slice());
    if !findings.is_empty() {
        let title = "It cannot continue: something has changed.".to_owned();
        let text = format!("{} Continue looks again.", findings.join(" "));
        return ("player-pause", "t-warn", title, text);
    }
    let (title, text) = match one.pause.as_ref().map(|pause| &pause.reason) {
        Some(PauseReason::Person { by }) => (
            format!("Paused by {by}. Continue?"),
            "Finished servers are in service; the others still run their previous release.".to_owned(),
        ),
        Some(PauseReason::Canary) => (
            "Canary deployed. Is it healthy?".to_owned(),
            choices(watched, offered),
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

/// What the answers to a canary do, as far as they are offered.
fn choices(watched: &Watched, offered: &[Answer]) -> String {
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
    let mut told = Vec::new();
    if offered.contains(&Answer::Resume) {
        told.push(format!("Continue deploys {others}"));
    }
    if offered.contains(&Answer::RollBack) {
        let back = before.map_or("the previous release", |commit| commit.short());
        told.push(format!("Roll back returns {} to {back}", names(&servers)));
    }
    match told.is_empty() {
        true => String::new(),
        false => format!("{}.", told.join("; ")),
    }
}

/// The first names, and how many more.
fn names(all: &[String]) -> String {
    const FEW: usize = 4;
    if all.len() <= FEW {
        return all.join(", ");
    }
    format!("{} and {} more", all[..FEW].join(", "), all.len() - FEW)
}

/// What may be done while it waits or runs.
fn meanwhile(watched: &Watched, allowed: &Acts) -> Vec<Button> {
    let one = &watched.deployment;
    let act = |label: &str, icon, act: &str| Button::new(label, icon, urls::deployment_act(one.id, act));
    let mut acts: Vec<Button> = allowed
        .answers
        .iter()
        .map(|&answer| answer_act(one, answer))
        .collect();
    if allowed.approve {
        let question = format!(
            "Approve {} “{}” for {} of {}, as requested by {}? This is what it does now:",
            one.commit.short(),
            one.commit_title,
            one.target,
            one.environment,
            one.actor
        );
        let mut approve = act("Approve", "thumb-up", "approve").asks(question, "Approve it");
        approve.plan = plan_url(watched, watched.names().1, &one.commit, one.kind);
        approve.class = "";
        acts.push(approve);
    }
    if allowed.reject {
        let mut reject =
            act("Reject", "x", "reject").asks("Reject it? It ends, and no server is touched.", "Reject it");
        reject.wants = Some(("reason", "Reason"));
        acts.push(reject);
    }
    if allowed.pause {
        let label = match one.phase {
            Phase::Check | Phase::Prepare => "Pause before the first batch",
            _ => "Pause after this batch",
        };
        acts.push(act(label, "player-pause", "pause"));
    }
    if allowed.unpause {
        acts.push(act("Cancel the pause", "player-play", "unpause"));
    }
    if allowed.cancel && !allowed.answers.contains(&Answer::Stop) {
        let question = match one.state {
            DeploymentState::Running | DeploymentState::Paused => {
                "Cancel this deployment now? Everything running is stopped, here and on the servers. Each server then shows what it runs."
            }
            _ => "Cancel it? It has not started, so no server is touched.",
        };
        acts.push(act("Cancel", "player-stop", "cancel").asks(question, "Cancel the deployment"));
    }
    acts
}

fn answer_act(one: &Deployment, answer: Answer) -> Button {
    let icon = match answer {
        Answer::Resume => "player-play",
        Answer::Retry => "rotate-clockwise",
        Answer::Skip => "player-skip-forward",
        Answer::RollBack => "arrow-back-up",
        Answer::Stop => "player-stop",
    };
    let act = Button::new(answer.title(), icon, urls::deployment_act(one.id, "answer"))
        .with("answer", answer.as_str());
    match answer {
        Answer::Resume | Answer::Retry | Answer::Skip => act,
        Answer::RollBack => act.asks(
            "Return finished servers to their previous release and end this deployment?",
            "Roll back",
        ),
        Answer::Stop => act.asks(
            "Stop here? Finished servers keep the new release; the others keep the old one.",
            "Stop here",
        ),
    }
}

/// What may be done once it has ended, the recommended first.
fn afterwards(watched: &Watched, allowed: &Acts) -> Vec<Button> {
    let one = &watched.deployment;
    let act =
        |label: String, icon, act: &str| Button::new(label, icon, urls::deployment_act(one.id, act)).once();
    let mut acts = Vec::new();
    let resume = (allowed.resume > 0).then(|| {
        let label = format!("Resume {}", count(allowed.resume, "server"));
        act(label, "player-play", "resume")
    });
    let retry = (allowed.retry > 0).then(|| {
        let mut failed = watched
            .servers
            .iter()
            .filter(|one| one.state == ServerState::Failed);
        let label = match (allowed.retry, failed.next()) {
            (1, Some(only)) => format!("Retry {}", only.server),
            (some, _) => format!("Retry {}", count(some, "server")),
        };
        act(label, "rotate-clockwise", "retry")
    });
    match one.state {
        DeploymentState::Failed => acts.extend([retry, resume].into_iter().flatten()),
        _ => acts.extend([resume, retry].into_iter().flatten()),
    }
    for next in &allowed.promote_to {
        let mut promote = act(format!("Promote to {next}"), "arrow-forward-up", "promote")
            .with("environment", next.clone())
            .asks(
                format!("Deploy {} to all servers of {next}?", one.commit.short()),
                "Promote",
            )
            .shows(plan_url(watched, next, &one.commit, Kind::Promotion));
        promote.class = "";
        acts.push(promote);
    }
    let back = allowed.roll_back_to.as_ref();
    acts.extend(back.map(|commit| roll_back(watched, commit)));
    if allowed.again {
        let label = if acts.is_empty() {
            "Redeploy"
        } else {
            "Redeploy to all"
        };
        acts.push(act(label.to_owned(), "repeat", "again"));
    }
    acts
}

fn roll_back(watched: &Watched, commit: &CommitId) -> Button {
    let (one, plan) = (&watched.deployment, watched.plan.as_ref());
    let waits = plan.is_some_and(|plan| plan.batches.iter().any(|batch| batch.hold == Some(Hold::Person)));
    let question = format!(
        "Roll back {} of {} to {}, the last successful release?{}",
        one.target,
        one.environment,
        commit.short(),
        if waits {
            " It pauses after the first servers until someone continues it."
        } else {
            ""
        }
    );
    let label = format!("Roll back to {}", commit.short());
    Button::new(label, "arrow-back-up", urls::deployment_act(one.id, "rollback"))
        .once()
        .asks(question, "Roll back")
        .shows(plan_url(watched, watched.names().1, commit, Kind::Rollback))
}
