//! The commits of a branch: where each runs, and whether it can be deployed.

use serde::Deserialize;

use crate::app::App;
use crate::app::commits::{CommitList, CommitsWanted, branches, list};
use crate::app::naming::resource;
use crate::app::places::{Place, ProjectView};
use crate::domain::{Action, Actor, BranchName, ErrorKind, Result};
use crate::git::CommitInfo;
use crate::web::urls;

/// Which commits are shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CommitsQuery {
    env: String,
    branch: String,
    q: String,
    from: String,
}

/// What the page shows of commits.
#[derive(Default)]
pub struct CommitsView {
    /// The environment that the marks refer to.
    pub environment: String,
    pub branch: String,
    pub search: String,
    /// One per environment: its name, this list for it, whether it is the one shown.
    pub tabs: Vec<(String, String, bool)>,
    pub branches: Vec<String>,
    pub rows: Vec<CommitView>,
    /// Where older ones are; empty at the end.
    pub older: String,
    /// The first page, when this is not it.
    pub newest: String,
    /// How many commits were searched.
    pub searched: Option<usize>,
    /// Why there are none.
    pub trouble: String,
    /// Whether the visitor may deploy to the environment.
    pub may_deploy: bool,
    /// Whether the branch is not the environment's own, so that nothing of it can be deployed.
    pub foreign: bool,
}

/// One commit in the list.
pub struct CommitView {
    pub commit: CommitInfo,
    /// The message below its first line; empty when there is no more.
    pub body: String,
    /// Environments that run it, each with its address.
    pub on: Vec<(String, String)>,
    /// Whether the chosen environment runs it.
    pub current: bool,
    /// Why it cannot be deployed to the chosen environment; empty when it can.
    pub obstacle: String,
    pub deploy: String,
    /// Compared with what the chosen environment runs; empty when that is nothing.
    pub diff: String,
}

/// The commits to show; `None` when the project has no environments.
pub async fn commits(
    app: &App,
    actor: &Actor,
    view: &ProjectView,
    wanted: &CommitsQuery,
) -> Result<Option<CommitsView>> {
    let named = |place: &&Place| place.environment.name.as_str() == wanted.env;
    let Some(place) = view.places.iter().find(named).or(view.places.first()) else {
        return Ok(None);
    };
    let (project, environment) = (view.project.name.as_str(), &place.environment);
    let name = environment.name.to_string();
    let own = environment.branch.as_str();
    let branch = if wanted.branch.is_empty() {
        own
    } else {
        &wanted.branch
    };
    let mut shown = CommitsView {
        tabs: tabs(view, &name),
        environment: name.clone(),
        foreign: branch != own,
        may_deploy: app.may(actor, Action::Deploy, &resource(&view.project, environment)),
        branch: branch.to_owned(),
        search: wanted.q.clone(),
        branches: branch_names(app, view, branch).await,
        ..CommitsView::default()
    };
    let found = match read(app, view, place, branch, wanted).await {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
        Err(error) => {
            shown.trouble = error.message().to_owned();
            return Ok(Some(shown));
        }
    };
    let next = found.next.as_ref().map(ToString::to_string).unwrap_or_default();
    if !next.is_empty() {
        shown.older = urls::commits(project, &name, &wanted.branch, &wanted.q, &next);
    }
    if !wanted.from.is_empty() {
        shown.newest = urls::commits(project, &name, &wanted.branch, &wanted.q, "");
    }
    shown.searched = found.searched;
    let obstacle = |commit: &CommitInfo| match &found.first_in {
        _ if shown.foreign => format!("Not on {own}, which {name} deploys"),
        Some(first) if !found.is_proven(&commit.id) => format!("Not yet deployed to {first} successfully"),
        _ => String::new(),
    };
    shown.rows = found
        .commits
        .iter()
        .map(|commit| row(view, place, commit, obstacle(commit)))
        .collect();
    Ok(Some(shown))
}

/// All branches, `shown` among them even when there is none of that name.
async fn branch_names(app: &App, view: &ProjectView, shown: &str) -> Vec<String> {
    let known = branches(app, &view.project).await.unwrap_or_default();
    let mut names: Vec<String> = known.iter().map(ToString::to_string).collect();
    if !names.iter().any(|known| known == shown) {
        names.insert(0, shown.to_owned());
    }
    names
}

async fn read(
    app: &App,
    view: &ProjectView,
    place: &Place,
    branch: &str,
    wanted: &CommitsQuery,
) -> Result<CommitList> {
    let parsed = |why: String| crate::domain::Error::invalid(why);
    let branch: BranchName = branch.parse().map_err(parsed)?;
    let from = match wanted.from.as_str() {
        "" => None,
        cursor => Some(cursor.parse().map_err(parsed)?),
    };
    let wanted = CommitsWanted {
        branch,
        search: wanted.q.clone(),
        from,
    };
    list(app, &view.project, &place.environment, wanted).await
}

fn tabs(view: &ProjectView, shown: &str) -> Vec<(String, String, bool)> {
    let project = view.project.name.as_str();
    let tab = |place: &Place| {
        let name = place.environment.name.as_str();
        let url = format!("{}#commits", urls::commits(project, name, "", "", ""));
        (name.to_owned(), url, name == shown)
    };
    view.places.iter().map(tab).collect()
}

fn row(view: &ProjectView, place: &Place, commit: &CommitInfo, obstacle: String) -> CommitView {
    let (project, hash) = (view.project.name.as_str(), commit.id.as_str());
    let runs = |place: &&Place| place.runs.iter().any(|run| run.commit == commit.id);
    let on = view.places.iter().filter(runs).map(|place| {
        let name = place.environment.name.as_str();
        (name.to_owned(), urls::environment(project, name))
    });
    let current = place.current().map(|run| run.commit.as_str());
    let body = commit.message.strip_prefix(&commit.title).unwrap_or_default();
    CommitView {
        body: body.trim().to_owned(),
        on: on.collect(),
        current: current == Some(hash),
        obstacle,
        deploy: urls::deploy_form(project, place.environment.name.as_str(), hash, "", ""),
        diff: current.map_or(String::new(), |current| urls::diff(project, current, hash)),
        commit: commit.clone(),
    }
}
