//! The buttons of a deployment, the recommended one first.

use super::button::Button;
use super::plan::{form_url, plan_url};
use crate::app::watch::{Acts, Promotion, Watched};
use crate::domain::deployment::ServerState;
use crate::domain::rollout::Hold;
use crate::domain::{Answer, CommitId, Deployment, DeploymentState, Kind, Phase};
use crate::web::format::count;
use crate::web::urls;

/// What may be done while it waits or runs.
pub fn meanwhile(watched: &Watched, allowed: &Acts) -> Vec<Button> {
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
        approve.plan = plan_url(watched, watched.names().1, &one.commit, one.kind, one.strategy);
        approve.class = "";
        acts.push(approve);
    }
    if allowed.reject {
        let mut reject =
            act("Reject", "x", "reject").asks("Reject it? It ends, and no server is touched.", "Reject it");
        reject.wants = Some(("reason", "Reason"));
        acts.push(reject);
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
    // These come and go while it runs: they stand last, so that no other moves under a hand.
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
        .for_only(answer.as_str())
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
pub fn afterwards(watched: &Watched, allowed: &Acts) -> Vec<Button> {
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
    acts.extend(allowed.promote_to.iter().map(|next| promote(watched, next)));
    let back = allowed.roll_back_to.as_ref();
    acts.extend(back.map(|commit| roll_back(watched, commit, &allowed.runs_now)));
    if allowed.again_by_form {
        acts.push(Button::link(
            "again",
            format!("Deploy {} again…", one.commit.short()),
            "repeat",
            form_url(watched),
        ));
    }
    if allowed.again {
        let label = if acts.is_empty() {
            "Redeploy"
        } else {
            "Redeploy to all"
        };
        acts.push(redeploy(watched, act(label.to_owned(), "repeat", "again")));
    }
    acts
}

fn redeploy(watched: &Watched, act: Button) -> Button {
    let one = &watched.deployment;
    let question = format!(
        "Deploy {} to {} of {} once more?",
        one.commit.short(),
        one.target,
        one.environment
    );
    let kind = match one.kind {
        kind @ (Kind::Rollback | Kind::Promotion) => kind,
        Kind::Regular | Kind::Automatic | Kind::Scheduled => Kind::Regular,
    };
    let plan = plan_url(watched, watched.names().1, &one.commit, kind, one.strategy);
    let mut act = act.asks(question, "Redeploy").shows(plan);
    act.class = "";
    act
}

fn promote(watched: &Watched, next: &Promotion) -> Button {
    let (one, name) = (&watched.deployment, next.environment.as_str());
    let back = match next.back {
        0 => String::new(),
        1 => format!(
            " 1 of its {} runs a newer commit, which this removes.",
            count(next.of, "server")
        ),
        back => format!(
            " {back} of its {} run a newer commit, which this removes.",
            count(next.of, "server")
        ),
    };
    let question = format!("Deploy {} to all servers of {name}?{back}", one.commit.short());
    let promote = Button::new(
        format!("Promote to {name}"),
        "arrow-forward-up",
        urls::deployment_act(one.id, "promote"),
    );
    let mut promote = promote
        .for_only(name)
        .once()
        .with("environment", name)
        .asks(question, "Promote")
        .shows(plan_url(watched, name, &one.commit, Kind::Promotion, None));
    if next.back == 0 {
        promote.class = "";
    }
    promote
}

fn roll_back(watched: &Watched, commit: &CommitId, runs_now: &[CommitId]) -> Button {
    let (one, plan) = (&watched.deployment, watched.plan.as_ref());
    let mut question = format!(
        "Roll back {} of {} to {}, the last other commit that succeeded before this deployment?",
        one.target,
        one.environment,
        commit.short()
    );
    let now: Vec<&str> = runs_now.iter().map(CommitId::short).collect();
    match now.as_slice() {
        [] => {}
        [one] => question.push_str(&format!(" It runs {one} now.")),
        [first, second] => question.push_str(&format!(" It runs {first} and {second} now.")),
        [first, rest @ ..] => {
            let others = count(rest.len(), "other commit");
            question.push_str(&format!(" It runs {first} and {others} now."));
        }
    }
    if plan.is_some_and(|plan| plan.batches.iter().any(|batch| batch.hold == Some(Hold::Person))) {
        question.push_str(" It pauses after the first servers until someone continues it.");
    }
    let label = format!("Roll back to {}", commit.short());
    Button::new(label, "arrow-back-up", urls::deployment_act(one.id, "rollback"))
        .for_only(commit.short())
        .once()
        .asks(question, "Roll back")
        .shows(plan_url(watched, watched.names().1, commit, Kind::Rollback, None))
}
