//! Whose a file on a server is: ours to change, or somebody's to be left alone.

use std::fs;

use deployer::domain::{EnvironmentOptions, SyncMethod};
use deployer::sync::{Limits, Rules, Trust, doubt, inspect};

use super::{Site, put};
use crate::support::sshd::Sshd;

#[tokio::test]
async fn files_that_nobody_deployed_are_not_deleted() {
    let excluded = ["kept/", "var/log", "**/cache-*"];
    let mut site = Site::new(SyncMethod::InPlace, &excluded, &["uploads/"]).await;
    site.write("f", "1");
    for path in ["kept/a", "var/log/x", "uploads/photo", ".git/config"] {
        put(&site.target(), path, "theirs");
    }
    for n in 0..1500 {
        put(&site.target(), &format!("cache-{n}"), "");
    }
    assert_eq!(site.inspect().await.strangers, [""; 0]);
    for path in ["precious.db", ".hidden/x", "var/other/y", "été"] {
        put(&site.target(), path, "theirs");
    }
    let mut strangers = site.inspect().await.strangers;
    strangers.sort();
    assert_eq!(strangers, [".hidden/x", "precious.db", "var/other/y", "été"]);
    let refused = site.deliver().await.unwrap_err().to_string();
    assert!(
        refused.contains("holds files that no deployment put there ("),
        "{refused}"
    );
    assert!(site.target().join("precious.db").exists());
    assert!(!site.target().join("f").exists());
    // A marker is a file.
    let marker = site.target().join(".git_release");
    std::os::unix::fs::symlink("nowhere", &marker).unwrap();
    assert!(site.deliver().await.is_err());
    fs::remove_file(&marker).unwrap();
    fs::create_dir(&marker).unwrap();
    assert!(
        site.inspect()
            .await
            .strangers
            .contains(&".git_release".to_owned())
    );
    fs::remove_dir(&marker).unwrap();
    // Said to be replaceable.
    put(&site.target(), ".git_release", "");
    site.deliver().await.unwrap();
    assert!(!site.target().join("precious.db").exists());
    for path in ["kept/a", "var/log/x", "uploads/photo", ".git/config", "f"] {
        assert!(site.target().join(path).exists(), "{path}");
    }
    // From now on it is known to be ours, also what somebody puts there.
    put(&site.target(), "strange", "x");
    site.write("f", "2");
    site.deliver().await.unwrap();
    assert!(!site.target().join("strange").exists());
}

#[tokio::test]
async fn what_is_kept_from_now_on_stays_as_it_is() {
    let mut site = Site::in_place().await;
    for path in ["uploads/.gitkeep", "conf/local", "conf/other", "f"] {
        site.write(path, "1");
    }
    site.deliver().await.unwrap();
    put(&site.target(), "uploads/photo", "theirs");
    put(&site.target(), "conf/local", "edited there");
    let options = EnvironmentOptions {
        excluded: vec!["uploads/".into(), "conf/local".into()],
        ..Default::default()
    };
    site.layout.rules = Rules::new(&options, SyncMethod::InPlace).unwrap();
    site.write("f", "2");
    let delivered = site.deliver().await.unwrap();
    assert_eq!((delivered.sent_files, delivered.deleted), (1, 0));
    for (path, content) in [
        ("uploads/.gitkeep", "1"),
        ("uploads/photo", "theirs"),
        ("conf/local", "edited there"),
        ("conf/other", "1"),
        ("f", "2"),
    ] {
        assert_eq!(
            fs::read_to_string(site.target().join(path)).unwrap(),
            content,
            "{path}"
        );
    }
    assert!(site.deliver().await.unwrap().unchanged);
}

#[tokio::test]
async fn doubts_about_a_server_are_stored_only_if_nobody_deployed_since() {
    let mut site = Site::in_place().await;
    site.write("f", "1");
    site.deliver().await.unwrap();
    let before = site.inspect().await;
    site.write("f", "2");
    site.deliver().await.unwrap();
    let limits = Limits::default();
    doubt(&site.session, &site.layout, &before, &limits)
        .await
        .unwrap();
    let now = site.inspect().await;
    assert!(!now.data.as_ref().unwrap().doubted);
    doubt(&site.session, &site.layout, &now, &limits).await.unwrap();
    assert!(site.inspect().await.data.unwrap().doubted);
    site.trust = Trust::Contents;
    site.deliver().await.unwrap();
    assert!(!site.inspect().await.data.unwrap().doubted);
}

#[tokio::test]
async fn an_account_that_cannot_run_commands_is_reported() {
    let sshd = Sshd::builder()
        .line("ForceCommand echo This account is currently not available.; exit 1")
        .start()
        .await;
    let target = sshd.dir().join("srv/shop");
    let site = Site::at(sshd, &target, SyncMethod::InPlace, &[], &[]).await;
    let refused = inspect(&site.session, &site.layout, &Limits::default())
        .await
        .unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("(This account is currently not available.)") && refused.contains("login shell"),
        "{refused}"
    );
}
