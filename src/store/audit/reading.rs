//! Reads the log in its order, piece by piece, so that its length costs no memory.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::super::Reader;
use super::super::entities::audit_events::Column;
use super::super::entities::settings;
use super::super::filter::AuditFilter;
use super::append::{TIP, tip_in};
use super::chain::{AuditFault, Chain};
use super::search::narrowed;
use super::stored::StoredEvent;
use crate::domain::{ErrorKind, Result};

/// How many events are held in memory while all are read.
const EVENTS_AT_ONCE: u64 = 1000;

/// How far a reading of the log, in its order, has come.
#[derive(Debug, Clone, Default)]
pub struct AuditReading {
    filter: AuditFilter,
    /// The number of the last event that was read; `None`: none was.
    after: Option<i64>,
}

impl AuditReading {
    /// Begins to read what matches.
    pub fn of(filter: AuditFilter) -> Self {
        Self { filter, after: None }
    }

    /// Begins to read the events of this name, or of all that begin with it when it ends with a dot (`user.`).
    pub fn of_action(action: &str) -> Self {
        Self::of(AuditFilter {
            actions: vec![action.to_owned()],
            ..AuditFilter::default()
        })
    }

    /// The next events, at most a thousand; none: there are no more.
    ///
    /// # Errors
    /// Of the store. What was not read is read by the next call.
    pub async fn next(&mut self, on: &impl Reader) -> Result<Vec<StoredEvent>> {
        self.next_few(on, EVENTS_AT_ONCE).await
    }

    async fn next_few(&mut self, on: &impl Reader, count: u64) -> Result<Vec<StoredEvent>> {
        let mut rows = narrowed(&self.filter);
        if let Some(after) = self.after {
            rows = rows.filter(Column::Id.gt(after));
        }
        let rows = rows.order_by_asc(Column::Id).limit(count).all(on.db()).await?;
        self.after = rows.last().map_or(self.after, |row| Some(row.id));
        Ok(rows.into_iter().map(StoredEvent::from).collect())
    }
}

/// Follows `chain` through the whole log. Reads every event, a few at a time; events may be appended
/// meanwhile. Returns the first fault.
///
/// # Errors
/// Of the store, when it does not answer. What it cannot read although it answers is a fault.
pub async fn walk(on: &impl Reader, chain: &mut Chain) -> Result<Option<AuditFault>> {
    let mut reading = AuditReading::default();
    let mut at_once = EVENTS_AT_ONCE;
    loop {
        // Read before the rows: whatever it names must then be among them.
        let tip = settings::Entity::find_by_id(TIP).one(on.db()).await?;
        let events = match reading.next_few(on, at_once).await {
            // One by one, to come to the one that cannot be read.
            Err(error) if error.kind() == ErrorKind::Internal && at_once > 1 => {
                at_once = 1;
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Internal => return Ok(Some(chain.cannot_be_read())),
            events => events?,
        };
        if events.is_empty() {
            return Ok(chain.ends_wrong(tip_in(tip.as_ref())));
        }
        for event in &events {
            if let Err(fault) = chain.follow(event) {
                return Ok(Some(fault));
            }
        }
    }
}
