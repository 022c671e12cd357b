//! Who may only look, and who may not even look.

use std::fs;

use deployer::balancer::{BalancerClient, Error, Options};

use super::{Pair, seen, slot};
use crate::support::backend::Backend;
use crate::support::haproxy::{Haproxy, PASSWORD, USER, open, row};

#[tokio::test]
async fn a_socket_of_a_lower_level_is_read_only() {
    let pair = Pair::start("runtime").await;
    for level in ["operator", "user"] {
        let at = pair.haproxy.socket(level).display().to_string();
        let balancer = open("runtime", std::slice::from_ref(&at), None);
        assert!(seen(&balancer, "web/web1").await.up);
        for error in [
            balancer.may_change().await.expect_err("not allowed"),
            balancer
                .drain(&[slot("web/web1")])
                .await
                .expect_err("not allowed"),
        ] {
            let expected = format!(
                "{at} allows reading but no changes. Give that socket “level admin” in HAProxy's configuration."
            );
            assert_eq!(error.to_string(), expected);
        }
    }
    pair.balancer.may_change().await.expect("this one may");
    assert!(seen(&pair.balancer, "web/web1").await.up, "nothing was changed");
}

#[tokio::test]
async fn the_socket_works_over_tcp() {
    let pair = Pair::start("runtime").await;
    let balancer = open("runtime", &[pair.haproxy.tcp()], None);
    balancer.may_change().await.expect("it may");
    balancer.maint(&[slot("web/web1")]).await.expect("it goes");
    assert!(!seen(&pair.balancer, "web/web1").await.up);
}

#[tokio::test]
async fn a_statistics_page_without_admin_is_read_only() {
    let pair = Pair::start("stats").await;
    let balancer = open(
        "stats",
        &[pair.haproxy.stats_view_url()],
        Some(&pair.haproxy.credentials()),
    );
    assert!(seen(&balancer, "web/web1").await.up);
    for error in [
        balancer.may_change().await.expect_err("not allowed"),
        balancer
            .drain(&[slot("web/web1")])
            .await
            .expect_err("not allowed"),
    ] {
        assert!(matches!(error, Error::NotAdmin { .. }), "{error}");
        assert!(error.to_string().contains("“stats admin”"), "{error}");
    }
    pair.balancer.may_change().await.expect("this one may");
    for text in ["web/web1", "web/web2"] {
        assert!(seen(&pair.balancer, text).await.up, "asking changed nothing");
    }
}

#[tokio::test]
async fn missing_and_wrong_passwords_are_different_errors() {
    let pair = Pair::start("stats").await;
    let page = [pair.haproxy.stats_url()];
    let error = open("stats", &page, None).state().await.expect_err("no password");
    assert!(
        error.to_string().contains("asks for a user name and password"),
        "{error}"
    );

    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(
        file.path(),
        page[0].replace("http://", &format!("http://{USER}:wrong@")),
    )
    .expect("written");
    let wrong = open("stats", &page, Some(file.path()));
    for error in [
        wrong.state().await.expect_err("wrong password"),
        wrong.may_change().await.expect_err("wrong password"),
    ] {
        assert!(
            error.to_string().contains("refused our user name and password"),
            "{error}"
        );
        let all = format!("{error} {error:?} {wrong:?}");
        assert!(!all.contains("wrong@") && !all.contains(PASSWORD), "{all}");
    }
}

#[tokio::test]
async fn a_password_is_not_sent_to_another_port() {
    let pair = Pair::start("stats").await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(
        file.path(),
        format!("http://{USER}:{PASSWORD}@127.0.0.1:1\n").replace("s3cret:/@", "x"),
    )
    .expect("written");
    let elsewhere: BalancerClient = open("stats", &[pair.haproxy.stats_url()], Some(file.path()));
    let error = elsewhere.state().await.expect_err("nothing was sent");
    assert!(matches!(error, Error::Password { had_one: false, .. }), "{error}");
}

#[tokio::test]
async fn a_page_over_https_needs_a_certificate_that_is_trusted() {
    let web1 = Backend::start("web1").await;
    let haproxy = Haproxy::builder()
        .backend("web", &[("web1", web1.port)])
        .tls()
        .start()
        .await;
    let page = row("stats", &[haproxy.stats_url()]);
    let options = Options {
        credentials: Some(haproxy.credentials()),
        certificates: Some(haproxy.certificate()),
        ..Options::default()
    };
    let balancer = BalancerClient::open(&page, &options).expect("good files");
    balancer.maint(&[slot("web/web1")]).await.expect("it goes");
    assert!(!seen(&balancer, "web/web1").await.up);

    let error = haproxy
        .balancer("stats")
        .state()
        .await
        .expect_err("signed by nobody we trust");
    assert!(error.to_string().contains("secure connection"), "{error}");
    let nowhere = Options {
        certificates: Some("/no/such.pem".into()),
        ..options
    };
    let error = BalancerClient::open(&page, &nowhere).expect_err("no such file");
    assert!(error.to_string().contains("/no/such.pem"), "{error}");
}
