//! What the plan of a deployment says of commits that are deployed in part, or not at all.

use tokio_util::sync::CancellationToken;

use super::hostile::bomb;
use crate::support::world::World;
use crate::web::support::{PASSWORD, TestSite};

/// A site over `world` with an administrator who is logged in.
async fn site(world: &World) -> TestSite {
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    site.add_user("admin").await;
    site.log_in("admin", PASSWORD).await;
    site
}

/// The environment's page with the plan for the newest commit of its branch, and that commit's diff.
async fn pages(world: &World, site: &TestSite) -> (String, String) {
    let project = deployer::store::projects::by_name(&world.store, "shop")
        .await
        .unwrap();
    let mirror = world.app.mirror(&project).unwrap();
    mirror.fetch(&CancellationToken::new()).await.unwrap();
    let commit = world.repository.git(&["rev-parse", "main"]);
    let plan = site.get(&format!("/projects/shop/dev?commit={commit}")).await;
    assert_eq!(plan.status(), 200);
    let diff = site.get(&format!("/projects/shop/diff?from=&to={commit}")).await;
    assert!(diff.status().as_u16() < 500, "{}", diff.status());
    (plan.text().await.unwrap(), diff.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_too_large_to_compare_still_has_a_plan() {
    let mut world = World::simple().await;
    let site = site(&world).await;
    world.repository.write("index.html", "hello\n");
    world.commit("Say hello").await;
    let entries = format!("040000 tree {}\tdata\n", bomb(&world.repository));
    let tree = world.repository.git_with(&["mktree"], entries.as_bytes());
    let commit = world
        .repository
        .git(&["commit-tree", &tree, "-p", "main", "-m", "Large"]);
    world.repository.git(&["update-ref", "refs/heads/main", &commit]);
    let (plan, diff) = pages(&world, &site).await;
    assert!(plan.contains("There is too much to compare"), "{plan}");
    assert!(plan.contains("What will happen"), "{plan}");
    assert!(diff.contains("There is too much to compare"), "{diff}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_names_files_that_are_not_deployed() {
    let mut world = World::simple().await;
    let site = site(&world).await;
    world.repository.write(".git_release", "mine\n");
    world.repository.write("sub/.deployer_release", "fine\n");
    world.commit("Reserved").await;
    let (plan, _) = pages(&world, &site).await;
    assert!(
        plan.contains("“.git_release” of the repository is not deployed"),
        "{plan}"
    );
    assert!(!plan.contains("“.deployer_release”"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_git_lfs_and_submodules_are_told_and_deployed() {
    let mut world = World::project().extras(super::elsewhere::ALL).start().await;
    let site = site(&world).await;
    let repository = &world.repository;
    repository.git(&["lfs", "install", "--local", "--skip-repo"]);
    repository.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    repository.write("large.bin", "large\n");
    repository.write("index.html", "hello\n");
    let lib = repository.dir.path().join("lib");
    let lib = lib.to_str().unwrap();
    repository.git(&["init", "-q", "-b", "main", lib]);
    std::fs::write(format!("{lib}/code.js"), "of the library\n").unwrap();
    repository.git(&["-C", lib, "add", "-A"]);
    repository.git(&["-C", lib, "commit", "-q", "-m", "lib"]);
    let pinned = repository.git(&["-C", lib, "rev-parse", "HEAD"]);
    let allowed = "protocol.file.allow=always";
    let url = format!("file://{lib}");
    repository.git(&["-c", allowed, "submodule", "--quiet", "add", &url, "vendor/lib"]);
    let commit = world.commit("More than its own").await;
    let (plan, diff) = pages(&world, &site).await;
    for told in ["1 file (6 B) from Git LFS", "is a submodule", &pinned[..8], &url] {
        assert!(plan.contains(told), "{told}: {plan}");
    }
    assert!(diff.contains("Kept in Git LFS: not there → 6 B."), "{diff}");

    let deployment = world.deploy(&commit).await;

    world.assert_succeeded(&deployment).await;
    assert_eq!(world.read(1, "dev/shop/large.bin"), "large\n");
    assert_eq!(world.read(1, "dev/shop/vendor/lib/code.js"), "of the library\n");
    let log = world.log(deployment.id).await;
    for told in [
        "Git LFS: 1 files, 6 bytes; 1 objects, 6 bytes fetched now.".to_owned(),
        format!("Submodule vendor/lib: commit {} of {url}.", &pinned[..8]),
    ] {
        assert!(log.contains(&told), "{told}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_for_the_first_fetch_of_its_repository() {
    let mut world = World::simple().await;
    world.repository.write("index.html", "hello\n");
    let commit = world.repository.commit("Nobody has fetched it");
    let deployment = world.deploy(&commit).await;
    world.assert_succeeded(&deployment).await;
    assert_eq!(world.read(1, "dev/shop/index.html"), "hello\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_with_a_submodule_is_refused_before_it_is_queued() {
    let mut world = World::simple().await;
    let site = site(&world).await;
    world.repository.write("index.html", "hello\n");
    world.repository.write(
        ".gitmodules",
        "[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = x\n",
    );
    let commit = world.commit("No submodule yet").await;
    let (plan, _) = pages(&world, &site).await;
    assert!(!plan.contains("is a submodule"), "{plan}");
    world.repository.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{commit},vendor/lib"),
    ]);
    world.repository.git(&["commit", "-q", "-m", "Submodule"]);
    let (plan, diff) = pages(&world, &site).await;
    assert!(
        plan.contains("“vendor/lib” is a submodule, and this project does not fetch submodules"),
        "{plan}"
    );
    assert!(diff.contains("vendor/lib"), "{diff}");
    let commit = world.repository.git(&["rev-parse", "main"]);
    let (admin, request) = (crate::support::world::admin(), World::request(&commit));
    let refused = deployer::app::deployments::request(&world.app, &admin, request).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("“vendor/lib” is a submodule"), "{refused}");
}
