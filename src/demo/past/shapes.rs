//! What a made-up deployment consists of.

use crate::demo::fleet::SampleEnvironment;
use crate::demo::repositories::SampleCommit;
use crate::domain::deployment::ServerState;
use crate::domain::{CommitId, DeploymentState, Instant, Kind, OnServer, Phase};
use crate::store::deployments::PastStep;

/// A made-up deployment.
#[derive(Debug, Clone)]
pub struct SampleDeployment {
    pub place: &'static SampleEnvironment,
    /// The only server it went to; `None`: all of them.
    pub only: Option<&'static str>,
    pub commit: SampleCommit,
    /// What most servers had before.
    pub previous: Option<CommitId>,
    pub kind: Kind,
    pub state: DeploymentState,
    /// The phase it ended in.
    pub phase: Phase,
    pub actor: &'static str,
    /// May be empty.
    pub reason: &'static str,
    pub queued_at: Instant,
    pub started_at: Instant,
    pub finished_at: Instant,
    pub cancelled_by: Option<&'static str>,
    /// How it ended, in a sentence.
    pub outcome: String,
    pub servers: Vec<SampleServer>,
    /// Their servers are indices of `servers`.
    pub steps: Vec<PastStep>,
}

/// What a deployment did to one server.
#[derive(Debug, Clone)]
pub struct SampleServer {
    pub name: &'static str,
    pub cluster: &'static str,
    pub state: ServerState,
    /// What was on it before.
    pub previous: Option<CommitId>,
    /// What is on it, where that is not the commit and well.
    pub on_server: Option<OnServer>,
    pub cause: String,
    /// Whether the commit's files have been in use there since.
    pub released: bool,
}

/// The planned end of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlannedEnd {
    Good,
    /// A server does not answer: no server is touched.
    Unreachable,
    /// Tests on the deployer's host fail: no server is touched.
    LocalTests,
    /// Tests on the last server fail, after its files were switched.
    LastServer,
    /// A person ends it before servers are touched.
    Cancelled,
}

/// What is decided about a deployment before it begins.
pub(super) struct Past {
    pub kind: Kind,
    pub actor: &'static str,
    pub reason: &'static str,
    pub at: Instant,
    pub fate: PlannedEnd,
    pub only: Option<&'static str>,
}
