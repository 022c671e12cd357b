//! What becomes of a deployment whose task panics, and of its worker.
#![allow(clippy::panic, reason = "that is what is tried")]

use super::super::{Engine, Settings};
use super::*;
use crate::access::Access;
use crate::clock::Clock;
use crate::confinement::{Confinement, ConfinementOptions};
use crate::domain::{
    Actor, Cluster, ClusterId, Deployment, DeploymentState, Environment, EnvironmentId, Event, EventKind,
    Extras, Project, ProjectId, Server, ServerId, ServerState, SyncMethod, server::Member,
};
use crate::git::{GitOptions, Mirrors};
use crate::ssh::{Connections, Options};
use crate::store::deployments::{self, NewDeployment, NewPart};
use crate::store::{Change, Fenced, Store, StoreOptions, clusters, environments, projects, servers};

async fn engine(dir: &std::path::Path) -> Engine {
    let url = format!("sqlite://{}", dir.join("test.db").display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    Engine::new(EngineParts {
        store,
        access: Arc::new(Access::builtin()),
        mirrors: Mirrors::new(dir.join("mirrors"), GitOptions::default()),
        ssh: Connections::new(Options::default()),
        clock: Clock::System,
        balancers: Default::default(),
        confinement: Confinement::new(ConfinementOptions::default()),
        settings: Settings {
            instance: "test".into(),
            workers: 1,
            work_dir: dir.join("work"),
            lease: Duration::from_secs(20),
            secrets: Vec::new(),
            log: super::super::log_limit::LogLimits::default(),
            tree_limit: u64::MAX,
            groups_max_age: Duration::from_secs(24 * 3600),
        },
    })
}

/// An environment with one server.
async fn inventory(tx: &Change) -> (Project, Environment, Server) {
    let project = Project {
        id: ProjectId(0),
        name: "shop".parse().unwrap(),
        description: String::new(),
        git_url: "https://git.example.org/shop.git".into(),
        method: SyncMethod::Symlink,
        extras: Extras::default(),
        key: None,
        notify: Vec::new(),
    };
    let project = projects::insert(tx, &project).await.unwrap();
    let server = Server {
        id: ServerId(0),
        name: "web1".parse().unwrap(),
        address: "127.0.0.1".into(),
        port: 22,
        active: true,
        host_key: None,
        key: None,
        legacy: false,
        via: Vec::new(),
    };
    let server = servers::insert(tx, &server).await.unwrap();
    let cluster = Cluster {
        id: ClusterId(0),
        name: "web".parse().unwrap(),
        balancer: None,
        backends: Vec::new(),
        members: vec![Member {
            server: server.id,
            balancer_name: None,
        }],
        projects: Vec::new(),
        via: Vec::new(),
    };
    let cluster = clusters::insert(tx, &cluster).await.unwrap();
    let environment = Environment {
        id: EnvironmentId(0),
        project_id: project.id,
        name: "dev".parse().unwrap(),
        branch: "main".parse().unwrap(),
        target_path: "~/shop".parse().unwrap(),
        remote_user: "deploy".into(),
        position: 1,
        auto_deploy: false,
        fail_on_failed_tests: true,
        clusters: vec![cluster.id],
        options: Default::default(),
    };
    let environment = environments::insert(tx, &environment).await.unwrap();
    (project, environment, server)
}

/// A deployment to one server, claimed.
async fn claimed(engine: &Engine) -> Claimed {
    let parts = &engine.0.parts;
    let now = parts.clock.now();
    let operator = Access::local_operator("test", now);
    let tx = parts.store.change(&operator, now).await.unwrap();
    let (project, environment, server) = inventory(&tx).await;
    let commit = "0123456789012345678901234567890123456789".parse().unwrap();
    let alice = Actor::user("alice", "test");
    let deployment = Deployment::new(&project, &environment, commit, &alice, now);
    let new = NewDeployment::new(deployment, vec![NewPart::new(server.id, "web1", "web")]);
    deployments::insert(&tx, &new).await.unwrap();
    let event = Event::new(EventKind::HistoryBroughtIn, serde_json::json!({}));
    tx.commit(event).await.unwrap();
    queue::claim(&parts.store, "test/0", now, Duration::from_secs(20))
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_panic_closes_its_deployment_and_leaves_the_worker() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path()).await;
    let claimed = claimed(&engine).await;
    let (id, lease) = (claimed.deployment.id, claimed.lease);

    // In a task, as a worker is: the test has to see the end of it.
    let inner = Arc::clone(&engine.0);
    let turn = WorkTurn::wait(&engine.0.turns).await.unwrap();
    let broken = |_, _, _, _| async { panic!("a fault of ours") };
    let worker = tokio::spawn(async move { carry_out(&inner, claimed, turn, broken).await });
    worker.await.expect("the worker lives on");

    let store = &engine.0.parts.store;
    let deployment = deployments::by_id(store, id).await.unwrap();
    assert_eq!(deployment.state, DeploymentState::Failed);
    assert!(
        deployment.outcome.starts_with("A bug in the deployer"),
        "{}",
        deployment.outcome
    );
    assert!(queue::holders(store).await.unwrap().is_empty());
    let parts = deployments::servers(store, id).await.unwrap();
    assert!(
        parts.iter().all(|part| part.state == ServerState::Skipped),
        "{parts:?}"
    );
    assert!(engine.0.running.lock().is_empty());
    assert_eq!(engine.0.turns.available_permits(), 1, "its turn is lost for ever");
    let extended = queue::extend(store, lease, engine.0.parts.clock.now(), Duration::ZERO).await;
    assert!(
        Fenced::is(&extended.unwrap_err()),
        "its lease is kept alive for ever"
    );
}
