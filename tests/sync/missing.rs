//! What is not there: targets that are gone by the time files come, and tools that never were.

use std::fs;
use std::path::Path;

use deployer::domain::{Release, SyncMethod};
use deployer::sync::{Changed, Error, Trouble, missing_tools};

use super::Site;
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
        "sh", "find", "sort", "tar", "stat", "mv", "cp", "head", "readlink", "gzip",
    ];
    for tool in tools {
        let found = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(tool));
        let found = found.into_iter().find(|file| file.exists()).unwrap();
        std::os::unix::fs::symlink(found, bin.path().join(tool)).unwrap();
    }
    let path = bin.path().display();
    let command = format!("ForceCommand PATH={path} exec sh -c \"$SSH_ORIGINAL_COMMAND\"");
    let sshd = Sshd::builder().line(&command).start().await;
    let target = sshd.dir().join("srv/shop");
    let site = Site::at(sshd, &target, SyncMethod::InPlace, &[], &[]).await;
    let missing = missing_tools(&site.session, &site.limits).await.unwrap();
    assert_eq!(missing, ["sha256sum", "xargs"]);
    assert_eq!(site.inspect().await.missing, missing);
}
