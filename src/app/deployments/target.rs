//! Which servers a request means, checked to belong to its environment.

use super::Choice;
use crate::app::App;
use crate::domain::{Environment, Error, Result, Server, Target};
use crate::store::deployments::NewPart;
use crate::store::{clusters, servers};

/// The servers a choice means, checked to belong to the environment.
pub(super) async fn resolve(
    app: &App,
    environment: &Environment,
    choice: Choice,
) -> Result<(Target, Vec<NewPart>)> {
    let mut servers: Vec<NewPart> = Vec::new();
    let mut target = (choice == Choice::All).then_some(Target::Environment);
    for &id in &environment.clusters {
        let cluster = clusters::by_id(&app.store, id).await?;
        if choice == Choice::Cluster(id) {
            target = Some(Target::Cluster {
                id,
                name: cluster.name.to_string(),
            });
        }
        if matches!(choice, Choice::Cluster(other) if other != id) {
            continue;
        }
        for member in &cluster.members {
            let server = servers::by_id(&app.store, member.server).await?;
            if matches!(choice, Choice::Server(other) if other != server.id) {
                continue;
            }
            if choice == Choice::Server(server.id) {
                target = Some(Target::Server {
                    id: server.id,
                    name: server.name.to_string(),
                });
            }
            // A server in two clusters of one environment is deployed to once.
            if !servers.iter().any(|part| part.server_id == server.id) {
                servers.push(part(&server, cluster.name.as_str()));
            }
        }
    }
    let foreign = || {
        Error::field(
            "target",
            "That server or cluster does not belong to this environment.",
        )
    };
    let target = target.ok_or_else(foreign)?;
    if servers.iter().all(|part| part.skipped.is_some()) {
        let message = format!(
            "There is no active server in {target} of this environment, so there is nothing to deploy to."
        );
        return Err(Error::field("target", message));
    }
    Ok((target, servers))
}

fn part(server: &Server, cluster: &str) -> NewPart {
    NewPart {
        server_id: server.id,
        server: server.name.to_string(),
        cluster: cluster.to_owned(),
        skipped: (!server.active).then(|| "Inactive, so it is left alone.".to_owned()),
    }
}
