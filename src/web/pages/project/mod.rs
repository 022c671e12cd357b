//! A project: its chain of environments with what is where, the commits that could go there, and
//! what was deployed last.
//!
//! Everything about Git comes from the mirror; where it cannot be read (never fetched, empty, no
//! such branch) the rest of the page stands, and a sentence says what is missing. A visit to an
//! old mirror starts a fetch behind the page, which looks again until that has ended.

mod chain;
mod commits;

use askama::Template;
use poem::web::{Form, Path, Query};
use poem::{Response, handler};
use serde::Deserialize;

use self::chain::Link;
use self::commits::CommitsView;
use crate::app::commits::{Fetched, fetch as fetch_now, refresh};
use crate::app::locks::{self, LockView};
use crate::app::places::{self, ProjectView};
use crate::domain::{Action, Error, ErrorKind, Resource, Result};
use crate::git::Freshness;
use crate::web::errors::status_of;
use crate::web::flash::Flash;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::pages::environment::{LockForm, LockLine, lock_lines};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/projects/show.html`.
#[derive(Template)]
#[template(path = "projects/show.html", blocks = ["live"])]
struct Page {
    frame: Frame,
    trail: Vec<(String, String)>,
    view: ProjectView,
    url: String,
    freshness: Freshness,
    chain: Vec<Link>,
    commits: Option<CommitsView>,
    /// What stops deployments to all of it.
    locks: Vec<LockLine>,
    lock_form: LockForm,
    lock_action: String,
    lock_what: &'static str,
    /// Whether whoever looks may lock all of it.
    may_lock: bool,
    /// This page with its query, to look again.
    here: String,
}

/// Which commits are shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    env: String,
    branch: String,
    q: String,
    from: String,
}

/// `GET /projects/{project}`
#[handler]
pub async fn show(
    visitor: Visitor,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response> {
    let page = page(&visitor, &name, &wanted).await?;
    if visitor.wants_fragment() {
        return html(&page.as_live());
    }
    html(&page)
}

async fn page(visitor: &Visitor, name: &str, wanted: &Wanted) -> Result<Page> {
    let app = visitor.app();
    let view = places::project(app, visitor.actor(), name).await?;
    let freshness = refresh(app, &view.project);
    let id = view.project.id;
    let of_all = |one: &LockView| {
        one.lock.environment.is_none() && one.lock.project.is_none_or(|project| project == id)
    };
    let whole = Resource::Project(view.project.name.to_string());
    Ok(Page {
        locks: lock_lines(visitor, of_all).await?,
        lock_form: LockForm::default(),
        lock_action: urls::lock_project(view.project.name.as_str()),
        lock_what: "the whole project",
        may_lock: app.may(visitor.actor(), Action::Lock, &whole),
        chain: chain::chain(app, visitor.actor(), &view).await,
        commits: commits::commits(app, visitor.actor(), &view, wanted).await?,
        frame: visitor
            .frame(view.project.name.as_str(), Section::Overview)
            .await?,
        trail: vec![("Overview".to_owned(), urls::overview().to_owned())],
        url: urls::project(view.project.name.as_str()),
        here: visitor.path().to_owned(),
        view,
        freshness,
    })
}

/// `POST /locks/projects/{project}`: stops deployments to all of it.
#[handler]
pub async fn lock_all(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(form): Form<LockForm>,
) -> Result<Response> {
    let outcome = match form.wanted(Resource::Project(name.clone())) {
        Ok(wanted) => locks::create(visitor.app(), visitor.actor(), wanted).await,
        Err(error) => Err(error),
    };
    let Err(error) = outcome else {
        let text =
            format!("All of {name} is locked: nothing of it is deployed until the lock is lifted or ends.");
        visitor.flash(Flash::warning(text)).await?;
        return Ok(go_to(&urls::project(&name)));
    };
    let lock_form = form.complaining(error)?;
    let mut page = page(&visitor, &name, &Wanted::default()).await?;
    // The fragments of this page are asked for where it lives, not where the form was sent.
    page.here.clone_from(&page.url);
    page.lock_form = lock_form;
    let mut response = html(&page)?;
    response.set_status(status_of(ErrorKind::Invalid));
    Ok(response)
}

/// `POST /projects/{project}`: fetch its repository now.
#[handler]
pub async fn fetch(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let outcome = fetch_now(visitor.app(), visitor.actor(), &name).await;
    visitor.flash(told(outcome)?).await?;
    Ok(go_to(&urls::project(&name)))
}

fn told(outcome: Result<Fetched>) -> Result<Flash, Error> {
    match outcome {
        Ok(Fetched::Done(0)) => Ok(Flash::done("Fetched. Nothing new.")),
        Ok(Fetched::Done(1)) => Ok(Flash::done("Fetched. 1 branch or tag moved.")),
        Ok(Fetched::Done(moved)) => Ok(Flash::done(format!("Fetched. {moved} branches or tags moved."))),
        Ok(Fetched::GoesOn) => Ok(Flash::warning("Fetching takes a while and goes on by itself.")),
        Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Conflict) => {
            Ok(Flash::failed(format!("Nothing was fetched. {}", error.message())))
        }
        Err(error) => Err(error),
    }
}
