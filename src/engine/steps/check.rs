//! Everything that can be known to go wrong is looked at before anything is touched: policy at this
//! instant, each server's reachability and host key, the tools and the room it has.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

use super::{Done, Failure, StepResult, transfer};
use crate::domain::deployment::ServerState;
use crate::domain::{Action, Actor, Error, Kind, Resource, ServerId, StepKind};
use crate::engine::run::{Member, Run};
use crate::ssh::{Endpoint, Session};
use crate::store::{clusters, environments, locks, projects};
use crate::sync::{self, Inspection, Layout};

/// A server that was reached, and what was found on it.
pub struct Reached {
    pub session: Session,
    pub layout: Layout,
    pub found: Inspection,
}

/// What was found on each server.
pub type Inspections = HashMap<ServerId, Reached>;

/// Asks policy again, then looks at all servers at once. One that cannot be reached fails the
/// deployment here, where nothing has changed yet.
pub async fn check(run: &Run) -> StepResult<Inspections> {
    let mut step = run.begin(StepKind::Check, None).await?;
    let permitted = permitted(run).await;
    let permitted = match permitted {
        Ok(line) => {
            step.log
                .say(format!("{} may {} by {line}", run.deployment.actor, action(run)))
                .await;
            Ok(Done::well(""))
        }
        Err(failure) => Err(failure),
    };
    if permitted.is_err() {
        run.end(step, permitted).await?;
        return Err(Failure::new("Policy does not allow it any more."));
    }
    let parallel = usize::try_from(run.environment.options.parallel)
        .unwrap_or(1)
        .max(1);
    // Boxed, as the compiler cannot see that the bare futures may move between threads.
    let mut looks: Vec<BoxFuture<'_, (&Member, StepResult<Reached>)>> = Vec::new();
    for member in &run.members {
        looks.push(Box::pin(look(run, member)));
    }
    let looked: Vec<(&Member, StepResult<Reached>)> =
        stream::iter(looks).buffer_unordered(parallel).collect().await;

    let mut reached = HashMap::new();
    let mut missing = Vec::new();
    for (member, result) in looked {
        match result {
            Ok(found) => drop(reached.insert(member.server.id, found)),
            Err(failure) => {
                missing.push(member.server.name.as_str());
                step.log
                    .say(format!("{}: {}", member.server.name, failure.message))
                    .await;
            }
        }
    }
    missing.sort_unstable();
    let result = match missing.as_slice() {
        [] => Ok(Done::well(format!("{} servers are ready.", reached.len()))),
        names => Err(Failure::new(format!(
            "Not ready: {}. Nothing was touched on any server.",
            names.join(", ")
        ))),
    };
    run.end(step, result).await?;
    Ok(reached)
}

fn action(run: &Run) -> Action {
    match run.deployment.kind {
        Kind::Rollback => Action::Rollback,
        _ => Action::Deploy,
    }
}

/// Asks policy at this instant whether who asked for the deployment still may; the line that says
/// so, or why not.
pub async fn permitted(run: &Run) -> StepResult<String> {
    let deployment = &run.deployment;
    let actor = Actor {
        impersonator: deployment.impersonator.clone(),
        ..Actor::user(&deployment.actor, "engine")
    };
    let resource = Resource::Environment(deployment.project.clone(), deployment.environment.clone());
    let permit = run
        .parts()
        .access
        .permit(&actor, action(run), &resource, run.now())
        .map_err(Error::from)?;
    let locks = locks::stopping(&run.parts().store, run.project.id, run.environment.id, run.now()).await?;
    if let (Some(lock), None) = (locks.first(), &deployment.lock_override) {
        return Err(Failure::new(format!(
            "{} has locked this: {}",
            lock.author, lock.reason
        )));
    }
    Ok(permit.line().to_string())
}

/// Two environments that write to one place would delete each other's files: refused, whichever
/// comes second.
async fn check_place(run: &Run, member: &Member) -> StepResult<()> {
    let store = &run.parts().store;
    let mine = &run.environment;
    let cluster_has = async |id| -> StepResult<bool> {
        let cluster = clusters::by_id(store, id).await?;
        Ok(cluster.members.iter().any(|one| one.server == member.server.id))
    };
    for project in projects::list(store).await? {
        for other in environments::list(store, project.id).await? {
            let same_place = other.id != mine.id
                && other.target_path == mine.target_path
                && other.remote_user == mine.remote_user;
            if !same_place {
                continue;
            }
            for id in &other.clusters {
                if cluster_has(*id).await? {
                    return Err(Failure::new(format!(
                        "{} on it belongs to {}/{} as well. Give each environment a target path of its own.",
                        mine.target_path, project.name, other.name
                    )));
                }
            }
        }
    }
    Ok(())
}

async fn look<'a>(run: &Run, member: &'a Member) -> (&'a Member, StepResult<Reached>) {
    let result = look_at(run, member).await;
    if let Err(failure) = &result {
        let detail = format!("Not touched. {}", failure.message);
        if let Err(error) = run.set_part(member, ServerState::Failed, &detail).await {
            tracing::warn!("{error}");
        }
    }
    (member, result)
}

async fn look_at(run: &Run, member: &Member) -> StepResult<Reached> {
    let mut step = run.begin(StepKind::Inspect, Some(member)).await?;
    let (result, reached) = match inspect(run, member).await {
        Ok(reached) => {
            let what = describe(&reached.found);
            step.log.say(&what).await;
            (Ok(Done::well(what)), Some(reached))
        }
        Err(failure) => (Err(failure), None),
    };
    run.end(step, result).await?;
    let reached = reached.ok_or_else(|| Failure::new("It was not looked at."))?;
    if let Some(release) = &reached.found.release {
        run.set_previous(member, &release.commit).await?;
    }
    Ok(reached)
}

fn describe(found: &Inspection) -> String {
    match &found.release {
        Some(release) if release.in_progress => {
            format!("An unfinished deployment of {} is on it.", short(&release.commit))
        }
        Some(release) => format!("It runs {} of branch {}.", short(&release.commit), release.branch),
        None => "Nothing was deployed to it before.".to_owned(),
    }
}

fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

async fn inspect(run: &Run, member: &Member) -> StepResult<Reached> {
    check_place(run, member).await?;
    let server = &member.server;
    let endpoint = Endpoint {
        name: server.name.to_string(),
        host: server.address.clone(),
        port: server.port,
        user: run.environment.remote_user.clone(),
        host_key: server.host_key.clone(),
    };
    let session = tokio::select! {
        session = run.parts().ssh.session(&endpoint) => session?,
        () = run.stop.token().cancelled() => return Err(Failure::new("Ended before it was reached.")),
    };
    let layout = Layout::new(&run.project, &run.environment)?;
    let found = sync::inspect(&session, &layout, &transfer::limits(run)).await?;
    found.check(layout.method)?;
    Ok(Reached {
        session,
        layout,
        found,
    })
}
