//! A store on a real database of its own, and the rows tests begin with.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use deployer::domain::{
    Actor, Author, Cluster, ClusterId, CommitId, Deployment, DeploymentId, DeploymentState, Environment,
    EnvironmentId, EnvironmentOptions, Event, EventKind, Extras, Instant, Member, NewAuditEvent, Outcome,
    Project, ProjectId, Server, ServerId, SyncMethod,
};
use deployer::store::audit::Chain;
use deployer::store::deployments::{NewDeployment, NewPart};
use deployer::store::{
    Change, Lease, Right, Store, clusters, deployments, environments, projects, queue, servers,
};

use super::databases::{Database, TestDatabase};
pub use super::databases::{bring_in, change};

/// How long tests hold a lease.
pub const LEASE: Duration = Duration::from_secs(30);

/// A store that vanishes with the test.
pub struct TestStore {
    /// The store.
    pub store: Store,
    /// What it keeps its data in.
    pub database: TestDatabase,
}

impl std::ops::Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl TestStore {
    /// An empty store with the whole schema, on SQLite.
    pub async fn new() -> Self {
        Self::on(Database::Sqlite).await
    }

    /// The same on any database.
    pub async fn on(kind: Database) -> Self {
        let database = TestDatabase::prepared(kind).await;
        let store = database.open().await;
        store.migrate().await.unwrap();
        Self { store, database }
    }

    /// The address it is opened by.
    pub fn url(&self) -> String {
        self.database.url.clone()
    }

    /// What another instance has: connections of its own to a database server, the same store on
    /// SQLite.
    pub async fn instance(&self) -> Store {
        match self.database.kind.is_server() {
            true => self.database.open().await,
            false => self.store.clone(),
        }
    }

    /// Lets the time of every lease of [`LEASE`] pass, where the database's own clock decides. On SQLite
    /// the time is an argument.
    pub async fn let_leases_end(&self) {
        if self.database.kind.is_server() {
            let micros = LEASE.as_micros();
            let sql = format!("UPDATE deployments SET lease_until_at = lease_until_at - {micros}");
            self.tamper(&sql).await;
        }
    }

    /// A project of this name.
    pub async fn project(&self, name: &str) -> Project {
        let tx = crate::support::store::change(&self.store).await;
        let project = projects::insert(&tx, &project(name)).await.unwrap();
        crate::support::store::bring_in(tx).await;
        project
    }

    /// Servers `PREFIX1`, `PREFIX2` …
    pub async fn servers(&self, prefix: &str, count: usize) -> Vec<Server> {
        let tx = crate::support::store::change(&self.store).await;
        let mut made = Vec::new();
        for number in 1..=count {
            made.push(
                servers::insert(&tx, &server(&format!("{prefix}{number}")))
                    .await
                    .unwrap(),
            );
        }
        crate::support::store::bring_in(tx).await;
        made
    }

    /// A cluster of these servers.
    pub async fn cluster(&self, name: &str, members: &[Server]) -> Cluster {
        let tx = crate::support::store::change(&self.store).await;
        let cluster = clusters::insert(&tx, &cluster(name, members)).await.unwrap();
        crate::support::store::bring_in(tx).await;
        cluster
    }

    /// An environment of a project, deployed to these clusters.
    pub async fn environment(&self, project: &Project, name: &str, clusters: &[&Cluster]) -> Environment {
        let tx = crate::support::store::change(&self.store).await;
        let environment = Environment {
            clusters: clusters.iter().map(|cluster| cluster.id).collect(),
            ..environment(project, name)
        };
        let environment = environments::insert(&tx, &environment).await.unwrap();
        crate::support::store::bring_in(tx).await;
        environment
    }

    /// A queued deployment.
    pub async fn deployment(&self, new: &NewDeployment) -> Deployment {
        let mut tx = crate::support::store::change(&self.store).await;
        let deployment = deployments::insert(&tx, new).await.unwrap();
        also_requested(&mut tx, &deployment);
        crate::support::store::bring_in(tx).await;
        deployment
    }

    /// Lets a worker take the next deployment there is.
    pub async fn claim(&self) -> queue::Claimed {
        let claimed = queue::claim(&self.store, "tester", noon(), LEASE).await.unwrap();
        claimed.expect("something can begin")
    }

    /// Ends what a worker has.
    pub async fn end(&self, lease: Lease, state: DeploymentState) {
        let tx = self.store.change_leased(lease, noon()).await.unwrap();
        let from = DeploymentState::Running;
        deployments::set_state(&tx, lease.deployment, from, state, noon(), "Done.")
            .await
            .unwrap();
        tx.commit(reached(lease.deployment, state)).await.unwrap();
    }

    /// Counts the rows of a table, past the store's own functions.
    pub async fn rows(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table}")).await
    }

    /// One number, past the store's own functions.
    pub async fn number(&self, sql: &str) -> i64 {
        self.database.number(sql).await
    }

    /// Runs a statement past the store's own functions, as somebody with the database could.
    pub async fn tamper(&self, sql: &str) {
        self.database.tamper(sql).await;
    }
}

/// An instant to build others from: 22 November 2026, 12:00 UTC.
pub fn noon() -> Instant {
    Utc.with_ymd_and_hms(2026, 11, 22, 12, 0, 0).unwrap()
}

/// `seconds` after [`noon`].
pub fn after(seconds: i64) -> DateTime<Utc> {
    noon() + chrono::Duration::seconds(seconds)
}

/// A made-up commit, a different one for each number.
pub fn commit(number: u64) -> CommitId {
    format!("{number:040x}").parse().unwrap()
}

/// A project that is not stored yet.
pub fn project(name: &str) -> Project {
    Project {
        id: ProjectId(0),
        name: name.parse().unwrap(),
        description: "A shop.".into(),
        git_url: format!("file:///srv/git/{name}.git"),
        method: SyncMethod::Symlink,
        extras: Extras::default(),
        key: None,
        notify: vec!["team@example.org".into()],
    }
}

/// An environment that is not stored yet.
pub fn environment(project: &Project, name: &str) -> Environment {
    Environment {
        id: EnvironmentId(0),
        project_id: project.id,
        name: name.parse().unwrap(),
        branch: "main".parse().unwrap(),
        target_path: format!("/srv/{}/{name}", project.name).parse().unwrap(),
        remote_user: "deploy".into(),
        position: 1,
        auto_deploy: false,
        fail_on_failed_tests: true,
        clusters: Vec::new(),
        options: EnvironmentOptions::default(),
    }
}

/// A server that is not stored yet.
pub fn server(name: &str) -> Server {
    Server {
        id: ServerId(0),
        name: name.parse().unwrap(),
        address: "127.0.0.1".into(),
        port: 22,
        active: true,
        host_key: None,
        key: None,
        legacy: false,
        via: Vec::new(),
    }
}

/// A cluster that is not stored yet.
pub fn cluster(name: &str, members: &[Server]) -> Cluster {
    let member = |server: &Server| Member {
        server: server.id,
        balancer_name: None,
    };
    Cluster {
        id: ClusterId(0),
        name: name.parse().unwrap(),
        balancer: None,
        backends: vec!["www".into()],
        members: members.iter().map(member).collect(),
        projects: Vec::new(),
        via: Vec::new(),
    }
}

/// A deployment that is not stored yet.
pub fn deployment(project: &Project, environment: &Environment, servers: &[Server]) -> NewDeployment {
    let part = |server: &Server| NewPart::new(server.id, server.name.as_str(), "web");
    let alice = Actor::user("alice", "127.0.0.1");
    let deployment = Deployment {
        commit_title: "Sell more".into(),
        reason: "It is time.".into(),
        ..Deployment::new(project, environment, commit(1), &alice, noon())
    };
    NewDeployment::new(deployment, servers.iter().map(part).collect())
}

/// An act that is not recorded yet.
pub fn event(actor: &str, action: &str) -> NewAuditEvent {
    NewAuditEvent {
        at: noon(),
        actor: actor.into(),
        impersonator: None,
        address: "192.0.2.7".into(),
        action: action.into(),
        resource: "shop/prod".into(),
        outcome: Outcome::Allowed,
        permit: "policy.csv:3: p, role:webshop, …".into(),
        detail: serde_json::json!({ "commit": "abc" }),
    }
}

/// Appends an event to the audit log as if somebody had done so at the gate.
pub async fn append(store: &Store, told: &NewAuditEvent) {
    let actor = Actor {
        impersonator: told.impersonator.clone(),
        ..Actor::user(&told.actor, &told.address)
    };
    let kind = EventKind::parse(&told.action).expect("a kind of event");
    let event = Event::new(kind, told.detail.clone())
        .forbidden(told.permit.clone())
        .ended(told.outcome);
    let right = Right::at_the_gate(&actor, told.resource.clone());
    let change = store.change(right, told.at).await.unwrap();
    change.commit(event).await.unwrap();
}

/// Checks that nobody changed the audit log.
pub async fn assert_chain(store: &Store) {
    let mut chain = Chain::new(Vec::new(), HashSet::new());
    let fault = deployer::store::audit::walk(store, &mut chain).await.unwrap();
    assert_eq!(fault.or(chain.begins_wrong()), None);
}

/// Records the request of a deployment that a change brings in.
pub fn also_requested(change: &mut Change, deployment: &Deployment) {
    let (author, at) = (Author::of(deployment), deployment.queued_at);
    change.also_then(author, at, Event::requested(deployment));
}

/// What is recorded when a deployment ends or pauses, for changes that a test makes by hand.
pub fn reached(id: DeploymentId, state: DeploymentState) -> Event {
    Event::deployment(EventKind::of_state(state), id, serde_json::json!({}))
}
