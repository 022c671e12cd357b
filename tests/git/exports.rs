//! Exports, beside what `git archive` makes of the same commit.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use deployer::git::{Error, Exported, GitOptions, Mirror};
use tokio_util::sync::CancellationToken;

use super::support::{Origin, fetch, listing, make_executable};

async fn export(mirror: &Mirror, commit: &str, into: &Path) -> deployer::git::Result<Exported> {
    mirror
        .export(&commit.parse().unwrap(), into, &CancellationToken::new())
        .await
}

/// Does not compress, so that it is stored as it is, and large enough to be streamed.
fn noise() -> Vec<u8> {
    let mut noise = vec![0_u8; 6_000_000];
    let mut state = 1_u64;
    for byte in &mut noise {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    noise
}

#[tokio::test]
async fn an_export_is_what_git_archive_makes() {
    let mut origin = Origin::new();
    for name in [
        "plain",
        "with space",
        "quo\"te's",
        "new\nline",
        "deep/er/file",
        "-rf",
        "--output=x",
        "$(id)",
        "ü",
    ] {
        origin.write(name, name);
    }
    std::fs::write(origin.path().join(OsStr::from_bytes(b"latin\xfc")), "x").unwrap();
    origin.write("empty", "");
    origin.write("crlf", "a\r\nb\nc\r\n");
    origin.write("run", "#!/bin/sh\n");
    make_executable(&origin.path().join("run"));
    for (name, target) in [
        ("link", "plain"),
        ("dangling", "no/where"),
        ("out", "/etc"),
        ("up", "../../.."),
    ] {
        std::os::unix::fs::symlink(target, origin.path().join(name)).unwrap();
    }
    let mut noise = noise();
    origin.write("large", &noise);
    let first = origin.commit("one");
    // Now stored as a difference to the first.
    noise[3_000_000] ^= 1;
    origin.write("large", &noise);
    let second = origin.commit("two");
    origin.git(&["gc", "-q"]);
    let mirror = origin.fetched().await;
    for (commit, name) in [(first, "one"), (second, "two")] {
        let ours = origin.dir.path().join(name);
        let done = export(&mirror, &commit, &ours).await.unwrap();
        assert_eq!(done.files, 18);
        let theirs = origin.archive(&commit, &format!("{name}.git"));
        std::fs::File::open(&theirs)
            .unwrap()
            .set_modified(std::fs::metadata(&ours).unwrap().modified().unwrap())
            .unwrap();
        make_executable(&theirs);
        // git archive may write directories with the group's write bit, by its tar.umask.
        assert_eq!(
            listing(&ours),
            listing(&theirs)
                .replace("d 775 ", "d 755 ")
                .replace("f 664 ", "f 644 ")
                .replace("f 775 ", "f 755 ")
        );
        let again = export(&mirror, &commit, &ours).await.unwrap_err();
        assert!(again.to_string().contains("File exists"), "{again}");
        assert!(ours.join("plain").exists(), "what was there before stays");
    }
}

#[tokio::test]
async fn attributes_of_the_repository_change_nothing() {
    let mut origin = Origin::new();
    origin.write(
        ".gitattributes",
        "* text=auto eol=crlf filter=evil export-ignore export-subst ident\n",
    );
    origin.write("file", "$Id$ $Format:%H$\nline\n");
    let commit = origin.commit("one");
    let mirror = origin.fetched().await;
    let into = origin.dir.path().join("out");
    export(&mirror, &commit, &into).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(into.join("file")).unwrap(),
        "$Id$ $Format:%H$\nline\n"
    );
    assert!(into.join(".gitattributes").exists());
}

/// A commit with a tree as no `git add` would make it: raw entries of mode, name and hash.
fn hostile(origin: &Origin, entries: &[(&str, &[u8], &str)]) -> String {
    let mut tree = Vec::new();
    for (mode, name, hash) in entries {
        tree.extend_from_slice(mode.as_bytes());
        tree.push(b' ');
        tree.extend_from_slice(name);
        tree.push(0);
        tree.extend(
            (0..40)
                .step_by(2)
                .map(|at| u8::from_str_radix(&hash[at..at + 2], 16).unwrap()),
        );
    }
    let tree = origin.git_with(
        &["hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
        &tree,
    );
    let commit = origin.git(&["commit-tree", &tree, "-m", "hostile"]);
    origin.git(&["update-ref", "refs/heads/hostile", &commit]);
    commit
}

#[tokio::test]
async fn a_hostile_tree_is_refused_and_leaves_nothing_behind() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.write("dir/passwd", "x");
    origin.commit("one");
    let blob = origin.git(&["rev-parse", "main:file"]);
    let tree = origin.git(&["rev-parse", "main:dir"]);
    let victim = origin.dir.path().join("victim");
    std::fs::create_dir(&victim).unwrap();
    let link = origin.git_with(
        &["hash-object", "-w", "--stdin"],
        victim.to_str().unwrap().as_bytes(),
    );
    let entry = "0123456789012345678901234567890123456789".to_owned();
    let trees: Vec<(Vec<(&str, &[u8], &str)>, &str)> = vec![
        (vec![("100644", b"..", &blob)], "leads out of the tree"),
        (vec![("40000", b"..", &tree)], "leads out of the tree"),
        (vec![("40000", b".", &tree)], "leads out of the tree"),
        (vec![("100644", b"a/b", &blob)], "leads out of the tree"),
        (vec![("40000", b".git", &tree)], "would be taken for a repository"),
        (vec![("40000", b".GiT", &tree)], "would be taken for a repository"),
        (
            vec![("120000", b"dir", &link), ("40000", b"dir", &tree)],
            "stands twice in one directory",
        ),
        (
            vec![("120000", b"dir", &link), ("100644", b"dir", &blob)],
            "stands twice in one directory",
        ),
        (
            vec![("100644", b"a", &blob), ("160000", b"lib", &entry)],
            "“lib” is a submodule",
        ),
    ];
    for (entries, expected) in trees {
        let commit = hostile(&origin, &entries);
        let mirror = origin.mirror();
        // libgit2 may refuse such a tree already when it arrives or is read; that is fine too.
        let refused = match super::support::fetch(&mirror).await {
            Err(error) => error,
            Ok(_) => {
                let into = origin.dir.path().join("out");
                let error = export(&mirror, &commit, &into).await.unwrap_err();
                assert!(!into.exists(), "{expected}");
                error
            }
        };
        let sentence = refused.to_string();
        assert!(
            sentence.contains(expected) || matches!(refused, Error::Mirror(_)),
            "{expected}: {sentence}"
        );
        assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_cancelled_export_leaves_nothing() {
    let mut origin = Origin::new();
    for n in 0..2000 {
        origin.write(&format!("dir{}/file{n}", n % 10), "x");
    }
    let commit = origin.commit("many");
    let mirror = origin.fetched().await;
    let into = origin.dir.path().join("out");
    // Cancelled between two files, in the middle of one, or too late.
    let mut cancelled = 0;
    for n in 0..40 {
        let cancel = CancellationToken::new();
        let (watch, path) = (cancel.clone(), into.join(format!("dir{}", n % 10)));
        let watcher = std::thread::spawn(move || {
            while !path.exists() && !watch.is_cancelled() {
                std::thread::yield_now();
            }
            watch.cancel();
        });
        let ended = mirror.export(&commit.parse().unwrap(), &into, &cancel).await;
        cancel.cancel();
        watcher.join().unwrap();
        if ended.is_ok() {
            std::fs::remove_dir_all(&into).unwrap();
            continue;
        }
        assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
        assert!(!into.exists());
        cancelled += 1;
    }
    assert_ne!(cancelled, 0);
    let missing = origin.dir.path().join("no/such/parent");
    assert!(matches!(
        export(&mirror, &commit, &missing).await,
        Err(Error::Disk { .. })
    ));
}

#[tokio::test]
async fn a_file_that_must_fit_in_memory_has_a_size_limit() {
    let mut origin = Origin::new();
    let mut noise = noise();
    origin.write("img/large", &noise);
    origin.commit("one");
    noise[17] ^= 1;
    origin.write("img/large", &noise);
    let second = origin.commit("two");
    origin.git(&["repack", "-q", "-a", "-d", "-f"]);
    let first = origin.git(&["rev-parse", "HEAD~1"]);
    let frugal = GitOptions {
        whole_file_limit: 5_000_000,
        ..GitOptions::default()
    };
    let mirror = origin.mirror_of(&origin.url(), frugal);
    fetch(&mirror).await.unwrap();
    // One of the two is stored as it is, and streamed; the other as a difference to it.
    let mut outcomes = Vec::new();
    for commit in [first, second] {
        let into = origin.dir.path().join(&commit);
        outcomes.push(
            export(&mirror, &commit, &into)
                .await
                .map_err(|error| error.to_string()),
        );
    }
    let refused: Vec<&String> = outcomes.iter().filter_map(|one| one.as_ref().err()).collect();
    assert_eq!(refused.len(), 1, "{outcomes:?}");
    assert!(
        refused[0]
            .starts_with("“img/large” has 6000000 bytes and is stored in the repository as a difference"),
        "{refused:?}"
    );
}
