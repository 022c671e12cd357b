//! The policy files of a running server: changed in each way that files are changed, broken, gone.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deployer::access::SHIPPED;
use deployer::store::{AuditFilter, Page, Store, audit, policies};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Installation, LOOK_AGAIN, PATIENCE, Running};

/// Lets everybody read the audit log.
const OPEN: &str = "p, default, *, *, audit, always, allow";

/// An installation with a policy directory of its own, in which nobody may anything without a login.
pub(super) struct WithPolicy {
    pub here: Installation,
    pub dir: PathBuf,
}

impl WithPolicy {
    pub fn new() -> Self {
        let here = Installation::new();
        let dir = here.dir.path().join("policies");
        std::fs::create_dir(&dir).unwrap();
        fill(&dir, "");
        Self { here, dir }
    }

    pub async fn serve(&self) -> Running {
        let mut command = self.here.command("serve");
        let command = command.env("DEPLOYER__ACCESS__POLICIES", &self.dir);
        let mut serving = Running::start(command, self.here.port);
        serving.answers().await;
        serving
    }

    /// Whether everybody may read the audit log.
    pub async fn is_open(&self) -> bool {
        let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let url = format!("http://127.0.0.1:{}/audit", self.here.port);
        let answer = browser.build().unwrap().get(&url).send().await.unwrap();
        answer.status() == 200
    }

    /// Waits until it is, or is not.
    pub async fn becomes(&self, open: bool) {
        let begun = Instant::now();
        while self.is_open().await != open {
            assert!(begun.elapsed() < PATIENCE, "the files were not read");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn store(&self) -> Store {
        let url = format!("sqlite://{}", self.here.database().display());
        Store::open(&url, Default::default()).await.unwrap()
    }

    /// What the audit log tells of this action, newest first.
    async fn told(&self, action: &str) -> Vec<Value> {
        let store = self.store().await;
        let filter = AuditFilter {
            actions: vec![action.into()],
            ..AuditFilter::default()
        };
        let page = audit::list(&store, &filter, Page::Newest, 50).await.unwrap();
        store.close().await.unwrap();
        page.items.into_iter().map(|one| one.event.detail).collect()
    }

    async fn health(&self) -> String {
        let url = format!("http://127.0.0.1:{}/health", self.here.port);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }
}

/// Writes the shipped policy with one more line, and no expectations.
fn fill(dir: &Path, line: &str) {
    for (name, text) in SHIPPED {
        let text = match name {
            "policy.csv" => format!("{text}{line}\n"),
            // The shipped ones would refuse what is added.
            "tests.toml" => String::new(),
            _ => text.to_owned(),
        };
        std::fs::write(dir.join(name), text).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_written_renamed_or_linked_anew_take_effect_by_themselves() {
    let with = WithPolicy::new();
    let serving = with.serve().await;
    assert!(!with.is_open().await);

    fill(&with.dir, OPEN);
    with.becomes(true).await;

    // As editors do it.
    let shipped = SHIPPED.iter().find(|(name, _)| *name == "policy.csv").unwrap().1;
    std::fs::write(with.dir.join("policy.csv~"), format!("{shipped}\n")).unwrap();
    std::fs::rename(with.dir.join("policy.csv~"), with.dir.join("policy.csv")).unwrap();
    with.becomes(false).await;

    // As a ConfigMap is mounted: links into a directory that is exchanged as a whole.
    let version = |name: &str, line: &str| {
        std::fs::create_dir(with.dir.join(name)).unwrap();
        fill(&with.dir.join(name), line);
    };
    version("..1", "");
    symlink("..1", with.dir.join("..data")).unwrap();
    for (name, _) in SHIPPED {
        std::fs::remove_file(with.dir.join(name)).unwrap();
        symlink(format!("..data/{name}"), with.dir.join(name)).unwrap();
    }
    version("..2", OPEN);
    symlink("..2", with.dir.join("..new")).unwrap();
    std::fs::rename(with.dir.join("..new"), with.dir.join("..data")).unwrap();
    with.becomes(true).await;
    serving.end(Signal::SIGTERM).with(0, "listening on", "");

    let (started, reloaded) = (
        with.told("deployer.started").await,
        with.told("policy.reloaded").await,
    );
    assert_eq!(started.len(), 1);
    let digests: Vec<&str> = reloaded
        .iter()
        .map(|one| one["policy"].as_str().unwrap())
        .collect();
    let [open, closed, first] = digests[..] else {
        panic!("{reloaded:?}");
    };
    assert_eq!(open, first);
    assert_eq!(started[0]["policy"], closed);
    assert_eq!(reloaded[0]["before"], closed);
    assert_eq!(reloaded[0]["cause"], "changed files");
    let store = with.store().await;
    let kept = policies::files(&store, open).await.unwrap().unwrap();
    assert!(kept.0["policy.csv"].ends_with(&format!("{OPEN}\n")));
    let uses = policies::uses(&store, 10).await.unwrap();
    let uses: Vec<&str> = uses.iter().map(|one| one.digest.as_str()).collect();
    assert_eq!(uses, [open, closed, open, closed]);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_files_and_a_directory_that_is_gone_change_nothing_and_are_recorded_once() {
    let with = WithPolicy::new();
    fill(&with.dir, OPEN);
    let serving = with.serve().await;
    fill(&with.dir, "p, default, *");
    let begun = Instant::now();
    while with.told("policy.rejected").await.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "the files were not read");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    assert!(with.is_open().await);
    assert!(with.health().await.contains("the last good policy is in force"));
    let away = with.here.dir.path().join("away");
    std::fs::rename(&with.dir, &away).unwrap();
    let begun = Instant::now();
    while with.told("policy.rejected").await.len() < 2 {
        assert!(begun.elapsed() < PATIENCE, "the directory was not missed");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    assert!(with.is_open().await);
    // Time for what must not come: more events about the same.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(with.told("policy.rejected").await.len(), 2);
    std::fs::rename(&away, &with.dir).unwrap();
    fill(&with.dir, "");
    with.becomes(false).await;
    assert!(with.health().await.contains(r#""status":"ok""#));
    serving.end(Signal::SIGTERM).with(0, "listening on", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_onto_broken_files_uses_the_last_good_policy_of_the_audit_log() {
    let with = WithPolicy::new();
    fill(&with.dir, OPEN);
    with.serve()
        .await
        .end(Signal::SIGTERM)
        .with(0, "listening on", "");
    fill(&with.dir, "p, default, *");
    let serving = with.serve().await;
    assert!(with.is_open().await);
    assert!(with.health().await.contains("the last good policy is in force"));
    let begun = with.told("deployer.started").await;
    assert_eq!(begun[0]["policy_is_last_good"], true);
    assert!(
        begun[0]["policy_problem"]
            .as_str()
            .unwrap()
            .starts_with("policy.csv:"),
        "{begun:?}"
    );
    assert_eq!(begun[1]["policy_is_last_good"], Value::Null);
    fill(&with.dir, "");
    with.becomes(false).await;
    let said = serving.end(Signal::SIGTERM);
    said.with(
        0,
        "listening on",
        "The last good one of this instance is in force",
    );

    fill(&with.dir, "p, default, *");
    let start = |words: &str| {
        let mut command = with.here.command(words);
        super::run(command.env("DEPLOYER__ACCESS__POLICIES", &with.dir))
    };
    start("serve --strict").badly("cannot be used; correct it and start again.");
    // A copy that no event tells of was never in force.
    let copy = with.here.data().join("policy.last-good.json");
    let text = std::fs::read_to_string(&copy).unwrap();
    let mut files: Value = serde_json::from_str(&text).unwrap();
    files["policy.csv"] = format!("{}{OPEN}\n# mine\n", files["policy.csv"].as_str().unwrap()).into();
    std::fs::write(&copy, files.to_string()).unwrap();
    start("serve").badly("cannot be used; correct it and start again.");
    let refused = with.told("policy.rejected").await;
    let why = refused[0]["problems"][0].as_str().unwrap();
    assert!(why.starts_with("policy.last-good.json: No event says"), "{why}");
}
