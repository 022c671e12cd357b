//! Steps: the named units of a deployment's work.

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{DeploymentId, Instant, ServerId, StepId};

words! {
    /// What a step does. The first five and the last are done once per deployment, the others
    /// once per server.
    StepKind {
        /// Ask policy again, reach every server, look at the disks.
        Check = "check", "Check";
        /// Bring the mirror up to date.
        Fetch = "fetch", "Fetch";
        /// Write the commit's tree into a fresh directory.
        Export = "export", "Export";
        /// `predeploy.sh` on the deployer's host.
        Predeploy = "predeploy", "Predeploy";
        /// `tests/run_local_tests.sh` on the deployer's host.
        LocalTests = "local_tests", "Local tests";
        /// Look at what is on the server.
        Inspect = "inspect", "Inspect";
        /// Bring the files there.
        Sync = "sync", "Sync";
        /// Take the server out of service at its balancers.
        Drain = "drain", "Take out";
        /// Make the new release the one in use.
        Activate = "activate", "Activate";
        /// `deploy.sh` on the server.
        Deploy = "deploy", "deploy.sh";
        /// `tests/run_tests.sh` on the server.
        Tests = "tests", "Tests";
        /// Check that the new release works.
        Health = "health", "Health check";
        /// Put the server back into service, and wait until the balancers report it up.
        Restore = "restore", "Put back";
        /// Remove old releases.
        Finish = "finish", "Finish";
    }
}

words! {
    /// How far a step is.
    StepState {
        /// Not begun.
        Waiting = "waiting", "Waiting";
        /// Being done.
        Running = "running", "Running";
        /// Done.
        Succeeded = "succeeded", "Done";
        /// Done, with something to look at (failing tests that do not fail the deployment).
        Warned = "warned", "Done, with a warning";
        /// Did not work.
        Failed = "failed", "Failed";
        /// There was nothing to do.
        Skipped = "skipped", "Skipped";
        /// Ended by a person, or never begun because of one.
        Cancelled = "cancelled", "Cancelled";
        /// The deployer stopped while it ran: what it did is not known.
        Interrupted = "interrupted", "Interrupted";
    }
}

impl StepState {
    /// Whether nothing more will happen to it.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

/// One named unit of a deployment's work, once per deployment or once per server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub id: StepId,
    pub deployment_id: DeploymentId,
    /// The server it is done on; `None`: the deployer's host. Kept when the server is deleted.
    pub server_id: Option<ServerId>,
    /// That server's name at the time; empty for the deployer's host.
    pub server_name: String,
    pub kind: StepKind,
    /// Order within the deployment, from 0.
    pub position: i32,
    pub state: StepState,
    pub started_at: Option<Instant>,
    pub finished_at: Option<Instant>,
    /// Of the script, where one ran and ended by itself.
    pub exit_code: Option<i32>,
    /// A sentence on how it went; may be empty.
    pub detail: String,
}
