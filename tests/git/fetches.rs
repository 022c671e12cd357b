//! Fetching: over files and SSH, what changes, who is refused, what stops.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use deployer::domain::ProjectId;
use deployer::git::{Error, GitOptions, Mirror, Mirrors, check_url, probe};
use deployer::handshake::login::Agent;
use tokio_util::sync::CancellationToken;

use super::support::{Origin, Sshd, fetch};
use crate::support::sshd::{keygen, keys};

#[tokio::test]
async fn a_fetch_reports_new_moved_and_deleted_branches() {
    let mut origin = Origin::new();
    let first = origin.commit("one");
    origin.git(&["branch", "old"]);
    origin.git(&["tag", "v1"]);
    let mirror = origin.mirror();
    assert!(!mirror.is_fetched());
    assert!(matches!(mirror.branches().await, Err(Error::NotFetched)));

    let names = async || {
        let branches = mirror.branches().await.unwrap();
        let mut names: Vec<String> = branches.iter().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(fetch(&mirror).await.unwrap(), 3, "two branches and a tag");
    assert_eq!(names().await, ["main", "old"]);
    assert_eq!(mirror.resolve("main").await.unwrap().id.as_str(), first);
    assert_eq!(fetch(&mirror).await.unwrap(), 0);

    let second = origin.commit("two");
    origin.git(&["branch", "-D", "old"]);
    // A branch that the deleted one would stand in the way of.
    origin.git(&["branch", "old/er"]);
    assert_eq!(fetch(&mirror).await.unwrap(), 3, "one moved, one went, one came");
    assert_eq!(names().await, ["main", "old/er"]);
    assert_eq!(mirror.resolve("main").await.unwrap().id.as_str(), second);
    assert_eq!(mirror.resolve("v1").await.unwrap().id.as_str(), first);
}

#[tokio::test]
async fn a_commit_that_runs_somewhere_outlives_a_force_push() {
    let mut origin = Origin::new();
    origin.commit("one");
    let deployed = origin.commit("two");
    let mirror = origin.fetched().await;
    let id = deployed.parse().unwrap();
    mirror.keep(&id).await.unwrap();
    origin.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let other = origin.commit("another two");
    fetch(&mirror).await.unwrap();

    let main = "main".parse().unwrap();
    assert!(!mirror.contains(&main, &id).await.unwrap());
    assert!(mirror.contains(&main, &other.parse().unwrap()).await.unwrap());
    // Git itself would throw the commit away now if nothing pointed at it.
    let prune = ["-C", mirror.path().to_str().unwrap(), "gc", "-q", "--prune=now"];
    assert!(Command::new("git").args(prune).status().unwrap().success());
    assert_eq!(mirror.commit(&id).await.unwrap().title, "two");

    let gone = "0123456789012345678901234567890123456789".parse().unwrap();
    let error = mirror.commit(&gone).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Commit 01234567 is no longer in the repository. It may have been removed by a force-push; pick another one."
    );
}

#[tokio::test]
async fn empty_and_missing_repositories_are_different_errors() {
    let origin = Origin::new();
    let mirror = origin.fetched().await;
    let error = mirror
        .commits(&"main".parse().unwrap(), None, 150)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "The repository is empty: push a branch to it first."
    );
    assert!(matches!(mirror.branches().await, Err(Error::Empty)));

    let missing = origin.mirror_of("file:///nonexistent/x.git", GitOptions::default());
    let error = fetch(&missing).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "There is no Git repository at /nonexistent/x.git."
    );
    let plain = origin.mirror_of(
        &format!("file://{}", origin.dir.path().display()),
        GitOptions::default(),
    );
    assert!(fetch(&plain).await.is_err());
}

#[tokio::test]
async fn ssh_fetches_probes_and_goes_on() {
    let mut origin = Origin::new();
    origin.write("a file", "content");
    let first = origin.commit("one");
    let sshd = Sshd::start(origin.dir.path());
    let url = sshd.url(&origin.path());
    let branches = probe(&check_url(&url).unwrap(), &sshd.options()).await.unwrap();
    assert_eq!(branches, [("main".parse().unwrap(), first.parse().unwrap())]);

    let mirror = origin.mirror_of(&url, sshd.options());
    assert_eq!(fetch(&mirror).await.unwrap(), 1);
    assert_eq!(mirror.branches().await.unwrap().len(), 1);

    let second = origin.commit("two");
    assert_eq!(fetch(&mirror).await.unwrap(), 1);
    assert_eq!(mirror.resolve("main").await.unwrap().id.as_str(), second);
    assert_eq!(fetch(&mirror).await.unwrap(), 0);

    // An RSA key, and a known_hosts file that only has the host's RSA key.
    let rsa = GitOptions {
        keys: keys(&[&sshd.dir.join("user_rsa")]),
        known_hosts: vec![sshd.dir.join("absent"), sshd.known_hosts("host_rsa")],
        ..GitOptions::default()
    };
    assert_eq!(probe(&check_url(&url).unwrap(), &rsa).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_agent_is_tried_after_the_key_files() {
    let mut origin = Origin::new();
    origin.commit("one");
    let sshd = Sshd::start(origin.dir.path());
    let socket = origin.dir.path().join("agent");
    let mut agent = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .spawn()
        .unwrap();
    for _ in 0..100 {
        if socket.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut add = Command::new("ssh-add");
    let added = add
        .arg("-q")
        .arg(sshd.dir.join("user_rsa"))
        .env("SSH_AUTH_SOCK", &socket)
        .status();
    assert!(added.unwrap().success());
    let options = GitOptions {
        keys: keys(&[]),
        agent: Some(Agent::At(socket)),
        ..sshd.options()
    };
    let url = check_url(&sshd.url(&origin.path())).unwrap();
    let found = probe(&url, &options).await;
    // Where a key is named for a repository, no other one is offered.
    let wrong = keygen(&sshd.dir, "wrong", "ed25519");
    let named = GitOptions {
        keys: keys(&[&wrong]),
        ..options
    };
    let refused = probe(&url.with_key(Some("wrong".parse().unwrap())), &named).await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert_eq!(found.unwrap().len(), 1);
    let refused = refused.unwrap_err();
    assert!(matches!(refused, Error::AuthRefused { .. }), "{refused}");
}

#[tokio::test]
async fn visitors_without_login_are_refused_with_advice() {
    let mut origin = Origin::new();
    origin.commit("one");
    let sshd = Sshd::start(origin.dir.path());
    let url = check_url(&sshd.url(&origin.path())).unwrap();
    let good = sshd.options();

    let unknown = GitOptions {
        known_hosts: vec![sshd.dir.join("absent")],
        ..good.clone()
    };
    let sentence = probe(&url, &unknown).await.unwrap_err().to_string();
    assert!(
        sentence.contains("is not known here") && sentence.contains("SHA256:"),
        "{sentence}"
    );
    assert!(
        sentence.contains(&format!("ssh-keyscan -p {} 127.0.0.1", sshd.port)),
        "{sentence}"
    );

    let key = std::fs::read_to_string(sshd.dir.join("user.pub")).unwrap();
    let changed = sshd.dir.join("changed");
    std::fs::write(&changed, format!("[127.0.0.1]:{} {key}", sshd.port)).unwrap();
    let changed = GitOptions {
        known_hosts: vec![changed],
        ..good.clone()
    };
    let sentence = probe(&url, &changed).await.unwrap_err().to_string();
    assert!(
        sentence.contains("is not the one that is known here"),
        "{sentence}"
    );

    let stranger = GitOptions {
        keys: keys(&[&sshd.dir.join("host"), &sshd.dir.join("none")]),
        ..good.clone()
    };
    let sentence = probe(&url, &stranger).await.unwrap_err().to_string();
    assert!(
        sentence.contains("it accepted no key that was offered"),
        "{sentence}"
    );
    assert!(sentence.contains("none cannot be used"), "{sentence}");
    let keyless = GitOptions {
        keys: keys(&[]),
        ..good.clone()
    };
    let sentence = probe(&url, &keyless).await.unwrap_err().to_string();
    assert!(sentence.contains("there was no key to offer"), "{sentence}");

    let nowhere = check_url(&sshd.url("/nonexistent/'$(id)'.git".as_ref())).unwrap();
    let sentence = probe(&nowhere, &good).await.unwrap_err().to_string();
    assert!(
        sentence.contains("'/nonexistent/'$(id)'.git' does not appear to be a git repository"),
        "{sentence}"
    );

    drop(sshd);
    let sentence = probe(&url, &good).await.unwrap_err().to_string();
    assert!(
        sentence.contains("cannot be reached: Connection refused"),
        "{sentence}"
    );
}

/// Whether nobody holds the mirror any more, soon.
pub async fn is_let_go(mirror: &Mirror) -> bool {
    for _ in 0..200 {
        if !mirror.freshness().fetching {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn a_silent_host_costs_only_its_time_limit() {
    let origin = Origin::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for url in [
        format!("ssh://git@127.0.0.1:{port}/x"),
        format!("https://127.0.0.1:{port}/x"),
    ] {
        let options = GitOptions {
            fetch_timeout: Duration::from_millis(300),
            ..GitOptions::default()
        };
        let mirror = origin.mirror_of(&url, options);
        let started = Instant::now();
        assert!(matches!(fetch(&mirror).await, Err(Error::Timeout { .. })));
        assert!(is_let_go(&mirror).await, "{url} is still being fetched");
        // The second try fails for the same reason, not for waiting.
        assert!(matches!(fetch(&mirror).await, Err(Error::Timeout { .. })));
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "{:?}",
            started.elapsed()
        );

        let cancel = CancellationToken::new();
        let later = cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            later.cancel();
        });
        assert!(matches!(mirror.fetch(&cancel).await, Err(Error::Cancelled)));
    }
}

#[tokio::test]
async fn a_repository_of_this_host_has_to_lie_below_a_named_directory() {
    let mut origin = Origin::new();
    origin.commit("one");
    let dir = origin.dir.path();
    let below = |directory: &Path| GitOptions {
        local_directories: vec![directory.to_owned()],
        ..GitOptions::default()
    };
    let named = dir.join("named");
    std::fs::create_dir(&named).unwrap();
    std::os::unix::fs::symlink(origin.path(), named.join("link")).unwrap();
    let url = check_url(&origin.url()).unwrap();
    let link = check_url(&format!("file://{}", named.join("link").display())).unwrap();

    for (url, options) in [
        (&url, GitOptions::default()),
        (&url, below(&named)),
        (&link, below(&named)),
    ] {
        let refused = probe(url, &options).await.unwrap_err();
        assert!(matches!(refused, Error::LocalAddress { .. }), "{refused}");
    }
    assert_eq!(probe(&url, &below(dir)).await.unwrap().len(), 1);
    let mirrors = Mirrors::new(dir.join("strict"), GitOptions::default());
    let refused = fetch(&mirrors.mirror(ProjectId(1), &url)).await.unwrap_err();
    assert!(matches!(refused, Error::LocalAddress { .. }), "{refused}");
}

/// Bytes of the objects in a mirror, unfinished packs included.
fn kept(mirror: &Mirror) -> u64 {
    let (mut bytes, mut ahead) = (0, vec![mirror.path().join("objects")]);
    while let Some(directory) = ahead.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata().unwrap() {
                found if found.is_dir() => ahead.push(entry.path()),
                found => bytes += found.len(),
            }
        }
    }
    bytes
}

#[tokio::test]
async fn a_fetch_that_brings_more_than_the_limit_is_refused_and_keeps_nothing() {
    let mut origin = Origin::new();
    origin.write("small", "small");
    let small = origin.commit("small");
    let host = super::https::GitHost::serving(&origin).await;
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33).to_le_bytes()[0]
    };
    let noise: Vec<u8> = (0..3_000_000).map(|_| next()).collect();
    let dir = origin.dir.path().to_owned();
    for (name, url) in [("file", origin.url()), ("https", host.url("open"))] {
        let with = |pack_limit| {
            let options = GitOptions {
                pack_limit,
                ..host.options("")
            };
            let options = GitOptions {
                local_directories: super::support::anywhere().local_directories,
                ..options
            };
            let mirrors = Mirrors::new(dir.join(name), options);
            mirrors.mirror(ProjectId(7), &check_url(&url).unwrap())
        };
        let limited = with(2 << 20);
        fetch(&limited).await.unwrap();
        origin.write("large", &noise);
        let large = origin.commit("large");

        let refused = fetch(&limited).await.unwrap_err();

        assert!(
            matches!(refused, Error::PackTooLarge { limit } if limit == 2 << 20),
            "{refused:?}"
        );
        let told = refused.to_string();
        assert!(
            told.contains("more than 2 MiB in one fetch") && told.contains("git.pack_limit_mib"),
            "{told}"
        );
        assert_eq!(limited.resolve("main").await.unwrap().id.as_str(), small);
        assert!(
            kept(&limited) < 100_000,
            "{} bytes are left of it",
            kept(&limited)
        );

        let raised = with(4 << 20);
        fetch(&raised).await.unwrap();
        assert_eq!(raised.resolve("main").await.unwrap().id.as_str(), large);
        origin.git(&["reset", "-q", "--hard", &small]);
    }
}
