//! The second person.

use chrono::TimeDelta;
use deployer::access::Access;
use deployer::app::deployments::{self, DeployRequest};
use deployer::app::tokens::{self, NewToken};
use deployer::app::watch;
use deployer::domain::{
    Actor, Approval, DeploymentState, EnvironmentOptions, ErrorKind, Kind, TokenScope, Variable,
};
use deployer::store::{deployments as rows, environments, projects};
use sha2::{Digest as _, Sha256};

use super::approved_in_vain::CHANGED;
use super::{ask, audited, begin, carry_out, commit, environment, person, seen, state, still, wanted};
use crate::support::store::noon;
use crate::support::world::{World, bring_in, change};

pub(super) fn approved() -> EnvironmentOptions {
    EnvironmentOptions {
        approval_hours: Some(2),
        ..EnvironmentOptions::default()
    }
}

fn acting(name: &str, by: &str) -> Actor {
    Actor {
        impersonator: Some(by.into()),
        ..person(name)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_takes_two_people() {
    let mut world = still(approved()).await;
    let commit = commit(&mut world, "1").await;
    let id = ask(&world, "admin", wanted(&commit)).await.unwrap().id();
    let awaiting = seen(&world, id).await;
    assert_eq!(awaiting.state, DeploymentState::Awaiting);
    assert_eq!(
        awaiting.approval.unwrap().expires_at,
        noon() + TimeDelta::hours(2)
    );
    assert_eq!(begin(&world, noon()).await, None, "it began without approval");

    for own in [person("admin"), acting("rita", "admin")] {
        let refused = deployments::approve(&world.app, &own, id).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Forbidden);
        assert!(refused.message().contains("needs a second person"), "{refused}");
    }
    let stranger = deployments::approve(&world.app, &person("dora"), id).await;
    assert!(
        stranger.unwrap_err().refusal().is_some(),
        "dora has no such right"
    );
    let (_, acts) = watch::see(&world.app, &person("admin"), id).await.unwrap();
    assert!(!acts.approve && acts.reject);
    assert!(acts.approve_obstacle.unwrap().contains("second person"));
    let (_, acts) = watch::see(&world.app, &person("rita"), id).await.unwrap();
    assert!(acts.approve && acts.approve_obstacle.is_none());

    deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap();

    let queued = seen(&world, id).await;
    assert_eq!(queued.state, DeploymentState::Queued);
    assert_eq!(queued.approval.unwrap().given, Some(("rita".into(), noon())));
    let plan = deployer::store::deployments::plan(&world.store, id).await;
    assert_eq!(
        plan.unwrap().unwrap().servers().count(),
        2,
        "what was approved is kept"
    );
    assert_eq!(
        audited(&world).await,
        [
            "admin deployment.requested allowed",
            "admin deployment.approve_refused refused",
            "rita deployment.approve_refused refused",
            "dora approve.refused refused",
            "rita deployment.approved allowed",
        ]
    );
    let twice = deployments::approve(&world.app, &person("rita"), id).await;
    assert_eq!(twice.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_through_an_account_of_which_they_made_a_token() {
    let mut world = still(approved()).await;
    let commit = commit(&mut world, "1").await;
    for name in ["dora", "rita"] {
        world.account(name).await;
    }
    let id = ask(&world, "dora", wanted(&commit)).await.unwrap().id();
    let by_dora = Access::local_operator("dora", world.clock.now());
    let new = NewToken {
        name: "ci".parse().unwrap(),
        expires_at: Some(noon() + TimeDelta::days(1)),
        scope: TokenScope::default(),
    };
    let made = tokens::make(&world.store, &by_dora, "rita", new).await.unwrap();
    let refused = deployments::approve(&world.app, &person("rita"), id).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    assert!(
        refused.message().contains("made an API token of rita"),
        "{refused}"
    );
    let by_host = Access::local_operator("root", world.clock.now());
    tokens::revoke(&world.store, &by_host, None, made.token.id)
        .await
        .unwrap();
    deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_what_an_account_requested_of_which_they_made_a_token() {
    let mut world = still(approved()).await;
    let commit = commit(&mut world, "1").await;
    for name in ["dora", "rita"] {
        world.account(name).await;
    }
    let id = ask(&world, "dora", wanted(&commit)).await.unwrap().id();
    let by_rita = Access::local_operator("rita", world.clock.now());
    let new = NewToken {
        name: "ci".parse().unwrap(),
        expires_at: None,
        scope: TokenScope::default(),
    };
    tokens::make(&world.store, &by_rita, "dora", new).await.unwrap();
    for approver in [person("rita"), acting("admin", "rita")] {
        let refused = deployments::approve(&world.app, &approver, id).await;
        let refused = refused.unwrap_err();
        assert!(
            refused
                .message()
                .contains("made an API token of its requester dora"),
            "{refused}"
        );
    }
    deployments::approve(&world.app, &person("admin"), id)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impersonator_cannot_approve_their_own_request() {
    let mut world = still(approved()).await;
    let commit = commit(&mut world, "1").await;
    let asked = deployments::request(&world.app, &acting("dora", "admin"), wanted(&commit)).await;
    let id = asked.unwrap().id();

    let refused = deployments::approve(&world.app, &person("admin"), id).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Forbidden);
    deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap();
    assert_eq!(state(&world, id).await, DeploymentState::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_comes_in_time_or_not_at_all() {
    let mut world = still(approved()).await;
    let commit = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&commit)).await.unwrap().id();

    world.clock.move_to(noon() + TimeDelta::hours(2));
    let late = deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap_err();

    assert!(
        late.message()
            .contains("deadline of deployment 1 was 2026-11-22 14:00 UTC"),
        "{late}"
    );
    assert_eq!(state(&world, id).await, DeploymentState::Awaiting);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_deployment_ends_with_the_reason() {
    let mut world = still(approved()).await;
    let commit = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&commit)).await.unwrap().id();

    let stranger = deployments::reject(&world.app, &person("dora"), id, "").await;
    assert_eq!(stranger.unwrap_err().kind(), ErrorKind::Forbidden);
    deployments::reject(&world.app, &person("rita"), id, " not on a Sunday ")
        .await
        .unwrap();

    let ended = seen(&world, id).await;
    assert_eq!(ended.state, DeploymentState::Cancelled);
    assert_eq!(ended.outcome, "Rejected by rita: not on a Sunday");
    assert!(
        audited(&world)
            .await
            .contains(&"rita deployment.rejected allowed".to_owned())
    );
    let after = deployments::approve(&world.app, &person("admin"), id).await;
    assert_eq!(after.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_awaiting_approval_blocks_nothing() {
    let mut world = still(EnvironmentOptions::default()).await;
    let commit = commit(&mut world, "1").await;
    let first = super::done(&world, &commit).await;
    need_approval(&world, "dev").await;
    let awaiting = ask(&world, "dora", wanted(&commit)).await.unwrap().id();

    // The same servers, in beta.
    let beta = DeployRequest::new("shop", "beta", &commit);
    let beta = ask(&world, "admin", beta).await.unwrap().id();

    assert!(awaiting > first && beta > awaiting);
    assert_eq!(begin(&world, noon()).await.map(|(id, _)| id), Some(beta));
    let activity = deployer::app::activity::now(&world.app, &person("admin"))
        .await
        .unwrap();
    let waits = &activity.waiting[0];
    assert_eq!((waits.deployment.id, waits.position), (awaiting, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_needs_no_second_person() {
    let mut world = still(EnvironmentOptions::default()).await;
    let old = commit(&mut world, "1").await;
    super::done(&world, &old).await;
    let new = commit(&mut world, "2").await;
    let last = super::done(&world, &new).await;
    need_approval(&world, "dev").await;

    let back = deployments::roll_back(&world.app, &person("dora"), last).await;
    let back = seen(&world, back.unwrap().id()).await;

    assert_eq!((back.state, back.kind), (DeploymentState::Queued, Kind::Rollback));
    assert_eq!((back.commit.as_str(), back.origin), (old.as_str(), Some(last)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_covers_the_rest_of_a_deployment_but_not_its_approver_resuming_it() {
    use deployer::domain::ServerState::{Failed, Succeeded};
    let mut world = still(approved()).await;
    let commit = commit(&mut world, "1").await;
    let id = ask(&world, "dora", wanted(&commit)).await.unwrap().id();
    deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap();
    carry_out(&world, id, &[Succeeded, Failed], DeploymentState::Failed).await;

    let own = deployments::retry(&world.app, &person("rita"), id)
        .await
        .unwrap()
        .id();
    assert_eq!(state(&world, own).await, DeploymentState::Awaiting);
    deployments::cancel(&world.app, &person("admin"), own)
        .await
        .unwrap();
    assert_eq!(state(&world, own).await, DeploymentState::Cancelled);
    let retried = deployments::retry(&world.app, &person("dora"), id)
        .await
        .unwrap()
        .id();
    assert_eq!(state(&world, retried).await, DeploymentState::Queued);
}

/// Makes the account one of a person.
async fn give_password(world: &World, name: &str) {
    use deployer::app::accounts::{Keeping, set_password};
    let operator = Access::local_operator("root", noon());
    let password = "three plain words".to_owned();
    set_password(&world.store, &operator, name, password, Keeping::UntilLogin)
        .await
        .unwrap();
}

async fn need_approval(world: &World, name: &str) {
    let mut changed = environment(world, name).await;
    changed.options.approval_hours = Some(2);
    let tx = crate::support::store::change(&world.store).await;
    environments::update(&tx, &changed).await.unwrap();
    crate::support::store::bring_in(tx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_cannot_approve_with_a_password_that_they_gave_away() {
    let mut world = still(approved()).await;
    for name in ["admin", "rita"] {
        world.account(name).await;
    }
    give_password(&world, "rita").await;
    let first = commit(&mut world, "1").await;
    let id = ask(&world, "admin", wanted(&first)).await.unwrap().id();
    world.clock.move_to(noon() + TimeDelta::minutes(1));
    let everything = deployer::domain::Resource::Everything;
    let permit = world
        .app
        .permit(
            &person("admin"),
            deployer::domain::Action::Administer,
            &everything,
        )
        .await
        .unwrap();
    let given = deployer::app::admin::users::set_password(&world.app, &permit, "rita", None).await;
    given.unwrap();

    let refused = deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap_err();
    assert_eq!(
        refused.message(),
        "Deployment 1 needs a second person: its requester admin set the password of rita on 2026-11-22 12:01 UTC. Somebody else has to approve it."
    );
    let (_, acts) = watch::see(&world.app, &person("rita"), id).await.unwrap();
    assert!(!acts.approve && acts.approve_obstacle.is_some());
    let page = deployer::store::audit::list(&world.store, &Default::default(), Default::default(), 2).await;
    let event = page.unwrap().items.remove(1).event;
    assert_eq!(
        (event.action.as_str(), &event.detail["awaiting"]),
        ("user.password_set", &serde_json::json!([1]))
    );

    // What somebody else requested they may approve.
    let second = commit(&mut world, "2").await;
    let id = ask(&world, "dora", wanted(&second)).await.unwrap().id();
    deployments::approve(&world.app, &person("rita"), id)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_cannot_be_guessed_by_what_an_approval_is_about() {
    let pin = |value: &str| Variable {
        value: value.into(),
        secret: true,
        refers: false,
    };
    let mut options = approved();
    options.variables.insert("PIN".into(), pin("4711"));
    let mut world = still(options).await;
    let commit = commit(&mut world, "1").await;
    let id = ask(&world, "admin", wanted(&commit)).await.unwrap().id();
    let mut dev = environment(&world, "dev").await;
    let project = projects::by_name(&world.store, "shop").await.unwrap();
    let plain = hex::encode(Sha256::digest(dev.terms(&project)));
    let approval = seen(&world, id).await.approval.unwrap();
    assert!(!approval.terms.contains(&plain), "{}", approval.terms);
    let obstacle = async |world: &World| {
        let (_, acts) = watch::see(&world.app, &person("rita"), id).await.unwrap();
        acts.approve_obstacle
    };
    assert_eq!(obstacle(&world).await, None);

    // As a version of before stored it.
    let tx = change(&world.store).await;
    let before = Approval {
        terms: plain,
        ..approval
    };
    rows::approve(&tx, id, &before).await.unwrap();
    bring_in(tx).await;
    assert_eq!(obstacle(&world).await, None);

    dev.options.variables.insert("PIN".into(), pin("4712"));
    let tx = change(&world.store).await;
    environments::update(&tx, &dev).await.unwrap();
    bring_in(tx).await;
    let changed = obstacle(&world).await.unwrap();
    assert_eq!(changed, CHANGED);
}
