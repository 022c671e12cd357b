//! Trees put in place in a directory that is in service.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use deployer::domain::{EnvironmentOptions, Release, SyncMethod};
use deployer::sync::{Findings, Rules, Trust, full_check};

use super::{Site, put};

#[tokio::test]
async fn the_first_deployment_makes_the_target_and_the_next_one_sends_only_what_changed() {
    let mut site = Site::in_place().await;
    for n in 0..200 {
        site.write(&format!("src/d{}/f{n}.txt", n % 10), &format!("content {n}"));
    }
    site.write("run.sh", "#!/bin/sh\n");
    fs::set_permissions(site.tree().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    site.link("latest", "src/d1//f1.txt");
    fs::create_dir(site.tree().join("empty")).unwrap();
    let first = site.deploy().await;
    assert_eq!(
        (first.sent_files, first.deleted, first.unchanged),
        (202, 0, false)
    );
    let inode = fs::metadata(site.target().join("src/d3/f3.txt")).unwrap().ino();

    let again = site.deploy().await;
    assert!(again.unchanged);
    assert_eq!(again.sent_files, 0);

    site.write("src/d1/f1.txt", "another 1");
    site.write("src/d2/new.txt", "new");
    site.remove("src/d4");
    site.remove("empty");
    fs::set_permissions(site.tree().join("run.sh"), fs::Permissions::from_mode(0o700)).unwrap();
    let third = site.deploy().await;
    assert_eq!((third.sent_files, third.deleted, third.modes_set), (2, 22, 1));
    assert_eq!(
        fs::metadata(site.target().join("src/d3/f3.txt")).unwrap().ino(),
        inode
    );

    let release = Release::parse_marker(&site.marker()).unwrap();
    assert_eq!(release.commit, site.stamp().commit.as_str());
    assert!(!release.in_progress);
    assert_eq!(
        site.inspect().await.data.unwrap().deployment,
        site.stamp().deployment
    );
}

#[tokio::test]
async fn an_unknown_tree_is_listed_and_only_the_difference_is_sent() {
    let mut site = Site::in_place().await;
    for n in 0..50 {
        site.write(&format!("f{n}"), "same");
    }
    site.deploy().await;
    // Somebody edits one file there, adds one and removes one; and we have forgotten nothing.
    put(&site.target(), "f1", "edit");
    put(&site.target(), "strange/thing", "x");
    fs::remove_file(site.target().join("f2")).unwrap();
    let healed = site.deploy().await;
    assert_eq!(
        (healed.sent_files, healed.deleted, healed.unchanged),
        (2, 2, false)
    );

    // The memory of earlier trees is lost, but the times are those of the same commit.
    let manifest = site.known.pop().unwrap();
    site.known = vec![manifest];
    put(&site.target(), "f3", "edit");
    assert_eq!(site.deploy().await.sent_files, 1);
}

#[tokio::test]
async fn a_file_becomes_a_directory_a_link_and_back() {
    let mut site = Site::in_place().await;
    site.write("a", "file");
    site.write("b/in/deep", "x");
    site.write("b/other", "x");
    site.link("c", "a");
    site.deploy().await;
    site.remove("a");
    site.write("a/now/dir", "y");
    site.remove("b");
    site.write("b", "file now");
    site.remove("c");
    site.write("c/d", "was a link");
    site.deploy().await;
    site.remove("a");
    site.link("a", "b");
    site.remove("c");
    site.write("c", "file");
    site.remove("b");
    fs::create_dir(site.tree().join("b")).unwrap();
    site.deploy().await;
}

#[tokio::test]
async fn odd_names_and_contents_arrive_as_they_are() {
    let mut site = Site::in_place().await;
    let long = "n".repeat(120);
    let names = [
        " a b ",
        "new\nline",
        "quo'te\"s",
        "-rf",
        "$(id)",
        "`id`",
        "*",
        "?x",
        "tab\t",
        "back\\slash",
        "é",
        "#",
        "~",
        "{a,b}",
        "[x]",
        "!",
        ".hidden",
        "..x",
        "a;b",
        "a|b",
        "%P",
        "\\0",
        &long,
    ];
    for name in names {
        site.write(name, name);
        site.write(&format!("dir {name}/{name}"), name);
    }
    site.write(&format!("x{long}/{long}/{long}"), "deep");
    site.link("long link", &format!("x{long}/{long}/{long}"));
    site.link("dangling", "/no/such//place/");
    fs::write(site.tree().join(OsStr::from_bytes(b"\xff\xfe")), "bytes").unwrap();
    site.deploy().await;
    assert!(site.deploy().await.unchanged);
    for name in names {
        site.remove(name);
        site.write(&format!("dir {name}/{name}"), "changed");
    }
    let second = site.deploy().await;
    assert_eq!(
        (second.sent_files, second.deleted),
        (names.len() as u64, names.len() as u64)
    );
}

#[tokio::test]
async fn excluded_paths_are_never_sent_changed_or_removed() {
    let mut site = Site::new(SyncMethod::InPlace, &["kept", "var/*.log", "data/**/kept"], &[]).await;
    site.write("index", "1");
    site.write("kept", "never sent");
    site.write("var/x.txt", "1");
    site.write("data/a/f", "1");
    let target = site.target();
    put(&target, "kept/upload", "theirs");
    put(&target, "var/a.log", "log");
    put(&target, "data/a/b/kept/x", "theirs");
    put(&target, "stray", "x");
    put(&target, ".git_release", "");
    site.remove("kept");
    assert_eq!(site.deliver().await.unwrap().deleted, 1);
    assert!(site.deliver().await.unwrap().unchanged);
    site.remove("var");
    site.remove("data");
    site.deliver().await.unwrap();
    for (path, content) in [
        ("kept/upload", "theirs"),
        ("var/a.log", "log"),
        ("data/a/b/kept/x", "theirs"),
    ] {
        assert_eq!(fs::read_to_string(target.join(path)).unwrap(), content);
    }
    assert!(!target.join("var/x.txt").exists());
    assert!(!target.join("data/a/f").exists());
}

#[test]
fn all_patterns_together_have_an_end() {
    let rules = |count: usize| {
        let options = EnvironmentOptions {
            excluded: (0..count).map(|number| format!("{number:0100}")).collect(),
            ..Default::default()
        };
        Rules::new(&options, SyncMethod::InPlace).map_err(|error| error.to_string())
    };
    assert!(rules(100).is_ok());
    let refused = rules(170).unwrap_err();
    assert!(
        refused.contains("all patterns together are too long"),
        "{refused}"
    );
}

#[tokio::test]
async fn exclusion_patterns_mean_the_same_locally_and_remotely() {
    let patterns = [
        "a+b/(x)",
        "[z]*",
        "q?/**/kept.d",
        "{1}|2",
        "$dollar^",
        "back\\slash",
        "é/*",
        "dot.d",
        "**/deep/*.tmp",
    ];
    let mut site = Site::new(SyncMethod::InPlace, &patterns, &[]).await;
    let kept = [
        "a+b/(x)/f",
        "[z]9",
        "qq/kept.d/f",
        "qq/1/2/kept.d",
        "{1}|2",
        "$dollar^",
        "back\\slash",
        "é/f",
        "dot.d/f",
        "deep/1.tmp",
        "x/deep/2.tmp",
    ];
    let ours = [
        "aab/(x)",
        "z9",
        "q/kept.d",
        "qq/kept_d",
        "{1}",
        "2",
        "dotxd",
        "deep/1.tmpx",
        "x/deep/y/2.tmp",
        "é2/f",
    ];
    for path in ours {
        site.write(path, "ours");
    }
    for path in kept {
        put(&site.target(), path, "theirs");
    }
    site.deliver().await.unwrap();
    assert!(site.deliver().await.unwrap().unchanged);
    for (paths, content) in [(&kept[..], "theirs"), (&ours[..], "ours")] {
        for path in paths {
            assert_eq!(
                fs::read_to_string(site.target().join(path)).unwrap(),
                content,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn no_link_on_the_server_leads_us_out_of_the_target() {
    let mut site = Site::in_place().await;
    site.write("config/app.toml", "ours");
    site.write("logs/x", "ours");
    site.deploy().await;
    let outside = site.sshd.dir().join("outside");
    put(&outside, "app.toml", "precious");
    put(&outside, "x", "precious");
    let target = site.target();
    for name in ["config", "logs"] {
        fs::remove_dir_all(target.join(name)).unwrap();
        symlink(&outside, target.join(name)).unwrap();
    }
    site.remove("logs");
    site.write("config/app.toml", "new");
    site.deploy().await;
    assert_eq!(fs::read_to_string(outside.join("app.toml")).unwrap(), "precious");
    assert_eq!(fs::read_to_string(outside.join("x")).unwrap(), "precious");
}

#[tokio::test]
async fn a_full_check_finds_what_sizes_and_times_hide() {
    let mut site = Site::in_place().await;
    site.write("a", "1234");
    site.write("b", "1234");
    site.write("d/c", "1234");
    site.deploy().await;
    let path = site.target().join("a");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "4321").unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
    assert!(site.deploy_quietly().await.unchanged, "it looks the same");

    put(&site.target(), "e", "x");
    fs::remove_file(site.target().join("d/c")).unwrap();
    let manifest = site.scan().await;
    let found = full_check(
        &site.session,
        &site.layout,
        &site.inspect().await,
        &manifest,
        &site.limits,
    )
    .await;
    let expected = Findings {
        modified: vec!["a".into()],
        missing: vec!["d/c".into()],
        extra: vec!["e".into()],
        right: 2,
    };
    assert_eq!(found.unwrap(), expected);

    site.trust = Trust::Contents;
    assert_eq!(site.deploy().await.sent_files, 2);
}

#[tokio::test]
async fn a_target_relative_to_home_is_in_the_home_of_the_user() {
    let sshd = crate::support::sshd::Sshd::start().await;
    let home = sshd.home();
    let mut site = Site::at(sshd, "~/shop".as_ref(), SyncMethod::InPlace, &[], &[]).await;
    site.write("a", "1");
    let delivered = site.deliver().await.unwrap();
    assert_eq!(fs::read_to_string(home.join("shop/a")).unwrap(), "1");
    assert_eq!(
        delivered.directory,
        fs::canonicalize(home.join("shop")).unwrap().to_str().unwrap()
    );
}
