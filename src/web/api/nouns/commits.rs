//! The commits that an environment can get.

use std::fmt::Display;

use poem_openapi::param::{Path, Query};
use poem_openapi::{Object, OpenApi};

use super::Part;
use crate::app::commits::{CommitsWanted, list};
use crate::app::places;
use crate::domain::{BranchName, Error};
use crate::git::Cursor;
use crate::web::api::cursor::{CursorScope, bad_cursor};
use crate::web::api::reply::{JsonReply, List};
use crate::web::api::shapes::CommitDto;
use crate::web::visitor::Visitor;

/// A commit, and whether it can be deployed to the environment.
#[derive(Object)]
#[oai(rename = "EnvironmentCommit", skip_serializing_if_is_none)]
struct EnvironmentCommitDto {
    commit: CommitDto,
    deployable: bool,
    /// Why it is not.
    obstacle: Option<String>,
    /// Whether most servers of the environment run it.
    is_current: bool,
}

/// What can be deployed.
pub struct CommitsApi;

#[OpenApi(tag = "Part::Environments")]
impl CommitsApi {
    /// List the commits of a branch, newest first
    ///
    /// Each tells whether it can be deployed to the environment, and why not.
    #[oai(
        path = "/projects/:project/environments/:environment/commits",
        method = "get",
        operation_id = "listCommits"
    )]
    async fn list(
        &self,
        visitor: Visitor,
        project: Path<String>,
        environment: Path<String>,
        /// Another branch than the environment's.
        branch: Query<Option<String>>,
        /// Commits with this text, by this author or with this hash.
        search: Query<Option<String>>,
        cursor: Query<Option<String>>,
    ) -> poem::Result<JsonReply<List<EnvironmentCommitDto>>> {
        let (app, actor) = (visitor.app(), visitor.actor());
        let view = places::environment(app, actor, &project, &environment).await?;
        let own = &view.place.environment;
        let branch: BranchName = match branch.0 {
            None => own.branch.clone(),
            Some(name) => name
                .parse()
                .map_err(|message: String| Error::field("branch", message))?,
        };
        let search = search.0.unwrap_or_default();
        let listing = CursorScope::new("commits", &(own.id, branch.as_str(), &search));
        let from = listing.place(cursor.0.as_deref())?;
        let from = from.map(|place| place.parse::<Cursor>().map_err(|_| bad_cursor()));
        let is_foreign = branch != own.branch;
        let wanted = CommitsWanted {
            branch,
            search,
            from: from.transpose()?,
        };
        let found = list(app, &view.project, own, wanted).await?;
        let obstacle = |commit: &crate::git::CommitInfo| match &found.first_in {
            _ if is_foreign => Some(format!("Not on {}, which {} deploys.", own.branch, own.name)),
            Some(first) if !found.is_proven(&commit.id) => {
                Some(format!("Not yet deployed to {first} successfully."))
            }
            _ => None,
        };
        let items = found.commits.iter().map(|commit| {
            let obstacle = obstacle(commit);
            EnvironmentCommitDto {
                commit: commit.into(),
                deployable: obstacle.is_none(),
                obstacle,
                is_current: view.place.current_is(&commit.id),
            }
        });
        let next = found.next.as_ref().map(|cursor| cursor as &dyn Display);
        Ok(listing.page(&visitor, items.collect(), next))
    }
}
