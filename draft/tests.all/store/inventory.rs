//! Projects, environments, servers and clusters; what deleting them leaves.

use deployer::domain::{BranchName, DeploymentState, ErrorKind, HostKey, SyncMethod};
use deployer::store::{clusters, deployments, environments, projects, releases, servers, steps};

use crate::support::databases::{Database, on_every_database};
use crate::support::store::{TestStore, after, cluster, commit, deployment, noon, project, server};

async fn a_name_is_taken_in_whatever_case(on: Database) {
    let store = TestStore::on(on).await;
    store.project("shop").await;
    store.servers("web", 1).await;
    let tx = crate::support::store::change(&store).await;
    let error = projects::insert(&tx, &project("Shop")).await.unwrap_err();
    assert_eq!(error.field_errors()[0].field, "name");
    assert_eq!(error.message(), "There is already a project “Shop”.");
    // PostgreSQL does no more in a transaction that has failed.
    drop(tx);
    let tx = crate::support::store::change(&store).await;
    let error = servers::insert(&tx, &server("WEB1")).await.unwrap_err();
    assert_eq!(error.message(), "There is already a server “WEB1”.");
    drop(tx);
    assert_eq!(
        projects::by_name(&store.store, "SHOP")
            .await
            .unwrap()
            .name
            .as_str(),
        "shop"
    );
}

async fn what_is_stored_comes_back_the_same(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    assert_eq!(projects::by_id(&store.store, shop.id).await.unwrap(), shop);
    let hosts = store.servers("web", 3).await;
    let web = store.cluster("web", &[hosts[2].clone(), hosts[0].clone()]).await;
    let db = store.cluster("db", &hosts[1..2]).await;
    assert_eq!(clusters::by_name(&store.store, "web").await.unwrap(), web);
    assert_eq!(
        clusters::list(&store.store).await.unwrap(),
        [db.clone(), web.clone()]
    );
    let mut prod = store.environment(&shop, "prod", &[&web, &db]).await;
    prod.options.excluded.push("uploads".into());
    prod.branch = "release".parse::<BranchName>().unwrap();
    prod.clusters.reverse();
    let tx = crate::support::store::change(&store).await;
    environments::update(&tx, &prod).await.unwrap();
    let mut changed = shop.clone();
    changed.method = SyncMethod::InPlace;
    projects::update(&tx, &changed).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(environments::by_id(&store.store, prod.id).await.unwrap(), prod);
    assert_eq!(
        environments::list(&store.store, shop.id).await.unwrap(),
        [prod.clone()]
    );
    assert_eq!(environments::all(&store.store).await.unwrap(), [prod]);
    assert_eq!(projects::list(&store.store).await.unwrap(), [changed]);
}

async fn what_does_not_exist_cannot_be_pointed_at(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let mut ghost = server("ghost");
    ghost.id = deployer::domain::ServerId(99);
    let tx = crate::support::store::change(&store).await;
    let error = clusters::insert(&tx, &cluster("web", &[ghost]))
        .await
        .unwrap_err();
    assert_eq!(error.field_errors()[0].field, "members");
    let mut lost = crate::support::store::environment(&shop, "prod");
    lost.project_id = deployer::domain::ProjectId(99);
    // The database itself refuses: foreign keys are in force.
    assert!(environments::insert(&tx, &lost).await.is_err());
}

async fn a_replaced_host_key_is_remembered_and_not_trusted(on: Database) {
    let store = TestStore::on(on).await;
    let web1 = store.servers("web", 1).await.remove(0);
    let key = |name: &str, at| HostKey {
        openssh: format!("ssh-ed25519 {name}"),
        fingerprint: format!("SHA256:{name}"),
        pinned_at: at,
        pinned_by: "root".into(),
    };
    let (old, new) = (key("old", noon()), key("new", after(60)));
    for pinned in [&old, &new] {
        let tx = crate::support::store::change(&store).await;
        servers::pin_host_key(&tx, web1.id, pinned).await.unwrap();
        crate::support::store::bring_in(tx).await;
    }
    let trusted = servers::by_id(&store.store, web1.id).await.unwrap().host_key;
    assert_eq!(trusted, Some(new.clone()));
    assert_eq!(
        servers::list(&store.store).await.unwrap()[0].host_key,
        Some(new.clone())
    );
    let history = servers::host_key_history(&store.store, web1.id).await.unwrap();
    assert_eq!(history, [(new, None), (old, Some(after(60)))]);
}

async fn deleting_everything_keeps_the_history(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let hosts = store.servers("web", 1).await;
    let web = store.cluster("web", &hosts).await;
    let prod = store.environment(&shop, "prod", &[&web]).await;
    store.deployment(&deployment(&shop, &prod, &hosts)).await;
    let lease = store.claim().await.lease;
    let tx = store.record_leased(lease).await.unwrap();
    let plan = [steps::NewStep {
        server_id: Some(hosts[0].id),
        server_name: "web1".into(),
        kind: deployer::domain::StepKind::Sync,
    }];
    steps::insert(&tx, &plan).await.unwrap();
    let release = releases::NewRelease {
        server_id: hosts[0].id,
        server: "web1".into(),
        environment_id: prod.id,
        branch: "main".into(),
        commit: commit(1),
        path: "/srv/shop/prod".into(),
        at: noon(),
    };
    releases::record(&tx, &release).await.unwrap();
    tx.commit().await.unwrap();

    // While it runs, nothing it needs can go.
    let tx = crate::support::store::change(&store).await;
    for refusal in [
        projects::delete(&tx, shop.id).await.unwrap_err(),
        environments::delete(&tx, prod.id).await.unwrap_err(),
        servers::delete(&tx, hosts[0].id).await.unwrap_err(),
    ] {
        assert_eq!(refusal.kind(), ErrorKind::Conflict, "{refusal}");
    }
    drop(tx);

    store.end(lease, DeploymentState::Succeeded).await;
    let tx = crate::support::store::change(&store).await;
    clusters::delete(&tx, web.id).await.unwrap();
    servers::delete(&tx, hosts[0].id).await.unwrap();
    projects::delete(&tx, shop.id).await.unwrap();
    crate::support::store::bring_in(tx).await;

    assert_eq!(store.rows("environments").await, 0);
    let kept = deployments::by_id(&store.store, lease.deployment).await.unwrap();
    assert_eq!((kept.project_id, kept.environment_id), (None, None));
    assert_eq!(
        (kept.project.as_str(), kept.environment.as_str()),
        ("shop", "prod")
    );
    let parts = deployments::servers(&store.store, kept.id).await.unwrap();
    assert_eq!((parts[0].server_id, parts[0].server.as_str()), (None, "web1"));
    let steps = steps::list(&store.store, kept.id).await.unwrap();
    assert_eq!(
        (steps[0].server_id, steps[0].server_name.as_str()),
        (None, "web1")
    );
    assert_eq!(store.rows("releases").await, 1);
    assert!(releases::all_current(&store.store).await.unwrap().is_empty());
}

on_every_database! {
    a_name_is_taken_in_whatever_case,
    what_is_stored_comes_back_the_same,
    what_does_not_exist_cannot_be_pointed_at,
    a_replaced_host_key_is_remembered_and_not_trusted,
    deleting_everything_keeps_the_history,
}
