//! Projects: the list, and one with its environments.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};

use super::picks::key_choices;
use super::{Part, Tabs, may_configure, saved, settle_in, tabs};
use crate::access::Permit;
use crate::app::admin::inventory::{self, Inventory};
use crate::app::admin::keys;
use crate::app::admin::projects::{self, ProjectSpec};
use crate::domain::{Environment, Extras, KeyName, Project, Result, SyncMethod};
use crate::web::forms::{FormData, FormReader, VERSION, version};
use crate::web::frame::{Frame, Section, html};
use crate::web::pages::form_page;
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The methods as the form names them.
const METHODS: [(&str, &str); 2] = [
    (
        "symlink",
        "Symlink: each release in a directory of its own, switched at once",
    ),
    (
        "in_place",
        "In place: files are changed inside the target directory",
    ),
];

/// What the form says of files in Git LFS.
const LFS: [(&str, &str); 2] = [
    ("yes", "Fetch the files that .gitattributes keeps there"),
    ("no", "Fetch none: predeploy.sh does, or there are none"),
];
/// What the form says of submodules.
const SUBMODULES: [(&str, &str); 2] = [
    ("no", "Refuse commits that have submodules"),
    ("yes", "Fetch them"),
];

/// The contract of `templates/admin/projects.html`.
#[derive(Template)]
#[template(path = "admin/projects.html")]
struct ListPage {
    frame: Frame,
    tabs: Tabs,
    rows: Vec<Row>,
}

struct Row {
    project: Project,
    url: String,
    environments: Vec<(String, String)>,
}

/// The contract of `templates/admin/project.html`.
#[derive(Template)]
#[template(path = "admin/project.html")]
struct ProjectPage {
    frame: Frame,
    trail: Trail,
    /// The present name; empty for a new project.
    name: String,
    action: String,
    form: FormData,
    /// The private keys to choose from.
    keys: Vec<(String, String)>,
    methods: [(&'static str, &'static str); 2],
    lfs: [(&'static str, &'static str); 2],
    submodules: [(&'static str, &'static str); 2],
    /// The branches that a test of the repository found.
    branches: Vec<String>,
    environments: Vec<EnvironmentRow>,
}

struct EnvironmentRow {
    environment: Environment,
    url: String,
    clusters: String,
    /// How many active servers it has.
    servers: usize,
}

/// `GET /admin/projects`
#[handler]
pub async fn list(visitor: Visitor) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let inventory = inventory::read(visitor.app(), &permit).await?;
    let row = |project: &Project| Row {
        url: urls::admin_project(project.name.as_str()),
        environments: inventory
            .environments_of(project.id)
            .map(|one| {
                let url = urls::admin_environment(project.name.as_str(), one.name.as_str());
                (one.name.to_string(), url)
            })
            .collect(),
        project: project.clone(),
    };
    let rows = inventory.projects.iter().map(row).collect();
    html(&ListPage {
        frame: visitor.frame("Projects · Admin", Section::Admin).await?,
        tabs: tabs(&visitor, Part::Projects),
        rows,
    })
}

/// `GET /admin/new/project`
#[handler]
pub async fn new(visitor: Visitor) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let form = FormData::default().with("method", SyncMethod::Symlink.as_str());
    let form = with_extras(form, Extras::default());
    html(&page(&visitor, &permit, None, form).await?)
}

/// `POST /admin/new/project`
#[handler]
pub async fn add(visitor: Visitor, Form(mut form): Form<FormData>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    keep_extras(&mut form, Extras::default());
    if form.text("act") == "probe" {
        return probe(&visitor, &permit, None, form).await;
    }
    let added = form.submit(spec, |spec| projects::add(visitor.app(), &permit, spec));
    let Some(project) = added.await? else {
        let page = page(&visitor, &permit, None, form).await?;
        return form_page(&page, &page.form.complaints);
    };
    let done = format!(
        "Project “{}” was added. Now add the environments to deploy it to.",
        project.name
    );
    saved(&visitor, done, &urls::admin_project(project.name.as_str())).await
}

/// `GET /admin/projects/{project}`
#[handler]
pub async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let (project, permit) = projects::open(visitor.app(), visitor.actor(), &name).await?;
    let form = FormData::default()
        .with("name", &project.name)
        .with("description", &project.description)
        .with("git_url", &project.git_url)
        .with("method", project.method.as_str())
        .with("key", key_of(&project))
        .with(VERSION, version(&project));
    let form = with_extras(form, project.extras);
    html(&page(&visitor, &permit, Some(&project), form).await?)
}

fn with_extras(form: FormData, extras: Extras) -> FormData {
    let word = |is_so| if is_so { "yes" } else { "no" };
    form.with("lfs", word(extras.lfs))
        .with("submodules", word(extras.submodules))
}

/// `POST /admin/projects/{project}`
#[handler]
pub async fn edit(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(mut form): Form<FormData>,
) -> Result<Response> {
    let (project, permit) = projects::open(visitor.app(), visitor.actor(), &name).await?;
    keep_extras(&mut form, project.extras);
    // Who may not choose keys is shown none.
    form.keep(&["key"], &FormData::default().with("key", key_of(&project)));
    if form.text("act") == "probe" {
        return probe(&visitor, &permit, Some(&project), form).await;
    }
    let now = version(&project);
    let changed = form.submit_over(&now, spec, |spec| {
        projects::edit(visitor.app(), &permit, project.id, spec)
    });
    let Some(changed) = changed.await? else {
        let page = page(&visitor, &permit, Some(&project), form).await?;
        return form_page(&page, &page.form.complaints);
    };
    let done = format!("Project “{}” was saved.", changed.name);
    saved(&visitor, done, &urls::admin_project(changed.name.as_str())).await
}

/// Adds the fields that a program left out.
fn keep_extras(form: &mut FormData, extras: Extras) {
    form.keep(&["lfs", "submodules"], &with_extras(FormData::default(), extras));
}

/// The name of its private key, if it has one of its own.
fn key_of(project: &Project) -> &str {
    project.key.as_ref().map(KeyName::as_str).unwrap_or_default()
}

fn spec(form: &mut FormReader) -> Option<ProjectSpec> {
    let key = form.parse_opt("key");
    let (name, description, git_url) = (
        form.parse("name"),
        form.parse("description"),
        form.parse("git_url"),
    );
    let method = SyncMethod::parse(form.form.text("method"));
    let method = method.ok_or_else(|| "Choose how a release is put in place.".to_owned());
    let method = form.take("method", method);
    Some(ProjectSpec {
        name: name?,
        description: description?,
        git_url: git_url?,
        method: method?,
        extras: Extras {
            lfs: form.form.text("lfs") == "yes",
            submodules: form.form.text("submodules") == "yes",
        },
        key: key?,
    })
}

/// Tries the repository and shows the form as it was sent, with the branches found.
async fn probe(
    visitor: &Visitor,
    permit: &Permit,
    existing: Option<&Project>,
    mut form: FormData,
) -> Result<Response> {
    let found = form.submit(
        |form| {
            let key = form.parse_opt("key");
            Some((form.parse("git_url")?, key?))
        },
        |remote| projects::probe(visitor.app(), permit, existing, remote),
    );
    let branches = found.await?.unwrap_or_default();
    let page = page(visitor, permit, existing, form).await?;
    let page = ProjectPage { branches, ..page };
    form_page(&page, &page.form.complaints)
}

/// `POST /admin/projects/{project}/delete`
#[handler]
pub async fn delete(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let app = visitor.app();
    let outcome = async {
        let (project, permit) = projects::open(app, visitor.actor(), &name).await?;
        projects::delete(app, &permit, project.id).await?;
        Ok(format!(
            "Project “{}” was deleted. Its history stays, and so does everything on the servers.",
            project.name
        ))
    };
    let outcome = outcome.await;
    settle_in(
        &visitor,
        &name,
        outcome,
        urls::admin_projects(),
        &urls::admin_project(&name),
    )
    .await
}

async fn page(
    visitor: &Visitor,
    permit: &Permit,
    existing: Option<&Project>,
    form: FormData,
) -> Result<ProjectPage> {
    let name = existing
        .map(|project| project.name.to_string())
        .unwrap_or_default();
    let title = if name.is_empty() {
        "Add a project"
    } else {
        name.as_str()
    };
    let action = if name.is_empty() {
        urls::admin_new_project().to_owned()
    } else {
        urls::admin_project(&name)
    };
    let environments = match existing {
        Some(project) => rows(&inventory::read(visitor.app(), permit).await?, project),
        None => Vec::new(),
    };
    Ok(ProjectPage {
        frame: visitor.frame(title, Section::Admin).await?,
        trail: trail::admin("Projects", urls::admin_projects()),
        name,
        action,
        keys: key_choices(
            keys::names(visitor.app(), permit, &keys::of_git(visitor.app())),
            form.text("key"),
        ),
        form,
        methods: METHODS,
        lfs: LFS,
        submodules: SUBMODULES,
        branches: Vec::new(),
        environments,
    })
}

fn rows(inventory: &Inventory, project: &Project) -> Vec<EnvironmentRow> {
    let row = |environment: &Environment| {
        let clusters = environment.clusters.iter();
        let clusters = clusters.filter_map(|id| inventory.cluster(*id));
        let clusters: Vec<&str> = clusters.map(|cluster| cluster.name.as_str()).collect();
        let servers = inventory.servers_of(environment);
        EnvironmentRow {
            url: urls::admin_environment(project.name.as_str(), environment.name.as_str()),
            clusters: clusters.join(", "),
            servers: servers.iter().filter(|server| server.active).count(),
            environment: environment.clone(),
        }
    };
    inventory.environments_of(project.id).map(row).collect()
}
