//! Locks on the pages that show them: the form of a new one, those in force, and lifting one.

use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use crate::app::locks::{self, LockView, NewLock};
use crate::domain::{LockId, Resource, Result};
use crate::web::flash::Flash;
use crate::web::forms::{self, FormData};
use crate::web::frame::go_to;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The form of a new lock.
pub struct LockForm {
    /// What it locks, in words.
    pub what: &'static str,
    /// Where it is sent to.
    pub action: String,
    /// The fields `reason` and `ends_at`.
    pub form: FormData,
}

impl LockForm {
    pub fn new(what: &'static str, action: String) -> Self {
        Self {
            what,
            action,
            form: FormData::default(),
        }
    }
}

/// Locks `over` and leaves the message `done`; `false` when the form has to be shown again.
///
/// # Errors
/// Everything but complaints about the form.
pub async fn lock(
    visitor: &Visitor,
    over: Resource,
    form: &mut FormData,
    done: impl Into<String>,
) -> Result<bool> {
    let outcome = async {
        let wanted = NewLock {
            over,
            reason: form.text("reason").to_owned(),
            ends_at: forms::instant("ends_at", form.text("ends_at"))?,
        };
        locks::create(visitor.app(), visitor.actor(), wanted).await
    };
    let outcome = outcome.await;
    if form.accept(outcome)?.is_none() {
        return Ok(false);
    }
    visitor.flash(Flash::warning(done)).await?;
    Ok(true)
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
                Resource::Everything | Resource::Area(_) => "everything".to_owned(),
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
