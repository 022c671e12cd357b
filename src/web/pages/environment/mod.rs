//! An environment: the deploy form with what would change, and its servers with what they run.
//!
//! Choosing comes first (`GET`, a commit and a target), and the page answers with what that would
//! change; what is then sent (`POST`) is exactly what was shown. With scripts the choice replaces
//! the plan below it, and each server's row asks the server itself.

mod check;
pub mod form;
mod live;
mod plan;
mod rollout;
mod servers;

use std::sync::Arc;

use askama::Template;
use poem::web::{Data, Form, Path, Query};
use poem::{Response, handler};

pub use self::check::read_files;
pub use self::live::live_release;
use self::plan::PlanView;
use self::servers::{ServerRow, rows};
use super::follow::follow;
use super::locks::{self, LockForm, LockLine};
use crate::app::places::{self, EnvironmentView};
use crate::app::{commits, deployments};
use crate::domain::{Action, ErrorKind, Resource, Result};
use crate::git::Freshness;
use crate::web::errors;
use crate::web::forms::{Complaints, FormData};
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::live::Live;
use crate::web::pages::form_page;
use crate::web::strategy_form::STRATEGIES;
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::views::words::strategy_words;
use crate::web::visitor::Visitor;

/// The contract of `templates/environments/show.html`.
#[derive(Template)]
#[template(path = "environments/show.html", blocks = ["plan"])]
struct Page {
    frame: Frame,
    trail: Trail,
    title: String,
    view: EnvironmentView,
    url: String,
    /// Where it is changed; empty for a visitor who may not.
    settings: String,
    plan_url: String,
    /// What goes on, to load it again.
    now_url: String,
    /// The stream of changes.
    changes: String,
    freshness: Freshness,
    plan: PlanView,
    rows: Vec<ServerRow>,
    /// What stops deployments here.
    locks: Vec<LockLine>,
    lock_form: LockForm,
    /// What may be chosen instead of the environment's own strategy.
    strategies: Vec<(&'static str, String)>,
}

/// The contract of `templates/environments/now.html`.
#[derive(Template)]
#[template(path = "environments/now.html")]
struct NowFragment {
    frame: Frame,
    view: EnvironmentView,
    now_url: String,
}

/// `GET /projects/{project}/{environment}`
#[handler]
pub async fn show(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Query(form): Query<FormData>,
    live: Data<&Arc<Live>>,
) -> Result<Response> {
    let changes = live.page_url();
    let mut page = page(&visitor, &project, &environment, form).await?;
    page.changes = changes;
    html(&page)
}

/// `GET /projects/{project}/{environment}/now`: what goes on there, for the open page.
#[handler]
pub async fn show_now(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
) -> Result<Response> {
    let view = places::environment(visitor.app(), visitor.actor(), &project, &environment).await?;
    if !visitor.wants_fragment() {
        return Ok(go_to(&urls::environment(&project, &environment)));
    }
    html(&NowFragment {
        frame: visitor.frame(String::new(), Section::Overview).await?,
        now_url: urls::environment_now(&project, &environment),
        view,
    })
}

/// `GET /projects/{project}/{environment}/plan`: the part of the page below the choice.
#[handler]
pub async fn show_plan(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Query(form): Query<FormData>,
) -> Result<Response> {
    let page = page(&visitor, &project, &environment, form).await?;
    if visitor.wants_fragment() {
        return html(&page.as_plan());
    }
    html(&page)
}

async fn page(visitor: &Visitor, project: &str, environment: &str, form: FormData) -> Result<Page> {
    let app = visitor.app();
    let view = places::environment(app, visitor.actor(), project, environment).await?;
    let freshness = commits::refresh(app, &view.project);
    let (project, name) = (view.project.name.as_str(), view.place.environment.name.as_str());
    let plan = plan::plan(app, visitor.actor(), &view, form).await?;
    let (in_project, in_environment) = (view.project.id, view.place.environment.id);
    let locks = locks::lines(visitor, |one| one.lock.covers(in_project, in_environment)).await?;
    let own = strategy_words(view.place.environment.options.rollout.strategy);
    let others = STRATEGIES.iter().map(|&(value, label)| (value, label.to_owned()));
    Ok(Page {
        frame: visitor
            .frame(format!("{project} {name}"), Section::Overview)
            .await?,
        trail: trail::project(project),
        title: format!("{project} · {name}"),
        url: urls::environment(project, name),
        settings: match app.may(
            visitor.actor(),
            Action::Configure,
            &Resource::Project(project.to_owned()),
        ) {
            true => urls::admin_environment(project, name),
            false => String::new(),
        },
        plan_url: urls::deploy_plan(project, name),
        now_url: urls::environment_now(project, name),
        changes: String::new(),
        rows: rows(&view, &plan),
        locks,
        lock_form: LockForm::new("this environment", urls::lock_environment(project, name)),
        strategies: std::iter::once(("", format!("Environment's own: {own}")))
            .chain(others)
            .collect(),
        freshness,
        plan,
        view,
    })
}

/// `POST /projects/{project}/{environment}/lock`
#[handler]
pub async fn lock_here(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Form(mut form): Form<FormData>,
) -> Result<Response> {
    let over = Resource::Environment(project.clone(), environment.clone());
    let done = format!(
        "{project}/{environment} is locked: nothing is deployed there until the lock is lifted or ends."
    );
    if locks::lock(&visitor, over, &mut form, done).await? {
        return Ok(go_to(&urls::environment(&project, &environment)));
    }
    let mut page = page(&visitor, &project, &environment, FormData::default()).await?;
    page.lock_form.form = form;
    form_page(&page, &page.lock_form.form.complaints)
}

/// `POST /projects/{project}/{environment}`: deploy.
#[handler]
pub async fn deploy(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Form(form): Form<FormData>,
) -> Result<Response> {
    let requested = async {
        let wanted = form::request(&project, &environment, &form)?;
        deployments::request(visitor.app(), visitor.actor(), wanted).await
    };
    let error = match requested.await {
        Ok(requested) => return follow(&visitor, requested).await,
        Err(error) => error,
    };
    let is_for_later = error
        .refusal()
        .is_some_and(|refusal| refusal.next_allowed.is_some());
    if is_for_later && !visitor.wants_json() && !visitor.wants_fragment() {
        // The form says when it is allowed, and schedules it for then.
        let mut answer = html(&page(&visitor, &project, &environment, form).await?)?;
        answer.set_status(errors::status_of(error.kind()));
        return Ok(answer);
    }
    if !matches!(
        error.kind(),
        ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::Unavailable
    ) {
        return Err(error);
    }
    let mut page = page(&visitor, &project, &environment, form).await?;
    page.plan.was_sent = true;
    page.plan.form.complaints = Complaints::of_error(&error);
    form_page(&page, &page.plan.form.complaints)
}
