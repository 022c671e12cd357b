//! Git and Git LFS over HTTPS, by way of a real proxy.

use deployer::git::{GitOptions, Proxies, check_url, probe};

use super::elsewhere::Fetching;
use super::https::GitHost;
use super::support::Origin;
use crate::support::proxy::Proxy;

/// `me:se cret`, as a request carries it.
const LOGIN: &str = "Basic bWU6c2UgY3JldA==";

/// Through `proxy`, except for `direct`.
fn through(proxy: &Proxy, direct: &[&str], options: GitOptions) -> GitOptions {
    let address = format!("http://me:se%20cret@127.0.0.1:{}", proxy.port);
    GitOptions {
        proxies: Proxies::for_https(Some(("git.https_proxy", &address)), direct.iter().copied()),
        ..options
    }
}

#[tokio::test]
async fn a_repository_and_its_files_in_git_lfs_come_through_the_proxy() {
    let mut origin = Origin::new();
    origin.git(&["lfs", "install", "--local", "--skip-repo"]);
    origin.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    origin.write("large.bin", "large and binary\n");
    let commit = origin.commit("one");
    let host = GitHost::serving(&origin).await;
    let proxy = Proxy::start().await;
    let expected = format!("CONNECT 127.0.0.1:{} HTTP/1.1 {LOGIN}", host.port);

    let options = through(&proxy, &["example.org"], host.options(&host.login()));
    let fetching = Fetching::of(&origin, &host.url("private"), options).await;

    let asked = proxy.asked();
    assert_eq!(asked.len(), host.asked().len(), "each request comes through it");
    assert!(asked.iter().all(|one| *one == expected), "{asked:?}");
    assert_eq!(fetching.export(&commit, &origin.dir.path().join("out")).await, 1);
    let (asked, seen) = (proxy.asked(), host.asked());
    assert_eq!((asked.len(), seen.len()), (3, 3), "{asked:?} {seen:?}");

    // What is excepted is asked directly.
    let direct = through(
        &proxy,
        &["10.0.0.0/8", "127.0.0.0/8"],
        host.options(&host.login()),
    );
    let url = check_url(&host.url("private")).unwrap();
    assert_eq!(probe(&url, &direct).await.unwrap().len(), 1);
    assert_eq!(proxy.asked(), Vec::<String>::new());
    assert!(!host.asked().is_empty());
}

#[tokio::test]
async fn a_proxy_that_does_not_connect_is_named_and_never_passed_by() {
    let mut origin = Origin::new();
    origin.commit("one");
    let host = GitHost::serving(&origin).await;
    let url = check_url(&host.url("open")).unwrap();
    let why = async |options: GitOptions| probe(&url, &options).await.unwrap_err().to_string();
    let to = format!("127.0.0.1:{}", host.port);
    for (status, reason) in [
        ("407 Who are you", "it asks for a user name and password"),
        ("403 Forbidden", "it answered 403 Forbidden"),
    ] {
        let proxy = Proxy::answering(status).await;
        let told = why(through(&proxy, &[], host.options(""))).await;
        let expected = format!(
            "The proxy 127.0.0.1:{} does not connect to {to}: {reason}.",
            proxy.port
        );
        assert_eq!(told, expected);
    }
    let gone = Proxy::start().await;
    let options = through(&gone, &[], host.options(""));
    let port = gone.port;
    drop(gone);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let told = why(options).await;
    let expected = format!("The proxy 127.0.0.1:{port} does not connect to {to}: 127.0.0.1:{port} refused");
    assert!(told.starts_with(&expected), "{told}");
    let unusable = GitOptions {
        proxies: Proxies::for_https(Some(("https_proxy", "socks5://me:secret@127.0.0.1")), []),
        ..host.options("")
    };
    assert_eq!(
        why(unusable).await,
        "The proxy of https_proxy cannot be used: A proxy's address has to be written http://host:port."
    );
    assert_eq!(host.asked(), Vec::<String>::new());
}
