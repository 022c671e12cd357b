//! Variables of an environment decide which programs and libraries a script finds, and nothing outside of
//! its confinement.
#![allow(
    clippy::disallowed_methods,
    reason = "a test may build a library and look around"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use deployer::confinement::ConfinementOptions;
use deployer::domain::health::{AskedFrom, CommandProbe, Probe};
use deployer::domain::{DeploymentState, EnvironmentOptions, HealthCheck, Variable};

use super::MARKER;
use crate::support::world::World;

/// A library that makes the file which its environment names, in every program that loads it.
const LIBRARY: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
__attribute__((constructor)) static void loaded(void) {
    const char *path = getenv("LEAVE_BEHIND");
    if (path) open(path, O_CREAT | O_WRONLY, 0644);
}
"#;

fn variable(value: &str, refers: bool, secret: bool) -> Variable {
    Variable {
        value: value.to_owned(),
        refers,
        secret,
    }
}

/// Options with these variables, and a health check that asks by a command from this host.
fn options(variables: BTreeMap<String, Variable>) -> EnvironmentOptions {
    EnvironmentOptions {
        variables,
        health: Some(HealthCheck {
            probe: Probe::Command(CommandProbe {
                line: "test -e index.html".to_owned(),
            }),
            from: AskedFrom::Deployer,
            attempts: 1,
            ..HealthCheck::default()
        }),
        ..EnvironmentOptions::default()
    }
}

/// A world of which scripts see nothing but their tree, with `variables` whose values know where trees are.
async fn world(variables: impl Fn(&Path, &str) -> BTreeMap<String, Variable>) -> World {
    let setup = World::project().confinement(ConfinementOptions::default());
    let world = setup.start().await;
    let own = format!(
        "{}/work/trees/deployment-$DEPLOYER_DEPLOYMENT_ID",
        world.dir.path().display()
    );
    let variables = variables(world.dir.path(), &own);
    let environments = deployer::store::environments::all(&world.store).await.unwrap();
    let mut dev = environments.into_iter().next().unwrap();
    dev.options = options(variables);
    let tx = crate::support::world::change(&world.store).await;
    deployer::store::environments::update(&tx, &dev).await.unwrap();
    crate::support::world::bring_in(tx).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_the_repository_is_not_started_in_place_of_ours() {
    let mut world = world(|dir, own| {
        let path = variable(&format!("{own}:$PATH"), true, false);
        let left = variable(&dir.join("escaped").display().to_string(), false, false);
        [("PATH".to_owned(), path), ("LEAVE_BEHIND".to_owned(), left)].into()
    })
    .await;
    world.repository.write("index.html", "hello\n");
    for name in ["bwrap", "mkdir", "sh"] {
        world.script(name, "touch \"$LEAVE_BEHIND\"; echo ours was replaced; exit 3");
        world.repository.git(&["add", name]);
        world.repository.git(&["update-index", "--chmod=+x", name]);
        std::process::Command::new("chmod")
            .arg("+x")
            .arg(world.repository.path().join(name))
            .status()
            .unwrap();
    }
    world.script("predeploy.sh", "command -v bwrap; echo it runs");
    let commit = world.commit("Hostile").await;
    let deployment = world.deploy(&commit).await;
    let log = world.log(deployment.id).await;
    assert!(!world.dir.path().join("escaped").exists(), "{log}");
    assert_eq!(deployment.state, DeploymentState::Succeeded, "{log}");
    // Inside, the variable is as it was set.
    assert!(
        log.contains(&format!("/deployment-{}/bwrap", deployment.id)),
        "{log}"
    );
    assert!(log.contains("it runs"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_of_the_repository_is_loaded_inside_only() {
    let mut world = world(|dir, own| {
        let library = variable(&format!("{own}/library.so"), true, false);
        let left = variable(&dir.join("escaped").display().to_string(), false, false);
        [
            ("LD_PRELOAD".to_owned(), library),
            ("LEAVE_BEHIND".to_owned(), left),
        ]
        .into()
    })
    .await;
    world.repository.write("index.html", "hello\n");
    let source = world.dir.path().join("library.c");
    std::fs::write(&source, LIBRARY).unwrap();
    let built = Command::new("gcc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(world.repository.path().join("library.so"))
        .arg(&source)
        .status();
    assert!(built.unwrap().success());
    // It works: in the script it does what it was made for.
    world.script(
        "predeploy.sh",
        "export LEAVE_BEHIND=/tmp/inside; true | cat; test -e /tmp/inside",
    );
    let commit = world.commit("Hostile").await;
    let deployment = world.deploy(&commit).await;
    let log = world.log(deployment.id).await;
    assert!(!world.dir.path().join("escaped").exists(), "{log}");
    assert_eq!(deployment.state, DeploymentState::Succeeded, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_scripts_are_in_no_command_line() {
    let mut world = world(|_, _| [("TOKEN".to_owned(), variable(MARKER, false, true))].into()).await;
    world.repository.write("index.html", "hello\n");
    world.script(
        "predeploy.sh",
        &format!("test \"$TOKEN\" = {MARKER} || exit 3\necho it waits; until [ -e go ]; do sleep 0.05; done"),
    );
    let commit = world.commit("Secret").await;
    let id = world.ask(World::request(&commit)).await;
    world.until_it_says(id, "it waits").await;
    let mut seen = 0;
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let is_ours = line.contains(&world.dir.path().display().to_string());
        seen += usize::from(is_ours && line.contains("bwrap"));
        assert!(!line.contains(MARKER), "{line}");
        let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        let has_it = String::from_utf8_lossy(&environment).contains(MARKER);
        assert!(!(is_ours && has_it && name.trim() == "bwrap"));
    }
    assert!(seen > 0, "the script does not run");
    std::fs::write(
        world.dir.path().join(format!("work/trees/deployment-{id}/go")),
        "",
    )
    .unwrap();
    let deployment = world.end(id).await;
    world.assert_succeeded(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_programs_takes_nothing_from_us() {
    let mut world = world(|_, _| [("PATH".to_owned(), variable("/nowhere", false, false))].into()).await;
    world.repository.write("index.html", "hello\n");
    world.script(
        "predeploy.sh",
        "test -d \"$HOME\" && test \"$PATH\" = /nowhere && echo it has a home",
    );
    let commit = world.commit("Bare").await;
    let deployment = world.deploy(&commit).await;
    let log = world.log(deployment.id).await;
    assert!(log.contains("it has a home"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_our_shell_uses_itself_reach_the_script_alone() {
    let own = [
        ("OPTIND", "abc"),
        ("IFS", "/-0"),
        ("PPID", "1"),
        ("UID", "5"),
        ("SHELLOPTS", "noexec"),
        ("LINENO", "x"),
        ("CDPATH", "/tmp"),
        ("LC_ALL", "xx_XX"),
        ("TMOUT", "1"),
        ("PLAIN", "it's $(id) \\ “x”"),
    ];
    for is_off in [false, true] {
        let variables = own.map(|(name, value)| (name.to_owned(), variable(value, false, false)));
        let setup = World::project().confinement(ConfinementOptions {
            is_off,
            ..ConfinementOptions::default()
        });
        let mut world = setup.start().await;
        let mut dev = deployer::store::environments::all(&world.store)
            .await
            .unwrap()
            .remove(0);
        dev.options.variables = variables.into();
        let tx = crate::support::world::change(&world.store).await;
        deployer::store::environments::update(&tx, &dev).await.unwrap();
        crate::support::world::bring_in(tx).await;
        world.repository.write("index.html", "hello\n");
        let checks: String = own
            .iter()
            .map(|(name, value)| format!("assert os.environ['{name}'] == {value:?}, '{name}'\n"))
            .collect();
        let nothing_else = "assert not [name for name in os.environ if name.startswith('DEPLOYER_VALUE')]\n";
        for script in ["predeploy.sh", "deploy.sh"] {
            world.repository.write(
                script,
                format!("#!/usr/bin/python3\nimport os\n{checks}{nothing_else}print('{script} has all')\n"),
            );
        }
        let commit = world.commit("Odd names").await;
        let deployment = world.deploy(&commit).await;
        let log = world.log(deployment.id).await;
        assert_eq!(deployment.state, DeploymentState::Succeeded, "{log}");
        for script in ["predeploy.sh", "deploy.sh"] {
            assert!(log.contains(&format!("{script} has all")), "{log}");
        }
    }
}
