//! The acts on a deployment as one panel: what is asked or what happened in words, and below it
//! what may be pressed, the recommended first.

use super::act::Act;
use super::turn::TurnView;
use crate::app::watch::{Acts, Watched};
use crate::domain::deployment::ServerState;
use crate::domain::rollout::Hold;
use crate::domain::{Answer, CommitId, Deployment, DeploymentState, Instant, PauseReason, Phase, Plan};
use crate::web::pages::count;
use crate::web::urls;

/// The contract of the block `acts` of `templates/deployments/show.html`.
pub struct ActsView {
    pub icon: &'static str,
    /// A class of `app.css`.
    pub tone: &'static str,
    /// One line; empty: there is nothing to decide.
    pub title: String,
    /// A sentence below it; may be empty.
    pub text: String,
    /// When it goes on by itself.
    pub until: Option<Instant>,
    /// Where it stands in the queue, while it does.
    pub turn: Option<TurnView>,
    /// What may be pressed, the recommended first.
    pub buttons: Vec<Act>,
}

impl ActsView {
    pub fn new(watched: &Watched, allowed: &Acts) -> Self {
        let one = &watched.deployment;
        let mut view = Self::told(watched);
        view.buttons = if one.state.is_final() {
            afterwards(watched, allowed)
        } else {
            meanwhile(one, allowed)
        };
        view.turn = allowed.turn.as_ref().map(TurnView::new);
        view.say_who(one, allowed);
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
        self.title.is_empty() && self.buttons.is_empty()
    }

    /// What is to be decided, in words.
    fn told(watched: &Watched) -> Self {
        let one = &watched.deployment;
        let (icon, tone, title, text) = match one.state {
            DeploymentState::Awaiting => awaiting(one),
            DeploymentState::Scheduled => (
                "calendar-time",
                "t-later",
                "It waits for its time.".to_owned(),
                "Policy is asked again when it begins.".to_owned(),
            ),
            DeploymentState::Queued => (
                "hourglass",
                "t-quiet",
                "It waits for its turn.".to_owned(),
                String::new(),
            ),
            DeploymentState::Running => running(watched),
            DeploymentState::Paused => paused(watched),
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
            turn: None,
            buttons: Vec::new(),
        }
    }

    /// Who cannot press anything reads who can.
    fn say_who(&mut self, one: &Deployment, allowed: &Acts) {
        if one.state == DeploymentState::Awaiting {
            if let Some(obstacle) = &allowed.approve_obstacle {
                self.text = format!("{} {obstacle}", self.text);
            } else if !allowed.approve {
                self.text.push_str(" Whoever may “approve” here can do so.");
            }
        }
        if one.state == DeploymentState::Paused && allowed.answers.is_empty() && one.cancelled_by.is_none() {
            self.text
                .push_str(" You may not answer here; whoever may deploy here can.");
        }
    }

    /// What the instant of `until` brings.
    pub fn until_word(&self) -> &'static str {
        if self.tone == "t-later" {
            "It begins"
        } else {
            "It goes on by itself"
        }
    }
}

type Told = (&'static str, &'static str, String, String);

fn awaiting(one: &Deployment) -> Told {
    let end = one
        .approval
        .as_ref()
        .map(|approval| crate::web::format::full(&approval.expires_at));
    let text = match end {
        Some(end) => format!(
            "Somebody other than {} has to approve it before {end}; what is approved is exactly the plan below.",
            one.actor
        ),
        None => format!("Somebody other than {} has to approve it.", one.actor),
    };
    (
        "user-check",
        "t-warn",
        "It waits for a second person.".to_owned(),
        text,
    )
}

fn running(watched: &Watched) -> Told {
    let one = &watched.deployment;
    if let Some(who) = &one.cancelled_by {
        let title = format!("{who} has cancelled it.");
        let text = "What runs is being ended; every server then says what is on it.".to_owned();
        return ("ban", "t-warn", title, text);
    }
    if let Some(who) = one.pause_requested_by.as_ref().filter(|_| watched.may_pause()) {
        let when = match one.phase {
            Phase::Check | Phase::Prepare => "before the first batch",
            _ => "after this batch",
        };
        let title = format!("It pauses {when}, as {who} asked.");
        return ("player-pause", "t-warn", title, String::new());
    }
    ("loader-2", "t-busy", String::new(), String::new())
}

fn paused(watched: &Watched) -> Told {
    let one = &watched.deployment;
    if one.cancelled_by.is_some() {
        return running(watched);
    }
    let (title, text) = match one.pause.as_ref().map(|pause| &pause.reason) {
        Some(PauseReason::Person { by }) => (
            format!("Paused by {by}. Shall it go on?"),
            "What is done is in service; what is to come runs what it ran before.".to_owned(),
        ),
        Some(PauseReason::Canary) => (
            "The canaries are done. Do they look well?".to_owned(),
            "Going on brings the rest there; rolling back brings the canaries back to what they ran."
                .to_owned(),
        ),
        Some(PauseReason::Failure { servers }) => (
            format!("{} failed. What now?", names(servers)),
            "No further server is begun until somebody says so. The log of each says why it failed."
                .to_owned(),
        ),
        Some(PauseReason::Policy { why }) => (
            "Policy does not let it go on at this time.".to_owned(),
            why.clone(),
        ),
        None => ("It is paused.".to_owned(), String::new()),
    };
    ("player-pause", "t-warn", title, text)
}

/// The first names, and how many more.
fn names(all: &[String]) -> String {
    const FEW: usize = 4;
    if all.len() <= FEW {
        return all.join(", ");
    }
    format!("{} and {} more", all[..FEW].join(", "), all.len() - FEW)
}

fn ended_badly(watched: &Watched) -> Told {
    let count_of = |state| watched.servers.iter().filter(|one| one.state == state).count();
    let (failed, done) = (count_of(ServerState::Failed), count_of(ServerState::Succeeded));
    let open = count_of(ServerState::Interrupted) + count_of(ServerState::Cancelled);
    let waiting = watched.servers.iter().filter(|one| one.is_untouched()).count();
    let mut parts = Vec::new();
    if failed > 0 {
        parts.push(format!("{} failed", count(failed, "server")));
    }
    if open > 0 {
        parts.push(format!("{} not brought to an end", count(open, "server")));
    }
    if done > 0 {
        parts.push(format!("{} done", count(done, "server")));
    }
    if waiting > 0 && !parts.is_empty() {
        parts.push(format!("{} not touched", count(waiting, "server")));
    }
    let text = match parts.as_slice() {
        [] => "No server was touched.".to_owned(),
        parts => format!("{}; what is on each stands below.", parts.join(", ")),
    };
    let (icon, tone, title) = match watched.deployment.state {
        DeploymentState::Cancelled if was_rejected(&watched.deployment) => {
            ("x", "t-warn", "It was not approved.")
        }
        DeploymentState::Cancelled => ("ban", "t-warn", "It was cancelled. What now?"),
        DeploymentState::Interrupted => (
            "plug-connected-x",
            "t-bad",
            "The deployer stopped in the middle of it. What now?",
        ),
        _ => ("circle-x", "t-bad", "It failed. What now?"),
    };
    (icon, tone, title.to_owned(), text)
}

/// Whether it ended while it waited for a second person: rejected, cancelled, or out of time.
fn was_rejected(one: &Deployment) -> bool {
    let unanswered = one
        .approval
        .as_ref()
        .is_some_and(|approval| approval.given.is_none());
    unanswered && one.started_at.is_none()
}

/// What may be said or done while it waits or runs.
fn meanwhile(one: &Deployment, allowed: &Acts) -> Vec<Act> {
    let act = |label: &str, icon, act: &str| Act::new(label, icon, urls::deployment_act(one.id, act));
    let mut acts: Vec<Act> = allowed
        .answers
        .iter()
        .map(|&answer| answer_act(one, answer))
        .collect();
    if allowed.approve {
        acts.push(act("Approve", "thumb-up", "approve"));
    }
    if allowed.reject {
        let mut reject =
            act("Reject", "x", "reject").asks("Reject it? It ends, and no server is touched.", "Reject it");
        reject.wants = Some(("reason", "Why"));
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
        acts.push(act("Go on without the pause", "player-play", "unpause"));
    }
    if allowed.cancel && !allowed.answers.contains(&Answer::Stop) {
        let question = match one.state {
            DeploymentState::Running | DeploymentState::Paused => {
                "End this deployment now? What runs is ended here and on the servers; each server then says what is on it."
            }
            _ => "Cancel it? It has not begun, so no server is touched.",
        };
        acts.push(act("Cancel", "player-stop", "cancel").asks(question, "Cancel the deployment"));
    }
    acts
}

fn answer_act(one: &Deployment, answer: Answer) -> Act {
    let icon = match answer {
        Answer::Resume => "player-play",
        Answer::Retry => "rotate-clockwise",
        Answer::Skip => "player-skip-forward",
        Answer::RollBack => "arrow-back-up",
        Answer::Stop => "player-stop",
    };
    let act = Act::new(answer.title(), icon, urls::deployment_act(one.id, "answer"))
        .with("answer", answer.as_str());
    match answer {
        Answer::Resume | Answer::Retry | Answer::Skip => act,
        Answer::RollBack => act.asks(
            "Bring the servers that are done back to what they ran before, and end this deployment?",
            "Roll back",
        ),
        Answer::Stop => act.asks(
            "End it here? What is done stays done; what is to come keeps what it runs.",
            "Stop here",
        ),
    }
}

/// What may be done with what it has left, the recommended first.
fn afterwards(watched: &Watched, allowed: &Acts) -> Vec<Act> {
    let one = &watched.deployment;
    let act =
        |label: String, icon, act: &str| Act::new(label, icon, urls::deployment_act(one.id, act)).once();
    let mut acts = Vec::new();
    let resume = (allowed.resume > 0).then(|| {
        let label = format!("Resume the {} unfinished", allowed.resume);
        act(label, "player-play", "resume")
    });
    let retry = (allowed.retry > 0).then(|| {
        let label = format!("Retry the {} failed", allowed.retry);
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
                "Promote it",
            );
        promote.class = "";
        acts.push(promote);
    }
    let back = allowed.roll_back_to.as_ref();
    acts.extend(back.map(|commit| roll_back(one, watched.plan.as_ref(), commit)));
    if allowed.again {
        let label = if acts.is_empty() {
            "Deploy again"
        } else {
            "Deploy all again"
        };
        acts.push(act(label.to_owned(), "repeat", "again"));
    }
    acts
}

fn roll_back(one: &Deployment, plan: Option<&Plan>, commit: &CommitId) -> Act {
    let waits = plan.is_some_and(|plan| plan.batches.iter().any(|batch| batch.hold == Some(Hold::Person)));
    let question = format!(
        "Bring {} of {} back to {}, the release that succeeded before?{}",
        one.target,
        one.environment,
        commit.short(),
        if waits {
            " As the strategy here says, it pauses after the first servers until somebody lets it go on."
        } else {
            ""
        }
    );
    let label = format!("Roll back to {}", commit.short());
    Act::new(label, "arrow-back-up", urls::deployment_act(one.id, "rollback"))
        .once()
        .asks(question, "Roll back")
}
