//! Clusters: named sets of servers.

use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::{Part, may_configure, may_read};
use crate::access::Permit;
use crate::app::admin::clusters::{self, ClusterSpec};
use crate::app::admin::inventory::{self, Inventory};
use crate::app::admin::server_events::via_lines;
use crate::app::balancers;
use crate::domain::{Area, Balancer, BalancerId, Cluster, Error, Member, ProjectId, Result};
use crate::web::api::fields::{Fields, demand_version};
use crate::web::api::reply::{Created, JsonReply, List, NoContent, api_path};
use crate::web::visitor::Visitor;

/// A named set of servers, shared by environments.
#[derive(Object)]
#[oai(rename = "Cluster", skip_serializing_if_is_none)]
struct ClusterDto {
    name: String,
    /// In the order of deployment.
    servers: Vec<MemberDto>,
    /// The balancer in front of it.
    balancer: Option<String>,
    /// The balancer's backends that its servers are in.
    backends: Vec<String>,
    /// The projects that may deploy to it, those that you may see.
    projects: Vec<String>,
    /// Jump hosts of those of its servers that have none of their own.
    via: Vec<String>,
    /// `project/environment`, those that you may see.
    environments: Vec<String>,
}

/// A server's place in a cluster.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Member", skip_serializing_if_is_none)]
struct MemberDto {
    server: String,
    /// What the balancer calls it, where that differs.
    balancer_name: Option<String>,
}

/// What is needed to write a cluster, or to read one.
struct Fleet {
    inventory: Inventory,
    balancers: Vec<Balancer>,
}

impl Fleet {
    async fn read(visitor: &Visitor, permit: &Permit) -> Result<Self> {
        Ok(Self {
            inventory: inventory::read(visitor.app(), permit).await?,
            balancers: balancers::list(visitor.app(), permit).await?,
        })
    }

    fn cluster(&self, name: &str) -> Result<&Cluster> {
        let found = self
            .inventory
            .clusters
            .iter()
            .find(|one| one.name.as_str() == name);
        found.ok_or_else(|| Error::not_found(format!("cluster “{}”", name.escape_debug())))
    }

    fn dto(&self, cluster: &Cluster) -> ClusterDto {
        let all = &self.inventory;
        let balancer = self.balancers.iter().find(|one| Some(one.id) == cluster.balancer);
        let member = |member: &Member| MemberDto {
            server: all
                .server(member.server)
                .map_or_else(String::new, |one| one.name.to_string()),
            balancer_name: member.balancer_name.clone(),
        };
        let project = |id: &ProjectId| all.project(*id).map(|one| one.name.to_string());
        let places = all.places_of_cluster(cluster.id).into_iter();
        ClusterDto {
            name: cluster.name.to_string(),
            servers: cluster.members.iter().map(member).collect(),
            balancer: balancer.map(|one| one.name.to_string()),
            backends: cluster.backends.clone(),
            projects: cluster.projects.iter().filter_map(project).collect(),
            via: via_lines(&all.servers, &cluster.via),
            environments: places
                .map(|(project, environment)| format!("{}/{}", project.name, environment.name))
                .collect(),
        }
    }
}

/// A cluster to be added, or what changes of one: what is absent stays as it is, or has its default.
#[derive(Object)]
#[oai(rename = "ClusterSettings", deny_unknown_fields)]
struct ClusterSettingsDto {
    name: Option<String>,
    servers: Option<Vec<MemberDto>>,
    /// Empty: none.
    balancer: Option<String>,
    backends: Option<Vec<String>>,
    projects: Option<Vec<String>>,
    via: Option<Vec<String>>,
}

impl ClusterSettingsDto {
    fn over(&self, fleet: &Fleet, before: Option<&Cluster>) -> Result<ClusterSpec> {
        let mut fields = Fields::default();
        let all = &fleet.inventory;
        let name = fields.text("name", self.name.as_deref(), || {
            before.map(|one| one.name.to_string()).unwrap_or_default()
        });
        let known = || {
            before
                .map(|one| via_lines(&all.servers, &one.via))
                .unwrap_or_default()
        };
        let via = fields.take("via", self.via.clone().unwrap_or_else(known).try_into());
        let members = match &self.servers {
            None => Some(before.map(|one| one.members.clone()).unwrap_or_default()),
            Some(named) => fields.take("servers", named.iter().map(|one| member(all, one)).collect()),
        };
        let projects = match &self.projects {
            None => Some(before.map(|one| one.projects.clone()).unwrap_or_default()),
            Some(named) => fields.take("projects", named.iter().map(|name| project(all, name)).collect()),
        };
        let balancer = match self.balancer.as_deref() {
            None => Some(before.and_then(|one| one.balancer)),
            Some("") => Some(None),
            Some(name) => fields.take("balancer", balancer(fleet, name)).map(Some),
        };
        let backends = self.backends.clone();
        let backends = backends.unwrap_or_else(|| before.map(|one| one.backends.clone()).unwrap_or_default());
        fields.done(|| {
            Some(ClusterSpec {
                name: name?,
                members: members?,
                balancer: balancer?,
                backends,
                projects: projects?,
                via: via?,
            })
        })
    }
}

fn member(all: &Inventory, named: &MemberDto) -> Result<Member, String> {
    let found = all.servers.iter().find(|one| one.name.as_str() == named.server);
    Ok(Member {
        server: found
            .ok_or_else(|| format!("There is no server “{}”.", named.server))?
            .id,
        balancer_name: named.balancer_name.clone().filter(|name| !name.is_empty()),
    })
}

fn project(all: &Inventory, name: &str) -> Result<ProjectId, String> {
    let found = all.projects.iter().find(|one| one.name.as_str() == name);
    Ok(found.ok_or_else(|| format!("There is no project “{name}”."))?.id)
}

fn balancer(fleet: &Fleet, name: &str) -> Result<BalancerId, String> {
    let found = fleet.balancers.iter().find(|one| one.name.as_str() == name);
    Ok(found.ok_or_else(|| format!("There is no balancer “{name}”."))?.id)
}

/// Reading, adding, changing and deleting clusters.
pub struct ClustersApi;

#[OpenApi(prefix_path = "/clusters", tag = "Part::Fleet")]
impl ClustersApi {
    /// List the clusters
    #[oai(path = "/", method = "get", operation_id = "listClusters")]
    async fn list(&self, visitor: Visitor) -> poem::Result<JsonReply<List<ClusterDto>>> {
        let permit = may_read(&visitor, Area::Servers).await?;
        let fleet = Fleet::read(&visitor, &permit).await?;
        Ok(JsonReply::all(
            fleet.inventory.clusters.iter().map(|one| fleet.dto(one)),
        ))
    }

    /// Show a cluster
    #[oai(path = "/:cluster", method = "get", operation_id = "showCluster")]
    async fn show(&self, visitor: Visitor, cluster: Path<String>) -> poem::Result<JsonReply<ClusterDto>> {
        let permit = may_read(&visitor, Area::Servers).await?;
        let fleet = Fleet::read(&visitor, &permit).await?;
        Ok(JsonReply::new(fleet.dto(fleet.cluster(&cluster)?)))
    }

    /// Add a cluster
    #[oai(path = "/", method = "post", operation_id = "createCluster")]
    async fn create(
        &self,
        visitor: Visitor,
        cluster: Json<ClusterSettingsDto>,
    ) -> poem::Result<Created<ClusterDto>> {
        let permit = may_configure(&visitor).await?;
        let fleet = Fleet::read(&visitor, &permit).await?;
        let spec = cluster.0.over(&fleet, None)?;
        let added = clusters::add(visitor.app(), &permit, spec).await?.stored;
        let fleet = Fleet::read(&visitor, &permit).await?;
        let address = api_path(&["clusters", added.name.as_str()]);
        Ok(Created::new(fleet.dto(&added)).at(address))
    }

    /// Change a cluster
    #[oai(path = "/:cluster", method = "patch", operation_id = "changeCluster")]
    async fn change(
        &self,
        visitor: Visitor,
        cluster: Path<String>,
        #[oai(name = "If-Match")] version: Header<Option<String>>,
        changes: Json<ClusterSettingsDto>,
    ) -> poem::Result<JsonReply<ClusterDto>> {
        let permit = may_configure(&visitor).await?;
        let fleet = Fleet::read(&visitor, &permit).await?;
        let known = fleet.cluster(&cluster)?;
        demand_version(version.0.as_deref(), &fleet.dto(known))?;
        let spec = changes.0.over(&fleet, Some(known))?;
        let changed = clusters::edit(visitor.app(), &permit, known.id, spec)
            .await?
            .stored;
        let fleet = Fleet::read(&visitor, &permit).await?;
        Ok(JsonReply::new(fleet.dto(&changed)))
    }

    /// Delete a cluster
    ///
    /// Its servers stay.
    #[oai(path = "/:cluster", method = "delete", operation_id = "deleteCluster")]
    async fn delete(
        &self,
        visitor: Visitor,
        cluster: Path<String>,
        #[oai(name = "If-Match")] version: Header<Option<String>>,
    ) -> poem::Result<NoContent> {
        let permit = may_configure(&visitor).await?;
        let fleet = Fleet::read(&visitor, &permit).await?;
        let known = fleet.cluster(&cluster)?;
        demand_version(version.0.as_deref(), &fleet.dto(known))?;
        clusters::delete(visitor.app(), &permit, known.id).await?;
        Ok(NoContent)
    }
}
