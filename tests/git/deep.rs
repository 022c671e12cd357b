//! Directories in directories and tags of tags, deeper than any stack; and attributes that are made to take
//! memory and time.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use deployer::domain::{CommitId, Extras, ProjectId};
use deployer::git::{DiffOptions, Error, GitOptions, Mirror, Mirrors, Weighing, check_url};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{ObjectType, Oid};
use tokio_util::sync::CancellationToken;

use super::support::{Origin, Sshd, fetch};

/// More calls in each other than the stack of any thread here holds.
const LEVELS: usize = 60_000;

/// Objects that are given to a repository all at once, as some ten thousands take long one by one.
#[derive(Default)]
struct Pack {
    count: u32,
    objects: Vec<u8>,
}

impl Pack {
    fn add(&mut self, kind: ObjectType, content: &[u8]) -> Oid {
        let number = match kind {
            ObjectType::Commit => 1,
            ObjectType::Tree => 2,
            ObjectType::Blob => 3,
            _ => 4,
        };
        let (mut first, mut rest) = ((number << 4) | (content.len() & 15), content.len() >> 4);
        while rest > 0 {
            self.objects.push(u8::try_from(first | 0x80).unwrap());
            (first, rest) = (rest & 0x7f, rest >> 7);
        }
        self.objects.push(u8::try_from(first).unwrap());
        let mut zipped = ZlibEncoder::new(&mut self.objects, Compression::fast());
        zipped.write_all(content).unwrap();
        zipped.finish().unwrap();
        self.count += 1;
        Oid::hash_object(kind, content).unwrap()
    }

    fn give_to(self, origin: &Origin) {
        let head = [b"PACK\0\0\0\x02".as_slice(), &self.count.to_be_bytes()].concat();
        let mut pack = [head, self.objects].concat();
        let sum = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &pack);
        pack.extend_from_slice(sum.as_ref());
        origin.git_with(&["index-pack", "--stdin"], &pack);
    }
}

/// A commit of a tree in a tree, `LEVELS` deep, with a file of `content` at the bottom, on the branch `deep`.
fn deep_commit(origin: &Origin, content: &str) -> CommitId {
    let mut pack = Pack::default();
    let file = pack.add(ObjectType::Blob, content.as_bytes());
    let leaf = [b"100644 f\0".as_slice(), file.as_bytes()].concat();
    let leaf = pack.add(ObjectType::Tree, &leaf);
    let tree = (0..LEVELS).fold(leaf, |below, _| {
        let entry = [b"40000 d\0".as_slice(), below.as_bytes()].concat();
        pack.add(ObjectType::Tree, &entry)
    });
    pack.give_to(origin);
    let commit = origin.git(&["commit-tree", &tree.to_string(), "-m", "deep"]);
    origin.git(&["update-ref", "refs/heads/deep", &commit]);
    commit.parse().unwrap()
}

/// All that reads a tree reads this one, or refuses it with a sentence.
async fn read_in_every_way(origin: &Origin, mirror: &Mirror, base: &CommitId, deep: &CommitId, into: &str) {
    let all = Extras {
        lfs: true,
        submodules: true,
    };
    let told = |found: Result<String, Error>| match found {
        Err(Error::BadEntry { why, .. }) => assert_eq!(why, "lies deeper than any path may be long"),
        other => panic!("{other:?}"),
    };
    for (from, to) in [(None, deep), (Some(base), deep), (Some(deep), base)] {
        told(mirror.changed_files(from, to, 10).await.map(|_| String::new()));
        told(
            mirror
                .diff(from, to, DiffOptions::default())
                .await
                .map(|_| String::new()),
        );
    }
    let weighing = Weighing {
        commit: deep.clone(),
        since: None,
        extras: all,
        time: Duration::from_secs(60),
    };
    told(
        mirror
            .weigh(weighing, |_, _| true)
            .await
            .map(|size| format!("{size:?}")),
    );
    let seen = mirror.each_file(deep, 0, |count, _| *count += 1).await;
    told(seen.map(|count| format!("{count} files")));
    let into = origin.dir.path().join(into);
    let exported = mirror.export(deep, &into, &CancellationToken::new()).await;
    told(exported.map(|done| format!("{done:?}")));
    assert!(!into.exists());
    assert_eq!(mirror.file(deep, "deploy.sh").await.unwrap(), None);
    // Nothing in it needs anything from elsewhere, where there is the time to look.
    match mirror.prospects(deep, all).await {
        Ok(found) => assert!(found.submodules.is_empty()),
        Err(error) => assert!(matches!(error, Error::TooMuchToCompare), "{error}"),
    }
}

#[tokio::test]
async fn directories_deeper_than_a_stack_are_fetched_and_not_deployed() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    let base: CommitId = origin.commit("one").parse().unwrap();
    let mirror = origin.fetched().await;
    let deep = deep_commit(&origin, "one");
    assert_eq!(fetch(&mirror).await.unwrap(), 1);
    read_in_every_way(&origin, &mirror, &base, &deep, "out").await;
    assert!(mirror.contains(&"deep".parse().unwrap(), &deep).await.unwrap());
    // The next fetch starts from a mirror that has such a tree already.
    let again = deep_commit(&origin, "two");
    assert_eq!(fetch(&mirror).await.unwrap(), 1);
    read_in_every_way(&origin, &mirror, &deep, &again, "again").await;
}

#[tokio::test]
async fn directories_deeper_than_a_stack_come_over_a_network_too() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    let base: CommitId = origin.commit("one").parse().unwrap();
    let deep = deep_commit(&origin, "one");
    let sshd = Sshd::start(origin.dir.path());
    // Git itself walks a tree by calling itself.
    let mirror = origin.mirror_of(&sshd.url(&origin.path()), sshd.options());
    match fetch(&mirror).await {
        Ok(_) => read_in_every_way(&origin, &mirror, &base, &deep, "out").await,
        // Then the other side did not get through it, and said so.
        Err(error) => assert!(matches!(error, Error::Remote(_) | Error::Fetch(_)), "{error}"),
    }
}

#[tokio::test]
async fn tags_of_tags_are_followed_however_many_there_are() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    let commit = origin.commit("one");
    let mut pack = Pack::default();
    let mut at = (Oid::from_str(&commit).unwrap(), "commit");
    for level in 0..LEVELS {
        let text = format!(
            "object {}\ntype {}\ntag t{level}\ntagger A <a@b> 1 +0000\n\nx\n",
            at.0, at.1
        );
        at = (pack.add(ObjectType::Tag, text.as_bytes()), "tag");
    }
    pack.give_to(&origin);
    origin.git(&["update-ref", "refs/tags/deep", &at.0.to_string()]);
    let mirror = origin.fetched().await;
    assert_eq!(mirror.resolve("deep").await.unwrap().id.as_str(), commit);
}

#[tokio::test]
async fn commits_and_tags_too_large_to_be_read_are_not_kept() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    let commit = origin.commit("one");
    let tree = origin.git(&["rev-parse", "main^{tree}"]);
    let sshd = Sshd::start(origin.dir.path());
    let local = origin.mirror();
    let over_ssh = origin.mirror_of(&sshd.url(&origin.path()), sshd.options());
    for mirror in [&local, &over_ssh] {
        fetch(mirror).await.unwrap();
    }
    let person = "A <a@b> 1 +0000";
    let long = "x".repeat(65 << 20);
    let large = format!("tree {tree}\nparent {commit}\nauthor {person}\ncommitter {person}\n\n{long}\n");
    let tag = format!("object {commit}\ntype commit\ntag t\ntagger {person}\n\n{long}\n");
    for (kind, text, name) in [
        ("commit", &large, "refs/heads/large"),
        ("tag", &tag, "refs/tags/large"),
    ] {
        let made = origin.git_with(&["hash-object", "-t", kind, "-w", "--stdin"], text.as_bytes());
        // Below what a branch leads to, it is read as well.
        let at = match kind {
            "commit" => origin.git(&["commit-tree", &tree, "-p", &made, "-m", "on it"]),
            _ => made,
        };
        origin.git(&["update-ref", name, &at]);
        for mirror in [&local, &over_ssh] {
            let packs = || {
                std::fs::read_dir(mirror.path().join("objects/pack"))
                    .unwrap()
                    .count()
            };
            let before = packs();
            for _ in 0..2 {
                let error = fetch(mirror).await.unwrap_err().to_string();
                assert!(error.starts_with("A commit or tag has 681"), "{error}");
                assert_eq!(packs(), before, "{kind}");
                let branches = mirror.branches().await.unwrap();
                assert_eq!(branches.len(), 1, "{branches:?}");
            }
        }
        origin.git(&["update-ref", "-d", name]);
    }
    for mirror in [&local, &over_ssh] {
        fetch(mirror).await.unwrap();
        assert_eq!(mirror.resolve("main").await.unwrap().id.as_str(), commit);
    }
}

#[tokio::test]
async fn a_repository_with_a_pipe_for_a_file_is_refused_at_once() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    for name in [".git/HEAD", ".git/commondir", ".git/objects/info/alternates"] {
        let path = origin.path().join(name);
        let kept = std::fs::read(&path).ok();
        let _ = std::fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let mirror = origin.mirror();
        let begun = Instant::now();
        let fetched = tokio::time::timeout(Duration::from_secs(20), fetch(&mirror)).await;
        assert!(fetched.is_ok(), "{name} keeps us waiting");
        assert!(begun.elapsed() < Duration::from_secs(20), "{name}");
        std::fs::remove_file(&path).unwrap();
        if let Some(kept) = kept {
            std::fs::write(&path, kept).unwrap();
        }
    }
}

#[tokio::test]
async fn objects_of_directories_that_projects_may_not_name_are_not_taken() {
    let mut origin = Origin::new();
    origin.write("secret", "x");
    let commit = origin.commit("one");
    let allowed = origin.dir.path().join("allowed");
    std::fs::create_dir(&allowed).unwrap();
    let shared = allowed.join("shared");
    origin.git(&["clone", "-q", "--shared", "--bare", ".", shared.to_str().unwrap()]);
    let mirror = |directories: &[&Path], name: &str| {
        let options = GitOptions {
            local_directories: directories.iter().map(|one| (*one).to_owned()).collect(),
            ..GitOptions::default()
        };
        let mirrors = Mirrors::new(origin.dir.path().join(name), options);
        let url = format!("file://{}", shared.display());
        mirrors.mirror(ProjectId(7), &check_url(&url).unwrap())
    };
    let refused = fetch(&mirror(&[&allowed], "one")).await.unwrap_err();
    let Error::LocalAddress { path } = &refused else {
        panic!("{refused}")
    };
    assert!(path.starts_with(origin.path()), "{refused}");
    let both = mirror(&[&allowed, &origin.path()], "two");
    fetch(&both).await.unwrap();
    assert_eq!(both.resolve("main").await.unwrap().id.as_str(), commit);
}

#[tokio::test]
async fn a_fetch_from_this_host_ends_with_what_it_may_bring_and_with_who_waits() {
    let mut origin = Origin::new();
    let mut noise = vec![0_u8; 3 << 20];
    let mut state = 1_u64;
    for byte in &mut noise {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    origin.write("large", &noise);
    origin.commit("one");
    let small = GitOptions {
        pack_limit: 1 << 20,
        ..GitOptions::default()
    };
    let mirror = origin.mirror_of(&origin.url(), small);
    let error = fetch(&mirror).await.unwrap_err();
    assert!(matches!(error, Error::PackTooLarge { .. }), "{error}");
    let packs = std::fs::read_dir(mirror.path().join("objects/pack")).unwrap();
    let kept: Vec<_> = packs.flatten().map(|entry| entry.file_name()).collect();
    assert!(kept.is_empty(), "{kept:?}");
    let unwanted = CancellationToken::new();
    unwanted.cancel();
    let error = origin.mirror().fetch(&unwanted).await.unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
}

/// What is said of a commit with these `.gitattributes` at its top, and of how many files.
async fn refusal(attributes: &[u8], files: usize) -> String {
    let mut origin = Origin::new();
    origin.write(".gitattributes", attributes);
    origin.write("file", "x");
    let commit: CommitId = origin.commit("one").parse().unwrap();
    let blob = origin.git(&["rev-parse", "main:file"]);
    let name = "a".repeat(200);
    let many: String = (0..files)
        .map(|n| format!("100644 blob {blob}\t{name}{n}b\n"))
        .collect();
    let tree = origin.git_with(&["mktree"], many.as_bytes());
    let top = origin.git(&["ls-tree", "main"]);
    let tree = origin.git_with(
        &["mktree"],
        format!("{top}\n040000 tree {tree}\tmany\n").as_bytes(),
    );
    let commit = match files {
        0 => commit,
        _ => origin.git(&["commit-tree", &tree, "-m", "many"]).parse().unwrap(),
    };
    origin.git(&["update-ref", "refs/heads/many", commit.as_str()]);
    let mirror = origin.fetched().await;
    let extras = Extras {
        lfs: true,
        submodules: false,
    };
    match mirror.prospects(&commit, extras).await {
        Ok(found) => format!("{found:?}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn attributes_have_limits_of_size_and_time() {
    let begun = Instant::now();
    let large = format!("# {}\n* filter=lfs\n", "x".repeat(1 << 20));
    let told = refusal(large.as_bytes(), 0).await;
    assert!(told.contains("“.gitattributes” of the commit has 1048"), "{told}");
    let lines = "*.a filter=lfs\n".repeat(10_001);
    let told = refusal(lines.as_bytes(), 0).await;
    assert!(told.contains("more than 10000 lines that set a filter"), "{told}");
    let slow = format!("{}b filter=lfs\n", "*a".repeat(900)).repeat(500);
    let told = refusal(slow.as_bytes(), 2000).await;
    let is_late = told.contains("There is too much to compare");
    assert!(is_late || told.contains("compares too many patterns"), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}
