//! Balancers, and acts on their servers by hand.

use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::{Part, may_configure, may_read};
use crate::access::Permit;
use crate::app::balancers::{self, BalancerSpec, BalancerView, ByHand, SlotView};
use crate::domain::{Area, Balancer, Error, Name, Result};
use crate::web::api::fields::{Fields, demand_version};
use crate::web::api::reply::{Created, JsonReply, List, NoContent, api_path};
use crate::web::api::words::Word;
use crate::web::visitor::Visitor;

/// An HAProxy, or several that share their backends.
#[derive(Object)]
#[oai(rename = "Balancer")]
struct BalancerDto {
    name: String,
    /// `runtime` (its socket) or `stats` (its statistics page).
    kind: String,
    /// One address per HAProxy that shares the backends.
    endpoints: Vec<String>,
}

impl From<&Balancer> for BalancerDto {
    fn from(one: &Balancer) -> Self {
        Self {
            name: one.name.to_string(),
            kind: one.kind.clone(),
            endpoints: one.endpoints.clone(),
        }
    }
}

/// A balancer to be added, or what changes of one: what is absent stays as it is.
#[derive(Object)]
#[oai(rename = "BalancerSettings", deny_unknown_fields)]
struct BalancerSettingsDto {
    name: Option<String>,
    kind: Option<String>,
    endpoints: Option<Vec<String>>,
}

impl BalancerSettingsDto {
    fn over(self, before: Option<&Balancer>) -> Result<BalancerSpec> {
        let mut fields = Fields::default();
        let name: Option<Name> = fields.text("name", self.name.as_deref(), || {
            before.map(|one| one.name.to_string()).unwrap_or_default()
        });
        let kind = self.kind.or_else(|| before.map(|one| one.kind.clone()));
        let endpoints = self.endpoints.or_else(|| before.map(|one| one.endpoints.clone()));
        fields.done(|| {
            Some(BalancerSpec {
                name: name?,
                kind: kind.unwrap_or_default(),
                endpoints: endpoints.unwrap_or_default(),
            })
        })
    }
}

/// A balancer that was saved.
#[derive(Object)]
#[oai(rename = "SavedBalancer")]
struct SavedBalancerDto {
    balancer: BalancerDto,
    /// What to know about endpoints that were taken away.
    warnings: Vec<String>,
}

/// What a balancer reports now.
#[derive(Object)]
#[oai(rename = "BalancerState")]
struct BalancerStateDto {
    backends: Vec<BackendDto>,
    /// Endpoints that did not answer, and why not.
    failures: Vec<String>,
}

/// A backend and its servers.
#[derive(Object)]
#[oai(rename = "Backend")]
struct BackendDto {
    name: String,
    servers: Vec<SlotDto>,
}

/// A server in a backend.
#[derive(Object)]
#[oai(rename = "Slot")]
struct SlotDto {
    /// The balancer's name for it.
    server: String,
    /// `ready`, `drain` or `maint`.
    decided: String,
    /// Whether it takes new sessions on every endpoint.
    up: bool,
    sessions: u64,
    /// Whether all endpoints agree.
    agree: bool,
    /// The balancer's own words.
    status: String,
    last_check: String,
    /// Why it cannot be put back; empty where it can.
    kept_by: String,
}

impl From<&SlotView> for SlotDto {
    fn from(slot: &SlotView) -> Self {
        Self {
            server: slot.server.clone(),
            decided: slot.decided.to_owned(),
            up: slot.up,
            sessions: slot.sessions,
            agree: slot.agree,
            status: slot.status.clone(),
            last_check: slot.last_check.clone(),
            kept_by: slot.kept_by.clone(),
        }
    }
}

impl From<&BalancerView> for BalancerStateDto {
    fn from(view: &BalancerView) -> Self {
        let backend = |(name, servers): &(String, Vec<SlotView>)| BackendDto {
            name: name.clone(),
            servers: servers.iter().map(SlotDto::from).collect(),
        };
        Self {
            backends: view.backends.iter().map(backend).collect(),
            failures: view.failures.clone(),
        }
    }
}

/// What to do to a server by hand.
#[derive(Object)]
#[oai(rename = "HandAct", deny_unknown_fields)]
struct HandActDto {
    backend: String,
    /// The balancer's name for it.
    server: String,
    act: Word<ByHand>,
}

/// What came of an act by hand.
#[derive(Object)]
#[oai(rename = "HandActOutcome", skip_serializing_if_is_none)]
struct HandOutcomeDto {
    /// Why a server that was put back is out all the same.
    still_out: Option<String>,
}

async fn find(visitor: &Visitor, permit: &Permit, name: &str) -> Result<Balancer> {
    let all = balancers::list(visitor.app(), permit).await?;
    let found = all.into_iter().find(|one| one.name.as_str() == name);
    found.ok_or_else(|| Error::not_found(format!("balancer “{}”", name.escape_debug())))
}

async fn open(visitor: &Visitor, name: &str) -> Result<(Permit, Balancer)> {
    let permit = may_configure(visitor).await?;
    let found = find(visitor, &permit, name).await?;
    Ok((permit, found))
}

/// What is asked of balancers, and done to them.
pub struct BalancersApi;

#[OpenApi(prefix_path = "/balancers", tag = "Part::Fleet")]
impl BalancersApi {
    /// List the balancers
    #[oai(path = "/", method = "get", operation_id = "listBalancers")]
    async fn list(&self, visitor: Visitor) -> poem::Result<JsonReply<List<BalancerDto>>> {
        let permit = may_read(&visitor, Area::Servers).await?;
        let all = balancers::list(visitor.app(), &permit).await?;
        Ok(JsonReply::all(all.iter().map(BalancerDto::from)))
    }

    /// Show a balancer
    #[oai(path = "/:balancer", method = "get", operation_id = "showBalancer")]
    async fn show(&self, visitor: Visitor, balancer: Path<String>) -> poem::Result<JsonReply<BalancerDto>> {
        let permit = may_read(&visitor, Area::Servers).await?;
        Ok(JsonReply::new(
            (&find(&visitor, &permit, &balancer).await?).into(),
        ))
    }

    /// Ask a balancer for the state of its servers
    #[oai(path = "/:balancer/state", method = "get", operation_id = "askBalancer")]
    async fn state(
        &self,
        visitor: Visitor,
        balancer: Path<String>,
    ) -> poem::Result<JsonReply<BalancerStateDto>> {
        let (permit, known) = open(&visitor, &balancer).await?;
        let view = balancers::look(visitor.app(), &permit, known.id).await?;
        Ok(JsonReply::new((&view).into()))
    }

    /// Take a server out of service or put it back, by hand
    #[oai(path = "/:balancer/acts", method = "post", operation_id = "actOnBalancer")]
    async fn act(
        &self,
        visitor: Visitor,
        balancer: Path<String>,
        wanted: Json<HandActDto>,
    ) -> poem::Result<JsonReply<HandOutcomeDto>> {
        let (permit, known) = open(&visitor, &balancer).await?;
        let slot = (wanted.backend.as_str(), wanted.server.as_str());
        let still_out = balancers::act(visitor.app(), &permit, known.id, slot, wanted.act.0).await?;
        Ok(JsonReply::new(HandOutcomeDto { still_out }))
    }

    /// Add a balancer
    ///
    /// It needs `name`, `kind` and `endpoints`.
    #[oai(path = "/", method = "post", operation_id = "createBalancer")]
    async fn create(
        &self,
        visitor: Visitor,
        balancer: Json<BalancerSettingsDto>,
    ) -> poem::Result<Created<BalancerDto>> {
        let permit = may_configure(&visitor).await?;
        let added = balancers::add(visitor.app(), &permit, balancer.0.over(None)?).await?;
        let address = api_path(&["balancers", added.name.as_str()]);
        Ok(Created::new(BalancerDto::from(&added)).at(address))
    }

    /// Change a balancer
    #[oai(path = "/:balancer", method = "patch", operation_id = "changeBalancer")]
    async fn change(
        &self,
        visitor: Visitor,
        balancer: Path<String>,
        #[oai(name = "If-Match")] version: Header<Option<String>>,
        changes: Json<BalancerSettingsDto>,
    ) -> poem::Result<JsonReply<SavedBalancerDto>> {
        let (permit, known) = open(&visitor, &balancer).await?;
        demand_version(version.0.as_deref(), &BalancerDto::from(&known))?;
        let spec = changes.0.over(Some(&known))?;
        let saved = balancers::edit(visitor.app(), &permit, known.id, spec).await?;
        Ok(JsonReply::new(SavedBalancerDto {
            balancer: (&saved.balancer).into(),
            warnings: saved.warnings,
        }))
    }

    /// Delete a balancer that no cluster uses
    #[oai(path = "/:balancer", method = "delete", operation_id = "deleteBalancer")]
    async fn delete(
        &self,
        visitor: Visitor,
        balancer: Path<String>,
        #[oai(name = "If-Match")] version: Header<Option<String>>,
    ) -> poem::Result<NoContent> {
        let (permit, known) = open(&visitor, &balancer).await?;
        demand_version(version.0.as_deref(), &BalancerDto::from(&known))?;
        balancers::delete(visitor.app(), &permit, known.id).await?;
        Ok(NoContent)
    }
}
