//! Servers: added, changed, switched on and off, deleted; and a test of the connection.

use std::time::{Duration, Instant as Stopwatch};

use futures_util::future::join_all;
use serde_json::json;

use super::inventory::{self, HIDDEN, Inventory};
use super::jump_hosts::{self, JumpHosts, WithJumpHosts};
use super::keys;
use super::server_events::{added, resource, told};
use super::values::{Address, RemoteUser, Within};
use super::{demand_everything, demand_other_name, renames};
use crate::access::Permit;
use crate::app::App;
use crate::domain::log::HERE;
use crate::domain::{self, Error, Event, EventKind, Hop, KeyName, Name, Result, Server, ServerId};
use crate::engine::reach;
use crate::ssh::{Command, Connections, Endpoint, Run};
use crate::store::{Change, servers};
use crate::sync::{self, Limits};

/// How long the test's command may take once connected: it does next to nothing.
const TEST_LIMIT: Duration = Duration::from_secs(15);
/// How much of what it prints is kept.
const TEST_OUTPUT: usize = 16 * 1024;
/// Prints the operating system.
const TEST_SCRIPT: &str = "uname -srm";

/// The command to add or change a server. Its fields are those of [`Server`].
#[derive(Debug, Clone)]
pub struct ServerSpec {
    pub name: Name,
    pub address: Address,
    pub port: Within<1, 65_535>,
    pub active: bool,
    pub key: Option<KeyName>,
    pub legacy: bool,
    pub via: JumpHosts,
}

/// The server that `spec` describes, reached through `via`.
///
/// # Errors
/// A complaint about the field `name`.
pub(super) fn checked(spec: ServerSpec, id: ServerId, via: Vec<Hop>) -> Result<Server> {
    demand_other_name(&spec.name, HERE, "the host of Deployer itself")?;
    Ok(Server {
        id,
        name: spec.name,
        address: spec.address.into(),
        port: spec.port.get(),
        active: spec.active,
        host_key: None,
        key: spec.key,
        legacy: spec.legacy,
        via,
    })
}

/// A server by its id.
pub async fn by_id(app: &App, permit: &Permit, id: ServerId) -> Result<Server> {
    demand_everything(permit)?;
    servers::by_id(&app.store, id).await
}

/// Adds a server, without a host key: see [`super::host_keys`].
pub async fn add(app: &App, permit: &Permit, spec: ServerSpec) -> Result<WithJumpHosts<Server>> {
    demand_everything(permit)?;
    keys::allow(app, permit, &keys::of_servers(app), [None, spec.key.as_ref()]).await?;
    let mut change = app.store.change(permit, app.now()).await?;
    let (via, hops) = jump_hosts::settle(&mut change, spec.via.clone()).await?;
    let server = checked(spec, ServerId(0), via)?;
    demand_own_address(&change, &server).await?;
    let server = servers::insert(&change, &server).await?;
    jump_hosts::demand_ways(&change).await?;
    let all = servers::list(&change).await?;
    change.commit(added(&all, &server)).await?;
    Ok(WithJumpHosts {
        stored: server,
        added: hops,
    })
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

/// Changes a server. Its trusted host key stays, even at another address.
pub async fn edit(
    app: &App,
    permit: &Permit,
    id: ServerId,
    spec: ServerSpec,
) -> Result<WithJumpHosts<Server>> {
    demand_everything(permit)?;
    let known = servers::by_id(&app.store, id).await?;
    let named = [known.key.as_ref(), spec.key.as_ref()];
    keys::allow(app, permit, &keys::of_servers(app), named).await?;
    let mut change = app.store.change(permit, app.now()).await?;
    let before = servers::by_id(&change, id).await?;
    let (via, hops) = jump_hosts::settle(&mut change, spec.via.clone()).await?;
    let changed = checked(spec, id, via)?;
    let all = servers::list(&change).await?;
    let detail = super::changes(&told(&all, &before), &told(&all, &changed));
    if detail.as_object().is_some_and(|changes| !changes.is_empty()) {
        if !before.shares_address(&changed) {
            demand_own_address(&change, &changed).await?;
        }
        servers::update(&change, &changed).await?;
        jump_hosts::demand_ways(&change).await?;
        change
            .commit(Event::new(EventKind::ServerChanged, detail).about(resource(&before.name)))
            .await?;
    }
    Ok(WithJumpHosts {
        stored: changed,
        added: hops,
    })
}

/// Switches a server on or off for deployments; does nothing when that is its state already.
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
/// A conflict while a deployment uses it, others are reached through it, or an environment uses it that the
/// holder of the permit may not know; not found.
pub async fn delete(app: &App, permit: &Permit, id: ServerId) -> Result<Server> {
    demand_everything(permit)?;
    let change = app.store.change(permit, app.now()).await?;
    let server = servers::by_id(&change, id).await?;
    if inventory::read_on(app, permit, &change)
        .await?
        .hides_use_of_server(id)
    {
        return Err(Error::conflict(format!(
            "Server “{}” is used by {HIDDEN}. Somebody who may see it has to take the server out of its clusters first.",
            server.name
        )));
    }
    renames::demand_in_service(&change, |one| one.server == id).await?;
    let told = told(&servers::list(&change).await?, &server);
    servers::delete(&change, id).await?;
    change
        .commit(Event::new(EventKind::ServerDeleted, told).about(resource(&server.name)))
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
    let inventory = inventory::read(app, permit).await?;
    let server = servers::by_id(&app.store, id).await?;
    let logins = match user {
        Some(user) => vec![(user.into(), None)],
        None => logins_of(&inventory, id),
    };
    if logins.is_empty() {
        let message = format!(
            "{} uses this server yet: enter the user to log in as.",
            inventory.none_seen("No environment")
        );
        return Err(Error::field("user", message));
    }
    let attempts = logins
        .iter()
        .map(|(user, key)| attempt(app, &server, user, key.as_ref()));
    Ok(join_all(attempts).await)
}

/// The users that environments log in as on a server, each with the key that its environment names.
fn logins_of(inventory: &Inventory, id: ServerId) -> Vec<(String, Option<KeyName>)> {
    let places = inventory.places_of(id).into_iter();
    let mut logins: Vec<_> = places
        .map(|(_, one)| (one.remote_user.clone(), one.options.key.clone()))
        .collect();
    logins.sort_unstable();
    logins.dedup();
    logins
}

/// The users that environments log in as on a server, each once.
pub fn users_of(inventory: &Inventory, id: ServerId) -> Vec<String> {
    let places = inventory.places_of(id);
    let mut users: Vec<String> = places.iter().map(|(_, one)| one.remote_user.clone()).collect();
    users.sort_unstable();
    users.dedup();
    users
}

async fn attempt(app: &App, server: &Server, user: &str, key: Option<&KeyName>) -> Tried {
    let asking = async {
        let endpoint = reach::endpoint_as(&app.store, server, user, key).await?;
        ask(&app.ssh, &endpoint).await
    };
    let outcome = asking.await;
    Tried {
        user: match key {
            Some(key) => format!("{user} (key {key})"),
            None => user.to_owned(),
        },
        outcome: outcome.map_err(|error| error.message().to_owned()),
    }
}

/// Connects, runs a command and tries the programs that deploying needs.
///
/// # Errors
/// Why that could not be done.
pub async fn ask(connections: &Connections, endpoint: &Endpoint) -> domain::Result<ServerReply> {
    let started = Stopwatch::now();
    let session = connections.session(endpoint).await?;
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
