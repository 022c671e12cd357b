//! Servers: added, edited, switched on and off, deleted, tried out.

use std::time::{Duration, Instant as Stopwatch};

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::inventory::Inventory;
use super::{Wrongs, demand_everything, name_but};
use crate::access::Permit;
use crate::app::App;
use crate::domain::{self, Error, Event, EventKind, Name, Result, Server, ServerId};
use crate::ssh::{Command, Endpoint, Run};
use crate::store::{Change, servers};
use crate::sync::{self, Limits};

/// What a host name can hold at most (RFC 1035).
const ADDRESS_LIMIT: usize = 253;
/// How long the test's command may take once connected: it does next to nothing.
const TEST_LIMIT: Duration = Duration::from_secs(15);
/// How much of what it prints is kept.
const TEST_OUTPUT: usize = 16 * 1024;
/// Says which system it is.
const TEST_SCRIPT: &str = "uname -sr";
/// The longest name of a login on a server (Linux: 32; directories of large houses have longer).
const USER_LIMIT: usize = 64;

/// The form of a server, as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct ServerForm {
    /// See [`Server::name`].
    pub name: String,
    /// See [`Server::address`].
    pub address: String,
    /// See [`Server::port`].
    pub port: String,
    /// `yes` when it is to be deployed to.
    pub active: String,
}

impl Default for ServerForm {
    fn default() -> Self {
        Self {
            name: String::new(),
            address: String::new(),
            port: "22".to_owned(),
            active: String::new(),
        }
    }
}

impl ServerForm {
    /// The form of a server as it is.
    pub fn of(server: &Server) -> Self {
        Self {
            name: server.name.to_string(),
            address: server.address.clone(),
            port: server.port.to_string(),
            active: if server.active { "yes" } else { "" }.to_owned(),
        }
    }

    fn check(&self, id: ServerId) -> Result<Server> {
        let mut wrong = Wrongs::default();
        let name = wrong.take(
            "name",
            name_but(&self.name, "here", "the host of Deployer itself"),
        );
        let address = wrong.take("address", address(&self.address));
        let port = wrong.number("port", &self.port, 1..=65_535);
        let port = port.and_then(|port| u16::try_from(port).ok());
        match (name, address, port) {
            (Some(name), Some(address), Some(port)) => Ok(Server {
                id,
                name,
                address,
                port,
                active: self.active == "yes",
                host_key: None,
            }),
            _ => Err(wrong.into_error()),
        }
    }
}

fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("Give its host name or IP address.".to_owned());
    }
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || ".-_:%".contains(c));
    if !plain || text.starts_with('-') || text.len() > ADDRESS_LIMIT {
        return Err(format!(
            "“{}” is neither a host name nor an IP address. Name no user and no port here.",
            text.escape_debug()
        ));
    }
    let looks_like_port = text.matches(':').count() == 1;
    if looks_like_port {
        return Err("Write the port into its own field.".to_owned());
    }
    Ok(text.to_owned())
}

/// Whom to log in as on a server.
pub(super) fn remote_user(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("Name the user to log in as on the servers.".to_owned());
    }
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-@$".contains(c));
    if !starts_well || !plain || text.len() > USER_LIMIT {
        return Err(format!(
            "“{}” cannot be a user: use letters, digits, “.”, “_”, “-” and “@”, beginning with a letter or digit.",
            text.escape_debug()
        ));
    }
    Ok(text.to_owned())
}

/// One by its row, to be changed.
///
/// # Errors
/// Not found.
pub async fn by_id(app: &App, permit: &Permit, id: ServerId) -> Result<Server> {
    demand_everything(permit)?;
    servers::by_id(&app.store, id).await
}

/// Adds a server, without a host key: see [`super::host_keys`].
///
/// # Errors
/// Complaints about fields.
pub async fn add(app: &App, permit: &Permit, form: &ServerForm) -> Result<Server> {
    demand_everything(permit)?;
    let server = form.check(ServerId(0))?;
    let change = app.store.change(permit, app.now()).await?;
    demand_own_address(&change, &server).await?;
    let server = servers::insert(&change, &server).await?;
    change
        .commit(Event::new(EventKind::ServerAdded, told(&server)).about(resource(&server.name)))
        .await?;
    Ok(server)
}

/// Two names for one machine would be deployed to at the same time, each over the other.
async fn demand_own_address(change: &Change, server: &Server) -> Result<()> {
    let all = servers::list(change).await?;
    let is_there = |other: &&Server| other.id != server.id && other.shares_address(server);
    match all.iter().find(is_there) {
        None => Ok(()),
        Some(other) => Err(Error::field(
            "address",
            format!(
                "Server {} has this address and port already. Two names for one machine would be deployed to side by side, each over the other.",
                other.name
            ),
        )),
    }
}

/// Changes a server. The host key it must show stays the same, also at another address.
///
/// # Errors
/// Complaints about fields; not found.
pub async fn edit(app: &App, permit: &Permit, id: ServerId, form: &ServerForm) -> Result<Server> {
    demand_everything(permit)?;
    let changed = form.check(id)?;
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

/// Switches a server on or off for deployments. Nothing happens to one that is so already.
///
/// # Errors
/// Not found.
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
/// A conflict while a deployment holds it; not found.
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

/// How a connection went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Who was logged in as.
    pub user: String,
    /// What the server said of itself, and how long a command took; or the sentence that says why
    /// it did not work.
    pub outcome: Result<Answer, String>,
}

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it runs: `Linux 6.1`.
    pub system: String,
    /// From connecting to the end of the command.
    pub took: Duration,
    /// Programs that deploying needs and that are not there.
    pub missing: Vec<String>,
}

/// Connects as `user`, or when that is empty as each user that environments log in as there.
///
/// # Errors
/// A complaint about the field `user`; not found. What goes wrong with the server is no error
/// here but in [`Tried::outcome`].
pub async fn test(app: &App, permit: &Permit, id: ServerId, user: &str) -> Result<Vec<Tried>> {
    demand_everything(permit)?;
    let inventory = Inventory::load(&app.store).await?;
    let server = servers::by_id(&app.store, id).await?;
    let users = if user.trim().is_empty() {
        users_of(&inventory, id)
    } else {
        vec![remote_user(user).map_err(|message| Error::field("user", message))?]
    };
    if users.is_empty() {
        let message = "No environment is deployed to this server yet: name the user to try.";
        return Err(Error::field("user", message));
    }
    Ok(join_all(users.iter().map(|user| attempt(app, &server, user))).await)
}

/// Whom environments log in as on a server, each once.
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

async fn ask(app: &App, server: &Server, user: &str) -> domain::Result<Answer> {
    let started = Stopwatch::now();
    let endpoint = Endpoint::of(server, user);
    let session = app.ssh.session(&endpoint).await?;
    let how = Run {
        timeout: Some(TEST_LIMIT),
        ..Run::default()
    };
    let said = session
        .capture(&Command::script(TEST_SCRIPT), how, TEST_OUTPUT)
        .await?;
    let took = started.elapsed();
    if !said.exit.success() {
        return Err(Error::unavailable(format!(
            "Logged in, but a shell command did not work there: {}",
            String::from_utf8_lossy(&said.stderr)
                .lines()
                .next()
                .unwrap_or("it said nothing.")
        )));
    }
    let limits = Limits {
        question: TEST_LIMIT,
        ..Limits::default()
    };
    let text = String::from_utf8_lossy(&said.stdout);
    Ok(Answer {
        system: text.lines().last().unwrap_or_default().to_owned(),
        took,
        missing: sync::missing_tools(&session, &limits).await?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_nothing_more() {
        for good in ["web1", "web1.shop.example", "10.0.0.1", "::1", "fe80::1%eth0"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "web1:22",
            "deploy@web1",
            "-oProxyCommand=x",
            "web 1",
            "wéb",
            "$(id)",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_remote_user_is_plain() {
        for good in ["deploy", "_www", "ops@corp.example"] {
            assert!(remote_user(good).is_ok(), "{good}");
        }
        for bad in ["", "-l", "a b", "root;id", "é"] {
            assert!(remote_user(bad).is_err(), "{bad}");
        }
    }
}
