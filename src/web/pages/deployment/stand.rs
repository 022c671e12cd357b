//! What is not plainly well, server by server: what is on it and what to do, as the engine says, and
//! whether it is in service. Servers of which the same is to be said stand together.

use super::tile::{ServerView, Sign};
use crate::domain::deployment::{ServerState, Service};
use crate::domain::{Deployment, DeploymentState};

/// Names shown before “and more”.
const NAMES: usize = 8;

/// Servers of which the same is to be said.
pub struct Stand {
    pub sign: Sign,
    /// Names, each with its part of the log.
    pub names: Vec<(String, String)>,
    /// The others.
    pub more: Vec<(String, String)>,
    /// What is on them, as the engine says.
    pub detail: String,
    /// Whether they get traffic, as a sentence; may be empty.
    pub service: &'static str,
    rank: u8,
}

/// All that is to be said, the worst first.
pub fn stands(deployment: &Deployment, servers: &[ServerView]) -> Vec<Stand> {
    let mut stands: Vec<Stand> = Vec::new();
    for one in servers {
        let Some(rank) = rank(deployment, one) else {
            continue;
        };
        let name = (one.part.server.clone(), one.log_url.clone());
        let (detail, service) = (detail(deployment, one), service(deployment, one));
        let same = stands
            .iter_mut()
            .find(|stand| stand.rank == rank && stand.detail == detail && stand.service == service);
        match same {
            Some(stand) if stand.names.len() < NAMES => stand.names.push(name),
            Some(stand) => stand.more.push(name),
            None => stands.push(Stand {
                sign: one.sign,
                names: vec![name],
                more: Vec::new(),
                detail,
                service,
                rank,
            }),
        }
    }
    stands.sort_by_key(|stand| stand.rank);
    stands
}

/// How much it wants a look; `None`: not at all.
fn rank(deployment: &Deployment, one: &ServerView) -> Option<u8> {
    let ended_badly = deployment.state.is_final() && deployment.state != DeploymentState::Succeeded;
    let is_out = matches!(
        one.part.service,
        Service::Out | Service::TakingOut | Service::PuttingBack
    );
    match one.part.state {
        ServerState::Failed => Some(0),
        ServerState::Interrupted => Some(1),
        ServerState::Cancelled => Some(2),
        _ if deployment.state.is_final() && is_out => Some(3),
        ServerState::Succeeded if one.part.service == Service::ByHand => Some(4),
        ServerState::Succeeded if ended_badly => Some(5),
        ServerState::Waiting if ended_badly => Some(6),
        ServerState::Skipped if !one.part.detail.is_empty() => Some(7),
        _ => None,
    }
}

fn detail(deployment: &Deployment, one: &ServerView) -> String {
    if !one.part.detail.is_empty() {
        return one.part.detail.clone();
    }
    match one.part.state {
        ServerState::Succeeded => format!("Runs {}.", deployment.commit.short()),
        ServerState::Waiting => match &one.part.previous_commit {
            Some(before) => format!("Not touched: it runs {}, as before.", before.short()),
            None => "Not touched: it runs what it ran before.".to_owned(),
        },
        _ => String::new(),
    }
}

fn service(deployment: &Deployment, one: &ServerView) -> &'static str {
    let is_final = deployment.state.is_final();
    match one.part.service {
        Service::Untouched if one.is_balanced => "In service, as before.",
        Service::Untouched => "",
        Service::TakingOut | Service::PuttingBack if is_final => {
            "Whether it is in service is not known: look at the balancer."
        }
        Service::TakingOut => "Being taken out of service.",
        Service::PuttingBack => "Being put back into service.",
        Service::Out => "Out of service: it gets no traffic.",
        Service::Back => "In service.",
        Service::ByHand => "Out of service, as somebody took it out by hand before.",
    }
}
