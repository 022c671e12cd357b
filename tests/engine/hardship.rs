//! What goes wrong around a deployment, or is meant to: a store that refuses writes, secrets that
//! want out, rules somebody would like to get round.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use deployer::app::deployments::{self, Choice};
use deployer::domain::deployment::ServerState;
use deployer::domain::{DeploymentState, EnvironmentOptions, Kind, StepKind, Variable};
use deployer::store::{environments, projects, queue, servers};

use crate::support::world::{World, admin};

const MOMENT: Duration = Duration::from_millis(20);

/// Changes the store behind its back.
pub async fn tamper(world: &World, sql: &str) {
    use sea_orm::{ConnectionTrait, Database};
    let url = format!("sqlite://{}", world.dir.path().join("deployer.db").display());
    let raw = Database::connect(url).await.unwrap();
    raw.execute_unprepared(sql).await.unwrap();
    raw.close().await.unwrap();
}

pub fn variable(name: &str, value: &str) -> EnvironmentOptions {
    let variable = Variable {
        value: value.into(),
        secret: true,
        ..Variable::default()
    };
    EnvironmentOptions {
        variables: BTreeMap::from([(name.into(), variable)]),
        ..EnvironmentOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_writes_for_a_while_leaves_nothing_running() {
    let mut world = World::simple().await;
    world.script(
        "deploy.sh",
        "for i in $(seq 200); do echo line $i; sleep 0.1; done",
    );
    let commit = world.commit("Talks").await;
    let id = world.ask(World::request(&commit)).await;
    world.until_it_says(id, "line 3").await;

    tamper(
        &world,
        "CREATE TRIGGER full BEFORE UPDATE ON deployments BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    tamper(&world, "DROP TRIGGER full").await;

    let deployment = world.end(id).await;
    assert_eq!(deployment.state, DeploymentState::Failed);
    assert_eq!(
        deployment.outcome,
        "Stopped, because its log could not be stored."
    );
    world.assert_steps_ended(id).await;
    assert_eq!(world.parts(id).await[0].state, ServerState::Interrupted);
    assert!(queue::holders(&world.store).await.unwrap().is_empty());
    world.script("deploy.sh", "echo well");
    let next = world.commit("Well").await;
    assert_eq!(world.deploy(&next).await.state, DeploymentState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_in_no_command_line_and_arrives_byte_for_byte() {
    let secret = "s3cr3t-%n\\n'quoted'\n\n second \"line\" $HOME `id` é\n";
    let mut world = World::project().options(variable("TOKEN", secret)).start().await;
    world.script(
        "deploy.sh",
        "printf %s \"$TOKEN\" > $HOME/token; sleep 0.5\n\
         for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done > $HOME/processes 2>/dev/null\n\
         cat > $HOME/input",
    );
    let commit = world.commit("Looks around").await;

    let deployment = world.deploy(&commit).await;

    world.assert_succeeded(&deployment).await;
    assert_eq!(world.read(1, "token"), secret);
    assert_eq!(world.read(1, "input"), "", "a script reads what is not for it");
    let processes = world.read(1, "processes");
    assert!(processes.contains("deploy.sh"), "{processes}");
    let shown: Vec<&str> = processes.lines().filter(|line| line.contains("s3cr3t")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_masked_where_a_long_line_is_cut() {
    let secret = "abcdefghijklmnopqrstuvwxyz";
    let mut world = World::project().options(variable("TOKEN", secret)).start().await;
    world.script(
        "deploy.sh",
        "head -c 8180 /dev/zero | tr '\\0' 'X'; printf '%s' \"$TOKEN\"; head -c 9000 /dev/zero | tr '\\0' 'Y'",
    );
    let commit = world.commit("Long").await;

    let deployment = world.deploy(&commit).await;

    assert_eq!(deployment.state, DeploymentState::Succeeded);
    let log = world.log(deployment.id).await;
    assert!(log.contains("•••Y"), "it is not there at all");
    assert!(
        !log.contains("Xabc") && !log.contains("xyzY"),
        "a part of it is shown"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_error_message_contains_a_secret() {
    let mut world = World::project()
        .options(variable("HIDDEN", "shop_releases"))
        .start()
        .await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    std::fs::create_dir_all(world.home(1, "dev")).unwrap();
    std::fs::write(world.home(1, "dev/shop_releases"), "in the way").unwrap();

    let deployment = world.deploy(&commit).await;

    assert_eq!(deployment.state, DeploymentState::Failed);
    let details: Vec<String> = world
        .steps(deployment.id)
        .await
        .into_iter()
        .map(|s| s.detail)
        .collect();
    let parts: Vec<String> = world
        .parts(deployment.id)
        .await
        .into_iter()
        .map(|p| p.detail)
        .collect();
    let said = format!(
        "{details:?}\n{parts:?}\n{}\n{}",
        deployment.outcome,
        world.log(deployment.id).await
    );
    assert!(!said.contains("shop_releases"), "{said}");
    assert!(
        said.contains("•••"),
        "nothing was hidden, so this proves nothing: {said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_cannot_bypass_the_rules_for_commits() {
    let mut world = World::project().environment("prod").start().await;
    world.repository.write("a", "1");
    let proven = world.commit("Proven").await;
    world.repository.write("a", "2");
    let fresh = world.commit("Never deployed").await;
    assert_eq!(world.deploy(&proven).await.state, DeploymentState::Succeeded);
    let to_prod = |commit: &str, kind| {
        let mut request = World::request(commit);
        request.environment = "prod".into();
        request.kind = kind;
        request
    };

    let refused = deployments::request(&world.app, &admin(), to_prod(&fresh, Kind::Rollback)).await;
    let refused = refused.expect_err("a commit nobody has tried went to prod as a rollback");
    assert!(
        refused.message().contains("was never deployed to prod"),
        "{refused}"
    );

    let first = world.ask(to_prod(&proven, Kind::Regular)).await;
    assert_eq!(world.end(first).await.state, DeploymentState::Succeeded);
    let back = world.ask(to_prod(&proven, Kind::Rollback)).await;
    let back = world.end(back).await;
    assert_eq!(
        (back.state, back.kind),
        (DeploymentState::Succeeded, Kind::Rollback)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_goes_to_the_commit_of_all_servers_not_to_one_tried_on_a_single_server() {
    let mut world = World::project().clusters(&[2]).start().await;
    let mut commits = Vec::new();
    for name in ["a", "b", "c"] {
        world.repository.write("a", name);
        commits.push(world.commit(name).await);
    }
    assert_eq!(world.deploy(&commits[0]).await.state, DeploymentState::Succeeded);
    let one = servers::by_name(&world.store, "web1").await.unwrap();
    let mut request = World::request(&commits[1]);
    request.choice = Choice::Server(one.id);
    let tried = world.ask(request).await;
    assert_eq!(world.end(tried).await.state, DeploymentState::Succeeded);
    let last = world.deploy(&commits[2]).await;

    let back = deployments::roll_back(&world.app, &admin(), last.id)
        .await
        .unwrap();

    let back = world.end(back.id()).await;
    assert_eq!(back.commit.as_str(), commits[0], "{}", back.outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_during_the_switch_names_what_is_really_in_use() {
    let mut world = World::simple().await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    // A `mv` that makes the switch and then hangs, as a server in trouble might.
    let bin = world.home(1, "bin");
    std::fs::create_dir(&bin).unwrap();
    let mark = world.home(1, "switched");
    let mv = format!(
        "#!/bin/sh\n/bin/mv \"$@\" || exit\ncase \"$*\" in *.deployer-link-*) touch {}; sleep 60;; esac\n",
        mark.display()
    );
    std::fs::write(bin.join("mv"), mv).unwrap();
    std::fs::set_permissions(bin.join("mv"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("export PATH={}:$PATH\n", bin.display());
    std::fs::write(world.home(1, ".bashrc"), path).unwrap();
    let id = world.ask(World::request(&commit)).await;
    for _ in 0..1500 {
        if mark.exists() {
            break;
        }
        tokio::time::sleep(MOMENT).await;
    }
    assert!(mark.exists(), "the switch was not made: {}", world.log(id).await);

    deployments::cancel(&world.app, &admin(), id).await.unwrap();

    assert_eq!(world.end(id).await.state, DeploymentState::Cancelled);
    let detail = &world.parts(id).await[0].detail;
    assert!(
        detail.contains("deploy.sh and the tests were not run"),
        "{detail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_deploy_script_is_not_left_in_the_target() {
    let mut world = World::project().in_place().start().await;
    world.script("deploy.sh", "echo begun; sleep 30");
    let commit = world.commit("Slow").await;
    let id = world.ask(World::request(&commit)).await;
    world.until_it_says(id, "begun").await;

    deployments::cancel(&world.app, &admin(), id).await.unwrap();

    assert_eq!(world.end(id).await.state, DeploymentState::Cancelled);
    assert!(!world.home(1, "dev/shop/deploy.sh").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_environments_never_write_to_the_same_directory() {
    let mut world = World::project().environment("beta").start().await;
    world.repository.write("a", "1");
    let commit = world.commit("First").await;
    assert_eq!(world.deploy(&commit).await.state, DeploymentState::Succeeded);
    let store = &world.store;
    let project = projects::by_name(store, "shop").await.unwrap();
    // An absolute path is the same directory whoever is logged in as.
    let absolute = world.home(1, "apps").to_str().unwrap().to_owned();
    for (dev_path, dev_user, beta_path) in [
        ("~/dev/shop", None, "~/dev/shop".to_owned()),
        ("~/dev/shop", None, "~/dev/shop/api".to_owned()),
        ("~/dev/shop", None, "~/dev/shop_releases".to_owned()),
        (absolute.as_str(), Some("somebody"), format!("{absolute}/api")),
    ] {
        let mut dev = environments::by_name(store, project.id, "dev").await.unwrap();
        dev.target_path = dev_path.parse().unwrap();
        dev.remote_user = dev_user.map_or(dev.remote_user, str::to_owned);
        let mut beta = environments::by_name(store, project.id, "beta").await.unwrap();
        beta.target_path = beta_path.parse().unwrap();
        let tx = crate::support::store::change(store).await;
        environments::update(&tx, &dev).await.unwrap();
        environments::update(&tx, &beta).await.unwrap();
        crate::support::store::bring_in(tx).await;

        let mut request = World::request(&commit);
        request.environment = "beta".into();
        let id = world.ask(request).await;

        assert_eq!(world.end(id).await.state, DeploymentState::Failed, "{beta_path}");
        let steps = world.steps(id).await;
        let inspect = steps.iter().find(|step| step.kind == StepKind::Inspect).unwrap();
        assert!(
            inspect.detail.contains("shop/dev on it goes to"),
            "{beta_path}: {}",
            inspect.detail
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_directory_under_two_spellings_is_no_place_for_two_environments() {
    for spelling in ["absolute", "through a link", "absolute, and renamed"] {
        let mut world = World::project().environment("beta").start().await;
        world.repository.write("a", "1");
        let commit = world.commit("First").await;
        assert_eq!(world.deploy(&commit).await.state, DeploymentState::Succeeded);
        let store = &world.store;
        let project = projects::by_name(store, "shop").await.unwrap();
        let mut dev = environments::by_name(store, project.id, "dev").await.unwrap();
        let below_home = dev.target_path.as_str().strip_prefix("~/").unwrap();
        let (parent, name) = below_home.rsplit_once('/').unwrap();
        let mut path = world.home(1, below_home);
        if spelling == "through a link" {
            let link = world.home(1, "also");
            std::os::unix::fs::symlink(world.home(1, parent), &link).unwrap();
            path = link.join(name);
        }
        let mut beta = environments::by_name(store, project.id, "beta").await.unwrap();
        beta.target_path = path.to_str().unwrap().parse().unwrap();
        if spelling.contains("renamed") {
            dev.name = "old".parse().unwrap();
        }
        let tx = crate::support::store::change(store).await;
        environments::update(&tx, &beta).await.unwrap();
        environments::update(&tx, &dev).await.unwrap();
        crate::support::store::bring_in(tx).await;

        let mut request = World::request(&commit);
        request.environment = "beta".into();
        let id = world.ask(request).await;

        assert_eq!(world.end(id).await.state, DeploymentState::Failed, "{spelling}");
        let steps = world.steps(id).await;
        let inspect = steps.iter().find(|step| step.kind == StepKind::Inspect).unwrap();
        let told = format!("is the directory of shop/{}, or lies in or around one", dev.name);
        assert!(inspect.detail.contains(&told), "{spelling}: {}", inspect.detail);
    }
}
