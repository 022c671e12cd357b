//! Repositories that are made to cost more than they look: trees of billions of entries in a few
//! kilobytes, modes that Git does not write, refs without end.

use std::time::{Duration, Instant};

use deployer::domain::CommitId;
use deployer::git::{DiffOptions, Error, FileStatus, GitOptions};

use super::support::{Origin, Sshd, fetch, make_executable};
use crate::support::rounds::{Dice, rounds};

/// A tree of ten names, each with `object`.
pub fn ten(origin: &Origin, mode: &str, object: &str) -> String {
    let kind = if mode == "040000" { "tree" } else { "blob" };
    let lines: String = (0..10)
        .map(|n| format!("{mode} {kind} {object}\tn{n}\n"))
        .collect();
    origin.git_with(&["mktree"], lines.as_bytes())
}

/// A tree of ten to the power of ten files, all the same.
pub fn bomb(origin: &Origin) -> String {
    let blob = origin.git_with(&["hash-object", "-w", "--stdin"], b"x");
    let files = ten(origin, "100644", &blob);
    (1..10).fold(files, |below, _| ten(origin, "040000", &below))
}

/// A commit of these entries, as `mktree` reads them, on the branch `hostile`.
fn commit(origin: &Origin, entries: &str) -> CommitId {
    let tree = origin.git_with(&["mktree"], entries.as_bytes());
    let commit = origin.git(&["commit-tree", &tree, "-m", "hostile"]);
    origin.git(&["update-ref", "refs/heads/hostile", &commit]);
    commit.parse().unwrap()
}

#[tokio::test]
async fn a_tree_of_billions_of_entries_is_too_much_to_compare() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    let small: CommitId = origin.commit("small").parse().unwrap();
    let large = commit(&origin, &format!("040000 tree {}\tdata\n", bomb(&origin)));
    let mirror = origin.fetched().await;
    let started = Instant::now();
    for from in [None, Some(&small)] {
        let files = mirror.changed_files(from, &large, 10).await;
        assert!(matches!(files, Err(Error::TooMuchToCompare)), "{files:?}");
        let diff = mirror.diff(from, &large, DiffOptions::default()).await;
        assert!(matches!(diff, Err(Error::TooMuchToCompare)), "{diff:?}");
    }
    assert!(
        started.elapsed() < Duration::from_secs(40),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn what_both_sides_have_costs_nothing() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("small");
    let (bomb, blob) = (bomb(&origin), origin.git(&["rev-parse", "main:file"]));
    let other = origin.git_with(&["hash-object", "-w", "--stdin"], b"y");
    let from = commit(
        &origin,
        &format!("040000 tree {bomb}\tdata\n100644 blob {blob}\tz\n"),
    );
    let to = commit(
        &origin,
        &format!("040000 tree {bomb}\tdata\n100644 blob {other}\tz\n"),
    );
    origin.git(&["update-ref", "refs/heads/before", from.as_str()]);
    let mirror = origin.fetched().await;
    let found = mirror.changed_files(Some(&from), &to, 10).await.unwrap();
    let found: Vec<_> = found.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(found, ["z"]);
}

#[tokio::test]
async fn modes_that_git_does_not_write_are_read_as_the_ones_it_does() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    let before: CommitId = origin.commit("one").parse().unwrap();
    let blob = origin.git(&["rev-parse", "main:file"]);
    let mut tree = Vec::new();
    for (mode, name) in [("104755", "file"), ("100664", "group"), ("100600", "own")] {
        tree.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        tree.extend(
            (0..40)
                .step_by(2)
                .map(|at| u8::from_str_radix(&blob[at..at + 2], 16).unwrap()),
        );
    }
    let tree = origin.git_with(
        &["hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
        &tree,
    );
    let odd = origin.git(&["commit-tree", &tree, "-m", "odd"]);
    origin.git(&["update-ref", "refs/heads/hostile", &odd]);
    let odd: CommitId = odd.parse().unwrap();
    let mirror = origin.fetched().await;
    let found = mirror.changed_files(Some(&before), &odd, 10).await.unwrap();
    let modes: Vec<_> = found
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.status, file.old_mode, file.new_mode))
        .collect();
    assert_eq!(
        modes[0],
        ("file", FileStatus::ModeChanged, 0o100_644, 0o100_755),
        "{modes:?}"
    );
    assert_eq!((modes[1].3, modes[2].3), (0o100_644, 0o100_644), "{modes:?}");
    let diff = mirror.diff(None, &odd, DiffOptions::default()).await.unwrap();
    assert_eq!(diff.files_total, 3);
}

#[tokio::test]
async fn more_refs_than_anybody_has_are_refused() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    let commit = origin.commit("one");
    let refs: String = (0..100_001)
        .map(|n| format!("{commit} refs/heads/b{n:06}\n"))
        .collect();
    let packed = format!("# pack-refs with: peeled fully-peeled sorted \n{refs}");
    std::fs::write(origin.path().join(".git/packed-refs"), packed).unwrap();
    let error = fetch(&origin.mirror()).await.unwrap_err();
    assert!(matches!(error, Error::TooManyRefs { limit: 100_000 }), "{error}");
    assert!(
        error.to_string().contains("more than 100000 branches and tags"),
        "{error}"
    );
}

/// Lets `sshd` run these lines instead of whatever it is asked for.
fn answer_with(sshd: &Sshd, lines: &str) {
    let program = sshd.dir.join("answer");
    std::fs::write(&program, format!("#!/bin/sh\n{lines}\n")).unwrap();
    make_executable(&program);
    let key = std::fs::read_to_string(sshd.dir.join("user.pub")).unwrap();
    let forced = format!("command=\"{}\" {key}", program.display());
    std::fs::write(sshd.dir.join("authorized_keys"), forced).unwrap();
}

/// A list of refs as no Git sends it: names, capabilities, lengths and ends that are odd.
fn odd_refs(dice: &mut Dice) -> Vec<u8> {
    let id = "0123456789".repeat(4);
    let long = format!("refs/heads/{}", "x".repeat(5000));
    let names = [
        "HEAD",
        "refs/heads/main",
        "refs/heads/../../x",
        "refs/heads/.lock",
        "refs/heads/",
        "",
        "refs/tags/v^{}",
        "refs/heads/\u{1b}[31m",
        "refs/heads/a b",
        "capabilities^{}",
        ".have",
        long.as_str(),
    ];
    let capabilities = [
        "",
        "\0",
        "\0side-band-64k ofs-delta",
        "\0symref=HEAD:refs/heads/x symref=:",
        "\0agent=\u{feff}",
        "\0\0\0",
    ];
    let ids = [
        id.as_str(),
        "0000000000000000000000000000000000000000",
        "xyz",
        "",
        "shallow",
        "ERR",
    ];
    let mut sent = Vec::new();
    for _ in 0..dice.below(8) {
        let (at, name) = (ids[dice.below(ids.len())], names[dice.below(names.len())]);
        let line = format!("{at} {name}{}\n", capabilities[dice.below(capabilities.len())]);
        let length = match dice.below(6) {
            0 => ["0001", "0003", "0004", "ffff", "zzzz", "-001"][dice.below(6)].to_owned(),
            _ => format!("{:04x}", line.len() + 4),
        };
        sent.extend_from_slice(length.as_bytes());
        sent.extend_from_slice(line.as_bytes());
    }
    if dice.below(4) > 0 {
        sent.extend_from_slice(b"0000");
    }
    sent.extend((0..dice.below(200)).map(|_| u8::try_from(dice.below(256)).unwrap()));
    sent
}

#[tokio::test]
async fn lists_of_refs_that_no_git_sends_are_refused() {
    let origin = Origin::new();
    let sshd = Sshd::start(origin.dir.path());
    let sent = sshd.dir.join("sent");
    answer_with(&sshd, &format!("cat '{}'", sent.display()));
    let options = GitOptions {
        fetch_timeout: Duration::from_secs(20),
        ..sshd.options()
    };
    let mut dice = Dice::new(20_261_129);
    for round in 0..rounds(25, 600) {
        std::fs::write(&sent, odd_refs(&mut dice)).unwrap();
        let mirror = origin.mirror_of(&sshd.url(&origin.path()), options.clone());
        let failed = match fetch(&mirror).await {
            Ok(_) => String::new(),
            Err(Error::Internal(error)) => format!("panicked: {error}"),
            Err(error @ Error::Timeout { .. }) => format!("hangs: {error}"),
            Err(error) if error.to_string().chars().any(|c| c == '\u{1b}') => format!("raw: {error}"),
            Err(_) => String::new(),
        };
        assert_eq!(failed, "", "round {round}");
        // None of those objects exists, so no branch can have come of it.
        let branches = mirror.branches().await;
        assert!(
            !matches!(&branches, Ok(found) if !found.is_empty()),
            "{branches:?}"
        );
    }
}

#[tokio::test]
async fn a_branch_may_be_called_as_a_capability_is() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    origin.git(&["branch", "object-format=sha256"]);
    let sshd = Sshd::start(origin.dir.path());
    let mirror = origin.mirror_of(&sshd.url(&origin.path()), sshd.options());
    fetch(&mirror).await.unwrap();
    assert_eq!(mirror.branches().await.unwrap().len(), 2);
}

#[tokio::test]
async fn refs_without_end_end_the_fetch() {
    let origin = Origin::new();
    let sshd = Sshd::start(origin.dir.path());
    let line = format!("0042{} refs/heads/branchnam\n", "0123456789".repeat(4));
    assert_eq!(line.len(), 0x42);
    answer_with(&sshd, &format!("exec yes '{}'", line.trim_end()));
    let options = GitOptions {
        fetch_timeout: Duration::from_secs(30),
        ..sshd.options()
    };
    let mirror = origin.mirror_of(&sshd.url(&origin.path()), options);
    let error = fetch(&mirror).await.unwrap_err();
    assert!(matches!(error, Error::TooManyRefs { .. }), "{error}");
}
