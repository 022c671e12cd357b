//! Asks a server which release it really runs.

use std::time::Duration;

use tokio::time::timeout;

use super::App;
use super::naming::{place, resource};
use crate::domain::{Action, Actor, Environment, EnvironmentId, Error, Release, Result, ServerId};
use crate::engine;
use crate::ssh::Endpoint;
use crate::store::{clusters, servers};
use crate::sync::{self, Findings, Layout, Limits};

/// How long a page waits for one server; to a reader a slower one is as good as gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long reading every file of a large tree may take before a browser gives up.
const READING: Duration = Duration::from_secs(100);

/// A server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRelease {
    /// What its marker says; `None`: nothing was deployed there.
    pub release: Option<Release>,
    /// What would stop a deployment there, if anything.
    pub obstacle: Option<String>,
    /// Whether it is still known which files belong to it, so that [`really`] has something to compare
    /// with.
    pub has_manifest: bool,
}

/// What was found when every file on a server was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Really {
    /// What its marker says.
    pub release: Option<Release>,
    /// How its files differ from what was deployed; `None`: the manifest is no longer known, so there
    /// is nothing to compare with.
    pub findings: Option<Findings>,
}

/// Asks a server of an environment what is on it, for somebody who may view the environment.
///
/// # Errors
/// Not found; forbidden; why the server could not be asked.
pub async fn ask(
    app: &App,
    actor: &Actor,
    project: &str,
    environment: &str,
    server: &str,
) -> Result<LiveRelease> {
    let door = door(app, actor, Action::View, [project, environment, server]).await?;
    let asking = async {
        let session = app.ssh.session(&door.endpoint).await?;
        let found = sync::inspect(&session, &door.layout, &Limits::within(PATIENCE)).await?;
        Ok::<_, Error>(found)
    };
    let found = in_time(PATIENCE, asking).await?;
    let obstacle = found.check(door.layout.method).err();
    let digest = found.data.as_ref().map_or("", |data| data.digest.as_str());
    Ok(LiveRelease {
        has_manifest: engine::keeps_manifest(&app.config.work_dir(), door.environment, digest).await,
        release: found.release,
        obstacle: obstacle.map(|error| Error::from(error).message().to_owned()),
    })
}

/// Reads every file on a server and compares it with what was deployed. That is work for the server,
/// so it takes the right to deploy. Where files differ, a note on the server makes the next
/// deployment compare contents and correct them.
///
/// # Errors
/// As [`ask`].
pub async fn really(
    app: &App,
    actor: &Actor,
    project: &str,
    environment: &str,
    server: &str,
) -> Result<Really> {
    let door = door(app, actor, Action::Deploy, [project, environment, server]).await?;
    let reading = async {
        let session = app.ssh.session(&door.endpoint).await?;
        let limits = Limits::within(READING);
        let found = sync::inspect(&session, &door.layout, &limits).await?;
        let manifest = match &found.data {
            Some(data) => engine::kept_manifest(&app.config.work_dir(), door.environment, &data.digest).await,
            None => None,
        };
        let findings = match &manifest {
            Some(manifest) => {
                Some(sync::full_check(&session, &door.layout, &found, manifest, &limits).await?)
            }
            None => None,
        };
        // Sizes and times did not show it, so the next deployment has to compare contents.
        if findings.as_ref().is_some_and(|found| !found.modified.is_empty()) {
            sync::doubt(&session, &door.layout, &found, &limits).await?;
        }
        Ok(Really {
            release: found.release,
            findings,
        })
    };
    in_time(READING, reading).await
}

/// What is needed to reach an environment's files on a server.
struct Door {
    environment: EnvironmentId,
    endpoint: Endpoint,
    layout: Layout,
}

async fn door(
    app: &App,
    actor: &Actor,
    action: Action,
    [project, environment, server]: [&str; 3],
) -> Result<Door> {
    let (project, environment) = place(app, project, environment).await?;
    app.permit(actor, action, &resource(&project, &environment))
        .await?;
    let server = servers::by_name(&app.store, server).await?;
    if !is_member(app, &environment, server.id).await? {
        let what = format!("server “{}” in this environment", server.name);
        return Err(Error::not_found(what));
    }
    Ok(Door {
        environment: environment.id,
        endpoint: engine::reach::endpoint(&app.store, &server, &environment).await?,
        layout: Layout::new(&project, &environment)?,
    })
}

async fn in_time<T>(limit: Duration, asking: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Error::unavailable(format!("It did not answer within {} s.", limit.as_secs()));
    timeout(limit, asking).await.map_err(late)?
}

async fn is_member(app: &App, environment: &Environment, server: ServerId) -> Result<bool> {
    for &cluster in &environment.clusters {
        let cluster = clusters::by_id(&app.store, cluster).await?;
        if cluster.members.iter().any(|member| member.server == server) {
            return Ok(true);
        }
    }
    Ok(false)
}
