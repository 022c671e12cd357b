//! Undoing a rollout that failed: which servers go back to which commit.
//!
//! It is worked out while the state of the servers is known; the deployments that do it are queued when
//! this one is closed.

use std::collections::BTreeMap;

use super::ending::{Undo, UndoGroup};
use super::permission::{self, Permission};
use super::shared::EngineParts;
use crate::domain::{Action, CommitId, Deployment, Error, Project, Result, ServerId, Target};
use crate::git;
use crate::store::deployments::{self, NewPart};

/// A server whose release a deployment has changed, or may have.
pub(super) struct Touched {
    pub server: ServerId,
    pub name: String,
    /// The cluster it was reached through.
    pub cluster: String,
    /// The commit that was on it before, if there was one.
    pub before: Option<CommitId>,
}

/// Works out which commit each touched server of `failed` goes back to; a sentence says why one does not.
pub(super) async fn work_out(
    parts: &EngineParts,
    (failed, project): (&Deployment, &Project),
    touched: &[Touched],
    reason: String,
) -> Undo {
    let mut undo = Undo {
        reason,
        permit: None,
        heir: None,
        groups: Vec::new(),
        not: Vec::new(),
    };
    if touched.is_empty() {
        undo.not
            .push("No server was touched, so there is nothing to roll back.".to_owned());
        return undo;
    }
    // The pauses as they are by now say whose it is.
    let present = deployments::by_id(&parts.store, failed.id).await;
    let present = present.as_ref().unwrap_or(failed);
    match permission::ask_on(parts, present, Action::Rollback).await {
        Ok((Permission::Granted(line), heir)) => (undo.permit, undo.heir) = (Some(line), heir),
        Ok((Permission::Refused(why), _)) => {
            undo.not.push(format!("It was not rolled back: {why}"));
            return undo;
        }
        Err(error) => {
            undo.not.push(format!("It was not rolled back: {error}"));
            return undo;
        }
    }
    for (commit, servers) in sort(touched, &failed.commit, &mut undo.not) {
        if !was_here(parts, failed, &commit, &servers).await {
            undo.not.push(format!(
                "{} ran {}, which never succeeded here: not rolled back.",
                names(&servers),
                commit.short()
            ));
            continue;
        }
        let title = title(parts, project, &commit).await.unwrap_or_default();
        undo.groups.push(group(failed, commit, title, &servers));
    }
    undo
}

/// The servers by the commit each had before. Those that cannot go back get a sentence in `not`.
fn sort<'t>(
    touched: &'t [Touched],
    failed: &CommitId,
    not: &mut Vec<String>,
) -> BTreeMap<CommitId, Vec<&'t Touched>> {
    let mut by_commit: BTreeMap<CommitId, Vec<&Touched>> = BTreeMap::new();
    for server in touched {
        match &server.before {
            Some(commit) if commit == failed => not.push(format!(
                "{} had the same commit before, so there is nothing to go back to.",
                server.name
            )),
            Some(commit) => by_commit.entry(commit.clone()).or_default().push(server),
            None => not.push(format!(
                "{} had no earlier release that it could go back to.",
                server.name
            )),
        }
    }
    by_commit
}

/// Whether a commit was ever deployed successfully where it would be put back.
async fn was_here(parts: &EngineParts, failed: &Deployment, commit: &CommitId, servers: &[&Touched]) -> bool {
    let Some(environment) = failed.environment_id else {
        return false;
    };
    let mut reaching = vec![Target::Environment, failed.target.clone()];
    reaching.extend(servers.iter().map(|server| server_target(server)));
    let commits = std::slice::from_ref(commit);
    match deployments::succeeded_commits(&parts.store, environment, None, commits, &reaching).await {
        Ok(found) => found.contains(commit),
        Err(error) => {
            tracing::warn!(
                deployment = failed.id.0,
                "whether there is a way back is not known: {error}"
            );
            false
        }
    }
}

async fn title(parts: &EngineParts, project: &Project, commit: &CommitId) -> Result<String> {
    let url = git::check_url(&project.git_url).map_err(Error::invalid)?;
    Ok(parts.mirrors.mirror(project.id, &url).commit(commit).await?.title)
}

fn server_target(server: &Touched) -> Target {
    Target::Server {
        id: server.server,
        name: server.name.clone(),
    }
}

fn group(failed: &Deployment, commit: CommitId, title: String, servers: &[&Touched]) -> UndoGroup {
    let part = |server: &&Touched| NewPart::new(server.server, &server.name, &server.cluster);
    UndoGroup {
        commit,
        title,
        target: match servers {
            [one] => server_target(one),
            _ => failed.target.clone(),
        },
        parts: servers.iter().map(part).collect(),
    }
}

fn names(servers: &[&Touched]) -> String {
    let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    names.join(", ")
}
