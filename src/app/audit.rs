//! The audit log, as auditors read it.

mod covered;

use self::covered::covered;
use super::App;
use super::admin::demand_reading;
use super::history::viewable;
use crate::access::Permit;
use crate::domain::{Action, Actor, Area, AuditEvent, Resource, Result};
use crate::store::{Page, Paged, PastFilter, audit};

/// A page of `limit` events, newest first, without those about projects and environments that the
/// reader may not view, and without the names of such in the details of others. Needs a permit for
/// [`Action::Audit`].
pub async fn browse(
    app: &App,
    permit: &Permit,
    filter: &PastFilter,
    page: Page,
    limit: u64,
) -> Result<Paged<AuditEvent>> {
    demand_reading(permit, Area::Audit)?;
    let filter = PastFilter {
        hidden: hidden(app, permit.actor()).await?,
        ..filter.clone()
    };
    let mut found = audit::list(&app.store, &filter, page, limit).await?;
    let events = found.items.into_iter();
    found.items = events.map(|event| covered(app, permit.actor(), event)).collect();
    Ok(found)
}

/// The resources in the log that `actor` may not view.
async fn hidden(app: &App, actor: &Actor) -> Result<Vec<String>> {
    if viewable(app, actor).await?.is_all {
        return Ok(Vec::new());
    }
    let mut resources = audit::resources(&app.store).await?;
    resources.retain(|name| place_of(name).is_some_and(|place| !app.may(actor, Action::View, &place)));
    Ok(resources)
}

/// The project or environment that an event's resource names: `shop/prod`, `shop`, `project shop`;
/// `None` for what belongs to no project, as `server web1`.
fn place_of(resource: &str) -> Option<Resource> {
    let name = resource.strip_prefix("project ").unwrap_or(resource);
    if name.contains(' ') || name == Resource::Everything.to_string() {
        return None;
    }
    Some(match name.split_once('/') {
        Some((project, environment)) => Resource::Environment(project.to_owned(), environment.to_owned()),
        None => Resource::Project(name.to_owned()),
    })
}

/// What a check of the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    /// Every event is as it was recorded.
    Whole {
        /// The number of the last event; 0 before the first.
        last: i64,
        /// Its hash: kept elsewhere, it proves later that nothing up to it was rewritten.
        hash: String,
    },
    /// Something was changed, inserted or removed; the sentence says where.
    Broken(String),
}

/// Walks the whole log and compares every hash.
pub async fn verify(app: &App, permit: &Permit) -> Result<Chain> {
    demand_reading(permit, Area::Audit)?;
    if let Some(found) = audit::verify(&app.store).await? {
        return Ok(Chain::Broken(found.reason));
    }
    let (last, hash) = audit::tip(&app.store).await?;
    Ok(Chain::Whole { last, hash })
}
