//! Which commits may be deployed where.
//!
//! A commit is promoted only after the environment before has it *as a whole*: a deployment to all
//! its servers succeeded with it (a retry or resume that completed one counts), or every active
//! server runs the commit now, from deployments that succeeded. A success on one of several servers
//! proves nothing.

use std::collections::HashSet;

use crate::app::App;
use crate::domain::{CommitId, Environment, Error, Project, Result, Server, Target};
use crate::git;
use crate::store::deployments::NewPart;
use crate::store::{clusters, deployments, environments, releases, servers};

/// Checks that a commit is on the environment's branch and needs nothing that is not fetched, and that
/// the environment before on the same branch, if there is one, has had it as a whole.
pub(in crate::app) async fn check_commit(
    app: &App,
    project: &Project,
    environment: &Environment,
    commit: &CommitId,
) -> Result<()> {
    let mirror = app.mirror(project)?;
    if !mirror.contains(&environment.branch, commit).await? {
        let message = format!(
            "Commit {} is not on branch {}.",
            commit.short(),
            environment.branch
        );
        return Err(Error::field("commit", message));
    }
    match mirror.prospects(commit, project.extras).await {
        // What is too large to look through while somebody waits is looked through by the deployment.
        Ok(_) | Err(git::Error::TooMuchToCompare) => {}
        Err(error) => return Err(Error::field("commit", error.to_string())),
    }
    let Some(before) = promotion_source(app, environment).await? else {
        return Ok(());
    };
    let done = proven(app, &before, std::slice::from_ref(commit)).await?;
    if done.contains(commit) {
        return Ok(());
    }
    let message = format!(
        "Commit {} must first succeed on all servers of {}.",
        commit.short(),
        before.name
    );
    Err(Error::field("commit", message))
}

/// Those of `commits` that an environment has had as a whole, from its branch.
pub async fn proven(app: &App, environment: &Environment, commits: &[CommitId]) -> Result<HashSet<CommitId>> {
    let branch = Some(environment.branch.as_str());
    let whole = [Target::Environment];
    let mut found =
        deployments::succeeded_commits(&app.store, environment.id, branch, commits, &whole).await?;
    if commits.iter().all(|commit| found.contains(commit)) {
        return Ok(found);
    }
    found.extend(
        everywhere(app, environment)
            .await?
            .filter(|one| commits.contains(one)),
    );
    Ok(found)
}

/// The commit that every active server of an environment runs, where there is one.
async fn everywhere(app: &App, environment: &Environment) -> Result<Option<CommitId>> {
    let complete = releases::complete(&app.store, environment.id).await?;
    let active: HashSet<_> = servers::list(&app.store)
        .await?
        .into_iter()
        .filter(|server: &Server| server.active)
        .map(|server| server.id)
        .collect();
    let mut commits = HashSet::new();
    for &id in &environment.clusters {
        for member in clusters::by_id(&app.store, id).await?.members {
            if active.contains(&member.server) {
                commits.insert(complete.get(&member.server).map(|(commit, _)| commit.clone()));
            }
        }
    }
    let mut commits = commits.into_iter();
    let first = commits.next().flatten();
    Ok(first.filter(|_| commits.next().is_none()))
}

/// Whether the environment has ever had a commit as a whole. Only then is deploying it a rollback:
/// policy may allow rollbacks at times and from branches where it forbids deployments, so nothing new
/// may be deployed as one.
pub async fn was_here(app: &App, environment: &Environment, commit: &CommitId) -> Result<bool> {
    is_way_back(app, environment, commit, &Target::Environment).await
}

/// As [`was_here`]; a success on exactly the target that is rolled back counts too.
async fn is_way_back(
    app: &App,
    environment: &Environment,
    commit: &CommitId,
    target: &Target,
) -> Result<bool> {
    let reaching = [Target::Environment, target.clone()];
    let commits = std::slice::from_ref(commit);
    let found = deployments::succeeded_commits(&app.store, environment.id, None, commits, &reaching);
    Ok(found.await?.contains(commit))
}

/// Whether `commit` came after everything that `servers` run. What the mirror does not know did not.
async fn leads_forward(
    app: &App,
    (project, environment): (&Project, &Environment),
    commit: &CommitId,
    servers: &[NewPart],
) -> Result<bool> {
    let is_meant = |id| {
        servers
            .iter()
            .any(|part| Some(part.server_id) == id && !part.is_skipped())
    };
    let mut running = releases::current(&app.store, environment.id).await?;
    running.retain(|one| is_meant(one.server_id));
    let running: HashSet<CommitId> = running.into_iter().map(|one| one.commit).collect();
    let mirror = app.mirror(project)?;
    for one in &running {
        if !matches!(mirror.ahead_behind(one, commit).await, Ok((0, 1..))) {
            return Ok(false);
        }
    }
    Ok(!running.is_empty())
}

/// Refuses a rollback to a commit that the target never had, and one to a commit newer than all that `servers`
/// run: whoever may only roll back brings nothing newer.
pub(super) async fn check_way_back(
    app: &App,
    (project, environment): (&Project, &Environment),
    commit: &CommitId,
    (target, servers): (&Target, &[NewPart]),
) -> Result<()> {
    if is_way_back(app, environment, commit, target).await? {
        return match leads_forward(app, (project, environment), commit, servers).await? {
            false => Ok(()),
            true => Err(Error::field(
                "commit",
                format!(
                    "Commit {} is newer than what runs there, so going to it is no rollback. Deploy it instead.",
                    commit.short()
                ),
            )),
        };
    }
    let message = format!(
        "Commit {} was never deployed to {} successfully, so it cannot be rolled back to. Deploy it instead.",
        commit.short(),
        environment.name
    );
    Err(Error::field("commit", message))
}

/// The environment a commit has to succeed in before it may go to this one: of the same project
/// and branch, the nearest one lower in order.
pub async fn promotion_source(app: &App, environment: &Environment) -> Result<Option<Environment>> {
    let all = environments::list(&app.store, environment.project_id).await?;
    Ok(source_of(&all, environment).cloned())
}

/// [`promotion_source`] among all environments of a project.
pub(super) fn source_of<'a>(all: &'a [Environment], environment: &Environment) -> Option<&'a Environment> {
    all.iter()
        .filter(|e| e.branch == environment.branch && e.position < environment.position)
        .max_by_key(|e| e.position)
}
