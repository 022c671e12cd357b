//! The key of secrets at rest, as whoever runs the deployer meets it: made at the first start, missed,
//! mistaken, changed, lost.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use deployer::domain::{Environment, Variable};
use deployer::store::{Page, PastFilter, SealingKey, Store, audit, environments, projects};
use nix::sys::signal::Signal;

use super::{Installation, run};
use crate::support::store::{bring_in, change, environment, project};

const SECRET: &str = "hunter2-and-more";

/// A value with it that fills several pages of a database file.
fn long_secret() -> String {
    format!("{SECRET}\n").repeat(2000)
}

pub(super) fn key_file(here: &Installation) -> PathBuf {
    here.data().join("secrets.key")
}

pub(super) fn key(file: &Path) -> SealingKey {
    SealingKey::parse(&std::fs::read_to_string(file).unwrap()).unwrap()
}

async fn store(here: &Installation) -> Store {
    let url = format!("sqlite://{}", here.database().display());
    Store::open(&url, Default::default()).await.unwrap()
}

/// Stores an environment with a secret, as a version of before did: in clear.
async fn store_in_clear(here: &Installation) -> Environment {
    here.run("migrate").well("Changes made: ");
    let store = store(here).await;
    let tx = change(&store).await;
    let shop = projects::insert(&tx, &project("shop")).await.unwrap();
    let bare = environments::insert(&tx, &environment(&shop, "prod"))
        .await
        .unwrap();
    bring_in(tx).await;
    store.close().await.unwrap();
    let mut whole = bare;
    let variable = Variable {
        value: long_secret(),
        secret: true,
        refers: false,
    };
    whole.options.variables = BTreeMap::from([("TOKEN".to_owned(), variable)]);
    let options = serde_json::to_string(&whole.options).unwrap();
    tamper(here, &format!("UPDATE environments SET options = '{options}'")).await;
    whole
}

async fn tamper(here: &Installation, sql: &str) {
    use sea_orm::{ConnectionTrait, Database};
    let url = format!("sqlite://{}", here.database().display());
    let raw = Database::connect(url).await.unwrap();
    raw.execute_unprepared(sql).await.unwrap();
    raw.close().await.unwrap();
}

/// Starts it, sees it answer, and ends it; what it said.
async fn served(here: &Installation) -> super::Ran {
    let mut serving = here.serve();
    serving.answers().await;
    serving.end(Signal::SIGTERM)
}

/// What is stored of the environment, read with a key.
async fn read(here: &Installation, with: SealingKey) -> Environment {
    let store = store(here).await;
    store.set_sealing_keys(vec![with]);
    let found = environments::all(&store).await.unwrap().remove(0);
    store.close().await.unwrap();
    found
}

/// What the audit log tells of the only event of this kind.
async fn recorded(here: &Installation, action: &str) -> serde_json::Value {
    let store = store(here).await;
    let filter = PastFilter {
        action: Some(action.into()),
        ..Default::default()
    };
    let page = audit::list(&store, &filter, Page::Newest, 10).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(page.items.len(), 1, "{action}");
    page.items[0].event.detail.clone()
}

/// The only secret, as the audit log names it.
fn only_secret() -> serde_json::Value {
    serde_json::json!(["shop/prod TOKEN"])
}

/// Whether the secret stands in clear anywhere in the database's files.
fn is_in_clear(here: &Installation) -> bool {
    let files = std::fs::read_dir(here.data()).unwrap();
    let files = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file());
    files
        .map(|file| std::fs::read(file).unwrap())
        .any(|bytes| bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_makes_a_key_and_says_so() {
    let here = Installation::new();
    let first = served(&here).await;
    first.with(0, "", "keep a copy of it with your backups");
    let file = key_file(&here);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let fingerprint = key(&file).fingerprint();
    assert!(first.err.contains(&fingerprint), "{}", first.err);
    let shown = here.run("key show");
    shown.well(&format!(
        "The key {fingerprint} is in the file {}.",
        file.display()
    ));
    shown.well(&format!("The database is sealed with the key {fingerprint}."));
    let second = served(&here).await;
    assert!(!second.err.contains("keep a copy"), "{}", second.err);

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    served(&here).await.with(0, "", "had mode 0644");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn what_is_no_key_is_left_as_it_is_and_holds_nothing_up() {
    let here = Installation::new();
    here.run("migrate").well("Changes made: ");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let (dir, notes, pipe) = (
        here.dir.path().join("dir"),
        here.dir.path().join("notes"),
        here.dir.path().join("pipe"),
    );
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(&notes, "Everybody reads this.\n").unwrap();
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&notes, std::fs::Permissions::from_mode(0o644)).unwrap();
    let show = |file: &Path| run(here.command("key show").env("DEPLOYER__SECRETS__KEY_FILE", file));
    show(&dir).badly("cannot be read: it is a directory");
    show(&notes).badly("holds no sealing key");
    show(&pipe).badly("cannot be read: it is no regular file");
    show(Path::new("/dev/zero")).badly("cannot be read: it is no regular file");
    assert_eq!((mode(&dir), mode(&notes)), (0o755, 0o644));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_before_are_sealed_at_the_first_start() {
    let here = Installation::new();
    let stored = store_in_clear(&here).await;
    assert!(is_in_clear(&here));
    served(&here).await.with(0, "", "sealed from now on");
    assert!(!is_in_clear(&here), "the secret is still in the files");
    assert_eq!(read(&here, key(&key_file(&here))).await, stored);
    // Nor does one get there that is entered from now on, not for a moment.
    let after = store(&here).await;
    after.set_sealing_keys(vec![key(&key_file(&here))]);
    let shop = projects::by_name(&after, "shop").await.unwrap();
    let mut beta = environment(&shop, "beta");
    beta.options = stored.options.clone();
    let tx = change(&after).await;
    environments::insert(&tx, &beta).await.unwrap();
    bring_in(tx).await;
    assert!(!is_in_clear(&here), "it is written before it is sealed");
    after.close().await.unwrap();
    assert!(!is_in_clear(&here));
    let detail = recorded(&here, "secrets.sealed").await;
    assert_eq!(detail["secrets"], only_secret());
    assert!(!detail.to_string().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_another_key_or_none_is_refused_and_says_what_to_do() {
    let here = Installation::new();
    store_in_clear(&here).await;
    served(&here).await;
    let file = key_file(&here);
    let right = key(&file).fingerprint();
    let away = file.with_extension("away");
    std::fs::rename(&file, &away).unwrap();
    let refused = here.run("serve");
    refused.badly(&format!("are sealed with the key {right}, but there is no key:"));
    refused.badly("deployer key forget");
    assert!(!file.exists(), "a key was made");
    here.run("key show")
        .with(1, &format!("The database is sealed with the key {right}."), "");

    let other = here.dir.path().join("other.key");
    here.run("key show").with(1, "There is no key", "");
    run(super::program().arg("key").arg("new").arg(&other)).well("The key ");
    run(super::program().arg("key").arg("new").arg(&other)).badly("a key is never overwritten");
    let with_other = run(here.command("serve").env("DEPLOYER__SECRETS__KEY_FILE", &other));
    with_other.badly(&format!("holds the key {}.", key(&other).fingerprint()));
    std::fs::write(&other, "not a key").unwrap();
    let with_none = run(here.command("serve").env("DEPLOYER__SECRETS__KEY_FILE", &other));
    with_none.badly("holds no sealing key");

    let text = std::fs::read_to_string(&away).unwrap();
    let mut by_setting = here.command("serve");
    by_setting.env("DEPLOYER__SECRETS__KEY", text.trim());
    let mut serving = super::Running::start(&mut by_setting, here.port);
    serving.answers().await;
    serving.end(Signal::SIGTERM).with(0, "", "");

    let credentials = here.dir.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::copy(&away, credentials.join("deployer-key")).unwrap();
    let mut by_credential = here.command("serve");
    by_credential.env("CREDENTIALS_DIRECTORY", &credentials);
    let mut serving = super::Running::start(&mut by_credential, here.port);
    serving.answers().await;
    serving.end(Signal::SIGTERM).with(0, "", "");

    // A file that is named counts, whatever systemd gives.
    run(super::program()
        .arg("key")
        .arg("new")
        .arg(credentials.join("other")))
    .well("The key ");
    std::fs::rename(credentials.join("other"), credentials.join("deployer-key")).unwrap();
    let mut named = here.command("key show");
    named.env("CREDENTIALS_DIRECTORY", &credentials);
    run(named.env("DEPLOYER__SECRETS__KEY_FILE", &away)).well(&format!("The key {right} is in the file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_changed_while_nobody_serves_and_the_one_before_is_kept() {
    let here = Installation::new();
    let stored = store_in_clear(&here).await;
    let mut serving = here.serve();
    serving.answers().await;
    here.run("key rotate").badly("is already being served by process");
    here.run("key forget 0123456789abcdef")
        .badly("is already being served by process");
    serving.end(Signal::SIGTERM);
    let file = key_file(&here);
    let before = key(&file);
    // A rotation that was cut off before anything was sealed has left this.
    let leftover = format!("{}.new", file.display());
    run(super::program().arg("key").arg("new").arg(&leftover)).well("The key ");
    here.run("key rotate").well("1 secrets.");
    assert!(!Path::new(&leftover).exists());
    let after = key(&file);
    assert_ne!(after.fingerprint(), before.fingerprint());
    let kept = PathBuf::from(format!("{}.{}", file.display(), before.fingerprint()));
    assert_eq!(key(&kept).fingerprint(), before.fingerprint());
    assert_eq!(
        recorded(&here, "secrets.key_changed").await["secrets"],
        only_secret()
    );
    assert_eq!(read(&here, after).await, stored);
    served(&here).await.with(0, "", "");

    let other = here.dir.path().join("other.key");
    run(super::program().arg("key").arg("new").arg(&other)).well("The key ");
    let told = here.run(&format!("key rotate --to {}", other.display()));
    told.well("in the configuration before the next start");
    here.run("serve").badly("Put the right key there");
    assert_eq!(read(&here, key(&other)).await, stored);
    let with_other = format!("key rotate --to {}", other.display());
    let again = run(here
        .command(&with_other)
        .env("DEPLOYER__SECRETS__KEY_FILE", &other));
    again.badly("This is the key that is used already.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_keys_that_was_cut_off_is_finished_at_the_next_start() {
    for is_old_still_there in [true, false] {
        let here = Installation::new();
        let stored = store_in_clear(&here).await;
        served(&here).await;
        let file = key_file(&here);
        let old = std::fs::read_to_string(&file).unwrap();
        let before = key(&file).fingerprint();
        here.run("key rotate").well("1 secrets.");
        let new = key(&file);
        // As when the deployer was killed after the secrets were sealed.
        std::fs::rename(&file, format!("{}.new", file.display())).unwrap();
        if is_old_still_there {
            std::fs::write(&file, old).unwrap();
            std::fs::remove_file(format!("{}.{before}", file.display())).unwrap();
        }
        served(&here).await.with(0, "", "");
        assert_eq!(key(&file).fingerprint(), new.fingerprint());
        let kept = PathBuf::from(format!("{}.{before}", file.display()));
        assert_eq!(key(&kept).fingerprint(), before);
        assert_eq!(read(&here, new).await, stored);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_key_the_secrets_are_forgotten_by_name() {
    let here = Installation::new();
    store_in_clear(&here).await;
    served(&here).await;
    let file = key_file(&here);
    let lost = key(&file).fingerprint();
    let kept = file.with_file_name(format!("secrets.key.{lost}"));
    std::fs::rename(&file, &kept).unwrap();
    let found = format!("The key {lost} is not lost: it is in {}", kept.display());
    here.run(&format!("key forget {lost}")).badly(&found);
    here.run("serve")
        .badly(&format!("The right key is in {}", kept.display()));
    std::fs::remove_file(&kept).unwrap();
    for unconfirmed in ["key forget", "key forget 0123456789abcdef"] {
        let refused = here.run(unconfirmed);
        refused.badly("Confirm it with the fingerprint of the key that is lost");
        refused.badly("Nothing was deleted.");
        refused.badly("which a shell does not see");
    }
    assert!(!file.exists(), "a key was made");
    let told = here.run(&format!("key forget {lost}"));
    told.well("shop/prod TOKEN\nSecrets deleted: 1. Enter them again.");
    let new = key(&file);
    told.well(&format!(
        "The database is sealed with the key {} from now on. It is in the file {}.",
        new.fingerprint(),
        file.display()
    ));
    assert_eq!(
        recorded(&here, "secrets.forgotten").await["secrets"],
        only_secret()
    );
    served(&here).await.with(0, "", "");
    assert!(read(&here, new).await.options.variables.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_only_the_unit_has_is_not_taken_for_lost() {
    let here = Installation::new();
    let stored = store_in_clear(&here).await;
    let credentials = here.dir.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let credential = credentials.join("deployer-key");
    run(super::program().arg("key").arg("new").arg(&credential)).well("The key ");
    let with_it = |words: &str| {
        let mut command = here.command(words);
        command.env("CREDENTIALS_DIRECTORY", &credentials);
        command
    };
    let mut serving = super::Running::start(&mut with_it("serve"), here.port);
    serving.answers().await;
    serving.end(Signal::SIGTERM).with(0, "", "");
    let right = key(&credential).fingerprint();

    let hint = "as a credential (LoadCredential), which a shell does not see: docs/hardening.md";
    here.run("key show").with(1, hint, "");
    here.run("key rotate").badly(hint);
    here.run("key forget").badly(hint);
    assert!(!key_file(&here).exists(), "a key was made");

    // As docs/hardening.md says.
    run(&mut with_it("key show")).well(&format!(
        "The key {right} is in the systemd credential deployer-key."
    ));
    let next = here.data().join("next.key");
    run(super::program().arg("key").arg("new").arg(&next)).well("The key ");
    let rotate = format!("key rotate --to {}", next.display());
    run(&mut with_it(&rotate)).well("1 secrets.");
    std::fs::rename(&next, &credential).unwrap();
    run(&mut with_it("key show")).well("");
    let mut serving = super::Running::start(&mut with_it("serve"), here.port);
    serving.answers().await;
    serving.end(Signal::SIGTERM).with(0, "", "");
    assert_eq!(read(&here, key(&credential)).await, stored);

    // A service whose credential is another key than that of a file here is told where the right one is.
    std::fs::rename(&credential, key_file(&here)).unwrap();
    run(super::program().arg("key").arg("new").arg(&credential)).well("The key ");
    let refused = run(&mut with_it("serve"));
    refused.badly(&format!("The right key is in {}", key_file(&here).display()));
    assert!(!refused.err.contains("forget"), "{}", refused.err);
}
