//! Undoing a rollout that failed: deployments of their own bring the servers it touched back to
//! what each ran before.
//!
//! They are worked out while the servers are still known and stored in the transaction that closes
//! the failed one, so that neither is there without the other. They go through the queue like every
//! other, and policy is asked again when they begin.

use std::collections::BTreeMap;

use super::{Hand, Rollout, servers};
use crate::domain::{
    Action, CommitId, Deployment, Event, Instant, Kind, PolicyLine, Resource, Result, Strategy, Target,
};
use crate::store::deployments::{self, NewDeployment, NewPart, Terms};
use crate::store::{Change, Leased, Right};

/// Who undoes something is in trouble: that goes before what merely waits.
const PRIORITY: i32 = 10;

/// What is to be undone.
pub(in crate::engine) struct Undo {
    reason: String,
    permit: Option<PolicyLine>,
    groups: Vec<Group>,
    /// What cannot be, and why, as sentences.
    not: Vec<String>,
}

/// Servers that go back to the same commit.
struct Group {
    commit: CommitId,
    title: String,
    target: Target,
    parts: Vec<NewPart>,
}

/// Works out where each touched server goes back to. What stands in the way becomes a sentence.
pub(super) async fn work_out(rollout: &Rollout<'_>, reason: String) -> Undo {
    let run = rollout.run;
    let mut undo = Undo {
        reason,
        permit: None,
        groups: Vec::new(),
        not: Vec::new(),
    };
    let touched: Vec<&Hand<'_>> = rollout.hands().filter(|hand| hand.is_touched()).collect();
    if touched.is_empty() {
        undo.not
            .push("No server was touched, so there is nothing to roll back.".to_owned());
        return undo;
    }
    let deployment = &run.deployment;
    let actor = deployment.requester("engine");
    let resource = Resource::Environment(deployment.project.clone(), deployment.environment.clone());
    match run
        .parts()
        .access
        .permit(&actor, Action::Rollback, &resource, run.now())
    {
        Ok(permit) => undo.permit = Some(permit.line().clone()),
        Err(refusal) => {
            undo.not
                .push(format!("It was not rolled back: {}", refusal.sentence()));
            return undo;
        }
    }
    for (commit, hands) in sort(&touched, &deployment.commit, &mut undo.not) {
        if !was_here(rollout, &commit, &hands).await {
            undo.not.push(format!(
                "{} ran {}, which was never deployed here with success: not rolled back.",
                names(&hands),
                commit.short()
            ));
            continue;
        }
        undo.groups.push(group(rollout, commit, &hands).await);
    }
    undo
}

/// The servers by the commit each had before; those that had none are told of in `not`.
fn sort<'h, 'a>(
    touched: &[&'h Hand<'a>],
    failed: &CommitId,
    not: &mut Vec<String>,
) -> BTreeMap<CommitId, Vec<&'h Hand<'a>>> {
    let mut by_commit: BTreeMap<CommitId, Vec<&Hand<'_>>> = BTreeMap::new();
    for hand in touched {
        match hand.before.as_deref().map(str::parse::<CommitId>) {
            Some(Ok(commit)) if commit == *failed => not.push(format!(
                "{} had the same commit before, so there is nothing to go back to.",
                hand.name()
            )),
            Some(Ok(commit)) => by_commit.entry(commit).or_default().push(hand),
            Some(Err(_)) | None => not.push(format!(
                "{} had nothing before that it could go back to.",
                hand.name()
            )),
        }
    }
    by_commit
}

/// Whether a commit ever succeeded where it would go back to.
async fn was_here(rollout: &Rollout<'_>, commit: &CommitId, hands: &[&Hand<'_>]) -> bool {
    let run = rollout.run;
    let mut reaching = vec![Target::Environment, run.deployment.target.clone()];
    reaching.extend(hands.iter().map(|hand| server_target(hand)));
    let (store, commits) = (&run.parts().store, std::slice::from_ref(commit));
    match deployments::succeeded_commits(store, run.environment.id, None, commits, &reaching).await {
        Ok(found) => found.contains(commit),
        Err(error) => {
            tracing::warn!(
                deployment = run.deployment.id.0,
                "whether there is a way back is not known: {error}"
            );
            false
        }
    }
}

fn server_target(hand: &Hand<'_>) -> Target {
    Target::Server {
        id: hand.id(),
        name: hand.name().to_owned(),
    }
}

async fn group(rollout: &Rollout<'_>, commit: CommitId, hands: &[&Hand<'_>]) -> Group {
    let run = rollout.run;
    let title = match run.mirror() {
        Ok(mirror) => mirror
            .commit(&commit)
            .await
            .map(|info| info.title)
            .unwrap_or_default(),
        Err(_) => String::new(),
    };
    let target = match hands {
        [one] => server_target(one),
        _ => run.deployment.target.clone(),
    };
    let part = |hand: &&Hand<'_>| NewPart {
        server_id: hand.id(),
        server: hand.name().to_owned(),
        cluster: hand.planned.cluster.clone(),
        skipped: None,
    };
    Group {
        commit,
        title,
        target,
        parts: hands.iter().map(part).collect(),
    }
}

/// Queues what is to be undone; returns what was, as sentences.
pub(in crate::engine) async fn queue(
    change: &mut Leased<Change>,
    failed: &Deployment,
    undo: &Undo,
    now: Instant,
) -> Result<String> {
    let mut said = Vec::new();
    for group in &undo.groups {
        let (Some(project_id), Some(environment_id)) = (failed.project_id, failed.environment_id) else {
            continue;
        };
        let new = NewDeployment {
            project_id,
            environment_id,
            project: failed.project.clone(),
            environment: failed.environment.clone(),
            target: group.target.clone(),
            branch: failed.branch.clone(),
            commit: group.commit.clone(),
            commit_title: group.title.clone(),
            previous_commit: Some(failed.commit.clone()),
            kind: Kind::Rollback,
            actor: failed.actor.clone(),
            groups: failed.groups.clone(),
            impersonator: failed.impersonator.clone(),
            reason: format!(
                "Automatic: deployment {} was taken back, as {}.",
                failed.id, undo.reason
            ),
            permit: undo.permit.clone(),
            queued_at: now,
            scheduled_at: None,
            terms: Terms {
                origin: Some(failed.id),
                strategy: failed.strategy.and_then(without_pause),
                lock_override: failed.lock_override.clone(),
                ..Terms::default()
            },
            priority: PRIORITY,
            request_key: None,
            servers: group.parts.clone(),
        };
        let undoing = deployments::insert(change, &new).await?;
        let id = undoing.id;
        change.also_by(Right::of_engine(&undoing), Event::requested(&undoing));
        said.push(format!(
            "Deployment {id} brings {} back to {}.",
            servers(group.parts.len()),
            group.commit.short()
        ));
    }
    said.extend(undo.not.iter().cloned());
    Ok(said.join(" "))
}

/// Nobody is asked half-way through a way back.
fn without_pause(strategy: Strategy) -> Option<Strategy> {
    Some(match strategy {
        Strategy::Canary { batch, keep, .. } => Strategy::Rolling { batch, keep },
        other => other,
    })
}

fn names(hands: &[&Hand<'_>]) -> String {
    let names: Vec<&str> = hands.iter().map(|hand| hand.name()).collect();
    names.join(", ")
}
