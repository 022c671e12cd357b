//! The operations of the API, one file per noun with what it takes and answers.

mod account;
pub mod all;
mod audit;
mod balancers;
mod calendar;
mod clusters;
mod commits;
mod deployments;
mod environments;
mod installation;
mod locks;
mod permissions;
mod projects;
mod servers;
mod tokens;
mod users;

use poem_openapi::Tags;

use crate::access::Permit;
use crate::domain::{Action, Area, Resource, Result};
use crate::web::visitor::Visitor;

/// The parts of the document.
#[derive(Tags)]
enum Part {
    /// Who asks, and the tokens of their account.
    Account,
    /// Projects and their repositories.
    Projects,
    /// Where projects are deployed, and what runs there.
    Environments,
    /// What was deployed, is, and will be.
    Deployments,
    /// Who may do what, when; locks and the calendar.
    Access,
    /// Servers, clusters and balancers.
    Fleet,
    /// Accounts of people and programs.
    Users,
    /// The audit log.
    Audit,
    /// The state of the deployer itself.
    Installation,
}

/// The permit to change servers and clusters, and to add projects.
async fn may_configure(visitor: &Visitor) -> Result<Permit> {
    let (app, actor) = (visitor.app(), visitor.actor());
    app.permit(actor, Action::Configure, &Resource::Everything).await
}

/// The permit to change users.
async fn may_administer(visitor: &Visitor) -> Result<Permit> {
    let (app, actor) = (visitor.app(), visitor.actor());
    app.permit(actor, Action::Administer, &Resource::Everything).await
}

/// The permit to read what belongs to no project.
async fn may_read(visitor: &Visitor, area: Area) -> Result<Permit> {
    visitor.app().permit_reading(visitor.actor(), area).await
}
