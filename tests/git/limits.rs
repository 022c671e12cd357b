//! Limits of what a repository may be, as docs/limits.md has them: what is just within one is taken.

use deployer::domain::{CommitId, Extras};
use deployer::git::{DiffOptions, Error, FileStatus, check_url, probe};

use super::https::GitHost;
use super::support::Origin;

const MEBIBYTE: usize = 1 << 20;

#[tokio::test]
async fn of_a_long_message_and_of_long_names_the_beginning_is_kept() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    let tree = origin.git(&["rev-parse", "HEAD^{tree}"]);
    let who = format!("{} <{}@example.com>", "é".repeat(400), "a".repeat(400));
    // Where the message is cut, a character begins or goes on.
    for title in [400, 401] {
        let message = format!("{}\n\n{}", "t".repeat(title), "ü".repeat(20_000));
        let text = format!("tree {tree}\nauthor {who} 1 +0000\ncommitter {who} 1 +0000\n\n{message}");
        let id = origin.git_with(&["hash-object", "-t", "commit", "-w", "--stdin"], text.as_bytes());
        origin.git(&["update-ref", "refs/heads/long", &id]);
        let commit = origin.fetched().await.resolve("long").await.unwrap();
        let kept = commit.message.len();
        assert!((16 * 1024 - 1..=16 * 1024).contains(&kept), "{kept}");
        assert!(message.starts_with(&commit.message));
        for (field, whole) in [
            (&commit.title, "t".repeat(300)),
            (&commit.author, "é".repeat(300)),
            (&commit.email, "a".repeat(300)),
        ] {
            assert_eq!(field, &whole);
        }
    }
}

#[tokio::test]
async fn links_to_a_script_have_an_end_and_are_no_longer_than_a_path() {
    let mut origin = Origin::new();
    origin.write("script", "#!/bin/sh\n");
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, origin.path().join(at)).unwrap();
    link("script", "link1");
    for number in 2..=41 {
        link(&format!("link{}", number - 1), &format!("link{number}"));
    }
    let commit = origin.commit("links");
    // No file system has links this long.
    let roundabout = |bytes: usize| format!("{}script", "./".repeat((bytes - 6) / 2));
    let blob = |bytes| origin.git_with(&["hash-object", "-w", "--stdin"], roundabout(bytes).as_bytes());
    let entries = format!(
        "120000 blob {}\tlong\n120000 blob {}\ttoo-long\n",
        blob(4096),
        blob(4098)
    );
    let tree = format!("{}\n{entries}", origin.git(&["ls-tree", &commit]));
    let tree = origin.git_with(&["mktree"], tree.as_bytes());
    let commit = origin.git(&["commit-tree", &tree, "-m", "links"]);
    origin.git(&["update-ref", "refs/heads/links", &commit]);
    let (mirror, commit) = (origin.fetched().await, commit.parse::<CommitId>().unwrap());
    for (path, is_found) in [
        ("link40", true),
        ("link41", false),
        ("long", true),
        ("too-long", false),
    ] {
        let found = mirror.file(&commit, path).await.unwrap();
        assert_eq!(found.is_some(), is_found, "{path}");
    }
}

#[tokio::test]
async fn attributes_that_are_longer_than_any_are_not_read() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 7\n",
        "0".repeat(64)
    );
    origin.write("large.bin", pointer);
    for (bytes, files) in [(MEBIBYTE, 1), (MEBIBYTE + 1, 0)] {
        let rule = "*.bin filter=lfs\n";
        let comment = "#".repeat(bytes - rule.len());
        origin.write(".gitattributes", format!("{rule}{comment}"));
        let commit: CommitId = origin.commit("attributes").parse().unwrap();
        let everything = Extras {
            lfs: true,
            submodules: true,
        };
        let prospects = origin
            .fetched()
            .await
            .prospects(&commit, everything)
            .await
            .unwrap();
        assert_eq!(prospects.files, files, "{bytes} bytes");
    }
}

/// Some lines; with `changed`, one of them is another.
fn lines(changed: bool) -> String {
    let line = |number: u32| match number {
        20 if changed => "another line\n".to_owned(),
        _ => format!("line {number} of the file that moves\n"),
    };
    (0..40).map(line).collect()
}

/// How the file `new` came to be between these trees.
async fn status(origin: &Origin, from: &str, to: &str) -> FileStatus {
    let commit = |tree: &str, name: &str| {
        let commit = origin.git(&["commit-tree", tree, "-m", name]);
        origin.git(&["update-ref", &format!("refs/heads/{name}"), &commit]);
        commit.parse::<CommitId>().unwrap()
    };
    let (from, to) = (commit(from, "from"), commit(to, "to"));
    let options = DiffOptions {
        only: Some("new".into()),
        ..DiffOptions::default()
    };
    let diff = origin.fetched().await.diff(Some(&from), &to, options).await;
    diff.unwrap().files[0].change.status
}

#[tokio::test]
async fn renamed_and_changed_files_are_found_among_so_many_and_among_so_much() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    let blob = |content: &[u8]| origin.git_with(&["hash-object", "-w", "--stdin"], content);
    let tree = |entries: String| origin.git_with(&["mktree"], entries.as_bytes());
    let (old, new) = (blob(lines(false).as_bytes()), blob(lines(true).as_bytes()));
    let from = tree(format!("100644 blob {old}\told\n"));
    let with = |count: usize, blob: &str| {
        let others: String = (0..count)
            .map(|number| format!("100644 blob {blob}\tother{number:04}\n"))
            .collect();
        tree(format!("100644 blob {new}\tnew\n{others}"))
    };
    // The one that is gone, the new one, and so many others.
    let small = blob(b"other\n");
    assert_eq!(
        status(&origin, &from, &with(1598, &small)).await,
        FileStatus::Renamed
    );
    assert_eq!(
        status(&origin, &from, &with(1599, &small)).await,
        FileStatus::Added
    );
    let large = blob(&vec![b'x'; 8 * MEBIBYTE]);
    assert_eq!(
        status(&origin, &from, &with(15, &large)).await,
        FileStatus::Renamed
    );
    assert_eq!(status(&origin, &from, &with(16, &large)).await, FileStatus::Added);
}

#[tokio::test]
async fn entries_that_differ_have_an_end_and_so_have_their_paths() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    let blob = origin.git_with(&["hash-object", "-w", "--stdin"], b"x");
    let many = |count: usize, (mode, kind, below): (&str, &str, &str), name: &str| {
        let entries: String = (0..count)
            .map(|number| format!("{mode} {kind} {below}\t{name}{number:04}\n"))
            .collect();
        origin.git_with(&["mktree"], entries.as_bytes())
    };
    let file = ("100644", "blob", blob.as_str());
    // 301,000 short paths.
    let thousand = many(1000, file, "f");
    let short = many(301, ("040000", "tree", &thousand), "d");
    // 20,000 paths of 3.8 KB each.
    let hundred = many(100, file, "f");
    let name = "n".repeat(200);
    let deep = (0..18).fold(hundred, |below, _| many(1, ("040000", "tree", &below), &name));
    let long = many(200, ("040000", "tree", &deep), "d");
    for tree in [short, long] {
        let commit = origin.git(&["commit-tree", &tree, "-m", "large"]);
        origin.git(&["update-ref", "refs/heads/large", &commit]);
        let found = origin
            .fetched()
            .await
            .changed_files(None, &commit.parse().unwrap(), 10)
            .await;
        assert!(matches!(found, Err(Error::TooMuchToCompare)), "{found:?}");
    }
}

#[tokio::test]
async fn a_list_of_refs_without_end_is_broken_off_over_https_too() {
    let mut origin = Origin::new();
    origin.commit("one");
    let host = GitHost::serving(&origin).await;
    let url = check_url(&host.url("endless")).unwrap();
    let refused = probe(&url, &host.options("")).await.unwrap_err();
    assert!(matches!(refused, Error::TooManyRefs { .. }), "{refused}");
}

#[tokio::test]
async fn a_directory_that_is_larger_than_any_is_not_read() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    let blob = origin.git(&["rev-parse", "HEAD:file"]);
    let blob: Vec<u8> = (0..20)
        .map(|at| u8::from_str_radix(&blob[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let filler = "n".repeat(3994);
    let entry = |number: usize| {
        let name = format!("{number:06}{filler}");
        [b"100644 ", name.as_bytes(), b"\0", &blob].concat()
    };
    let most = 64 * MEBIBYTE / entry(0).len();
    for (count, is_read) in [(most, true), (most + 1, false)] {
        let tree: Vec<u8> = (0..count).flat_map(entry).collect();
        let tree = origin.git_with(
            &["hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
            &tree,
        );
        let commit = origin.git(&["commit-tree", &tree, "-m", "large"]);
        origin.git(&["update-ref", "refs/heads/large", &commit]);
        let found = origin
            .fetched()
            .await
            .file(&commit.parse().unwrap(), "deploy.sh")
            .await;
        match is_read {
            true => assert!(found.unwrap().is_none()),
            false => assert!(matches!(found, Err(Error::TooMuchToCompare)), "it was read"),
        }
    }
}

#[tokio::test]
async fn a_file_that_is_larger_than_any_source_is_not_compared_by_lines() {
    let mut origin = Origin::new();
    let line = format!("{}\n", "x".repeat(127));
    let mut before: Option<CommitId> = None;
    for (bytes, is_compared) in [(8 * MEBIBYTE, true), (8 * MEBIBYTE + 128, false)] {
        origin.write(
            "large",
            format!("{}{}", line.repeat(bytes / 128 - 1), "y".repeat(128)),
        );
        let commit: CommitId = origin.commit("large").parse().unwrap();
        let diff = origin
            .fetched()
            .await
            .diff(before.as_ref(), &commit, DiffOptions::default())
            .await
            .unwrap();
        assert_eq!(diff.files[0].binary, !is_compared, "{bytes}");
        before = Some(commit);
    }
}
