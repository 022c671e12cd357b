//! Locks on the pages that show them: the form of a new one, those in force, and lifting one.

use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use crate::app::locks::{self, LockView, NewLock};
use crate::domain::{Error, ErrorKind, LockId, Resource, Result};
use crate::web::flash::Flash;
use crate::web::forms::{self, Complaints};
use crate::web::frame::go_to;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The form of a lock, as typed, and what is wrong with it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct LockForm {
    pub reason: String,
    pub ends_at: String,
    #[serde(skip)]
    pub complaints: Complaints,
}

impl LockForm {
    /// The lock it asks for.
    ///
    /// # Errors
    /// A complaint about `ends_at`.
    pub fn wanted(&self, over: Resource) -> Result<NewLock> {
        Ok(NewLock {
            over,
            reason: self.reason.clone(),
            ends_at: forms::instant("ends_at", &self.ends_at)?,
        })
    }

    /// The same with its complaints, if a person can correct them.
    ///
    /// # Errors
    /// The error itself otherwise.
    pub fn complaining(self, error: Error) -> Result<Self> {
        if error.kind() != ErrorKind::Invalid {
            return Err(error);
        }
        let complaints = Complaints::of_error(&error);
        Ok(Self { complaints, ..self })
    }
}

/// The page that a lock is lifted from.
#[derive(Deserialize)]
pub struct Back {
    #[serde(default)]
    next: String,
}

/// `POST /locks/{id}/lift`
#[handler]
pub async fn lift(visitor: Visitor, Path(id): Path<LockId>, Form(back): Form<Back>) -> Result<Response> {
    locks::lift(visitor.app(), visitor.actor(), id).await?;
    visitor.flash(Flash::done("Lock lifted.")).await?;
    Ok(go_to(urls::local_or_overview(&back.next)))
}

/// A lock in force, as a page shows it.
#[derive(Debug, Clone)]
pub struct LockLine {
    pub view: LockView,
    /// What it locks, in words.
    pub over: String,
    pub lift: String,
}

impl From<LockView> for LockLine {
    fn from(view: LockView) -> Self {
        Self {
            over: match &view.over {
                Resource::Everything => "everything".to_owned(),
                Resource::Project(project) => format!("all of {project}"),
                Resource::Environment(project, environment) => format!("{project}/{environment}"),
            },
            lift: urls::lift_lock(view.lock.id),
            view,
        }
    }
}

/// The locks that `covers` accepts, for a page.
///
/// # Errors
/// Of the store.
pub async fn lines(visitor: &Visitor, covers: impl Fn(&LockView) -> bool) -> Result<Vec<LockLine>> {
    let all = locks::list(visitor.app(), visitor.actor()).await?;
    Ok(all.into_iter().filter(covers).map(LockLine::from).collect())
}
