//! The present state of an environment and of its servers.

use crate::app::App;
use crate::app::naming::Choice;
use crate::domain::{
    ClusterId, CommitId, Deployment, DeploymentId, Environment, Instant, Lock, Name, Observation, Result,
    Server, ServerRelease, Split, short_hash,
};
use crate::store::deployments;

/// The present state of an environment.
#[derive(Debug, Clone)]
pub struct Place {
    pub environment: Environment,
    /// Its servers in rollout order, each once.
    pub servers: Vec<PlaceServer>,
    /// The commits its active servers run, most servers first.
    pub runs: Vec<Runs>,
    /// Active servers without a release.
    pub empty: usize,
    /// The last deployment, whatever its outcome.
    pub last: Option<Deployment>,
    /// Deployments that run or wait, running ones first.
    pub open: Vec<OpenDeployment>,
    /// The lock that stops deployments to it.
    pub lock: Option<Lock>,
}

/// A server of an environment.
#[derive(Debug, Clone)]
pub struct PlaceServer {
    pub server: Server,
    /// The clusters of the environment that have it; it is deployed to as one of the first.
    pub clusters: Vec<(ClusterId, Name)>,
    /// The release deployed there last.
    pub release: Option<ServerRelease>,
    /// The last observation.
    pub observed: Option<Observation>,
    /// When the deployment ended that last said that its files are of two releases, if one did.
    pub half_changed: Option<Instant>,
    /// The deployment that left it out of service, if one did.
    pub left_out: Option<DeploymentId>,
    /// Where it is in service all the same, if someone put it back at some endpoints only.
    pub split: Option<Split>,
}

/// A commit that runs on some servers of an environment.
#[derive(Debug, Clone)]
pub struct Runs {
    pub commit: CommitId,
    /// The first line of its message; empty if unknown.
    pub title: String,
    /// Who deployed it; empty if unknown.
    pub actor: String,
    pub servers: usize,
    /// When it came to the last of them.
    pub at: Instant,
}

/// A deployment that runs or waits.
#[derive(Debug, Clone)]
pub struct OpenDeployment {
    pub deployment: Deployment,
    /// How many of its servers are done.
    pub done: usize,
    /// How many servers it deploys to.
    pub total: usize,
}

impl OpenDeployment {
    /// Counts the servers of `open` deployments.
    pub(in crate::app) async fn with_progress(app: &App, open: Vec<Deployment>) -> Result<Vec<Self>> {
        let ids: Vec<DeploymentId> = open.iter().map(|one| one.id).collect();
        let progress = deployments::progress(&app.store, &ids).await?;
        let counted = open.into_iter().map(|deployment| {
            let (done, total) = progress.get(&deployment.id).copied().unwrap_or_default();
            Self {
                deployment,
                done,
                total,
            }
        });
        Ok(counted.collect())
    }
}

impl Place {
    /// Its active servers that a deployment left out of service.
    pub fn left_out(&self) -> Vec<&PlaceServer> {
        let active = self.servers.iter().filter(|one| one.server.active);
        active.filter(|one| one.left_out.is_some()).collect()
    }

    /// The commit that most of its servers run.
    pub fn current(&self) -> Option<&Runs> {
        self.runs.first()
    }

    /// Whether most of its servers run `commit`.
    pub fn current_is(&self, commit: &CommitId) -> bool {
        self.current().is_some_and(|run| run.commit == *commit)
    }

    /// How many of its servers are active.
    pub fn active(&self) -> usize {
        self.servers.iter().filter(|one| one.server.active).count()
    }

    /// Whether its servers run different commits.
    pub fn is_mixed(&self) -> bool {
        self.runs.len() > 1
    }

    /// Whether a deployment is at work on them.
    pub fn is_at_work(&self) -> bool {
        self.open.iter().any(|one| one.deployment.started_at.is_some())
    }

    /// Whether they do so although no rollout is under way that explains it, where that is watched.
    pub fn drifts(&self) -> bool {
        self.environment.options.watch_drift && self.is_mixed() && !self.is_at_work()
    }

    /// Its server of this name.
    pub fn server(&self, name: &str) -> Option<&PlaceServer> {
        self.servers.iter().find(|one| one.server.name.as_str() == name)
    }
}

impl PlaceServer {
    /// Its last observation, if the last release was deployed before.
    fn looked_at(&self) -> Option<&Observation> {
        let placed = self.release.as_ref().map(|release| release.at);
        let is_newer = |seen: &&Observation| placed.is_none_or(|placed| seen.at > placed);
        self.observed.as_ref().filter(is_newer)
    }

    /// Its last observation, if the server answered and no release was deployed since.
    pub fn seen(&self) -> Option<&Observation> {
        self.looked_at().filter(|seen| seen.trouble.is_empty())
    }

    /// Whether its files are of two releases: as it reports, or else as the last deployment left them.
    pub fn is_half_changed(&self) -> bool {
        let reported = |seen: &Observation| seen.release.as_ref().is_some_and(|release| release.in_progress);
        match (self.half_changed, self.seen()) {
            (Some(ended_at), Some(seen)) if seen.at > ended_at => reported(seen),
            (Some(_), _) => true,
            (None, seen) => seen.is_some_and(reported),
        }
    }

    /// Why it could not be asked since the last release was deployed.
    pub fn trouble(&self) -> Option<&str> {
        let trouble = self.looked_at().map(|seen| seen.trouble.as_str());
        trouble.filter(|trouble| !trouble.is_empty())
    }

    /// The commit it runs and since when: as the server reports, or else as we deployed it.
    pub fn runs(&self) -> Option<(String, Instant)> {
        if let Some(release) = self.seen().and_then(|seen| seen.release.as_ref()) {
            return Some((release.commit.clone(), release.at));
        }
        let release = self.release.as_ref()?;
        Some((release.commit.to_string(), release.at))
    }

    /// How the server's report differs from what was deployed, as a sentence.
    pub fn differs(&self) -> Option<String> {
        let seen = self.seen()?;
        let placed = self.release.as_ref()?;
        match &seen.release {
            Some(release) if release.commit == placed.commit.as_str() => None,
            Some(release) => Some(format!(
                "Runs {}, though {} was deployed to it.",
                short_hash(&release.commit),
                placed.commit.short()
            )),
            None => Some(format!(
                "The deployed release {} is missing.",
                placed.commit.short()
            )),
        }
    }

    /// Its clusters' names, in the order of the environment.
    pub fn cluster_names(&self) -> String {
        let names: Vec<&str> = self.clusters.iter().map(|(_, name)| name.as_str()).collect();
        names.join(", ")
    }

    /// Whether `choice` includes it.
    pub fn is_meant(&self, choice: Choice) -> bool {
        match choice {
            Choice::All => true,
            Choice::Cluster(id) => self.clusters.iter().any(|(other, _)| *other == id),
            Choice::Server(id) => self.server.id == id,
        }
    }
}
