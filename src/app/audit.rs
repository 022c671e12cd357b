//! The audit log, as auditors read it.

use super::App;
use super::filter::Filter;
use crate::access::Permit;
use crate::domain::{Action, AuditEvent, Error, Resource, Result};
use crate::store::audit;
use crate::store::{Page, Paged};

/// A page of `limit` events, newest first. Needs a permit for [`Action::Audit`].
pub async fn browse(
    app: &App,
    permit: &Permit,
    filter: &Filter,
    page: Page,
    limit: u64,
) -> Result<Paged<AuditEvent>> {
    demand_audit(permit)?;
    audit::list(&app.store, &filter.events(), page, limit).await
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
    demand_audit(permit)?;
    if let Some(found) = audit::verify(&app.store).await? {
        return Ok(Chain::Broken(found.reason));
    }
    let (last, hash) = audit::tip(&app.store).await?;
    Ok(Chain::Whole { last, hash })
}

fn demand_audit(permit: &Permit) -> Result<()> {
    if permit.covers(Action::Audit, &Resource::Everything) {
        return Ok(());
    }
    Err(Error::internal(
        "the audit log was to be read with a permit for something else",
    ))
}
