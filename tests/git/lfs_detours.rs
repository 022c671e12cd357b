//! A server of Git LFS that sends us elsewhere, or round.

use std::fs;

use deployer::domain::OtherHost;

use super::elsewhere::Fetching;
use super::https::GitHost;
use super::lfs::{origin, with_config};

#[tokio::test]
async fn another_host_gets_neither_our_login_nor_the_headers_of_the_first() {
    let (origin, commit) = origin();
    let host = GitHost::serving(&origin).await;
    let mut options = host.options(&host.login());
    options.other_hosts = vec![OtherHost::read("localhost").unwrap()];
    // Each object that may be fetched has to bring along what the first host said of it.
    for (area, told) in [
        ("away", Some("403")),
        ("elsewhere", None),
        ("guarded", None),
        ("strange", Some("401")),
    ] {
        let lfs = format!("https://127.0.0.1:{}/{area}/origin.git/info/lfs", host.port);
        let commit = with_config(&origin, &commit, &lfs);
        let fetching = Fetching::of(&origin, &host.url("open"), options.clone()).await;
        fs::remove_dir_all(fetching.mirror.path().join("lfs")).ok();
        host.asked();
        let outcome = fetching
            .gather(&commit)
            .await
            .map(drop)
            .map_err(|error| error.to_string());
        match told {
            None => assert_eq!(outcome, Ok(()), "{area}"),
            Some(told) => assert!(
                outcome.as_ref().is_err_and(|why| why.contains(told)),
                "{outcome:?}"
            ),
        }
        let asked = host.asked();
        let elsewhere: Vec<&String> = asked
            .iter()
            .filter(|line| line.starts_with("localhost"))
            .collect();
        assert_eq!(elsewhere.is_empty(), area == "guarded", "{asked:?}");
        assert!(
            elsewhere.iter().all(|line| !line.contains("Basic")),
            "{elsewhere:?}"
        );
    }
}

#[tokio::test]
async fn a_host_that_sends_us_round_is_asked_a_few_times() {
    let (origin, commit) = origin();
    let host = GitHost::serving(&origin).await;
    let lfs = format!("https://127.0.0.1:{}/round/origin.git/info/lfs", host.port);
    let commit = with_config(&origin, &commit, &lfs);
    let fetching = Fetching::of(&origin, &host.url("open"), host.options("")).await;
    host.asked();
    fetching.refusal(&commit).await;
    let asked = host.asked();
    let (batches, rest): (Vec<_>, Vec<_>) = asked.iter().partition(|line| line.contains("/objects/batch"));
    // Five for each of three objects, which are asked for at once.
    assert!(batches.len() == 1 && rest.len() <= 15, "{asked:?}");
}
