//! Absolute URLs: where a client goes, through which proxy, and where it refuses to go.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::super::{Client, Error, Guard, Host, Limits, Proxies, Proxy, Request, Response, Tls, connect};
use super::listener;

fn client(guard: Guard, proxies: Proxies) -> Client {
    Client::new(Tls::public(), guard, proxies)
}

async fn fetch_url(client: &Client, url: &str) -> Result<Response, Error> {
    let url = Url::parse(url).expect("a URL");
    client
        .fetch(
            &url,
            Request::get("/"),
            &Limits::default(),
            &CancellationToken::new(),
        )
        .await
}

#[tokio::test]
async fn a_client_asks_for_an_absolute_url() {
    let (host, asked) = listener(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let open = client(Guard::open(), Proxies::default());
    let response = fetch_url(&open, &format!("http://{host}/a%20b?c=d#e"))
        .await
        .expect("an answer");
    assert_eq!(response.text(), "ok");
    let asked = asked.await.expect("the listener");
    assert!(asked.starts_with("GET /a%20b?c=d HTTP/1.1\r\n"), "{asked}");
    for bad in [
        "ftp://a.test/",
        "http://user@a.test/",
        "https://:word@a.test/",
        "file:///etc/passwd",
    ] {
        let error = fetch_url(&open, bad).await.expect_err("not sent");
        assert!(matches!(error, Error::BadRequest { .. }), "{bad}: {error}");
    }
}

#[tokio::test]
async fn a_guarded_client_never_connects_to_its_own_host() {
    let near = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = near.local_addr().expect("address").port();
    let guarded = client(Guard::public_and(Vec::new()), Proxies::default());
    for name in [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
    ] {
        let error = fetch_url(&guarded, &format!("http://{name}:{port}/"))
            .await
            .expect_err("guarded");
        assert!(matches!(error, Error::Guarded { .. }), "{name}: {error}");
    }
    let connected = tokio::time::timeout(Duration::from_millis(50), near.accept()).await;
    assert!(connected.is_err(), "a connection came although it is guarded");
    let (host, _asked) = listener(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let allowed = Guard::public_and(vec!["127.0.0.0/8".parse().expect("a network")]);
    let response = fetch_url(&client(allowed, Proxies::default()), &format!("http://{host}/")).await;
    assert_eq!(response.expect("allowed").status, 200);
}

fn proxies(proxy: &Host) -> Proxies {
    let proxy = Proxy::parse(&format!("http://me:se%20cret@{proxy}")).ok();
    Proxies {
        http: proxy.clone(),
        https: proxy,
        ..Proxies::default()
    }
}

#[tokio::test]
async fn a_proxy_gets_the_whole_url_for_http_and_a_tunnel_for_https() {
    const AUTHORIZED: &str = "proxy-authorization: Basic bWU6c2UgY3JldA==\r\n";
    let (proxy, asked) = listener(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let open = client(Guard::public_and(Vec::new()), proxies(&proxy));
    let response = fetch_url(&open, "http://far.test:81/a?b")
        .await
        .expect("an answer");
    assert_eq!(response.text(), "ok");
    let asked = asked.await.expect("the proxy");
    assert!(
        asked.starts_with("GET http://far.test:81/a?b HTTP/1.1\r\nhost: far.test:81\r\n"),
        "{asked}"
    );
    assert!(asked.contains(AUTHORIZED), "{asked}");

    // The answer that comes through the tunnel is not TLS, although the client has begun a handshake there.
    let (proxy, asked) = listener(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 400 Bad Request\r\n\r\n").await;
    let open = client(Guard::public_and(Vec::new()), proxies(&proxy));
    let error = fetch_url(&open, "https://far.test/").await.expect_err("no TLS");
    assert!(matches!(error, Error::Tls { .. }), "{error}");
    let asked = asked.await.expect("the proxy");
    assert!(
        asked.starts_with("CONNECT far.test:443 HTTP/1.1\r\nhost: far.test:443\r\n"),
        "{asked}"
    );
    assert!(asked.contains(AUTHORIZED), "{asked}");

    let (proxy, _asked) = listener(b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n").await;
    let error = fetch_url(&client(Guard::open(), proxies(&proxy)), "https://far.test/")
        .await
        .expect_err("407");
    assert_eq!(
        error.to_string(),
        format!(
            "The proxy {} does not connect to far.test: it asks for a user name and password.",
            connect::authority(&proxy.name, proxy.port)
        )
    );
    let guarded = client(Guard::public_and(Vec::new()), proxies(&proxy));
    for near in ["http://127.0.0.1/", "https://localhost/", "http://a.localhost./"] {
        let error = fetch_url(&guarded, near).await.expect_err("guarded");
        assert!(matches!(error, Error::Guarded { .. }), "{near}: {error}");
    }
}
