//! Servers: the list with what runs on each, and one with its host key and a test of its
//! connection.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use super::picks::key_choices;
use super::{
    Part, Tabs, may_change, may_configure, may_read, place_link, saved, settle, tabs, tell_of_jump_hosts,
};
use crate::access::Permit;
use crate::app::App;
use crate::app::admin::host_keys;
use crate::app::admin::inventory::{self, InUse, Inventory, LeftAs};
use crate::app::admin::jump_hosts::WithJumpHosts;
use crate::app::admin::keys;
use crate::app::admin::server_events::via_lines;
use crate::app::admin::servers::{self, ServerSpec, Tried};
use crate::domain::{Area, HeldData, Hop, HostKey, Instant, Result, Server, ServerId};
use crate::web::forms::{FormData, FormReader, VERSION, version};
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::pages::form_page;
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/admin/servers.html`.
#[derive(Template)]
#[template(path = "admin/servers.html")]
struct ListPage {
    frame: Frame,
    tabs: Tabs,
    /// Whether the visitor may also change what is listed.
    may_change: bool,
    rows: Vec<Row>,
    /// How many have no trusted host key.
    untrusted: usize,
    /// What a server runs that runs nothing.
    runs_none: String,
}

struct Row {
    server: Server,
    url: String,
    clusters: Vec<(String, String)>,
    /// The jump hosts it names, first one first: `user@server`.
    via: Vec<String>,
    /// Whether something connects to it.
    is_known: bool,
    runs: Vec<Runs>,
    /// Whether a deployment uses it.
    is_in_use: bool,
    /// The deployment that uses it, if the visitor may see that.
    holder: Option<(String, String)>,
}

struct Runs {
    place: String,
    commit: String,
    at: Instant,
    /// Empty when it is not known.
    deployment: String,
}

/// The contract of `templates/admin/server.html`.
#[derive(Template)]
#[template(path = "admin/server.html")]
struct ServerPage {
    frame: Frame,
    trail: Trail,
    form: FormData,
    action: String,
    /// The private keys to choose from.
    keys: Vec<(String, String)>,
    /// What is shown beside the form of an existing server.
    known: Option<Known>,
}

struct Known {
    row: Row,
    /// What deploys there where nothing does, and what was deployed.
    places_none: String,
    runs_none: String,
    users: Vec<String>,
    places: Vec<(String, String)>,
    /// The servers and clusters whose way leads through it.
    carries: Vec<(String, String)>,
    keys: Vec<(HostKey, Option<Instant>)>,
    /// What deployments could not delete there, by place.
    leftovers: Vec<(String, Vec<String>)>,
    /// What applications wrote in old releases, by place.
    held: Vec<(String, Vec<HeldData>)>,
    /// How deployments left it, where that is not all well.
    left_as: Vec<LeftAs>,
    tried: Vec<Tried>,
    user: String,
}

/// `GET /admin/servers`
#[handler]
pub async fn list(visitor: Visitor) -> Result<Response> {
    let permit = may_read(&visitor, Area::Servers).await?;
    let inventory = inventory::read(visitor.app(), &permit).await?;
    let running = inventory::running(visitor.app(), &permit).await?;
    let rows = inventory
        .servers
        .iter()
        .map(|server| row(visitor.app(), &inventory, &running, server));
    let rows: Vec<Row> = rows.collect();
    html(&ListPage {
        untrusted: rows.iter().filter(|row| !row.is_known).count(),
        frame: visitor.frame("Servers · Admin", Section::Admin).await?,
        tabs: tabs(&visitor, Part::Servers),
        may_change: may_change(&visitor, Area::Servers),
        rows,
        runs_none: inventory.none_seen("nothing"),
    })
}

fn row(app: &App, inventory: &Inventory, running: &InUse, server: &Server) -> Row {
    let link = |name: &str| (name.to_owned(), urls::admin_cluster(name));
    let own = running
        .releases
        .iter()
        .filter(|release| release.server_id == Some(server.id));
    let runs = own.filter_map(|release| {
        let (project, environment) = inventory.place(release.environment_id?)?;
        Some(Runs {
            place: format!("{}/{}", project.name, environment.name),
            commit: release.commit.to_string(),
            at: release.at,
            deployment: release.deployment_id.map(urls::deployment).unwrap_or_default(),
        })
    });
    let in_use = running.holders.get(&server.id);
    let holder = in_use.copied().flatten();
    Row {
        url: urls::admin_server(server.id),
        clusters: inventory
            .clusters_of(server.id)
            .iter()
            .map(|one| link(one.name.as_str()))
            .collect(),
        via: via_lines(&inventory.servers, &server.via),
        is_known: host_keys::is_known(app, server),
        runs: runs.collect(),
        is_in_use: in_use.is_some(),
        holder: holder.map(|id| (id.to_string(), urls::deployment(id))),
        server: server.clone(),
    }
}

/// `GET /admin/new/server`
#[handler]
pub async fn new(visitor: Visitor) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let form = FormData::default().with("port", 22).with_tick("active", true);
    html(&page(&visitor, &permit, None, form).await?)
}

/// `POST /admin/new/server`
#[handler]
pub async fn add(visitor: Visitor, Form(mut form): Form<FormData>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let added = form.submit(spec, |spec| servers::add(visitor.app(), &permit, spec));
    let Some(WithJumpHosts {
        stored: server,
        added,
    }) = added.await?
    else {
        let page = page(&visitor, &permit, None, form).await?;
        return form_page(&page, &page.form.complaints);
    };
    tell_of_jump_hosts(&visitor, &added).await?;
    let done = format!(
        "Server “{}” was added. Now fetch its host key and compare it.",
        server.name
    );
    saved(&visitor, done, &urls::admin_server(server.id)).await
}

/// `GET /admin/servers/{id}`
#[handler]
pub async fn show(visitor: Visitor, Path(id): Path<ServerId>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let server = servers::by_id(visitor.app(), &permit, id).await?;
    let form = filled(&visitor, &permit, &server)
        .await?
        .with(VERSION, version(&server));
    html(&page(&visitor, &permit, Some(&server), form).await?)
}

/// `POST /admin/servers/{id}`
#[handler]
pub async fn edit(
    visitor: Visitor,
    Path(id): Path<ServerId>,
    Form(mut form): Form<FormData>,
) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let server = servers::by_id(visitor.app(), &permit, id).await?;
    let now = version(&server);
    let changed = form.submit_over(&now, spec, |spec| servers::edit(visitor.app(), &permit, id, spec));
    let Some(changed) = changed.await? else {
        let page = page(&visitor, &permit, Some(&server), form).await?;
        return form_page(&page, &page.form.complaints);
    };
    tell_of_jump_hosts(&visitor, &changed.added).await?;
    let done = format!("Server “{}” was saved.", changed.stored.name);
    saved(&visitor, done, &urls::admin_server(id)).await
}

/// The form of a server as it is.
async fn filled(visitor: &Visitor, permit: &Permit, server: &Server) -> Result<FormData> {
    let inventory = inventory::read(visitor.app(), permit).await?;
    let key = server.key.as_ref().map(ToString::to_string);
    Ok(FormData::default()
        .with("name", &server.name)
        .with("address", &server.address)
        .with("port", server.port)
        .with("via", via_lines(&inventory.servers, &server.via).join("\n"))
        .with("key", key.unwrap_or_default())
        .with_tick("legacy", server.legacy)
        .with_tick("active", server.active))
}

fn spec(form: &mut FormReader) -> Option<ServerSpec> {
    let (name, address, port) = (form.parse("name"), form.parse("address"), form.parse("port"));
    let (key, via) = (form.parse_opt("key"), form.lines("via"));
    Some(ServerSpec {
        name: name?,
        address: address?,
        port: port?,
        active: form.form.text("active") == "yes",
        key: key?,
        legacy: form.form.has("legacy"),
        via: via?,
    })
}

/// Whether deployments use a server.
#[derive(Deserialize)]
pub(super) struct ActiveForm {
    active: String,
}

/// `POST /admin/servers/{id}/active`
#[handler]
pub async fn set_active(
    visitor: Visitor,
    Path(id): Path<ServerId>,
    Form(form): Form<ActiveForm>,
) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let outcome = servers::set_active(visitor.app(), &permit, id, form.active == "yes").await;
    let outcome = outcome.map(|server| {
        if server.active {
            format!("Server “{}” takes part in deployments again.", server.name)
        } else {
            format!("Server “{}” is skipped by deployments from now on.", server.name)
        }
    });
    let url = urls::admin_server(id);
    settle(&visitor, outcome, &url, &url).await
}

/// `POST /admin/servers/{id}/delete`
#[handler]
pub async fn delete(visitor: Visitor, Path(id): Path<ServerId>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let outcome = servers::delete(visitor.app(), &permit, id).await;
    let outcome = outcome.map(|server| {
        format!(
            "Server “{}” was deleted. Its history stays; nothing on it was touched.",
            server.name
        )
    });
    settle(&visitor, outcome, urls::admin_servers(), &urls::admin_server(id)).await
}

/// `POST /admin/servers/{id}/test`
#[handler]
pub async fn test(
    visitor: Visitor,
    Path(id): Path<ServerId>,
    Form(mut form): Form<FormData>,
) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let server = servers::by_id(visitor.app(), &permit, id).await?;
    let tried = form.submit(
        |form| form.parse_opt("user"),
        |user| servers::test(visitor.app(), &permit, id, user),
    );
    let tried = tried.await?.unwrap_or_default();
    let filled = filled(&visitor, &permit, &server).await?;
    let mut page = page(&visitor, &permit, Some(&server), filled).await?;
    if let Some(known) = &mut page.known {
        known.tried = tried;
        known.user = form.text("user").to_owned();
    }
    page.form.complaints = form.complaints;
    form_page(&page, &page.form.complaints)
}

/// The answer to a form, reloaded without the form: back to the server.
#[handler]
pub fn back(Path(id): Path<ServerId>) -> Response {
    go_to(&urls::admin_server(id))
}

async fn page(
    visitor: &Visitor,
    permit: &Permit,
    existing: Option<&Server>,
    form: FormData,
) -> Result<ServerPage> {
    let (title, action, known) = match existing {
        Some(server) => (
            server.name.to_string(),
            urls::admin_server(server.id),
            Some(known(visitor, permit, server).await?),
        ),
        None => (
            "Add a server".to_owned(),
            urls::admin_new_server().to_owned(),
            None,
        ),
    };
    Ok(ServerPage {
        frame: visitor.frame(title, Section::Admin).await?,
        trail: trail::admin("Servers", urls::admin_servers()),
        keys: key_choices(
            keys::names(visitor.app(), permit, &keys::of_servers(visitor.app())),
            form.text("key"),
        ),
        form,
        action,
        known,
    })
}

async fn known(visitor: &Visitor, permit: &Permit, server: &Server) -> Result<Known> {
    let app = visitor.app();
    let inventory = inventory::read(app, permit).await?;
    let running = inventory::running(app, permit).await?;
    let places = inventory.places_of(server.id).into_iter();
    Ok(Known {
        row: row(app, &inventory, &running, server),
        places_none: inventory.none_seen("none"),
        runs_none: inventory.none_seen("Nothing"),
        users: servers::users_of(&inventory, server.id),
        places: places
            .map(|(project, environment)| place_link(project, environment))
            .collect(),
        carries: carries(&inventory, server.id),
        keys: host_keys::history(app, permit, server.id).await?,
        leftovers: inventory::leftovers(app, permit, &inventory, server.id).await?,
        held: inventory::held(app, permit, &inventory, server.id).await?,
        left_as: inventory::left_as(app, permit, &inventory, server.id).await?,
        tried: Vec::new(),
        user: String::new(),
    })
}

/// The servers and clusters whose way leads through a server.
fn carries(inventory: &Inventory, id: ServerId) -> Vec<(String, String)> {
    let is_through = |via: &[Hop]| via.iter().any(|hop| hop.server == id);
    let servers = inventory.servers.iter().filter(|one| is_through(&one.via));
    let clusters = inventory.clusters.iter().filter(|one| is_through(&one.via));
    let servers = servers.map(|one| (one.name.to_string(), urls::admin_server(one.id)));
    let clusters = clusters.map(|one| (one.name.to_string(), urls::admin_cluster(one.name.as_str())));
    servers.chain(clusters).collect()
}
