//! One environment of a project: where it goes, how, and with which variables.

mod health;
pub mod rollout;

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use super::fields::{Fields, Pick, picks};
use super::{refused, settle};
use crate::access::Permit;
use crate::app::admin::environments::{self, EnvironmentForm};
use crate::app::admin::inventory::{self, Inventory};
use crate::app::admin::projects;
use crate::app::admin::variables::SecretField;
use crate::domain::{Environment, Error, ErrorKind, Project, Result, SyncMethod};
use crate::web::flash::Flash;
use crate::web::forms::Complaints;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::visitor::Visitor;
use crate::web::{format, urls};

/// Empty lines for new secrets at the end of the list.
const NEW_SECRETS: usize = 2;

/// The contract of `templates/admin/environment.html`.
#[derive(Template)]
#[template(path = "admin/environment.html")]
struct Page {
    frame: Frame,
    trail: Vec<(String, String)>,
    title: String,
    /// Whether it exists; otherwise it is about to be added.
    exists: bool,
    action: String,
    delete: String,
    question: String,
    form: EnvironmentForm,
    complaints: Complaints,
    clusters: Vec<Pick>,
    secrets: Vec<SecretRow>,
    health_kinds: &'static [(&'static str, &'static str)],
    health_askers: &'static [(&'static str, &'static str)],
    strategies: &'static [(&'static str, &'static str)],
    failures: &'static [(&'static str, &'static str)],
    warnings: Vec<String>,
    /// Shared paths mean something with the symlink method only.
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
    let form = EnvironmentForm::new(&existing);
    html(&page(&visitor, &permit, &project, None, form, Complaints::default()).await?)
}

/// `POST /admin/projects/{project}/new`
#[handler]
pub async fn add(
    visitor: Visitor,
    Path(project): Path<String>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let (project, permit) = projects::open(visitor.app(), visitor.actor(), &project).await?;
    let form = read(&pairs.into(), EnvironmentForm::default());
    match environments::add(visitor.app(), &permit, project.id, &form).await {
        Ok(added) => saved(&visitor, &project, &added, "added").await,
        Err(error) => shown_again(&visitor, &permit, &project, None, form, error).await,
    }
}

/// `GET /admin/projects/{project}/environments/{environment}`
#[handler]
pub async fn show(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
) -> Result<Response> {
    let (project, permit, environment) = open(&visitor, &project, &environment).await?;
    let form = EnvironmentForm::of(&environment);
    let complaints = Complaints::default();
    html(&page(&visitor, &permit, &project, Some(&environment), form, complaints).await?)
}

/// `POST /admin/projects/{project}/environments/{environment}`
#[handler]
pub async fn edit(
    visitor: Visitor,
    Path((project, environment)): Path<(String, String)>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let (project, permit, environment) = open(&visitor, &project, &environment).await?;
    let form = read(&pairs.into(), EnvironmentForm::of(&environment));
    match environments::edit(visitor.app(), &permit, environment.id, &form).await {
        Ok(changed) => saved(&visitor, &project, &changed, "saved").await,
        Err(error) => shown_again(&visitor, &permit, &project, Some(&environment), form, error).await,
    }
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
            "Environment “{}” is deleted. What is on its servers stays there.",
            found.name
        ))
    };
    let outcome = outcome.await;
    let back = urls::admin_environment(&project, &environment);
    settle(&visitor, outcome, &urls::admin_project(&project), &back).await
}

async fn open(visitor: &Visitor, project: &str, environment: &str) -> Result<(Project, Permit, Environment)> {
    let (project, permit) = projects::open(visitor.app(), visitor.actor(), project).await?;
    let environment = environments::by_name(visitor.app(), &permit, &project, environment).await?;
    Ok((project, permit, environment))
}

/// What was sent; the parts that are not in it stay as `kept` has them.
fn read(fields: &Fields, kept: EnvironmentForm) -> EnvironmentForm {
    let gone: Vec<&str> = fields.all("secret-gone").collect();
    let secrets = fields.all("secret-name").zip(fields.all("secret-value"));
    EnvironmentForm {
        name: fields.text("name"),
        branch: fields.text("branch"),
        target_path: fields.text("target_path"),
        remote_user: fields.text("remote_user"),
        position: fields.text("position"),
        auto_deploy: fields.is_ticked("auto_deploy"),
        fail_on_failed_tests: fields.is_ticked("fail_on_failed_tests"),
        clusters: fields.chosen("clusters"),
        excluded: fields.text("excluded"),
        shared: fields.text("shared"),
        variables: fields.text("variables"),
        secrets: secrets
            .map(|(name, value)| SecretField {
                name: name.to_owned(),
                value: value.to_owned(),
                gone: gone.contains(&name),
            })
            .collect(),
        local_timeout: fields.text("local_timeout"),
        remote_timeout: fields.text("remote_timeout"),
        parallel: fields.text("parallel"),
        keep_releases: fields.text("keep_releases"),
        health: health::read(fields, kept.health),
        rollout: rollout::read(fields, kept.rollout),
    }
}

async fn saved(
    visitor: &Visitor,
    project: &Project,
    environment: &Environment,
    what: &str,
) -> Result<Response> {
    let said = format!("{}/{} is {what}.", project.name, environment.name);
    visitor.flash(Flash::done(said)).await?;
    Ok(go_to(&urls::admin_environment(
        project.name.as_str(),
        environment.name.as_str(),
    )))
}

async fn shown_again(
    visitor: &Visitor,
    permit: &Permit,
    project: &Project,
    existing: Option<&Environment>,
    form: EnvironmentForm,
    error: Error,
) -> Result<Response> {
    if error.kind() != ErrorKind::Invalid {
        return Err(error);
    }
    let complaints = Complaints::of_error(&error);
    refused(&page(visitor, permit, project, existing, form, complaints).await?)
}

async fn page(
    visitor: &Visitor,
    permit: &Permit,
    project: &Project,
    existing: Option<&Environment>,
    mut form: EnvironmentForm,
    complaints: Complaints,
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
    let question = format!(
        "Delete {title}? Its releases stay on the servers and its deployments in the history; nothing can be deployed there any more."
    );
    Ok(Page {
        frame: visitor.frame(title.clone(), Section::Admin).await?,
        trail: vec![
            ("Admin".to_owned(), urls::admin().to_owned()),
            ("Projects".to_owned(), urls::admin_projects().to_owned()),
            (name.to_owned(), urls::admin_project(name)),
        ],
        title,
        exists: existing.is_some(),
        delete: urls::admin_act(&action, "delete"),
        question,
        action,
        clusters: cluster_picks(&inventory, &form),
        secrets: secret_rows(existing, std::mem::take(&mut form.secrets)),
        warnings: existing
            .map(|one| warnings(&inventory, project, one))
            .unwrap_or_default(),
        health_kinds: health::KINDS,
        health_askers: health::ASKERS,
        strategies: rollout::STRATEGIES,
        failures: rollout::ON_FAILURE,
        form,
        complaints,
        is_symlink: project.method == SyncMethod::Symlink,
    })
}

fn cluster_picks(inventory: &Inventory, form: &EnvironmentForm) -> Vec<Pick> {
    let all = inventory.clusters.iter().map(|cluster| {
        let size = i64::try_from(cluster.members.len()).unwrap_or(i64::MAX);
        (
            cluster.id,
            cluster.name.to_string(),
            format::count(size, "server"),
        )
    });
    picks(all, &form.clusters)
}

/// Names only: values stay where they are, and what was just typed has to be typed again.
fn secret_rows(existing: Option<&Environment>, fields: Vec<SecretField>) -> Vec<SecretRow> {
    let is_kept = |name: &str| {
        let variable = existing.and_then(|one| one.options.variables.get(name));
        variable.is_some_and(|variable| variable.secret)
    };
    let mut rows: Vec<SecretRow> = fields
        .into_iter()
        .filter(|field| !field.name.trim().is_empty())
        .map(|field| SecretRow {
            is_kept: is_kept(&field.name),
            name: field.name,
            gone: field.gone,
        })
        .collect();
    rows.extend(
        std::iter::repeat_with(|| SecretRow {
            name: String::new(),
            is_kept: false,
            gone: false,
        })
        .take(NEW_SECRETS),
    );
    rows
}

fn warnings(inventory: &Inventory, project: &Project, environment: &Environment) -> Vec<String> {
    let own = inventory.twice().into_iter().filter(|twice| {
        project.name.as_str() == twice.project && environment.name.as_str() == twice.environment
    });
    let mut warnings: Vec<String> = own.map(|twice| twice.sentence()).collect();
    let keyless = inventory.servers_of(environment).into_iter();
    for server in keyless.filter(|server| server.active && server.host_key.is_none()) {
        warnings.push(format!(
            "Nobody has trusted the host key of server “{}” yet: deployments here will stop at it.",
            server.name
        ));
    }
    warnings
}
