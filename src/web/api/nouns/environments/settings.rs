//! Adding, changing and deleting environments.

use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Json;

use super::super::Part;
use super::options::SettingsDto;
use crate::access::Permit;
use crate::app::admin::inventory::{self, Inventory};
use crate::app::admin::{environments, projects};
use crate::domain::{Environment, Project, Result};
use crate::web::api::fields::demand_version;
use crate::web::api::reply::{Created, JsonReply, NoContent, api_path};
use crate::web::visitor::Visitor;

/// An environment with what is needed to change it.
struct OpenEnvironment {
    permit: Permit,
    inventory: Inventory,
    environment: Environment,
}

async fn open(visitor: &Visitor, project: &str, environment: &str) -> Result<OpenEnvironment> {
    let (project, permit, inventory) = open_project(visitor, project).await?;
    let environment = environments::by_name(visitor.app(), &permit, &project, environment).await?;
    Ok(OpenEnvironment {
        permit,
        inventory,
        environment,
    })
}

async fn open_project(visitor: &Visitor, project: &str) -> Result<(Project, Permit, Inventory)> {
    let (project, permit) = projects::open(visitor.app(), visitor.actor(), project).await?;
    let inventory = inventory::read(visitor.app(), &permit).await?;
    Ok((project, permit, inventory))
}

impl OpenEnvironment {
    fn settings(&self) -> SettingsDto {
        SettingsDto::new(&self.inventory, &self.environment)
    }
}

/// Operations for those who may configure the project.
pub struct EnvironmentSettingsApi;

#[OpenApi(tag = "Part::Environments")]
impl EnvironmentSettingsApi {
    /// Add an environment to a project
    ///
    /// It needs `name`, `branch`, `target_path` and `remote_user`; everything else has a default.
    #[oai(
        path = "/projects/:project/environments",
        method = "post",
        operation_id = "createEnvironment"
    )]
    async fn create(
        &self,
        visitor: Visitor,
        project: Path<String>,
        settings: Json<SettingsDto>,
    ) -> poem::Result<Created<SettingsDto>> {
        let (project, permit, inventory) = open_project(&visitor, &project).await?;
        let spec = settings.0.over(&inventory, None)?;
        let added = environments::add(visitor.app(), &permit, project.id, spec).await?;
        let names = [
            "projects",
            project.name.as_str(),
            "environments",
            added.name.as_str(),
        ];
        Ok(Created::new(SettingsDto::new(&inventory, &added)).at(api_path(&names)))
    }

    /// Show the settings of an environment
    ///
    /// Values of secrets are not among them. Its ETag is what `If-Match` takes when it is changed.
    #[oai(
        path = "/projects/:project/environments/:environment/settings",
        method = "get",
        operation_id = "showEnvironmentSettings"
    )]
    async fn show(
        &self,
        visitor: Visitor,
        project: Path<String>,
        environment: Path<String>,
    ) -> poem::Result<JsonReply<SettingsDto>> {
        Ok(JsonReply::new(
            open(&visitor, &project, &environment).await?.settings(),
        ))
    }

    /// Change an environment
    ///
    /// What is absent stays as it is. `variables`, where they are sent, replace all of them.
    #[oai(
        path = "/projects/:project/environments/:environment/settings",
        method = "patch",
        operation_id = "changeEnvironment"
    )]
    async fn change(
        &self,
        visitor: Visitor,
        project: Path<String>,
        environment: Path<String>,
        #[oai(name = "If-Match")] version: Header<Option<String>>,
        changes: Json<SettingsDto>,
    ) -> poem::Result<JsonReply<SettingsDto>> {
        let known = open(&visitor, &project, &environment).await?;
        demand_version(version.0.as_deref(), &known.settings())?;
        let spec = changes.0.over(&known.inventory, Some(&known.environment))?;
        let id = known.environment.id;
        let changed = environments::edit(visitor.app(), &known.permit, id, spec).await?;
        Ok(JsonReply::new(SettingsDto::new(&known.inventory, &changed)))
    }

    /// Delete an environment
    ///
    /// Its history stays, and so does what is on the servers.
    #[oai(
        path = "/projects/:project/environments/:environment/settings",
        method = "delete",
        operation_id = "deleteEnvironment"
    )]
    async fn delete(
        &self,
        visitor: Visitor,
        project: Path<String>,
        environment: Path<String>,
        #[oai(name = "If-Match")] version: Header<Option<String>>,
    ) -> poem::Result<NoContent> {
        let known = open(&visitor, &project, &environment).await?;
        demand_version(version.0.as_deref(), &known.settings())?;
        environments::delete(visitor.app(), &known.permit, known.environment.id).await?;
        Ok(NoContent)
    }
}
