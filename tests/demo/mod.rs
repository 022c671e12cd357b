//! The demo, as somebody meets it who has just built the program: it starts, its pages answer, a
//! deployment reaches its servers, and nothing of it is left afterwards.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use deployer::app::deployments::{self as requests, DeployRequest};
use deployer::demo::fleet::FLEET;
use deployer::demo::history::MAIN;
use deployer::demo::repositories::make;
use deployer::demo::{Demo, Options};
use deployer::domain::release::{MARKER, Release};
use deployer::domain::{Actor, DeploymentState, Project};
use deployer::store::deployments as rows;
use deployer::store::{environments, projects, releases, servers, steps};

/// A deployment of the demo takes some ten seconds, more on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(90);

fn options(dir: Option<&Path>) -> Options {
    Options {
        dir: dir.map(Path::to_owned),
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the real git, on a directory of this test"
)]
fn git(repository: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("--git-dir")
        .arg(repository)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn git_itself_finds_the_repositories_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let (mut renames, mut merges, mut binary, mut files) = (0, 0, 0, 0);
    for project in &FLEET.projects {
        let path = dir.path().join(&project.name);
        let sample = make(project, &path, now).unwrap();
        assert_eq!(git(&path, &["fsck", "--strict", "--no-dangling"]).trim(), "");
        let log = git(&path, &["log", "--first-parent", "--format=%H", MAIN]);
        let told: Vec<&str> = sample.commits(MAIN).iter().rev().map(|c| c.id.as_str()).collect();
        assert_eq!(log.lines().collect::<Vec<_>>(), told, "{}", project.name);
        let authors = git(&path, &["shortlog", "-sn", "--all"]);
        assert!(authors.lines().count() >= 3, "{}: {authors}", project.name);
        let branches = git(&path, &["branch", "--format=%(refname:short)"]);
        assert!(branches.lines().count() >= 2, "{}: {branches}", project.name);
        let newest = git(&path, &["log", "-1", "--format=%ct", MAIN]);
        let day_ago = "2026-11-21T12:00:00Z"
            .parse::<deployer::domain::Instant>()
            .unwrap()
            .timestamp();
        assert!(
            newest.trim().parse::<i64>().unwrap() > day_ago,
            "{}",
            project.name
        );
        let history = git(&path, &["log", "--all", "--summary", "--stat", "-M"]);
        renames += history.matches("rename ").count();
        binary += history.matches("Bin 0 ->").count();
        merges += git(&path, &["log", "--all", "--merges", "--oneline"])
            .lines()
            .count();
        files = files.max(
            git(&path, &["ls-tree", "-r", "--name-only", MAIN])
                .lines()
                .count(),
        );
    }
    assert!(
        renames >= 3 && merges >= 8 && binary >= 3 && files >= 300,
        "{renames} {merges} {binary} {files}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_the_truth_about_each_server() {
    let demo = Demo::start(options(None)).await.unwrap();
    let store = &demo.store;
    let current = releases::all_current(store).await.unwrap();
    assert!(current.len() > 25, "{}", current.len());
    for release in current {
        let marker = std::fs::read_to_string(Path::new(&release.path).join(MARKER)).unwrap();
        let marker = Release::parse_marker(&marker).unwrap();
        assert_eq!(marker.commit, release.commit.as_str(), "{}", release.path);
        assert!(release.path.contains(&format!("/{}/", release.server)));
    }
    let inactive = servers::by_name(store, "api-3").await.unwrap();
    assert!(!inactive.active);
    let history = rows::history(
        store,
        &deployer::store::PastFilter::default(),
        deployer::store::Page::Newest,
        200,
    )
    .await
    .unwrap();
    assert!(history.items.len() > 60);
    let some = history
        .items
        .iter()
        .find(|d| d.state == DeploymentState::Succeeded)
        .unwrap();
    assert!(some.permit.is_some() && some.last_line > 5);
    assert!(steps::list(store, some.id).await.unwrap().len() > 5);
    demo.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_answer_and_nothing_is_left() {
    let demo = Demo::start(options(None)).await.unwrap();
    let answer = reqwest::get(&demo.url).await.unwrap();
    assert!(answer.status().as_u16() < 500, "{}", answer.status());
    let dir = demo.dir().to_owned();
    assert!(dir.join("policies/policy.csv").exists());
    // The policy that it begins with is kept, as any other that was in force.
    let digest = demo.app.policy().digest();
    let uses = deployer::store::policies::uses(&demo.store, 10).await.unwrap();
    assert_eq!(uses.iter().map(|one| &one.digest).collect::<Vec<_>>(), [&digest]);
    assert!(
        deployer::store::policies::files(&demo.store, &digest)
            .await
            .unwrap()
            .is_some()
    );
    let url = demo.url.clone();
    demo.stop().await.unwrap();
    assert!(!dir.exists());
    assert!(reqwest::get(&url).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_reaches_the_servers() {
    let demo = Demo::start(options(None)).await.unwrap();
    let (state, log) = deploy(&demo, "dora", "mobile-backend", "dev").await;
    assert_eq!(state, DeploymentState::Succeeded, "{log}");
    assert!(log.contains("reloaded"), "{log}");
    let target = demo.dir().join("servers/dev-1/apps/mobile");
    let marker = std::fs::read_to_string(target.join(MARKER)).unwrap();
    let newest = newest(&demo, "mobile-backend").await;
    assert_eq!(Release::parse_marker(&marker).unwrap().commit, newest);
    let thumbnails = std::fs::read_to_string(target.join("media/media.go")).unwrap();
    assert!(thumbnails.contains("1280"), "{thumbnails}");
    demo.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_local_test_fails_the_deployment_before_any_server_is_touched() {
    let demo = Demo::start(options(None)).await.unwrap();
    let target = demo.dir().join("servers/dev-1/apps/orders").join(MARKER);
    let before = std::fs::read_to_string(&target).unwrap();
    let (state, log) = deploy(&demo, "tom", "orders-api", "dev").await;
    assert_eq!(state, DeploymentState::Failed, "{log}");
    assert!(log.contains("wanted 15, got 20"), "{log}");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), before);
    demo.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_demo_is_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(options(Some(dir.path()))).await.unwrap();
    let password = demo.people[0].password.clone();
    let second = Demo::start(options(Some(dir.path()))).await.err().unwrap();
    assert_eq!(second.kind(), deployer::domain::ErrorKind::Conflict, "{second}");
    demo.stop().await.unwrap();

    let demo = Demo::start(options(Some(dir.path()))).await.unwrap();
    assert_eq!(demo.people[0].password, password);
    assert_eq!(
        projects::list(&demo.store).await.unwrap().len(),
        FLEET.projects.len()
    );
    let (state, log) = deploy(&demo, "dora", "handbook", "dev").await;
    assert_eq!(state, DeploymentState::Succeeded, "{log}");
    demo.stop().await.unwrap();
    assert!(dir.path().join("repositories").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_demo_does_not_wait_for_a_project_that_cannot_be_reached() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(options(Some(dir.path()))).await.unwrap();
    // Connections are accepted here and never answered, so a fetch takes as long as it may.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let added = Project {
        git_url: format!("https://{}/added.git", silent.local_addr().unwrap()),
        ..crate::support::store::project("added")
    };
    let tx = crate::support::store::change(&demo.store).await;
    projects::insert(&tx, &added).await.unwrap();
    crate::support::store::bring_in(tx).await;
    demo.stop().await.unwrap();

    let started = tokio::time::timeout(PATIENCE, Demo::start(options(Some(dir.path())))).await;
    let demo = started.expect("it waits for the project").unwrap();
    assert_eq!(reqwest::get(&demo.url).await.unwrap().status(), 200);
    let stopped = tokio::time::timeout(PATIENCE, demo.stop()).await;
    stopped.expect("its end waits for the project").unwrap();
}

#[tokio::test]
async fn a_used_port_and_a_public_address_have_clear_errors() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bind = taken.local_addr().unwrap();
    let error = Demo::start(Options { dir: None, bind }).await.err().unwrap();
    assert!(error.message().contains("taken by another program"), "{error}");
    assert!(error.message().contains("--bind"), "{error}");
    let bind = "0.0.0.0:8080".parse().unwrap();
    let error = Demo::start(Options { dir: None, bind }).await.err().unwrap();
    assert!(error.message().contains("this machine alone"), "{error}");
}

async fn newest(demo: &Demo, project: &str) -> String {
    let path = demo.dir().join("repositories").join(format!("{project}.git"));
    git(&path, &["rev-parse", MAIN]).trim().to_owned()
}

/// Asks for the newest commit of `main` and waits for the end: its state and its log.
async fn deploy(demo: &Demo, who: &str, project: &str, environment: &str) -> (DeploymentState, String) {
    let store = &demo.store;
    let found = projects::by_name(store, project).await.unwrap();
    environments::by_name(store, found.id, environment).await.unwrap();
    let wanted = DeployRequest {
        reason: "to see it".to_owned(),
        ..DeployRequest::new(project, environment, newest(demo, project).await)
    };
    let actor = Actor::user(who, "127.0.0.1");
    let id = requests::request(&demo.app, &actor, wanted).await.unwrap().id();
    let begun = Instant::now();
    loop {
        let deployment = rows::by_id(store, id).await.unwrap();
        if deployment.state.is_final() {
            let lines = deployer::store::log::read(store, id, 1, 10_000, &Default::default())
                .await
                .unwrap();
            let text: Vec<String> = lines.into_iter().map(|line| line.text).collect();
            return (
                deployment.state,
                format!("{}\n{}", text.join("\n"), deployment.outcome),
            );
        }
        assert!(begun.elapsed() < PATIENCE, "it does not end: {deployment:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
