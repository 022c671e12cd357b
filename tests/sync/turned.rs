//! What takes the place of something else on a server, and trees that are too large to be read.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use deployer::domain::{EnvironmentOptions, SyncMethod};
use deployer::sync::{Error, KnownTrees, Manifest, Rules, Scan};

use super::{Site, put};

#[tokio::test]
async fn what_turns_into_something_else_is_told() {
    let mut site = Site::in_place().await;
    site.write("data/a", "a");
    site.write("plain/b", "b");
    site.write("file", "x");
    site.link("link", "data");
    let first = site.deploy().await;
    assert_eq!(first.turned, [""; 0]);
    put(&site.target(), "data/by-an-application", "x");
    for gone in ["data", "file", "link"] {
        site.remove(gone);
    }
    site.link("data", "plain");
    site.write("file/inside", "x");
    site.write("link/inside", "x");
    let second = site.deploy().await;
    assert_eq!(
        second.turned,
        [
            "data was a directory on the server and is a link now: what was in it is gone.",
            "file was a file on the server and is a directory now: what was in it is gone.",
            "link was a link on the server and is a directory now: it led to data, which was left alone.",
        ]
    );
    // An administrator has put a link where the tree has a directory.
    let elsewhere = site.target().parent().unwrap().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    put(&elsewhere, "b", "kept");
    fs::remove_dir_all(site.target().join("plain")).unwrap();
    symlink(&elsewhere, site.target().join("plain")).unwrap();
    let third = site.deploy().await;
    assert!(
        third.turned[0].starts_with("plain was a link on the server and is a directory now: it led to /"),
        "{:?}",
        third.turned
    );
    assert_eq!(fs::read_to_string(elsewhere.join("b")).unwrap(), "kept");
}

#[tokio::test]
async fn nothing_takes_the_place_of_what_is_kept() {
    for (excluded, shared) in [
        (&["data/uploads"][..], &[][..]),
        (&[], &["data/uploads"]),
        (&["**/*.db"], &[]),
    ] {
        let mut site = Site::new(SyncMethod::InPlace, excluded, shared).await;
        site.write("data/a", "a");
        site.write("other", "1");
        site.deploy().await;
        put(&site.target(), "data/uploads/x.db", "kept");
        site.remove("data");
        site.link("data", "other");
        site.write("other", "2");
        let error = site.deliver().await.unwrap_err().to_string();
        assert!(error.contains("is kept, as it is excluded or shared"), "{error}");
        assert!(error.contains("“data/uploads"), "{error}");
        assert!(error.ends_with("Nothing was changed there."), "{error}");
        let now = |path: &str| fs::read_to_string(site.target().join(path)).unwrap();
        assert_eq!((now("data/a").as_str(), now("other").as_str()), ("a", "1"));
        assert_eq!(now("data/uploads/x.db"), "kept");
        // Once it is out of the way, the deployment comes through, whatever empty directories remain.
        fs::remove_file(site.target().join("data/uploads/x.db")).unwrap();
        if excluded != ["**/*.db"] {
            fs::remove_dir(site.target().join("data/uploads")).unwrap();
        }
        site.deploy().await;
        let link = fs::read_link(site.target().join("data")).unwrap();
        assert_eq!(link.to_str(), Some("other"), "{excluded:?}");
    }
}

#[tokio::test]
async fn a_file_where_a_stored_path_needs_a_directory_is_refused_before_anything_is_sent() {
    let site = Site::new(SyncMethod::Symlink, &["var/cache"], &["data/uploads"]).await;
    site.write("data/a", "a");
    for (path, stored) in [("data", "data/uploads"), ("var", "var/cache")] {
        site.remove("data");
        site.write(path, "x");
        let error = site.try_scan().await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("“{path}” in the exported tree")),
            "{error}"
        );
        assert!(error.contains(&format!("“{stored}” lies below it")), "{error}");
        site.remove(path);
        site.write("data/a", "a");
    }
}

#[tokio::test]
async fn a_tree_is_read_within_its_limits_and_as_long_as_somebody_waits() {
    let site = Site::in_place().await;
    site.write("small", "x");
    let sparse = fs::File::create(site.tree().join("sparse")).unwrap();
    // Hours of hashing.
    sparse.set_len(15 << 40).unwrap();
    let begun = std::time::Instant::now();
    let limited = Scan {
        limit: 1 << 40,
        ..site.what_to_scan()
    };
    let error = Manifest::scan(limited, KnownTrees::default()).await.unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, Error::TooLarge { .. }), "{told}");
    assert!(
        told.contains("more than 1099511627776 bytes") && told.contains("engine.tree_limit_mib"),
        "{told}"
    );
    let what = site.what_to_scan();
    let cancel = what.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    });
    let error = Manifest::scan(what, KnownTrees::default()).await.unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    // What is not sent is not counted.
    let rules = EnvironmentOptions {
        excluded: vec!["sparse".into()],
        ..EnvironmentOptions::default()
    };
    let without = Scan {
        rules: Rules::new(&rules, SyncMethod::InPlace).unwrap(),
        limit: 1,
        ..site.what_to_scan()
    };
    let manifest = Manifest::scan(without, KnownTrees::default()).await.unwrap();
    assert_eq!(manifest.entries().len(), 1);
}
