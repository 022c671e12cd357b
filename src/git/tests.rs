//! Addresses, accepted and refused; the command the other side runs; cursors.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::TREE_ENTRIES;
use super::export::{ExportPart, Exported, export_part};
use super::history::Cursor;
use super::ssh::upload_pack_command;
use super::url::{Location, check_url};
use super::{Error, GitOptions, Mirrors};
use crate::domain::ProjectId;

fn ssh(url: &str) -> (String, String, u16, String) {
    match check_url(url).unwrap().location {
        Location::Ssh {
            user,
            host,
            port,
            path,
        } => (user, host, port, path),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn addresses_are_taken_apart_as_git_does() {
    let found = |user: &str, host: &str, port, path: &str| (user.into(), host.into(), port, path.into());
    assert_eq!(
        ssh("git@example.com:shop/web.git"),
        found("git", "example.com", 22, "shop/web.git")
    );
    assert_eq!(ssh("bob@[::1]:/srv/x"), found("bob", "::1", 22, "/srv/x"));
    assert_eq!(
        ssh("ssh://example.com/srv/a%20b"),
        found("git", "example.com", 22, "/srv/a b")
    );
    assert_eq!(
        ssh("ssh://bob@[::1]:2222/~bob/x"),
        found("bob", "::1", 2222, "~bob/x")
    );
    let https = check_url("https://example.com/x.git").unwrap();
    assert_eq!(
        https.location,
        Location::Https {
            host: "example.com".into(),
            port: 443
        }
    );
    let file = check_url("file:///srv/a%20b.git").unwrap();
    assert_eq!(
        file.location,
        Location::File {
            path: "/srv/a b.git".into()
        }
    );
}

#[test]
fn everything_else_is_refused_with_a_sentence() {
    for bad in [
        "",
        "--upload-pack=x",
        "-x",
        "ext::sh -c id",
        "ext::sh",
        "fd::3",
        "/srv/git/x",
        "../x",
        "x",
        "C:/x",
        "host:path",
        "git@host",
        "git@host:",
        "git@-oProxyCommand=x:path",
        "-x@host:path",
        "git@host:-x",
        "git@host::x",
        "git@ho st:x",
        "ssh://-oProxyCommand=x/path",
        "ssh://host",
        "ssh://host/",
        "ssh://host/a%0Ab",
        "http://example.com/x",
        "git://example.com/x",
        "ftp://example.com/x",
        "https://user:secret@example.com/x",
        "https://secret@example.com/x",
        "https://:secret@example.com/x",
        "https:///x",
        "https://example.com/x?y",
        "file://",
        "file:///",
        "file://host/x",
        "file:///srv/../etc",
        "git@host:a\nb",
        "$(id)",
    ] {
        let sentence = check_url(bad).expect_err(bad);
        assert!(sentence.ends_with(['.', ')']), "{bad}: {sentence}");
        assert!(!sentence.contains("secret"), "{sentence}");
    }
    let long = |bytes: usize| format!("https://example.com/{}", "x".repeat(bytes - 20));
    assert!(check_url(&long(1024)).is_ok());
    assert!(check_url(&long(1025)).is_err_and(|why| why.contains("1024 bytes at most")));
}

#[test]
fn the_path_is_one_word_for_the_other_side() {
    assert_eq!(upload_pack_command("a b"), "git-upload-pack 'a b'");
    assert_eq!(
        upload_pack_command("$(id)'; id"),
        r"git-upload-pack '$(id)'\''; id'"
    );
}

#[test]
fn a_cursor_survives_an_address_and_nonsense_is_refused() {
    let text = "0123456789012345678901234567890123456789:150";
    assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
    for bad in [
        "",
        "x",
        ":",
        "0123:1",
        "0123456789012345678901234567890123456789:-1",
    ] {
        assert!(bad.parse::<Cursor>().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_reading_that_nobody_waits_for_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mirrors = Mirrors::new(dir.path().to_owned(), GitOptions::default());
    let mirror = mirrors.mirror(ProjectId(1), &check_url("https://git.example/x").unwrap());
    mirror.inner.open_or_create().unwrap();
    let (started, has_started) = tokio::sync::oneshot::channel();
    let (ended, has_ended) = tokio::sync::oneshot::channel();
    let reading = mirror.read_within_budget(move |_, budget| -> super::Result<()> {
        started.send(()).unwrap();
        // Without an end, this would use up its entries.
        let how = loop {
            if let Err(error) = budget.spend_entry() {
                break error;
            }
            std::thread::park_timeout(Duration::from_micros(10));
        };
        ended.send(matches!(how, Error::Cancelled)).unwrap();
        Err(how)
    });
    tokio::select! {
        _ = reading => unreachable!("it reads on"),
        begun = has_started => begun.unwrap(),
    }
    assert!(has_ended.await.unwrap(), "it was not told to end");
}

#[test]
fn a_budget_ends_with_its_entries() {
    let budget = super::budget::Budget::new(CancellationToken::new());
    let spent = (0..).find(|_| budget.spend_entry().is_err());
    assert_eq!(spent, Some(super::budget::ENTRIES));
}

#[test]
fn a_tree_of_more_entries_than_any_is_not_written_on() {
    let dir = tempfile::tempdir().unwrap();
    let mirrors = Mirrors::new(dir.path().to_owned(), GitOptions::default());
    let mirror = mirrors.mirror(ProjectId(1), &check_url("https://git.example/x").unwrap());
    let repository = mirror.inner.open_or_create().unwrap();
    let blob = repository.blob(b"x").unwrap();
    let mut tree = repository.treebuilder(None).unwrap();
    for name in ["a", "b"] {
        tree.insert(name, blob, 0o100_644).unwrap();
    }
    let tree = repository.find_tree(tree.write().unwrap()).unwrap();
    let author = git2::Signature::new("Ada", "ada@example.com", &git2::Time::new(0, 0)).unwrap();
    let id = repository
        .commit(None, &author, &author, "two files", &tree, &[])
        .unwrap();
    let part = ExportPart {
        mirror: mirror.clone(),
        commit: id.to_string().parse().unwrap(),
        at: PathBuf::new(),
        lfs: BTreeMap::new(),
        has_submodules: false,
    };
    for (before, is_written) in [(TREE_ENTRIES - 2, true), (TREE_ENTRIES - 1, false)] {
        let done = Exported {
            entries: before,
            ..Exported::default()
        };
        let into = dir.path().join(before.to_string());
        std::fs::create_dir(&into).unwrap();
        let outcome = export_part(&repository, &part, &into, done, &CancellationToken::new());
        match outcome {
            Ok(done) => assert!(is_written && done.entries == TREE_ENTRIES),
            Err(error) => assert!(
                !is_written && error.to_string().contains("engine.tree_entries"),
                "{error}"
            ),
        }
    }
}

#[tokio::test]
async fn a_tree_of_the_same_subtree_over_and_over_is_counted_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mirrors = Mirrors::new(dir.path().join("mirrors"), GitOptions::default());
    let mirror = mirrors.mirror(ProjectId(1), &check_url("https://git.example/x").unwrap());
    let id = {
        let repository = mirror.inner.open_or_create().unwrap();
        let mut below = repository.blob(b"x").unwrap();
        let mut mode = 0o100_644;
        for _ in 0..10 {
            let mut tree = repository.treebuilder(None).unwrap();
            for name in 0..10 {
                tree.insert(name.to_string(), below, mode).unwrap();
            }
            (below, mode) = (tree.write().unwrap(), 0o040_000);
        }
        let tree = repository.find_tree(below).unwrap();
        let author = git2::Signature::new("Ada", "ada@example.com", &git2::Time::new(0, 0)).unwrap();
        let id = repository.commit(None, &author, &author, "many files", &tree, &[]);
        id.unwrap().to_string().parse().unwrap()
    };
    let (into, cancel) = (dir.path().join("into"), CancellationToken::new());
    let begun = std::time::Instant::now();
    let counted = mirror.demand_exportable(&id, &cancel).await.unwrap_err();
    let refused = mirror.export(&id, &into, &cancel).await.unwrap_err();
    for error in [counted, refused] {
        assert!(
            matches!(error, Error::TooManyEntries { limit: TREE_ENTRIES }),
            "{error}"
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(!into.exists());
}
