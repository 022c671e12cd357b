//! A deployment that a later one has replaced.

use deployer::app::deployments::{self, Choice, DeployRequest};
use deployer::app::watch;
use deployer::domain::ServerState::{Failed, Succeeded};
use deployer::domain::{DeploymentState, EnvironmentOptions, ErrorKind};
use deployer::store::servers;

use super::{ask, carry_out, commit, done, hash, person, still, wanted};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_replaced_is_redeployed_without_showing_what_that_removes() {
    let mut world = still(EnvironmentOptions::default()).await;
    let first = commit(&mut world, "1").await;
    let old = done(&world, &first).await;
    let (_, acts) = watch::see(&world.app, &person("dora"), old).await.unwrap();
    assert!(acts.again && acts.superseded.is_none() && !acts.again_by_form);

    // To one of its servers first, then to the other.
    let second = commit(&mut world, "2").await;
    for (name, replaced) in [("web1", 1), ("web2", 2)] {
        let server = servers::by_name(&world.store, name).await.unwrap();
        let one = DeployRequest {
            choice: Choice::Server(server.id),
            ..wanted(&second)
        };
        let id = ask(&world, "dora", one).await.unwrap().id();
        carry_out(&world, id, &[Succeeded], DeploymentState::Succeeded).await;
        let (_, acts) = watch::see(&world.app, &person("dora"), old).await.unwrap();
        let later = acts.superseded.expect("it was replaced");
        assert_eq!((later.by, later.commit), (id, hash(&second)));
        assert_eq!((later.servers, later.of), (replaced, 2));
        assert!(!acts.again && acts.again_by_form);
        // A page that was opened before still has the button.
        let refused = deployments::again(&world.app, &person("dora"), old).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict);
        assert!(
            refused.message().contains(&format!("deployment {id} has put")),
            "{refused}"
        );
        let (_, acts) = watch::see(&world.app, &person("dora"), id).await.unwrap();
        assert!(acts.again && acts.superseded.is_none(), "{acts:?}");
    }
    // Of whoever only looks, nothing is asked.
    let (_, acts) = watch::see(&world.app, &person("lena"), old).await.unwrap();
    assert!(acts.superseded.is_some() && !acts.again_by_form);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_commit_again_replaces_nothing() {
    let mut world = still(EnvironmentOptions::default()).await;
    let first = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&first)).await.unwrap().id();
    carry_out(&world, id, &[Succeeded, Failed], DeploymentState::Failed).await;
    done(&world, &first).await;
    let (_, acts) = watch::see(&world.app, &person("dora"), id).await.unwrap();
    assert!(acts.superseded.is_none() && acts.again, "{acts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_not_promoted_to_where_a_newer_one_runs() {
    let mut world = still(EnvironmentOptions::default()).await;
    let first = commit(&mut world, "1").await;
    let old = done(&world, &first).await;
    let second = commit(&mut world, "2").await;
    let new = done(&world, &second).await;
    // On one server of beta only: that one would go back.
    let server = servers::by_name(&world.store, "web1").await.unwrap();
    let beta = |choice| DeployRequest {
        choice,
        ..DeployRequest::new("shop", "beta", &second)
    };
    let one = ask(&world, "rita", beta(Choice::Server(server.id))).await;
    carry_out(
        &world,
        one.unwrap().id(),
        &[Succeeded],
        DeploymentState::Succeeded,
    )
    .await;
    let (_, acts) = watch::see(&world.app, &person("rita"), old).await.unwrap();
    let found: Vec<_> = acts.promote_to.iter().map(|one| (one.back, one.of)).collect();
    assert_eq!(found, [(1, 2)]);
    let (_, acts) = watch::see(&world.app, &person("rita"), new).await.unwrap();
    assert_eq!(acts.promote_to[0].back, 0);

    let all = ask(&world, "rita", beta(Choice::All)).await.unwrap().id();
    carry_out(&world, all, &[Succeeded, Succeeded], DeploymentState::Succeeded).await;
    let (_, acts) = watch::see(&world.app, &person("rita"), old).await.unwrap();
    assert!(acts.promote_to.is_empty());
    let why: Vec<&str> = acts.obstacles.iter().map(|one| one.why.as_str()).collect();
    let told = format!("beta runs a newer commit than {} already.", &first[..8]);
    assert!(why.contains(&told.as_str()), "{why:?}");
}
