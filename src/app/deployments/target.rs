//! Which servers a request means, checked to belong to its environment.

use std::collections::HashMap;

use crate::app::App;
use crate::app::naming::Choice;
use crate::domain::rollout::INACTIVE;
use crate::domain::{ClusterId, Environment, Error, Result, Server, ServerId, Target};
use crate::store::deployments::NewPart;
use crate::store::{clusters, servers};

/// Which servers of an environment a request is for: chosen by a person, or those of an earlier
/// deployment.
#[derive(Debug, Clone, Copy)]
pub(in crate::app) enum Meant<'a> {
    /// What a person chose.
    Chosen(Choice),
    These(&'a [ServerId]),
}

impl From<Choice> for Meant<'_> {
    fn from(choice: Choice) -> Self {
        Self::Chosen(choice)
    }
}

impl<'a> From<&'a Target> for Meant<'a> {
    fn from(target: &'a Target) -> Self {
        match target {
            Target::Environment => Self::Chosen(Choice::All),
            Target::Cluster { id, .. } => Self::Chosen(Choice::Cluster(*id)),
            Target::Server { id, .. } => Self::Chosen(Choice::Server(*id)),
            Target::Servers { ids, .. } => Self::These(ids),
        }
    }
}

impl Meant<'_> {
    /// Whether a server of this cluster is wanted.
    fn means(self, cluster: ClusterId, server: ServerId) -> bool {
        match self {
            Self::Chosen(Choice::All) => true,
            Self::Chosen(Choice::Cluster(id)) => id == cluster,
            Self::Chosen(Choice::Server(id)) => id == server,
            Self::These(ids) => ids.contains(&server),
        }
    }
}

/// The wanted servers, in rollout order, checked to belong to the environment.
///
/// # Errors
/// Complaints about the field `target`: it is not of this environment, or none of it is active.
pub(in crate::app) async fn resolve(
    app: &App,
    environment: &Environment,
    meant: Meant<'_>,
) -> Result<(Target, Vec<NewPart>)> {
    let known: HashMap<ServerId, Server> = servers::list(&app.store)
        .await?
        .into_iter()
        .map(|server| (server.id, server))
        .collect();
    let mut parts: Vec<NewPart> = Vec::new();
    let mut cluster_name = None;
    for &id in &environment.clusters {
        let cluster = clusters::by_id(&app.store, id).await?;
        if matches!(meant, Meant::Chosen(Choice::Cluster(other)) if other == id) {
            cluster_name = Some(cluster.name.to_string());
        }
        for member in &cluster.members {
            let Some(server) = known.get(&member.server) else {
                continue;
            };
            // A server in two clusters of one environment is deployed to once.
            let is_new = !parts.iter().any(|part| part.server_id == server.id);
            if is_new && meant.means(id, server.id) {
                parts.push(part(server, cluster.name.as_str()));
            }
        }
    }
    let target = target(meant, cluster_name, &parts).ok_or_else(|| {
        Error::field(
            "target",
            "That server or cluster does not belong to this environment.",
        )
    })?;
    if parts.iter().all(|part| part.is_skipped()) {
        let message = match &target {
            Target::Environment => {
                "This environment has no active server, so there is nothing to deploy to.".to_owned()
            }
            part => format!(
                "There is no active server in {part} of this environment, so there is nothing to deploy to."
            ),
        };
        return Err(Error::field("target", message));
    }
    Ok((target, parts))
}

/// The target with its names; `None` when there is no such thing in the environment.
fn target(meant: Meant<'_>, cluster: Option<String>, parts: &[NewPart]) -> Option<Target> {
    match meant {
        Meant::Chosen(Choice::All) => Some(Target::Environment),
        Meant::Chosen(Choice::Cluster(id)) => Some(Target::Cluster { id, name: cluster? }),
        Meant::Chosen(Choice::Server(id)) => parts.first().map(|part| Target::Server {
            id,
            name: part.server.clone(),
        }),
        Meant::These(_) => of_parts(parts.iter()),
    }
}

/// These servers as a target; `None` when there are none.
pub(super) fn of_parts<'a>(parts: impl Iterator<Item = &'a NewPart>) -> Option<Target> {
    let (ids, names): (Vec<ServerId>, Vec<String>) =
        parts.map(|part| (part.server_id, part.server.clone())).unzip();
    match (ids.as_slice(), names.as_slice()) {
        ([], _) => None,
        (&[id], [name]) => Some(Target::Server {
            id,
            name: name.clone(),
        }),
        _ => Some(Target::Servers { ids, names }),
    }
}

fn part(server: &Server, cluster: &str) -> NewPart {
    let mut part = NewPart::new(server.id, server.name.as_str(), cluster);
    if !server.active {
        part.skip(INACTIVE);
    }
    part
}
