//! Files in Git LFS: committed by the real git-lfs, fetched from a repository on this host, over HTTPS
//! from a small server of the batch API, and by way of a real sshd.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use deployer::domain::OtherHost;
use deployer::git::{GitOptions, KeptMirror};

use super::elsewhere::{ALL, Fetching, tree};
use super::hostile::ten;
use super::https::GitHost;
use super::support::{Origin, Sshd, make_executable};

/// What a large file of the repository has in it.
const CONTENT: &str = "large and binary\n";
/// A repository with files in Git LFS, and the first commit.
pub fn origin() -> (Origin, String) {
    let mut origin = Origin::new();
    origin.git(&["lfs", "install", "--local", "--skip-repo"]);
    origin.write(
        ".gitattributes",
        "*.bin filter=lfs diff=lfs merge=lfs -text\nassets/** filter=lfs diff=lfs merge=lfs -text\n",
    );
    origin.write("one.bin", CONTENT);
    origin.write("deep/er/two.bin", "two\n");
    origin.write("deep/same.bin", CONTENT);
    origin.write("assets/run", "#!/bin/sh\necho from lfs\n");
    make_executable(&origin.path().join("assets/run"));
    origin.write("assets/empty", "");
    origin.write("plain", "plain\n");
    let commit = origin.commit("one");
    (origin, commit)
}

/// What git and git-lfs themselves make of `commit`.
fn cloned(origin: &Origin, commit: &str, name: &str) -> PathBuf {
    let into = origin.dir.path().join(name);
    let path = into.to_str().unwrap();
    origin.git(&["clone", "-q", "--no-checkout", &origin.url(), path]);
    for [key, value] in [
        ["filter.lfs.smudge", "git-lfs smudge -- %f"],
        ["filter.lfs.clean", "git-lfs clean -- %f"],
        ["filter.lfs.required", "true"],
    ] {
        origin.git(&["-C", path, "config", key, value]);
    }
    origin.git(&["-C", path, "checkout", "-q", commit]);
    into
}

#[tokio::test]
async fn an_export_has_the_files_that_git_lfs_has() {
    let (mut origin, first) = origin();
    origin.write("one.bin", "changed\n");
    // A pointer that nobody has put into LFS is a file like any other.
    let pointer = origin.git(&["show", "HEAD:one.bin"]) + "\n";
    origin.write("pointer.txt", &pointer);
    origin.write("not.bin", "x");
    let second = origin.commit("two");
    let fetching = Fetching::of(&origin, &origin.url(), GitOptions::default()).await;
    // Four paths with three objects; the empty file has none. Then one more, as the others are shared.
    for (commit, name, objects) in [(&first, "one", 3), (&second, "two", 2)] {
        let ours = origin.dir.path().join(name);
        assert_eq!(fetching.export(commit, &ours).await, objects);
        let theirs = cloned(&origin, commit, &format!("{name}.git"));
        assert_eq!(tree(&ours), tree(&theirs), "{name}");
    }
    let two = origin.dir.path().join("two");
    assert_eq!(fs::read_to_string(two.join("one.bin")).unwrap(), "changed\n");
    assert_eq!(fs::read_to_string(two.join("pointer.txt")).unwrap(), pointer);

    // All of it is here now, so nobody is asked any more.
    fs::remove_dir_all(origin.path()).unwrap();
    let again = origin.dir.path().join("again");
    assert_eq!(fetching.export(&first, &again).await, 0);
    assert_eq!(tree(&again), tree(&origin.dir.path().join("one")));
}

/// The files in the cache of the mirror.
fn cache(fetching: &Fetching) -> Vec<PathBuf> {
    let (mut found, mut ahead) = (Vec::new(), vec![fetching.mirror.path().join("lfs")]);
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => ahead.push(path),
                false => found.push(path),
            }
        }
    }
    found
}

#[tokio::test]
async fn a_damaged_or_unused_object_is_fetched_again() {
    let (origin, commit) = origin();
    let fetching = Fetching::of(&origin, &origin.url(), GitOptions::default()).await;
    let out = |name: &str| origin.dir.path().join(name);
    assert_eq!(fetching.export(&commit, &out("a")).await, 3);

    let damaged = cache(&fetching).remove(0);
    let size = fs::metadata(&damaged).unwrap().len();
    fs::write(&damaged, vec![b'?'; usize::try_from(size).unwrap()]).unwrap();
    let contents = fetching.gather(&commit).await.unwrap();
    let refused = contents
        .export(&out("b"), &tokio_util::sync::CancellationToken::new())
        .await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("was damaged"), "{refused}");
    assert!(!out("b").exists(), "half a tree is none");
    assert_eq!(fetching.export(&commit, &out("b")).await, 1);
    fs::write(&damaged, "x").unwrap();
    assert_eq!(
        fetching.export(&commit, &out("c")).await,
        1,
        "one of another size is none"
    );

    let kept = [KeptMirror {
        project: deployer::domain::ProjectId(7),
        url: Some(fetching.mirror.remote().clone()),
    }];
    let now = deployer::domain::Instant::from(std::time::SystemTime::now());
    let hour = chrono::TimeDelta::hours(1);
    fetching.mirrors.sweep(&kept, now - hour).unwrap();
    assert_eq!(cache(&fetching).len(), 3);
    fetching.mirrors.sweep(&kept, now + hour).unwrap();
    assert_eq!(cache(&fetching).len(), 0);
    assert!(fetching.mirror.is_fetched(), "the mirror itself is needed");
}

#[tokio::test]
async fn files_have_limits_and_older_ones_make_room() {
    let (mut origin, first) = origin();
    origin.write("one.bin", "thirty bytes, which are other\n");
    fs::remove_file(origin.path().join("deep/same.bin")).unwrap();
    let second = origin.commit("two");
    let limited = |object, project| GitOptions {
        lfs_object_limit: object,
        lfs_project_limit: project,
        ..GitOptions::default()
    };
    // The largest of the first commit has 24 bytes, and all have 62.
    for (limits, told) in [
        (
            limited(20, 1000),
            "“assets/run” has 24 bytes in Git LFS; git.lfs_object_limit_mib allows 20",
        ),
        (
            limited(1000, 61),
            "has files of 62 bytes in Git LFS; git.lfs_project_limit_mib allows a project 61",
        ),
    ] {
        let fetching = Fetching::of(&origin, &origin.url(), limits).await;
        let refused = fetching.refusal(&first).await;
        assert!(refused.contains(told), "{refused}");
        let commit = first.parse().unwrap();
        let preview = fetching.mirror.prospects(&commit, ALL).await;
        assert_eq!(preview.unwrap_err().to_string(), refused, "it is said before");
        assert!(cache(&fetching).is_empty());
    }
    let fetching = Fetching::of(&origin, &origin.url(), limited(1000, 70)).await;
    let out = |name: &str| origin.dir.path().join(name);
    assert_eq!(fetching.export(&first, &out("a")).await, 3);
    // 45 bytes are there. With 30 more it would be too much, and 17 of them are of no use any more.
    assert_eq!(fetching.export(&second, &out("b")).await, 1);
    let sizes = cache(&fetching);
    let sizes = sizes.iter().map(|path| fs::metadata(path).unwrap().len());
    let mut sizes: Vec<u64> = sizes.collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [4, 24, 30]);
}

#[tokio::test]
async fn files_come_over_https_with_the_login_of_the_repository() {
    let (origin, first) = origin();
    let host = GitHost::serving(&origin).await;
    let moved = format!("https://127.0.0.1:{}/moves/origin.git/info/lfs", host.port);
    let moved = with_config(&origin, &first, &moved);
    for (area, commit, batches, downloads) in [
        ("open", &first, 1, 3),
        ("private", &first, 2, 3),
        ("open", &moved, 1, 6),
    ] {
        let fetching = Fetching::of(&origin, &host.url(area), host.options(&host.login())).await;
        fs::remove_dir_all(fetching.mirror.path().join("lfs")).ok();
        host.asked();
        let into = origin.dir.path().join(format!("{area}-{batches}-{downloads}"));
        assert_eq!(fetching.export(commit, &into).await, 3);
        assert_eq!(fs::read_to_string(into.join("one.bin")).unwrap(), CONTENT);
        let asked = host.asked();
        let of = |part: &str| asked.iter().filter(|line| line.contains(part)).count();
        let counts = (of("/objects/batch"), asked.len());
        assert_eq!(counts, (batches, batches + downloads), "{asked:?}");
        let objects = asked.iter().filter(|line| !line.contains("/objects/batch"));
        for object in objects {
            assert!(
                !object.contains("Basic"),
                "an object has what the server said, and no login: {object}"
            );
            assert!(
                object.starts_with("127.0.0.1"),
                "the server does not say which host it is: {object}"
            );
        }
    }
}

#[tokio::test]
async fn whatever_a_server_says_is_a_sentence_and_no_file() {
    let (origin, commit) = origin();
    let host = GitHost::serving(&origin).await;
    for (area, told) in [
        ("lies", "another SHA-256"),
        ("longer", "more bytes came"),
        ("shorter", "fewer bytes came"),
        ("missing", "the server said “no such object” (error 404)"),
        ("silent", "does not say where it is"),
        ("odd", "answer cannot be read"),
        ("other", "transfer by “tus”"),
        ("plain", "is not an https:// address"),
        ("named", "is not an https:// address"),
        ("unsafe", "is not an https:// address"),
        ("away", "such addresses are not allowed here"),
        ("round", "sends us from one address to the next"),
        ("elsewhere", "such addresses are not allowed here"),
        ("endless", "longer than 4194304 bytes"),
        ("authenticated", "/info/lfs/objects/batch answered 403"),
        (
            "none",
            "/none/origin.git/info/lfs/objects/batch answered 404 Not Found. There may be no Git LFS server: name the right address as lfs.url",
        ),
    ] {
        let lfs = format!("https://127.0.0.1:{}/{area}/origin.git/info/lfs", host.port);
        let commit = with_config(&origin, &commit, &lfs);
        let fetching = Fetching::of(&origin, &host.url("open"), host.options("")).await;
        let refused = fetching.refusal(&commit).await;
        assert!(refused.contains(told), "{area}: {refused}");
        let whole = format!("https://127.0.0.1:{}/", host.port);
        assert!(
            !refused.contains("answered") || refused.contains(&whole),
            "{refused}"
        );
        // A thread that was still writing removes its file a moment later.
        let mut kept = cache(&fetching);
        for _ in 0..100 {
            if kept.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            kept = cache(&fetching);
        }
        assert!(kept.is_empty(), "{area}: {kept:?}");
    }
}

/// A commit after `commit` whose `.lfsconfig` names `url`.
pub fn with_config(origin: &Origin, commit: &str, url: &str) -> String {
    origin.git(&["checkout", "-q", "-B", "main", commit]);
    origin.write(".lfsconfig", format!("[lfs]\n\turl = {url}\n"));
    origin.git(&["add", ".lfsconfig"]);
    origin.git(&["commit", "-q", "-m", "Elsewhere"]);
    origin.git(&["rev-parse", "HEAD"])
}

#[tokio::test]
async fn the_repository_leads_to_no_other_host_unless_that_is_configured() {
    let (origin, commit) = origin();
    let host = GitHost::serving(&origin).await;
    let elsewhere = format!("https://localhost:{}/private/origin.git/info/lfs", host.port);
    let login = format!("https://ada:a%20token@localhost:{}\n", host.port);
    let second = with_config(&origin, &commit, &elsewhere);
    let fetching = Fetching::of(&origin, &host.url("open"), host.options(&login)).await;
    host.asked();
    let refused = fetching.refusal(&second).await;
    assert!(
        refused.contains("add “localhost” to git.other_hosts"),
        "{refused}"
    );
    assert_eq!(host.asked(), Vec::<String>::new());
    drop(fetching);

    let mut options = host.options(&login);
    options.other_hosts = vec![OtherHost::read(&format!("localhost:{}", host.port)).unwrap()];
    let fetching = Fetching::of(&origin, &host.url("open"), options).await;
    let into = origin.dir.path().join("out");
    assert_eq!(fetching.export(&second, &into).await, 3);
    for bad in [
        "http://127.0.0.1/x",
        "file:///etc",
        "ssh://127.0.0.1/x",
        "https://u:p@127.0.0.1/x",
        "https://127.0.0.1:1/x",
    ] {
        let commit = with_config(&origin, &commit, bad);
        let fetching = Fetching::of(&origin, &host.url("open"), host.options("")).await;
        fs::remove_dir_all(fetching.mirror.path().join("lfs")).ok();
        host.asked();
        let refused = fetching.refusal(&commit).await;
        assert!(
            refused.contains("The address of Git LFS in .lfsconfig"),
            "{bad}: {refused}"
        );
        assert_eq!(host.asked(), Vec::<String>::new(), "{bad}");
    }
}

#[tokio::test]
async fn over_ssh_the_host_says_where_files_are() {
    let (origin, commit) = origin();
    let host = GitHost::serving(&origin).await;
    let bin = origin.dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let sshd = Sshd::start_in_path(origin.dir.path(), &bin);
    let options = || {
        let https = host.options("");
        GitOptions {
            https_certificates: https.https_certificates,
            https_credentials: https.https_credentials,
            ..sshd.options()
        }
    };
    let url = sshd.url(&origin.path());
    let fetching = Fetching::of(&origin, &url, options()).await;
    let refused = fetching.refusal(&commit).await;
    assert!(
        refused.contains("git-lfs-authenticate on the repository's host failed, saying"),
        "{refused}"
    );
    let script = bin.join("git-lfs-authenticate");
    let href = format!(
        "https://127.0.0.1:{}/authenticated/origin.git/info/lfs",
        host.port
    );
    fs::write(
        &script,
        format!(
            "#!/bin/sh\n[ \"$1 $2\" = '{} download' ] || exit 9\necho '{{\"href\": \"{href}\", \"header\": {{\"Authorization\": \"RemoteAuth of-ada\"}}, \"expires_in\": 60}}'\n",
            origin.path().display()
        ),
    )
    .unwrap();
    make_executable(&script);
    let into = origin.dir.path().join("out");
    assert_eq!(fetching.export(&commit, &into).await, 3);
    assert_eq!(fs::read_to_string(into.join("deep/er/two.bin")).unwrap(), "two\n");
    fs::remove_dir_all(fetching.mirror.path().join("lfs")).unwrap();
    for odd in ["echo 'Welcome!'", "yes '{' | head -c 3000000"] {
        fs::write(&script, format!("#!/bin/sh\n{odd}\n")).unwrap();
        let refused = fetching.refusal(&commit).await;
        assert!(refused.contains("answered what cannot be read"), "{refused}");
    }
}

#[tokio::test]
async fn trees_without_end_are_refused() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    let attributes = origin.git_with(&["hash-object", "-w", "--stdin"], b"n* filter=lfs\n");
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 1\n",
        "0".repeat(64)
    );
    let pointer = origin.git_with(&["hash-object", "-w", "--stdin"], pointer.as_bytes());
    // A million files in a few kilobytes.
    let files = ten(&origin, "100644", &pointer);
    let many = (1..6).fold(files, |below, _| ten(&origin, "040000", &below));
    // Deeper than any path may be.
    let name = "n".repeat(200);
    let one = |below: String, (mode, kind): (&str, &str)| {
        origin.git_with(&["mktree"], format!("{mode} {kind} {below}\t{name}\n").as_bytes())
    };
    let file = one(pointer.clone(), ("100644", "blob"));
    let deep = (0..25).fold(file, |below, _| one(below, ("040000", "tree")));
    let commit = |tree: &str| {
        let entries = format!("100644 blob {attributes}\t.gitattributes\n040000 tree {tree}\tdata\n");
        let tree = origin.git_with(&["mktree"], entries.as_bytes());
        let commit = origin.git(&["commit-tree", &tree, "-m", "hostile"]);
        origin.git(&["update-ref", "refs/heads/hostile", &commit]);
        commit
    };
    for (tree, told) in [
        (&many, "has more than 200000 files in Git LFS"),
        (&deep, "lies deeper than any path may be long"),
    ] {
        let commit = commit(tree);
        let fetching = Fetching::of(&origin, &origin.url(), GitOptions::default()).await;
        let refused = fetching.refusal(&commit).await;
        assert!(refused.contains(told), "{refused}");
    }
}
