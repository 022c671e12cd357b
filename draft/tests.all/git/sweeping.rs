//! Mirrors that nobody needs any more.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use deployer::app::cleaner;
use deployer::domain::ProjectId;
use deployer::git::{KeptMirror, Mirrors, RemoteUrl, check_url};

use super::support::{Origin, anywhere, fetch};
use crate::support::world::World;

/// When the mirrors of these tests were fetched last.
fn long_ago() -> SystemTime {
    SystemTime::now() - Duration::from_secs(100 * 24 * 3600)
}

fn age(mirror: &Path) {
    let mark = File::open(mirror.join("deployer-fetched")).unwrap();
    mark.set_modified(long_ago()).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Mirrors of one repository, which has two addresses.
struct Place {
    origin: Origin,
    dir: PathBuf,
    mirrors: Mirrors,
    url: RemoteUrl,
    alias: RemoteUrl,
}

impl Place {
    fn new() -> Self {
        let mut origin = Origin::new();
        origin.commit("one");
        let (dir, alias) = (origin.dir.path().join("mirrors"), origin.dir.path().join("alias"));
        std::os::unix::fs::symlink(origin.path(), &alias).unwrap();
        Self {
            mirrors: Mirrors::new(dir.clone(), anywhere()),
            url: check_url(&origin.url()).unwrap(),
            alias: check_url(&format!("file://{}", alias.display())).unwrap(),
            origin,
            dir,
        }
    }

    /// The mirror of a project, fetched.
    async fn fetched(&self, project: i64, url: &RemoteUrl) -> PathBuf {
        let mirror = self.mirrors.mirror(ProjectId(project), url);
        fetch(&mirror).await.unwrap();
        mirror.path().to_owned()
    }

    /// The same, long ago.
    async fn old(&self, project: i64, url: &RemoteUrl) -> PathBuf {
        let mirror = self.fetched(project, url).await;
        age(&mirror);
        mirror
    }

    /// What is removed when project 1 is at the first address, and nobody can read that of 4.
    fn sweep(&self) -> Vec<PathBuf> {
        let keep = |project, url| KeptMirror {
            project: ProjectId(project),
            url,
        };
        let kept = [keep(1, Some(self.url.clone())), keep(4, None)];
        let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
        let mut removed = self.mirrors.sweep(&kept, an_hour_ago.into()).unwrap();
        removed.sort();
        removed
    }
}

#[tokio::test]
async fn mirrors_of_deleted_projects_and_of_addresses_left_are_removed() {
    let place = Place::new();
    assert!(place.sweep().is_empty(), "there is no directory yet");
    let stay = [
        place.old(1, &place.url).await,
        place.fetched(3, &place.url).await,
        place.old(4, &place.alias).await,
        place.old(5, &place.url).await,
    ];
    let in_use = place.mirrors.mirror(ProjectId(5), &place.url);
    let mut go = [
        place.old(1, &place.alias).await,
        place.old(2, &place.url).await,
        place.dir.join("9-0123456789abcdef.gone"),
    ];
    fs::create_dir(&go[2]).unwrap();
    go.sort();

    assert_eq!(place.sweep(), go);

    assert!(stay.iter().all(|mirror| mirror.join("HEAD").exists()));
    assert_eq!(names(&place.dir).len(), stay.len());
    drop(in_use);
    // One that was removed is made anew when it is needed.
    assert!(place.fetched(2, &place.url).await.join("HEAD").exists());
}

#[tokio::test]
async fn a_directory_that_is_not_known_to_be_ours_stays() {
    let place = Place::new();
    let mirror = place.old(2, &place.url).await;
    let name = mirror.file_name().unwrap().to_str().unwrap().to_owned();
    let hash = name.strip_prefix("2-").unwrap();
    let odd = [
        "notes".to_owned(),
        "6-backup".to_owned(),
        format!("007-{hash}"),
        format!("6-{hash}x"),
        format!("{name}.old"),
    ];
    for name in &odd {
        copy(&mirror, &place.dir.join(name));
    }
    // Named like ours, but nothing was ever fetched into it.
    fs::create_dir(place.dir.join(format!("8-{hash}"))).unwrap();
    let before = names(&place.dir).len();

    assert_eq!(place.sweep(), [mirror]);

    assert_eq!(names(&place.dir).len(), before - 1);
    assert!(place.origin.path().exists());
}

fn copy(from: &Path, to: &Path) {
    let done = std::process::Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status();
    assert!(done.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mirror_of_a_project_stays_and_that_of_a_deleted_one_goes() {
    let mut world = World::simple().await;
    world.repository.write("a", "1");
    world.commit("First").await;
    let project = deployer::store::projects::by_name(&world.store, "shop")
        .await
        .unwrap();
    let mirror = world.app.mirror(&project).unwrap().path().to_owned();
    let name = mirror.file_name().unwrap().to_str().unwrap().to_owned();
    let orphan = mirror.with_file_name(name.replacen(&project.id.to_string(), "999", 1));
    copy(&mirror, &orphan);
    age(&mirror);
    cleaner::clean(&world.app).await.unwrap();
    assert!(orphan.exists(), "it was in use until lately");
    age(&orphan);

    cleaner::clean(&world.app).await.unwrap();

    assert!(mirror.exists() && !orphan.exists());
}
