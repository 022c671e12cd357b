//! Workers share the work: nothing doubled, nothing lost, no server worked on by two.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deployer::domain::{DeploymentId, DeploymentState, Event, EventKind, ServerId};
use deployer::store::{deployments, queue};

use crate::support::databases::{Database, on_every_database};
use crate::support::store::{LEASE, TestStore, after, change, deployment, noon};

/// 200 deployments to 10 environments and 12 servers, overlapping in every way.
async fn fill(store: &TestStore) {
    let shop = store.project("shop").await;
    let hosts = store.servers("web", 12).await;
    let mut environments = Vec::new();
    for number in 0..10 {
        environments.push(store.environment(&shop, &format!("e{number}"), &[]).await);
    }
    let tx = crate::support::store::change(store).await;
    for number in 0..200 {
        // Each wants two servers; neighbours and environments overlap in every way.
        let servers = [hosts[number % 12].clone(), hosts[(number * 5 + 1) % 12].clone()];
        let servers = if servers[0] == servers[1] {
            &servers[..1]
        } else {
            &servers[..]
        };
        let new = deployment(&shop, &environments[number * 7 % 10], servers);
        deployments::insert(&tx, &new).await.unwrap();
    }
    crate::support::store::bring_in(tx).await;
}

async fn eight_workers_share_two_hundred_deployments(on: Database) {
    let store = TestStore::on(on).await;
    fill(&store).await;
    let done = Arc::new(Mutex::new(Vec::<DeploymentId>::new()));
    let held = Arc::new(Mutex::new(HashSet::<ServerId>::new()));
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (store, done, held) = (store.instance().await, Arc::clone(&done), Arc::clone(&held));
        workers.spawn(async move {
            let name = format!("worker {number}");
            while done.lock().unwrap().len() < 200 {
                let Some(claimed) = queue::claim(&store, &name, noon(), LEASE).await.unwrap() else {
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    continue;
                };
                let id = claimed.deployment.id;
                let parts = deployments::servers(&store, id).await.unwrap();
                let mine: Vec<ServerId> = parts.iter().filter_map(|part| part.server_id).collect();
                for server in &mine {
                    assert!(
                        held.lock().unwrap().insert(*server),
                        "{server} is worked on by two"
                    );
                }
                tokio::task::yield_now().await;
                let tx = store.change_leased(claimed.lease, noon()).await.unwrap();
                let (from, to) = (DeploymentState::Running, DeploymentState::Succeeded);
                deployments::set_state(&tx, id, from, to, noon(), "")
                    .await
                    .unwrap();
                // Nobody else may take them before this commit.
                for server in &mine {
                    held.lock().unwrap().remove(server);
                }
                tx.commit(crate::support::store::reached(id, to)).await.unwrap();
                done.lock().unwrap().push(id);
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    let done = done.lock().unwrap().clone();
    assert_eq!(done.len(), 200);
    assert_eq!(done.iter().collect::<HashSet<_>>().len(), 200, "none twice");
    assert_eq!(store.rows("reservations").await, 0);
    assert_eq!(
        store
            .number("SELECT count(*) FROM deployments WHERE state = 'succeeded'")
            .await,
        200
    );
}

async fn what_shares_a_server_or_an_environment_waits_and_says_for_whom(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let hosts = store.servers("web", 3).await;
    let beta = store.environment(&shop, "beta", &[]).await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let test = store.environment(&shop, "test", &[]).await;
    let first = store.deployment(&deployment(&shop, &beta, &hosts[..1])).await.id;
    let big = store.deployment(&deployment(&shop, &prod, &hosts[..2])).await.id;
    let small = store.deployment(&deployment(&shop, &test, &hosts[1..2])).await.id;
    let free = store.deployment(&deployment(&shop, &test, &hosts[2..])).await.id;

    let running = store.claim().await;
    assert_eq!(running.deployment.id, first);
    let waiting: HashMap<_, _> = queue::waiting(&store.store).await.unwrap().into_iter().collect();
    assert_eq!(waiting[&big], [first]);
    assert_eq!(
        waiting[&small],
        [big],
        "what is small does not pass what came before it"
    );
    assert_eq!(waiting[&free], [small], "one at a time in an environment");
    assert!(
        queue::claim(&store.store, "w", noon(), LEASE)
            .await
            .unwrap()
            .is_none()
    );

    store.end(running.lease, DeploymentState::Failed).await;
    assert_eq!(store.claim().await.deployment.id, big);
    let holders = queue::holders(&store.store).await.unwrap();
    assert_eq!(holders, HashMap::from([(hosts[0].id, big), (hosts[1].id, big)]));
}

async fn a_server_that_is_left_alone_is_not_held(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let hosts = store.servers("web", 2).await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let mut new = deployment(&shop, &prod, &hosts);
    new.servers[1].skip("It is switched off.");
    let id = store.deployment(&new).await.id;
    store.claim().await;
    assert_eq!(
        queue::holders(&store.store).await.unwrap(),
        HashMap::from([(hosts[0].id, id)])
    );
}

async fn what_is_urgent_goes_first(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let prod = store.environment(&shop, "prod", &[]).await;
    store.deployment(&deployment(&shop, &prod, &[])).await;
    let mut urgent = deployment(&shop, &prod, &[]);
    urgent.priority = 5;
    let urgent = store.deployment(&urgent).await;
    assert_eq!(store.claim().await.deployment.id, urgent.id);
}

async fn what_a_dead_instance_left_is_taken_and_what_a_living_one_has_is_not(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let hosts = store.servers("web", 1).await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let id = store.deployment(&deployment(&shop, &prod, &hosts)).await.id;
    store.claim().await;
    let second = store.instance().await;
    let start = queue::Abandoned::AtStart { now: noon() };
    let mut taken = queue::take_over(&second, start, "new", noon(), LEASE)
        .await
        .unwrap();
    if on.is_server() {
        assert!(taken.is_empty(), "its instance may well be at work");
        store.let_leases_end().await;
        taken = queue::take_over(&second, start, "new", noon(), LEASE)
            .await
            .unwrap();
    }
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].deployment.id, id);
    // Its server stays reserved until it is closed with the truth.
    assert_eq!(queue::holders(&store.store).await.unwrap()[&hosts[0].id], id);
    store.end(taken[0].lease, DeploymentState::Failed).await;
    assert!(queue::holders(&store.store).await.unwrap().is_empty());
}

async fn a_lease_is_taken_over_by_one_of_many(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let prod = store.environment(&shop, "prod", &[]).await;
    store.deployment(&deployment(&shop, &prod, &[])).await;
    store.claim().await;
    store.let_leases_end().await;
    let mut instances = tokio::task::JoinSet::new();
    for number in 0..6 {
        let store = store.instance().await;
        instances.spawn(async move {
            let which = queue::Abandoned::LeaseEnded {
                now: after(40),
                ago: Duration::ZERO,
            };
            let name = format!("instance {number}");
            queue::take_over(&store, which, &name, after(40), LEASE)
                .await
                .unwrap()
                .len()
        });
    }
    let taken = instances.join_all().await;
    assert_eq!(taken.iter().sum::<usize>(), 1, "{taken:?}");
}

async fn transactions_that_collide_are_run_again(on: Database) {
    let store = TestStore::on(on).await;
    if !on.is_server() {
        // One writer at a time collides with nobody.
        return;
    }
    let shop = store.project("shop").await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let one = store.deployment(&deployment(&shop, &prod, &[])).await.id;
    let other = store.deployment(&deployment(&shop, &prod, &[])).await.id;
    let both_began = Arc::new(tokio::sync::Barrier::new(2));
    let mut people = tokio::task::JoinSet::new();
    for (name, ids) in [("alice", [one, other]), ("bob", [other, one])] {
        let (store, both_began) = (store.store.clone(), Arc::clone(&both_began));
        people.spawn(async move {
            let tries = std::sync::atomic::AtomicU32::new(0);
            let done = deployer::store::again(|| async {
                let tx = change(&store).await;
                deployments::request_pause(&tx, ids[0], Some(name)).await?;
                if tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                    both_began.wait().await;
                }
                deployments::request_pause(&tx, ids[1], Some(name)).await?;
                tx.commit(Event::new(EventKind::HistoryBroughtIn, serde_json::json!({})))
                    .await
            });
            done.await.unwrap();
            tries.into_inner()
        });
    }
    let tries = people.join_all().await;
    assert_eq!(
        tries.iter().sum::<u32>(),
        3,
        "one of the two began anew: {tries:?}"
    );
}

on_every_database! {
    eight_workers_share_two_hundred_deployments,
    what_shares_a_server_or_an_environment_waits_and_says_for_whom,
    a_server_that_is_left_alone_is_not_held,
    what_is_urgent_goes_first,
    what_a_dead_instance_left_is_taken_and_what_a_living_one_has_is_not,
    a_lease_is_taken_over_by_one_of_many,
    transactions_that_collide_are_run_again,
}
