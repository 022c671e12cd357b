//! The page of one environment: where it is deployed to, how, and with which variables.

mod automatic;
mod health;
mod read;
mod rollout;

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use self::read::{complete, filled, options_form, spec};
use super::picks::{Pick, key_choices, picks};
use super::{saved, settle_in, without_keys};
use crate::access::Permit;
use crate::app::admin::environments;
use crate::app::admin::inventory::{self, Inventory};
use crate::app::admin::{host_keys, keys, projects};
use crate::domain::{Action, Environment, EnvironmentOptions, Project, Resource, Result, SyncMethod};
use crate::web::flash::Flash;
use crate::web::forms::{FormData, VERSION, version};
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::pages::form_page;
use crate::web::strategy_form::STRATEGIES;
use crate::web::trail::{self, Trail};
use crate::web::visitor::Visitor;
use crate::web::{format, urls};

/// Empty lines for new secrets at the end of the list.
const NEW_SECRETS: usize = 2;

/// The contract of `templates/admin/environment.html`.
#[derive(Template)]
#[template(path = "admin/environment.html")]
struct Page {
    frame: Frame,
    trail: Trail,
    /// Whether it exists, or is about to be added.
    exists: bool,
    action: String,
    question: String,
    form: FormData,
    clusters: Vec<Pick>,
    /// The private keys to choose from.
    keys: Vec<(String, String)>,
    secrets: Vec<SecretRow>,
    health_kinds: &'static [(&'static str, &'static str)],
    health_askers: &'static [(&'static str, &'static str)],
    strategies: &'static [(&'static str, &'static str)],
    failures: &'static [(&'static str, &'static str)],
    when_refused: Vec<(&'static str, &'static str)>,
    warnings: Vec<(String, Option<(&'static str, String)>)>,
    /// Shared paths have a meaning with the symlink method only.
    is_symlink: bool,
}

/// The name of a secret; its value is never here.
struct SecretRow {
    name: String,
    is_kept: bool,
    gone: bool,
}

/// `GET /admin/projects/{project}/new`
#[handler]
pub async fn new(visitor: Visitor, Path(project): Path<String>) -> Result<Response> {
    let (project, permit) = projects::open(visitor.app(), visitor.actor(), &project).await?;
    let existing = environments::list(visitor.app(), &permit, &project).await?;
    let last = existing.iter().max_by_key(|one| one.position);
    let form = options_form(&EnvironmentOptions::default())
        .with("branch", last.map_or("main", |one| one.branch.as_str()))
        .with("remote_user", last.map_or("", |one| one.remote_user.as_str()))
        .with("position", last.map_or(1, |one| one.position.saturating_add(1)))
        .with_tick("fail_on_failed_tests", true);
    html(&page(&visitor, &permit, &project, None, form).await?)
}

/// `POST /admin/projects/{project}/new`
#[handler]
pub async fn add(
    visitor: Visitor,
    Path(project): Path<String>,
    Form(mut form): Form<FormData>,
) -> Result<Response> {
    let (project, permit) = projects::open(visitor.app(), visitor.actor(), &project).await?;
    complete(&mut form, &EnvironmentOptions::default(), false);
    let added = form.submit(spec, |spec| {
        environments::add(visitor.app(), &permit, project.id, spec)
    });
    let Some(added) = added.await? else {
        let page = page(&visitor, &permit, &project, None, form).await?;
        return form_page(&page, &page.form.complaints);
    };
    done(&visitor, &project, &added, "added").await
}

/// `GET /admin/projects/{project}/environments/{environment}`
#[handler]
pub async fn show(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
) -> Result<Response> {
    let (project, permit, environment) = open(&visitor, &project, &environment).await?;
    let form = filled(&environment).with(VERSION, version(&environment));
    html(&page(&visitor, &permit, &project, Some(&environment), form).await?)
}

/// `POST /admin/projects/{project}/environments/{environment}`
#[handler]
pub async fn edit(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Form(mut form): Form<FormData>,
) -> Result<Response> {
    let (project, permit, environment) = open(&visitor, &project, &environment).await?;
    complete(&mut form, &environment.options, environment.auto_deploy);
    let now = version(&environment);
    let changed = form.submit_over(&now, spec, |spec| {
        environments::edit(visitor.app(), &permit, environment.id, spec)
    });
    let Some(changed) = changed.await? else {
        let page = page(&visitor, &permit, &project, Some(&environment), form).await?;
        return form_page(&page, &page.form.complaints);
    };
    for warning in environments::left_behind(project.method, &environment, &changed) {
        visitor.flash(Flash::warning(warning)).await?;
    }
    done(&visitor, &project, &changed, "saved").await
}

async fn done(
    visitor: &Visitor,
    project: &Project,
    environment: &Environment,
    what: &str,
) -> Result<Response> {
    let (project, environment) = (project.name.as_str(), environment.name.as_str());
    let done = format!("{project}/{environment} was {what}.");
    saved(visitor, done, &urls::admin_environment(project, environment)).await
}

#[derive(Deserialize)]
pub(super) struct Direction {
    to: String,
}

/// `POST /admin/projects/{project}/environments/{environment}/move`
#[handler]
pub async fn shift(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Form(direction): Form<Direction>,
) -> Result<Response> {
    let (project, permit, environment) = open(&visitor, &project, &environment).await?;
    environments::shift(visitor.app(), &permit, environment.id, direction.to == "later").await?;
    Ok(go_to(&format!(
        "{}#environments",
        urls::admin_project(project.name.as_str())
    )))
}

/// `POST /admin/projects/{project}/environments/{environment}/delete`
#[handler]
pub async fn delete(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
) -> Result<Response> {
    let outcome = async {
        let (_, permit, found) = open(&visitor, &project, &environment).await?;
        environments::delete(visitor.app(), &permit, found.id).await?;
        Ok(format!(
            "Environment “{}” was deleted. Everything on its servers stays.",
            found.name
        ))
    };
    let outcome = outcome.await;
    let back = urls::admin_environment(&project, &environment);
    let done_at = urls::admin_project(&project);
    settle_in(&visitor, &project, outcome, &done_at, &back).await
}

async fn open(visitor: &Visitor, project: &str, environment: &str) -> Result<(Project, Permit, Environment)> {
    let (project, permit) = projects::open(visitor.app(), visitor.actor(), project).await?;
    let environment = environments::by_name(visitor.app(), &permit, &project, environment).await?;
    Ok((project, permit, environment))
}

async fn page(
    visitor: &Visitor,
    permit: &Permit,
    project: &Project,
    existing: Option<&Environment>,
    form: FormData,
) -> Result<Page> {
    let inventory = inventory::read(visitor.app(), permit).await?;
    let name = project.name.as_str();
    let (title, action) = match existing {
        Some(one) => (
            format!("{name}/{}", one.name),
            urls::admin_environment(name, one.name.as_str()),
        ),
        None => (
            format!("Add an environment to {name}"),
            urls::admin_new_environment(name),
        ),
    };
    let sees_all = visitor
        .app()
        .may(visitor.actor(), Action::Configure, &Resource::Everything);
    let question =
        format!("Delete {title}? Its releases stay on the servers and its deployments in the history.");
    let mut trail = trail::admin("Projects", urls::admin_projects());
    trail.push((name.to_owned(), urls::admin_project(name)));
    Ok(Page {
        frame: visitor.frame(title, Section::Admin).await?,
        trail,
        exists: existing.is_some(),
        question,
        action,
        clusters: cluster_picks(&inventory, project, sees_all, &form),
        secrets: secret_rows(existing, &form),
        warnings: existing
            .map(|one| warnings(visitor, &inventory, project, one))
            .unwrap_or_default(),
        health_kinds: health::KINDS,
        health_askers: health::ASKERS,
        strategies: STRATEGIES,
        keys: key_choices(
            keys::names(visitor.app(), permit, &keys::of_servers(visitor.app())),
            form.text("key"),
        ),
        failures: rollout::ON_FAILURE,
        when_refused: automatic::when_refused(),
        form,
        is_symlink: project.method == SyncMethod::Symlink,
    })
}

/// The clusters that are open to `project`; all of them for who may open them.
fn cluster_picks(inventory: &Inventory, project: &Project, sees_all: bool, form: &FormData) -> Vec<Pick> {
    let open = inventory.clusters.iter().filter_map(|cluster| {
        let is_open = cluster.projects.contains(&project.id);
        let size = format::count(cluster.members.len(), "server");
        let note = match is_open {
            true => size,
            false => format!("{size}, not open to {} yet", project.name),
        };
        (is_open || sees_all).then(|| (cluster.id, cluster.name.to_string(), note))
    });
    picks(open, &form.chosen("clusters"))
}

/// Names only: values stay in the store, and what was just typed has to be typed again.
fn secret_rows(existing: Option<&Environment>, form: &FormData) -> Vec<SecretRow> {
    let is_kept = |name: &str| {
        let variable = existing.and_then(|one| one.options.variables.get(name));
        variable.is_some_and(|variable| variable.secret)
    };
    let names = form.all("secret-name").filter(|name| !name.trim().is_empty());
    let rows = names.map(|name| SecretRow {
        is_kept: is_kept(name),
        name: name.to_owned(),
        gone: form.all("secret-gone").any(|gone| gone == name),
    });
    let blank = || SecretRow {
        name: String::new(),
        is_kept: false,
        gone: false,
    };
    rows.chain(std::iter::repeat_with(blank).take(NEW_SECRETS))
        .collect()
}

/// What would keep deployments from working, each with where to mend it: label and address.
fn warnings(
    visitor: &Visitor,
    inventory: &Inventory,
    project: &Project,
    environment: &Environment,
) -> Vec<(String, Option<(&'static str, String)>)> {
    let own = inventory.twice().into_iter().filter(|twice| {
        project.name.as_str() == twice.project && environment.name.as_str() == twice.environment
    });
    let mut warnings: Vec<_> = own.map(|twice| (twice.sentence(), None)).collect();
    let servers = inventory.servers_of(environment).into_iter();
    let app = visitor.app();
    let keyless = servers.filter(|server| server.active && !host_keys::is_known(app, server));
    let names: Vec<&str> = keyless.map(|server| server.name.as_str()).collect();
    if !names.is_empty() {
        let why = format!("{}: deployments here will fail.", without_keys(&names));
        let way = ("Fetch and compare", urls::admin_trust().to_owned());
        let may_trust = app.may(visitor.actor(), Action::Configure, &Resource::Everything);
        warnings.push((why, may_trust.then_some(way)));
    }
    warnings
}
