//! Releases beside each other, and the link that chooses one.

use std::fs;
use std::os::unix::fs::symlink;

use deployer::domain::{DeploymentId, SyncMethod};
use deployer::sync::{Looked, Pruned, Retention, Trouble, activate, look, prune};

use super::{Site, put};

impl Site {
    pub(super) async fn prune(&self, keep: u32, never: &[String]) -> Pruned {
        let retention = Retention {
            keep,
            keep_for: None,
            never,
            now: self.stamp().at,
        };
        prune(&self.session, &self.layout, &retention, &self.limits)
            .await
            .unwrap()
    }

    async fn look(&self) -> Looked {
        look(&self.session, &self.layout, &self.limits).await.unwrap()
    }

    /// Delivers what was delivered last as a release of another environment.
    async fn deliver_again_as(&mut self, environment: &str) -> String {
        let own = std::mem::replace(&mut self.layout.environment, environment.parse().unwrap());
        let directory = self.deliver().await.unwrap().directory;
        self.layout.environment = own;
        directory
    }
}

#[tokio::test]
async fn a_release_is_built_beside_the_running_one_and_switched_to_at_once() {
    let mut site = Site::symlink().await;
    site.write("a", "1");
    site.write("b", "1");
    let first = site.deploy().await;
    assert!(
        first
            .directory
            .ends_with("/srv/shop_releases/20261122_feature-x_000000ab_1"),
        "{first:?}"
    );

    site.write("a", "2");
    let second = site.deliver().await.unwrap();
    assert_eq!(
        fs::read_to_string(site.target().join("a")).unwrap(),
        "1",
        "nothing is switched yet"
    );
    assert_eq!(second.sent_files, 1);
    let switch = async |release: &str| {
        activate(
            &site.session,
            &site.layout,
            release,
            DeploymentId(9),
            &site.limits,
        )
        .await
    };
    assert_eq!(
        switch(&second.directory).await.unwrap().previous,
        Some(first.directory.clone())
    );
    site.assert_same();
    assert_eq!(
        switch(&first.directory).await.unwrap().previous,
        Some(second.directory)
    );
    assert_eq!(
        fs::read_to_string(site.target().join("a")).unwrap(),
        "1",
        "rolled back"
    );
}

#[tokio::test]
async fn a_new_directory_inside_an_old_one_arrives() {
    let mut site = Site::symlink().await;
    site.write("a/kept", "1");
    site.put_in_service().await.unwrap();
    site.write("a/b/c/new", "2");
    site.write("-rf/new", "3");
    site.put_in_service().await.unwrap();
    site.assert_same();
}

#[tokio::test]
async fn files_edited_in_one_release_do_not_change_others() {
    let mut site = Site::symlink().await;
    site.write("a", "1");
    let first = site.deploy().await;
    site.write("b", "1");
    let second = site.deploy().await;
    let append = fs::File::options()
        .append(true)
        .open(format!("{}/a", second.directory))
        .unwrap();
    std::io::Write::write_all(&mut &append, b"2").unwrap();
    assert_eq!(fs::read_to_string(format!("{}/a", first.directory)).unwrap(), "1");
}

#[tokio::test]
async fn shared_and_excluded_paths_are_linked_into_each_release() {
    let mut site = Site::new(
        SyncMethod::Symlink,
        &["venv"],
        &["public/uploads", "config/local.yml", "log/"],
    )
    .await;
    site.write("public/index.html", "1");
    site.write("public/uploads/.gitkeep", "");
    let first = site.deliver().await.unwrap();
    let id = DeploymentId(1);
    activate(&site.session, &site.layout, &first.directory, id, &site.limits)
        .await
        .unwrap();
    let target = site.target();
    put(&target, "public/uploads/photo", "theirs");
    put(&target, "config/local.yml", "secret");
    put(&target, "log/app.log", "line");
    put(&target, "venv/bin", "built");
    site.write("public/index.html", "2");
    let second = site.deliver().await.unwrap();
    activate(&site.session, &site.layout, &second.directory, id, &site.limits)
        .await
        .unwrap();
    assert_eq!(second.sent_files, 1);
    for (path, content) in [
        ("public/uploads/photo", "theirs"),
        ("config/local.yml", "secret"),
        ("log/app.log", "line"),
        ("venv/bin", "built"),
    ] {
        assert_eq!(fs::read_to_string(target.join(path)).unwrap(), content, "{path}");
    }
    let shared = site.sshd.dir().join("srv/shop_shared");
    assert_eq!(
        fs::read_to_string(shared.join("public/uploads/photo")).unwrap(),
        "theirs"
    );
}

#[tokio::test]
async fn a_real_directory_at_the_target_is_refused_and_left_alone() {
    let mut site = Site::symlink().await;
    put(&site.target(), "a", "theirs");
    site.write("a", "1");
    let error = site.deliver().await.unwrap_err().to_string();
    assert!(error.contains("is not a symbolic link"), "{error}");
    assert!(error.contains("Nothing was changed there."), "{error}");
    assert_eq!(fs::read_to_string(site.target().join("a")).unwrap(), "theirs");
}

#[tokio::test]
async fn a_link_left_by_a_crash_never_puts_another_release_in_service() {
    let mut site = Site::symlink().await;
    site.write("a", "1");
    let first = site.deploy().await;
    let beside = site.target().parent().unwrap().to_owned();
    symlink(&first.directory, beside.join(".deployer-link-shop-2")).unwrap();
    symlink("/nowhere", beside.join(".deployer-link-shop-1")).unwrap();
    site.write("a", "2");
    site.deploy().await;
    let left: Vec<_> = fs::read_dir(&beside)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "the link in service and the releases: {left:?}");
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().starts_with(".deployer")),
        "{left:?}"
    );
}

#[tokio::test]
async fn an_unfinished_release_cannot_be_put_in_service() {
    let mut site = Site::symlink().await;
    site.write("a", "1");
    let first = site.deploy().await;
    let marker = format!("{}/.git_release", first.directory);
    let text = fs::read_to_string(&marker).unwrap();
    fs::write(&marker, format!("{text}deployment in progress\n")).unwrap();
    let id = DeploymentId(2);
    let error = activate(&site.session, &site.layout, &first.directory, id, &site.limits)
        .await
        .unwrap_err();
    assert!(
        matches!(
            &error,
            deployer::sync::Error::Server {
                trouble: Trouble::Unfinished { .. },
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn pruning_removes_old_releases_of_ours_and_nothing_else() {
    let mut site = Site::symlink().await;
    let mut made = Vec::new();
    for n in 1..=6 {
        site.write("a", &n.to_string());
        made.push(site.deploy().await.directory);
    }
    let store = site.target().parent().unwrap().join("shop_releases");
    put(&store, "20200101_main_01234567/a", "the original's");
    put(&store, "20200101_main_01234567_3/a", "looks like ours");
    put(&store, "backup/a", "theirs");
    // Another environment of the project keeps a release of ours in service.
    symlink(&made[1], site.target().parent().unwrap().join("shop-beta")).unwrap();
    let removed = site.prune(1, &[made[4].clone()]).await.removed;
    let names: Vec<_> = made.iter().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(removed, [names[2], names[0]]);
    let mut left: Vec<_> = fs::read_dir(&store)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    let mut expected = vec![
        "20200101_main_01234567",
        "20200101_main_01234567_3",
        "backup",
        names[1],
        names[3],
        names[4],
        names[5],
    ];
    expected.sort_unstable();
    assert_eq!(left, expected);
    site.assert_same();
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "it has to live on while the test looks")]
async fn a_release_that_a_process_works_in_is_not_pruned() {
    let mut site = Site::symlink().await;
    let mut made = Vec::new();
    for n in 1..=3 {
        site.write("a", &n.to_string());
        made.push(site.deploy().await.directory);
    }
    fs::create_dir(format!("{}/deep", made[0])).unwrap();
    let mut worker = tokio::process::Command::new("sleep")
        .arg("60")
        .current_dir(format!("{}/deep", made[0]))
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    assert_eq!(site.prune(0, &[]).await.removed, [name(&made[1])]);
    worker.kill().await.unwrap();
    assert_eq!(site.prune(0, &[]).await.removed, [name(&made[0])]);
    site.assert_same();
}

#[tokio::test]
async fn an_inspection_finds_earlier_releases_and_a_rollback_to_one_copies_nothing() {
    let mut site = Site::symlink().await;
    assert_eq!(site.look().await, Looked::default());
    site.write("a", "1");
    let first = site.deploy().await.directory;
    let (commit, other) = (site.stamp().commit, "f".repeat(40).parse().unwrap());
    site.write("a", "2");
    let second = site.deploy().await.directory;
    // Neither an unfinished release nor one of another environment is anything to go back to.
    site.write("a", "3");
    let third = site.deliver().await.unwrap().directory;
    let marker = fs::read_to_string(format!("{first}/.git_release")).unwrap();
    fs::write(
        format!("{third}/.git_release"),
        format!("{marker}deployment in progress\n"),
    )
    .unwrap();
    let fourth = site.deliver_again_as("beta").await;
    fs::write(format!("{fourth}/.git_release"), &marker).unwrap();

    let looked = site.look().await;
    assert_eq!(looked.resolved, Some(second.clone()));
    assert_eq!(looked.release.as_ref().unwrap().path, second);
    assert_eq!(looked.releases.len(), 3);
    assert!(looked.releases[1].in_service && !looked.releases[2].in_service);
    assert_eq!(looked.holding(&other), None);
    assert_eq!(looked.holding(&commit), Some(first.clone()));

    let id = DeploymentId(9);
    let before = activate(&site.session, &site.layout, &first, id, &site.limits).await;
    assert_eq!(before.unwrap().previous, Some(second));
    assert_eq!(fs::read_to_string(site.target().join("a")).unwrap(), "1");
    assert_eq!(site.look().await.resolved, Some(first));
}

#[tokio::test]
async fn huge_markers_are_read_only_in_part() {
    let mut site = Site::symlink().await;
    site.write("a", "1");
    let directory = site.deploy().await.directory;
    let marker = format!("{directory}/.git_release");
    let text = fs::read_to_string(&marker).unwrap();
    fs::write(&marker, format!("{text}{}", "x".repeat(50_000_000))).unwrap();
    let looked = site.look().await;
    assert_eq!(looked.resolved, Some(directory.clone()));
    assert_eq!(looked.holding(&site.stamp().commit), Some(directory));
}

#[tokio::test]
async fn a_second_attempt_of_a_deployment_begins_anew() {
    let mut site = Site::symlink().await;
    site.write("a", "1");
    let first = site.deliver().await.unwrap();
    put(first.directory.as_ref(), "half", "x");
    site.deployments -= 1;
    let again = site.deploy().await;
    assert_eq!(first.directory, again.directory);
    site.deployments -= 1;
    let error = site.deliver().await.unwrap_err().to_string();
    assert!(error.contains("in service on the server already"), "{error}");
}
