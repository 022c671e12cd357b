//! What people do with deployments, and the rules around it: each rule with who it refuses. Most
//! of it needs no server, so the queue stands still and the clock where the test puts it; what the
//! engine has to honour is tried with the engine.

mod approving;
mod going_on;
mod locking;
mod offers;
mod pausing;
mod previewing;
mod promoting;
mod queueing;
mod scheduling;
mod second_person;
mod superseding;
mod told;

use deployer::app::deployments::{self, DeployRequest, Requested};
use deployer::clock::Clock;
use deployer::domain::{
    Actor, CommitId, Deployment, DeploymentId, DeploymentState, Environment, EnvironmentOptions, Instant,
    Result, ServerPart, ServerState,
};
use deployer::store::releases::NewRelease;
use deployer::store::{Lease, audit, environments, projects, queue, releases};

use crate::support::setup::Setup;
use crate::support::store::{LEASE, noon};
use crate::support::world::World;

/// Dora deploys to dev, Rita approves and brings to prod; Olaf works in business hours only, and
/// Lena looks.
const PEOPLE: &str = "g, dora, role:developer
g, rita, role:releaser
g, lena, role:reader
g, auto, role:developer
p, olaf, shop, *, deploy, business-hours, allow";

fn person(name: &str) -> Actor {
    Actor::user(name, "192.0.2.7")
}

/// Two clusters of one server each, environments dev and beta, nobody at work; it is Sunday noon.
async fn still(options: EnvironmentOptions) -> World {
    stopped(World::project().options(options).policy(PEOPLE)).await
}

/// The same with other people.
async fn still_with(people: &'static str) -> World {
    stopped(World::project().policy(people)).await
}

async fn stopped(project: Setup) -> World {
    let project = project.clusters(&[1, 1]).environment("beta");
    on_sunday(project.workers(0).start().await)
}

/// The same world, where it is Sunday noon.
fn on_sunday(mut world: World) -> World {
    world.clock = Clock::set_to(noon());
    world.app = deployer::app::App::new(deployer::app::AppParts {
        clock: world.clock.clone(),
        ..world.parts.clone()
    });
    world
}

fn wanted(commit: &str) -> DeployRequest {
    DeployRequest::new("shop", "dev", commit)
}

async fn ask(world: &World, who: &str, wanted: DeployRequest) -> Result<Requested> {
    world.account(who).await;
    deployments::request(&world.app, &person(who), wanted).await
}

async fn seen(world: &World, id: DeploymentId) -> Deployment {
    deployer::store::deployments::by_id(&world.store, id)
        .await
        .unwrap()
}

async fn state(world: &World, id: DeploymentId) -> DeploymentState {
    seen(world, id).await.state
}

async fn environment(world: &World, name: &str) -> Environment {
    let project = projects::by_name(&world.store, "shop").await.unwrap();
    environments::by_name(&world.store, project.id, name)
        .await
        .unwrap()
}

/// The acts in the audit log, oldest first, as `actor action outcome`.
async fn audited(world: &World) -> Vec<String> {
    let page = audit::list(&world.store, &Default::default(), Default::default(), 100).await;
    let mut told: Vec<String> = page
        .unwrap()
        .items
        .into_iter()
        // What the test set up itself.
        .filter(|one| one.event.action != "history.brought_in")
        .map(|one| format!("{} {} {}", one.event.actor, one.event.action, one.event.outcome))
        .collect();
    told.reverse();
    told
}

/// Lets a worker take the next deployment there is.
async fn begin(world: &World, now: Instant) -> Option<(DeploymentId, Lease)> {
    let claimed = queue::claim(&world.store, "tester", now, LEASE).await.unwrap()?;
    Some((claimed.deployment.id, claimed.lease))
}

/// Carries out the next deployment without touching anything: each server that waits ends as told,
/// in order, and those that succeed have the release.
async fn carry_out(world: &World, id: DeploymentId, servers: &[ServerState], end: DeploymentState) {
    use deployer::store::deployments as rows;
    let (claimed, lease) = begin(world, noon()).await.expect("something can begin");
    assert_eq!(claimed, id, "another deployment was next");
    let deployment = seen(world, id).await;
    let tx = world.store.change_leased(lease, noon()).await.unwrap();
    let parts = rows::servers(&tx, id).await.unwrap();
    let waiting = parts.iter().filter(|part| part.state == ServerState::Waiting);
    for (part, &state) in waiting.zip(servers) {
        rows::set_server(&tx, part.position, state).await.unwrap();
        if state == ServerState::Succeeded {
            let release = release(&deployment, part);
            releases::record(&tx, &release).await.unwrap();
        }
    }
    rows::set_state(&tx, id, DeploymentState::Running, end, noon(), "Done.")
        .await
        .unwrap();
    tx.commit(crate::support::store::reached(end)).await.unwrap();
}

fn release(deployment: &Deployment, part: &ServerPart) -> NewRelease {
    NewRelease {
        server_id: part.server_id.unwrap(),
        server: part.server.clone(),
        environment_id: deployment.environment_id.unwrap(),
        branch: deployment.branch.clone(),
        commit: deployment.commit.clone(),
        path: "/srv".into(),
        at: noon(),
    }
}

/// A deployment to dev that went well on both servers.
async fn done(world: &World, commit: &str) -> DeploymentId {
    let id = ask(world, "dora", wanted(commit)).await.unwrap().id();
    let well = [ServerState::Succeeded, ServerState::Succeeded];
    carry_out(world, id, &well, DeploymentState::Succeeded).await;
    id
}

/// Commits `a` with this text.
async fn commit(world: &mut World, text: &str) -> String {
    world.repository.write("a", text);
    world.commit(text).await
}

fn hash(commit: &str) -> CommitId {
    commit.parse().unwrap()
}

/// The servers a deployment works on, and those it leaves alone with why.
async fn split(world: &World, id: DeploymentId) -> (Vec<String>, Vec<String>) {
    let (mut to_do, mut left) = (Vec::new(), Vec::new());
    for part in world.parts(id).await {
        match part.state {
            ServerState::Skipped => left.push(format!("{}: {}", part.server, part.detail)),
            _ => to_do.push(part.server),
        }
    }
    (to_do, left)
}
