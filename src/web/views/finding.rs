//! The servers that need attention: what each runs and what to do, in the engine's words, and whether
//! it is in service. Servers with the same finding are listed together.

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
    /// What they run and what to do, in the engine's words.
    pub detail: String,
    /// Whether they get traffic, as a sentence; may be empty.
    pub service: &'static str,
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
        let (detail, service) = (detail(deployment, one), service(deployment, one));
        let same = findings
            .iter_mut()
            .find(|finding| finding.rank == rank && finding.detail == detail && finding.service == service);
        match same {
            Some(finding) if finding.names.len() < NAMES => finding.names.push(name),
            Some(finding) => finding.more.push(name),
            None => findings.push(FindingView {
                sign: one.sign,
                names: vec![name],
                more: Vec::new(),
                detail,
                service,
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
            Some(before) => format!("Not touched: still runs {}.", before.short()),
            None => "Not touched: still runs its previous release.".to_owned(),
        },
        _ => String::new(),
    }
}

fn service(deployment: &Deployment, one: &ServerView) -> &'static str {
    let is_final = deployment.state.is_final();
    match one.part.service {
        Service::Untouched if one.is_balanced => "Still in service.",
        Service::Untouched => "",
        Service::TakingOut | Service::PuttingBack if is_final => "Service state unknown: check the balancer.",
        Service::TakingOut => "Being taken out of service.",
        Service::PuttingBack => "Being put back into service.",
        Service::Out => "Out of service: it gets no traffic.",
        Service::Back => "In service.",
        Service::ByHand => "Out of service: taken out by hand earlier.",
    }
}
