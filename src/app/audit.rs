//! The audit log, as auditors read it.

use super::App;
use super::admin::demand;
use crate::access::Permit;
use crate::domain::{Action, AuditEvent, Resource, Result};
use crate::store::{HistoryFilter, Page, Paged, audit};

/// A page of `limit` events, newest first. Needs a permit for [`Action::Audit`].
pub async fn browse(
    app: &App,
    permit: &Permit,
    filter: &HistoryFilter,
    page: Page,
    limit: u64,
) -> Result<Paged<AuditEvent>> {
    demand(permit, Action::Audit, &Resource::Everything)?;
    audit::list(&app.store, filter, page, limit).await
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
    demand(permit, Action::Audit, &Resource::Everything)?;
    if let Some(found) = audit::verify(&app.store).await? {
        return Ok(Chain::Broken(found.reason));
    }
    let (last, hash) = audit::tip(&app.store).await?;
    Ok(Chain::Whole { last, hash })
}
