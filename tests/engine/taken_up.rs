//! A deployer that ends while a deployment is paused, and what the next one does: it waits on, looks whether all
//! is as it was, and carries on.

use std::time::{Duration, Instant};

use deployer::app::deployments::{self, DeployRequest};
use deployer::app::watch;
use deployer::domain::ServerState::{Failed, Succeeded, Waiting};
use deployer::domain::{
    Answer, Deployment, DeploymentId, DeploymentState, Environment, OnFailure, PauseReason, Share, Strategy,
    User,
};
use deployer::store::{audit, environments, projects, queue, users};

use super::hardship::variable;
use super::killed::Served;
use crate::support::setup::Setup;
use crate::support::world::{World, admin, bring_in, change};

/// What nothing here should take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// One server first, then a person decides.
pub const CANARY: Strategy = Strategy::Canary {
    first: 1,
    wait: None,
    batch: Share::Count(2),
    keep: None,
};

/// Waits until the deployer was started again so many times while a deployment was paused.
pub async fn until_taken_up(world: &World, id: DeploymentId, times: usize) {
    let start = Instant::now();
    loop {
        let log = world.log(id).await;
        if log.matches("The deployer was started again").count() >= times {
            return;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "it is not taken up: {log}\n{}",
            said(world)
        );
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// What the deployer logged itself.
pub fn said(world: &World) -> String {
    std::fs::read_to_string(super::killed::log_file(world)).unwrap_or_default()
}

pub async fn answer(world: &World, id: DeploymentId, answer: Answer) {
    deployments::answer(&world.app, &admin(), id, answer)
        .await
        .unwrap();
}

/// Waits until the pause says what was found changed.
pub async fn until_found(world: &World, id: DeploymentId, what: &str) -> Deployment {
    let says = |one: &Deployment| {
        let findings = one.pause.as_ref().map(|pause| pause.findings.join(" "));
        findings.is_some_and(|found| found.contains(what))
    };
    let found = world.until(id, &format!("it says {what:?}"), says).await;
    assert_eq!(found.state, DeploymentState::Paused);
    found
}

/// Three servers with a release, and the next one to deploy to them; nobody is at work.
pub async fn prepared(setup: Setup) -> (World, String, String) {
    let mut world = setup.clusters(&[3]).start().await;
    world.repository.write("version", "1");
    let first = world.commit("First").await;
    let done = world.deploy(&first).await;
    world.assert_succeeded(&done).await;
    world.app.stop_engine().await;
    world.repository.write("version", "2");
    let second = world.commit("Second").await;
    (world, first, second)
}

/// Requests a deployment by a strategy of its own.
pub async fn request(world: &World, commit: &str, strategy: Strategy) -> DeploymentId {
    let request = DeployRequest {
        strategy: Some(strategy),
        ..World::request(commit)
    };
    world.ask(request).await
}

/// A deployment, and the pause in which its deployer was killed.
type Killed = (DeploymentId, PauseReason);

/// Requests a deployment of `commit`, whose deployer is killed in the pause that comes.
pub async fn killed_while_paused(world: &World, commit: &str, strategy: Strategy) -> Killed {
    let id = request(world, commit, strategy).await;
    let served = Served::start(world);
    let reason = world.until_paused(id).await;
    served.kill();
    (id, reason)
}

/// It is continued, and all ends well.
pub async fn continue_whole(world: &World, id: DeploymentId) {
    answer(world, id, Answer::Resume).await;
    assert_whole(world, &world.end(id).await).await;
}

/// A deployer is killed in a canary's pause, and started again.
pub async fn killed_in_a_pause(setup: Setup) -> (World, DeploymentId, Served) {
    let (world, _, second) = prepared(setup).await;
    let (id, reason) = killed_while_paused(&world, &second, CANARY).await;
    assert_eq!(reason, PauseReason::Canary);
    let again = Served::start(&world);
    until_taken_up(&world, id, 1).await;
    (world, id, again)
}

/// Every server has the new release, and nothing is left over.
pub async fn assert_whole(world: &World, deployment: &Deployment) {
    world.assert_succeeded(deployment).await;
    world.assert_steps_ended(deployment.id).await;
    assert_eq!(world.states(deployment.id).await, [Succeeded; 3]);
    for server in 1..=3 {
        assert_eq!(world.read(server, "dev/shop/version"), "2", "web{server}");
    }
    assert!(queue::holders(&world.store).await.unwrap().is_empty());
}

pub async fn environment(world: &World) -> Environment {
    let project = projects::by_name(&world.store, "shop").await.unwrap();
    environments::by_name(&world.store, project.id, "dev")
        .await
        .unwrap()
}

/// Excludes a path; returns the environment as it was.
pub async fn exclude_version(world: &World) -> Environment {
    let before = environment(world).await;
    let mut changed = before.clone();
    changed.options.excluded = vec!["version".to_owned()];
    update(world, &changed).await;
    before
}

pub async fn update(world: &World, environment: &Environment) {
    let tx = change(&world.store).await;
    environments::update(&tx, environment).await.unwrap();
    bring_in(tx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_killed_in_its_pause_is_stopped_or_cancelled_as_before() {
    let (world, id, again) = killed_in_a_pause(World::project()).await;
    let (_, acts) = watch::see(&world.app, &admin(), id).await.unwrap();
    assert_eq!(acts.answers, [Answer::Resume, Answer::RollBack, Answer::Stop]);
    answer(&world, id, Answer::Stop).await;
    let stopped = world.end(id).await;
    assert_eq!(stopped.state, DeploymentState::Cancelled);
    assert!(
        stopped.outcome.starts_with("Stopped by admin."),
        "{}",
        stopped.outcome
    );
    let versions = [1, 2, 3].map(|server| world.read(server, "dev/shop/version"));
    assert_eq!(versions, ["2", "1", "1"]);
    again.kill();

    let (world, id, _again) = killed_in_a_pause(World::project()).await;
    deployments::cancel(&world.app, &admin(), id).await.unwrap();
    let cancelled = world.end(id).await;
    assert_eq!(cancelled.state, DeploymentState::Cancelled);
    world.assert_steps_ended(id).await;
    let versions = [1, 2, 3].map(|server| world.read(server, "dev/shop/version"));
    assert_eq!(versions, ["2", "1", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_killed_in_its_pause_is_rolled_back_as_before() {
    let (world, id, _again) = killed_in_a_pause(World::project().in_place()).await;
    answer(&world, id, Answer::RollBack).await;
    let back = world.end(id).await;
    assert_eq!(back.state, DeploymentState::Cancelled);
    let undone = world.end(DeploymentId(id.0 + 1)).await;
    world.assert_succeeded(&undone).await;
    let versions = [1, 2, 3].map(|server| world.read(server, "dev/shop/version"));
    assert_eq!(versions, ["1", "1", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_some_seconds_ends_by_itself_after_a_restart() {
    let strategy = Strategy::Canary {
        first: 1,
        wait: Some(4),
        batch: Share::Count(2),
        keep: None,
    };
    let (world, _, second) = prepared(World::project()).await;
    let id = request(&world, &second, strategy).await;
    let served = Served::start(&world);
    world.until_paused(id).await;
    served.terminate();
    let paused = deployer::store::deployments::by_id(&world.store, id)
        .await
        .unwrap();
    assert_eq!(paused.state, DeploymentState::Paused, "{}", paused.outcome);
    let _again = Served::start(&world);
    assert_whole(&world, &world.end(id).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_while_nobody_was_at_work_is_done_at_the_next_start() {
    let (world, _, second) = prepared(World::project()).await;
    let (id, _) = killed_while_paused(&world, &second, CANARY).await;
    answer(&world, id, Answer::Resume).await;
    let _again = Served::start(&world);
    assert_whole(&world, &world.end(id).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployer_killed_right_after_an_answer_follows_it_at_its_next_start() {
    let (mut world, _, _) = prepared(World::project()).await;
    world.script("predeploy.sh", "echo is being made; sleep 2; echo 1 > made");
    let commit = world.commit("Slow to make").await;
    let made = async |world: &World, id, times: usize| {
        let begun = Instant::now();
        while world.log(id).await.matches("is being made").count() < times {
            assert!(begun.elapsed() < PATIENCE, "{}", said(world));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (id, _) = killed_while_paused(&world, &commit, CANARY).await;
    let second = Served::start(&world);
    until_taken_up(&world, id, 1).await;
    answer(&world, id, Answer::Resume).await;
    made(&world, id, 2).await;
    let running = deployer::store::deployments::by_id(&world.store, id)
        .await
        .unwrap();
    assert_eq!((running.state, running.pause), (DeploymentState::Running, None));
    second.kill();

    let _third = Served::start(&world);

    assert_whole(&world, &world.end(id).await).await;
    made(&world, id, 3).await;
    let told = recorded(&world, id).await;
    let again = "The deployer stopped before it followed this: admin answered: Continue.";
    assert_eq!(told.matches(again).count(), 1, "{told}");
    assert!(!told.contains("deployment.interrupted"), "{told}");
}

/// The audit log's lines about a deployment, oldest first: what happened, and its sentence.
pub async fn recorded(world: &World, id: DeploymentId) -> String {
    let page = audit::list(&world.store, &Default::default(), Default::default(), 100).await;
    let events = page.unwrap().items;
    let own = events.iter().map(|one| &one.event);
    let own = own.filter(|event| event.detail["deployment"] == id.0);
    let mut lines: Vec<String> = own
        .map(|event| format!("{}: {}", event.action, event.detail["outcome"]))
        .collect();
    lines.reverse();
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_was_answered_with_an_end_is_not_recorded_as_resumed() {
    for (choice, sentence) in [
        (
            Answer::Stop,
            "admin answered: Stop here. Servers that were not begun stay as they are.",
        ),
        (
            Answer::RollBack,
            "admin answered: Roll back. Servers that are done return to the release before.",
        ),
    ] {
        let (world, _, second) = prepared(World::project()).await;
        let id = request(&world, &second, CANARY).await;
        let _served = Served::start(&world);
        world.until_paused(id).await;
        answer(&world, id, choice).await;
        assert_eq!(world.end(id).await.state, DeploymentState::Cancelled);
        let told = recorded(&world, id).await;
        assert!(
            told.contains(&format!("deployment.stopped: \"{sentence}\"")),
            "{told}"
        );
        assert!(!told.contains("deployment.resumed"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_failed_servers_outlives_the_deployer() {
    for choice in [Answer::Retry, Answer::Skip] {
        let rolling = Strategy::Rolling {
            batch: Share::Count(1),
            keep: None,
        };
        let (mut world, _, _) = prepared(World::project().on_failure(OnFailure::Ask)).await;
        world.script("deploy.sh", "test ! -e ~/broken");
        let commit = world.commit("Third").await;
        std::fs::write(world.home(2, "broken"), "").unwrap();
        let (id, reason) = killed_while_paused(&world, &commit, rolling).await;
        let servers = vec!["web2".to_owned()];
        assert_eq!(reason, PauseReason::Failure { servers });
        std::fs::remove_file(world.home(2, "broken")).unwrap();
        let _again = Served::start(&world);
        until_taken_up(&world, id, 1).await;
        assert_eq!(world.states(id).await, [Succeeded, Failed, Waiting]);
        answer(&world, id, choice).await;
        let ended = world.end(id).await;
        if choice == Answer::Retry {
            assert_whole(&world, &ended).await;
        } else {
            assert_eq!(ended.outcome, "Failed on web2. Deployed to 2 servers.");
            assert_eq!(world.states(id).await, [Succeeded, Failed, Succeeded]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_changed_meanwhile_keeps_it_paused_until_it_is_put_right() {
    let (world, first, second) = prepared(World::project()).await;
    let (id, _) = killed_while_paused(&world, &second, CANARY).await;
    let link = world.home(1, "dev/shop");
    let ours = std::fs::read_link(&link).unwrap();
    let releases = world.home(1, "dev/shop_releases");
    let mut others = std::fs::read_dir(&releases).unwrap().flatten();
    let other = others.find(|one| !ours.ends_with(one.file_name())).unwrap();
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(other.path(), &link).unwrap();

    let _again = Served::start(&world);

    let says = format!("web1 runs {} and ran {}", &first[..8], &second[..8]);
    until_found(&world, id, &says).await;
    answer(&world, id, Answer::Resume).await;
    world.until_it_says(id, "web1").await;
    let is_answered = |one: &Deployment| one.pause.as_ref().is_some_and(|pause| pause.chosen.is_some());
    world.until(id, "it has looked again", is_answered).await;
    until_found(&world, id, &says).await;
    assert_eq!(world.read(2, "dev/shop/version"), "1", "nothing is guessed");

    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&ours, &link).unwrap();
    continue_whole(&world, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_were_changed_meanwhile_keep_it_paused() {
    let (world, _, second) = prepared(World::project()).await;
    let (id, _) = killed_while_paused(&world, &second, CANARY).await;
    let before = exclude_version(&world).await;

    let _again = Served::start(&world);

    until_found(&world, id, "The settings of dev were changed").await;
    update(&world, &before).await;
    continue_whole(&world, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_was_taken_away_meanwhile_keeps_it_paused() {
    let (world, id, _again) = killed_in_a_pause(World::project()).await;
    disable(&world, true).await;
    let (_, acts) = watch::see(&world.app, &admin(), id).await.unwrap();
    assert_eq!(acts.answers, [Answer::RollBack, Answer::Stop]);
    answer(&world, id, Answer::Resume).await;
    let refused = |one: &Deployment| {
        let reason = one.pause.as_ref().map(|pause| &pause.reason);
        matches!(reason, Some(PauseReason::Policy { why }) if why.contains("disabled"))
    };
    world.until(id, "it is refused", refused).await;
    disable(&world, false).await;
    continue_whole(&world, id).await;
}

pub async fn disable(world: &World, disabled: bool) {
    let tx = change(&world.store).await;
    let user = users::by_name(&tx, "admin").await.unwrap();
    users::update(&tx, &User { disabled, ..user }).await.unwrap();
    bring_in(tx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_comes_out_different_keeps_it_paused_and_is_told() {
    let (mut world, _, _) = prepared(World::project().options(variable("HIDDEN", "hidden-part"))).await;
    world.script("predeploy.sh", "date +%s%N > built; cp built built-hidden-part");
    let commit = world.commit("Built").await;
    let (id, _) = killed_while_paused(&world, &commit, CANARY).await;
    let _again = Served::start(&world);
    until_taken_up(&world, id, 1).await;
    answer(&world, id, Answer::Resume).await;
    until_found(&world, id, "Different: built, built-•••.").await;
    assert_eq!(world.states(id).await, [Succeeded, Waiting, Waiting]);
    answer(&world, id, Answer::Stop).await;
    assert_eq!(world.end(id).await.state, DeploymentState::Cancelled);
}
