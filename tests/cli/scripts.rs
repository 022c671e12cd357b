//! What the deployer says at its start, and to monitoring, about the confinement of scripts.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use super::{Installation, Running};

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

/// Stands in for bubblewrap, and writes down what it was given before it becomes the real one.
const RECORDING: &str = r#"#!/bin/sh
{ ls -l /proc/self/fd; cat /proc/self/environ | tr '\0' '\n'; } >"$0.given"
exec /usr/bin/bwrap "$@"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_neither_open_files_of_ours_nor_our_environment() {
    let here = Installation::new();
    let bin = here.dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let program = bin.join("bwrap");
    std::fs::write(&program, RECORDING).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let secret = here.dir.path().join("kept-open");
    std::fs::write(&secret, "secret").unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let serve = here.command("serve");
    // A shell opens a file and hands it on.
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"file=$1; shift; exec "$@" 9<"$file""#, "sh"])
        .arg(&secret)
        .arg(serve.get_program())
        .args(serve.get_args())
        .env("PATH", path)
        .env("LANG", "of-ours")
        .env("LD_BIND_NOW", "of-ours");
    let mut serving = Running::start(&mut command, here.port);
    serving.answers().await;
    assert!(
        std::fs::read_dir(format!("/proc/{}/fd", serving.child.id())).is_ok_and(|files| {
            let mut leads = files
                .flatten()
                .filter_map(|file| std::fs::read_link(file.path()).ok());
            leads.any(|to| to == secret)
        })
    );
    serving.end(Signal::SIGTERM);
    let given = std::fs::read_to_string(Path::new(&format!("{}.given", program.display()))).unwrap();
    assert!(!given.contains("kept-open"), "{given}");
    assert!(given.contains("PATH=") && !given.contains("of-ours"), "{given}");
}
