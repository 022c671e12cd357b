//! Clusters: the list, and one with its servers in order.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};

use super::fields::{Fields, Pick, picks};
use super::{Part, Tabs, may_configure, refused, settle, tabs};
use crate::access::Permit;
use crate::app::admin::clusters::{self, ClusterForm};
use crate::app::admin::inventory::{self, Inventory};
use crate::app::balancers;
use crate::domain::{Balancer, Cluster, Error, ErrorKind, Result, Server};
use crate::web::flash::Flash;
use crate::web::forms::Complaints;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/admin/clusters.html`.
#[derive(Template)]
#[template(path = "admin/clusters.html")]
struct ListPage {
    frame: Frame,
    tabs: Tabs,
    rows: Vec<Row>,
    warnings: Vec<String>,
}

struct Row {
    name: String,
    url: String,
    servers: Vec<(String, String)>,
    places: Vec<(String, String)>,
}

/// The contract of `templates/admin/cluster.html`.
#[derive(Template)]
#[template(path = "admin/cluster.html")]
struct ClusterPage {
    frame: Frame,
    trail: Vec<(&'static str, String)>,
    title: String,
    exists: bool,
    action: String,
    delete: String,
    question: String,
    /// The name as typed.
    called: String,
    servers: Vec<Pick>,
    /// Number and name of every balancer, and none.
    balancers: Vec<(String, String)>,
    /// The chosen one.
    balancer: String,
    backends: String,
    /// What a balancer calls each server: number, our name, its name.
    balancer_names: Vec<(String, String, String)>,
    complaints: Complaints,
    warnings: Vec<String>,
    places: Vec<(String, String)>,
}

/// `GET /admin/clusters`
#[handler]
pub async fn list(visitor: Visitor) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let inventory = inventory::read(visitor.app(), &permit).await?;
    let row = |cluster: &Cluster| Row {
        name: cluster.name.to_string(),
        url: urls::admin_cluster(cluster.name.as_str()),
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
        rows,
        warnings: inventory.twice().iter().map(inventory::Twice::sentence).collect(),
    })
}

fn places(inventory: &Inventory, cluster: &Cluster) -> Vec<(String, String)> {
    let own = inventory.places_of_cluster(cluster.id).into_iter();
    own.map(|(project, environment)| {
        let (project, environment) = (project.name.as_str(), environment.name.as_str());
        (
            format!("{project}/{environment}"),
            urls::admin_environment(project, environment),
        )
    })
    .collect()
}

/// `GET /admin/new/cluster`
#[handler]
pub async fn new(visitor: Visitor) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    html(
        &page(
            &visitor,
            &permit,
            None,
            ClusterForm::default(),
            Complaints::default(),
        )
        .await?,
    )
}

/// `POST /admin/new/cluster`
#[handler]
pub async fn add(visitor: Visitor, Form(pairs): Form<Vec<(String, String)>>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let form = read(&pairs.into());
    match clusters::add(visitor.app(), &permit, &form).await {
        Ok(cluster) => saved(&visitor, &cluster, "added").await,
        Err(error) => shown_again(&visitor, &permit, None, form, error).await,
    }
}

/// `GET /admin/clusters/{cluster}`
#[handler]
pub async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let cluster = clusters::by_name(visitor.app(), &permit, &name).await?;
    let form = ClusterForm::of(&cluster);
    html(&page(&visitor, &permit, Some(&cluster), form, Complaints::default()).await?)
}

/// `POST /admin/clusters/{cluster}`
#[handler]
pub async fn edit(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let cluster = clusters::by_name(visitor.app(), &permit, &name).await?;
    let form = read(&pairs.into());
    match clusters::edit(visitor.app(), &permit, cluster.id, &form).await {
        Ok(changed) => saved(&visitor, &changed, "saved").await,
        Err(error) => shown_again(&visitor, &permit, Some(&cluster), form, error).await,
    }
}

/// `POST /admin/clusters/{cluster}/delete`
#[handler]
pub async fn delete(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let outcome = async {
        let cluster = clusters::by_name(visitor.app(), &permit, &name).await?;
        clusters::delete(visitor.app(), &permit, cluster.id).await?;
        Ok(format!(
            "Cluster “{}” is deleted. Its servers stay.",
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

fn read(fields: &Fields) -> ClusterForm {
    ClusterForm {
        name: fields.text("name"),
        members: fields.chosen("members"),
        balancer: fields.text("balancer"),
        backends: fields.text("backends"),
        balancer_names: fields
            .numbered("balancer-name-")
            .filter_map(|(id, name)| Some((id.parse().ok()?, name.to_owned())))
            .collect(),
    }
}

async fn saved(visitor: &Visitor, cluster: &Cluster, what: &str) -> Result<Response> {
    visitor
        .flash(Flash::done(format!("Cluster “{}” is {what}.", cluster.name)))
        .await?;
    Ok(go_to(&urls::admin_cluster(cluster.name.as_str())))
}

async fn shown_again(
    visitor: &Visitor,
    permit: &Permit,
    existing: Option<&Cluster>,
    form: ClusterForm,
    error: Error,
) -> Result<Response> {
    if error.kind() != ErrorKind::Invalid {
        return Err(error);
    }
    refused(&page(visitor, permit, existing, form, Complaints::of_error(&error)).await?)
}

async fn page(
    visitor: &Visitor,
    permit: &Permit,
    existing: Option<&Cluster>,
    form: ClusterForm,
    complaints: Complaints,
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
    let question = if used.is_empty() {
        "No environment uses it. Its servers stay.".to_owned()
    } else {
        format!("It is taken out of {}; its servers stay.", used.join(", "))
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
        frame: visitor.frame(title.clone(), Section::Admin).await?,
        trail: vec![
            ("Admin", urls::admin().to_owned()),
            ("Clusters", urls::admin_clusters().to_owned()),
        ],
        title,
        exists: existing.is_some(),
        delete: urls::admin_act(&action, "delete"),
        question,
        action,
        servers: picks(all, &form.members),
        balancer_names: names_there(&inventory, &form),
        balancers: choices(&all_balancers),
        balancer: form.balancer,
        backends: form.backends,
        called: form.name,
        complaints,
        warnings: own.map(|twice| twice.sentence()).collect(),
        places,
    })
}

/// Every server with what the balancer calls it: number, our name, its name.
fn names_there(inventory: &Inventory, form: &ClusterForm) -> Vec<(String, String, String)> {
    let row = |server: &Server| {
        let called = form.balancer_names.get(&server.id).cloned().unwrap_or_default();
        (server.id.to_string(), server.name.to_string(), called)
    };
    inventory.servers.iter().map(row).collect()
}

/// Number and name of every balancer, and none.
fn choices(all: &[Balancer]) -> Vec<(String, String)> {
    let none = (String::new(), "None".to_owned());
    let all = all.iter().map(|one| (one.id.to_string(), one.name.to_string()));
    std::iter::once(none).chain(all).collect()
}
