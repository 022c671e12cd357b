//! Whether a deployment may still go on is asked as things are now, wherever it is asked: when a
//! scheduled time has come, before servers are touched, and before an automatic rollback.

use chrono::{TimeDelta, TimeZone, Utc};
use deployer::app::deployments::{self, DeployRequest, approve};
use deployer::app::tokens::{self, NewToken};
use deployer::clock::Clock;
use deployer::domain::{
    Action, Actor, DeploymentId, DeploymentState, Lock, LockId, OnFailure, ServerState, Share, Strategy,
    TokenScope, UsedToken,
};
use deployer::store::{environments, locks, projects, users};

use crate::support::store::{bring_in, change};
use crate::support::world::{World, admin};

pub(super) async fn disable(world: &World, name: &str) {
    let mut user = users::by_name(&world.store, name).await.unwrap();
    user.disabled = true;
    let tx = change(&world.store).await;
    users::update(&tx, &user).await.unwrap();
    bring_in(tx).await;
}

async fn lock(world: &World) {
    let project = projects::by_name(&world.store, "shop").await.unwrap();
    let lock = Lock {
        id: LockId(0),
        project: Some(project.id),
        environment: None,
        reason: "the database is being moved".into(),
        author: "dora".into(),
        created_at: world.clock.now(),
        ends_at: None,
    };
    let tx = change(&world.store).await;
    locks::insert(&tx, &lock).await.unwrap();
    bring_in(tx).await;
}

/// A world whose clock stands on a Monday morning.
async fn monday() -> World {
    let at = Utc.with_ymd_and_hms(2026, 11, 23, 10, 0, 0).unwrap();
    World::project().clock(Clock::set_to(at)).start().await
}

/// A deployment of `commit` in an hour, which comes at once after `meanwhile`.
pub(super) async fn in_an_hour(world: &World, commit: &str, meanwhile: impl Future<Output = ()>) -> String {
    let at = world.clock.now() + TimeDelta::hours(1);
    let id = world
        .ask(DeployRequest {
            at: Some(at),
            ..World::request(commit)
        })
        .await;
    meanwhile.await;
    world.clock.move_to(at + TimeDelta::minutes(1));
    let ended = world.end(id).await;
    assert_eq!(ended.state, DeploymentState::Failed, "{}", world.log(id).await);
    assert_eq!(ended.started_at, None, "a worker began it");
    assert!(!world.home(1, "dev/shop").exists());
    ended.outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_time_finds_the_account_disabled() {
    let mut world = monday().await;
    let commit = world.commit("First").await;
    let outcome = in_an_hour(&world, &commit, disable(&world, "admin")).await;
    assert_eq!(
        outcome,
        "Its time came, but it is not allowed now: The account of admin is disabled. No server was touched."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_time_finds_another_account_of_that_name() {
    let mut world = monday().await;
    let commit = world.commit("First").await;
    let outcome = in_an_hour(&world, &commit, async {
        let tx = change(&world.store).await;
        let user = users::by_name(&tx, "admin").await.unwrap();
        users::delete(&tx, user.id).await.unwrap();
        bring_in(tx).await;
        world.clock.move_to(world.clock.now() + TimeDelta::minutes(1));
        world.account("admin").await;
    })
    .await;
    assert_eq!(
        outcome,
        "Its time came, but it is not allowed now: The account of admin no longer exists: the present one of that name was added later. No server was touched."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_time_finds_a_lock() {
    let mut world = monday().await;
    let commit = world.commit("First").await;
    let outcome = in_an_hour(&world, &commit, lock(&world)).await;
    assert_eq!(
        outcome,
        "Its time came, but it is not allowed now: dora has locked this: the database is being moved. No server was touched."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_time_finds_the_approver_disabled() {
    let at = Utc.with_ymd_and_hms(2026, 11, 23, 10, 0, 0).unwrap();
    let mut world = World::project()
        .clock(Clock::set_to(at))
        .approval_hours(2)
        .policy("g, rita, role:releaser")
        .start()
        .await;
    let commit = world.commit("First").await;
    world.account("rita").await;
    let outcome = in_an_hour(&world, &commit, async {
        let rita = Actor::user("rita", "192.0.2.7");
        approve(&world.app, &rita, DeploymentId(1)).await.unwrap();
        disable(&world, "rita").await;
    })
    .await;
    assert_eq!(
        outcome,
        "Its time came, but it is not allowed now: The approval by rita no longer counts: The account of rita is disabled. No server was touched."
    );
}

/// An API token of admin's.
async fn token(world: &World, scope: TokenScope) -> (Actor, UsedToken) {
    world.account("admin").await;
    let new = NewToken {
        name: "ci".parse().unwrap(),
        expires_at: None,
        scope,
    };
    let made = tokens::make_own(&world.app, &admin(), new).await.unwrap().token;
    let used = UsedToken {
        id: made.id,
        name: made.name.to_string(),
        scope: made.scope,
    };
    let actor = Actor {
        token: Some(used.clone()),
        ..admin()
    };
    (actor, used)
}

/// What becomes of a deployment that `actor` requested for an hour later, after `meanwhile`.
async fn scheduled_by(
    world: &World,
    (actor, commit): (&Actor, &str),
    meanwhile: impl Future<Output = ()>,
) -> deployer::domain::Deployment {
    let at = world.clock.now() + TimeDelta::hours(1);
    let request = DeployRequest {
        at: Some(at),
        ..World::request(commit)
    };
    let id = deployments::request(&world.app, actor, request)
        .await
        .unwrap()
        .id();
    meanwhile.await;
    world.clock.move_to(at + TimeDelta::minutes(1));
    world.end(id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_time_finds_the_token_that_requested_it_revoked() {
    let mut world = monday().await;
    let commit = world.commit("First").await;
    let (actor, used) = token(&world, TokenScope::default()).await;
    let ended = scheduled_by(&world, (&actor, &commit), async {
        let user = users::by_name(&world.store, "admin").await.unwrap();
        let revoked = tokens::revoke_own(&world.app, (&admin(), &user), used.id).await;
        assert_eq!(revoked.unwrap().name.as_str(), "ci");
    })
    .await;
    assert_eq!(ended.token, Some(used));
    assert_eq!(
        ended.outcome,
        "Its time came, but it is not allowed now: The API token “ci” that requested it was revoked. No server was touched."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scope_of_a_token_narrows_again_when_its_time_comes() {
    let mut world = monday().await;
    let commit = world.commit("First").await;
    let scope = TokenScope {
        actions: vec![Action::Deploy],
        environments: vec!["dev".parse().unwrap()],
        ..TokenScope::default()
    };
    let (actor, _) = token(&world, scope).await;
    let ended = scheduled_by(&world, (&actor, &commit), async {
        let project = projects::by_name(&world.store, "shop").await.unwrap();
        let mut dev = environments::by_name(&world.store, project.id, "dev")
            .await
            .unwrap();
        dev.name = "development".parse().unwrap();
        let tx = change(&world.store).await;
        environments::update(&tx, &dev).await.unwrap();
        bring_in(tx).await;
    })
    .await;
    assert_eq!(
        ended.outcome,
        "Its time came, but it is not allowed now: admin may not deploy shop/development: the scope of the API token “ci” does not include it. No server was touched."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_time_finds_an_impersonator_who_may_no_more() {
    let at = Utc.with_ymd_and_hms(2026, 11, 23, 10, 0, 0).unwrap();
    let policy = "p, boss, *, *, impersonate, business-hours, allow";
    let setup = World::project().clock(Clock::set_to(at)).policy(policy);
    let mut world = setup.start().await;
    let commit = world.commit("First").await;
    for name in ["admin", "boss"] {
        world.account(name).await;
    }
    let actor = Actor {
        impersonator: Some("boss".into()),
        ..admin()
    };
    // It is asked at five and begins at six, when business hours are over.
    world.clock.move_to(at + TimeDelta::hours(8));
    let ended = scheduled_by(&world, (&actor, &commit), async {}).await;
    assert!(
        ended.outcome.contains("boss may not impersonate everything"),
        "{}",
        ended.outcome
    );
}

/// One deployment that runs and one that waits for its server; `meanwhile` happens then.
async fn while_it_waits(world: &mut World, meanwhile: impl AsyncFnOnce(&World)) -> String {
    world.script("deploy.sh", "echo begun; sleep 2");
    let first = world.commit("Slow").await;
    let running = world.ask(World::request(&first)).await;
    world.until_it_says(running, "begun").await;
    world.repository.write("b", "1");
    let second = world.commit("Waits").await;
    let waiting = world.ask(World::request(&second)).await;
    meanwhile(world).await;
    assert_eq!(world.end(running).await.state, DeploymentState::Succeeded);
    let ended = world.end(waiting).await;
    assert_eq!(
        ended.state,
        DeploymentState::Failed,
        "{}",
        world.log(waiting).await
    );
    ended.outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_was_deleted_while_it_waited() {
    let mut world = World::simple().await;
    let outcome = while_it_waits(&mut world, async |world: &World| {
        let store = &world.store;
        let user = users::by_name(store, "admin").await.unwrap();
        let tx = change(store).await;
        users::delete(&tx, user.id).await.unwrap();
        bring_in(tx).await;
    })
    .await;
    assert_eq!(
        outcome,
        "No longer allowed: The account of admin no longer exists. No server was touched."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_was_made_while_it_waited() {
    let mut world = World::simple().await;
    let outcome = while_it_waits(&mut world, async |world: &World| lock(world).await).await;
    assert_eq!(
        outcome,
        "No longer allowed: dora has locked this: the database is being moved. No server was touched."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_judges_the_place_by_its_present_name() {
    let mut world = World::project()
        .policy("p, *, shop, live, deploy, always, deny")
        .start()
        .await;
    let outcome = while_it_waits(&mut world, async |world: &World| {
        let store = &world.store;
        let project = projects::by_name(store, "shop").await.unwrap();
        let mut environment = environments::by_name(store, project.id, "dev").await.unwrap();
        environment.name = "live".parse().unwrap();
        let tx = change(store).await;
        environments::update(&tx, &environment).await.unwrap();
        bring_in(tx).await;
    })
    .await;
    assert!(
        outcome.starts_with("No longer allowed: admin may not deploy"),
        "{outcome}"
    );
    assert!(outcome.contains("live"), "{outcome}");
}

/// What is said of the rollback of a rollout that fails on its second server, where `meanwhile`
/// happens before that.
async fn rolled_back(meanwhile: impl AsyncFnOnce(&World)) -> String {
    let strategy = Strategy::Rolling {
        batch: Share::Count(1),
        keep: None,
    };
    let mut world = World::project()
        .clusters(&[2])
        .strategy(strategy)
        .on_failure(OnFailure::RollBack)
        .start()
        .await;
    world.repository.write("a", "1");
    let first = world.commit("First").await;
    world.deploy(&first).await;
    world.repository.write("a", "2");
    world.script("deploy.sh", "echo begun; sleep 1; [ \"$2\" = web1 ]");
    let second = world.commit("Second").await;
    let id = world.ask(World::request(&second)).await;
    world.until_it_says(id, "begun").await;
    meanwhile(&world).await;
    let failed = world.end(id).await;
    assert_eq!(failed.state, DeploymentState::Failed);
    let parts = world.parts(id).await;
    assert_eq!(parts[0].state, ServerState::Succeeded);
    failed.outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_rolled_back_in_the_name_of_a_disabled_account() {
    let outcome = rolled_back(async |world: &World| disable(world, "admin").await).await;
    assert!(
        outcome.ends_with("It was not rolled back: The account of admin is disabled."),
        "{outcome}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_rolled_back_where_a_lock_was_made_meanwhile() {
    let outcome = rolled_back(async |world: &World| lock(world).await).await;
    assert!(
        outcome.ends_with("It was not rolled back: dora has locked this: the database is being moved."),
        "{outcome}"
    );
}

/// What a changed policy asks for holds for what was requested before.
#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_time_finds_that_policy_asks_for_a_second_person() {
    let at = Utc.with_ymd_and_hms(2026, 11, 23, 10, 0, 0).unwrap();
    let mut world = World::project()
        .clock(Clock::set_to(at))
        .policy("p, tess, shop, dev, deploy, always, allow\ng, lea, role:lead")
        .start()
        .await;
    let commit = world.commit("First").await;
    let later = at + TimeDelta::hours(1);
    let request = DeployRequest {
        at: Some(later),
        ..World::request(&commit)
    };
    let tess = Actor::user("tess", "192.0.2.7");
    let id = deployer::app::deployments::request(&world.app, &tess, request).await;
    let id = id.unwrap().id();
    let file = world.dir.path().join("policies/policy.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = "p, tess, shop, dev, deploy, always, allow";
    std::fs::write(&file, text.replace(line, &format!("{line} with role:lead"))).unwrap();
    world.parts.access.reload().unwrap();
    world.clock.move_to(later + TimeDelta::minutes(1));
    let ended = world.end(id).await;
    assert_eq!(
        ended.outcome,
        "Its time came, but it is not allowed now: Policy now takes the approval of a second person of role:lead: request it again. No server was touched."
    );
}
