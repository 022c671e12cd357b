//! A whole installation for one test: real sshd targets with homes of their own, a real Git
//! repository, a store, policy files, and the engine at work. `setup` builds it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deployer::access::Access;
use deployer::app::deployments::{self, DeployRequest};
use deployer::app::{self, App};
use deployer::clock::Clock;
use deployer::domain::deployment::{ServerPart, ServerState};
use deployer::domain::{
    Actor, Deployment, DeploymentId, DeploymentState, Event, EventKind, Identity, IdentityId, LogLine,
    LoginProvider, PauseReason, Step, User, UserId,
};
use deployer::ssh::Connections;
use deployer::store::{Store, log};
use tempfile::TempDir;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::databases::TestDatabase;
pub use super::databases::{bring_in, change};
use super::leftovers;
use super::setup::Setup;
use super::sshd::Sshd;
use crate::git::support::Origin;

/// How long a deployment of a test may take on a busy machine.
const END_LIMIT: Duration = Duration::from_secs(60);

/// An installation with one project, `shop`, in one or more environments on some servers.
pub struct World {
    pub app: App,
    pub store: Store,
    pub ssh: Connections,
    pub clock: Clock,
    /// What `app` was made of.
    pub parts: app::AppParts,
    pub repository: Origin,
    pub servers: Vec<Sshd>,
    pub dir: TempDir,
    /// What it is kept in, where that is not an SQLite file in `dir`. Goes last.
    pub database: Option<TestDatabase>,
}

impl World {
    /// The project `shop` with the environment `dev` on one server, to be changed and started.
    pub fn project() -> Setup {
        Setup::default()
    }

    /// The same, started as it is.
    pub async fn simple() -> Self {
        Self::project().start().await
    }

    /// Commits what lies in the repository's work tree and brings the mirror up to date.
    pub async fn commit(&mut self, message: &str) -> String {
        let commit = self.repository.commit(message);
        let project = deployer::store::projects::by_name(&self.store, "shop")
            .await
            .unwrap();
        let mirror = self.app.mirror(&project).unwrap();
        mirror
            .fetch(&tokio_util::sync::CancellationToken::new())
            .await
            .unwrap();
        commit
    }

    /// A script of the repository.
    pub fn script(&self, path: &str, lines: &str) {
        self.repository.write(path, format!("#!/bin/sh\n{lines}\n"));
    }

    pub fn request(commit: &str) -> DeployRequest {
        DeployRequest {
            reason: "a test".into(),
            ..DeployRequest::new("shop", "dev", commit)
        }
    }

    /// Gives `name` an account, unless it has one.
    pub async fn account(&self, name: &str) {
        self.account_since(name, self.clock.now()).await;
    }

    /// The same for an account that was added at `since`.
    pub async fn account_since(&self, name: &str, since: deployer::domain::Instant) {
        use deployer::store::users;
        if users::by_name(&self.store, name).await.is_ok() {
            return;
        }
        let user = User {
            id: UserId(0),
            name: name.parse().unwrap(),
            display_name: String::new(),
            email: String::new(),
            disabled: false,
            has_password: false,
            created_at: since,
            last_login_at: None,
            given_password: None,
        };
        let tx = change(&self.store).await;
        users::insert(&tx, &user, None).await.unwrap();
        let added = Event::new(EventKind::UserAdded, serde_json::json!({}));
        tx.commit(added.about(format!("user {name}"))).await.unwrap();
    }

    /// Lets the account `name` log in from outside, which tells `groups`.
    pub async fn told_groups(&self, name: &str, groups: &[&str]) {
        use deployer::store::{identities, users};
        let tx = change(&self.store).await;
        let user = users::by_name(&tx, name).await.unwrap();
        for known in identities::of_user(&tx, user.id).await.unwrap() {
            identities::delete(&tx, known.id).await.unwrap();
        }
        let known = Identity {
            id: IdentityId(0),
            user: user.id,
            provider: LoginProvider::Plugin,
            subject: name.to_owned(),
            created_at: self.clock.now(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            groups_at: Some(self.clock.now()),
        };
        identities::insert(&tx, &known).await.unwrap();
        super::store::bring_in(tx).await;
    }

    /// Requests a deployment as `admin`, who may do everything.
    pub async fn ask(&self, request: DeployRequest) -> DeploymentId {
        self.account("admin").await;
        deployments::request(&self.app, &admin(), request)
            .await
            .unwrap()
            .id()
    }

    /// Deploys a commit to dev and waits for its end.
    pub async fn deploy(&self, commit: &str) -> Deployment {
        let id = self.ask(Self::request(commit)).await;
        self.end(id).await
    }

    /// Waits until a deployment has ended.
    pub async fn end(&self, id: DeploymentId) -> Deployment {
        self.until(id, "it has ended", |deployment| deployment.state.is_final())
            .await
    }

    /// Waits until a deployment is as it should be.
    pub async fn until(
        &self,
        id: DeploymentId,
        what: &str,
        is_so: impl Fn(&Deployment) -> bool,
    ) -> Deployment {
        let start = Instant::now();
        loop {
            let deployment = deployer::store::deployments::by_id(&self.store, id)
                .await
                .unwrap();
            if is_so(&deployment) {
                return deployment;
            }
            assert!(
                start.elapsed() < END_LIMIT,
                "waited in vain until {what}: {deployment:#?}\n{}",
                self.log(id).await
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Its servers; the detail of each is the sentence that people read.
    pub async fn parts(&self, id: DeploymentId) -> Vec<ServerPart> {
        use deployer::store::deployments;
        let commit = deployments::by_id(&self.store, id).await.unwrap().commit;
        let mut parts = deployments::servers(&self.store, id).await.unwrap();
        for part in &mut parts {
            part.detail = part.told(&commit);
        }
        parts
    }

    pub async fn steps(&self, id: DeploymentId) -> Vec<Step> {
        deployer::store::steps::list(&self.store, id).await.unwrap()
    }

    /// Every step of a deployment has ended, and there are some.
    pub async fn assert_steps_ended(&self, id: DeploymentId) {
        let steps = self.steps(id).await;
        assert!(!steps.is_empty(), "{}", self.log(id).await);
        assert!(steps.iter().all(|step| step.state.is_final()), "{steps:#?}");
    }

    pub async fn lines(&self, id: DeploymentId) -> Vec<LogLine> {
        log::read(&self.store, id, 1, 100_000, &log::LogFilter::default())
            .await
            .unwrap()
    }

    /// The log as a person would read it.
    pub async fn log(&self, id: DeploymentId) -> String {
        let lines = self.lines(id).await;
        let line = |line: &LogLine| {
            let step = line.kind.map_or("", |kind| kind.as_str());
            format!(
                "{}/{step}: {}",
                if line.server.is_empty() {
                    "here"
                } else {
                    &line.server
                },
                line.text
            )
        };
        lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Waits until a deployment's log holds `text`.
    pub async fn until_it_says(&self, id: DeploymentId, text: &str) {
        let start = Instant::now();
        loop {
            let said = self.log(id).await;
            if said.contains(text) {
                return;
            }
            assert!(start.elapsed() < END_LIMIT, "it never said {text:?}: {said}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A path below a server's home; servers count from 1.
    pub fn home(&self, server: usize, path: &str) -> PathBuf {
        self.servers[server - 1].home().join(path)
    }

    /// How the servers of a deployment stand, in their order.
    pub async fn states(&self, id: DeploymentId) -> Vec<ServerState> {
        self.parts(id).await.iter().map(|part| part.state).collect()
    }

    /// Waits until a deployment pauses, and tells why it does.
    pub async fn until_paused(&self, id: DeploymentId) -> PauseReason {
        let paused = |one: &Deployment| one.state == DeploymentState::Paused;
        let deployment = self.until(id, "it pauses", paused).await;
        deployment.pause.expect("a pause has a reason").reason
    }

    /// A deployment has succeeded; its log is shown otherwise.
    pub async fn assert_succeeded(&self, deployment: &Deployment) {
        assert_eq!(
            deployment.state,
            DeploymentState::Succeeded,
            "{}\n{}",
            deployment.outcome,
            self.log(deployment.id).await
        );
    }

    /// A deployment has ended so; its log is shown otherwise.
    pub async fn assert_outcome(&self, deployment: &Deployment, outcome: &str) {
        assert_eq!(deployment.outcome, outcome, "{}", self.log(deployment.id).await);
    }

    /// What a file on a server says; empty when it is not there.
    pub fn read(&self, server: usize, path: &str) -> String {
        std::fs::read_to_string(self.home(server, path)).unwrap_or_default()
    }
}

impl Drop for World {
    /// Ends what runs, and fails a test that leaves processes behind.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let engine = self.parts.engine.clone();
        let is_shared =
            Handle::try_current().is_ok_and(|one| one.runtime_flavor() == RuntimeFlavor::MultiThread);
        // On a runtime of one thread, its tasks would never run while this waits.
        if is_shared {
            let over = async { tokio::time::timeout(END_LIMIT, engine.shutdown()).await };
            let over = tokio::task::block_in_place(|| Handle::current().block_on(over));
            over.expect("the engine ends what it runs");
        }
        self.servers.clear();
        leftovers::assert_none(self.dir.path());
    }
}

/// The user that the shipped policy lets do everything.
pub fn admin() -> Actor {
    Actor::user("admin", "127.0.0.1")
}

/// The shipped policy with further lines.
pub fn access(dir: &Path, lines: &str) -> Access {
    let policies = dir.join("policies");
    std::fs::create_dir(&policies).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    for file in ["model.conf", "calendar.toml", "tests.toml"] {
        std::fs::copy(shipped.join(file), policies.join(file)).unwrap();
    }
    let policy = std::fs::read_to_string(shipped.join("policy.csv")).unwrap();
    std::fs::write(policies.join("policy.csv"), format!("{policy}\n{lines}\n")).unwrap();
    Access::load(&policies).unwrap()
}
