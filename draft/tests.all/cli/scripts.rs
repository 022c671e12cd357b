//! What the deployer says at its start, and to monitoring, about the confinement of scripts.

use std::time::Instant;

use nix::sys::signal::Signal;

use super::{Installation, LOOK_AGAIN, PATIENCE, Running};

/// What it says while it runs as `command`, and what `/health` answers.
async fn told(here: &Installation, path: Option<&str>) -> (String, serde_json::Value) {
    let mut command = here.command("serve");
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let mut serving = Running::start(&mut command, here.port);
    serving.answers().await;
    let url = format!("http://127.0.0.1:{}/health", here.port);
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), 200);
    let health = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    (serving.end(Signal::SIGTERM).err, health)
}

const HIDDEN: &str = "Scripts of repositories are not confined on this host as they should be.";

#[tokio::test(flavor = "multi_thread")]
async fn the_start_says_whether_scripts_are_confined() {
    let (log, health) = told(&Installation::new(), None).await;
    assert!(
        log.contains("Scripts of repositories run confined on this host."),
        "{log}"
    );
    assert_eq!(health["status"], "ok");

    let (log, health) = told(&Installation::new(), Some("/nowhere")).await;
    assert!(
        log.contains("bwrap is not installed. Install the package bubblewrap."),
        "{log}"
    );
    assert_eq!(health, serde_json::json!({ "status": "ok", "notes": [HIDDEN] }));

    let unconfined = Installation::with("[scripts]\nconfinement = \"unconfined\"");
    let (log, health) = told(&unconfined, None).await;
    assert!(
        log.contains("Scripts of repositories run unconfined on this host"),
        "{log}"
    );
    assert_eq!(health["notes"], serde_json::json!([HIDDEN]));
    let url = format!("sqlite://{}", unconfined.database().display());
    let store = deployer::store::Store::open(&url, Default::default())
        .await
        .unwrap();
    let filter = deployer::store::PastFilter {
        action: Some("scripts.unconfined".into()),
        ..Default::default()
    };
    let page = deployer::store::audit::list(&store, &filter, deployer::store::Page::Newest, 10);
    assert_eq!(page.await.unwrap().items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_confines_scripts_is_found_once_it_is_installed() {
    let here = Installation::new();
    let programs = here.dir.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    let mut command = here.command("serve");
    command.env("PATH", &programs);
    let mut serving = Running::start(&mut command, here.port);
    serving.answers().await;
    let notes = async || {
        let url = format!("http://127.0.0.1:{}/health", here.port);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let health: serde_json::Value = serde_json::from_str(&text).unwrap();
        health["notes"].clone()
    };
    assert_eq!(notes().await, serde_json::json!([HIDDEN]));
    let path = std::env::var_os("PATH").unwrap();
    let mut places = std::env::split_paths(&path).map(|place| place.join("bwrap"));
    let installed = places.find(|place| place.exists()).unwrap();
    std::os::unix::fs::symlink(installed, programs.join("bwrap")).unwrap();
    let begun = Instant::now();
    while !notes().await.is_null() {
        assert!(begun.elapsed() < PATIENCE, "it is not tried again");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    serving.end(Signal::SIGTERM);
}
