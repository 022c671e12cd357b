//! Adding, changing and deleting projects.

use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::super::{Part, may_configure};
use super::ProjectDto;
use crate::app::admin::projects::{self, ProjectSpec};
use crate::domain::{Extras, Project, Result, SyncMethod};
use crate::web::api::fields::{Fields, demand_version};
use crate::web::api::reply::{Created, JsonReply, NoContent, api_path};
use crate::web::api::shapes::MethodWord;
use crate::web::visitor::Visitor;

/// A project to be added.
#[derive(Object)]
#[oai(rename = "NewProject", deny_unknown_fields)]
struct NewProjectDto {
    name: String,
    git_url: String,
    description: Option<String>,
    /// `symlink` where it is absent.
    method: Option<MethodWord>,
    lfs: Option<bool>,
    submodules: Option<bool>,
    key: Option<String>,
}

/// What changes of a project; what is absent stays as it is.
#[derive(Object)]
#[oai(rename = "ProjectChanges", deny_unknown_fields)]
struct ProjectChangesDto {
    name: Option<String>,
    git_url: Option<String>,
    description: Option<String>,
    method: Option<MethodWord>,
    lfs: Option<bool>,
    submodules: Option<bool>,
    /// Empty: those that are configured.
    key: Option<String>,
}

impl ProjectChangesDto {
    /// The settings of `before` with these changes; a project that is new has defaults before.
    fn over(&self, before: Option<&Project>) -> Result<ProjectSpec> {
        let mut fields = Fields::default();
        let extras = before.map_or_else(Extras::default, |project| project.extras);
        let kept = |text: fn(&Project) -> String| before.map(text).unwrap_or_default();
        let name = fields.text("name", self.name.as_deref(), || kept(|one| one.name.to_string()));
        let description = fields.text("description", self.description.as_deref(), || {
            kept(|one| one.description.clone())
        });
        let git_url = fields.text("git_url", self.git_url.as_deref(), || {
            kept(|one| one.git_url.clone())
        });
        let key = fields.optional("key", self.key.as_deref(), || {
            before.and_then(|project| project.key.clone())
        });
        let method = self
            .method
            .map(|word| word.0)
            .or(before.map(|project| project.method));
        fields.done(|| {
            Some(ProjectSpec {
                name: name?,
                description: description?,
                git_url: git_url?,
                method: method.unwrap_or(SyncMethod::Symlink),
                extras: Extras {
                    lfs: self.lfs.unwrap_or(extras.lfs),
                    submodules: self.submodules.unwrap_or(extras.submodules),
                },
                key: key?,
            })
        })
    }
}

impl From<NewProjectDto> for ProjectChangesDto {
    fn from(new: NewProjectDto) -> Self {
        Self {
            name: Some(new.name),
            git_url: Some(new.git_url),
            description: new.description,
            method: new.method,
            lfs: new.lfs,
            submodules: new.submodules,
            key: new.key,
        }
    }
}

/// Operations for those who may configure a project.
pub struct ProjectSettingsApi;

#[OpenApi(tag = "Part::Projects")]
impl ProjectSettingsApi {
    /// Add a project
    #[oai(path = "/projects", method = "post", operation_id = "createProject")]
    async fn create(
        &self,
        visitor: Visitor,
        project: Json<NewProjectDto>,
    ) -> poem::Result<Created<ProjectDto>> {
        let permit = may_configure(&visitor).await?;
        let spec = ProjectChangesDto::from(project.0).over(None)?;
        let added = projects::add(visitor.app(), &permit, spec).await?;
        let address = api_path(&["projects", added.name.as_str()]);
        Ok(Created::new(ProjectDto::from(&added)).at(address))
    }

    /// Show the settings of a project
    ///
    /// Its ETag is what `If-Match` takes when it is changed.
    #[oai(
        path = "/projects/:project/settings",
        method = "get",
        operation_id = "showProjectSettings"
    )]
    async fn show(&self, visitor: Visitor, project: Path<String>) -> poem::Result<JsonReply<ProjectDto>> {
        let (known, _) = projects::open(visitor.app(), visitor.actor(), &project).await?;
        Ok(JsonReply::new((&known).into()))
    }

    /// Change a project
    #[oai(
        path = "/projects/:project/settings",
        method = "patch",
        operation_id = "changeProject"
    )]
    async fn change(
        &self,
        visitor: Visitor,
        project: Path<String>,
        #[oai(name = "If-Match")] version: Header<Option<String>>,
        changes: Json<ProjectChangesDto>,
    ) -> poem::Result<JsonReply<ProjectDto>> {
        let (known, permit) = projects::open(visitor.app(), visitor.actor(), &project).await?;
        demand_version(version.0.as_deref(), &ProjectDto::from(&known))?;
        let spec = changes.0.over(Some(&known))?;
        let changed = projects::edit(visitor.app(), &permit, known.id, spec).await?;
        Ok(JsonReply::new((&changed).into()))
    }

    /// Delete a project with its environments
    ///
    /// Its history stays, and so does what is on the servers.
    #[oai(
        path = "/projects/:project/settings",
        method = "delete",
        operation_id = "deleteProject"
    )]
    async fn delete(
        &self,
        visitor: Visitor,
        project: Path<String>,
        #[oai(name = "If-Match")] version: Header<Option<String>>,
    ) -> poem::Result<NoContent> {
        let (known, permit) = projects::open(visitor.app(), visitor.actor(), &project).await?;
        demand_version(version.0.as_deref(), &ProjectDto::from(&known))?;
        projects::delete(visitor.app(), &permit, known.id).await?;
        Ok(NoContent)
    }
}
