//! What the deployer says at its start, and to monitoring, about the confinement of scripts.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
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

/// What anybody is told of unconfined scripts, and of none.
const HIDDEN: &str = "Scripts of repositories are not confined on this host as they should be.";
const NONE: &str = "No scripts of repositories run on this host, because it cannot confine them.";

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
    assert_eq!(health, serde_json::json!({ "status": "ok", "notes": [NONE] }));

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

/// A `PATH` whose bubblewrap knows nothing of version 0.8 and otherwise does what `lines` say.
fn with_old_bubblewrap(here: &Installation, lines: &str) -> String {
    let bin = here.dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' --disable-userns '*) echo 'bwrap: Unknown option --disable-userns' >&2; exit 1;; esac\n{lines}\n"
    );
    let program = bin.join("bwrap");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_bubblewrap_confines_less_and_never_hides_why_it_cannot() {
    let here = Installation::new();
    let bwrap = std::env::var("PATH").unwrap();
    let mut places = bwrap.split(':').map(|dir| format!("{dir}/bwrap"));
    let real = places.find(|path| std::path::Path::new(path).exists()).unwrap();
    let path = with_old_bubblewrap(&here, &format!("exec {real} \"$@\""));
    let (log, health) = told(&here, Some(&path)).await;
    assert!(
        log.contains("Scripts of repositories run confined on this host.")
            && log.contains("can make user namespaces of their own on this host")
            && log.contains("bubblewrap 0.8 or newer"),
        "{log}"
    );
    let less = "Scripts of repositories run confined on this host, but less so than they could be.";
    assert_eq!(health["notes"], serde_json::json!([less]));

    for (said, told_so) in [
        (
            "No permissions to create new namespace",
            "bwrap says “No permissions to create new namespace”",
        ),
        (
            "Unknown option --as-pid-1",
            "bwrap is too old (it says “Unknown option --as-pid-1”). Install bubblewrap 0.4 or newer.",
        ),
    ] {
        let here = Installation::new();
        let path = with_old_bubblewrap(&here, &format!("echo 'bwrap: {said}' >&2; exit 1"));
        let (log, _) = told(&here, Some(&path)).await;
        assert!(
            log.contains(told_so) && !log.contains("--disable-userns"),
            "{log}"
        );
    }
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
        .env("SSH_AUTH_SOCK", "/of-ours")
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
    assert_eq!(notes().await, serde_json::json!([NONE]));
    let path = std::env::var_os("PATH").unwrap();
    let mut places = std::env::split_paths(&path).map(|place| place.join("bwrap"));
    let installed = places.find(|place| place.exists()).unwrap();
    std::os::unix::fs::symlink(installed, programs.join("bwrap")).unwrap();
    let begun = Instant::now();
    while notes().await == serde_json::json!([NONE]) {
        assert!(begun.elapsed() < PATIENCE, "it is not tried again");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    serving.end(Signal::SIGTERM);
}
