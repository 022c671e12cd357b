//! Locks: stops to deployments, made by people.

use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::Part;
use crate::app::locks::{self, LockView, NewLock};
use crate::domain::{Error, Instant, Lock, LockId, Resource};
use crate::web::api::reply::{Created, JsonReply, List, NoContent, api_path};
use crate::web::visitor::Visitor;

/// A lock in force.
#[derive(Object)]
#[oai(rename = "Lock", skip_serializing_if_is_none)]
pub struct LockDto {
    id: i64,
    /// `everything`, a project, or `project/environment`.
    over: String,
    reason: String,
    author: String,
    created_at: Instant,
    /// Absent: it has to be lifted.
    ends_at: Option<Instant>,
    may_lift: bool,
}

impl LockDto {
    pub fn new(lock: &Lock, over: &Resource, may_lift: bool) -> Self {
        Self {
            id: lock.id.0,
            over: over.to_string(),
            reason: lock.reason.clone(),
            author: lock.author.clone(),
            created_at: lock.created_at,
            ends_at: lock.ends_at,
            may_lift,
        }
    }
}

impl From<&LockView> for LockDto {
    fn from(view: &LockView) -> Self {
        Self::new(&view.lock, &view.over, view.may_lift)
    }
}

/// A lock to be made.
#[derive(Object)]
#[oai(rename = "NewLock", deny_unknown_fields)]
struct NewLockDto {
    /// Absent: everything is locked.
    project: Option<String>,
    /// Absent: all environments of the project.
    environment: Option<String>,
    reason: String,
    /// Absent: it has to be lifted.
    ends_at: Option<Instant>,
}

impl NewLockDto {
    fn read(self) -> Result<NewLock, Error> {
        let over = match (self.project, self.environment) {
            (None, None) => Resource::Everything,
            (Some(project), None) => Resource::Project(project),
            (Some(project), Some(environment)) => Resource::Environment(project, environment),
            (None, Some(_)) => return Err(Error::field("project", "Name the project of the environment.")),
        };
        Ok(NewLock {
            over,
            reason: self.reason,
            ends_at: self.ends_at,
        })
    }
}

/// Listing, making and lifting locks.
pub struct LocksApi;

#[OpenApi(prefix_path = "/locks", tag = "Part::Access")]
impl LocksApi {
    /// List the locks in force, oldest first
    #[oai(path = "/", method = "get", operation_id = "listLocks")]
    async fn list(&self, visitor: Visitor) -> poem::Result<JsonReply<List<LockDto>>> {
        let found = locks::list(visitor.app(), visitor.actor()).await?;
        Ok(JsonReply::all(found.iter().map(LockDto::from)))
    }

    /// Lock an environment, a project or everything
    #[oai(path = "/", method = "post", operation_id = "createLock")]
    async fn create(&self, visitor: Visitor, lock: Json<NewLockDto>) -> poem::Result<Created<LockDto>> {
        let (app, actor) = (visitor.app(), visitor.actor());
        let id = locks::create(app, actor, lock.0.read()?).await?;
        let made = locks::list(app, actor).await?;
        let made = made.iter().find(|one| one.lock.id == id);
        let made = made.ok_or_else(|| Error::conflict("The lock was lifted at once by somebody else."))?;
        Ok(Created::new(LockDto::from(made)).at(api_path(&["locks", &id.to_string()])))
    }

    /// Lift a lock
    #[oai(path = "/:lock", method = "delete", operation_id = "liftLock")]
    async fn lift(&self, visitor: Visitor, lock: Path<i64>) -> poem::Result<NoContent> {
        locks::lift(visitor.app(), visitor.actor(), LockId(lock.0)).await?;
        Ok(NoContent)
    }
}
