//! The overview: which commits run in all environments of all projects.

use super::App;
use super::naming::resource;
use super::places::{Known, Place};
use crate::domain::{Action, Actor, Project, Resource, Result};
use crate::store::{environments, projects};

/// The fewest digits by which a commit is searched; fewer would find everything.
const COMMIT_DIGITS: usize = 4;

/// The projects that somebody may see.
#[derive(Debug, Clone)]
pub struct Overview {
    /// By name.
    pub rows: Vec<Row>,
    /// How many there are without the search.
    pub total: usize,
    /// Whether whoever asked may make projects.
    pub may_configure: bool,
}

/// A project with those of its environments that somebody may see.
#[derive(Debug, Clone)]
pub struct Row {
    pub project: Project,
    /// Its environments, in the order of the promotion chain.
    pub places: Vec<Place>,
}

/// The projects that `actor` may see and that `search` finds: in their name, their description,
/// or as the first digits of a commit that runs somewhere. An empty search finds all.
pub async fn overview(app: &App, actor: &Actor, search: &str) -> Result<Overview> {
    let search = search.trim().to_lowercase();
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
    // A project without environments is seen by whoever may see it as a whole.
    rows.retain(|row| {
        let whole = Resource::Project(row.project.name.to_string());
        !row.places.is_empty() || app.may(actor, Action::Configure, &whole)
    });
    let total = rows.len();
    rows.retain(|row| finds(&search, row));
    Ok(Overview {
        rows,
        total,
        may_configure: app.may(actor, Action::Configure, &Resource::Everything),
    })
}

fn finds(search: &str, row: &Row) -> bool {
    let has = |text: &str| text.to_lowercase().contains(search);
    let runs = |place: &Place| {
        place
            .runs
            .iter()
            .any(|run| search.len() >= COMMIT_DIGITS && run.commit.as_str().starts_with(search))
    };
    has(row.project.name.as_str()) || has(&row.project.description) || row.places.iter().any(runs)
}
