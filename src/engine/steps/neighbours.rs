//! Other environments on the servers of a deployment: two that change the same directories would delete each
//! other's files, so the second one is refused. Paths are compared as they are written, and then as each server
//! says where they lead to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::domain::{Environment, Server, ServerId};
use crate::engine::ending::{Failure, StepResult};
use crate::engine::found::Reached;
use crate::engine::run::Run;
use crate::store::{clusters, environments, projects, servers};
use crate::sync::{self, Ground, Limits};

/// Another environment.
pub(super) struct Neighbour {
    /// Its name, as this deployment's readers may know it.
    whose: String,
    /// Its name.
    place: String,
    ground: Ground,
}

/// The other environments on each server.
pub(super) type Neighbours = HashMap<ServerId, Vec<Arc<Neighbour>>>;

/// Reads the other environments.
pub(super) async fn all(run: &Run) -> StepResult<Neighbours> {
    let store = &run.parts().store;
    let (projects, clusters) = (projects::list(store).await?, clusters::list(store).await?);
    let mut neighbours = Neighbours::new();
    for other in environments::all(store).await? {
        let Some(project) = projects.iter().find(|one| one.id == other.project_id) else {
            continue;
        };
        // An environment with invalid options is deployed nowhere.
        let Some(ground) = Ground::of(project, &other)
            .ok()
            .filter(|_| other.id != run.environment.id)
        else {
            continue;
        };
        let place = format!("{}/{}", project.name, other.name);
        let neighbour = Arc::new(Neighbour {
            whose: whose(&run.environment, &other, &place),
            place,
            ground,
        });
        for cluster in clusters.iter().filter(|one| other.clusters.contains(&one.id)) {
            for member in &cluster.members {
                let there = neighbours.entry(member.server).or_default();
                there.push(Arc::clone(&neighbour));
            }
        }
    }
    add_aliases(run, &mut neighbours).await?;
    Ok(neighbours)
}

/// Adds those on servers that are machines of the deployment under other names.
async fn add_aliases(run: &Run, neighbours: &mut Neighbours) -> StepResult<()> {
    let all = servers::list(&run.parts().store).await?;
    let others: Vec<&Server> = all
        .iter()
        .filter(|one| neighbours.contains_key(&one.id))
        .collect();
    let mut found = Vec::new();
    for member in &run.members {
        let mine = &member.server;
        for other in others.iter().filter(|other| other.id != mine.id) {
            if is_one_machine(mine, other).await {
                found.push((mine.id, neighbours[&other.id].clone()));
            }
        }
    }
    for (server, there) in found {
        neighbours.entry(server).or_default().extend(there);
    }
    Ok(())
}

/// The deployment's readers may not know other projects.
fn whose(mine: &Environment, other: &Environment, place: &str) -> String {
    match other.project_id == mine.project_id {
        true => place.to_owned(),
        false => "another project".to_owned(),
    }
}

/// The servers where another environment changes the same directories as they are written, with a complaint
/// for each.
pub(super) fn taken_places(run: &Run, neighbours: &Neighbours) -> StepResult<HashMap<ServerId, String>> {
    let ground = Ground::of(&run.project, &run.environment)?;
    let mut taken = HashMap::new();
    for (server, others) in neighbours {
        for other in others {
            let Some(overlap) = ground.overlap(&other.ground) else {
                continue;
            };
            tracing::warn!(%server, "{} {}", other.place, overlap.sentence());
            let complaint = match other.whose == other.place {
                true => format!("{} on it {}", other.place, overlap.sentence()),
                false => "another project on it goes to the same path, into it or around it; the two would \
                          overwrite each other. Give each a target path of its own."
                    .to_owned(),
            };
            taken.insert(*server, complaint);
        }
    }
    Ok(taken)
}

/// That no directory of a neighbour is ours under another name: only the server knows where `~` and links lead
/// to.
pub(super) async fn demand_apart(run: &Run, reached: &Reached, others: &[Arc<Neighbour>]) -> StepResult<()> {
    let mine = Ground::of(&run.project, &run.environment)?;
    let mut grounds = vec![&mine];
    grounds.extend(others.iter().map(|other| &other.ground));
    let limits = Limits {
        cancel: run.stop.token().clone(),
        ..Limits::default()
    };
    let found = sync::whereabouts(&reached.session, &grounds, &limits).await?;
    let Some((Some(mine), theirs)) = found.split_first() else {
        return Ok(());
    };
    for (other, ground) in others.iter().zip(theirs) {
        if let Some(overlap) = ground.as_ref().and_then(|ground| mine.overlap(ground)) {
            tracing::warn!("{} {}", other.place, overlap.sentence());
            return Err(Failure::new(format!(
                "{} is the directory of {whose}, or lies in or around one of its directories, and that path is written in another way; the two would overwrite each other. Give each a target path of its own.",
                reached.found.target,
                whose = other.whose,
            )));
        }
    }
    Ok(())
}

/// Whether two servers are the same sshd. Names are resolved only where the host keys are equal: machines
/// made from one image may share a key, but one machine never has two keys on a port.
pub(super) async fn is_one_machine(one: &Server, other: &Server) -> bool {
    if one.shares_address(other) {
        return true;
    }
    let same_key = match (&one.host_key, &other.host_key) {
        (Some(mine), Some(theirs)) => mine.openssh == theirs.openssh,
        _ => false,
    };
    if one.port != other.port || !same_key {
        return false;
    }
    let addresses = async |server: &Server| -> Vec<IpAddr> {
        match tokio::net::lookup_host((server.address.as_str(), server.port)).await {
            Ok(found) => found.map(|address| address.ip().to_canonical()).collect(),
            Err(_) => Vec::new(),
        }
    };
    let (mine, theirs) = (addresses(one).await, addresses(other).await);
    mine.iter().any(|address| theirs.contains(address))
}
