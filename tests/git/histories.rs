//! Commits: pages, searches, comparisons, and what a person types.

use std::time::Instant;

use deployer::domain::BranchName;
use deployer::git::{Cursor, Error};

use super::support::{Origin, fetch};

fn main_branch() -> BranchName {
    "main".parse().unwrap()
}

#[tokio::test]
async fn a_commit_is_found_by_branch_or_hash_and_by_nothing_else() {
    let mut origin = Origin::new();
    let first = origin.commit("Title\n\nBody");
    origin.git(&["branch", "feature/x"]);
    origin.git(&["tag", "-a", "v1", "-m", "annotated"]);
    let mirror = origin.fetched().await;
    for text in [
        "main",
        "feature/x",
        "v1",
        &first,
        &first[..4],
        &first[..12].to_uppercase(),
        " main ",
    ] {
        assert_eq!(mirror.resolve(text).await.unwrap().id.as_str(), first, "{text}");
    }
    for text in [
        "--output=x",
        "../x",
        "$(id)",
        "",
        "-",
        "HEAD",
        "HEAD~1",
        "main~0",
        "@{0}",
        ":/Title",
        "main:",
        "abc",
        "zzzz",
        "a\0b",
        "main\n",
        "\u{202e}x",
        "../../etc/passwd",
    ] {
        let found = mirror.resolve(text).await;
        let fine = matches!(found, Err(Error::NotFound(_))) || text.trim() == "main";
        assert!(fine, "{text:?}: {found:?}");
    }
    let commit = mirror.resolve("main").await.unwrap();
    assert_eq!(
        (commit.title.as_str(), commit.message.as_str()),
        ("Title", "Title\n\nBody")
    );
    assert_eq!(
        (commit.author.as_str(), commit.email.as_str()),
        ("Ada", "ada@example.com")
    );
    assert_eq!(commit.time.to_rfc3339(), "2023-11-14T22:14:20+00:00");
    let error = mirror
        .commits(&"nope".parse().unwrap(), None, 10)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "There is no branch “nope” in the repository.");
}

#[tokio::test]
async fn branches_come_newest_first() {
    let mut origin = Origin::new();
    origin.commit("one");
    origin.git(&["branch", "a-old"]);
    origin.commit("two");
    let mirror = origin.fetched().await;
    let branches = mirror.branches().await.unwrap();
    let names: Vec<_> = branches.iter().map(BranchName::as_str).collect();
    assert_eq!(names, ["main", "a-old"]);
}

#[tokio::test]
async fn text_that_is_not_utf8_is_read_as_latin_1() {
    let origin = Origin::new();
    let input = b"commit refs/heads/main\nauthor M\xfcller <m\xfc@example.com> 1700000000 +0000\n\
                  committer X <x@example.com> 1700000000 +0000\ndata 5\nGr\xfc\xdfe\n";
    origin.git_with(&["fast-import", "--quiet"], input);
    let mirror = origin.fetched().await;
    let commit = mirror.resolve("main").await.unwrap();
    assert_eq!(
        (commit.author.as_str(), commit.title.as_str()),
        ("Müller", "Grüße")
    );
}

/// `count` commits, every tenth a merge of a side line that began nine commits before.
fn long_history(origin: &Origin, count: usize) {
    let mut stream = String::new();
    for n in 1..=count {
        let time = 1_600_000_000 + n;
        let message = format!("commit number {n}\n");
        let author = if n % 1000 == 0 {
            "Grace <grace@example.com>"
        } else {
            "Ada <ada@example.com>"
        };
        stream += &format!("commit refs/heads/main\nmark :{n}\nauthor {author} {time} +0000\n");
        stream += &format!(
            "committer {author} {time} +0000\ndata {}\n{message}",
            message.len()
        );
        if n > 1 {
            stream += &format!("from :{}\n", n - 1);
        }
        if n % 10 == 0 && n > 10 {
            stream += &format!("merge :{}\n", n - 9);
        }
        stream += "\n";
    }
    origin.git_with(&["fast-import", "--quiet"], stream.as_bytes());
}

#[tokio::test]
async fn pages_of_a_long_history_are_what_git_log_says() {
    let mut origin = Origin::new();
    long_history(&origin, 20_000);
    let mirror = origin.fetched().await;
    let started = Instant::now();
    let first = mirror.commits(&main_branch(), None, 150).await.unwrap();
    let took = started.elapsed();
    let log = origin.git(&["log", "--format=%H", "main"]);
    let log: Vec<_> = log.lines().collect();
    let (mut seen, mut from) = (Vec::new(), None);
    loop {
        let page = mirror.commits(&main_branch(), from, 150).await.unwrap();
        seen.extend(page.commits.into_iter().map(|commit| commit.id.to_string()));
        // A push in between changes nothing about the pages that follow.
        if seen.len() == 300 {
            origin.git(&["read-tree", "main"]);
            origin.commit("newer");
            fetch(&mirror).await.unwrap();
        }
        let Some(next) = page.next else { break };
        from = Some(next.to_string().parse::<Cursor>().unwrap());
    }
    assert_eq!(seen, log);
    assert_eq!(first.commits.len(), 150);
    assert!(took.as_millis() < 50, "{took:?}");
    let newest = mirror.commits(&main_branch(), None, 1).await.unwrap();
    assert_eq!(newest.commits[0].title, "newer");
}

#[tokio::test]
async fn a_search_matches_text_author_and_hash_and_can_be_continued() {
    let origin = Origin::new();
    long_history(&origin, 5_000);
    let mirror = origin.fetched().await;
    let main = main_branch();
    let found = mirror.search(&main, " NUMBER 4999", None, 10).await.unwrap();
    assert_eq!(found.commits[0].title, "commit number 4999");
    assert_eq!(
        (found.commits.len(), found.searched, found.next),
        (1, Some(5_000), None)
    );

    let found = mirror.search(&main, "GRACE@", None, 2).await.unwrap();
    let titles: Vec<_> = found.commits.iter().map(|commit| commit.title.as_str()).collect();
    assert_eq!(titles, ["commit number 5000", "commit number 4000"]);
    let found = mirror.search(&main, "GRACE@", found.next, 10).await.unwrap();
    assert_eq!((found.commits.len(), found.next), (3, None));

    let newest = mirror.resolve("main").await.unwrap().id;
    let found = mirror.search(&main, newest.short(), None, 10).await.unwrap();
    let ids: Vec<_> = found.commits.iter().map(|commit| &commit.id).collect();
    assert_eq!(ids, [&newest]);
    let hostile = mirror.search(&main, "--output=x $(id)", None, 10).await.unwrap();
    assert_eq!(hostile.commits, []);
}

#[tokio::test]
async fn a_range_of_commits_is_what_the_other_side_lacks() {
    let mut origin = Origin::new();
    let base = origin.commit("base").parse().unwrap();
    let two = origin.commit("two").parse().unwrap();
    let three = origin.commit("three").parse().unwrap();
    origin.git(&["checkout", "-q", "-b", "side", "HEAD~2"]);
    let side = origin.commit("side").parse().unwrap();
    let mirror = origin.fetched().await;
    let titles = async |from, to, limit| {
        let found = mirror.between(from, to, limit).await.unwrap();
        let titles: Vec<_> = found.commits.into_iter().map(|commit| commit.title).collect();
        (titles.join(" "), found.more)
    };
    assert_eq!(titles(Some(&base), &three, 10).await, ("three two".into(), false));
    assert_eq!(titles(Some(&base), &three, 1).await, ("three".into(), true));
    assert_eq!(titles(Some(&three), &base, 10).await, (String::new(), false));
    assert_eq!(titles(None, &two, 10).await, ("two base".into(), false));
    assert_eq!(titles(Some(&side), &three, 10).await, ("three two".into(), false));
    assert_eq!(mirror.ahead_behind(&three, &side).await.unwrap(), (2, 1));
    assert!(mirror.contains(&main_branch(), &base).await.unwrap());
    assert!(!mirror.contains(&main_branch(), &side).await.unwrap());
}

#[tokio::test]
async fn commits_in_latin_1_read_as_they_were_written() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    let raw = origin.git(&["cat-file", "commit", "HEAD"]);
    let raw = raw
        .replace("Ada <", "Andr\u{e9} <")
        .replace("\n\none", "\nencoding ISO-8859-1\n\nCaf\u{e9}\n");
    let latin: Vec<u8> = raw.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let id = origin.git_with(&["hash-object", "-t", "commit", "-w", "--stdin"], &latin);
    origin.git(&["update-ref", "refs/heads/main", &id]);
    let mirror = origin.fetched().await;
    let commit = mirror.resolve("main").await.unwrap();
    assert_eq!((commit.title.as_str(), commit.author.as_str()), ("Café", "André"));
}

#[tokio::test]
async fn a_branch_and_a_tag_of_one_name_are_told_apart_by_their_whole_names() {
    let mut origin = Origin::new();
    origin.write("file", "1");
    let first = origin.commit("one");
    origin.git(&["tag", "-a", "v1", "-m", "v1"]);
    origin.write("file", "2");
    let second = origin.commit("two");
    origin.git(&["branch", "v1"]);
    let mirror = origin.fetched().await;
    for (text, expected) in [
        ("v1", &second),
        ("refs/heads/v1", &second),
        ("refs/tags/v1", &first),
    ] {
        let found = mirror.resolve(text).await.map(|commit| commit.id.to_string());
        assert_eq!(
            found.map_err(|error| error.to_string()).as_ref(),
            Ok(expected),
            "{text}"
        );
    }
    for missing in [
        "refs/tags/v2",
        "refs/heads/",
        "refs/deployed/v1",
        "refs/tags/abcd",
    ] {
        let found = mirror.resolve(missing).await;
        assert!(matches!(found, Err(Error::NotFound(_))), "{missing}: {found:?}");
    }
}

#[tokio::test]
async fn a_commit_that_cannot_be_read_is_told_as_such() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    let raw = origin.git(&["cat-file", "commit", "HEAD"]);
    let odd = raw.replacen("<ada@example.com>", "<ada@example.com", 1);
    assert_ne!(raw, odd);
    let args = ["hash-object", "-t", "commit", "-w", "--stdin", "--literally"];
    let odd = origin.git_with(&args, odd.as_bytes());
    origin.git(&["update-ref", "refs/heads/odd", &odd]);
    let mirror = origin.mirror();
    let told = fetch(&mirror).await.unwrap_err().to_string();
    assert!(
        told.starts_with("A commit, tag or tree of the repository cannot be read: failed to parse signature"),
        "{told}"
    );
    origin.git(&["update-ref", "-d", "refs/heads/odd"]);
    fetch(&mirror).await.unwrap();
}

#[tokio::test]
async fn a_branch_that_needs_what_is_missing_is_named() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    let raw = origin.git(&["cat-file", "commit", "HEAD"]);
    let tree = origin.git(&["rev-parse", "HEAD^{tree}"]);
    let args = ["hash-object", "-t", "commit", "-w", "--stdin", "--literally"];
    let lost = origin.git_with(&args, raw.replace(&tree, &"ab".repeat(20)).as_bytes());
    std::fs::write(origin.path().join(".git/refs/heads/lost"), format!("{lost}\n")).unwrap();
    let mirror = origin.mirror();
    let told = fetch(&mirror).await.unwrap_err().to_string();
    assert!(
        told.starts_with(
            "“refs/heads/lost” of the repository needs something that is missing or damaged there: "
        ),
        "{told}"
    );
    std::fs::remove_file(origin.path().join(".git/refs/heads/lost")).unwrap();
    fetch(&mirror).await.unwrap();
}
