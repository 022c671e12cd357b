//! Workers share the work: nothing doubled, nothing lost, no server worked on by two.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use deployer::domain::{DeploymentId, DeploymentState, ServerId};
use deployer::store::{deployments, queue};

use crate::support::store::{LEASE, TestStore, deployment, noon};

/// 200 deployments to 10 environments and 12 servers, overlapping in every way.
async fn fill(store: &TestStore) {
    let shop = store.project("shop").await;
    let hosts = store.servers("web", 12).await;
    let mut environments = Vec::new();
    for number in 0..10 {
        environments.push(store.environment(&shop, &format!("e{number}"), &[]).await);
    }
    let tx = crate::support::store::change(&store).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_workers_share_two_hundred_deployments() {
    let store = TestStore::new().await;
    fill(&store).await;
    let done = Arc::new(Mutex::new(Vec::<DeploymentId>::new()));
    let held = Arc::new(Mutex::new(HashSet::<ServerId>::new()));
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (store, done, held) = (store.store.clone(), Arc::clone(&done), Arc::clone(&held));
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
                for server in &mine {
                    held.lock().unwrap().remove(server);
                }
                done.lock().unwrap().push(id);
                let tx = store.change_leased(claimed.lease, noon()).await.unwrap();
                let (from, to) = (DeploymentState::Running, DeploymentState::Succeeded);
                deployments::set_state(&tx, id, from, to, noon(), "")
                    .await
                    .unwrap();
                tx.commit(crate::support::store::reached(to)).await.unwrap();
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

#[tokio::test]
async fn what_shares_a_server_or_an_environment_waits_and_says_for_whom() {
    let store = TestStore::new().await;
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

#[tokio::test]
async fn a_server_that_is_left_alone_is_not_held() {
    let store = TestStore::new().await;
    let shop = store.project("shop").await;
    let hosts = store.servers("web", 2).await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let mut new = deployment(&shop, &prod, &hosts);
    new.servers[1].skipped = Some("It is switched off.".into());
    let id = store.deployment(&new).await.id;
    store.claim().await;
    assert_eq!(
        queue::holders(&store.store).await.unwrap(),
        HashMap::from([(hosts[0].id, id)])
    );
}

#[tokio::test]
async fn what_is_urgent_goes_first() {
    let store = TestStore::new().await;
    let shop = store.project("shop").await;
    let prod = store.environment(&shop, "prod", &[]).await;
    store.deployment(&deployment(&shop, &prod, &[])).await;
    let mut urgent = deployment(&shop, &prod, &[]);
    urgent.priority = 5;
    let urgent = store.deployment(&urgent).await;
    assert_eq!(store.claim().await.deployment.id, urgent.id);
}

#[tokio::test]
async fn what_was_running_at_the_end_of_the_only_instance_is_found_at_its_next_start() {
    let store = TestStore::new().await;
    let shop = store.project("shop").await;
    let hosts = store.servers("web", 1).await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let id = store.deployment(&deployment(&shop, &prod, &hosts)).await.id;
    store.claim().await;
    let taken = queue::take_over(&store.store, queue::Abandoned::All, "new", noon(), LEASE)
        .await
        .unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].deployment.id, id);
    // Its server stays reserved until it is closed with the truth.
    assert_eq!(queue::holders(&store.store).await.unwrap()[&hosts[0].id], id);
    store.end(taken[0].lease, DeploymentState::Failed).await;
    assert!(queue::holders(&store.store).await.unwrap().is_empty());
}
