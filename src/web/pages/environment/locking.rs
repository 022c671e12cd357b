//! Locking an environment and lifting a lock, from the pages that show it.

use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use super::terms::time;
use crate::app::locks::{self, LockView, NewLock};
use crate::domain::{Error, ErrorKind, LockId, Resource, Result};
use crate::web::flash::Flash;
use crate::web::forms::Complaints;
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
            ends_at: time("ends_at", &self.ends_at)?,
        })
    }

    /// The same with what is wrong, if a person can mend it.
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

/// `POST /projects/{project}/{environment}/lock`
#[handler]
pub async fn lock(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Form(form): Form<LockForm>,
) -> Result<Response> {
    let over = Resource::Environment(project.clone(), environment.clone());
    let outcome = match form.wanted(over) {
        Ok(wanted) => locks::create(visitor.app(), visitor.actor(), wanted).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(_) => {
            let text = format!(
                "{project}/{environment} is locked: nothing is deployed there until the lock is lifted or ends."
            );
            visitor.flash(Flash::warning(text)).await?;
            Ok(go_to(&urls::environment(&project, &environment)))
        }
        Err(error) => super::with_lock_form(&visitor, &project, &environment, form.complaining(error)?).await,
    }
}

/// Where somebody stood who lifts a lock.
#[derive(Deserialize)]
pub struct Back {
    #[serde(default)]
    next: String,
}

/// `POST /locks/{id}/lift`
#[handler]
pub async fn lift(visitor: Visitor, Path(id): Path<LockId>, Form(back): Form<Back>) -> Result<Response> {
    locks::lift(visitor.app(), visitor.actor(), id).await?;
    visitor.flash(Flash::done("The lock is lifted.")).await?;
    Ok(go_to(urls::local_or_overview(&back.next)))
}

/// A lock in force with what a page says of it.
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

/// The locks that `covers` says yes to, for a page.
///
/// # Errors
/// Of the store.
pub async fn lines(visitor: &Visitor, covers: impl Fn(&LockView) -> bool) -> Result<Vec<LockLine>> {
    let all = locks::list(visitor.app(), visitor.actor()).await?;
    Ok(all.into_iter().filter(covers).map(LockLine::from).collect())
}
