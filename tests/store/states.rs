//! States are changed by comparing first; a worker that lost its deployment writes nothing.

use std::time::Duration;

use deployer::domain::endpoints::AtEndpoint;
use deployer::domain::rollout::EndpointPlace;
use deployer::domain::{
    DeploymentId, DeploymentState as S, ErrorKind, Phase, Plan, ServerState, StepKind, StepState, Strategy,
};
use deployer::store::{Fenced, deployments, queue, releases, steps};

use crate::support::databases::{Database, on_every_database};
use crate::support::store::{LEASE, TestStore, after, commit, deployment, noon};

async fn a_state_that_has_changed_meanwhile_is_not_overwritten(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let id = store.deployment(&deployment(&shop, &prod, &[])).await.id;
    let tx = crate::support::store::change(&store).await;
    deployments::set_state(&tx, id, S::Queued, S::Cancelled, after(5), "Not wanted.")
        .await
        .unwrap();
    let late = deployments::set_state(&tx, id, S::Queued, S::Running, after(6), "")
        .await
        .unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    assert!(late.message().contains("is cancelled now"), "{late}");
    let backwards = deployments::set_state(&tx, id, S::Cancelled, S::Queued, after(6), "").await;
    assert_eq!(backwards.unwrap_err().kind(), ErrorKind::Internal);
    crate::support::store::bring_in(tx).await;
    let ended = deployments::by_id(&store.store, id).await.unwrap();
    assert_eq!(ended.state, S::Cancelled);
    assert_eq!(ended.finished_at, Some(after(5)));
    assert_eq!(ended.outcome, "Not wanted.");
}

async fn a_worker_that_lost_its_lease_is_fenced_off(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let prod = store.environment(&shop, "prod", &[]).await;
    store.deployment(&deployment(&shop, &prod, &[])).await;
    let lost = store.claim().await.lease;
    let ended = |now| queue::Abandoned::LeaseEnded {
        now,
        ago: Duration::ZERO,
    };
    let which = ended(after(10));
    let early = queue::take_over(&store.store, which, "other", after(10), LEASE)
        .await
        .unwrap();
    assert!(early.is_empty(), "the lease still holds");
    store.let_leases_end().await;
    let which = ended(after(30));
    let mut taken = queue::take_over(&store.store, which, "other", after(30), LEASE)
        .await
        .unwrap();
    let new = taken.remove(0).lease;
    let refusal = store.record_leased(lost).await.map(drop).unwrap_err();
    assert!(Fenced::is(&refusal), "{refusal:?}");
    let refusal = queue::extend(&store.store, lost, after(60), LEASE)
        .await
        .unwrap_err();
    assert!(Fenced::is(&refusal), "{refusal:?}");
    queue::extend(&store.store, new, after(60), LEASE).await.unwrap();
    let which = ended(after(89));
    assert!(queue::abandoned(&store.store, which).await.unwrap().is_empty());
    store.end(new, S::Failed).await;
    let after_the_end = store.record_leased(new).await.map(drop).unwrap_err();
    assert!(
        Fenced::is(&after_the_end),
        "what has ended is nobody's: {after_the_end:?}"
    );
}

async fn a_worker_notes_how_far_it_is(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let hosts = store.servers("web", 2).await;
    let prod = store.environment(&shop, "prod", &[]).await;
    store.deployment(&deployment(&shop, &prod, &hosts)).await;
    let claimed = store.claim().await;
    assert_eq!(claimed.deployment.state, S::Running);
    assert_eq!(claimed.deployment.started_at, Some(noon()));
    let id = claimed.deployment.id;
    let tx = store.record_leased(claimed.lease).await.unwrap();
    let step = |kind, server: Option<usize>| steps::NewStep {
        server_id: server.map(|at| hosts[at].id),
        server_name: server.map_or_else(String::new, |at| hosts[at].name.to_string()),
        kind,
    };
    let plan = [
        step(StepKind::Check, None),
        step(StepKind::Sync, Some(0)),
        step(StepKind::Sync, Some(1)),
    ];
    let planned = steps::insert(&tx, &plan).await.unwrap();
    assert_eq!(
        planned.iter().map(|one| one.position).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    deployments::set_phase(&tx, Phase::RollOut).await.unwrap();
    deployments::set_previous_commit(&tx, 0, Some(&commit(7)))
        .await
        .unwrap();
    deployments::set_server(&tx, 0, ServerState::Succeeded)
        .await
        .unwrap();
    steps::start(&tx, planned[1].id, after(1)).await.unwrap();
    steps::finish(
        &tx,
        planned[1].id,
        StepState::Failed,
        Some(3),
        "It said no.",
        after(2),
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    noted(&store, id).await;
}

async fn noted(store: &TestStore, id: DeploymentId) {
    let seen = steps::list(&store.store, id).await.unwrap();
    assert_eq!((seen[1].state, seen[1].exit_code), (StepState::Failed, Some(3)));
    assert_eq!(
        (seen[1].started_at, seen[1].finished_at),
        (Some(after(1)), Some(after(2)))
    );
    assert_eq!(
        deployments::by_id(&store.store, id).await.unwrap().phase,
        Phase::RollOut
    );
    let parts = deployments::servers(&store.store, id).await.unwrap();
    assert_eq!(parts[0].state, ServerState::Succeeded);
    assert_eq!(parts[0].previous_commit, Some(commit(7)));
    assert_eq!(parts[1].state, ServerState::Waiting);
}

async fn the_first_who_cancels_is_remembered(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let id = store.deployment(&deployment(&shop, &prod, &[])).await.id;
    let tx = crate::support::store::change(&store).await;
    deployments::request_cancel(&tx, id, "alice", noon())
        .await
        .unwrap();
    deployments::request_cancel(&tx, id, "bob", noon()).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert!(queue::cancel_requested(&store.store, id).await.unwrap());
    let seen = deployments::by_id(&store.store, id).await.unwrap();
    assert_eq!(seen.cancelled_by.as_deref(), Some("alice"));
}

async fn a_form_sent_twice_is_one_deployment(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let mut new = deployment(&shop, &prod, &[]);
    new.request_key = Some("form-1".into());
    let first = store.deployment(&new).await;
    let tx = crate::support::store::change(&store).await;
    let again = deployments::insert(&tx, &new).await.unwrap_err();
    assert!(
        again
            .message()
            .contains(&format!("became deployment {}", first.id)),
        "{again}"
    );
    let found = deployments::by_request_key(&tx, "form-1").await.unwrap();
    assert_eq!(found.unwrap(), first);
}

async fn only_the_newest_release_of_a_server_is_in_use(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let hosts = store.servers("web", 1).await;
    let prod = store.environment(&shop, "prod", &[]).await;
    for number in 1..=3 {
        store.deployment(&deployment(&shop, &prod, &hosts)).await;
        let lease = store.claim().await.lease;
        let tx = store.record_leased(lease).await.unwrap();
        let release = releases::NewRelease {
            server_id: hosts[0].id,
            server: "web1".into(),
            environment_id: prod.id,
            branch: "main".into(),
            commit: commit(number),
            path: format!("/srv/shop/releases/{number}"),
            at: noon(),
        };
        releases::record(&tx, &release).await.unwrap();
        tx.commit().await.unwrap();
        store.end(lease, S::Succeeded).await;
    }
    let current = releases::current(&store.store, prod.id).await.unwrap();
    assert_eq!(
        current.iter().map(|one| &one.commit).collect::<Vec<_>>(),
        [&commit(3)]
    );
    let before = releases::to_return_to(&store.store, prod.id, hosts[0].id).await;
    assert_eq!(before.unwrap(), ["/srv/shop/releases/2"]);
    assert_eq!(store.rows("releases").await, 3);
}

async fn progress_counts_what_a_stop_kept_from_its_turn(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let hosts = store.servers("web", 5).await;
    let prod = store.environment(&shop, "prod", &[]).await;
    store.deployment(&deployment(&shop, &prod, &hosts)).await;
    let claimed = store.claim().await;
    let id = claimed.deployment.id;
    let tx = store.record_leased(claimed.lease).await.unwrap();
    let batch = |at: usize| {
        let server = serde_json::json!({
            "server": hosts[at].id, "name": hosts[at].name, "cluster": "web", "slots": [], "by_hand": [],
        });
        serde_json::json!({ "title": "web", "servers": [server], "hold": null, "take_out": [] })
    };
    let plan = serde_json::json!({
        "strategy": Strategy::AllAtOnce, "restore": "each", "pools": [], "notes": [],
        "batches": (0..4).map(batch).collect::<Vec<_>>(),
        "left_alone": [{ "name": hosts[4].name, "cluster": "web", "why": "It is switched off." }],
    });
    let plan: Plan = serde_json::from_value(plan).unwrap();
    deployments::set_plan(&tx, &plan).await.unwrap();
    deployments::set_server(&tx, 0, ServerState::Succeeded)
        .await
        .unwrap();
    for position in 1..5 {
        deployments::set_server(&tx, position, ServerState::Skipped)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let progress = deployments::progress(&store.store, &[id]).await.unwrap();
    assert_eq!(progress[&id], (1, 4));
}

async fn where_servers_are_held_out_is_kept_until_they_are_let_in(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let web = store.servers("web", 1).await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let id = store.deployment(&deployment(&shop, &prod, &web)).await.id;
    let at = |endpoint: &str| EndpointPlace {
        endpoint: endpoint.into(),
        backend: "web".into(),
        server: "web1".into(),
    };
    let long = format!("unix:/{}", "x".repeat(3000));
    let (one, two) = (at(&long), at("tcp://lb2:1"));
    let whose = (web[0].id, id);
    let record = store.record().await.unwrap();
    deployments::hold_out(&record, whose, &[one.clone(), two.clone()], AtEndpoint::TakenOut)
        .await
        .unwrap();
    // Noted again, it is not there twice.
    deployments::hold_out(&record, whose, std::slice::from_ref(&two), AtEndpoint::PutBack)
        .await
        .unwrap();
    record.commit().await.unwrap();
    let held = deployments::held_out(&store.store).await.unwrap();
    let states: Vec<_> = held.iter().map(|one| (&one.place, one.state)).collect();
    assert_eq!(
        states,
        [(&one, AtEndpoint::TakenOut), (&two, AtEndpoint::PutBack)]
    );
    assert!(held.iter().all(|one| (one.server, one.deployment) == whose));
    let of = deployments::by_id(&store.store, held[0].deployment)
        .await
        .unwrap();
    assert_eq!(of.environment_id, Some(prod.id));
    // Nothing of it is back in service as far as the store knows.
    assert_eq!(deployments::residues(&store.store).await.unwrap(), []);
    let (from, to) = ("'back'", id.0);
    let sql = format!("UPDATE deployment_servers SET service = {from} WHERE deployment_id = {to}");
    store.tamper(&sql).await;
    assert_eq!(deployments::residues(&store.store).await.unwrap(), held);
    let record = store.record().await.unwrap();
    deployments::let_in(&record, &[one]).await.unwrap();
    record.commit().await.unwrap();
    assert_eq!(store.rows("held_out").await, 1);
    let tx = crate::support::store::change(&store).await;
    deployments::forget(&tx, web[0].id, id).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(store.rows("held_out").await, 0);
}

on_every_database! {
    where_servers_are_held_out_is_kept_until_they_are_let_in,
    progress_counts_what_a_stop_kept_from_its_turn,
    a_state_that_has_changed_meanwhile_is_not_overwritten,
    a_worker_that_lost_its_lease_is_fenced_off,
    a_worker_notes_how_far_it_is,
    the_first_who_cancels_is_remembered,
    a_form_sent_twice_is_one_deployment,
    only_the_newest_release_of_a_server_is_in_use,
}
