//! What will happen, before anybody presses the button.

use deployer::app::deployments::Choice;
use deployer::app::plans;
use deployer::domain::{EnvironmentOptions, ErrorKind, Share, Strategy};
use deployer::store::servers;

use super::{person, still};

const DEV: (&str, &str) = ("shop", "dev");

#[tokio::test(flavor = "multi_thread")]
async fn the_preview_shows_batches_and_skipped_servers() {
    let world = still(EnvironmentOptions::default()).await;
    let mut away = servers::by_name(&world.store, "web2").await.unwrap();
    away.active = false;
    let tx = crate::support::store::change(&world.store).await;
    servers::update(&tx, &away).await.unwrap();
    crate::support::store::bring_in(tx).await;

    let shown = plans::preview(&world.app, &person("lena"), DEV, Choice::All, None).await;
    let plan = shown.unwrap().unwrap();
    let servers: Vec<&str> = plan.servers().map(|one| one.name.as_str()).collect();
    assert_eq!(servers, ["web1"]);
    assert_eq!(plan.left_alone[0].name, "web2");
    assert_eq!(plan.strategy, Strategy::ClusterByCluster);

    let rolling = Strategy::Rolling {
        batch: Share::Count(1),
        keep: None,
    };
    let shown = plans::preview(&world.app, &person("lena"), DEV, Choice::All, Some(rolling)).await;
    assert_eq!(shown.unwrap().unwrap().strategy, rolling);
    let only = plans::preview(&world.app, &person("lena"), DEV, Choice::Server(away.id), None).await;
    assert!(only.unwrap().unwrap_err().contains("no active server"));
    let stranger = plans::preview(&world.app, &person("nobody"), DEV, Choice::All, None).await;
    assert_eq!(stranger.unwrap_err().kind(), ErrorKind::NotFound);
}
