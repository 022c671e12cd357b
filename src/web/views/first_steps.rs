//! The steps to the first deployment, in words, and where each is done.

use crate::app::admin::first_steps::{FirstStep, FirstSteps};
use crate::web::urls;

/// One step of the checklist.
pub struct FirstStepView {
    pub title: String,
    /// Why it is needed.
    pub text: &'static str,
    /// Where it is done.
    pub url: String,
    pub is_done: bool,
    /// Whether it is the first that is not done.
    pub is_next: bool,
}

/// All steps in words, for a list.
pub fn checklist(steps: FirstSteps) -> Vec<FirstStepView> {
    let next = steps.iter().position(|(_, is_done)| !is_done);
    let steps = steps.into_iter().enumerate();
    steps
        .map(|(at, (step, is_done))| {
            let (title, text) = words(&step);
            FirstStepView {
                title,
                text,
                url: url(step),
                is_done,
                is_next: next == Some(at),
            }
        })
        .collect()
}

/// The next step of the checklist.
pub fn next(steps: FirstSteps) -> Option<FirstStepView> {
    checklist(steps).into_iter().find(|step| step.is_next)
}

fn words(step: &FirstStep) -> (String, &'static str) {
    let (title, text) = match step {
        FirstStep::CreateUser => (
            "Create a user",
            "An account with a password. The policy says what it may do.",
        ),
        FirstStep::AddProject => (
            "Add a project",
            "A Git repository. “Test the repository” shows whether it can be read.",
        ),
        FirstStep::AddServer => ("Add a server", "A host with SSH. Nothing is installed on it."),
        FirstStep::TrustHostKey(_) => (
            "Trust its host key",
            "Compare the fingerprint with the server's own. Nothing connects before.",
        ),
        FirstStep::AddCluster => ("Add a cluster", "A set of servers that get the same release."),
        FirstStep::AddEnvironment(_) => (
            "Add an environment",
            "Deploys a branch of the project to a directory on the servers of a cluster.",
        ),
        FirstStep::GiveServers(project, environment) => {
            return (
                format!("Choose a cluster for {project}/{environment}"),
                "The environment has no active server yet. Choose a cluster that has some, or switch a server on.",
            );
        }
        FirstStep::Deploy(_) => ("Deploy", "Pick a commit, look at what will happen, and start."),
    };
    (title.to_owned(), text)
}

fn url(step: FirstStep) -> String {
    match step {
        FirstStep::CreateUser => urls::admin_new_user().to_owned(),
        FirstStep::AddProject => urls::admin_new_project().to_owned(),
        FirstStep::AddServer => urls::admin_new_server().to_owned(),
        FirstStep::TrustHostKey(Some(server)) => format!("{}#host-key", urls::admin_server(server)),
        FirstStep::TrustHostKey(None) => urls::admin_servers().to_owned(),
        FirstStep::AddCluster => urls::admin_new_cluster().to_owned(),
        FirstStep::AddEnvironment(Some(project)) => urls::admin_new_environment(&project),
        FirstStep::AddEnvironment(None) => urls::admin_projects().to_owned(),
        FirstStep::GiveServers(project, environment) => urls::admin_environment(&project, &environment),
        FirstStep::Deploy(Some((project, environment))) => urls::environment(&project, &environment),
        FirstStep::Deploy(None) => urls::overview().to_owned(),
    }
}
