//! Clusters: the list, and one with its servers in order.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};

use super::picks::{Pick, picks};
use super::{
    Part, Tabs, may_change, may_configure, may_read, place_link, saved, settle, tabs, tell_of_jump_hosts,
};
use crate::access::Permit;
use crate::app::admin::clusters::{self, ClusterSpec};
use crate::app::admin::inventory::{self, HIDDEN, Inventory};
use crate::app::admin::server_events::via_lines;
use crate::app::balancers;
use crate::domain::{Area, Balancer, Cluster, Member, Project, Result, Server, ServerId};
use crate::web::forms::{FormData, FormReader, VERSION, version};
use crate::web::frame::{Frame, Section, html};
use crate::web::pages::form_page;
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/admin/clusters.html`.
#[derive(Template)]
#[template(path = "admin/clusters.html")]
struct ListPage {
    frame: Frame,
    tabs: Tabs,
    /// Whether the visitor may also change what is listed.
    may_change: bool,
    rows: Vec<Row>,
    /// What uses a cluster that nothing uses.
    used_by_none: String,
    warnings: Vec<String>,
}

struct Row {
    name: String,
    url: String,
    /// Its jump hosts, first one first: `user@server`.
    via: Vec<String>,
    servers: Vec<(String, String)>,
    places: Vec<(String, String)>,
}

/// The contract of `templates/admin/cluster.html`.
#[derive(Template)]
#[template(path = "admin/cluster.html")]
struct ClusterPage {
    frame: Frame,
    trail: Trail,
    exists: bool,
    action: String,
    question: String,
    form: FormData,
    servers: Vec<Pick>,
    /// Id and name of every project, and whether it may use the cluster.
    projects: Vec<(String, String, bool)>,
    /// Id and name of every balancer, and an entry for none.
    balancers: Vec<(String, String)>,
    /// The balancer's name of each server: id, our name, its name.
    balancer_names: Vec<(String, String, String)>,
    warnings: Vec<String>,
    places: Vec<(String, String)>,
    /// What uses it where nothing does.
    used_by_none: String,
}

/// `GET /admin/clusters`
#[handler]
pub async fn list(visitor: Visitor) -> Result<Response> {
    let permit = may_read(&visitor, Area::Servers).await?;
    let inventory = inventory::read(visitor.app(), &permit).await?;
    let row = |cluster: &Cluster| Row {
        name: cluster.name.to_string(),
        url: urls::admin_cluster(cluster.name.as_str()),
        via: via_lines(&inventory.servers, &cluster.via),
        servers: cluster
            .members
            .iter()
            .filter_map(|member| inventory.server(member.server))
            .map(|server| (server.name.to_string(), urls::admin_server(server.id)))
            .collect(),
        places: places(&inventory, cluster),
    };
    let rows = inventory.clusters.iter().map(row).collect();
    html(&ListPage {
        frame: visitor.frame("Clusters · Admin", Section::Admin).await?,
        tabs: tabs(&visitor, Part::Clusters),
        may_change: may_change(&visitor, Area::Servers),
        rows,
        used_by_none: inventory.none_seen("nothing"),
        warnings: inventory.twice().iter().map(inventory::Twice::sentence).collect(),
    })
}

fn places(inventory: &Inventory, cluster: &Cluster) -> Vec<(String, String)> {
    let own = inventory.places_of_cluster(cluster.id).into_iter();
    own.map(|(project, environment)| place_link(project, environment))
        .collect()
}

/// `GET /admin/new/cluster`
#[handler]
pub async fn new(visitor: Visitor) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    html(&page(&visitor, &permit, None, FormData::default()).await?)
}

/// `POST /admin/new/cluster`
#[handler]
pub async fn add(visitor: Visitor, Form(mut form): Form<FormData>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let added = form.submit(spec, |spec| clusters::add(visitor.app(), &permit, spec));
    let Some(cluster) = added.await? else {
        let page = page(&visitor, &permit, None, form).await?;
        return form_page(&page, &page.form.complaints);
    };
    tell_of_jump_hosts(&visitor, &cluster.added).await?;
    let name = &cluster.stored.name;
    let done = format!("Cluster “{name}” was added.");
    saved(&visitor, done, &urls::admin_cluster(name.as_str())).await
}

/// `GET /admin/clusters/{cluster}`
#[handler]
pub async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let cluster = clusters::by_name(visitor.app(), &permit, &name).await?;
    let inventory = inventory::read(visitor.app(), &permit).await?;
    let form = filled(&inventory, &cluster).with(VERSION, version(&cluster));
    html(&page(&visitor, &permit, Some(&cluster), form).await?)
}

/// `POST /admin/clusters/{cluster}`
#[handler]
pub async fn edit(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(mut form): Form<FormData>,
) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let cluster = clusters::by_name(visitor.app(), &permit, &name).await?;
    let now = version(&cluster);
    let changed = form.submit_over(&now, spec, |spec| {
        clusters::edit(visitor.app(), &permit, cluster.id, spec)
    });
    let Some(changed) = changed.await? else {
        let page = page(&visitor, &permit, Some(&cluster), form).await?;
        return form_page(&page, &page.form.complaints);
    };
    tell_of_jump_hosts(&visitor, &changed.added).await?;
    let name = &changed.stored.name;
    let done = format!("Cluster “{name}” was saved.");
    saved(&visitor, done, &urls::admin_cluster(name.as_str())).await
}

/// The form of a cluster as it is.
fn filled(inventory: &Inventory, cluster: &Cluster) -> FormData {
    let balancer = cluster.balancer.map(|id| id.to_string());
    let mut form = FormData::default()
        .with("name", &cluster.name)
        .with("balancer", balancer.unwrap_or_default())
        .with("backends", cluster.backends.join("\n"))
        .with("via", via_lines(&inventory.servers, &cluster.via).join("\n"));
    for project in &cluster.projects {
        form = form.with("projects", project);
    }
    for (member, place) in cluster.members.iter().zip(1..) {
        let id = member.server;
        form = form
            .with("members", id)
            .with(format!("members-place-{id}"), place);
        if let Some(name) = &member.balancer_name {
            form = form.with(name_field(id), name);
        }
    }
    form
}

/// The field for the balancer's name of a server.
fn name_field(server: ServerId) -> String {
    format!("balancer-name-{server}")
}

fn spec(form: &mut FormReader) -> Option<ClusterSpec> {
    let name = form.parse("name");
    let unknown = || "Choose a balancer from the list, or none.".to_owned();
    let balancer = match form.form.text("balancer") {
        "" => Some(None),
        id => form.take("balancer", id.parse().map(Some).map_err(|_| unknown())),
    };
    let member = |server| {
        let called = form.form.text(&name_field(server)).trim();
        let balancer_name = (!called.is_empty()).then(|| called.to_owned());
        Member {
            server,
            balancer_name,
        }
    };
    let via = form.lines("via");
    Some(ClusterSpec {
        name: name?,
        members: form.form.chosen("members").into_iter().map(member).collect(),
        balancer: balancer?,
        backends: form.form.lines("backends"),
        projects: form
            .form
            .all("projects")
            .filter_map(|id| id.parse().ok())
            .collect(),
        via: via?,
    })
}

/// `POST /admin/clusters/{cluster}/delete`
#[handler]
pub async fn delete(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let outcome = async {
        let cluster = clusters::by_name(visitor.app(), &permit, &name).await?;
        clusters::delete(visitor.app(), &permit, cluster.id).await?;
        Ok(format!(
            "Cluster “{}” was deleted. Its servers stay.",
            cluster.name
        ))
    };
    let outcome = outcome.await;
    settle(
        &visitor,
        outcome,
        urls::admin_clusters(),
        &urls::admin_cluster(&name),
    )
    .await
}

async fn page(
    visitor: &Visitor,
    permit: &Permit,
    existing: Option<&Cluster>,
    form: FormData,
) -> Result<ClusterPage> {
    let inventory = inventory::read(visitor.app(), permit).await?;
    let all_balancers = balancers::list(visitor.app(), permit).await?;
    let (title, action) = match existing {
        Some(cluster) => (
            cluster.name.to_string(),
            urls::admin_cluster(cluster.name.as_str()),
        ),
        None => ("Add a cluster".to_owned(), urls::admin_new_cluster().to_owned()),
    };
    let places = existing
        .map(|cluster| places(&inventory, cluster))
        .unwrap_or_default();
    let used: Vec<&str> = places.iter().map(|(place, _)| place.as_str()).collect();
    let is_hidden = existing.is_some_and(|cluster| inventory.hides_use_of_cluster(cluster.id));
    let question = if is_hidden {
        format!("It is used by {HIDDEN}, so only somebody who may see that can delete it.")
    } else if used.is_empty() {
        "No environment uses it. Its servers stay.".to_owned()
    } else {
        format!("It is removed from {}; its servers stay.", used.join(", "))
    };
    let twice = inventory.twice().into_iter();
    let own = twice.filter(|twice| {
        existing.is_some_and(|one| twice.clusters.iter().any(|name| name == one.name.as_str()))
    });
    let all = inventory.servers.iter().map(|server| {
        let note = if server.active {
            String::new()
        } else {
            "switched off".to_owned()
        };
        (server.id, server.name.to_string(), note)
    });
    Ok(ClusterPage {
        frame: visitor.frame(title, Section::Admin).await?,
        trail: trail::admin("Clusters", urls::admin_clusters()),
        exists: existing.is_some(),
        question,
        action,
        servers: picks(all, &form.chosen("members")),
        projects: projects(&inventory, &form),
        balancer_names: names_there(&inventory, &form),
        balancers: choices(&all_balancers),
        form,
        warnings: own.map(|twice| twice.sentence()).collect(),
        places,
        used_by_none: inventory.none_seen("no environment"),
    })
}

/// Every project, and whether it is ticked.
fn projects(inventory: &Inventory, form: &FormData) -> Vec<(String, String, bool)> {
    let row = |project: &Project| {
        let id = project.id.to_string();
        let is_chosen = form.all("projects").any(|chosen| chosen == id);
        (id, project.name.to_string(), is_chosen)
    };
    inventory.projects.iter().map(row).collect()
}

/// Every server with its name at the balancer: id, our name, its name.
fn names_there(inventory: &Inventory, form: &FormData) -> Vec<(String, String, String)> {
    let row = |server: &Server| {
        let called = form.text(&name_field(server.id)).to_owned();
        (server.id.to_string(), server.name.to_string(), called)
    };
    inventory.servers.iter().map(row).collect()
}

/// Id and name of every balancer, and an entry for none.
fn choices(all: &[Balancer]) -> Vec<(String, String)> {
    let none = (String::new(), "None".to_owned());
    let all = all.iter().map(|one| (one.id.to_string(), one.name.to_string()));
    std::iter::once(none).chain(all).collect()
}
