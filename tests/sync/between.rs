//! What somebody else does on a server between two of our commands, and what is not ours, stays as it is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use deployer::domain::{DeploymentId, SyncMethod};
use deployer::sync::{Digest, Torn, clear_leftovers, note_own, withdraw};

use super::{Site, put};

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn what_a_script_put_in_place_of_a_link_stays_in_its_release() {
    let mut site = Site::new(SyncMethod::Symlink, &["kept"], &[]).await;
    site.write("f", "1");
    let first = PathBuf::from(site.deploy().await.directory);
    fs::remove_file(first.join("kept")).unwrap();
    put(&first, "kept/own", "of this release");
    let (session, layout, directory) = (&site.session, &site.layout, first.to_str().unwrap());
    note_own(session, layout, directory, true, &site.limits)
        .await
        .unwrap();
    site.write("f", "2");
    site.deploy().await;
    assert!(!first.join("kept").is_symlink());
    assert_eq!(read(first.join("kept/own")), "of this release");
    assert!(site.target().join("kept").is_symlink());
    assert!(!site.target().join("kept/own").exists());
}

#[tokio::test]
async fn a_place_that_was_taken_before_the_switch_is_left_alone() {
    let mut site = Site::symlink().await;
    site.write("a", "1");
    let release = site.deliver().await.unwrap().directory;
    fs::write(site.target(), "theirs").unwrap();
    assert!(site.switch(&release).await.is_err());
    assert_eq!(read(site.target()), "theirs");
    fs::remove_file(site.target()).unwrap();

    // A link of somebody's own is replaced, and what it leads to is none of our releases.
    let mut site = Site::new(SyncMethod::Symlink, &["kept"], &[]).await;
    site.write("a", "1");
    let release = site.deliver().await.unwrap().directory;
    let theirs = site.beside("theirs");
    put(&theirs, "kept/old", "theirs");
    symlink(&theirs, site.target()).unwrap();
    site.switch(&release).await.unwrap();
    assert!(!theirs.join("kept").is_symlink());
    assert_eq!(read(theirs.join("kept/old")), "theirs");
    assert_eq!(read(site.target().join("a")), "1");
}

#[tokio::test]
async fn a_link_is_withdrawn_only_by_the_deployment_that_made_it() {
    let mut site = Site::symlink().await;
    site.write("a", "1");
    site.deploy().await;
    for (deployment, is_there) in [(2, true), (11, true), (1, false)] {
        let id = DeploymentId(deployment);
        withdraw(&site.session, &site.layout, id, &site.limits)
            .await
            .unwrap();
        assert_eq!(site.target().is_symlink(), is_there, "{deployment}");
    }
}

#[tokio::test]
async fn leftovers_in_the_release_in_service_do_not_take_it_away() {
    let mut site = Site::symlink().await;
    site.write("a", "1");
    site.deploy().await;
    put(&site.target(), ".deployer-staging-1/tree/a", "half");
    let id = DeploymentId(1);
    let left = clear_leftovers(&site.session, &site.layout, id, &[], &site.limits).await;
    assert_eq!(left.unwrap().left, [""; 0]);
    assert_eq!(read(site.target().join("a")), "1");
    assert!(!site.target().join(".deployer-staging-1").exists());
}

#[tokio::test]
async fn a_tree_that_another_deployment_is_changing_is_not_called_whole() {
    let mut site = Site::in_place().await;
    site.write("a", "1");
    site.deploy().await;
    let found = site.known.last().unwrap().digest();
    let marker = site.target().join(".git_release");
    let whole = read(&marker);
    let commit = site.stamp().commit.to_string();
    let other = whole.replace(&commit, &"f".repeat(40));
    let root = site.target().display().to_string();
    let stamp = site.stamp();
    let settle = async |text: &str| {
        fs::write(&marker, format!("{text}deployment in progress\n")).unwrap();
        let torn = Torn {
            stamp: &stamp,
            new: Some(found),
            before: None,
        };
        let settled = torn
            .settle(&site.session, &site.layout, &root, &site.limits)
            .await;
        (settled.unwrap().is_some(), read(&marker))
    };
    let untouched = format!("{other}deployment in progress\n");
    assert_eq!(settle(&other).await, (false, untouched));
    let (is_whole, text) = settle(&whole).await;
    assert!(is_whole && !text.contains("in progress"), "{text}");
    assert_ne!(found, Digest::of(b""));
}
