//! What a server really runs, asked of the server itself.

use std::time::Duration;

use tokio::time::timeout;

use super::App;
use super::places::resource;
use crate::domain::{Action, Actor, Environment, Error, Release, Result, ServerId};
use crate::ssh::Endpoint;
use crate::store::{clusters, servers};
use crate::sync::{self, Layout, Limits};

/// How long a page waits for one server; one that is slower is as good as gone for who looks.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRelease {
    /// What its marker says; `None`: nothing was deployed there.
    pub release: Option<Release>,
    /// What would stand in the way of a deployment, if anything does.
    pub obstacle: Option<String>,
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
    let (project, environment) = super::deployments::place(app, project, environment).await?;
    app.permit(actor, Action::View, &resource(&project, &environment))
        .await?;
    let server = servers::by_name(&app.store, server).await?;
    if !is_member(app, &environment, server.id).await? {
        let what = format!("server “{}” in this environment", server.name);
        return Err(Error::not_found(what));
    }
    let endpoint = Endpoint {
        name: server.name.to_string(),
        host: server.address.clone(),
        port: server.port,
        user: environment.remote_user.clone(),
        host_key: server.host_key.clone(),
    };
    let layout = Layout::new(&project, &environment)?;
    let limits = Limits {
        question: PATIENCE,
        ..Limits::default()
    };
    let asking = async {
        let session = app.ssh.session(&endpoint).await?;
        let found = sync::inspect(&session, &layout, &limits).await?;
        Ok::<_, Error>(found)
    };
    let found = timeout(PATIENCE, asking)
        .await
        .map_err(|_| Error::unavailable(format!("It did not answer within {} s.", PATIENCE.as_secs())))??;
    let obstacle = found.check(layout.method).err();
    Ok(LiveRelease {
        release: found.release,
        obstacle: obstacle.map(|error| Error::from(error).message().to_owned()),
    })
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
