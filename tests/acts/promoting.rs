//! From one environment to the next.

use deployer::app::deployments::{self, Choice, DeployRequest};
use deployer::app::watch;
use deployer::domain::ServerState::Succeeded;
use deployer::domain::{Action, DeploymentState, EnvironmentOptions, ErrorKind, Kind};
use deployer::store::servers;

use super::{ask, carry_out, commit, done, environment, hash, person, seen, still, wanted};

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_counts_as_proven_once_all_servers_have_it() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let to_beta = || DeployRequest::new("shop", "beta", &commit);
    let dev = environment(&world, "dev").await;
    for (name, proven) in [("web1", false), ("web2", true)] {
        let server = servers::by_name(&world.store, name).await.unwrap();
        let one = DeployRequest {
            choice: Choice::Server(server.id),
            ..wanted(&commit)
        };
        let id = ask(&world, "dora", one).await.unwrap().id();
        carry_out(&world, id, &[Succeeded], DeploymentState::Succeeded).await;

        let found = deployments::proven(&world.app, &dev, &[hash(&commit)])
            .await
            .unwrap();
        assert_eq!(found.len() == 1, proven, "after {name}");
        let asked = ask(&world, "admin", to_beta()).await;
        match asked {
            Ok(_) => assert!(proven, "after {name}"),
            Err(error) => {
                assert!(
                    !proven && error.message().contains("must first succeed on all servers"),
                    "{error}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_an_inactive_server() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let mut second = servers::by_name(&world.store, "web2").await.unwrap();
    second.active = false;
    let tx = crate::support::store::change(&world.store).await;
    servers::update(&tx, &second).await.unwrap();
    crate::support::store::bring_in(tx).await;
    let first = servers::by_name(&world.store, "web1").await.unwrap();
    let one = DeployRequest {
        choice: Choice::Server(first.id),
        ..wanted(&commit)
    };
    let id = ask(&world, "dora", one).await.unwrap().id();
    carry_out(&world, id, &[Succeeded], DeploymentState::Succeeded).await;

    ask(&world, "admin", DeployRequest::new("shop", "beta", &commit))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_button_promotes_a_commit_to_the_next_environment() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&commit)).await.unwrap().id();
    let early = deployments::promote(&world.app, &person("admin"), id, "beta").await;
    assert!(early.unwrap_err().message().contains("has not succeeded"));
    carry_out(&world, id, &[Succeeded, Succeeded], DeploymentState::Succeeded).await;

    // Sunday: dora may bring nothing to beta.
    let (_, acts) = watch::see(&world.app, &person("dora"), id).await.unwrap();
    assert!(acts.promote_to.is_empty() && acts.again);
    assert_eq!(acts.obstacles, []);
    assert!(acts.refusals.iter().any(|one| one.action == Action::Deploy));
    let refused = deployments::promote(&world.app, &person("dora"), id, "beta").await;
    assert_eq!(refused.unwrap_err().refusal().unwrap().action, Action::Deploy);
    let (_, acts) = watch::see(&world.app, &person("rita"), id).await.unwrap();
    let next: Vec<&str> = acts
        .promote_to
        .iter()
        .map(|one| one.environment.as_str())
        .collect();
    assert_eq!(next, ["beta"]);
    let wrong = deployments::promote(&world.app, &person("rita"), id, "dev").await;
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Conflict);
    let promoted = deployments::promote(&world.app, &person("rita"), id, "beta").await;

    let promoted = seen(&world, promoted.unwrap().id()).await;
    assert_eq!(
        (
            promoted.kind,
            promoted.environment.as_str(),
            promoted.commit.as_str()
        ),
        (Kind::Promotion, "beta", commit.as_str())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_is_neither_promoted_nor_redeployed_by_a_button() {
    let mut world = still(EnvironmentOptions::default()).await;
    let first = commit(&mut world, "1").await;
    let old = done(&world, &first).await;
    let second = commit(&mut world, "2").await;
    let new = done(&world, &second).await;
    let promoted = deployments::promote(&world.app, &person("rita"), new, "beta").await;
    let promoted = promoted.unwrap().id();
    carry_out(&world, promoted, &[Succeeded; 2], DeploymentState::Succeeded).await;
    let (_, acts) = watch::see(&world.app, &person("rita"), old).await.unwrap();
    assert!(acts.promote_to.is_empty(), "{acts:?}");
    let told: String = acts.obstacles.iter().map(|one| one.why.as_str()).collect();
    assert!(told.contains("beta runs a newer commit than"), "{told}");
    assert!(
        !acts.again && acts.again_by_form && acts.superseded.is_some(),
        "{acts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_touched_no_server_has_nothing_to_roll_back() {
    let mut world = still(EnvironmentOptions::default()).await;
    let first = commit(&mut world, "1").await;
    done(&world, &first).await;
    let second = commit(&mut world, "2").await;
    let web1 = servers::by_name(&world.store, "web1").await.unwrap();
    let one = DeployRequest {
        choice: Choice::Server(web1.id),
        ..wanted(&second)
    };
    let id = ask(&world, "dora", one).await.unwrap().id();
    carry_out(&world, id, &[Succeeded], DeploymentState::Succeeded).await;
    let third = commit(&mut world, "3").await;
    let id = ask(&world, "dora", wanted(&third)).await.unwrap().id();
    carry_out(&world, id, &[], DeploymentState::Failed).await;
    let (_, acts) = watch::see(&world.app, &person("dora"), id).await.unwrap();
    assert_eq!(acts.roll_back_to, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_leads_to_the_last_success_not_to_the_previous_deployment() {
    use deployer::domain::ServerState::Failed;
    let mut world = still(EnvironmentOptions::default()).await;
    let good = commit(&mut world, "1").await;
    done(&world, &good).await;
    let mut last = None;
    for text in ["2", "3"] {
        let bad = commit(&mut world, text).await;
        let id = ask(&world, "dora", wanted(&bad)).await.unwrap().id();
        carry_out(&world, id, &[Failed], DeploymentState::Failed).await;
        last = Some(id);
    }
    let last = last.unwrap();
    let (_, acts) = watch::see(&world.app, &person("dora"), last).await.unwrap();
    assert_eq!(acts.roll_back_to, Some(hash(&good)));
    let refused = deployments::roll_back(&world.app, &person("lena"), last).await;
    assert_eq!(refused.unwrap_err().refusal().unwrap().action, Action::Rollback);
    let back = deployments::roll_back(&world.app, &person("dora"), last)
        .await
        .unwrap();
    assert_eq!(seen(&world, back.id()).await.commit, hash(&good));
    carry_out(&world, back.id(), &[Succeeded; 2], DeploymentState::Succeeded).await;
    // Now there is nothing left to roll back.
    let (_, acts) = watch::see(&world.app, &person("dora"), last).await.unwrap();
    assert_eq!(acts.roll_back_to, None);
    let refused = deployments::roll_back(&world.app, &person("dora"), last).await;
    let refused = refused.unwrap_err();
    assert!(
        refused.message().contains("Every server of deployment"),
        "{refused}"
    );
}
