//! Submodules: real ones, from this host, over HTTPS and by way of a real sshd, and hostile ones.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use deployer::domain::OtherHost;
use deployer::git::GitOptions;
use tokio_util::sync::CancellationToken;

use super::elsewhere::{ALL, Fetching, tree};
use super::https::GitHost;
use super::support::{Origin, Sshd, make_executable};

/// A repository with a submodule `libs/a b`, which has one itself, `deep`; beside them, in the same
/// directory, the two others.
fn origin() -> (Origin, String) {
    let mut origin = Origin::new();
    let beside = |name: &str| origin.dir.path().join(name);
    for name in ["lib", "deep"] {
        let path = beside(name);
        let path = path.to_str().unwrap();
        origin.git(&["init", "-q", "-b", "main", path]);
        fs::write(beside(name).join("file"), format!("of {name}\n")).unwrap();
        fs::write(beside(name).join("run"), "#!/bin/sh\n").unwrap();
        make_executable(&beside(name).join("run"));
        if name == "lib" {
            continue;
        }
        origin.git(&["-C", path, "add", "-A"]);
        origin.git(&["-C", path, "commit", "-q", "-m", name]);
    }
    let add = |dir: &str, url: &str, path: &str| {
        let allowed = "protocol.file.allow=always";
        origin.git(&["-C", dir, "-c", allowed, "submodule", "--quiet", "add", url, path]);
    };
    let lib = beside("lib");
    let lib = lib.to_str().unwrap();
    let url = |name: &str| format!("file://{}", beside(name).display());
    add(lib, &url("deep"), "deep");
    // As the others see it: relative to whatever they fetch from.
    relative(lib, "deep", "../deep");
    origin.git(&["-C", lib, "add", "-A"]);
    origin.git(&["-C", lib, "commit", "-q", "-m", "lib"]);
    origin.write("top", "of origin\n");
    let own = origin.path();
    let own = own.to_str().unwrap();
    add(own, &url("lib"), "libs/a b");
    relative(own, "libs/a b", "../lib");
    let commit = origin.commit("one");
    (origin, commit)
}

/// Gives the submodule at `path` of the repository in `dir` another address.
fn relative(dir: &str, path: &str, url: &str) {
    let text = format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n");
    fs::write(format!("{dir}/.gitmodules"), text).unwrap();
}

/// What git itself makes of the repository and its submodules.
fn cloned(origin: &Origin) -> String {
    let into = origin.dir.path().join("clone");
    origin.git(&[
        "-c",
        "protocol.file.allow=always",
        "clone",
        "-q",
        "--recurse-submodules",
        &origin.url(),
        into.to_str().unwrap(),
    ]);
    tree(&into)
}

#[tokio::test]
async fn an_export_has_submodules_as_git_has_them() {
    let (origin, commit) = origin();
    let theirs = cloned(&origin);
    let host = GitHost::serving(&origin).await;
    let sshd = Sshd::start(origin.dir.path());
    for (name, url, options) in [
        ("file", origin.url(), GitOptions::default()),
        ("ssh", sshd.url(&origin.path()), sshd.options()),
        ("https", host.url("private"), host.options(&host.login())),
    ] {
        let fetching = Fetching::of(&origin, &url, options).await;
        let into = origin.dir.path().join(format!("by-{name}"));
        fetching.export(&commit, &into).await;
        assert_eq!(tree(&into), theirs, "{name}");
        let times = ["libs", "libs/a b", "top"]
            .map(|path| fs::metadata(into.join(path)).unwrap().modified().unwrap());
        assert_eq!(times[0], times[2], "the directory above has the commit's time");
        assert!(times[1] != times[2], "a submodule has its own commit's time");
    }
}

#[tokio::test]
async fn a_pinned_commit_that_was_fetched_needs_nobody() {
    let (origin, commit) = origin();
    let fetching = Fetching::of(&origin, &origin.url(), GitOptions::default()).await;
    let into = origin.dir.path().join("a");
    fetching.export(&commit, &into).await;
    fs::remove_dir_all(origin.dir.path().join("lib")).unwrap();
    fs::remove_dir_all(origin.dir.path().join("deep")).unwrap();
    let mirrors: Vec<PathBuf> = fs::read_dir(origin.dir.path().join("mirrors"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(mirrors.len(), 3, "{mirrors:?}");
    let long_ago = SystemTime::now() - Duration::from_secs(100 * 24 * 3600);
    for mirror in &mirrors {
        // Nothing of what was deployed is ever collected as garbage.
        let kept = [
            "--git-dir",
            mirror.to_str().unwrap(),
            "for-each-ref",
            "refs/deployed",
        ];
        assert_eq!(origin.git(&kept).lines().count(), 1, "{}", mirror.display());
        let mark = fs::File::open(mirror.join("deployer-fetched")).unwrap();
        mark.set_modified(long_ago).unwrap();
    }
    let again = origin.dir.path().join("b");
    fetching.export(&commit, &again).await;
    assert_eq!(tree(&into), tree(&again));
    // Used today, though nothing had to be fetched: the mirrors of submodules are not swept away.
    for mirror in mirrors.iter().filter(|one| *one != fetching.mirror.path()) {
        let mark = fs::metadata(mirror.join("deployer-fetched")).unwrap();
        assert!(mark.modified().unwrap() > long_ago, "{}", mirror.display());
    }
    let prospects = fetching
        .mirror
        .prospects(&commit.parse().unwrap(), ALL)
        .await
        .unwrap();
    let (path, _, address) = &prospects.submodules[0];
    assert_eq!((path.as_str(), prospects.submodules.len()), ("libs/a b", 1));
    assert_eq!(*address, format!("file://{}/lib", origin.dir.path().display()));
}

/// A commit of `main` with the submodules `paths` of the commit `pinned`, all at `url`.
fn with_submodules(origin: &mut Origin, paths: &[String], pinned: &str, url: &str) -> String {
    let one = |path: &String| format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n");
    origin.write(".gitmodules", paths.iter().map(one).collect::<String>());
    origin.git(&["add", ".gitmodules"]);
    let entry = |path: &String| format!("160000 {pinned}\t{path}\n");
    let entries = paths.iter().map(entry).collect::<String>();
    origin.git_with(&["update-index", "--index-info"], entries.as_bytes());
    origin.git(&["commit", "-q", "-m", "Submodules"]);
    origin.git(&["rev-parse", "HEAD"])
}

#[tokio::test]
async fn what_a_repository_may_not_lead_to_is_refused_before_anything_is_asked() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    let pinned = origin.commit("one");
    let host = GitHost::serving(&origin).await;
    let own = |path: &str| format!("https://127.0.0.1:{}/{path}", host.port);
    for (url, told) in [
        (
            "file:///etc".to_owned(),
            "is in a directory of the deployer's host",
        ),
        (
            format!("https://localhost:{}/private/origin", host.port),
            "add “localhost” to git.other_hosts",
        ),
        ("https://127.0.0.1:1/x".to_owned(), "git.other_hosts"),
        ("http://127.0.0.1/x".to_owned(), "is not encrypted"),
        ("ext::sh -c id".to_owned(), "is not fetched from"),
        ("--upload-pack=id".to_owned(), "is not fetched from"),
        (
            "../../../../../../../../x".to_owned(),
            "leads above that of the repository",
        ),
    ] {
        let commit = with_submodules(&mut origin, &["lib".into()], &pinned, &url);
        let fetching = Fetching::of(&origin, &host.url("open"), host.options(&host.login())).await;
        host.asked();
        let refused = fetching.refusal(&commit).await;
        assert!(
            refused.starts_with("The submodule “lib”") && refused.contains(told),
            "{url}: {refused}"
        );
        assert_eq!(host.asked(), Vec::<String>::new(), "{url}");
        let preview = fetching.mirror.prospects(&commit.parse().unwrap(), ALL).await;
        assert_eq!(preview.unwrap_err().to_string(), refused, "{url}");
    }
    let url = format!("https://localhost:{}/open/origin", host.port);
    let commit = with_submodules(&mut origin, &["lib".into()], &pinned, &url);
    let options = GitOptions {
        other_hosts: vec![OtherHost::read("localhost").unwrap()],
        ..host.options("")
    };
    let fetching = Fetching::of(&origin, &host.url("open"), options).await;
    let into = origin.dir.path().join("out");
    fetching.export(&commit, &into).await;
    assert_eq!(fs::read_to_string(into.join("lib/file")).unwrap(), "x");

    let gone = "0123456789".repeat(4);
    for (pinned, url, told) in [
        (
            &gone,
            own("open/origin"),
            "the pinned commit 01234567 is on none of its branches",
        ),
        (&pinned, own("open/nothing"), "The submodule “lib”: "),
    ] {
        let commit = with_submodules(&mut origin, &["lib".into()], pinned, &url);
        let fetching = Fetching::of(&origin, &host.url("open"), host.options("")).await;
        let refused = fetching.refusal(&commit).await;
        assert!(refused.contains(told), "{refused}");
    }
}

#[tokio::test]
async fn submodules_have_an_end() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    let first = origin.commit("one");
    let own = origin.url();
    // Each commit has the one before it as a submodule.
    let mut pinned = first.clone();
    for _ in 0..10 {
        pinned = with_submodules(&mut origin, &["in".into()], &pinned, &own);
    }
    let fetching = Fetching::of(&origin, &own, GitOptions::default()).await;
    let refused = fetching.refusal(&pinned).await;
    assert!(refused.contains("lies in 8 others"), "{refused}");

    origin.git(&["update-index", "--force-remove", "in"]);
    let paths: Vec<String> = (0..201).map(|number| format!("many/{number}")).collect();
    let commit = with_submodules(&mut origin, &paths, &first, &own);
    super::support::fetch(&fetching.mirror).await.unwrap();
    let refused = fetching.refusal(&commit).await;
    assert!(refused.contains("comes after 200 others"), "{refused}");

    // Those of submodules count as well.
    let some: Vec<String> = (0..101).map(|number| format!("some/{number}")).collect();
    origin.git(&["read-tree", &first]);
    let inner = with_submodules(&mut origin, &some, &first, &own);
    origin.git(&["read-tree", &first]);
    let outer = with_submodules(&mut origin, &some, &inner, &own);
    super::support::fetch(&fetching.mirror).await.unwrap();
    let refused = fetching.refusal(&outer).await;
    assert!(refused.contains("comes after 200 others"), "{refused}");

    let nameless = with_submodules(&mut origin, &["in".into()], &first, &own);
    origin.write(".gitmodules", "[submodule \"in\"]\n\tpath = in\n\turl\n]");
    origin.git(&["add", ".gitmodules"]);
    origin.git(&["commit", "-q", "-m", "Broken"]);
    let broken = origin.git(&["rev-parse", "HEAD"]);
    super::support::fetch(&fetching.mirror).await.unwrap();
    let refused = fetching.refusal(&broken).await;
    assert_eq!(
        refused,
        ".gitmodules of the commit cannot be read: line 4 is not in the form of Git's configuration."
    );
    origin.write(".gitmodules", "# so large\n".repeat(25_000));
    origin.git(&["add", ".gitmodules"]);
    origin.git(&["commit", "-q", "-m", "Large"]);
    let large = origin.git(&["rev-parse", "HEAD"]);
    super::support::fetch(&fetching.mirror).await.unwrap();
    let refused = fetching.refusal(&large).await;
    assert!(refused.contains("has no address in .gitmodules"), "{refused}");
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let nothing = fetching
        .mirrors
        .gather(
            deployer::domain::ProjectId(7),
            &fetching.mirror,
            &nameless.parse().unwrap(),
            ALL,
            &cancelled,
        )
        .await;
    assert!(matches!(nothing, Err(deployer::git::Error::Cancelled)));
}
