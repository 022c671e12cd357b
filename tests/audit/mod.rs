//! The audit log against whoever has the database: what they change is told, by the log itself, by heads
//! that were handed out before, and by events that say something else than the tables.

mod cutting;
mod damage;
mod heads;
mod means;
mod over_time;
mod recorded;
mod tampering;

use deployer::access::Access;
use deployer::app::accounts::{self, Keeping, NewUser};
use deployer::app::audit::verification::{Evidence, Verification, prove};
use deployer::app::audit::{heads as handed, keys};
use deployer::config::Config;
use deployer::domain::{
    Actor, Approval, Deployment, DeploymentState, Environment, Event, EventKind, Instant, Project,
};
use deployer::store::audit::{AuditReading, Head, StoredEvent};
use deployer::store::deployments::{self, NewDeployment};
use deployer::store::{Right, Store, environments, projects};
use serde_json::json;

use crate::support::databases::Database;
use crate::support::store::{LEASE, TestStore, after, environment, noon, project};

/// An installation with people, deployments and a log about them.
struct Kept {
    store: TestStore,
    config: Config,
    /// A head from the middle of the log, and one from its end.
    heads: Vec<Head>,
}

impl Kept {
    async fn on(kind: Database) -> Self {
        let store = TestStore::on(kind).await;
        let config = Config {
            data_dir: store.database.directory.path().to_owned(),
            ..Config::default()
        };
        keys::prepare(&config, &store.store, noon()).await.unwrap();
        for name in ["alice", "bob", "dora"] {
            add(&store.store, name).await;
        }
        let operator = Access::local_operator("root", after(5));
        accounts::set_disabled(&store.store, &operator, "dora", true)
            .await
            .unwrap();
        let (shop, prod) = places(&store).await;
        deploy(&store, (&shop, &prod), Some("bob"), 10).await;
        let middle = head(&config, &store.store, after(30)).await;
        deploy(&store, (&shop, &prod), None, 40).await;
        deploy(&store, (&shop, &prod), None, 80).await;
        let end = head(&config, &store.store, after(120)).await;
        Self {
            store,
            config,
            heads: vec![middle, end],
        }
    }

    /// Proves the log against all heads.
    async fn prove(&self) -> Verification {
        let heads = self.heads.clone();
        prove_with(&self.config, &self.store.store, heads).await
    }
}

/// Events 6 and 7.
async fn places(store: &TestStore) -> (Project, Environment) {
    let change = store.change(right("alice"), after(6)).await.unwrap();
    let shop = projects::insert(&change, &project("shop")).await.unwrap();
    let added = Event::new(EventKind::ProjectAdded, json!({ "git_url": shop.git_url }));
    change.commit(added).await.unwrap();
    let change = store.change(right("alice"), after(7)).await.unwrap();
    let prod = environments::insert(&change, &environment(&shop, "prod"))
        .await
        .unwrap();
    let added = Event::new(
        EventKind::EnvironmentAdded,
        json!({ "branch": prod.branch.to_string() }),
    );
    change.commit(added).await.unwrap();
    (shop, prod)
}

async fn prove_with(config: &Config, store: &Store, heads: Vec<Head>) -> Verification {
    let evidence = Evidence {
        heads,
        ..Evidence::default()
    };
    prove((config, store), evidence).await.unwrap()
}

async fn head(config: &Config, store: &Store, at: Instant) -> Head {
    handed::present((config, store), at).await.unwrap().unwrap()
}

async fn add(store: &Store, name: &str) {
    let new = NewUser {
        name: name.parse().unwrap(),
        display_name: String::new(),
        email: format!("{name}@shop.example"),
        password: Some("correct horse battery".to_owned()),
        keeping: Keeping::ForGood,
    };
    let operator = Access::local_operator("root", noon());
    accounts::add(store, &operator, new).await.unwrap();
}

fn right(who: &str) -> Right {
    Right::at_the_gate(&Actor::user(who, "192.0.2.7"), "shop/prod")
}

/// Alice asks for it, somebody may approve it, and it succeeds.
async fn deploy(
    store: &TestStore,
    (shop, prod): (&Project, &Environment),
    approver: Option<&str>,
    from: i64,
) {
    let mut new = crate::support::store::deployment(shop, prod, &[]);
    new.deployment.queued_at = after(from);
    new.deployment.approval = approver.map(|_| Approval {
        expires_at: after(3600),
        given: None,
        impersonator: None,
        groups: None,
        password_given_at: None,
        terms: String::new(),
        by: Vec::new(),
        token: None,
    });
    let one = requested(store, &new, after(from)).await;
    if let Some(approver) = approver {
        let change = store.change(right(approver), after(from + 1)).await.unwrap();
        let given = Approval {
            given: Some((approver.to_owned(), after(from + 1))),
            ..one.approval.clone().unwrap()
        };
        deployments::approve(&change, one.id, &given).await.unwrap();
        let (before, to) = (DeploymentState::Awaiting, DeploymentState::Queued);
        deployments::set_state(&change, one.id, before, to, after(from + 1), "")
            .await
            .unwrap();
        let event = Event::deployment(EventKind::DeploymentApproved, one.id, json!({}));
        change.commit(event).await.unwrap();
    }
    end(store, from + 2).await;
}

async fn requested(store: &TestStore, new: &NewDeployment, at: Instant) -> Deployment {
    let change = store.change(right("alice"), at).await.unwrap();
    let one = deployments::insert(&change, new).await.unwrap();
    change.commit(Event::requested(&one)).await.unwrap();
    one
}

/// A worker takes what is queued, and ends it well.
async fn end(store: &TestStore, at: i64) {
    let claimed = deployer::store::queue::claim(store, "tester", after(at), LEASE).await;
    let claimed = claimed.unwrap().expect("something is queued");
    let one = &claimed.deployment;
    let change = store.change_leased(claimed.lease, after(at + 1)).await.unwrap();
    let (from, to) = (DeploymentState::Running, DeploymentState::Succeeded);
    deployments::set_state(&change, one.id, from, to, after(at + 1), "Done.")
        .await
        .unwrap();
    let event = Event::by_engine(EventKind::DeploymentSucceeded, one, "Done.");
    change.commit(event).await.unwrap();
}

/// Every event of the log.
async fn events(store: &Store) -> Vec<StoredEvent> {
    AuditReading::default().next(store).await.unwrap()
}

/// What somebody runs who has the database, knows how hashes are made, and writes the whole log anew.
fn rewritten(mut events: Vec<StoredEvent>, change: impl FnOnce(&mut Vec<StoredEvent>)) -> Vec<String> {
    change(&mut events);
    let mut before = events
        .first()
        .map(|one| one.prev_hash.clone())
        .unwrap_or_default();
    let mut statements = vec!["DELETE FROM audit_events".to_owned()];
    for event in &mut events {
        event.prev_hash = std::mem::take(&mut before);
        event.hash = event.digest();
        before.clone_from(&event.hash);
        statements.push(inserted(event));
    }
    let tip = events
        .last()
        .map_or("0:".to_owned(), |one| format!("{}:{}", one.number, one.hash));
    statements.push(format!(
        "UPDATE settings SET value = '{tip}' WHERE name = 'audit_tip'"
    ));
    statements
}

fn inserted(event: &StoredEvent) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let through = event.impersonator.as_deref().map_or("NULL".to_owned(), text);
    let deployment = event.deployment.map_or("NULL".to_owned(), |id| id.to_string());
    // Form 1 is that of rows without a version.
    let version = match event.version {
        1 => "NULL".to_owned(),
        version => version.to_string(),
    };
    let texts = [
        &event.actor,
        &event.address,
        &event.action,
        &event.resource,
        &event.outcome,
        &event.permit,
        &event.detail,
        &event.prev_hash,
        &event.hash,
    ];
    let texts: Vec<String> = texts.into_iter().map(|one| text(one)).collect();
    format!(
        "INSERT INTO audit_events (id, happened_at, hash_version, impersonator, deployment_id, actor, address, \
         action, resource, outcome, permit, detail, prev_hash, hash) VALUES ({}, {}, {version}, {through}, {deployment}, {})",
        event.number,
        event.happened_at,
        texts.join(", ")
    )
}
