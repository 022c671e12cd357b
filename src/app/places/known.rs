//! Reads the parts of many environments in a handful of queries and assembles them.

use std::collections::{HashMap, HashSet};

use super::place::{OpenDeployment, Place, PlaceServer, Runs};
use crate::app::App;
use crate::domain::{
    Cluster, ClusterId, CommitId, Deployment, DeploymentId, Environment, EnvironmentId, Instant, Lock,
    Observation, Result, Server, ServerId, ServerRelease,
};
use crate::store::deployments::LeftOut;
use crate::store::{clusters, deployments, locks, observations, releases, servers};

/// The parts that environments are assembled from.
pub struct Known {
    clusters: HashMap<ClusterId, Cluster>,
    servers: HashMap<ServerId, Server>,
    releases: HashMap<EnvironmentId, Vec<ServerRelease>>,
    observed: HashMap<(EnvironmentId, ServerId), Observation>,
    placed: HashMap<DeploymentId, Deployment>,
    last: HashMap<EnvironmentId, Deployment>,
    open: HashMap<EnvironmentId, Vec<OpenDeployment>>,
    locks: Vec<Lock>,
    left_out: HashMap<(EnvironmentId, ServerId), LeftOut>,
    half_changed: HashMap<(EnvironmentId, ServerId), Instant>,
}

impl Known {
    /// For all environments of all projects.
    pub async fn of_all(app: &App) -> Result<Self> {
        let releases = releases::all_current(&app.store).await?;
        let last = deployments::latest(&app.store).await?;
        Self::with(app, releases, last).await
    }

    /// For some environments.
    pub async fn of(app: &App, environments: &[Environment]) -> Result<Self> {
        let (mut current, mut last) = (Vec::new(), HashMap::new());
        for environment in environments {
            current.extend(releases::current(&app.store, environment.id).await?);
            let newest = deployments::last_for_environment(&app.store, environment.id, 1).await?;
            last.extend(newest.into_iter().map(|one| (environment.id, one)));
        }
        Self::with(app, current, last).await
    }

    async fn with(
        app: &App,
        current: Vec<ServerRelease>,
        last: HashMap<EnvironmentId, Deployment>,
    ) -> Result<Self> {
        let store = &app.store;
        let clusters = clusters::list(store).await?;
        let servers = servers::list(store).await?;
        let placed: HashSet<DeploymentId> = current.iter().filter_map(|one| one.deployment_id).collect();
        let active = deployments::active(store).await?;
        let mut releases: HashMap<EnvironmentId, Vec<ServerRelease>> = HashMap::new();
        for release in current {
            if let Some(environment) = release.environment_id {
                releases.entry(environment).or_default().push(release);
            }
        }
        let mut open: HashMap<EnvironmentId, Vec<OpenDeployment>> = HashMap::new();
        for one in OpenDeployment::with_progress(app, active).await? {
            if let Some(environment) = one.deployment.environment_id {
                open.entry(environment).or_default().push(one);
            }
        }
        let observed = observations::all(store).await?;
        let left_out = deployments::left_out(store).await?;
        Ok(Self {
            observed: observed
                .into_iter()
                .map(|one| ((one.environment_id, one.server_id), one))
                .collect(),
            clusters: clusters.into_iter().map(|one| (one.id, one)).collect(),
            servers: servers.into_iter().map(|one| (one.id, one)).collect(),
            releases,
            placed: deployments::by_ids(store, &placed).await?,
            last,
            open,
            locks: locks::in_force(store, app.now()).await?,
            half_changed: deployments::half_changed(store).await?,
            left_out: left_out
                .into_iter()
                .map(|one| ((one.environment, one.server), one))
                .collect(),
        })
    }

    /// Assembles one environment, once: its deployments are moved out.
    pub fn place(&mut self, environment: Environment) -> Place {
        let servers = self.servers_of(&environment);
        let (mut runs, mut empty) = (Vec::new(), 0);
        for one in servers.iter().filter(|one| one.server.active) {
            match one.runs() {
                Some((commit, at)) => self.count(&mut runs, one, &commit, at),
                None => empty += 1,
            }
        }
        runs.sort_by_key(|run| std::cmp::Reverse((run.servers, run.at)));
        let covers = |lock: &&Lock| lock.covers(environment.project_id, environment.id);
        Place {
            servers,
            runs,
            empty,
            last: self.last.remove(&environment.id),
            open: self.open.remove(&environment.id).unwrap_or_default(),
            lock: self.locks.iter().find(covers).cloned(),
            environment,
        }
    }

    fn servers_of(&self, environment: &Environment) -> Vec<PlaceServer> {
        let releases = self.releases.get(&environment.id).map(Vec::as_slice);
        let mut found: Vec<PlaceServer> = Vec::new();
        for cluster in environment.clusters.iter().filter_map(|id| self.clusters.get(id)) {
            for member in &cluster.members {
                let Some(server) = self.servers.get(&member.server) else {
                    continue;
                };
                // A server in two clusters of one environment is deployed to once.
                if let Some(one) = found.iter_mut().find(|one| one.server.id == server.id) {
                    one.clusters.push((cluster.id, cluster.name.clone()));
                    continue;
                }
                let is_here = |release: &&ServerRelease| release.server_id == Some(server.id);
                let left_out = self.left_out.get(&(environment.id, server.id));
                found.push(PlaceServer {
                    release: releases.unwrap_or_default().iter().find(is_here).cloned(),
                    observed: self.observed.get(&(environment.id, server.id)).cloned(),
                    half_changed: self.half_changed.get(&(environment.id, server.id)).copied(),
                    left_out: left_out.map(|one| one.deployment),
                    split: left_out.and_then(|one| one.split.clone()),
                    server: server.clone(),
                    clusters: vec![(cluster.id, cluster.name.clone())],
                });
            }
        }
        found
    }

    fn count(&self, runs: &mut Vec<Runs>, one: &PlaceServer, commit: &str, at: Instant) {
        if let Some(run) = runs.iter_mut().find(|run| run.commit.as_str() == commit) {
            run.servers += 1;
            run.at = run.at.max(at);
            return;
        }
        // A server may report anything; only a commit counts.
        let Ok(commit) = commit.parse::<CommitId>() else {
            return;
        };
        let placed = one.release.as_ref().filter(|release| release.commit == commit);
        let by = placed.and_then(|release| self.placed.get(&release.deployment_id?));
        runs.push(Runs {
            title: by.map(|by| by.commit_title.clone()).unwrap_or_default(),
            actor: by.map(|by| by.actor.clone()).unwrap_or_default(),
            commit,
            servers: 1,
            at,
        });
    }
}
