//! Differences between commits.

use deployer::domain::CommitId;
use deployer::git::{DiffOptions, FileStatus, LineOrigin};

use super::support::{Origin, make_executable};

fn lines(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("line {n}\n")).collect()
}

/// Two commits with a change of every kind between them.
fn changes() -> (Origin, CommitId, CommitId) {
    let mut origin = Origin::new();
    origin.write("changed", lines(1..30));
    origin.write("gone", "x\n");
    origin.write("before", lines(100..150));
    origin.write("script", "#!/bin/sh\n");
    origin.write("image", [0, 1, 2, 0]);
    origin.write("kind", "file\n");
    let from: CommitId = origin.commit("one").parse().unwrap();
    origin.write(
        "changed",
        lines(1..30).replace("line 10\n", "line ten\nand\n") + "end",
    );
    std::fs::remove_file(origin.path().join("gone")).unwrap();
    std::fs::rename(origin.path().join("before"), origin.path().join("after \"it\"\n")).unwrap();
    make_executable(&origin.path().join("script"));
    origin.write("image", [0, 1, 2, 3]);
    std::fs::remove_file(origin.path().join("kind")).unwrap();
    std::os::unix::fs::symlink("changed", origin.path().join("kind")).unwrap();
    origin.write("new", "new\n");
    let to: CommitId = origin.commit("two").parse().unwrap();
    (origin, from, to)
}

#[tokio::test]
async fn every_kind_of_change_is_named() {
    let (origin, from, to) = changes();
    let mirror = origin.fetched().await;

    let diff = mirror
        .diff(Some(&from), &to, DiffOptions::default())
        .await
        .unwrap();
    let found: Vec<_> = diff
        .files
        .iter()
        .map(|file| (file.change.path.as_str(), file.change.status))
        .collect();
    let expected = [
        ("after \"it\"\n", FileStatus::Renamed),
        ("changed", FileStatus::Modified),
        ("gone", FileStatus::Deleted),
        ("image", FileStatus::Modified),
        ("kind", FileStatus::TypeChanged),
        ("new", FileStatus::Added),
        ("script", FileStatus::ModeChanged),
    ];
    assert_eq!(found, expected);
    assert!(!diff.cut);
    assert_eq!(diff.files[0].change.old_path.as_deref(), Some("before"));
    assert_eq!(
        (diff.files[6].change.old_mode, diff.files[6].change.new_mode),
        (0o100_644, 0o100_755)
    );
    assert!(diff.files[3].binary && diff.files[3].hunks.is_empty());

    let changed = &diff.files[1];
    assert_eq!(
        (changed.additions, changed.deletions, changed.hunks.len()),
        (3, 1, 2)
    );
    let shown: Vec<_> = changed.hunks[0]
        .lines
        .iter()
        .filter(|line| line.origin != LineOrigin::Context)
        .map(|line| (line.origin, line.old_no, line.new_no, line.text.as_str()))
        .collect();
    let expected = [
        (LineOrigin::Removed, Some(10), None, "line 10"),
        (LineOrigin::Added, None, Some(10), "line ten"),
        (LineOrigin::Added, None, Some(11), "and"),
    ];
    assert_eq!(shown, expected);
    assert_eq!(changed.hunks[0].header, "@@ -7,7 +7,8 @@ line 6");
    assert_eq!(
        changed.hunks[1].lines.last().unwrap().origin,
        LineOrigin::NoNewline
    );

    let list = mirror.changed_files(Some(&from), &to, 3).await.unwrap();
    assert_eq!((list.files.len(), list.total), (3, 7));
    assert_eq!(list.files[0], diff.files[0].change);
}

#[tokio::test]
async fn a_huge_diff_is_cut_and_one_file_can_be_requested() {
    let mut origin = Origin::new();
    let empty: CommitId = origin.commit("empty").parse().unwrap();
    for n in 0..30 {
        origin.write(&format!("file{n:02}"), lines(0..1000));
    }
    origin.write("minified", "x".repeat(100_000));
    let to: CommitId = origin.commit("much").parse().unwrap();
    let mirror = origin.fetched().await;
    let options = DiffOptions {
        max_files: 5,
        max_lines_per_file: 20,
        ..DiffOptions::default()
    };
    let diff = mirror.diff(Some(&empty), &to, options.clone()).await.unwrap();
    assert!(diff.cut);
    assert_eq!(
        (diff.files.len(), diff.files_total, diff.additions),
        (5, 31, 5000)
    );
    assert!(diff.files[0].cut);
    assert_eq!(diff.files[0].hunks[0].lines.len(), 20);

    let options = DiffOptions {
        only: Some("file29".into()),
        max_lines_per_file: 2000,
        ..options
    };
    let diff = mirror.diff(Some(&empty), &to, options.clone()).await.unwrap();
    assert_eq!(
        (
            diff.files.len(),
            diff.files[0].cut,
            diff.files[0].hunks[0].lines.len()
        ),
        (1, false, 1000)
    );
    let options = DiffOptions {
        only: Some("minified".into()),
        ..options
    };
    let diff = mirror.diff(None, &to, options.clone()).await.unwrap();
    assert!(diff.files[0].cut && diff.files[0].hunks[0].lines[0].text.len() < 3000);
    for hostile in ["--output=x", "../../etc/passwd", "*", "$(id)", ":(top)file00"] {
        let options = DiffOptions {
            only: Some(hostile.into()),
            ..options.clone()
        };
        assert_eq!(
            mirror.diff(None, &to, options).await.unwrap().files,
            [],
            "{hostile}"
        );
    }
}

#[tokio::test]
async fn a_submodule_is_shown_by_its_commits() {
    let mut origin = Origin::new();
    origin.write("kind", "file\n");
    origin.commit("one");
    let (a, b) = ("1".repeat(40), "2".repeat(40));
    let with = |lib: &str, kind: &str| {
        origin.git(&[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{lib},lib"),
        ]);
        origin.git(&["update-index", "--add", "--cacheinfo", kind]);
        let tree = origin.git(&["write-tree"]);
        let commit = origin.git(&["commit-tree", &tree, "-m", "lib"]);
        origin.git(&["update-ref", &format!("refs/heads/{lib}"), &commit]);
        commit.parse::<CommitId>().unwrap()
    };
    let file = origin.git(&["rev-parse", "main:kind"]);
    let from = with(&a, &format!("100644,{file},kind"));
    let to = with(&b, &format!("160000,{a},kind"));
    let mirror = origin.fetched().await;
    let diff = mirror
        .diff(Some(&from), &to, DiffOptions::default())
        .await
        .unwrap();
    let found: Vec<_> = diff
        .files
        .iter()
        .map(|file| {
            (
                file.change.path.as_str(),
                file.change.status,
                file.change.new_mode,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("kind", FileStatus::TypeChanged, 0o160_000),
            ("lib", FileStatus::Modified, 0o160_000)
        ]
    );
    let lines: Vec<_> = diff.files[1].hunks[0]
        .lines
        .iter()
        .map(|line| line.text.as_str())
        .collect();
    assert_eq!(
        lines,
        [format!("Subproject commit {a}"), format!("Subproject commit {b}")]
    );
}
