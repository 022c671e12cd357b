//! From a push to a deployment: hooks by HTTP, a real Git repository, and what environments deploy by
//! themselves.

mod automatic;
mod hooks;
mod pages;
mod polling;

use std::time::{Duration, Instant};

use deployer::app::pushes;
use deployer::clock::Clock;
use deployer::domain::{
    Action, AutoProgress, Deployment, Environment, Hook, Project, PushState, ReceivedPush, Resource,
};
use deployer::store::{auto_progress, deployments, environments, projects, pushes as rows};
use reqwest::Response;
use ring::hmac;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::setup::Setup;
use crate::support::store::noon;
use crate::support::world::{World, admin, bring_in, change};
use crate::web::support::TestSite;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// An installation that its Git host tells of pushes.
struct Pushed {
    /// Ends the job before the world does.
    _watching: Option<DropGuard>,
    site: TestSite,
    hook: Hook,
    project: Project,
    world: World,
}

/// The same world, where it is Sunday noon and the queue stands still.
async fn still(policy: &'static str) -> World {
    on_sunday(World::project().policy(policy).workers(0)).await
}

async fn on_sunday(setup: Setup) -> World {
    let mut world = setup.start().await;
    world.clock = Clock::set_to(noon());
    world.app = deployer::app::App::new(deployer::app::AppParts {
        clock: world.clock.clone(),
        ..world.parts.clone()
    });
    world
}

impl Pushed {
    /// Deploys pushes to dev from now on; `chosen` changes how.
    async fn to_dev(mut world: World, chosen: impl FnOnce(&mut Environment)) -> Self {
        world.repository.write("index.html", "1");
        world.commit("The first").await;
        let project = projects::by_name(&world.store, "shop").await.unwrap();
        let dev = environments::by_name(&world.store, project.id, "dev").await;
        let mut dev = dev.unwrap();
        dev.auto_deploy = true;
        chosen(&mut dev);
        let progress = pushes::beginning(&world.app, &project, &dev).await.unwrap();
        let tx = change(&world.store).await;
        environments::update(&tx, &dev).await.unwrap();
        auto_progress::put(&tx, &progress).await.unwrap();
        bring_in(tx).await;
        let whole = Resource::Project("shop".to_owned());
        let permit = world.app.permit(&admin(), Action::Configure, &whole).await;
        let hook = pushes::make(&world.app, &permit.unwrap(), project.id, None).await;
        Self {
            _watching: None,
            site: TestSite::over(world.app.clone(), world.store.clone()).await,
            hook: hook.unwrap(),
            project,
            world,
        }
    }

    /// The same, at work.
    async fn watched(self) -> Self {
        let stop = CancellationToken::new();
        tokio::spawn(pushes::watch(self.world.app.clone(), stop.clone()));
        Self {
            _watching: Some(stop.drop_guard()),
            ..self
        }
    }

    /// Commits a file on the branch, as somebody who pushes does. Nothing is fetched.
    fn commit(&mut self, path: &str, message: &str) -> String {
        self.world.repository.write(path, message);
        self.world.repository.commit(message)
    }

    fn address(&self) -> String {
        format!("{}/hooks/{}", self.site.url, self.hook.token)
    }

    /// Sends a push as GitHub does.
    async fn send(&self, body: &Value) -> Response {
        let body = body.to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.hook.secret.as_bytes());
        let signature = format!("sha256={}", hex::encode(hmac::sign(&key, body.as_bytes())));
        let request = self.site.browser.post(self.address());
        let request = request
            .header("content-type", "application/json")
            .header("x-github-event", "push")
            .header("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
            .header("x-hub-signature-256", signature);
        request.body(body).send().await.unwrap()
    }

    /// Tells of a push to main, which is taken.
    async fn push(&self, commit: &str) {
        let body = json!({ "ref": "refs/heads/main", "after": commit, "deleted": false });
        let answer = self.send(&body).await;
        assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
    }

    /// Commits and tells of it.
    async fn commit_and_push(&mut self, path: &str, message: &str) -> String {
        let commit = self.commit(path, message);
        self.push(&commit).await;
        commit
    }

    /// The last pushes, newest first.
    async fn pushes(&self) -> Vec<ReceivedPush> {
        rows::last(&self.world.store, self.project.id).await.unwrap()
    }

    /// The last push, once it is known what came of it.
    async fn handled(&self) -> ReceivedPush {
        let last = async || {
            let last = self.pushes().await.into_iter().next();
            last.filter(|push| push.state == PushState::Handled)
        };
        until("the push is handled", last).await
    }

    async fn progress(&self) -> AutoProgress {
        let dev = environments::by_name(&self.world.store, self.project.id, "dev").await;
        let progress = auto_progress::of_environment(&self.world.store, dev.unwrap().id).await;
        progress.unwrap().expect("dev deploys pushes")
    }

    /// All deployments, oldest first.
    async fn deployments(&self) -> Vec<Deployment> {
        let mut all = deployments::last_for_project(&self.world.store, self.project.id, 100).await;
        all.as_mut().unwrap().reverse();
        all.unwrap()
    }
}

/// Waits until `look` finds something.
async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}
