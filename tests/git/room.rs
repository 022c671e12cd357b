//! A disk of this host that has too little room left for what a repository brings.

use deployer::domain::{CommitId, ProjectId};
use deployer::git::{Error, GitOptions, Mirrors, check_url};
use tokio_util::sync::CancellationToken;

use super::elsewhere::{ALL, Fetching};
use super::https::GitHost;
use super::support::{Origin, anywhere, fetch};

/// Names the setting and the place.
fn assert_no_room(error: &Error) {
    let told = error.to_string();
    assert!(matches!(error, Error::NoRoom(_)), "{told}");
    assert!(
        told.contains("mirrors") && told.contains("(engine.keep_free_mib)"),
        "{told}"
    );
}

#[tokio::test]
async fn a_fetch_leaves_room_on_the_disk_of_the_mirrors() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    let first = origin.commit("one");
    let host = GitHost::serving(&origin).await;
    for (name, url) in [("file", origin.url()), ("https", host.url("open"))] {
        let dir = origin.dir.path().join(name).join("mirrors");
        let with = |keep_free| {
            let options = GitOptions {
                local_directories: anywhere().local_directories,
                keep_free,
                ..host.options("")
            };
            let mirrors = Mirrors::new(dir.clone(), options);
            mirrors.mirror(ProjectId(7), &check_url(&url).unwrap())
        };
        assert_no_room(&fetch(&with(u64::MAX)).await.unwrap_err());
        fetch(&with(1)).await.unwrap();
        origin.write("file", "y");
        let second = origin.commit("two");
        let full = with(u64::MAX);
        assert_no_room(&fetch(&full).await.unwrap_err());
        // What is here already can be deployed.
        assert_eq!(full.resolve("main").await.unwrap().id.as_str(), first);
        fetch(&with(1)).await.unwrap();
        assert_eq!(with(1).resolve("main").await.unwrap().id.as_str(), second);
        origin.git(&["reset", "-q", "--hard", &first]);
    }
}

#[tokio::test]
async fn files_of_git_lfs_leave_room_on_the_disk_of_the_mirrors() {
    let (origin, commit) = super::lfs::origin();
    let fetching = Fetching::of(&origin, &origin.url(), GitOptions::default()).await;
    let options = GitOptions {
        keep_free: u64::MAX,
        ..anywhere()
    };
    let full = Mirrors::new(origin.dir.path().join("mirrors"), options);
    let mirror = full.mirror(ProjectId(7), &check_url(&origin.url()).unwrap());
    let id: CommitId = commit.parse().unwrap();
    let calm = CancellationToken::new();
    let gathered = full.gather(ProjectId(7), &mirror, &id, ALL, &calm).await;
    assert_no_room(&gathered.err().expect("it was gathered"));

    let into = origin.dir.path().join("one");
    assert_eq!(fetching.export(&commit, &into).await, 3);
    // Nothing has to be fetched any more.
    assert!(full.gather(ProjectId(7), &mirror, &id, ALL, &calm).await.is_ok());
}
