//! What a deployment finds out only when it begins, and then does not begin.

use deployer::domain::{DeploymentState, EnvironmentOptions};

use super::hardship::tamper;
use crate::support::world::{Wishes, World};

#[tokio::test(flavor = "multi_thread")]
async fn one_machine_under_two_names_is_not_deployed_to_twice_at_once() {
    let mut world = World::with(Wishes {
        clusters: vec![2],
        ..Wishes::default()
    })
    .await;
    let commit = world.commit("Begin").await;
    tamper(
        &world,
        "UPDATE servers SET port = (SELECT port FROM servers WHERE name = 'web1')",
    )
    .await;
    let done = world.deploy(&commit).await;
    assert_eq!(done.state, DeploymentState::Failed);
    for part in world.parts(done.id).await {
        assert!(part.detail.contains("so both are one machine"), "{part:#?}");
    }
    // Under another spelling it is known by its key, and by where the name leads.
    let web = "(SELECT id FROM servers WHERE name = ";
    for sql in [
        "UPDATE servers SET address = 'localhost' WHERE name = 'web2'".to_owned(),
        format!(
            "UPDATE host_keys SET openssh = (SELECT openssh FROM host_keys WHERE server_id = {web}'web1')) WHERE server_id = {web}'web2')"
        ),
    ] {
        tamper(&world, &sql).await;
    }
    let done = world.deploy(&commit).await;
    for part in world.parts(done.id).await {
        assert!(part.detail.contains("so both are one machine"), "{part:#?}");
    }
    assert!(!world.home(1, "dev/shop").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_its_branch_has_lost_meanwhile_is_not_deployed() {
    let mut world = World::simple().await;
    let first = world.commit("Begin").await;
    world.repository.write("more", "1");
    let lost = world.commit("Soon lost").await;
    // Somebody rewrites the branch after the mirror was brought up to date.
    world.repository.git(&["reset", "--hard", &first]);
    world.repository.write("other", "1");
    world.repository.commit("Instead");
    let done = world.deploy(&lost).await;
    assert_eq!(done.state, DeploymentState::Failed, "{}", done.outcome);
    assert!(
        done.outcome.contains("is not on branch main any more"),
        "{}",
        done.outcome
    );
    assert!(!world.home(1, "dev/shop").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_nothing_is_refused() {
    let mut world = World::with(Wishes {
        options: EnvironmentOptions {
            excluded: vec!["*".into()],
            ..EnvironmentOptions::default()
        },
        ..Wishes::default()
    })
    .await;
    let commit = world.commit("Begin").await;
    let done = world.deploy(&commit).await;
    assert_eq!(done.state, DeploymentState::Failed);
    assert!(done.outcome.contains("nothing to deploy"), "{}", done.outcome);
}
