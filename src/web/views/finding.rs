//! The servers that need attention: how each stands, as a sentence. Servers with the same sentence are listed
//! together.

use super::tile::ServerView;
use crate::domain::deployment::{ServerState, Service};
use crate::domain::{Deployment, DeploymentState};
use crate::web::look::Sign;

/// Names shown before “and more”.
const NAMES: usize = 8;

/// Servers with the same finding.
pub struct FindingView {
    pub sign: Sign,
    /// Names, each with its part of the log.
    pub names: Vec<(String, String)>,
    /// The names beyond those.
    pub more: Vec<(String, String)>,
    /// How they stand.
    pub told: String,
    /// What another deployment has put on them since, and its address.
    pub since: Option<(String, String)>,
    rank: u8,
}

/// All findings, the worst first.
pub fn findings(deployment: &Deployment, servers: &[ServerView]) -> Vec<FindingView> {
    let mut findings: Vec<FindingView> = Vec::new();
    for one in servers {
        let Some(rank) = rank(deployment, one) else {
            continue;
        };
        let name = (one.part.server.clone(), one.log_url.clone());
        let same = findings
            .iter_mut()
            .find(|finding| finding.rank == rank && finding.told == one.told && finding.since == one.since);
        match same {
            Some(finding) if finding.names.len() < NAMES => finding.names.push(name),
            Some(finding) => finding.more.push(name),
            None => findings.push(FindingView {
                sign: one.sign,
                names: vec![name],
                more: Vec::new(),
                told: one.told.clone(),
                since: one.since.clone(),
                rank,
            }),
        }
    }
    findings.sort_by_key(|finding| finding.rank);
    findings
}

/// Its place among the findings, the worst first; `None`: it is fine.
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
        ServerState::Skipped if !one.told.is_empty() => Some(7),
        _ => None,
    }
}
