//! The instances that serve now, as far as the database knows them.

use super::App;
use super::admin::demand_reading;
use crate::access::Permit;
use crate::domain::{Area, Result};
use crate::store::jobs;

/// The name of this instance, and those that do the jobs which only one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instances {
    pub own: String,
    /// In order of their names; an instance that has no job is not among them.
    pub holders: Vec<String>,
}

/// What is known of the instances, for whoever may read about servers.
///
/// # Errors
/// Of the store.
pub async fn known(app: &App, permit: &Permit) -> Result<Instances> {
    demand_reading(permit, Area::Servers)?;
    let record = app.store.record().await?;
    let holders = jobs::holders(&record, app.now()).await?;
    record.commit().await?;
    Ok(Instances {
        own: app.engine.instance().to_owned(),
        holders,
    })
}
