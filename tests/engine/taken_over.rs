//! A paused deployment whose requester has lost the right to it: whoever may continue it takes it over.

use deployer::app::{deployments as requests, watch};
use deployer::domain::{
    Action, Actor, Answer, Answerer, Deployment, DeploymentId, DeploymentState, ErrorKind, Kind, OnFailure,
    PauseReason,
};
use deployer::store::{AuditFilter, audit, users};

use super::taken_up::CANARY;
use crate::support::world::{World, bring_in, change};

/// Tess and Dora deploy, Cleo may only cancel, and Lena looks.
const PEOPLE: &str = "g, tess, role:developer
g, dora, role:developer
g, lena, role:reader
p, cleo, shop, dev, view, always, allow
p, cleo, shop, dev, cancel, always, allow";

fn person(name: &str) -> Actor {
    Actor::user(name, "192.0.2.7")
}

/// A deployment of Tess waits after its canary; the servers ran another commit before.
async fn waits() -> (World, DeploymentId, [String; 2]) {
    let mut world = World::project()
        .clusters(&[3])
        .strategy(CANARY)
        .on_failure(OnFailure::Stop)
        .policy(PEOPLE)
        .start()
        .await;
    for name in ["tess", "dora", "cleo", "lena"] {
        world.account(name).await;
    }
    world.repository.write("version", "1");
    let first = world.commit("First").await;
    let id = world.ask(World::request(&first)).await;
    assert_eq!(world.until_paused(id).await, PauseReason::Canary);
    let admin = crate::support::world::admin();
    requests::answer(&world.app, &admin, id, Answer::Resume)
        .await
        .unwrap();
    let done = world.end(id).await;
    world.assert_succeeded(&done).await;
    world.repository.write("version", "2");
    let second = world.commit("Second").await;
    let id = requests::request(&world.app, &person("tess"), World::request(&second)).await;
    let id = id.unwrap().id();
    assert_eq!(world.until_paused(id).await, PauseReason::Canary);
    (world, id, [first, second])
}

async fn disable(world: &World, name: &str) {
    let mut user = users::by_name(&world.store, name).await.unwrap();
    user.disabled = true;
    let tx = change(&world.store).await;
    users::update(&tx, &user).await.unwrap();
    bring_in(tx).await;
}

/// Takes a line of the policy away.
fn forget_line(world: &World, line: &str) {
    let file = world.dir.path().join("policies/policy.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(line, "")).unwrap();
    world.parts.access.reload().unwrap();
}

async fn answers(world: &World, name: &str, id: DeploymentId) -> (Vec<Answer>, Option<String>) {
    let (_, acts) = watch::see(&world.app, &person(name), id).await.unwrap();
    (acts.answers, acts.takes_over)
}

/// Who did it, what, and the whole detail of each event of the deployment.
async fn told(world: &World, id: DeploymentId) -> Vec<String> {
    let filter = AuditFilter::default();
    let page = audit::list(&world.store, &filter, Default::default(), 100).await;
    let items = page.unwrap().items.into_iter().map(|one| one.event);
    let own = items.filter(|event| event.detail["deployment"] == serde_json::json!(id));
    own.map(|event| format!("{} {} {}", event.actor, event.action, event.detail))
        .collect()
}

fn assert_has(told: &[String], parts: &[&str]) {
    let has = |one: &String| parts.iter().all(|part| one.contains(part));
    assert!(told.iter().any(has), "{parts:?}: {told:#?}");
}

async fn carried_on_by_dora(world: &World, id: DeploymentId) -> Deployment {
    requests::answer(&world.app, &person("dora"), id, Answer::Resume)
        .await
        .unwrap();
    let done = world.end(id).await;
    world.assert_succeeded(&done).await;
    assert_eq!(
        (done.actor.as_str(), done.taken_over_by().as_deref()),
        ("tess", Some("dora"))
    );
    let told = told(world, id).await;
    assert_has(
        &told,
        &["dora deployment.answered", "\"takes_over_from\":\"tess\""],
    );
    let carried = "dora carries it on, as tess may not do so any more.";
    assert_has(
        &told,
        &["tess deployment.resumed", carried, "\"carried_on_by\":\"dora\""],
    );
    let line = done.taken_over().unwrap().permit.as_ref().unwrap();
    assert!(line.text.contains("role:developer"), "{line}");
    assert_has(&told, &[&format!("\"carried_on_allowed_by\":\"{line}\"")]);
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_continue_takes_it_over_from_an_account_that_was_disabled() {
    let (world, id, _) = waits().await;
    assert_eq!(answers(&world, "dora", id).await.1, None);
    disable(&world, "tess").await;

    let all = vec![Answer::Resume, Answer::RollBack, Answer::Stop];
    let why = "The account of tess is disabled.".to_owned();
    assert_eq!(answers(&world, "dora", id).await, (all, Some(why)));
    assert_eq!(answers(&world, "cleo", id).await, (vec![Answer::Stop], None));
    assert_eq!(answers(&world, "lena", id).await, (vec![], None));
    for name in ["lena", "cleo"] {
        let refused = requests::answer(&world.app, &person(name), id, Answer::Resume).await;
        assert_eq!(refused.unwrap_err().refusal().unwrap().action, Action::Deploy);
    }
    carried_on_by_dora(&world, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_continue_takes_it_over_from_somebody_who_lost_the_role() {
    let (world, id, _) = waits().await;
    forget_line(&world, "g, tess, role:developer");

    let (offered, why) = answers(&world, "dora", id).await;
    assert_eq!(offered, [Answer::Resume, Answer::RollBack, Answer::Stop]);
    assert!(why.unwrap().starts_with("tess may not deploy"));
    let done = carried_on_by_dora(&world, id).await;
    let Answerer::Person(by) = &done.pauses.last().unwrap().answered.by else {
        panic!("{done:?}");
    };
    assert_eq!(by, "dora");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_in_the_name_of_whoever_took_it_over() {
    let (world, id, [first, _]) = waits().await;
    disable(&world, "tess").await;

    requests::answer(&world.app, &person("dora"), id, Answer::RollBack)
        .await
        .unwrap();

    let ended = world.end(id).await;
    assert_eq!(ended.state, DeploymentState::Cancelled, "{}", ended.outcome);
    let undoing = DeploymentId(id.0 + 1);
    let undone = world.end(undoing).await;
    world.assert_succeeded(&undone).await;
    assert_eq!((undone.kind, undone.actor.as_str()), (Kind::Rollback, "dora"));
    assert_eq!(undone.commit.as_str(), first);
    assert_has(&told(&world, undoing).await, &["dora deployment.requested"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_nobody_may_carry_on_stays_paused() {
    let (world, id, _) = waits().await;
    disable(&world, "tess").await;
    forget_line(&world, "g, dora, role:developer");
    let refused = requests::answer(&world.app, &person("dora"), id, Answer::Resume).await;
    assert_eq!(
        refused.unwrap_err().kind(),
        ErrorKind::NotFound,
        "she does not see it any more"
    );
    let admin = crate::support::world::admin();
    requests::answer(&world.app, &admin, id, Answer::Stop)
        .await
        .unwrap();
    let ended = world.end(id).await;
    assert_eq!(ended.taken_over_by(), None, "whoever ends it takes nothing over");
}
