//! The scripts of a repository: when they run, with what, and what their end means.
#![allow(clippy::disallowed_methods, reason = "a test may look at processes")]

use std::collections::BTreeMap;

use deployer::domain::deployment::ServerState;
use deployer::domain::{DeploymentId, DeploymentState, EnvironmentOptions, StepKind, StepState, Variable};
use deployer::engine::LogLimits;
use sha2::{Digest as _, Sha256};

use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn scripts_run_in_order_with_the_arguments_of_the_original() {
    let mut world = World::simple().await;
    let proof = world.dir.path().join("proof");
    let note = |name: &str| {
        format!(
            "echo {name} \"$*\" \"$DEPLOYER_SERVER\" \"$DEPLOYER_BRANCH\" >> {}",
            proof.display()
        )
    };
    world.script(
        "predeploy.sh",
        &format!("{}; echo built > built.txt", note("predeploy")),
    );
    world.script("tests/run_local_tests.sh", &note("local"));
    world.script("deploy.sh", &format!("{}; pwd; cat built.txt", note("deploy")));
    world.script("tests/run_tests.sh", &note("tests"));
    let commit = world.commit("Scripts").await;

    let deployment = world.deploy(&commit).await;

    world.assert_succeeded(&deployment).await;
    let expected = format!(
        "predeploy dev {commit}  main\nlocal dev localhost main {commit}  main\n\
         deploy dev web1 {commit} web1 main\ntests dev web1 main {commit} web1 main\n"
    );
    assert_eq!(std::fs::read_to_string(&proof).unwrap(), expected);
    for gone in ["predeploy.sh", "tests/run_local_tests.sh", "deploy.sh"] {
        assert!(
            !world.home(1, "dev/shop").join(gone).exists(),
            "{gone} is on the server"
        );
    }
    assert_eq!(world.read(1, "dev/shop/built.txt"), "built\n");
    assert!(world.log(deployment.id).await.contains("web1/deploy: built"));
}

/// What every script is told of its deployment, in the order in which [`tell`] says it.
const TOLD: [&str; 7] = [
    "PROJECT",
    "ENVIRONMENT",
    "SERVER",
    "COMMIT",
    "BRANCH",
    "PREVIOUS_COMMIT",
    "DEPLOYMENT_ID",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_script_knows_its_deployment() {
    let mut world = World::simple().await;
    let proof = world.dir.path().join("proof");
    let values: Vec<String> = TOLD.iter().map(|name| format!("${{DEPLOYER_{name}?}}")).collect();
    let tell = |name: &str| format!("echo \"{name} {}\" >> {}", values.join(" | "), proof.display());
    for script in [
        "predeploy.sh",
        "tests/run_local_tests.sh",
        "deploy.sh",
        "tests/run_tests.sh",
    ] {
        world.script(script, &tell(script));
    }
    let first = world.commit("First").await;
    let was = world.deploy(&first).await;
    world.assert_succeeded(&was).await;
    world.repository.write("a", "2");
    let second = world.commit("Second").await;
    std::fs::remove_file(&proof).unwrap();

    let now = world.deploy(&second).await;

    let told = |script: &str, server: &str| {
        format!(
            "{script} shop | dev | {server} | {second} | main | {first} | {}\n",
            now.id
        )
    };
    let expected = [
        told("predeploy.sh", ""),
        told("tests/run_local_tests.sh", ""),
        told("deploy.sh", "web1"),
        told("tests/run_tests.sh", "web1"),
    ];
    assert_eq!(std::fs::read_to_string(&proof).unwrap(), expected.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_deploy_script_fails_its_server_and_stops_the_others() {
    let mut world = World::project().clusters(&[1, 1]).start().await;
    world.repository.write("a", "1");
    world.script("deploy.sh", "echo before; echo trouble >&2; exit 3");
    let commit = world.commit("Broken").await;

    let deployment = world.deploy(&commit).await;

    assert_eq!(deployment.state, DeploymentState::Failed);
    assert_eq!(deployment.outcome, "Failed on web1. Left 1 server untouched.");
    let parts = world.parts(deployment.id).await;
    assert_eq!(parts[0].state, ServerState::Failed);
    assert!(
        parts[0].detail.starts_with("deploy.sh ended with exit code 3."),
        "{}",
        parts[0].detail
    );
    assert_eq!(parts[1].state, ServerState::Skipped);
    assert!(!world.home(2, "dev/shop").exists());
    let steps = world.steps(deployment.id).await;
    let deploy = steps
        .iter()
        .find(|step| step.kind == StepKind::Deploy && step.server_name == "web1")
        .unwrap();
    assert_eq!((deploy.state, deploy.exit_code), (StepState::Failed, Some(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_tests_fail_a_deployment_only_where_the_environment_says_so() {
    for strict in [true, false] {
        let mut world = World::project().fail_on_failed_tests(strict).start().await;
        world.script("tests/run_tests.sh", "exit 1");
        let commit = world.commit("Red").await;
        let deployment = world.deploy(&commit).await;
        let steps = world.steps(deployment.id).await;
        let tests = steps.iter().find(|step| step.kind == StepKind::Tests).unwrap();
        if strict {
            assert_eq!(
                (deployment.state, tests.state),
                (DeploymentState::Failed, StepState::Failed)
            );
        } else {
            assert_eq!(
                (deployment.state, tests.state),
                (DeploymentState::Succeeded, StepState::Warned)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_local_tests_touch_no_server() {
    let mut world = World::simple().await;
    world.script("tests/run_local_tests.sh", "echo no; exit 1");
    let commit = world.commit("Red").await;

    let deployment = world.deploy(&commit).await;

    assert_eq!(deployment.state, DeploymentState::Failed);
    assert!(!world.home(1, "dev/shop").exists());
    let parts = world.parts(deployment.id).await;
    assert_eq!(
        (parts[0].state, parts[0].detail.as_str()),
        (ServerState::Skipped, "Not touched: it runs what it ran before.")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_do_not_reach_the_log() {
    let secret = Variable {
        value: "hunter2-and-more".into(),
        secret: true,
        ..Variable::default()
    };
    let plain = Variable {
        value: "blue".into(),
        secret: false,
        ..Variable::default()
    };
    let variables = BTreeMap::from([("TOKEN".to_owned(), secret), ("COLOUR".to_owned(), plain)]);
    let options = EnvironmentOptions {
        variables,
        ..EnvironmentOptions::default()
    };
    let mut world = World::project().options(options).start().await;
    world.script(
        "predeploy.sh",
        "echo here $TOKEN; printf 'no end' >&2; printf 'nor here'",
    );
    world.script(
        "deploy.sh",
        "echo there $TOKEN $COLOUR; printf hunter2; sleep 0.2; echo -and-more",
    );
    let commit = world.commit("Tell").await;

    let deployment = world.deploy(&commit).await;

    let log = world.log(deployment.id).await;
    assert!(log.contains("no end") && log.contains("nor here"), "{log}");
    assert!(
        log.contains("here •••") && log.contains("there ••• blue"),
        "{log}"
    );
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_get_values_of_several_lines_and_such_as_refer_to_others() {
    let variable = |value: &str, refers| Variable {
        value: value.into(),
        refers,
        ..Variable::default()
    };
    let key = "-----BEGIN 'KEY'-----\n\\n \"$HOME\" `id` !\n\n-----END-----\n";
    let json = "{\n  \"a\": [\"$B\"]\n}";
    let variables = [
        ("KEY", variable(key, false)),
        ("JSON", variable(json, false)),
        ("BIN", variable("$ROOM/bin of ${DEPLOYER_PROJECT}: $$HOME", true)),
        ("ROOM", variable("$HOME/it's \\", true)),
        ("PATH", variable("$HOME/bin:$PATH", true)),
        ("NOTHING", variable("<$NO_SUCH_VARIABLE>", true)),
    ];
    let options = EnvironmentOptions {
        variables: variables.map(|(name, value)| (name.to_owned(), value)).into(),
        ..EnvironmentOptions::default()
    };
    let mut world = World::project().options(options).start().await;
    let script = r#"
        printf '%s' "$KEY" | sha256sum
        printf '%s' "$JSON" | sha256sum
        [ "$BIN" = "$HOME/it's \\/bin of shop: \$HOME" ] && echo refers to others
        [ "$NOTHING" = "<>" ] && echo to nothing
        case $PATH in "$HOME/bin:/"*) echo before the path ;; esac
    "#;
    world.script("predeploy.sh", script);
    world.script("deploy.sh", script);
    let commit = world.commit("Tell").await;

    let deployment = world.deploy(&commit).await;

    world.assert_succeeded(&deployment).await;
    let log = world.log(deployment.id).await;
    let sums = [key, json].map(|value| hex::encode(Sha256::digest(value.as_bytes())));
    for told in sums
        .iter()
        .map(String::as_str)
        .chain(["refers to others", "to nothing", "before the path"])
    {
        assert_eq!(log.matches(told).count(), 2, "{told}: {log}");
    }
}

/// Much to print: 60 bytes a line.
const MUCH: &str = "one line of much that a script in an endless loop may print";

/// Bytes of program output in the log.
async fn printed(world: &World, id: DeploymentId) -> usize {
    let lines = world.lines(id).await;
    let much = lines.iter().filter(|line| line.text == MUCH);
    much.map(|line| line.text.len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_script_that_prints_without_end_the_log_keeps_the_first_and_the_last_part() {
    let limits = LogLimits {
        step: 1 << 20,
        deployment: 64 << 20,
    };
    let mut world = World::project().log_limits(limits).start().await;
    world.script(
        "deploy.sh",
        &format!("echo first of much; yes '{MUCH}' | head -n 600000; echo last of much; echo oops >&2"),
    );
    let commit = world.commit("Talk").await;

    let deployment = world.deploy(&commit).await;

    world.assert_succeeded(&deployment).await;
    let log = world.log(deployment.id).await;
    let gap = "The log of this step has reached 1 MiB: only the end of what follows is kept.";
    for text in ["first of much", "last of much", "oops", gap, "are left out here."] {
        assert!(log.contains(text), "{text}: {}", &log[..2000]);
    }
    let bytes = printed(&world, deployment.id).await;
    assert!((800_000..1_200_000).contains(&bytes), "{bytes} bytes are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_all_print_much_stay_within_the_limit_of_the_deployment() {
    let limits = LogLimits {
        step: 1 << 20,
        deployment: 2 << 20,
    };
    let mut world = World::project().clusters(&[4]).log_limits(limits).start().await;
    world.script(
        "deploy.sh",
        &format!("yes '{MUCH}' | head -n 200000; echo last of much"),
    );
    let commit = world.commit("Talk").await;

    let deployment = world.deploy(&commit).await;

    world.assert_succeeded(&deployment).await;
    let log = world.log(deployment.id).await;
    assert!(log.contains("The log of this deployment has reached 2 MiB"));
    assert_eq!(log.matches("last of much").count(), 4);
    let bytes = printed(&world, deployment.id).await;
    assert!(bytes < 2_700_000, "{bytes} bytes are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_exceeds_its_limit_is_ended_with_its_children() {
    let options = EnvironmentOptions {
        remote_timeout: 1,
        local_timeout: 1,
        ..EnvironmentOptions::default()
    };
    let mut world = World::project().options(options).start().await;
    let proof = world.dir.path().join("late");
    world.script(
        "deploy.sh",
        &format!("trap '' TERM; (sleep 20; touch {}) & sleep 20", proof.display()),
    );
    let commit = world.commit("Slow").await;

    let deployment = world.deploy(&commit).await;

    assert_eq!(
        deployment.state,
        DeploymentState::Failed,
        "{}",
        world.log(deployment.id).await
    );
    let parts = world.parts(deployment.id).await;
    assert!(
        parts[0]
            .detail
            .contains(&format!("It runs {}.", commit.get(..8).unwrap())),
        "{}",
        parts[0].detail
    );
    let sleeping = std::process::Command::new("pgrep")
        .args(["-f", &proof.display().to_string()])
        .output()
        .unwrap();
    assert!(!sleeping.status.success(), "something of the script still runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_a_link_inside_the_tree_runs_and_one_that_leads_out_is_refused() {
    use std::os::unix::fs::symlink;
    let mut world = World::simple().await;
    let tree = world.repository.path();
    let proof = world.dir.path().join("proof");
    let note = |name: &str| format!("echo {name} >> {}", proof.display());
    for (link, name) in [
        ("predeploy.sh", "predeploy"),
        ("tests/run_local_tests.sh", "local"),
        ("deploy.sh", "deploy"),
        ("tests/run_tests.sh", "tests"),
    ] {
        world.script(&format!("bin/{name}"), &note(name));
        let up = if link.contains('/') { "../" } else { "" };
        std::fs::create_dir_all(tree.join("tests")).unwrap();
        symlink(format!("{up}bin/{name}"), tree.join(link)).unwrap();
    }
    let first = world.commit("Links").await;
    let deployment = world.deploy(&first).await;
    world.assert_succeeded(&deployment).await;
    let ran = || std::fs::read_to_string(&proof).unwrap();
    assert_eq!(ran(), "predeploy\nlocal\ndeploy\ntests\n");
    assert!(world.home(1, "dev/shop/bin/deploy").exists());
    assert!(!world.home(1, "dev/shop/deploy.sh").is_symlink());

    world.repository.write("f", "2");
    let second = world.commit("More").await;
    world.deploy(&second).await;
    std::fs::write(&proof, "").unwrap();
    let mut request = World::request(&first);
    request.kind = deployer::domain::Kind::Rollback;
    let id = world.ask(request).await;
    let back = world.end(id).await;
    assert_eq!(back.state, DeploymentState::Succeeded, "{}", world.log(id).await);
    assert_eq!(ran(), "deploy\ntests\n");

    for script in ["predeploy.sh", "deploy.sh"] {
        std::fs::remove_file(tree.join(script)).unwrap();
        symlink("/bin/true", tree.join(script)).unwrap();
        let outside = world.commit("Outside").await;
        let deployment = world.deploy(&outside).await;
        let log = world.log(deployment.id).await;
        assert_eq!(deployment.state, DeploymentState::Failed, "{log}");
        assert!(
            log.contains(&format!("{script} is a symbolic link that leads out of the tree")),
            "{log}"
        );
        std::fs::remove_file(tree.join(script)).unwrap();
    }
}
