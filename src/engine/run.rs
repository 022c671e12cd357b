//! What every step of a running deployment needs. Nothing in here starts one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::output::Log;
use super::planning::Roster;
use super::shared::{EngineParts, Shared};
use super::stop::Stop;
use super::turn::WorkTurn;
use crate::domain::{
    Deployment, Environment, Error, Instant, Project, Result, ScriptVariables, Server, ServerId, StepId,
    StepKind,
};
use crate::git::{self, Mirror};
use crate::store::Lease;

/// A server of the deployment.
pub(super) struct TargetServer {
    pub server: Server,
    /// Position of its row in the deployment.
    pub position: i32,
    /// Whether it stands behind a balancer.
    pub balanced: bool,
}

/// A deployment that is being carried out.
pub(super) struct Run {
    pub engine: Arc<Shared>,
    pub deployment: Deployment,
    pub project: Project,
    pub environment: Environment,
    /// In the order of the rollout.
    pub members: Vec<TargetServer>,
    pub lease: Lease,
    pub log: Log,
    pub stop: Stop,
    pub turn: WorkTurn,
    /// The environment's clusters, servers and balancers.
    pub roster: Roster,
    /// The requested servers, inactive ones included, which the plan names as left alone.
    pub meant: HashSet<ServerId>,
    /// The rows of all steps, by server and kind.
    pub steps: HashMap<(Option<ServerId>, StepKind), StepId>,
}

impl Run {
    /// The project's mirror.
    pub fn mirror(&self) -> Result<Mirror> {
        let url = git::check_url(&self.project.git_url).map_err(Error::invalid)?;
        let url = url.with_key(self.project.key.clone());
        Ok(self.parts().mirrors.mirror(self.project.id, &url))
    }

    pub fn parts(&self) -> &EngineParts {
        &self.engine.parts
    }

    pub fn now(&self) -> Instant {
        self.parts().clock.now()
    }

    /// How many servers are worked on at the same time.
    pub fn parallel(&self) -> usize {
        usize::try_from(self.environment.options.parallel)
            .unwrap_or(1)
            .max(1)
    }

    /// The environment variables of scripts.
    pub fn variables(&self, server: &str, previous: Option<&str>) -> ScriptVariables {
        variables(&self.deployment, &self.environment, server, previous)
    }
}

/// The environment variables of a deployment's scripts. Our own names override the environment's.
pub(super) fn variables(
    deployment: &Deployment,
    environment: &Environment,
    server: &str,
    previous: Option<&str>,
) -> ScriptVariables {
    let id = deployment.id.to_string();
    let ours = [
        ("PROJECT", deployment.project.as_str()),
        ("ENVIRONMENT", deployment.environment.as_str()),
        ("SERVER", server),
        ("COMMIT", deployment.commit.as_str()),
        ("BRANCH", deployment.branch.as_str()),
        ("PREVIOUS_COMMIT", previous.unwrap_or_default()),
        ("DEPLOYMENT_ID", id.as_str()),
    ];
    let ours = ours.map(|(name, value)| (format!("DEPLOYER_{name}"), value.to_owned()));
    ScriptVariables::of(&environment.options.variables, ours)
}
