//! Commits: a branch page by page, what a deployment would change, and keeping the mirror fresh.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::App;
use super::deployments::{promotion_source, proven};
use super::naming::{Choice, resource};
use super::places::Place;
use crate::domain::{
    Action, Actor, BranchName, CommitId, Environment, Error, Event, EventKind, Extras, Project, Resource,
    Result, TreeSize,
};
use crate::git::{
    ChangedFiles, CommitInfo, Commits, Cursor, Error as Git, Freshness, Mirror, Prospects, Weighing,
};
use crate::store::{environments, projects};
use crate::sync::{Rules, Unsent, is_own};

/// Commits on one page.
pub const PAGE: usize = 150;
/// Commits offered beside the deploy form.
const RECENT: usize = 12;
/// How old a mirror may be before a visit fetches it: people push and look at once.
const STALE_AFTER: Duration = Duration::from_secs(60);
/// How long a person waits for a fetch, which then continues in the background.
const FETCH_PATIENCE: Duration = Duration::from_secs(8);
/// How long a request to deploy waits for the first fetch of a project that was just added.
const FIRST_FETCH_PATIENCE: Duration = Duration::from_secs(30);
/// How long a preview weighs the tree: a person waits for the page.
const WEIGHING_TIME: Duration = Duration::from_millis(300);
/// Commits and files listed in a preview; the diff page shows all.
const PREVIEW: usize = 40;

/// Fetches in the background when the mirror is stale. No reader waits for it.
pub fn refresh(app: &App, project: &Project) -> Freshness {
    let Ok(mirror) = app.mirror(project) else {
        return Freshness::default();
    };
    let mut freshness = mirror.freshness();
    let age = freshness
        .fetched_at
        .map(|at| (app.now() - at).to_std().unwrap_or_default());
    let stale = age.is_none_or(|age| age > STALE_AFTER);
    if stale && !freshness.fetching && mirror.is_due(STALE_AFTER) {
        freshness.fetching = true;
        tokio::spawn(async move {
            if let Err(error) = mirror.fetch(&CancellationToken::new()).await {
                tracing::warn!(%error, "a mirror could not be fetched");
            }
        });
    }
    freshness
}

/// The result of an explicit fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Done; so many branches and tags moved.
    Done(usize),
    /// It continues in the background.
    GoesOn,
}

/// Fetches a project's repository now, for somebody who may deploy it somewhere.
///
/// # Errors
/// Not found; forbidden; a failed fetch.
pub async fn fetch(app: &App, actor: &Actor, project: &str) -> Result<Fetched> {
    let project = viewed(app, actor, project).await?;
    let places = environments::list(&app.store, project.id).await?;
    let deployable = places
        .iter()
        .map(|environment| resource(&project, environment))
        .find(|place| app.may(actor, Action::Deploy, place));
    // If no environment allows it, the refusal is about the first one.
    let fallback = || match places.first() {
        Some(first) => (Action::Deploy, resource(&project, first)),
        None => (Action::Configure, Resource::Project(project.name.to_string())),
    };
    let (action, place) = deployable.map_or_else(fallback, |place| (Action::Deploy, place));
    let permit = app.permit(actor, action, &place).await?;
    let mirror = app.mirror(&project)?;
    let mut fetching = tokio::spawn(async move { mirror.fetch(&CancellationToken::new()).await });
    let detail = json!({ "project": project.name.as_str(), "url": project.git_url });
    let change = app.store.change(&permit, app.now()).await?;
    change
        .commit(Event::new(EventKind::CommitsFetched, detail))
        .await?;
    match tokio::time::timeout(FETCH_PATIENCE, &mut fetching).await {
        Err(_) => Ok(Fetched::GoesOn),
        Ok(done) => Ok(Fetched::Done(done.map_err(Error::internal)??)),
    }
}

/// The mirror of a project, for a request that needs its commits: the first fetch is waited for.
///
/// # Errors
/// A conflict when it takes long, and then continues in the background; a failed fetch.
pub(super) async fn ready(app: &App, project: &Project) -> Result<Mirror> {
    let mirror = app.mirror(project)?;
    if mirror.is_fetched() {
        return Ok(mirror);
    }
    let first = mirror.clone();
    let fetching = tokio::spawn(async move { first.fetch_once(&CancellationToken::new()).await });
    match tokio::time::timeout(FIRST_FETCH_PATIENCE, fetching).await {
        Err(_) => Err(Error::conflict(
            "The repository is being fetched for the first time, which takes a while. Ask again when the page shows its commits.",
        )),
        Ok(done) => {
            done.map_err(Error::internal)??;
            Ok(mirror)
        }
    }
}

/// The project of this name, for somebody who may view it.
pub(super) async fn viewed(app: &App, actor: &Actor, name: &str) -> Result<Project> {
    let project = projects::by_name(&app.store, name).await?;
    let whole = Resource::Project(project.name.to_string());
    app.permit(actor, Action::View, &whole).await?;
    Ok(project)
}

/// Which commits to list.
#[derive(Debug, Clone)]
pub struct CommitsWanted {
    /// Of this branch.
    pub branch: BranchName,
    /// With this text, by this author or with this hash; empty: all.
    pub search: String,
    /// Where the page begins; `None`: at the newest.
    pub from: Option<Cursor>,
}

/// Some commits of a branch.
#[derive(Debug, Clone, Default)]
pub struct CommitList {
    /// Newest first.
    pub commits: Vec<CommitInfo>,
    /// The beginning of the next page.
    pub next: Option<Cursor>,
    /// How many commits a search looked at.
    pub searched: Option<usize>,
    /// Those that may be deployed to the environment; `None`: all of them.
    pub proven: Option<HashSet<CommitId>>,
    /// The environment a commit has to succeed in first.
    pub first_in: Option<String>,
}

impl CommitList {
    /// Whether the promotion chain allows `commit`.
    pub fn is_proven(&self, commit: &CommitId) -> bool {
        self.proven.as_ref().is_none_or(|proven| proven.contains(commit))
    }
}

/// Commits of a branch, with the marks of one environment. The caller checked that both may be seen.
///
/// # Errors
/// Not fetched, empty, no such branch.
pub async fn list(
    app: &App,
    project: &Project,
    environment: &Environment,
    wanted: CommitsWanted,
) -> Result<CommitList> {
    let mirror = app.mirror(project)?;
    let page = match wanted.search.trim() {
        "" => mirror.commits(&wanted.branch, wanted.from, PAGE).await?,
        text => mirror.search(&wanted.branch, text, wanted.from, PAGE).await?,
    };
    let mut list = CommitList {
        commits: page.commits,
        next: page.next,
        searched: page.searched,
        ..CommitList::default()
    };
    if let Some(before) = promotion_source(app, environment).await? {
        let ids: Vec<CommitId> = list.commits.iter().map(|commit| commit.id.clone()).collect();
        list.proven = Some(proven(app, &before, &ids).await?);
        list.first_in = Some(before.name.to_string());
    }
    Ok(list)
}

/// The newest commits of an environment's branch, to choose from.
pub async fn recent(app: &App, project: &Project, branch: &BranchName) -> Result<Vec<CommitInfo>> {
    let page = app.mirror(project)?.commits(branch, None, RECENT).await?;
    Ok(page.commits)
}

/// The branches of a project, the most recent first.
pub async fn branches(app: &App, project: &Project) -> Result<Vec<BranchName>> {
    Ok(app.mirror(project)?.branches().await?)
}

/// What a commit would change on the servers that run the same commit now.
#[derive(Debug, Clone)]
pub struct CommitEffect {
    /// What they run; `None`: nothing yet.
    pub from: Option<CommitId>,
    pub servers: Vec<String>,
    /// The commits they would get.
    pub coming: Commits,
    /// How many commits it would remove.
    pub going: usize,
    /// The files that would change.
    pub files: PreviewedFiles,
}

/// The files that a deployment would change.
#[derive(Debug, Clone)]
pub enum PreviewedFiles {
    /// These.
    Known(ChangedFiles),
    /// Unknown: the running commit is no longer in the repository.
    CommitGone,
    /// They cannot be compared; the sentence says why.
    Incomparable(String),
}

impl Preview {
    /// Whether the file at `path` is not sent, as it is at an excluded or shared path.
    pub fn leaves_out(&self, path: &str) -> bool {
        self.unsent.as_ref().is_some_and(|unsent| unsent.leaves_out(path))
    }
}

impl CommitEffect {
    /// Whether the servers run it already.
    pub fn is_none(&self, commit: &CommitId) -> bool {
        self.from.as_ref() == Some(commit)
    }
}

/// What deploying a commit would change.
#[derive(Debug, Clone)]
pub struct Preview {
    pub commit: CommitInfo,
    /// Per commit that runs now.
    pub changes: Vec<CommitEffect>,
    /// What is fetched for it beside the repository; `None` where that cannot be told.
    pub prospects: Option<Prospects>,
    /// What its tree takes on a server; `None` where that cannot be told in time.
    pub size: Option<TreeSize>,
    /// Names in the repository that are not deployed, because the deployer uses them itself.
    pub reserved: Vec<String>,
    /// Its files that are not sent because of the environment's excluded and shared paths; `None` where that
    /// cannot be told.
    pub unsent: Option<Unsent>,
    /// Why it cannot be deployed there as a regular deployment.
    pub obstacle: Option<String>,
}

/// What deploying `wanted` (a hash, its first digits, a branch or a tag) would change on the
/// servers of `choice`. The caller checked that the environment may be seen.
///
/// # Errors
/// Complaints about the field `commit`; those of the mirror.
pub async fn preview(
    app: &App,
    project: &Project,
    place: &Place,
    wanted: &str,
    choice: Choice,
) -> Result<Preview> {
    let mirror = app.mirror(project)?;
    let commit = mirror.resolve(wanted).await.map_err(about_commit)?;
    let mut starts: Vec<(Option<CommitId>, Vec<String>)> = Vec::new();
    let meant = place.servers.iter().filter(|one| one.is_meant(choice));
    for one in meant.filter(|one| one.server.active) {
        let runs = one.release.as_ref().map(|release| release.commit.clone());
        let name = one.server.name.to_string();
        match starts.iter_mut().find(|(from, _)| *from == runs) {
            Some((_, servers)) => servers.push(name),
            None => starts.push((runs, vec![name])),
        }
    }
    let mut changes = Vec::new();
    for (from, servers) in starts {
        changes.push(change(&mirror, from, servers, &commit.id).await?);
    }
    let mut reserved = mirror.top_names(&commit.id).await?;
    reserved.retain(|name| is_own(name));
    let prospects = mirror.prospects(&commit.id, project.extras).await.ok();
    let (options, extras) = (&place.environment.options, project.extras);
    let (mut unsent, mut size) = (None, None);
    if let Ok(rules) = Rules::new(options, project.method) {
        unsent = files_unsent(&mirror, Unsent::new(rules.clone(), options), &commit.id).await;
        size = weigh(&mirror, rules, extras, &commit.id).await;
    }
    let obstacle = super::deployments::check_commit(app, project, &place.environment, &commit.id).await;
    Ok(Preview {
        changes,
        prospects,
        size,
        reserved,
        unsent,
        obstacle: obstacle.err().map(|error| error.message().to_owned()),
        commit,
    })
}

/// The files of a commit that are not sent to an environment. A tree that is too large for a preview is looked
/// through by the deployment, whose log says the same.
async fn files_unsent(mirror: &Mirror, unsent: Unsent, commit: &CommitId) -> Option<Unsent> {
    match unsent.is_needed() {
        true => mirror.each_file(commit, unsent, Unsent::see).await.ok(),
        false => Some(unsent),
    }
}

/// What the tree of a commit takes, without the paths that the environment excludes.
async fn weigh(mirror: &Mirror, rules: Rules, extras: Extras, commit: &CommitId) -> Option<TreeSize> {
    let what = Weighing {
        commit: commit.clone(),
        since: None,
        extras,
        time: WEIGHING_TIME,
    };
    let weighing = mirror.weigh(what, move |path, is_directory| rules.is_sent(path, is_directory));
    weighing.await.ok()
}

async fn change(
    mirror: &Mirror,
    from: Option<CommitId>,
    servers: Vec<String>,
    to: &CommitId,
) -> Result<CommitEffect> {
    let known = match &from {
        Some(from) => mirror.commit(from).await.is_ok(),
        None => true,
    };
    if !known {
        let coming = Commits {
            commits: Vec::new(),
            more: false,
        };
        return Ok(CommitEffect {
            from,
            servers,
            coming,
            going: 0,
            files: PreviewedFiles::CommitGone,
        });
    }
    let going = match &from {
        Some(from) => mirror.ahead_behind(from, to).await?.0,
        None => 0,
    };
    Ok(CommitEffect {
        coming: mirror.between(from.as_ref(), to, PREVIEW).await?,
        files: match mirror.changed_files(from.as_ref(), to, PREVIEW).await {
            Ok(files) => PreviewedFiles::Known(files),
            Err(error @ (Git::TooMuchToCompare | Git::BadEntry { .. })) => {
                PreviewedFiles::Incomparable(error.to_string())
            }
            Err(error) => return Err(error.into()),
        },
        from,
        servers,
        going,
    })
}

/// An error about a commit that somebody typed belongs beside its field.
pub(super) fn about_commit(error: crate::git::Error) -> Error {
    match error {
        Git::NotFound(_) | Git::NoBranch(_) | Git::Ambiguous(_) | Git::Vanished(_) | Git::Invalid(_) => {
            Error::field("commit", error.to_string())
        }
        error => Error::from(error),
    }
}
