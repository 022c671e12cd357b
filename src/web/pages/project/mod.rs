//! A project: its chain of environments and what they run, the commits that could be deployed, and
//! the last deployments.
//!
//! Everything about Git comes from the mirror; if it cannot be read (never fetched, empty, no such
//! branch), the page shows the rest and a sentence about what is missing. A visit to an old mirror
//! starts a fetch in the background, and the page reloads itself until that has ended.

mod chain;
mod commits;

use std::sync::Arc;

use askama::Template;
use poem::web::{Data, Form, Path, Query};
use poem::{Response, handler};

use self::chain::ChainLink;
use self::commits::{CommitsQuery, CommitsView};
use crate::app::commits::{Fetched, fetch as fetch_now, refresh};
use crate::app::locks::LockView;
use crate::app::places::{self, ProjectView};
use crate::domain::{Action, Error, ErrorKind, Resource, Result};
use crate::git::Freshness;
use crate::web::flash::Flash;
use crate::web::forms::FormData;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::live::Live;
use crate::web::pages::form_page;
use crate::web::pages::locks::{self, LockForm, LockLine};
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/projects/show.html`.
#[derive(Template)]
#[template(path = "projects/show.html", blocks = ["live"])]
struct Page {
    frame: Frame,
    trail: Trail,
    view: ProjectView,
    url: String,
    freshness: Freshness,
    chain: Vec<ChainLink>,
    commits: Option<CommitsView>,
    /// Locks of the whole project.
    locks: Vec<LockLine>,
    lock_form: LockForm,
    /// Whether the visitor may lock all of it.
    may_lock: bool,
    /// The address of this page, to load it again.
    here: String,
    /// The stream of changes.
    changes: String,
}

/// `GET /projects/{project}`
#[handler]
pub async fn show(
    visitor: Visitor,
    Path(name): Path<String>,
    Query(wanted): Query<CommitsQuery>,
    live: Data<&Arc<Live>>,
) -> Result<Response> {
    let changes = live.page_url();
    let page = page(&visitor, &name, &wanted, changes).await?;
    if visitor.wants_fragment() {
        return html(&page.as_live());
    }
    html(&page)
}

async fn page(visitor: &Visitor, name: &str, wanted: &CommitsQuery, changes: String) -> Result<Page> {
    let app = visitor.app();
    let view = places::project(app, visitor.actor(), name).await?;
    let freshness = refresh(app, &view.project);
    let id = view.project.id;
    let of_all = |one: &LockView| {
        one.lock.environment.is_none() && one.lock.project.is_none_or(|project| project == id)
    };
    let whole = Resource::Project(view.project.name.to_string());
    Ok(Page {
        locks: locks::lines(visitor, of_all).await?,
        lock_form: LockForm::new(
            "the whole project",
            urls::lock_project(view.project.name.as_str()),
        ),
        may_lock: app.may(visitor.actor(), Action::Lock, &whole),
        chain: chain::chain(app, visitor.actor(), &view).await?,
        commits: commits::commits(app, visitor.actor(), &view, wanted).await?,
        frame: visitor
            .frame(view.project.name.as_str(), Section::Overview)
            .await?,
        trail: trail::overview(),
        url: urls::project(view.project.name.as_str()),
        here: visitor.path().to_owned(),
        changes,
        view,
        freshness,
    })
}

/// `POST /locks/projects/{project}`: locks all of it.
#[handler]
pub async fn lock_all(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(mut form): Form<FormData>,
    live: Data<&Arc<Live>>,
) -> Result<Response> {
    let changes = live.page_url();
    let done =
        format!("All of {name} is locked: nothing of it is deployed until the lock is lifted or ends.");
    if locks::lock(&visitor, Resource::Project(name.clone()), &mut form, done).await? {
        return Ok(go_to(&urls::project(&name)));
    }
    let mut page = page(&visitor, &name, &CommitsQuery::default(), changes).await?;
    // Fragments are loaded from the page's own address, not from where the form was sent.
    page.here.clone_from(&page.url);
    page.lock_form.form = form;
    form_page(&page, &page.lock_form.form.complaints)
}

/// `POST /projects/{project}`: fetch its repository now.
#[handler]
pub async fn fetch(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let outcome = fetch_now(visitor.app(), visitor.actor(), &name).await;
    visitor.flash(flash_of(outcome)?).await?;
    Ok(go_to(&urls::project(&name)))
}

fn flash_of(outcome: Result<Fetched>) -> Result<Flash, Error> {
    match outcome {
        Ok(Fetched::Done(0)) => Ok(Flash::done("Fetched. Nothing new.")),
        Ok(Fetched::Done(1)) => Ok(Flash::done("Fetched. 1 branch or tag moved.")),
        Ok(Fetched::Done(moved)) => Ok(Flash::done(format!("Fetched. {moved} branches or tags moved."))),
        Ok(Fetched::GoesOn) => Ok(Flash::warning(
            "Fetching takes a while; it continues in the background.",
        )),
        Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Conflict) => {
            Ok(Flash::failed(format!("Nothing was fetched. {}", error.message())))
        }
        Err(error) => Err(error),
    }
}
