//! Endpoints of a balancer that leave its row and come back, and people who decide at one endpoint only: what a
//! deployment left out of service stays out, what it put back is back everywhere, and nothing is blocked.

use std::collections::HashSet;
use std::time::Duration;

use deployer::app::{deployments as requests, health, watch};
use deployer::balancer::{Admin, Options};
use deployer::domain::deployment::Service;
use deployer::domain::endpoints::AtEndpoint;
use deployer::domain::{Deployment, DeploymentId, DeploymentState, Split};
use deployer::engine::planning::{Asking, Roster, prospect};
use deployer::store::{audit, balancers, deployments, environments};

use super::balanced_pair::{until_all_serve, until_service, with_two_endpoints};
use super::fleet::{Fleet, ONE, slot};
use crate::support::haproxy::Haproxy;
use crate::support::store::{bring_in, change};
use crate::support::world::admin;

const MOMENT: Duration = Duration::from_millis(50);
/// Longer than the keeper looks back, so that what changes then has not changed in a restart.
const A_WHILE: Duration = Duration::from_secs(6);

/// Enters other endpoints in the balancer's row.
pub async fn enter(fleet: &Fleet, endpoints: &[String]) {
    let store = &fleet.world.store;
    let mut row = balancers::list(store).await.unwrap().remove(0);
    row.endpoints = endpoints.to_vec();
    let tx = change(store).await;
    balancers::update(&tx, &row).await.unwrap();
    bring_in(tx).await;
}

pub fn endpoints(fleet: &Fleet, second: &Haproxy) -> [String; 2] {
    [fleet.haproxy.endpoint("runtime"), second.endpoint("runtime")]
}

/// What one HAProxy has decided about web1.
pub async fn decided(haproxy: &Haproxy) -> Admin {
    let state = haproxy.balancer("runtime").state().await.unwrap();
    state.of(&slot("web1")).unwrap().admin
}

pub async fn until_decided(haproxy: &Haproxy, wanted: Admin) {
    for _ in 0..400 {
        if decided(haproxy).await == wanted {
            return;
        }
        tokio::time::sleep(MOMENT).await;
    }
    assert_eq!(decided(haproxy).await, wanted);
}

/// Waits until the keeper has seen web1 out at so many endpoints.
pub async fn until_seen_out(fleet: &Fleet, count: usize) {
    for _ in 0..400 {
        let held = deployments::held_out(&fleet.world.store).await.unwrap();
        let seen = held.iter().filter(|one| one.state == AtEndpoint::SeenOut);
        if seen.count() == count {
            return;
        }
        tokio::time::sleep(MOMENT).await;
    }
    panic!("{:?}", deployments::held_out(&fleet.world.store).await);
}

/// The sentences of what the audit log has of this kind, oldest first.
pub async fn told(fleet: &Fleet, kind: &str) -> Vec<String> {
    let page = audit::list(&fleet.world.store, &Default::default(), Default::default(), 100).await;
    let items = page.unwrap().items.into_iter();
    let own = items.filter(|one| one.event.action == kind);
    let mut told: Vec<String> = own
        .map(|one| {
            one.event.detail["outcome"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    told.reverse();
    told
}

/// A deployment leaves web1 out wherever it is known; it succeeds there once `~/mended` is there.
pub async fn leave_out(fleet: &mut Fleet) -> DeploymentId {
    fleet
        .world
        .script("deploy.sh", "[ \"$2\" != web1 ] || test -e ~/mended");
    let commit = fleet.world.commit("Fails on web1").await;
    let failed = fleet.world.deploy(&commit).await;
    assert_eq!(failed.state, DeploymentState::Failed);
    failed.id
}

pub fn mend(fleet: &Fleet) {
    std::fs::write(fleet.world.home(1, "mended"), "").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_joins_later_does_not_serve_from_a_server_that_was_left_out() {
    let (mut fleet, second) = with_two_endpoints().await;
    let both = endpoints(&fleet, &second);
    enter(&fleet, &both[..1]).await;
    let failed = leave_out(&mut fleet).await;
    until_seen_out(&fleet, 1).await;
    assert_eq!(decided(&second).await, Admin::Ready);

    enter(&fleet, &both).await;

    until_decided(&second, Admin::Maint).await;
    until_seen_out(&fleet, 2).await;
    assert_eq!(decided(&fleet.haproxy).await, Admin::Maint);
    assert_eq!(fleet.services(failed).await[0], Service::Out);
    assert_eq!(told(&fleet, "deployment.put_back_by_hand").await, [""; 0]);
    let kept = told(&fleet, "deployment.kept_out").await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(
        kept[0].contains(&format!("in service at {}", both[1])),
        "{kept:?}"
    );

    // What people do from now on is theirs.
    tokio::time::sleep(A_WHILE).await;
    for haproxy in [&fleet.haproxy, &second] {
        haproxy.balancer("runtime").ready(&[slot("web1")]).await.unwrap();
    }
    until_service(&fleet, failed, Service::Back).await;
    until_all_serve(&fleet).await;
    assert_eq!(deployments::held_out(&fleet.world.store).await.unwrap(), []);
}

/// Web1 was left out at both endpoints, and is put back by a deployment that knows the first one only.
async fn mended_without_the_second() -> (Fleet, Haproxy, Deployment) {
    let (mut fleet, second) = with_two_endpoints().await;
    leave_out(&mut fleet).await;
    enter(&fleet, &endpoints(&fleet, &second)[..1]).await;
    mend(&fleet);
    let commit = fleet.world.commit("Mended").await;
    let ended = fleet.world.deploy(&commit).await;
    fleet.world.assert_outcome(&ended, "2 servers deployed.").await;
    (fleet, second, ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_put_back_while_an_endpoint_was_away_from_the_row_is_put_back_there_too() {
    let (mut fleet, second, _) = mended_without_the_second().await;
    let both = endpoints(&fleet, &second);
    let now = [decided(&fleet.haproxy).await, decided(&second).await];
    assert_eq!(now, [Admin::Ready, Admin::Maint]);

    enter(&fleet, &both).await;

    until_decided(&second, Admin::Ready).await;
    until_all_serve(&fleet).await;
    for _ in 0..200 {
        if !told(&fleet, "deployment.put_back").await.is_empty() {
            break;
        }
        tokio::time::sleep(MOMENT).await;
    }
    let again = fleet.world.commit("Another").await;
    let ended = fleet.world.deploy(&again).await;
    fleet.world.assert_outcome(&ended, "2 servers deployed.").await;
    let back = told(&fleet, "deployment.put_back").await;
    assert_eq!(back.len(), 1, "{back:?}");
    assert!(
        back[0].contains("web1 is in service again at") && back[0].contains(&both[1]),
        "{back:?}"
    );
    assert_eq!(deployments::held_out(&fleet.world.store).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_out_at_an_endpoint_that_came_back_blocks_no_deployment() {
    let (fleet, second, ended) = mended_without_the_second().await;
    let both = endpoints(&fleet, &second);
    // Nobody puts it right before the next deployment begins.
    fleet.world.app.stop_engine().await;
    enter(&fleet, &both).await;

    let store = &fleet.world.store;
    let environment = environments::all(store).await.unwrap().remove(0);
    let roster = Roster::load(store, &environment).await.unwrap();
    let parts = fleet.world.parts(ended.id).await;
    let meant: HashSet<_> = parts.iter().filter_map(|part| part.server_id).collect();
    let options = Options::default();
    let made = prospect(store, &options, &roster, ONE, &meant, Asking::Rollout).await;

    let plan = made.unwrap().plan;
    assert!(plan.servers().all(|one| one.by_hand.is_empty() && !one.left_out));
    assert_eq!(plan.pools[0].serving.len(), 2, "{plan:?}");
    assert_eq!(plan.notes, [""; 0]);
    assert_eq!(decided(&second).await, Admin::Maint);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_somebody_took_out_meanwhile_is_not_put_back_at_the_other_endpoint() {
    let (fleet, second, _) = mended_without_the_second().await;
    let both = endpoints(&fleet, &second);
    let first = fleet.haproxy.balancer("runtime");
    first.maint(&[slot("web1")]).await.unwrap();

    enter(&fleet, &both).await;

    tokio::time::sleep(A_WHILE).await;
    let now = [decided(&fleet.haproxy).await, decided(&second).await];
    assert_eq!(now, [Admin::Maint; 2]);
    first.ready(&[slot("web1")]).await.unwrap();
    until_all_serve(&fleet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_at_one_endpoint_is_told_and_leaves_the_acts() {
    let (mut fleet, second) = with_two_endpoints().await;
    let [one, two] = endpoints(&fleet, &second);
    let failed = leave_out(&mut fleet).await;
    until_seen_out(&fleet, 2).await;
    tokio::time::sleep(A_WHILE).await;

    second.balancer("runtime").ready(&[slot("web1")]).await.unwrap();

    for _ in 0..200 {
        if !told(&fleet, "deployment.put_back_by_hand").await.is_empty() {
            break;
        }
        tokio::time::sleep(MOMENT).await;
    }
    let by_hand = told(&fleet, "deployment.put_back_by_hand").await;
    assert_eq!(by_hand.len(), 1, "{by_hand:?}");
    assert!(
        by_hand[0].contains(&format!(
            "at {two} (backend web) itself. It is still out at {one}"
        )),
        "{by_hand:?}"
    );
    tokio::time::sleep(A_WHILE).await;
    let now = [decided(&fleet.haproxy).await, decided(&second).await];
    assert_eq!(now, [Admin::Maint, Admin::Ready], "both are left as they are");
    let part = fleet.world.parts(failed).await.remove(0);
    let split = Split {
        inside: vec![two.clone()],
        outside: vec![one.clone()],
    };
    assert_eq!((part.service, part.split), (Service::Out, Some(split)));
    let expected = format!("is in service at {two}, where someone put it back, and out of service at {one}");
    assert!(part.detail.contains(&expected), "{}", part.detail);
    let app = &fleet.world.app;
    let reasons = health::reasons(app, &admin()).await.unwrap().join(" ");
    assert!(
        reasons.contains(&format!("shop/dev: web1 {expected}")),
        "{reasons}"
    );
    let (_, acts) = watch::see(app, &admin(), failed).await.unwrap();
    assert_eq!((acts.retry, acts.obstacles.as_slice()), (1, &[][..]), "{acts:?}");

    mend(&fleet);
    let again = requests::retry(app, &admin(), failed).await.unwrap().id();
    let ended = fleet.world.end(again).await;

    fleet.world.assert_succeeded(&ended).await;
    until_all_serve(&fleet).await;
    assert_eq!(deployments::held_out(&fleet.world.store).await.unwrap(), []);
    let reasons = health::reasons(app, &admin()).await.unwrap();
    assert_eq!(reasons, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_disagree_are_told_with_what_settles_it() {
    let (mut fleet, second) = with_two_endpoints().await;
    fleet.world.script("deploy.sh", "exit 0");
    let commit = fleet.world.commit("First").await;
    second.balancer("runtime").maint(&[slot("web1")]).await.unwrap();

    let refused = fleet.world.deploy(&commit).await;

    let outcome = &refused.outcome;
    let help = "Settle it on the page of balancer edge (Admin → Balancers): “Put back at all endpoints” or “Take out at all endpoints”.";
    assert!(
        outcome.contains("disagree about web/web1") && outcome.contains(help),
        "{outcome}"
    );
    assert!(!outcome.contains("left it out"), "{outcome}");
}
