//! Projects as those see them who may view them.

pub mod settings;

use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};

use super::Part;
use crate::app::commits::{self, Fetched};
use crate::app::comparison::{self, Comparison};
use crate::app::overview;
use crate::app::places::{self, Place};
use crate::domain::{Instant, Project};
use crate::git::{DiffOptions, FileDiff, Freshness};
use crate::web::api::reply::{JsonReply, List};
use crate::web::api::shapes::{CommitDto, MethodWord};
use crate::web::api::words::Word;
use crate::web::visitor::Visitor;

/// A project in a list.
#[derive(Object)]
#[oai(rename = "ProjectSummary")]
struct ProjectSummaryDto {
    name: String,
    description: String,
    /// In the order of the promotion chain.
    environments: Vec<EnvironmentSummaryDto>,
}

/// An environment in a list.
#[derive(Object)]
#[oai(rename = "EnvironmentSummary", skip_serializing_if_is_none)]
pub struct EnvironmentSummaryDto {
    name: String,
    branch: String,
    /// The commit that most of its servers run.
    runs: Option<String>,
    /// Whether its servers run different commits.
    is_mixed: bool,
    /// How many active servers it has.
    servers: usize,
    is_locked: bool,
    /// Deployments that run or wait.
    open: Vec<i64>,
    last_deployment: Option<i64>,
}

impl From<&Place> for EnvironmentSummaryDto {
    fn from(place: &Place) -> Self {
        Self {
            name: place.environment.name.to_string(),
            branch: place.environment.branch.to_string(),
            runs: place.current().map(|run| run.commit.to_string()),
            is_mixed: place.is_mixed(),
            servers: place.active(),
            is_locked: place.lock.is_some(),
            open: place.open.iter().map(|one| one.deployment.id.0).collect(),
            last_deployment: place.last.as_ref().map(|last| last.id.0),
        }
    }
}

/// A Git repository that is deployed.
#[derive(Object)]
#[oai(rename = "Project", skip_serializing_if_is_none)]
pub struct ProjectDto {
    name: String,
    description: String,
    git_url: String,
    method: MethodWord,
    /// Whether files in Git LFS are fetched.
    lfs: bool,
    /// Whether submodules are fetched.
    submodules: bool,
    /// The file name of the private key to fetch with, where one is named.
    key: Option<String>,
}

impl From<&Project> for ProjectDto {
    fn from(project: &Project) -> Self {
        Self {
            name: project.name.to_string(),
            description: project.description.clone(),
            git_url: project.git_url.clone(),
            method: Word(project.method),
            lfs: project.extras.lfs,
            submodules: project.extras.submodules,
            key: project.key.as_ref().map(ToString::to_string),
        }
    }
}

/// A project with its environments.
#[derive(Object)]
#[oai(rename = "ProjectView")]
struct ProjectViewDto {
    project: ProjectDto,
    environments: Vec<EnvironmentSummaryDto>,
    repository: FreshnessDto,
    may_fetch: bool,
    may_configure: bool,
}

/// How new the deployer's copy of a repository is.
#[derive(Object)]
#[oai(rename = "Freshness", skip_serializing_if_is_none)]
struct FreshnessDto {
    fetched_at: Option<Instant>,
    /// Whether it is being fetched.
    fetching: bool,
    /// Why the last fetch failed.
    failure: Option<String>,
}

impl From<Freshness> for FreshnessDto {
    fn from(freshness: Freshness) -> Self {
        Self {
            fetched_at: freshness.fetched_at,
            fetching: freshness.fetching,
            failure: freshness.failure,
        }
    }
}

/// What came of a fetch.
#[derive(Object)]
#[oai(rename = "FetchOutcome", skip_serializing_if_is_none)]
struct FetchOutcomeDto {
    /// Whether it is done; otherwise it continues in the background.
    done: bool,
    /// How many branches and tags moved.
    moved: Option<usize>,
}

/// Two commits compared.
#[derive(Object)]
#[oai(rename = "Comparison", skip_serializing_if_is_none)]
struct ComparisonDto {
    /// Absent: compared with nothing.
    from: Option<CommitDto>,
    to: CommitDto,
    /// The newest commits that `to` has and `from` has not.
    coming: Vec<CommitDto>,
    /// The newest commits that `from` has and `to` has not.
    going: Vec<CommitDto>,
    /// Whether there are more commits than are listed.
    more_commits: bool,
    /// How many files differ.
    files_total: usize,
    additions: usize,
    deletions: usize,
    /// The first of the files that differ.
    files: Vec<ChangedFileDto>,
}

/// A file that differs.
#[derive(Object)]
#[oai(rename = "ChangedFile", skip_serializing_if_is_none)]
struct ChangedFileDto {
    path: String,
    /// Its path before, where that is another one.
    old_path: Option<String>,
    /// `added`, `deleted`, `modified`, `renamed` …
    status: String,
    additions: usize,
    deletions: usize,
    /// Whether it is compared as a whole, and not by lines.
    binary: bool,
}

impl From<&FileDiff> for ChangedFileDto {
    fn from(file: &FileDiff) -> Self {
        Self {
            path: file.change.path.clone(),
            old_path: file.change.old_path.clone(),
            status: file.change.status.as_str().to_owned(),
            additions: file.additions,
            deletions: file.deletions,
            binary: file.binary,
        }
    }
}

impl From<&Comparison> for ComparisonDto {
    fn from(compared: &Comparison) -> Self {
        let commits = |commits: &crate::git::Commits| commits.commits.iter().map(CommitDto::from).collect();
        Self {
            from: compared.from.as_ref().map(CommitDto::from),
            to: (&compared.to).into(),
            coming: commits(&compared.coming),
            going: commits(&compared.going),
            more_commits: compared.coming.more || compared.going.more,
            files_total: compared.diff.files_total,
            additions: compared.diff.additions,
            deletions: compared.diff.deletions,
            files: compared.diff.files.iter().map(ChangedFileDto::from).collect(),
        }
    }
}

/// Reading projects and their repositories.
pub struct ProjectsApi;

#[OpenApi(tag = "Part::Projects")]
impl ProjectsApi {
    /// List the projects that you may see
    #[oai(path = "/projects", method = "get", operation_id = "listProjects")]
    async fn list(&self, visitor: Visitor) -> poem::Result<JsonReply<List<ProjectSummaryDto>>> {
        let found = overview::overview(visitor.app(), visitor.actor()).await?;
        Ok(JsonReply::all(found.rows.iter().map(|row| ProjectSummaryDto {
            name: row.project.name.to_string(),
            description: row.project.description.clone(),
            environments: row.places.iter().map(EnvironmentSummaryDto::from).collect(),
        })))
    }

    /// Show a project and its environments
    #[oai(path = "/projects/:project", method = "get", operation_id = "showProject")]
    async fn show(&self, visitor: Visitor, project: Path<String>) -> poem::Result<JsonReply<ProjectViewDto>> {
        let app = visitor.app();
        let view = places::project(app, visitor.actor(), &project).await?;
        Ok(JsonReply::new(ProjectViewDto {
            project: (&view.project).into(),
            environments: view.places.iter().map(EnvironmentSummaryDto::from).collect(),
            repository: commits::refresh(app, &view.project).into(),
            may_fetch: view.may_fetch,
            may_configure: view.may_configure,
        }))
    }

    /// List the branches of a project
    ///
    /// The one with the newest commit comes first.
    #[oai(
        path = "/projects/:project/branches",
        method = "get",
        operation_id = "listBranches"
    )]
    async fn branches(
        &self,
        visitor: Visitor,
        project: Path<String>,
    ) -> poem::Result<JsonReply<List<String>>> {
        let view = places::project(visitor.app(), visitor.actor(), &project).await?;
        let names = commits::branches(visitor.app(), &view.project).await?;
        Ok(JsonReply::all(names.iter().map(ToString::to_string)))
    }

    /// Fetch the repository of a project now
    #[oai(
        path = "/projects/:project/fetch",
        method = "post",
        operation_id = "fetchProject"
    )]
    async fn fetch(
        &self,
        visitor: Visitor,
        project: Path<String>,
    ) -> poem::Result<JsonReply<FetchOutcomeDto>> {
        let fetched = commits::fetch(visitor.app(), visitor.actor(), &project).await?;
        Ok(JsonReply::new(match fetched {
            Fetched::Done(moved) => FetchOutcomeDto {
                done: true,
                moved: Some(moved),
            },
            Fetched::GoesOn => FetchOutcomeDto {
                done: false,
                moved: None,
            },
        }))
    }

    /// Compare two commits
    ///
    /// Each is a hash, its first digits, a branch or a tag. Without `from`, everything in `to` is new.
    #[oai(
        path = "/projects/:project/diff",
        method = "get",
        operation_id = "compareCommits"
    )]
    async fn compare(
        &self,
        visitor: Visitor,
        project: Path<String>,
        from: Query<Option<String>>,
        to: Query<String>,
    ) -> poem::Result<JsonReply<ComparisonDto>> {
        let ends = (from.0.as_deref().unwrap_or_default(), to.0.as_str());
        let options = DiffOptions::default();
        let compared = comparison::compare(visitor.app(), visitor.actor(), &project, ends, options).await?;
        Ok(JsonReply::new((&compared).into()))
    }
}
