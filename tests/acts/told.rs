//! What the page of a deployment says about acts that it does not offer.

use deployer::app::deployments;
use deployer::app::locks::{self, NewLock};
use deployer::domain::ServerState::Succeeded;
use deployer::domain::{DeploymentId, DeploymentState, Pause, PauseReason, Resource, ServerState};
use deployer::store::deployments as rows;

use super::{ask, begin, carry_out, commit, done, still_with, wanted};
use crate::support::store::noon;
use crate::support::world::World;
use crate::web::support::TestSite;

/// Olaf deploys in business hours, and cancels at any time; Emil lifts locks, too.
const PEOPLE: &str = "g, dora, role:developer
g, rita, role:releaser
g, emil, role:releaser
p, olaf, shop, *, deploy, business-hours, allow
p, olaf, shop, *, cancel, always, allow
p, emil, shop, *, unlock, always, allow";

/// The page of a deployment, as `who` sees it.
async fn page(world: &World, who: &str, id: DeploymentId) -> String {
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    site.add_user(who).await;
    site.log_in(who, crate::web::support::PASSWORD).await;
    let answer = site.get(&format!("/deployments/{id}")).await;
    answer.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_names_what_the_visitor_may_do_and_when_they_may_do_the_rest() {
    let mut world = still_with(PEOPLE).await;
    let first = commit(&mut world, "1").await;
    done(&world, &first).await;
    let second = commit(&mut world, "2").await;
    let id = ask(&world, "dora", wanted(&second)).await.unwrap().id();
    let (_, lease) = begin(&world, noon()).await.unwrap();
    let tx = world.store.change_leased(lease, noon()).await.unwrap();
    let parts = rows::servers(&tx, id).await.unwrap();
    rows::set_server(&tx, parts[0].position, ServerState::Succeeded)
        .await
        .unwrap();
    let pause = Pause::new(PauseReason::Canary, noon(), None);
    rows::set_pause(&tx, Some(&pause)).await.unwrap();
    let (from, to) = (DeploymentState::Running, DeploymentState::Paused);
    rows::set_state(&tx, id, from, to, noon(), "").await.unwrap();
    tx.commit(crate::support::store::reached(id, to)).await.unwrap();

    let seen = page(&world, "olaf", id).await;
    assert!(seen.contains("Canary deployed. Is it healthy?"), "{seen}");
    assert!(!seen.contains("Continue deploys"), "he may not continue: {seen}");
    assert!(
        seen.contains("You may continue from Mon 23 Nov, 08:00 UTC (policy.csv:"),
        "{seen}"
    );
    let seen = page(&world, "rita", id).await;
    assert!(seen.contains("Continue deploys the other server"), "{seen}");
    assert!(!seen.contains("You may continue from"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_that_policy_allows_later_says_when_and_leads_to_its_schedule() {
    let mut world = still_with(PEOPLE).await;
    let first = commit(&mut world, "1").await;
    let id = done(&world, &first).await;
    let seen = page(&world, "olaf", id).await;
    assert!(
        seen.contains("You may promote this to beta from Mon 23 Nov, 08:00 UTC (policy.csv:"),
        "{seen}"
    );
    let form = format!("/projects/shop/beta?commit={first}&#38;kind=promotion#deploy\">Schedule it…</a>");
    assert!(seen.contains(&form), "{seen}");
    let seen = page(&world, "rita", id).await;
    assert!(!seen.contains("You may promote"), "{seen}");
    assert!(seen.contains("Promote to beta"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_leads_whoever_may_lift_it_to_where_that_is_done() {
    let mut world = still_with(PEOPLE).await;
    let first = commit(&mut world, "1").await;
    let id = done(&world, &first).await;
    let lock = NewLock {
        over: Resource::Environment("shop".into(), "dev".into()),
        reason: "the database is being moved".into(),
        ends_at: None,
    };
    locks::create(&world.app, &crate::support::world::admin(), lock)
        .await
        .unwrap();
    let way = "<a href=\"/projects/shop/dev\">Lift or override the lock</a>";
    let seen = page(&world, "emil", id).await;
    assert!(
        seen.contains("has locked this: the database is being moved."),
        "{seen}"
    );
    assert!(seen.contains(way), "{seen}");
    let seen = page(&world, "rita", id).await;
    assert!(
        seen.contains("has locked this: the database is being moved."),
        "{seen}"
    );
    assert!(!seen.contains(way), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_says_so_and_leads_to_the_deploy_form() {
    let mut world = still_with(PEOPLE).await;
    let first = commit(&mut world, "1").await;
    let old = ask(&world, "dora", wanted(&first)).await.unwrap().id();
    carry_out(
        &world,
        old,
        &[Succeeded, ServerState::Failed],
        DeploymentState::Failed,
    )
    .await;
    let second = commit(&mut world, "2").await;
    done(&world, &second).await;
    let third = commit(&mut world, "3").await;
    let newest = done(&world, &third).await;
    let refused = deployments::again(&world.app, &super::person("dora"), old).await;
    assert!(refused.is_err());

    let seen = page(&world, "rita", old).await;
    let told = format!(
        "<a href=\"/deployments/{newest}\">Deployment {newest}</a> has put {} on its servers since.",
        &third[..8]
    );
    assert!(seen.contains(&told), "{seen}");
    let form = format!("href=\"/projects/shop/dev?commit={first}#deploy\"");
    assert!(seen.contains(&form), "{seen}");
    assert!(seen.contains(&format!("Deploy {} again…", &first[..8])), "{seen}");
    assert!(!seen.contains("/again\""), "{seen}");
    let (_, acts) = seen.split_once("id=\"acts\"").unwrap();
    let (acts, _) = acts.split_once("</section>").unwrap();
    assert!(!acts.contains("btn-primary\" href"), "{acts}");

    let seen = page(&world, "admin", newest).await;
    assert!(!seen.contains("since."), "{seen}");
    assert!(seen.contains("/again\""), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_question_of_a_rollback_says_where_it_leads_and_what_runs_now() {
    let mut world = still_with(PEOPLE).await;
    let mut all = Vec::new();
    for text in ["1", "2", "3"] {
        let commit = commit(&mut world, text).await;
        all.push((done(&world, &commit).await, commit));
    }
    let seen = page(&world, "admin", all[1].0).await;
    let told = format!(
        "Roll back all servers of dev to {}, the last other commit that succeeded before this deployment? It runs {} now.",
        &all[0].1[..8],
        &all[2].1[..8]
    );
    assert!(seen.contains(&told), "{seen}");
}
