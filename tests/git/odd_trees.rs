//! Trees that no Git has written: odd modes, names and kinds in any order. Whatever they are, each is
//! either read or refused with a sentence, and an export writes nothing outside its directory.

use std::time::{Duration, Instant};

use deployer::domain::{CommitId, Extras};
use deployer::git::{DiffOptions, Error};
use tokio_util::sync::CancellationToken;

use super::support::Origin;
use crate::support::rounds::{Dice, rounds};

const MODES: [&str; 16] = [
    "100644",
    "100755",
    "120000",
    "40000",
    "040000",
    "160000",
    "104755",
    "100600",
    "0",
    "170000",
    "777777777",
    "37777777777",
    "8",
    "-1",
    "",
    "060000",
];
const NAMES: [&[u8]; 18] = [
    b"a",
    b"deploy.sh",
    b".gitmodules",
    b"..",
    b".",
    b".git",
    b".GIT",
    b"git~1",
    b".git_release",
    b"a/b",
    b"/etc/passwd",
    b"",
    b"\xff\xfe",
    b"new\nline",
    b"\x1b[31m",
    b"con",
    b"a\\b",
    b"tests",
];

/// A tree object of up to six such entries, and now and then some that are broken off.
fn odd_tree(dice: &mut Dice, objects: &[[u8; 20]]) -> Vec<u8> {
    let mut tree = Vec::new();
    for _ in 0..dice.below(7) {
        let long = vec![b'x'; 5000];
        let name = match dice.below(NAMES.len() + 1) {
            at if at == NAMES.len() => &long,
            at => NAMES[at],
        };
        tree.extend_from_slice(MODES[dice.below(MODES.len())].as_bytes());
        tree.push(b' ');
        tree.extend_from_slice(name);
        tree.push(0);
        tree.extend_from_slice(&objects[dice.below(objects.len())]);
    }
    if dice.below(8) == 0 {
        tree.truncate(dice.below(tree.len() + 1));
    }
    tree
}

fn raw(id: &str) -> [u8; 20] {
    std::array::from_fn(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap())
}

/// The outcome of reading something hostile: anything but a panic.
fn no_panic<T>(what: &str, found: Result<T, Error>) -> bool {
    if let Err(error) = &found {
        assert!(!matches!(error, Error::Internal(_)), "{what}: {error:?}");
        assert!(error.to_string().len() > 10, "{what}: {error}");
    }
    found.is_ok()
}

#[tokio::test]
async fn trees_that_no_git_has_written_are_read_or_refused() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    let base: CommitId = origin.commit("one").parse().unwrap();
    let mirror = origin.fetched().await;
    // Into the mirror itself, past whatever a fetch would refuse.
    let bare = mirror.path().to_str().unwrap().to_owned();
    let git = |args: &[&str], input: &[u8]| {
        let args = [&["--git-dir", bare.as_str()][..], args].concat();
        origin.git_with(&args, input)
    };
    let blob = git(
        &["hash-object", "-w", "--stdin"],
        b"[submodule \"a\"]\npath = a\n",
    );
    let link = git(&["hash-object", "-w", "--stdin"], b"../../outside");
    let empty = git(&["hash-object", "-t", "tree", "-w", "--stdin"], b"");
    let missing = "0123456789".repeat(4);
    let mut objects = [&blob, &link, &empty, &missing].map(|id| raw(id)).to_vec();
    let mut dice = Dice::new(20_261_128);
    let (mut read, mut refused) = (0, 0);
    for round in 0..rounds(40, 1500) {
        let tree = odd_tree(&mut dice, &objects);
        let tree = git(
            &["hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
            &tree,
        );
        objects.push(raw(&tree));
        // Git itself checks what `commit-tree` is given, so the commit is written by hand as well.
        let text = format!("tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nodd\n");
        let odd = git(
            &["hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
            text.as_bytes(),
        );
        let odd: CommitId = odd.parse().unwrap();
        let started = Instant::now();
        let what = format!("round {round}, tree {tree}");
        let mut count = |is_read: bool| if is_read { read += 1 } else { refused += 1 };
        for (from, to) in [(None, &odd), (Some(&base), &odd), (Some(&odd), &base)] {
            count(no_panic(&what, mirror.changed_files(from, to, 10).await));
            count(no_panic(
                &what,
                mirror.diff(from, to, DiffOptions::default()).await,
            ));
        }
        count(no_panic(&what, mirror.file(&odd, "deploy.sh").await));
        let everything = Extras {
            lfs: true,
            submodules: true,
        };
        count(no_panic(&what, mirror.prospects(&odd, everything).await));
        count(no_panic(&what, mirror.top_names(&odd).await));
        let above = tempfile::tempdir().unwrap();
        let exported = mirror
            .export(&odd, &above.path().join("tree"), &CancellationToken::new())
            .await;
        let is_exported = no_panic(&what, exported);
        count(is_exported);
        let beside = left_in(above.path());
        assert_eq!(beside.len(), usize::from(is_exported), "{what}: {beside:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
    }
    // Otherwise all of them would be refused for one and the same reason, and this would prove little.
    assert!(read > 20 && refused > 20, "{read} read, {refused} refused");
}

#[tokio::test]
async fn two_entries_of_one_name_are_not_compared() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    let base: CommitId = origin.commit("one").parse().unwrap();
    let blob = raw(&origin.git(&["rev-parse", "main:file"]));
    let entry = [b"100644 twice\0".as_slice(), &blob].concat();
    let twice = entry.repeat(2);
    let tree = origin.git_with(
        &["hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
        &twice,
    );
    let commit = origin.git(&["commit-tree", &tree, "-m", "twice"]);
    origin.git(&["update-ref", "refs/heads/twice", &commit]);
    let mirror = origin.fetched().await;
    let error = mirror
        .changed_files(Some(&base), &commit.parse().unwrap(), 10)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("“twice” stands twice in one directory"),
        "{error}"
    );
}

/// Content as nobody expects it: binary, without an end, with lines of a megabyte, in any encoding.
fn odd_content(dice: &mut Dice) -> Vec<u8> {
    let mut content = Vec::new();
    for _ in 0..dice.below(8) {
        match dice.below(8) {
            0 => content.extend((0..dice.below(400)).map(|_| 0)),
            1 => content.extend(vec![b'x'; 200_000 + dice.below(900_000)]),
            2 => content.extend_from_slice("\u{feff}\u{202e}\u{2028}é\r".as_bytes()),
            3 => content.extend((0..dice.below(3000)).flat_map(|number| format!("{number}\n").into_bytes())),
            4 => content.extend_from_slice(b"\xff\xfea\0b\0\n\0"),
            5 => content
                .extend_from_slice(b"version https://git-lfs.github.com/spec/v1\noid sha256:x\nsize -1\n"),
            6 => content.extend(vec![b'\n'; dice.below(5000)]),
            _ => content.extend((0..dice.below(500)).map(|_| u8::try_from(dice.below(256)).unwrap())),
        }
    }
    content
}

#[tokio::test]
async fn a_diff_of_any_content_stays_within_its_limits() {
    use std::os::unix::ffi::OsStrExt as _;

    let mut dice = Dice::new(20_261_129);
    let options = DiffOptions {
        max_files: 12,
        max_lines_per_file: 100,
        ..DiffOptions::default()
    };
    for round in 0..rounds(4, 200) {
        let mut origin = Origin::new();
        let mut before = None;
        for step in 0..3 {
            for _ in 0..dice.below(15) {
                let name: Vec<u8> = (0..1 + dice.below(30))
                    .map(|_| u8::try_from(1 + dice.below(255)).unwrap())
                    .map(|byte| if byte == b'/' { b'_' } else { byte })
                    .collect();
                let name = std::ffi::OsStr::from_bytes(&name);
                if ![".", "..", ".git"].iter().any(|taken| name == *taken) {
                    std::fs::write(origin.path().join(name), odd_content(&mut dice)).unwrap();
                }
            }
            origin.write("always", odd_content(&mut dice));
            let commit: CommitId = origin.commit("odd").parse().unwrap();
            let mirror = origin.fetched().await;
            let diff = mirror.diff(before.as_ref(), &commit, options.clone()).await;
            let diff = diff.unwrap_or_else(|error| panic!("round {round}.{step}: {error}"));
            assert!(diff.files.len() <= 12);
            for file in &diff.files {
                let lines = file.hunks.iter().flat_map(|hunk| &hunk.lines);
                let mut count = 0;
                for line in lines {
                    count += 1;
                    assert!(line.text.chars().count() <= 2001, "round {round}.{step}");
                }
                assert!(count <= 100, "round {round}.{step}: {count} lines");
            }
            before = Some(commit);
        }
    }
}

/// What lies in a directory. An export that failed is renamed at once, and removed a moment later.
fn left_in(directory: &std::path::Path) -> Vec<std::ffi::OsString> {
    let names = std::fs::read_dir(directory)
        .unwrap()
        .map(|one| one.unwrap().file_name());
    let is_there = |name: &std::ffi::OsString| !name.to_string_lossy().starts_with(".removed-");
    names.filter(is_there).collect()
}
