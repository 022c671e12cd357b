//! Servers that do not run what they should: seen by asking them, told by the pages' view of an
//! environment and by the health of the whole.

use std::sync::Arc;
use std::time::Duration;

use deployer::app::{App, drift, health, live_release, places};
use deployer::config::{self, Config};
use deployer::domain::release::HeldData;
use deployer::domain::{Actor, DeploymentState, SyncMethod};
use deployer::store::{environments, servers};

use crate::support::world::{World, admin};
use crate::web::support::{PASSWORD, TestSite};

/// Two servers that run one commit.
async fn deployed(method: SyncMethod) -> (World, String) {
    let mut world = World::project().clusters(&[2]).method(method).start().await;
    world.repository.write("index.html", "hello\n");
    world.repository.write("data/prices", "1 2 3\n");
    world.script("deploy.sh", "true");
    let commit = world.commit("Say hello").await;
    world.deploy(&commit).await;
    (world, commit)
}

/// The same installation, with releases judged after `settled`.
fn judging_after(world: &World, settled: Duration) -> App {
    let config = Config {
        data_dir: world.dir.path().to_owned(),
        drift: config::Drift {
            settled,
            ..config::Drift::default()
        },
        ..Config::default()
    };
    App::new(deployer::app::AppParts {
        config: Arc::new(config),
        ..world.parts.clone()
    })
}

/// What is wrong, as sentences.
async fn wrong(app: &App) -> Vec<String> {
    drift::look(app).await.unwrap();
    let report = drift::report(app).await.unwrap();
    report.into_iter().flat_map(|one| one.sentences).collect()
}

const OTHER: &str = "main\n0123456789012345678901234567890123456789\n2026-01-01T10:00:00.000000\n/srv\n";

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_run_what_was_deployed_are_no_drift() {
    let (world, _) = deployed(SyncMethod::Symlink).await;
    let app = judging_after(&world, Duration::ZERO);
    assert_eq!(wrong(&app).await, [] as [&str; 0]);
    assert_eq!(health::reasons(&app, &admin()).await.unwrap(), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_switched_by_hand_is_reported_with_both_commits() {
    for method in [SyncMethod::Symlink, SyncMethod::InPlace] {
        let (world, commit) = deployed(method).await;
        let app = judging_after(&world, Duration::ZERO);
        std::fs::write(world.home(2, "dev/shop/.git_release"), OTHER).unwrap();
        let wrong = wrong(&app).await;
        assert_eq!(wrong.len(), 2, "{wrong:#?}");
        assert!(wrong[0].contains("01234567 on web2"), "{wrong:#?}");
        assert!(
            wrong[1].contains("web2: Runs 01234567") && wrong[1].contains(&commit[..8]),
            "{wrong:#?}"
        );
        let view = places::environment(&app, &admin(), "shop", "dev").await.unwrap();
        assert!(view.place.drifts());
        let told = health::reasons(&app, &admin()).await.unwrap();
        assert!(told[0].starts_with("shop/dev: "), "{told:?}");
        let told = health::reasons(&app, &Actor::guest("127.0.0.1")).await.unwrap();
        assert_eq!(told, ["Servers of an environment do not run what they should."]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_release_is_reported() {
    for dangling in [false, true] {
        let (world, _) = deployed(SyncMethod::Symlink).await;
        let app = judging_after(&world, Duration::ZERO);
        let link = world.home(1, "dev/shop");
        match dangling {
            false => std::fs::remove_file(link).unwrap(),
            true => std::fs::remove_dir_all(link.canonicalize().unwrap()).unwrap(),
        }
        let wrong = wrong(&app).await;
        let is_told = |one: &String| one.starts_with("web1: ") && one.ends_with("is missing.");
        assert!(wrong.iter().any(is_told), "{wrong:#?}");
        let told = health::reasons(&app, &admin()).await.unwrap();
        assert!(told.concat().contains("is missing."), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_an_old_release_holds_is_on_the_servers_page() {
    let (world, _) = deployed(SyncMethod::Symlink).await;
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    site.add_user("admin").await;
    site.log_in("admin", PASSWORD).await;
    let server = servers::list(&world.store).await.unwrap().remove(0).id;
    let environment = environments::all(&world.store).await.unwrap().remove(0).id;
    let held = HeldData {
        path: "/srv/shop_releases/20260101_main_01234567_1/uploads".to_owned(),
        command: "mv -T old new".to_owned(),
    };
    let record = world.store.record().await.unwrap();
    deployer::store::leftovers::put_held(&record, environment, server, std::slice::from_ref(&held))
        .await
        .unwrap();
    record.commit().await.unwrap();
    let page = async || {
        let page = site.get(&format!("/admin/servers/{server}")).await;
        page.text().await.unwrap()
    };
    let told = page().await;
    for words in ["Data in old releases", "shop/dev", &held.path, &held.command] {
        assert!(told.contains(words), "{words}: {told}");
    }
    drift::look(&world.app).await.unwrap();
    assert!(!page().await.contains("Data in old releases"));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_inactive_and_unreachable_servers_are_no_drift() {
    let (mut world, _) = deployed(SyncMethod::Symlink).await;
    let lately = world.app.now().format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
    std::fs::write(
        world.home(2, "dev/shop/.git_release"),
        OTHER.replace("2026-01-01T10:00:00.000000", &lately),
    )
    .unwrap();
    let patient = judging_after(&world, Duration::from_secs(1800));
    assert_eq!(
        wrong(&patient).await,
        [] as [&str; 0],
        "it is younger than half an hour"
    );

    std::fs::write(world.home(2, "dev/shop/.git_release"), OTHER).unwrap();
    let app = judging_after(&world, Duration::ZERO);
    assert!(!wrong(&app).await.is_empty());
    let mut server = servers::by_name(&world.store, "web2").await.unwrap();
    server.active = false;
    let tx = crate::support::store::change(&world.store).await;
    servers::update(&tx, &server).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(wrong(&app).await, [] as [&str; 0], "it is inactive");

    server.active = true;
    let tx = crate::support::store::change(&world.store).await;
    servers::update(&tx, &server).await.unwrap();
    crate::support::store::bring_in(tx).await;
    world.ssh.shutdown().await;
    drop(world.servers.pop());
    assert_eq!(wrong(&app).await, [] as [&str; 0], "it cannot be asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_from_the_future_hides_nothing() {
    let (world, _) = deployed(SyncMethod::Symlink).await;
    let patient = judging_after(&world, Duration::from_secs(1800));
    for year in ["2999", "9999"] {
        let marker = OTHER.replace("2026-01-01", &format!("{year}-12-31"));
        std::fs::write(world.home(2, "dev/shop/.git_release"), marker).unwrap();
        let wrong = wrong(&patient).await;
        assert!(
            wrong.iter().any(|one| one.starts_with("web2: Runs 01234567")),
            "{year}: {wrong:#?}"
        );
    }
    // No calendar has such a year: it is no marker of anybody.
    let marker = OTHER.replace("2026-01-01", "+262142-12-31");
    std::fs::write(world.home(2, "dev/shop/.git_release"), marker).unwrap();
    let wrong = wrong(&judging_after(&world, Duration::ZERO)).await;
    assert!(wrong.iter().any(|one| one.ends_with("is missing.")), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_on_a_server_is_compared_with_what_was_put_there() {
    for method in [SyncMethod::Symlink, SyncMethod::InPlace] {
        let (world, commit) = deployed(method).await;
        // Manifests lie where the engine works.
        let app = judging_after(&world, Duration::ZERO);
        let ask = async || live_release::really(&app, &admin(), "shop", "dev", "web1").await;
        let found = ask().await.unwrap();
        assert_eq!(found.release.unwrap().commit, commit);
        let findings = found.findings.expect("what was deployed is kept");
        assert!(findings.is_clean(), "{findings:?}");

        // Same size and same time: only its content tells.
        let file = world.home(1, "dev/shop/data/prices");
        let time = std::fs::metadata(&file).unwrap().modified().unwrap();
        std::fs::write(&file, "9 2 3\n").unwrap();
        std::fs::File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(time)
            .unwrap();
        std::fs::write(world.home(1, "dev/shop/left-behind"), "x").unwrap();
        let findings = ask().await.unwrap().findings.unwrap();
        assert_eq!(findings.modified, ["data/prices"]);
        assert_eq!(findings.extra, ["left-behind"]);
        // Once that is known, a deployment believes sizes and times no more.
        assert_eq!(world.deploy(&commit).await.state, DeploymentState::Succeeded);
        assert!(ask().await.unwrap().findings.unwrap().is_clean());
        assert_ne!(std::fs::read_to_string(&file).unwrap(), "9 2 3\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_deleted_is_on_the_servers_page_until_it_is_gone() {
    let mut world = World::simple().await;
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    site.add_user("admin").await;
    site.log_in("admin", PASSWORD).await;
    world.repository.write("index.html", "hello\n");
    let commit = world.commit("Say hello").await;
    world.deploy(&commit).await;
    let server = servers::list(&world.store).await.unwrap().remove(0).id;
    let page = async || {
        let page = site.get(&format!("/admin/servers/{server}")).await;
        page.text().await.unwrap()
    };
    assert!(!page().await.contains("Could not be deleted"));
    let name = ".deleted_20260101_main_01234567_1";
    let rest = world.home(1, "dev/shop_releases").join(name);
    std::fs::create_dir_all(rest.join("somebody's")).unwrap();

    drift::look(&world.app).await.unwrap();

    let told = page().await;
    assert!(
        told.contains("Could not be deleted") && told.contains(name),
        "{told}"
    );
    world.repository.write("index.html", "hello again\n");
    let commit = world.commit("Say it again").await;
    let deployment = world.deploy(&commit).await;
    world.assert_succeeded(&deployment).await;
    assert!(!rest.exists());
    assert!(!page().await.contains("Could not be deleted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cleaner_deletes_what_remains_of_old_releases() {
    let (world, _) = deployed(SyncMethod::Symlink).await;
    let rest = world.home(1, "dev/shop_releases/.deleted_20260101_main_01234567_1");
    std::fs::create_dir_all(rest.join("locked")).unwrap();
    std::fs::write(rest.join("locked/file"), "x").unwrap();
    drift::look(&world.app).await.unwrap();
    let left = async || {
        deployer::store::leftovers::places(&world.store)
            .await
            .unwrap()
            .len()
    };
    assert_eq!(left().await, 1);
    let places = deployer::store::leftovers::places(&world.store).await.unwrap();
    let (environment, server) = places[0];
    let why = [format!("{} (because)", rest.display())];
    let record = world.store.record().await.unwrap();
    deployer::store::leftovers::put(&record, environment, server, &why)
        .await
        .unwrap();
    record.commit().await.unwrap();
    drift::look(&world.app).await.unwrap();
    let kept = deployer::store::leftovers::of_server(&world.store, server)
        .await
        .unwrap();
    assert_eq!(kept, [(environment, why.to_vec())]);
    let mut server = servers::by_id(&world.store, server).await.unwrap();
    for active in [false, true] {
        server.active = active;
        let tx = crate::support::store::change(&world.store).await;
        servers::update(&tx, &server).await.unwrap();
        crate::support::store::bring_in(tx).await;
        deployer::app::cleaner::retry_leftovers(&world.app).await.unwrap();
        assert_eq!(rest.exists(), !active, "only active servers are asked");
        assert_eq!(left().await, usize::from(!active));
    }
}
