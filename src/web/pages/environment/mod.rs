//! An environment: the deploy form with what would change, and its servers with what they run.
//!
//! Choosing comes first (`GET`, a commit and a target), and the page answers with what that would
//! change; what is then sent (`POST`) is exactly what was looked at. With scripts the choice
//! replaces the plan below it, and each server's row asks the server itself.

mod check;
mod form;
mod live;
mod plan;
mod rollout;
mod servers;

use askama::Template;
use poem::web::{Form, Path, Query};
use poem::{Response, handler};

pub use self::check::read_files;
use self::form::{DeployForm, DeployQuery};
pub use self::live::live_release;
use self::plan::PlanView;
use self::servers::{ServerRow, rows};
use super::follow::follow;
use super::locks::{self as lock_views, LockForm, LockLine};
use crate::app::deployments::{DeployRequest, Requested, request};
use crate::app::places::{self, EnvironmentView};
use crate::app::{commits, locks};
use crate::domain::{ErrorKind, Resource, Result};
use crate::git::Freshness;
use crate::web::errors::status_of;
use crate::web::flash::Flash;
use crate::web::forms::Complaints;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::pages::admin::environments::rollout::STRATEGIES;
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
    plan_url: String,
    freshness: Freshness,
    plan: PlanView,
    rows: Vec<ServerRow>,
    /// What stops deployments here.
    locks: Vec<LockLine>,
    lock_form: LockForm,
    lock_action: String,
    lock_what: &'static str,
    /// What may be chosen instead of the environment's own strategy.
    strategies: Vec<(&'static str, String)>,
}

/// `GET /projects/{project}/{environment}`
#[handler]
pub async fn show(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Query(query): Query<DeployQuery>,
) -> Result<Response> {
    html(&page(&visitor, &project, &environment, DeployForm::of_query(query)).await?)
}

/// `GET /projects/{project}/{environment}/plan`: the part of the page below the choice.
#[handler]
pub async fn show_plan(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Query(query): Query<DeployQuery>,
) -> Result<Response> {
    let page = page(&visitor, &project, &environment, DeployForm::of_query(query)).await?;
    if visitor.wants_fragment() {
        return html(&page.as_plan());
    }
    html(&page)
}

async fn page(visitor: &Visitor, project: &str, environment: &str, form: DeployForm) -> Result<Page> {
    let app = visitor.app();
    let view = places::environment(app, visitor.actor(), project, environment).await?;
    let freshness = commits::refresh(app, &view.project);
    let (project, name) = (view.project.name.as_str(), view.place.environment.name.as_str());
    let plan = plan::plan(app, visitor.actor(), &view, form).await?;
    let (in_project, in_environment) = (view.project.id, view.place.environment.id);
    let locks = lock_views::lines(visitor, |one| one.lock.covers(in_project, in_environment)).await?;
    let own = strategy_words(view.place.environment.options.rollout.strategy);
    let others = STRATEGIES.iter().map(|&(value, label)| (value, label.to_owned()));
    Ok(Page {
        frame: visitor
            .frame(format!("{project} {name}"), Section::Overview)
            .await?,
        trail: trail::project(project),
        title: format!("{project} · {name}"),
        url: urls::environment(project, name),
        plan_url: urls::deploy_plan(project, name),
        rows: rows(&view, &plan),
        locks,
        lock_form: LockForm::default(),
        lock_action: urls::lock_environment(project, name),
        lock_what: "this environment",
        strategies: std::iter::once(("", format!("Environment's own: {own}")))
            .chain(others)
            .collect(),
        freshness,
        plan,
        view,
    })
}

/// The page again, with what is wrong with the form of a lock.
async fn with_lock_form(
    visitor: &Visitor,
    project: &str,
    environment: &str,
    form: LockForm,
) -> Result<Response> {
    let mut page = page(
        visitor,
        project,
        environment,
        DeployForm::of_query(DeployQuery::default()),
    )
    .await?;
    page.lock_form = form;
    let mut response = html(&page)?;
    response.set_status(status_of(ErrorKind::Invalid));
    Ok(response)
}

/// `POST /projects/{project}/{environment}/lock`
#[handler]
pub async fn lock_here(
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
        Err(error) => with_lock_form(&visitor, &project, &environment, form.complaining(error)?).await,
    }
}

/// `POST /projects/{project}/{environment}`: deploy.
#[handler]
pub async fn deploy(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Form(form): Form<DeployForm>,
) -> Result<Response> {
    let error = match ask(&visitor, &project, &environment, &form).await {
        Ok(requested) => return follow(&visitor, requested).await,
        Err(error) => error,
    };
    if !matches!(
        error.kind(),
        ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::Unavailable
    ) {
        return Err(error);
    }
    let mut page = page(&visitor, &project, &environment, form).await?;
    page.plan.complaints = Complaints::of_error(&error);
    let mut response = html(&page)?;
    response.set_status(status_of(error.kind()));
    Ok(response)
}

async fn ask(visitor: &Visitor, project: &str, environment: &str, form: &DeployForm) -> Result<Requested> {
    let wanted = DeployRequest {
        choice: form::choice(&form.target)?,
        reason: form.reason.clone(),
        kind: form.kind(),
        request_key: form.key(),
        strategy: form.strategy()?,
        at: form.begins_at()?,
        lock_override: form.override_reason(),
        ..DeployRequest::new(project, environment, &form.commit)
    };
    request(visitor.app(), visitor.actor(), wanted).await
}
