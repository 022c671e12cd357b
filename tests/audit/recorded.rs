//! What used to leave no trace: starts, stops, and what changes in the policy files.

use deployer::app::{lifetime, policy};
use deployer::store::{AuditFilter, Page, audit};

use crate::support::world::{World, access};

async fn newest(world: &World, count: u64) -> Vec<(String, serde_json::Value)> {
    let page = audit::list(&world.store, &AuditFilter::default(), Page::Newest, count).await;
    let events = page.unwrap().items.into_iter().map(|one| one.event);
    events.map(|event| (event.action, event.detail)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_and_stops_are_recorded_and_a_missing_stop_is_told() {
    let world = World::simple().await;
    lifetime::started(&world.app).await.unwrap();
    lifetime::stopped(&world.app).await.unwrap();
    lifetime::started(&world.app).await.unwrap();
    lifetime::started(&world.app).await.unwrap();
    let told = newest(&world, 4).await;
    let actions: Vec<&str> = told.iter().map(|(action, _)| action.as_str()).collect();
    let (start, stop) = ("deployer.started", "deployer.stopped");
    assert_eq!(actions, [start, start, stop, start]);
    let unclean = told.iter().map(|(_, detail)| detail["unclean"].as_bool());
    assert_eq!(
        unclean.collect::<Vec<_>>(),
        [Some(true), Some(false), None, Some(false)]
    );
    assert_eq!(told[0].1["policy_changed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_come_and_go_in_the_policy_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let lines = "g, carol, role:sysadmin\n# A comment.\n";
    let own = access(dir.path(), lines);
    let mut world = World::simple().await;
    let parts = deployer::app::AppParts {
        access: std::sync::Arc::new(own),
        ..world.parts.clone()
    };
    world.app = deployer::app::App::new(parts);
    lifetime::started(&world.app).await.unwrap();
    let file = dir.path().join("policies/policy.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("g, carol,", "# Another.\ng, dave,")).unwrap();
    policy::reload(&world.app).await.unwrap();
    let told = newest(&world, 1).await.remove(0);
    assert_eq!(told.0, "policy.reloaded");
    assert_eq!(told.1["added"], serde_json::json!(["g, dave, role:sysadmin"]));
    assert_eq!(told.1["removed"], serde_json::json!(["g, carol, role:sysadmin"]));
    assert_eq!(told.1["cause"], "SIGHUP");
    lifetime::started(&world.app).await.unwrap();
    assert_eq!(newest(&world, 1).await[0].1["policy_changed"], false);

    // Changed while it was not running.
    std::fs::write(&file, text).unwrap();
    let reread = deployer::access::Access::load(&dir.path().join("policies")).unwrap();
    world.app = deployer::app::App::new(deployer::app::AppParts {
        access: std::sync::Arc::new(reread),
        ..world.parts.clone()
    });
    lifetime::started(&world.app).await.unwrap();
    let last = newest(&world, 1).await.remove(0).1;
    assert_eq!(last["policy_changed"], true);
    assert_eq!(last["before"], told.1["policy"]);
}
