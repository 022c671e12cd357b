//! What people do to servers that deployments left out of service: it counts as their decision where HAProxy has
//! done it, and only there.

use std::time::Duration;

use deployer::access::Access;
use deployer::app::balancers::{self as by_hand, ByHand};
use deployer::balancer::Admin;
use deployer::domain::deployment::Service;
use deployer::domain::{DeploymentId, DeploymentState, ErrorKind, Result, Split};
use deployer::store::deployments::{self, HandAct};
use deployer::store::{audit, balancers};

use super::balanced_pair::{until_all_serve, until_service, with_two_endpoints};
use super::fleet::{Fleet, ONE, slot};
use crate::support::store::{bring_in, change};

const MOMENT: Duration = Duration::from_millis(50);
/// Some looks of the keeper.
const LOOKS: Duration = Duration::from_secs(4);

/// A deployment leaves web1 out of service.
async fn leave_out(fleet: &mut Fleet) -> DeploymentId {
    fleet.world.script("deploy.sh", "[ \"$2\" != web1 ]");
    let commit = fleet.world.commit("Fails on web1").await;
    let failed = fleet.world.deploy(&commit).await;
    assert_eq!(failed.state, DeploymentState::Failed);
    assert_eq!(fleet.services(failed.id).await[0], Service::Out);
    failed.id
}

/// A person presses a button beside web1.
async fn press(fleet: &Fleet, act: ByHand) -> Result<Option<String>> {
    let world = &fleet.world;
    let permit = Access::local_operator("root", world.clock.now());
    let row = balancers::list(&world.store).await.unwrap().remove(0);
    by_hand::act(&world.app, &permit, row.id, ("web", "web1"), act).await
}

/// Enters other endpoints in the balancer's row.
async fn enter(fleet: &Fleet, endpoints: &[String]) {
    let store = &fleet.world.store;
    let mut row = balancers::list(store).await.unwrap().remove(0);
    row.endpoints = endpoints.to_vec();
    let tx = change(store).await;
    balancers::update(&tx, &row).await.unwrap();
    bring_in(tx).await;
}

/// The events about the balancer, oldest first: what, its outcome, and the error told.
async fn told(fleet: &Fleet) -> Vec<(String, String, String)> {
    let page = audit::list(&fleet.world.store, &Default::default(), Default::default(), 100).await;
    let items = page.unwrap().items.into_iter().map(|one| one.event);
    let own = items.filter(|event| event.action.starts_with("balancer."));
    let mut told: Vec<_> = own
        .map(|event| {
            let error = event.detail["error"].as_str().unwrap_or_default().to_owned();
            (event.action, event.outcome.to_string(), error)
        })
        .collect();
    told.reverse();
    told
}

async fn until_web1_is(fleet: &Fleet, wanted: Admin) {
    for _ in 0..400 {
        if let Ok(state) = fleet.haproxy.balancer("runtime").state().await
            && state.of(&slot("web1")).unwrap().admin == wanted
        {
            return;
        }
        tokio::time::sleep(MOMENT).await;
    }
    panic!("{:?}", fleet.admins().await);
}

/// Restarts HAProxy, which forgets who is out of service: what deployments left out is taken out again.
async fn assert_still_ours(fleet: &mut Fleet, id: DeploymentId) {
    fleet.haproxy.stop();
    fleet.haproxy.start_again().await;
    until_web1_is(fleet, Admin::Maint).await;
    assert_eq!(fleet.services(id).await[0], Service::Out);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_haproxy_refuses_or_does_not_hear_is_no_decision() {
    let mut fleet = Fleet::start(&[2], ONE).await;
    let failed = leave_out(&mut fleet).await;
    tokio::time::sleep(LOOKS).await;

    let operator = format!("unix:{}", fleet.haproxy.socket("operator").display());
    enter(&fleet, &[operator]).await;
    for act in [ByHand::Ready, ByHand::Maint, ByHand::Drain] {
        let refused = press(&fleet, act).await.unwrap_err();
        assert!(
            refused.message().contains("allows reading but no changes"),
            "{refused}"
        );
    }
    assert_eq!(fleet.services(failed).await[0], Service::Out);
    enter(&fleet, &[fleet.haproxy.endpoint("runtime")]).await;

    fleet.haproxy.stop();
    let away = press(&fleet, ByHand::Ready).await.unwrap_err();
    assert!(away.message().contains("cannot be reached"), "{away}");
    assert_eq!(fleet.services(failed).await[0], Service::Out);
    assert_still_ours(&mut fleet, failed).await;

    let told = told(&fleet).await;
    assert_eq!(told.len(), 4, "{told:?}");
    for (action, outcome, error) in &told {
        assert_eq!(
            (action.as_str(), outcome.as_str()),
            ("balancer.act_failed", "failed")
        );
        assert!(!error.is_empty());
    }
    // Done, it counts.
    assert_eq!(press(&fleet, ByHand::Ready).await.unwrap(), None);
    assert_eq!(fleet.services(failed).await[0], Service::Back);
    tokio::time::sleep(LOOKS).await;
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_at_one_of_two_endpoints_counts_there() {
    let (mut fleet, mut second) = with_two_endpoints().await;
    let [one, two] = [&fleet.haproxy, &second].map(|haproxy| haproxy.endpoint("runtime"));
    let failed = leave_out(&mut fleet).await;
    tokio::time::sleep(LOOKS).await;
    second.stop();

    for act in [ByHand::Maint, ByHand::Drain] {
        let none = press(&fleet, act).await.unwrap_err();
        assert!(none.message().ends_with("No endpoint was changed."), "{none}");
    }
    assert_eq!(fleet.services(failed).await[0], Service::Out);
    let partly = press(&fleet, ByHand::Ready).await.unwrap_err();

    assert!(
        partly
            .message()
            .contains(&format!("Set to “ready” nevertheless: {one}.")),
        "{partly}"
    );
    let part = fleet.world.parts(failed).await.remove(0);
    let split = Split {
        inside: vec![one.clone()],
        outside: vec![two.clone()],
    };
    assert_eq!((part.service, part.split), (Service::Out, Some(split)));
    // Where it was not done, a restart lets nobody in.
    second.start_again().await;
    let there = second.balancer("runtime");
    for _ in 0..400 {
        if there.state().await.unwrap().of(&slot("web1")).unwrap().admin == Admin::Maint {
            break;
        }
        tokio::time::sleep(MOMENT).await;
    }
    assert_eq!(
        there.state().await.unwrap().of(&slot("web1")).unwrap().admin,
        Admin::Maint
    );
    until_web1_is(&fleet, Admin::Ready).await;
    assert_eq!(fleet.services(failed).await[0], Service::Out);

    assert_eq!(press(&fleet, ByHand::Ready).await.unwrap(), None);
    until_service(&fleet, failed, Service::Back).await;
    until_all_serve(&fleet).await;
    assert_eq!(deployments::held_out(&fleet.world.store).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_whose_deployer_was_killed_decides_nothing() {
    let mut fleet = Fleet::start(&[2], ONE).await;
    let failed = leave_out(&mut fleet).await;
    tokio::time::sleep(LOOKS).await;
    let store = fleet.world.store.clone();
    let row = balancers::list(&store).await.unwrap().remove(0);
    let intent = HandAct {
        balancer: row.id,
        backend: "web".into(),
        server: "web1".into(),
        act: "ready".into(),
        actor: "kim".into(),
    };
    let begin = async |limit| {
        let record = store.record().await.unwrap();
        let begun = deployments::begin_hand_act(&record, &intent, fleet.world.clock.now(), limit).await;
        record.commit().await.unwrap();
        begun
    };

    // Killed before HAProxy was asked.
    begin(Duration::ZERO).await.unwrap();
    for _ in 0..200 {
        if deployments::hand_acts(&store).await.unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(MOMENT).await;
    }
    assert_eq!(deployments::hand_acts(&store).await.unwrap(), []);
    let given_up = told(&fleet).await;
    assert_eq!(given_up.len(), 1, "{given_up:?}");
    assert_eq!(
        (given_up[0].0.as_str(), given_up[0].1.as_str()),
        ("balancer.act_failed", "failed")
    );
    assert!(given_up[0].2.contains("What HAProxy itself says"), "{given_up:?}");

    // While one is under way, nobody else acts on the server and the keeper leaves it alone.
    begin(Duration::from_secs(60)).await.unwrap();
    let refused = press(&fleet, ByHand::Maint).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(
        refused.message().contains("kim is acting on web/web1"),
        "{refused}"
    );
    fleet.haproxy.stop();
    fleet.haproxy.start_again().await;
    tokio::time::sleep(LOOKS).await;
    assert_eq!(fleet.admins().await, [Admin::Ready; 2]);
    assert_eq!(fleet.services(failed).await[0], Service::Out);

    // Its deployer was killed, and the next one starts.
    deployments::lose_hand_acts_at_start(&store).await.unwrap();
    until_web1_is(&fleet, Admin::Maint).await;
    assert_eq!(fleet.services(failed).await[0], Service::Out);
    assert_still_ours(&mut fleet, failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_a_deployment_is_at_work_on_is_not_put_back() {
    let mut fleet = Fleet::start(&[2], ONE).await;
    fleet.world.script(
        "deploy.sh",
        "[ \"$2\" != web1 ] || { echo begun; while ! test -e ~/go; do sleep 0.1; done; }",
    );
    let commit = fleet.world.commit("Slow on web1").await;
    let id = fleet
        .world
        .ask(crate::support::world::World::request(&commit))
        .await;
    fleet.world.until_it_says(id, "begun").await;

    let refused = press(&fleet, ByHand::Ready).await.unwrap_err();

    assert_eq!(
        refused.message(),
        format!("Deployment {id} is at work on web/web1 and keeps it out of service until it is done.")
    );
    let permit = Access::local_operator("root", fleet.world.clock.now());
    let row = balancers::list(&fleet.world.store).await.unwrap().remove(0);
    let view = by_hand::look(&fleet.world.app, &permit, row.id).await.unwrap();
    let (_, servers) = &view.backends[0];
    assert!(!servers[0].may_go_back, "{servers:?}");
    assert_eq!(servers[0].kept_by, refused.message());
    std::fs::write(fleet.world.home(1, "go"), "").unwrap();
    let ended = fleet.world.end(id).await;
    fleet.world.assert_succeeded(&ended).await;
}
