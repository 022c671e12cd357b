//! A deployment in a list.

use super::words::origin_words;
use crate::app::audit::comparison::Contradiction;
use crate::domain::Deployment;
use crate::domain::deployment::Target;
use crate::web::urls;

/// A deployment as lists show it.
pub struct DeploymentRow {
    pub deployment: Deployment,
    pub url: String,
    /// Empty where it is deleted.
    pub project_url: String,
    /// Empty where it is deleted.
    pub environment_url: String,
    /// What the database says of it, and the audit log does not; empty where that was not compared.
    pub contradictions: Vec<Contradiction>,
}

impl DeploymentRow {
    pub fn new(deployment: Deployment) -> Self {
        Self {
            url: urls::deployment(deployment.id),
            project_url: match deployment.project_id {
                Some(_) => urls::project(&deployment.project),
                None => String::new(),
            },
            environment_url: match deployment.environment_id {
                Some(_) => urls::environment(&deployment.project, &deployment.environment),
                None => String::new(),
            },
            contradictions: Vec::new(),
            deployment,
        }
    }

    /// The deployment that it follows from: how, and its address.
    pub fn origin(&self) -> Option<(String, String)> {
        let id = self.deployment.origin?;
        let words = origin_words(&self.deployment, id);
        Some((words, urls::deployment(id)))
    }

    /// The servers it is for, where those are not all of the environment.
    pub fn part(&self) -> Option<String> {
        match &self.deployment.target {
            Target::Environment => None,
            Target::Cluster { name, .. } | Target::Server { name, .. } => Some(name.clone()),
            some @ Target::Servers { .. } => Some(some.to_string()),
        }
    }
}
