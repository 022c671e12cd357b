//! What is not there: targets that are gone by the time files come, and tools that never were.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use deployer::domain::{Release, SyncMethod};
use deployer::sync::{Changed, Error, Trouble, inspect, missing_tools};

use super::{Site, put};
use crate::support::sshd::Sshd;

#[tokio::test]
async fn a_target_that_vanishes_after_its_inspection_is_recreated_or_reported() {
    let mut site = Site::in_place().await;
    site.write("a", "1");
    site.deploy().await;
    site.write("b/c", "2");
    let looked = site.inspect().await;
    fs::remove_dir_all(site.target()).unwrap();
    // Taken for what it was, it gets the difference; then the digest tells, and it gets the rest.
    site.deliver_after(&looked).await.unwrap();
    site.assert_same();
    assert!(!Release::parse_marker(&site.marker()).unwrap().in_progress);

    // Nothing at all had to be sent.
    let looked = site.inspect().await;
    fs::remove_dir_all(site.target()).unwrap();
    let error = site.deliver_after(&looked).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Server {
                trouble: Trouble::Vanished,
                changed: Changed::Nothing
            }
        ),
        "{error}"
    );
    site.deploy().await;
}

#[tokio::test]
async fn a_release_that_vanishes_before_it_is_copied_is_reported() {
    let mut site = Site::symlink().await;
    site.write("a", "1");
    site.write("b", "1");
    let first = site.deploy().await;
    site.write("a", "2");
    let looked = site.inspect().await;
    fs::remove_dir_all(&first.directory).unwrap();
    let error = site.deliver_after(&looked).await.unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Server {
                changed: Changed::OnlyBeside,
                ..
            }
        ),
        "{error}"
    );
    let store = Path::new(&first.directory).parent().unwrap();
    assert_eq!(fs::read_dir(store).unwrap().count(), 0, "nothing half is left");
    site.deploy().await;
}

#[tokio::test]
async fn every_missing_tool_is_named_before_anything_starts() {
    let bin = tempfile::TempDir::new().unwrap();
    let tools = [
        "sh", "find", "sort", "tar", "stat", "mv", "cp", "ln", "rm", "mkdir", "rmdir", "chmod", "head",
        "cat", "sed", "tr", "grep", "readlink", "sleep", "gzip", "true",
    ];
    for tool in tools {
        symlink(program(tool), bin.path().join(tool)).unwrap();
    }
    let site = with_path(&bin.path().display().to_string()).await;
    let missing = missing_tools(&site.session, &site.limits).await.unwrap();
    assert_eq!(missing, ["sha256sum", "xargs"]);
    assert_eq!(site.inspect().await.missing, missing);
}

#[tokio::test]
async fn tools_of_busybox_are_told_with_what_they_do_not_do_before_anything_is_sent() {
    let bin = tempfile::TempDir::new().unwrap();
    for tool in [
        "find",
        "sort",
        "sha256sum",
        "tar",
        "xargs",
        "stat",
        "mv",
        "cp",
        "head",
        "readlink",
        "grep",
    ] {
        symlink(program("busybox"), bin.path().join(tool)).unwrap();
    }
    let site = with_path(&format!("{}:/usr/bin:/bin", bin.path().display())).await;
    let missing = missing_tools(&site.session, &site.limits).await.unwrap();
    for lacking in [
        "find -printf",
        "sha256sum -z",
        "tar --warning",
        "cp --parents",
        "head -z",
    ] {
        assert!(missing.iter().any(|one| one == lacking), "{lacking}: {missing:?}");
    }
    assert!(
        !missing
            .iter()
            .any(|one| one.starts_with("sort") || one.starts_with("mv")),
        "{missing:?}"
    );
    assert_eq!(site.inspect().await.missing, missing);
    site.write("a", "1");
    let refused = site
        .inspect()
        .await
        .check(SyncMethod::InPlace)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("find -printf, ")
            && refused.contains("Install GNU findutils, coreutils, grep and tar"),
        "{refused}"
    );
    assert!(!site.target().exists(), "nothing is made there");
}

#[tokio::test]
async fn trying_the_tools_changes_nothing_and_finds_nothing_wrong_here() {
    let site = with_path("/usr/bin:/bin").await;
    let before = fs::metadata("/dev/null").unwrap();
    let missing = missing_tools(&site.session, &site.limits).await.unwrap();
    assert!(missing.is_empty(), "{missing:?}");
    let after = fs::metadata("/dev/null").unwrap();
    assert_eq!((before.rdev(), before.mode()), (after.rdev(), after.mode()));
}

/// Where a program of this machine is.
fn program(name: &str) -> PathBuf {
    let places = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(name));
    places
        .into_iter()
        .find(|file| file.exists())
        .expect("it is installed")
}

/// A server on which commands find their programs in `path`.
async fn with_path(path: &str) -> Site {
    let command = format!("ForceCommand PATH={path} exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"");
    let sshd = Sshd::builder().line(&command).start().await;
    let target = sshd.dir().join("srv/shop");
    Site::at(sshd, &target, SyncMethod::InPlace, &[], &[]).await
}

#[tokio::test]
async fn a_server_that_answers_without_end_is_stopped_at_the_limit_of_each_answer() {
    let bin = tempfile::TempDir::new().unwrap();
    let real = program("find");
    // A program that goes on for ever where it should print what it found.
    let endless = format!(
        "#!/bin/sh\ncase $* in *\"$(cat {0}/when)\"*) yes | tr '\\n' x;; *) exec {1} \"$@\";; esac\n",
        bin.path().display(),
        real.display()
    );
    let shim = bin.path().join("find");
    fs::write(&shim, endless).unwrap();
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    let when = |part: &str| fs::write(bin.path().join("when"), part).unwrap();
    when("nothing");
    let mut site = with_path(&format!("{}:/usr/bin:/bin", bin.path().display())).await;
    site.write("a", "1");
    let limit = |error: &Error| match error {
        Error::Server {
            trouble: Trouble::Connection(error),
            ..
        } => match **error {
            deployer::ssh::Error::TooMuchOutput { limit, .. } => limit,
            ref other => unreachable!("{other}"),
        },
        other => unreachable!("{other}"),
    };
    put(&site.target(), "stranger", "x");
    when("stranger");
    let error = inspect(&site.session, &site.layout, &site.limits)
        .await
        .unwrap_err();
    assert_eq!(limit(&error), 1024 * 1024, "{error}");
    fs::remove_dir_all(site.target()).unwrap();
    when("nothing");
    site.deploy().await;
    // Its marker is in doubt, so everything has to be listed.
    fs::remove_file(site.target().join(".deployer_release")).unwrap();
    site.write("a", "2");
    let looked = site.inspect().await;
    when("%T@");
    let error = site.deliver_after(&looked).await.unwrap_err();
    assert_eq!(limit(&error), 64 * 1024 * 1024, "{error}");
    // The connection is as good as before.
    when("nothing");
    site.deploy().await;
}
