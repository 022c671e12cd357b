//! The overview: which commits run in all environments of all projects.

use super::App;
use super::naming::resource;
use super::places::{Known, Place};
use crate::domain::{Action, Actor, Project, Resource, Result};
use crate::store::{environments, projects};

/// The projects that somebody may see.
#[derive(Debug, Clone)]
pub struct Overview {
    /// By name.
    pub rows: Vec<Row>,
    /// Whether the user may add projects.
    pub may_configure: bool,
}

/// A project with those of its environments that somebody may see.
#[derive(Debug, Clone)]
pub struct Row {
    pub project: Project,
    /// Its environments, in the order of the promotion chain.
    pub places: Vec<Place>,
}

/// The projects that `actor` may see.
pub async fn overview(app: &App, actor: &Actor) -> Result<Overview> {
    let mut known = Known::of_all(app).await?;
    let mut rows: Vec<Row> = projects::list(&app.store)
        .await?
        .into_iter()
        .map(|project| Row {
            project,
            places: Vec::new(),
        })
        .collect();
    for environment in environments::all(&app.store).await? {
        let Some(row) = rows
            .iter_mut()
            .find(|row| row.project.id == environment.project_id)
        else {
            continue;
        };
        if app.may(actor, Action::View, &resource(&row.project, &environment)) {
            row.places.push(known.place(environment));
        }
    }
    // A project without environments is shown only to users who may configure it.
    rows.retain(|row| {
        let whole = Resource::Project(row.project.name.to_string());
        !row.places.is_empty() || app.may(actor, Action::Configure, &whole)
    });
    Ok(Overview {
        rows,
        may_configure: app.may(actor, Action::Configure, &Resource::Everything),
    })
}
