//! Scripts that cannot run, that run otherwise than most, and that delete more than is theirs.

use deployer::app::{commits, naming, places};
use deployer::domain::{Deployment, DeploymentState};

use crate::support::world::{World, admin};

/// Deploys `scripts` as they are, without a bit to run them; the deployment and what it says of the
/// server.
async fn deployed_with(scripts: &[(&str, &str)]) -> (World, Deployment, String) {
    let mut world = World::simple().await;
    world.repository.write("index.html", "hello\n");
    for (path, text) in scripts {
        world.repository.write(path, *text);
    }
    let commit = world.commit("Scripts").await;
    let deployment = world.deploy(&commit).await;
    let said = match world.parts(deployment.id).await.pop() {
        Some(part) => format!("{} {}", deployment.outcome, part.detail),
        None => deployment.outcome.clone(),
    };
    (world, deployment, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_line_of_a_script_counts_without_the_bit_to_run_it() {
    let perl = "#!/usr/bin/env perl\nprint \"deployed by perl\\n\";\n";
    let local = "#!/usr/bin/perl -w\nopen(my $f, '>', 'built') or die; print $f \"yes\\n\";\n";
    let (world, deployment, _) = deployed_with(&[("deploy.sh", perl), ("predeploy.sh", local)]).await;
    world.assert_succeeded(&deployment).await;
    assert!(world.log(deployment.id).await.contains("deployed by perl"));
    assert_eq!(world.read(1, "dev/shop/built"), "yes\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_cannot_run_are_told_before_any_server_is_touched() {
    for (script, text, expected) in [
        (
            "deploy.sh",
            "#!/bin/sh\r\ntrue\r\n",
            "deploy.sh has Windows line ends (CRLF)",
        ),
        (
            "predeploy.sh",
            "true\r\ntrue\r\n",
            "predeploy.sh has Windows line ends (CRLF)",
        ),
        (
            "tests/run_tests.sh",
            "\u{feff}#!/bin/sh\ntrue\n",
            "begins with a byte order mark",
        ),
        (
            "deploy.sh",
            "#!/opt/no/such/python\n",
            "deploy.sh needs /opt/no/such/python, according to its first line, and web1 has no such program",
        ),
        (
            "deploy.sh",
            "#!/usr/bin/env nosuchprogram\n",
            "deploy.sh needs nosuchprogram, according to its first line, and web1 has no such program",
        ),
        (
            "predeploy.sh",
            "#!/opt/no/such/python\n",
            "predeploy.sh needs /opt/no/such/python, according to its first line, and the deployer's host has no",
        ),
    ] {
        let (world, deployment, said) = deployed_with(&[(script, text)]).await;
        assert_eq!(deployment.state, DeploymentState::Failed, "{script}: {said}");
        assert!(said.contains(expected), "{script}: {said}");
        assert!(
            !world.home(1, "dev/shop").exists(),
            "{script}: a server was touched"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_predeploy_script_that_removes_itself_with_all_else_is_fine() {
    let lines = "rm -rf -- *\nmkdir -p public\necho built > public/index.html\n";
    let (world, deployment, _) = deployed_with(&[("predeploy.sh", lines)]).await;
    world.assert_succeeded(&deployment).await;
    assert_eq!(world.read(1, "dev/shop/public/index.html"), "built\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_deletes_its_own_release_fails() {
    for (script, lines) in [
        ("deploy.sh", "rm -rf \"$PWD\"\n"),
        ("deploy.sh", "rm -rf .[!.]* *\n"),
        ("tests/run_tests.sh", "rm -rf \"$PWD\"\n"),
    ] {
        let (world, deployment, said) = deployed_with(&[(script, lines)]).await;
        assert_eq!(
            deployment.state,
            DeploymentState::Failed,
            "{script} {lines}: {said}"
        );
        assert!(said.contains("It runs nothing"), "{script} {lines}: {said}");
        let current = deployer::store::releases::all_current(&world.store)
            .await
            .unwrap();
        assert_eq!(current, [], "{script} {lines}");
        assert!(
            said.contains(&format!("{script} deleted the release that it belongs to")),
            "{script} {lines}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_predeploy_script_that_leaves_nothing_is_named() {
    let (_world, deployment, said) = deployed_with(&[("predeploy.sh", "rm -rf -- * .[a-z]*\n")]).await;
    assert_eq!(deployment.state, DeploymentState::Failed, "{said}");
    assert!(said.contains("predeploy.sh left no file"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_the_deployers_own_are_told() {
    let (world, deployment, _) =
        deployed_with(&[(".deployer_release", "mine\n"), ("sub/.git_release", "x\n")]).await;
    world.assert_succeeded(&deployment).await;
    let log = world.log(deployment.id).await;
    assert!(
        log.contains("“.deployer_release” of the repository is not deployed"),
        "{log}"
    );
    assert!(!log.contains("“.git_release”"), "{log}");
    let view = places::environment(&world.app, &admin(), "shop", "dev")
        .await
        .unwrap();
    let project = deployer::store::projects::by_name(&world.store, "shop")
        .await
        .unwrap();
    let preview = commits::preview(
        &world.app,
        &project,
        &view.place,
        deployment.commit.as_str(),
        naming::Choice::All,
    );
    assert_eq!(preview.await.unwrap().reserved, [".deployer_release"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pointers_of_git_lfs_are_not_deployed_as_if_they_were_files() {
    let pointer = "version https://git-lfs.github.com/spec/v1\n\
                   oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    let (world, deployment, said) = deployed_with(&[("img/large.png", pointer)]).await;
    assert_eq!(deployment.state, DeploymentState::Failed, "{said}");
    assert!(
        said.contains(
            "“img/large.png” in the exported tree cannot be deployed: it is a pointer to a file in Git LFS"
        ),
        "{said}"
    );
    assert!(!world.home(1, "dev/shop").exists(), "a server was touched");
    let fetch = "echo content > img/large.png\n";
    let (world, deployment, _) = deployed_with(&[("img/large.png", pointer), ("predeploy.sh", fetch)]).await;
    world.assert_succeeded(&deployment).await;
    assert_eq!(world.read(1, "dev/shop/img/large.png"), "content\n");
}
