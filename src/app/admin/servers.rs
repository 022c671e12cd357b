//! Servers: added, changed, switched on and off, deleted; and a test of the connection.

use std::time::{Duration, Instant as Stopwatch};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::inventory::Inventory;
use super::values::{Address, RemoteUser, Within};
use super::{demand_everything, demand_other_name};
use crate::access::Permit;
use crate::app::App;
use crate::domain::log::HERE;
use crate::domain::{self, Error, Event, EventKind, Name, Result, Server, ServerId};
use crate::ssh::{Command, Endpoint, Run};
use crate::store::{Change, servers};
use crate::sync::{self, Limits};

/// How long the test's command may take once connected: it does next to nothing.
const TEST_LIMIT: Duration = Duration::from_secs(15);
/// How much of what it prints is kept.
const TEST_OUTPUT: usize = 16 * 1024;
/// Prints the operating system.
const TEST_SCRIPT: &str = "uname -sr";

/// The command to add or change a server. Its fields are those of [`Server`].
#[derive(Debug, Clone)]
pub struct ServerSpec {
    pub name: Name,
    pub address: Address,
    pub port: Within<1, 65_535>,
    pub active: bool,
}

/// The server that `spec` describes.
///
/// # Errors
/// A complaint about the field `name`.
pub(super) fn checked(spec: ServerSpec, id: ServerId) -> Result<Server> {
    demand_other_name(&spec.name, HERE, "the host of Deployer itself")?;
    Ok(Server {
        id,
        name: spec.name,
        address: spec.address.into(),
        port: spec.port.get(),
        active: spec.active,
        host_key: None,
    })
}

/// That `server` was added.
pub(super) fn added(server: &Server) -> Event {
    Event::new(EventKind::ServerAdded, told(server)).about(resource(&server.name))
}

/// A server by its id.
pub async fn by_id(app: &App, permit: &Permit, id: ServerId) -> Result<Server> {
    demand_everything(permit)?;
    servers::by_id(&app.store, id).await
}

/// Adds a server, without a host key: see [`super::host_keys`].
pub async fn add(app: &App, permit: &Permit, spec: ServerSpec) -> Result<Server> {
    demand_everything(permit)?;
    let server = checked(spec, ServerId(0))?;
    let change = app.store.change(permit, app.now()).await?;
    demand_own_address(&change, &server).await?;
    let server = servers::insert(&change, &server).await?;
    change.commit(added(&server)).await?;
    Ok(server)
}

/// Deployments to two names of one machine would overwrite each other.
async fn demand_own_address(change: &Change, server: &Server) -> Result<()> {
    let all = servers::list(change).await?;
    let is_there = |other: &&Server| other.id != server.id && other.shares_address(server);
    match all.iter().find(is_there) {
        None => Ok(()),
        Some(other) => Err(Error::field(
            "address",
            format!(
                "Server {} has this address and port already. Deployments to two names of one machine would overwrite each other.",
                other.name
            ),
        )),
    }
}

/// Changes a server. Its trusted host key stays, also at another address.
pub async fn edit(app: &App, permit: &Permit, id: ServerId, spec: ServerSpec) -> Result<Server> {
    demand_everything(permit)?;
    let changed = checked(spec, id)?;
    let change = app.store.change(permit, app.now()).await?;
    let before = servers::by_id(&change, id).await?;
    let detail = super::changes(&told(&before), &told(&changed));
    if detail.as_object().is_some_and(|changes| !changes.is_empty()) {
        if (&before.address, before.port) != (&changed.address, changed.port) {
            demand_own_address(&change, &changed).await?;
        }
        servers::update(&change, &changed).await?;
        change
            .commit(Event::new(EventKind::ServerChanged, detail).about(resource(&before.name)))
            .await?;
    }
    Ok(changed)
}

/// Switches a server on or off for deployments; does nothing when it already is.
pub async fn set_active(app: &App, permit: &Permit, id: ServerId, active: bool) -> Result<Server> {
    demand_everything(permit)?;
    let change = app.store.change(permit, app.now()).await?;
    let mut server = servers::by_id(&change, id).await?;
    if server.active != active {
        server.active = active;
        servers::update(&change, &server).await?;
        let action = if active {
            EventKind::ServerActivated
        } else {
            EventKind::ServerDeactivated
        };
        change
            .commit(Event::new(action, json!({})).about(resource(&server.name)))
            .await?;
    }
    Ok(server)
}

/// Deletes a server and takes it out of its clusters. What was deployed to it stays in the history.
///
/// # Errors
/// A conflict while a deployment uses it; not found.
pub async fn delete(app: &App, permit: &Permit, id: ServerId) -> Result<Server> {
    demand_everything(permit)?;
    let change = app.store.change(permit, app.now()).await?;
    let server = servers::by_id(&change, id).await?;
    servers::delete(&change, id).await?;
    change
        .commit(Event::new(EventKind::ServerDeleted, told(&server)).about(resource(&server.name)))
        .await?;
    Ok(server)
}

/// The result of a connection test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The user it logged in as.
    pub user: String,
    /// The answer, or a sentence that says why there was none.
    pub outcome: Result<ServerReply, String>,
}

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReply {
    /// The operating system: `Linux 6.1`.
    pub system: String,
    /// From connecting to the end of the command.
    pub took: Duration,
    /// Programs that deploying needs and the server lacks.
    pub missing: Vec<String>,
}

/// Connects as `user`, or else as every user that environments log in as there.
///
/// # Errors
/// A complaint about the field `user`; not found. A failed connection is no error here but a
/// [`Tried::outcome`].
pub async fn test(app: &App, permit: &Permit, id: ServerId, user: Option<RemoteUser>) -> Result<Vec<Tried>> {
    demand_everything(permit)?;
    let inventory = Inventory::load(&app.store).await?;
    let server = servers::by_id(&app.store, id).await?;
    let users = match user {
        Some(user) => vec![user.into()],
        None => users_of(&inventory, id),
    };
    if users.is_empty() {
        let message = "No environment uses this server yet: enter the user to log in as.";
        return Err(Error::field("user", message));
    }
    Ok(join_all(users.iter().map(|user| attempt(app, &server, user))).await)
}

/// The users that environments log in as on a server, each once.
pub fn users_of(inventory: &Inventory, id: ServerId) -> Vec<String> {
    let places = inventory.places_of(id);
    let mut users: Vec<String> = places.iter().map(|(_, one)| one.remote_user.clone()).collect();
    users.sort_unstable();
    users.dedup();
    users
}

async fn attempt(app: &App, server: &Server, user: &str) -> Tried {
    let outcome = ask(app, server, user).await;
    Tried {
        user: user.to_owned(),
        outcome: outcome.map_err(|error| error.message().to_owned()),
    }
}

async fn ask(app: &App, server: &Server, user: &str) -> domain::Result<ServerReply> {
    let started = Stopwatch::now();
    let endpoint = Endpoint::of(server, user);
    let session = app.ssh.session(&endpoint).await?;
    let said = session
        .capture(
            &Command::script(TEST_SCRIPT),
            Run::within(TEST_LIMIT),
            TEST_OUTPUT,
        )
        .await?;
    let took = started.elapsed();
    if !said.exit.success() {
        return Err(Error::unavailable(format!(
            "Logged in, but a shell command failed there: {}",
            String::from_utf8_lossy(&said.stderr)
                .lines()
                .next()
                .unwrap_or("it printed nothing.")
        )));
    }
    let text = String::from_utf8_lossy(&said.stdout);
    Ok(ServerReply {
        system: text.lines().last().unwrap_or_default().to_owned(),
        took,
        missing: sync::missing_tools(&session, &Limits::within(TEST_LIMIT)).await?,
    })
}

pub(super) fn resource(name: &Name) -> String {
    format!("server {name}")
}

fn told(server: &Server) -> Value {
    json!({
        "name": server.name,
        "address": server.address,
        "port": server.port,
        "active": server.active,
    })
}
