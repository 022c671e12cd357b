//! Undoing a rollout that failed: which servers go back to which commit.
//!
//! It is worked out here, while the state of the servers is known; the deployments that do it are queued
//! when this one is closed.

use std::collections::BTreeMap;

use super::state::{Rollout, ServerRollout};
use crate::domain::{Action, CommitId, Target};
use crate::engine::ending::{Undo, UndoGroup};
use crate::engine::permission::{self, Permission};
use crate::store::deployments::{self, NewPart};

/// Works out which commit each touched server goes back to; a sentence says why one does not.
pub(super) async fn work_out(rollout: &Rollout<'_>, reason: String) -> Undo {
    let run = rollout.run;
    let mut undo = Undo {
        reason,
        permit: None,
        groups: Vec::new(),
        not: Vec::new(),
    };
    let touched: Vec<&ServerRollout<'_>> = rollout.servers().filter(|server| server.is_touched()).collect();
    if touched.is_empty() {
        undo.not
            .push("No server was touched, so there is nothing to roll back.".to_owned());
        return undo;
    }
    let deployment = &run.deployment;
    match permission::ask(run.parts(), deployment, Action::Rollback).await {
        Ok(Permission::Granted(line)) => undo.permit = Some(line),
        Ok(Permission::Refused(why)) => {
            undo.not.push(format!("It was not rolled back: {why}"));
            return undo;
        }
        Err(error) => {
            undo.not.push(format!("It was not rolled back: {error}"));
            return undo;
        }
    }
    for (commit, servers) in sort(&touched, &deployment.commit, &mut undo.not) {
        if !was_here(rollout, &commit, &servers).await {
            undo.not.push(format!(
                "{} ran {}, which was never deployed here with success: not rolled back.",
                names(&servers),
                commit.short()
            ));
            continue;
        }
        undo.groups.push(group(rollout, commit, &servers).await);
    }
    undo
}

/// The servers by the commit each had before. Those that cannot go back get a sentence in `not`.
fn sort<'h, 'a>(
    touched: &[&'h ServerRollout<'a>],
    failed: &CommitId,
    not: &mut Vec<String>,
) -> BTreeMap<CommitId, Vec<&'h ServerRollout<'a>>> {
    let mut by_commit: BTreeMap<CommitId, Vec<&ServerRollout<'_>>> = BTreeMap::new();
    for server in touched {
        match server.before.as_deref().map(str::parse::<CommitId>) {
            Some(Ok(commit)) if commit == *failed => not.push(format!(
                "{} had the same commit before, so there is nothing to go back to.",
                server.name()
            )),
            Some(Ok(commit)) => by_commit.entry(commit).or_default().push(server),
            Some(Err(_)) | None => not.push(format!(
                "{} had nothing before that it could go back to.",
                server.name()
            )),
        }
    }
    by_commit
}

/// Whether a commit was ever deployed with success where it would go back to.
async fn was_here(rollout: &Rollout<'_>, commit: &CommitId, servers: &[&ServerRollout<'_>]) -> bool {
    let run = rollout.run;
    let mut reaching = vec![Target::Environment, run.deployment.target.clone()];
    reaching.extend(servers.iter().map(|server| server_target(server)));
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

fn server_target(server: &ServerRollout<'_>) -> Target {
    Target::Server {
        id: server.id(),
        name: server.name().to_owned(),
    }
}

async fn group(rollout: &Rollout<'_>, commit: CommitId, servers: &[&ServerRollout<'_>]) -> UndoGroup {
    let run = rollout.run;
    let title = match run.mirror() {
        Ok(mirror) => mirror
            .commit(&commit)
            .await
            .map(|info| info.title)
            .unwrap_or_default(),
        Err(_) => String::new(),
    };
    let target = match servers {
        [one] => server_target(one),
        _ => run.deployment.target.clone(),
    };
    let part = |server: &&ServerRollout<'_>| {
        NewPart::new(server.id(), server.name(), server.planned.cluster.as_str())
    };
    UndoGroup {
        commit,
        title,
        target,
        parts: servers.iter().map(part).collect(),
    }
}

fn names(servers: &[&ServerRollout<'_>]) -> String {
    let names: Vec<&str> = servers.iter().map(|server| server.name()).collect();
    names.join(", ")
}
