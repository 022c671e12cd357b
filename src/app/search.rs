//! Search over everything that somebody may see: projects, environments, servers, deployments,
//! commits, people.
//!
//! What grows without end is searched from its newest part only, and repositories only for as long as
//! a person waits for an answer.

use std::time::{Duration, Instant as Stopwatch};

use super::App;
use super::history::{self, Visible};
use super::naming::resource;
use super::places::{Known, Place};
use crate::domain::{
    Action, Actor, BranchName, Deployment, DeploymentId, Error, ErrorKind, Project, Resource, Result, Server,
    ServerId,
};
use crate::git::CommitInfo;
use crate::store::{Page, PastFilter, deployments, environments, projects, servers, users};

/// Newest deployments whose commits and people are searched.
pub const DEPLOYMENTS: u64 = 300;
/// Newest commits of a branch that are searched.
pub const COMMITS: usize = 200;
/// How long repositories are searched: what is not found by then is missing from the answer.
const GIT_TIME: Duration = Duration::from_millis(300);
/// The fewest letters that are searched for; fewer would find everything.
pub const SHORTEST: usize = 2;
/// The fewest digits by which a commit is searched.
const COMMIT_DIGITS: usize = 4;

/// What a search found, group by group.
#[derive(Debug, Default)]
pub struct SearchResults {
    pub projects: Hits<Project>,
    pub environments: Hits<FoundEnvironment>,
    pub servers: Hits<FoundServer>,
    pub deployments: Hits<Deployment>,
    pub commits: Hits<FoundCommit>,
    pub people: Hits<FoundPerson>,
    /// Whether repositories were left out for want of time.
    pub is_cut_short: bool,
}

/// The first finds of a kind.
#[derive(Debug)]
pub struct Hits<T> {
    pub items: Vec<T>,
    /// Whether there are more.
    pub more: bool,
}

impl<T> Default for Hits<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            more: false,
        }
    }
}

impl<T> Hits<T> {
    fn first(all: impl IntoIterator<Item = T>, limit: usize) -> Self {
        let mut items: Vec<T> = all.into_iter().take(limit + 1).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        Self { items, more }
    }
}

/// An environment, and why it was found.
#[derive(Debug)]
pub struct FoundEnvironment {
    pub project: String,
    pub environment: String,
    /// The commit it runs, where that was searched for.
    pub runs: Option<String>,
}

/// A server, and where it is used.
#[derive(Debug)]
pub struct FoundServer {
    pub name: String,
    /// Its page in the configuration, for whoever may see that.
    pub id: Option<ServerId>,
    /// Environments on it that the searcher may see: project and environment.
    pub places: Vec<(String, String)>,
}

/// A commit of a repository.
#[derive(Debug)]
pub struct FoundCommit {
    pub project: String,
    pub environment: String,
    pub branch: BranchName,
    pub commit: CommitInfo,
}

/// Somebody with an account, or who requested a deployment that the searcher may see.
#[derive(Debug)]
pub struct FoundPerson {
    pub name: String,
    /// For people; may be empty.
    pub title: String,
    /// Whether the searcher may see the account.
    pub has_page: bool,
}

/// What is searched for.
struct Needle {
    /// In small letters.
    text: String,
    /// The first digits of a commit.
    commit: Option<String>,
    number: Option<DeploymentId>,
}

impl Needle {
    /// `None` when there is too little to search for.
    fn of(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let number = text.strip_prefix('#').unwrap_or(&text).parse().ok();
        let is_hash = text.len() >= COMMIT_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let long_enough = text.chars().count() >= SHORTEST || number.is_some();
        long_enough.then(|| Self {
            commit: is_hash.then(|| text.clone()),
            number,
            text,
        })
    }

    fn is_in(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.text)
    }

    fn begins(&self, commit: &str) -> bool {
        self.commit
            .as_ref()
            .is_some_and(|digits| commit.starts_with(digits.as_str()))
    }
}

/// Whether `text` is enough to search for.
pub fn is_enough(text: &str) -> bool {
    Needle::of(text).is_some()
}

/// At most `limit` finds of each kind for `text`, among what `actor` may see.
///
/// # Errors
/// Of the store.
pub async fn search(app: &App, actor: &Actor, text: &str, limit: usize) -> Result<SearchResults> {
    let Some(needle) = Needle::of(text) else {
        return Ok(SearchResults::default());
    };
    let projects = projects::list(&app.store).await?;
    let places = places(app, actor, &projects).await?;
    let visible = history::viewable(app, actor).await?;
    let filter = PastFilter::default();
    let newest = history::within(app, &visible, &filter, Page::Newest, DEPLOYMENTS)
        .await?
        .page
        .items;
    let (commits, is_cut_short) = commits(app, &places, &needle, limit).await;
    Ok(SearchResults {
        projects: found_projects(app, actor, projects, (&places, &needle), limit),
        environments: Hits::first(
            places.iter().filter_map(|place| environment(place, &needle)),
            limit,
        ),
        servers: found_servers(app, actor, &places, &needle, limit).await?,
        deployments: found_deployments(app, &visible, &newest, &needle, limit).await?,
        people: people(app, actor, &newest, &needle, limit).await?,
        commits,
        is_cut_short,
    })
}

/// The environments that `actor` may see, each with its project.
async fn places(app: &App, actor: &Actor, projects: &[Project]) -> Result<Vec<(Project, Place)>> {
    let mut known = Known::of_all(app).await?;
    let mut places = Vec::new();
    for environment in environments::all(&app.store).await? {
        let Some(project) = projects.iter().find(|one| one.id == environment.project_id) else {
            continue;
        };
        if app.may(actor, Action::View, &resource(project, &environment)) {
            places.push((project.clone(), known.place(environment)));
        }
    }
    places.sort_by(|(one, _), (other, _)| one.name.as_str().cmp(other.name.as_str()));
    Ok(places)
}

fn found_projects(
    app: &App,
    actor: &Actor,
    projects: Vec<Project>,
    (places, needle): (&[(Project, Place)], &Needle),
    limit: usize,
) -> Hits<Project> {
    let sees = |project: &Project| {
        places.iter().any(|(one, _)| one.id == project.id)
            || app.may(
                actor,
                Action::Configure,
                &Resource::Project(project.name.to_string()),
            )
    };
    let found = projects.into_iter().filter(|project| {
        (needle.is_in(project.name.as_str()) || needle.is_in(&project.description)) && sees(project)
    });
    Hits::first(found, limit)
}

fn environment((project, place): &(Project, Place), needle: &Needle) -> Option<FoundEnvironment> {
    let name = place.environment.name.as_str();
    let runs = place.runs.iter().find(|run| needle.begins(run.commit.as_str()));
    let full = format!("{}/{name}", project.name);
    (needle.is_in(&full) || runs.is_some()).then(|| FoundEnvironment {
        project: project.name.to_string(),
        environment: name.to_owned(),
        runs: runs.map(|run| run.commit.short().to_owned()),
    })
}

async fn found_servers(
    app: &App,
    actor: &Actor,
    places: &[(Project, Place)],
    needle: &Needle,
    limit: usize,
) -> Result<Hits<FoundServer>> {
    let configures = app.may(actor, Action::Configure, &Resource::Everything);
    let on = |server: &Server| -> Vec<(String, String)> {
        let holds = |place: &Place| place.servers.iter().any(|one| one.server.id == server.id);
        let own = places.iter().filter(|(_, place)| holds(place));
        own.map(|(project, place)| (project.name.to_string(), place.environment.name.to_string()))
            .collect()
    };
    let found = servers::list(&app.store).await?.into_iter().filter_map(|server| {
        // An address is told to those who configure only.
        let fits = needle.is_in(server.name.as_str()) || (configures && needle.is_in(&server.address));
        let places = if fits { on(&server) } else { Vec::new() };
        (fits && (configures || !places.is_empty())).then(|| FoundServer {
            name: server.name.to_string(),
            id: configures.then_some(server.id),
            places,
        })
    });
    Ok(Hits::first(found, limit))
}

async fn found_deployments(
    app: &App,
    visible: &Visible,
    newest: &[Deployment],
    needle: &Needle,
    limit: usize,
) -> Result<Hits<Deployment>> {
    let mut found = Vec::new();
    if let Some(id) = needle.number {
        match deployments::by_id(&app.store, id).await {
            Ok(one) if visible.shows(&one) => {
                found.push(one);
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let fits = |one: &&Deployment| {
        Some(one.id) != needle.number
            && (needle.is_in(&one.commit_title) || needle.begins(one.commit.as_str()))
    };
    found.extend(newest.iter().filter(fits).take(limit + 1).cloned());
    Ok(Hits::first(found, limit))
}

/// Commits of the branches that visible environments deploy, and whether time ran out.
async fn commits(
    app: &App,
    places: &[(Project, Place)],
    needle: &Needle,
    limit: usize,
) -> (Hits<FoundCommit>, bool) {
    let end = Stopwatch::now() + GIT_TIME;
    let mut found: Vec<FoundCommit> = Vec::new();
    let mut seen: Vec<(i64, &BranchName)> = Vec::new();
    for (project, place) in places {
        let branch = &place.environment.branch;
        if seen.contains(&(project.id.0, branch)) {
            continue;
        }
        seen.push((project.id.0, branch));
        let left = end.saturating_duration_since(Stopwatch::now());
        let searched = tokio::time::timeout(left, in_branch(app, project, branch, needle));
        let Ok(commits) = searched.await else {
            return (Hits::first(found, limit), true);
        };
        for commit in commits.unwrap_or_default() {
            if found
                .iter()
                .any(|one| one.project == project.name.as_str() && one.commit.id == commit.id)
            {
                continue;
            }
            found.push(FoundCommit {
                project: project.name.to_string(),
                environment: place.environment.name.to_string(),
                branch: branch.clone(),
                commit,
            });
        }
        if found.len() > limit {
            break;
        }
    }
    (Hits::first(found, limit), false)
}

/// Those of the newest commits of a branch that `needle` finds; a repository that cannot be read has
/// none.
async fn in_branch(
    app: &App,
    project: &Project,
    branch: &BranchName,
    needle: &Needle,
) -> Result<Vec<CommitInfo>, Error> {
    let page = app.mirror(project)?.commits(branch, None, COMMITS).await?;
    let fits = |commit: &CommitInfo| {
        needle.is_in(&commit.title) || needle.is_in(&commit.author) || needle.begins(commit.id.as_str())
    };
    Ok(page.commits.into_iter().filter(fits).collect())
}

async fn people(
    app: &App,
    actor: &Actor,
    newest: &[Deployment],
    needle: &Needle,
    limit: usize,
) -> Result<Hits<FoundPerson>> {
    let mut found: Vec<FoundPerson> = Vec::new();
    if app.may(actor, Action::Administer, &Resource::Everything) {
        let all = users::list(&app.store).await?.into_iter();
        let fits = all.filter(|user| {
            [user.name.as_str(), &user.display_name, &user.email]
                .into_iter()
                .any(|text| needle.is_in(text))
        });
        found.extend(fits.map(|user| FoundPerson {
            name: user.name.to_string(),
            title: user.display_name,
            has_page: true,
        }));
    }
    for name in newest
        .iter()
        .map(|one| &one.actor)
        .filter(|name| needle.is_in(name))
    {
        if !found.iter().any(|person| person.name == *name) {
            found.push(FoundPerson {
                name: name.clone(),
                title: String::new(),
                has_page: false,
            });
        }
    }
    Ok(Hits::first(found, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_enough_and_one_letter_is_not() {
        for enough in ["7", "#7", "ab", " ab "] {
            assert!(is_enough(enough), "{enough}");
        }
        for little in ["", " ", "a", "#", "é"] {
            assert!(!is_enough(little), "{little}");
        }
    }

    #[test]
    fn commits_are_found_by_their_first_digits_only() {
        let needle = Needle::of("BEEF").unwrap();
        assert!(needle.begins("beef01") && !needle.begins("01beef"));
        assert!(!Needle::of("bee").unwrap().begins("bee0"));
        assert!(!Needle::of("been").unwrap().begins("been"));
    }
}
