//! The audit log: read by auditors, proven, and cut.
//!
//! `heads` hands out signed statements about its end, `keys` keeps the key that signs them,
//! `verification` proves the log against them, `comparison` the rest of the database against the log, and
//! `cut` removes the oldest events lawfully.

pub mod comparison;
mod covered;
pub mod cut;
pub mod export;
pub mod heads;
pub mod keys;
pub mod report;
pub mod verification;
pub mod words;

use self::covered::{covered, may_be_covered};
use self::export::{Export, ExportTitle};
use self::verification::{Evidence, Verification, prove};
use super::App;
use super::admin::demand_reading;
use super::history::viewable;
use crate::access::Permit;
use crate::domain::{Action, Actor, Area, AuditEvent, Error, ErrorKind, ExportFormat, Resource, Result};
use crate::store::audit::{self, Head};
use crate::store::{AuditFilter, Page, Paged};

/// A page of `limit` events, newest first, without those about projects and environments that the
/// reader may not view, and without the names of such in the details of others. Needs a permit for
/// [`Action::Audit`].
pub async fn browse(
    app: &App,
    permit: &Permit,
    filter: &AuditFilter,
    page: Page,
    limit: u64,
) -> Result<Paged<AuditEvent>> {
    demand_reading(permit, Area::Audit)?;
    let filter = visible(app, permit, filter.clone()).await?;
    let mut found = audit::list(&app.store, &filter, page, limit).await?;
    let events = found.items.into_iter();
    found.items = events.map(|event| covered(app, permit.actor(), event)).collect();
    Ok(found)
}

/// `filter`, without what the reader may not view.
async fn visible(app: &App, permit: &Permit, filter: AuditFilter) -> Result<AuditFilter> {
    let actor = permit.actor();
    let sees_all = viewable(app, actor).await?.is_all;
    let covered = may_be_covered(app, actor, sees_all);
    Ok(AuditFilter {
        hidden: hidden(app, actor, sees_all).await?,
        covered: covered.iter().map(|kind| kind.as_str().to_owned()).collect(),
        ..filter
    })
}

/// Begins an export of what `filter` is for and the reader may view; `action` is the filter's word for
/// events. Needs a permit for [`Action::Audit`].
///
/// # Errors
/// Of the store.
pub async fn export(
    app: &App,
    permit: &Permit,
    format: ExportFormat,
    (filter, action): (AuditFilter, &str),
) -> Result<Export> {
    demand_reading(permit, Area::Audit)?;
    let filter = visible(app, permit, filter).await?;
    let title = ExportTitle {
        by: permit.actor().name.clone(),
        at: app.now(),
        head: head(app, permit).await?.ok(),
        filter: export::in_words(&filter, action),
    };
    let export = Export::begin(&app.store, permit, format, (filter, title)).await?;
    Ok(export.for_reader(app.clone(), permit.actor().clone()))
}

/// The resources in the log that `actor` may not view; none where `sees_all`.
async fn hidden(app: &App, actor: &Actor, sees_all: bool) -> Result<Vec<String>> {
    if sees_all {
        return Ok(Vec::new());
    }
    let mut resources = audit::resources(&app.store).await?;
    resources.retain(|name| place_of(name).is_some_and(|place| !app.may(actor, Action::View, &place)));
    // These events name the secrets of all environments.
    resources.push(SECRETS.to_owned());
    Ok(resources)
}

/// What events about sealing are about.
const SECRETS: &str = "secrets";

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

/// The present head of the log, for an auditor to keep, or a sentence that says why none is signed.
pub async fn head(app: &App, permit: &Permit) -> Result<std::result::Result<Head, String>> {
    demand_reading(permit, Area::Audit)?;
    heads::present((&app.config, &app.store), app.now()).await
}

/// Proves the whole log, also against `heads` handed out before.
///
/// # Errors
/// Throttled while another verification is under way.
pub async fn verify(app: &App, permit: &Permit, heads: Vec<Head>) -> Result<Verification> {
    demand_reading(permit, Area::Audit)?;
    let Ok(_turn) = app.verifying.try_lock() else {
        return Err(Error::new(
            ErrorKind::Throttled,
            "Another verification is under way. Try again when it has ended.",
        ));
    };
    let evidence = Evidence {
        heads,
        ..Evidence::default()
    };
    let mut found = prove((&app.config, &app.store), evidence).await?;
    if !found.differences.is_empty() && !viewable(app, permit.actor()).await?.is_all {
        // They name places that this reader may not view.
        let count = found.differences.len();
        found.differences = vec![format!(
            "Differences: {count}. Somebody who may view every project sees which."
        )];
    }
    Ok(found)
}
