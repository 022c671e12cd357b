//! Taking up what an earlier deployment has left undone.

use deployer::app::deployments;
use deployer::app::watch;
use deployer::domain::ServerState::{Failed, Interrupted, Succeeded};
use deployer::domain::{Action, DeploymentState, EnvironmentOptions, ErrorKind, Target};

use super::{PEOPLE, ask, carry_out, commit, done, person, seen, split, still, wanted};
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_redeploys_failed_servers_and_a_resume_the_remaining_ones() {
    let mut world = World::project()
        .clusters(&[1, 1, 1])
        .environment("beta")
        .policy(PEOPLE)
        .start()
        .await;
    world.script("deploy.sh", "test ! -e ~/broken");
    let commit = commit(&mut world, "1").await;
    std::fs::write(world.home(2, "broken"), "").unwrap();
    let whole = world.deploy(&commit).await;
    assert_eq!(whole.state, DeploymentState::Failed);
    let (_, acts) = watch::see(&world.app, &person("dora"), whole.id).await.unwrap();
    assert_eq!(
        (acts.retry, acts.resume),
        (1, 2),
        "{:#?}",
        world.parts(whole.id).await
    );
    std::fs::remove_file(world.home(2, "broken")).unwrap();

    let retry = deployments::retry(&world.app, &person("dora"), whole.id)
        .await
        .unwrap();
    let retry = world.end(retry.id()).await;
    assert_eq!(retry.state, DeploymentState::Succeeded, "{}", retry.outcome);
    assert_eq!(retry.origin, Some(whole.id));
    assert_eq!(retry.target.to_string(), "server web2");
    let (done, left) = split(&world, retry.id).await;
    assert_eq!(done, ["web2"]);
    assert_eq!(
        left,
        [
            format!("web1: Has this commit since deployment {}.", whole.id),
            "web3: Not part of a retry: it did not fail.".to_owned(),
        ]
    );
    assert!(!world.home(3, "dev/shop").exists());
    let early = deployments::promote(&world.app, &person("admin"), retry.id, "beta").await;
    assert!(early.is_err(), "web3 does not have it");

    let rest = deployments::resume(&world.app, &person("dora"), whole.id)
        .await
        .unwrap();
    let rest = world.end(rest.id()).await;
    assert_eq!(rest.state, DeploymentState::Succeeded, "{}", rest.outcome);
    assert_eq!(split(&world, rest.id).await.0, ["web3"]);
    assert_eq!(rest.target, Target::Environment);
    assert_eq!(world.read(3, "dev/shop/a"), "1");
    let none = deployments::resume(&world.app, &person("dora"), whole.id).await;
    assert_eq!(none.unwrap_err().kind(), ErrorKind::Conflict);
    let (_, acts) = watch::see(&world.app, &person("dora"), whole.id).await.unwrap();
    assert_eq!((acts.retry, acts.resume), (0, 0));
    deployments::promote(&world.app, &person("admin"), rest.id, "beta")
        .await
        .expect("now all servers have it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_deployment_resumes_where_it_stopped() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&commit)).await.unwrap().id();
    carry_out(
        &world,
        id,
        &[Succeeded, Interrupted],
        DeploymentState::Interrupted,
    )
    .await;
    let (_, acts) = watch::see(&world.app, &person("dora"), id).await.unwrap();
    assert_eq!((acts.retry, acts.resume), (0, 1));

    let refused = deployments::resume(&world.app, &person("lena"), id).await;
    assert_eq!(refused.unwrap_err().refusal().unwrap().action, Action::Deploy);
    let nothing = deployments::retry(&world.app, &person("dora"), id).await;
    assert!(nothing.unwrap_err().message().contains("no failed server left"));
    let resumed = deployments::resume(&world.app, &person("dora"), id)
        .await
        .unwrap();
    assert_eq!(split(&world, resumed.id()).await.0, ["web2"]);
    // Everything again is something else than the rest.
    let again = deployments::again(&world.app, &person("dora"), id).await.unwrap();
    assert_ne!(again.id(), resumed.id());
    assert_eq!(split(&world, again.id()).await.0, ["web1", "web2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_does_not_mix_with_a_newer_deployment() {
    let mut world = still(EnvironmentOptions::default()).await;
    let old = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&old)).await.unwrap().id();
    carry_out(&world, id, &[Succeeded, Failed], DeploymentState::Failed).await;
    let new = commit(&mut world, "2").await;
    let newer = done(&world, &new).await;

    for refused in [
        deployments::retry(&world.app, &person("dora"), id).await,
        deployments::resume(&world.app, &person("dora"), id).await,
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict);
        assert!(
            refused.message().contains(&format!("Deployment {newer}")),
            "{refused}"
        );
    }
    let (_, acts) = watch::see(&world.app, &person("dora"), id).await.unwrap();
    assert_eq!((acts.retry, acts.resume), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successful_or_unstarted_deployment_has_nothing_to_resume() {
    let mut world = still(EnvironmentOptions::default()).await;
    let good = commit(&mut world, "1").await;
    let good = done(&world, &good).await;
    let never = commit(&mut world, "2").await;
    let never = ask(&world, "dora", wanted(&never)).await.unwrap().id();
    deployments::cancel(&world.app, &person("dora"), never)
        .await
        .unwrap();
    for (id, told) in [(good, "has succeeded"), (never, "never began")] {
        let refused = deployments::resume(&world.app, &person("dora"), id).await;
        let refused = refused.unwrap_err();
        assert!(refused.message().contains(told), "{refused}");
        assert_eq!(seen(&world, id).await.id, id);
    }
}
