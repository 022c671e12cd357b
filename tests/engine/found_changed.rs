//! What a deployer finds changed when it takes up a paused deployment, and what it does then: it stays paused
//! until all is as it was.

use std::path::Path;
use std::time::Duration;

use deployer::app::deployments;
use deployer::domain::ServerState::{Succeeded, Waiting};
use deployer::domain::{Answer, DeploymentState, Share, Strategy};
use deployer::store::{deployments as rows, servers};

use super::killed::Served;
use super::taken_up::{
    CANARY, answer, continue_whole, exclude_version, killed_in_a_pause, killed_while_paused, prepared,
    until_found, update,
};
use crate::support::world::{World, admin, bring_in, change};

#[tokio::test(flavor = "multi_thread")]
async fn another_release_of_the_same_commit_keeps_it_paused() {
    let (world, _, second) = prepared(World::project()).await;
    let (id, _) = killed_while_paused(&world, &second, CANARY).await;
    let link = world.home(1, "dev/shop");
    let ours = std::fs::read_link(&link).unwrap();
    let name = ours.file_name().unwrap().to_str().unwrap();
    let other = ours.with_file_name(name.replace(&format!("_{id}"), "_999"));
    let point_to = |place: &Path| {
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(place, &link).unwrap();
    };
    std::fs::rename(&ours, &other).unwrap();
    point_to(&other);

    let _again = Served::start(&world);

    until_found(&world, id, "web1 runs another release of").await;
    std::fs::rename(&other, &ours).unwrap();
    point_to(&ours);
    continue_whole(&world, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_marked_as_unfinished_keeps_it_paused() {
    let (world, _, second) = prepared(World::project()).await;
    let (id, _) = killed_while_paused(&world, &second, CANARY).await;
    let marker = world.home(1, "dev/shop/.git_release");
    let whole = std::fs::read_to_string(&marker).unwrap();
    std::fs::write(&marker, format!("{whole}deployment in progress\n")).unwrap();

    let _again = Served::start(&world);

    until_found(&world, id, "web1 has an unfinished release of").await;
    std::fs::write(&marker, whole).unwrap();
    continue_whole(&world, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_alone_continues_nothing_that_was_found_changed() {
    let strategy = Strategy::Canary {
        first: 1,
        wait: Some(2),
        batch: Share::Count(2),
        keep: None,
    };
    let (world, _, second) = prepared(World::project()).await;
    let (id, _) = killed_while_paused(&world, &second, strategy).await;
    let before = exclude_version(&world).await;

    let _again = Served::start(&world);

    until_found(&world, id, "The settings of dev were changed").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let still = rows::by_id(&world.store, id).await.unwrap();
    assert_eq!(still.state, DeploymentState::Paused);
    let pause = still.pause.unwrap();
    assert!(pause.chosen.is_none() && pause.until.is_none(), "{pause:?}");
    update(&world, &before).await;
    continue_whole(&world, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_or_switched_off_keeps_it_paused() {
    let (mut world, id, _again) = killed_in_a_pause(World::project()).await;
    world.servers[2].go_down();
    answer(&world, id, Answer::Resume).await;
    until_found(&world, id, "web3: ").await;
    world.servers[2].come_back();

    let tx = change(&world.store).await;
    let mut last = servers::by_name(&tx, "web3").await.unwrap();
    last.active = false;
    servers::update(&tx, &last).await.unwrap();
    bring_in(tx).await;
    answer(&world, id, Answer::Resume).await;
    until_found(&world, id, "in no cluster of this environment any more: web3").await;
    assert_eq!(world.states(id).await, [Succeeded, Waiting, Waiting]);

    let tx = change(&world.store).await;
    last.active = true;
    servers::update(&tx, &last).await.unwrap();
    bring_in(tx).await;
    continue_whole(&world, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_while_nobody_was_at_work_ends_at_the_next_start() {
    let (world, _, second) = prepared(World::project()).await;
    let (id, _) = killed_while_paused(&world, &second, CANARY).await;
    deployments::cancel(&world.app, &admin(), id).await.unwrap();
    let _again = Served::start(&world);
    assert_eq!(world.end(id).await.state, DeploymentState::Cancelled);
    let versions = [1, 2, 3].map(|server| world.read(server, "dev/shop/version"));
    assert_eq!(versions, ["2", "1", "1"]);
    assert!(!world.log(id).await.contains("The deployer was started again"));
}
