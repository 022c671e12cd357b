//! An environment: the deploy form with what would change, and its servers with what they run.
//!
//! Choosing comes first (`GET`, a commit and a target), and the page answers with what that would
//! change; what is then sent (`POST`) is exactly what was looked at. With scripts the choice
//! replaces the plan below it, and each server's row asks the server itself.

mod check;
pub mod locking;
mod plan;
mod servers;
mod terms;

use askama::Template;
use poem::web::{Form, Path, Query};
use poem::{Response, handler};

pub use self::check::read_files;
pub use self::locking::{LockForm, LockLine, lines as lock_lines};
use self::plan::{Given, Pick, PlanView};
use self::servers::{ServerRow, rows};
use crate::app::deployments::{DeployRequest, Requested, request};
use crate::app::places::{self, EnvironmentView};
use crate::app::{commits, live_release as live};
use crate::domain::{Error, ErrorKind, Result};
use crate::git::Freshness;
use crate::web::errors::status_of;
use crate::web::forms::Complaints;
use crate::web::frame::{Frame, Section, html};
use crate::web::pages::admin::environments::rollout::STRATEGIES;
use crate::web::pages::deployment::deeds::follow;
use crate::web::pages::deployment::strategy_words;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/environments/show.html`.
#[derive(Template)]
#[template(path = "environments/show.html", blocks = ["plan"])]
struct Page {
    frame: Frame,
    trail: Vec<(String, String)>,
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

/// The contract of `templates/environments/_live.html`.
#[derive(Template)]
#[template(path = "environments/_live.html")]
struct LiveFragment {
    answer: Result<live::LiveRelease>,
    /// The commit that we know to be there; empty: none.
    known: String,
    project: String,
    frame_now: crate::domain::Instant,
}

/// The contract of `templates/environments/live.html`: the same as a page, for whoever has no
/// scripts.
#[derive(Template)]
#[template(path = "environments/live.html")]
struct LivePage {
    frame: Frame,
    trail: Vec<(String, String)>,
    title: String,
    back: String,
    answer: Result<live::LiveRelease>,
    known: String,
    project: String,
    frame_now: crate::domain::Instant,
}

/// `GET /projects/{project}/{environment}`
#[handler]
pub async fn show(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Query(pick): Query<Pick>,
) -> Result<Response> {
    html(&page(&visitor, &project, &environment, Given::picked(pick)).await?)
}

/// `GET /projects/{project}/{environment}/plan`: the part of the page below the choice.
#[handler]
pub async fn show_plan(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Query(pick): Query<Pick>,
) -> Result<Response> {
    let page = page(&visitor, &project, &environment, Given::picked(pick)).await?;
    if visitor.wants_fragment() {
        return html(&page.as_plan());
    }
    html(&page)
}

async fn page(visitor: &Visitor, project: &str, environment: &str, given: Given) -> Result<Page> {
    let app = visitor.app();
    let view = places::environment(app, visitor.actor(), project, environment).await?;
    let freshness = commits::refresh(app, &view.project);
    let (project, name) = (view.project.name.as_str(), view.place.environment.name.as_str());
    let plan = plan::plan(app, visitor.actor(), &view, given).await?;
    let (in_project, in_environment) = (view.project.id, view.place.environment.id);
    let locks = lock_lines(visitor, |one| one.lock.covers(in_project, in_environment)).await?;
    let own = strategy_words(view.place.environment.options.rollout.strategy);
    let others = STRATEGIES.iter().map(|&(value, label)| (value, label.to_owned()));
    Ok(Page {
        frame: visitor
            .frame(format!("{project} {name}"), Section::Overview)
            .await?,
        trail: vec![
            ("Overview".to_owned(), urls::overview().to_owned()),
            (project.to_owned(), urls::project(project)),
        ],
        title: format!("{project} · {name}"),
        url: urls::environment(project, name),
        plan_url: urls::deploy_plan(project, name),
        rows: rows(&view, &plan),
        locks,
        lock_form: LockForm::default(),
        lock_action: urls::lock_environment(project, name),
        lock_what: "this environment",
        strategies: std::iter::once(("", format!("As the environment says: {own}")))
            .chain(others)
            .collect(),
        freshness,
        plan,
        view,
    })
}

/// The way to a page of an environment.
fn trail(project: &str, environment: &str) -> Vec<(String, String)> {
    vec![
        ("Overview".to_owned(), urls::overview().to_owned()),
        (project.to_owned(), urls::project(project)),
        (environment.to_owned(), urls::environment(project, environment)),
    ]
}

/// The page again, with what is wrong with the form of a lock.
async fn with_lock_form(
    visitor: &Visitor,
    project: &str,
    environment: &str,
    form: LockForm,
) -> Result<Response> {
    let mut page = page(visitor, project, environment, Given::picked(Pick::default())).await?;
    page.lock_form = form;
    let mut response = html(&page)?;
    response.set_status(status_of(ErrorKind::Invalid));
    Ok(response)
}

/// `POST /projects/{project}/{environment}`: deploy.
#[handler]
pub async fn deploy(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Form(given): Form<Given>,
) -> Result<Response> {
    let error = match ask(&visitor, &project, &environment, &given).await {
        Ok(requested) => return follow(&visitor, requested).await,
        Err(error) => error,
    };
    let mendable = matches!(
        error.kind(),
        ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::Unavailable
    );
    let unknown_commit = error.kind() == ErrorKind::NotFound && error.message().contains("in the repository");
    if !mendable && !unknown_commit {
        return Err(error);
    }
    let error = if unknown_commit {
        Error::field("commit", error.message())
    } else {
        error
    };
    let mut page = page(&visitor, &project, &environment, given).await?;
    page.plan.complaints = Complaints::of_error(&error);
    let mut response = html(&page)?;
    response.set_status(status_of(error.kind()));
    Ok(response)
}

async fn ask(visitor: &Visitor, project: &str, environment: &str, given: &Given) -> Result<Requested> {
    let wanted = DeployRequest {
        choice: plan::choice(&given.target)?,
        reason: given.reason.clone(),
        kind: given.kind(),
        request_key: given.key(),
        strategy: given.strategy()?,
        at: given.begins_at()?,
        lock_override: given.override_reason(),
        ..DeployRequest::new(project, environment, &given.commit)
    };
    request(visitor.app(), visitor.actor(), wanted).await
}

/// `GET /projects/{project}/{environment}/servers/{server}`: what the server itself says, for a row
/// of the page or as a page of its own.
#[handler]
pub async fn live_release(
    visitor: Visitor,
    Path((project, environment, server)): Path<(String, String, String)>,
) -> Result<Response> {
    let app = visitor.app();
    let view = places::environment(app, visitor.actor(), &project, &environment).await?;
    let known = view.place.server(&server).and_then(|one| one.release.as_ref());
    let known = known.map(|release| release.commit.to_string());
    let _turn = visitor
        .site()
        .questions
        .acquire()
        .await
        .map_err(Error::internal)?;
    let answer = live::ask(app, visitor.actor(), &project, &environment, &server).await;
    if let Err(error) = &answer
        && matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::Internal
        )
    {
        return answer.map(|_| Response::default());
    }
    let (known, project) = (known.unwrap_or_default(), view.project.name.to_string());
    if visitor.wants_fragment() {
        return html(&LiveFragment {
            answer,
            known,
            project,
            frame_now: visitor.now(),
        });
    }
    let back = urls::environment(&project, &environment);
    html(&LivePage {
        frame: visitor
            .frame(
                format!("What {server} says · {project} {environment}"),
                Section::Overview,
            )
            .await?,
        trail: trail(&project, &environment),
        title: format!("What {server} says"),
        back,
        answer,
        known,
        project,
        frame_now: visitor.now(),
    })
}
