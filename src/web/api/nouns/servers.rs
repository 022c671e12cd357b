//! Servers: SSH hosts, and the keys they show.

use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::{Part, may_configure, may_read};
use crate::access::Permit;
use crate::app::admin::host_keys::{self, Shown};
use crate::app::admin::inventory::{self, Inventory};
use crate::app::admin::server_events::via_lines;
use crate::app::admin::servers::{self, ServerSpec};
use crate::domain::{Area, Error, Result, Server};
use crate::web::api::fields::{Fields, demand_version};
use crate::web::api::reply::{Created, JsonReply, List, NoContent, api_path};
use crate::web::visitor::Visitor;

/// The port of an sshd where nobody says otherwise.
const SSH_PORT: u64 = 22;

/// One SSH host.
#[derive(Object)]
#[oai(rename = "Server", skip_serializing_if_is_none)]
struct ServerDto {
    name: String,
    address: String,
    port: u16,
    /// Whether it takes part in deployments.
    active: bool,
    /// The fingerprint of its trusted host key.
    host_key: Option<String>,
    /// The file name of the private key to log in with, where one is named.
    key: Option<String>,
    /// Whether weak algorithms are used for it.
    legacy: bool,
    /// Jump hosts on the way, the first one first: `user@server`.
    via: Vec<String>,
    clusters: Vec<String>,
    /// `project/environment`, those that you may see.
    environments: Vec<String>,
}

impl ServerDto {
    fn new(inventory: &Inventory, server: &Server) -> Self {
        let places = inventory.places_of(server.id).into_iter();
        Self {
            name: server.name.to_string(),
            address: server.address.clone(),
            port: server.port,
            active: server.active,
            host_key: server.host_key.as_ref().map(|key| key.fingerprint.clone()),
            key: server.key.as_ref().map(ToString::to_string),
            legacy: server.legacy,
            via: via_lines(&inventory.servers, &server.via),
            clusters: inventory
                .clusters_of(server.id)
                .iter()
                .map(|one| one.name.to_string())
                .collect(),
            environments: places
                .map(|(project, environment)| format!("{}/{}", project.name, environment.name))
                .collect(),
        }
    }
}

/// A server to be added, or what changes of one: what is absent stays as it is, or has its default.
#[derive(Object)]
#[oai(rename = "ServerSettings", deny_unknown_fields)]
struct ServerSettingsDto {
    name: Option<String>,
    /// A host name or an IP address.
    address: Option<String>,
    port: Option<u32>,
    active: Option<bool>,
    /// Empty: those that are configured.
    key: Option<String>,
    legacy: Option<bool>,
    /// `user@server` or `user@host:port`, the first one first.
    via: Option<Vec<String>>,
}

impl ServerSettingsDto {
    fn over(&self, inventory: &Inventory, before: Option<&Server>) -> Result<ServerSpec> {
        let mut fields = Fields::default();
        let kept = |text: fn(&Server) -> String| before.map(text).unwrap_or_default();
        let name = fields.text("name", self.name.as_deref(), || kept(|one| one.name.to_string()));
        let address = fields.text("address", self.address.as_deref(), || {
            kept(|one| one.address.clone())
        });
        let port = before.map_or(SSH_PORT, |one| one.port.into());
        let port = fields.number("port", self.port, port);
        let key = fields.optional("key", self.key.as_deref(), || {
            before.and_then(|one| one.key.clone())
        });
        let known = || {
            before
                .map(|one| via_lines(&inventory.servers, &one.via))
                .unwrap_or_default()
        };
        let via = fields.take("via", self.via.clone().unwrap_or_else(known).try_into());
        fields.done(|| {
            Some(ServerSpec {
                name: name?,
                address: address?,
                port: port?,
                active: self.active.unwrap_or_else(|| before.is_none_or(|one| one.active)),
                key: key?,
                legacy: self
                    .legacy
                    .unwrap_or_else(|| before.is_some_and(|one| one.legacy)),
                via: via?,
            })
        })
    }
}

/// The host key that a server shows now.
#[derive(Object)]
#[oai(rename = "HostKey")]
struct HostKeyDto {
    algorithm: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    fingerprint: String,
    /// In OpenSSH's form.
    openssh: String,
    /// Whether it is the trusted one.
    trusted: bool,
}

impl From<&Shown> for HostKeyDto {
    fn from(shown: &Shown) -> Self {
        Self {
            algorithm: shown.algorithm.clone(),
            fingerprint: shown.fingerprint.clone(),
            openssh: shown.openssh.clone(),
            trusted: shown.is_pinned(),
        }
    }
}

/// A host key that somebody has compared.
#[derive(Object)]
#[oai(rename = "TrustedKey", deny_unknown_fields)]
struct TrustedKeyDto {
    /// The key, in OpenSSH's form.
    openssh: String,
}

fn find<'a>(inventory: &'a Inventory, name: &str) -> Result<&'a Server> {
    let found = inventory.servers.iter().find(|one| one.name.as_str() == name);
    found.ok_or_else(|| Error::not_found(format!("server “{}”", name.escape_debug())))
}

async fn open(visitor: &Visitor) -> Result<(Permit, Inventory)> {
    let permit = may_configure(visitor).await?;
    let inventory = inventory::read(visitor.app(), &permit).await?;
    Ok((permit, inventory))
}

/// Reading, adding, changing and deleting servers.
pub struct ServersApi;

#[OpenApi(prefix_path = "/servers", tag = "Part::Fleet")]
impl ServersApi {
    /// List the servers
    #[oai(path = "/", method = "get", operation_id = "listServers")]
    async fn list(&self, visitor: Visitor) -> poem::Result<JsonReply<List<ServerDto>>> {
        let permit = may_read(&visitor, Area::Servers).await?;
        let all = inventory::read(visitor.app(), &permit).await?;
        Ok(JsonReply::all(
            all.servers.iter().map(|one| ServerDto::new(&all, one)),
        ))
    }

    /// Show a server
    #[oai(path = "/:server", method = "get", operation_id = "showServer")]
    async fn show(&self, visitor: Visitor, server: Path<String>) -> poem::Result<JsonReply<ServerDto>> {
        let permit = may_read(&visitor, Area::Servers).await?;
        let all = inventory::read(visitor.app(), &permit).await?;
        Ok(JsonReply::new(ServerDto::new(&all, find(&all, &server)?)))
    }

    /// Add a server
    ///
    /// It needs `name` and `address`. Nothing connects to it until its host key is trusted.
    #[oai(path = "/", method = "post", operation_id = "createServer")]
    async fn create(
        &self,
        visitor: Visitor,
        server: Json<ServerSettingsDto>,
    ) -> poem::Result<Created<ServerDto>> {
        let (permit, all) = open(&visitor).await?;
        let spec = server.0.over(&all, None)?;
        let added = servers::add(visitor.app(), &permit, spec).await?.stored;
        let all = inventory::read(visitor.app(), &permit).await?;
        let address = api_path(&["servers", added.name.as_str()]);
        Ok(Created::new(ServerDto::new(&all, &added)).at(address))
    }

    /// Change a server
    #[oai(path = "/:server", method = "patch", operation_id = "changeServer")]
    async fn change(
        &self,
        visitor: Visitor,
        server: Path<String>,
        #[oai(name = "If-Match")] version: Header<Option<String>>,
        changes: Json<ServerSettingsDto>,
    ) -> poem::Result<JsonReply<ServerDto>> {
        let (permit, all) = open(&visitor).await?;
        let known = find(&all, &server)?;
        demand_version(version.0.as_deref(), &ServerDto::new(&all, known))?;
        let spec = changes.0.over(&all, Some(known))?;
        let changed = servers::edit(visitor.app(), &permit, known.id, spec)
            .await?
            .stored;
        let all = inventory::read(visitor.app(), &permit).await?;
        Ok(JsonReply::new(ServerDto::new(&all, &changed)))
    }

    /// Delete a server
    ///
    /// What was deployed to it stays in the history.
    #[oai(path = "/:server", method = "delete", operation_id = "deleteServer")]
    async fn delete(
        &self,
        visitor: Visitor,
        server: Path<String>,
        #[oai(name = "If-Match")] version: Header<Option<String>>,
    ) -> poem::Result<NoContent> {
        let (permit, all) = open(&visitor).await?;
        let known = find(&all, &server)?;
        demand_version(version.0.as_deref(), &ServerDto::new(&all, known))?;
        servers::delete(visitor.app(), &permit, known.id).await?;
        Ok(NoContent)
    }

    /// Ask a server for its host key, to compare it
    #[oai(path = "/:server/host-key", method = "get", operation_id = "fetchHostKey")]
    async fn fetch_key(&self, visitor: Visitor, server: Path<String>) -> poem::Result<JsonReply<HostKeyDto>> {
        let (permit, all) = open(&visitor).await?;
        let known = find(&all, &server)?;
        let shown = host_keys::fetch(visitor.app(), &permit, known.id).await?;
        Ok(JsonReply::new((&shown).into()))
    }

    /// Trust a host key that you have compared
    ///
    /// Only if the server still shows it.
    #[oai(path = "/:server/host-key", method = "post", operation_id = "trustHostKey")]
    async fn trust_key(
        &self,
        visitor: Visitor,
        server: Path<String>,
        key: Json<TrustedKeyDto>,
    ) -> poem::Result<JsonReply<HostKeyDto>> {
        let (permit, all) = open(&visitor).await?;
        let known = find(&all, &server)?;
        let shown = host_keys::trust(visitor.app(), &permit, known.id, &key.openssh).await?;
        Ok(JsonReply::new(HostKeyDto {
            trusted: true,
            ..(&shown).into()
        }))
    }

    /// Revoke trust in a host key
    ///
    /// Nothing connects to the server until a key is trusted again.
    #[oai(path = "/:server/host-key", method = "delete", operation_id = "forgetHostKey")]
    async fn forget_key(&self, visitor: Visitor, server: Path<String>) -> poem::Result<NoContent> {
        let (permit, all) = open(&visitor).await?;
        host_keys::forget(visitor.app(), &permit, find(&all, &server)?.id).await?;
        Ok(NoContent)
    }
}
