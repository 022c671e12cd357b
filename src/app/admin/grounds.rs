//! Whether environments would overwrite each other's files on a server: asked of each form that decides where
//! an environment's files go, and on which servers.

use super::inventory::{HIDDEN, Inventory, name_for};
use crate::access::Permit;
use crate::app::App;
use crate::domain::{Environment, Error, Result};
use crate::sync::Ground;

/// Demands that `environment` changes no directory on any server that another environment changes too: the two
/// would overwrite each other. `field` is what was changed last.
///
/// # Errors
/// A complaint about the field.
pub(super) fn demand_apart(
    (app, permit): (&App, &Permit),
    inventory: &Inventory,
    environment: &Environment,
    field: &'static str,
) -> Result<()> {
    let own = inventory.servers_of(environment);
    let ground = |of: &Environment| Some(Ground::of(inventory.project(of.project_id)?, of));
    let Some(mine) = ground(environment).transpose()? else {
        return Ok(());
    };
    for other in inventory
        .environments
        .iter()
        .filter(|one| one.id != environment.id)
    {
        // Nothing can be deployed to an environment whose options are no longer valid.
        let Some(overlap) = ground(other)
            .and_then(Result::ok)
            .and_then(|other| mine.overlap(&other))
        else {
            continue;
        };
        let theirs = inventory.servers_of(other);
        let both = theirs
            .iter()
            .find(|server| own.iter().any(|mine| mine.id == server.id));
        if let Some(server) = both {
            let project = inventory.project(other.project_id);
            let name = project.and_then(|project| name_for(app, permit, project, other));
            let what = match name {
                Some(name) => format!("{name} {}", overlap.sentence()),
                // The other path may have the name of the project in it.
                None => format!(
                    "{HIDDEN} goes to this path, into it or around it; the two would overwrite each other. Choose another target path."
                ),
            };
            let sentence = format!("On server “{}”, {what}", server.name);
            return Err(Error::field(field, sentence));
        }
    }
    Ok(())
}
