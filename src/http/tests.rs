//! The client against small listeners that answer what each test gives them, byte for byte.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

mod client;

use super::{Error, Guard, Host, Limits, Longer, Method, Proxies, Request, Response, Tls, name_of};

/// Answers one connection with `answer` and returns the request it got.
async fn listener(answer: &'static [u8]) -> (Host, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("address").port();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let mut asked = Vec::new();
        let mut piece = [0; 4096];
        while !is_whole(&asked) {
            let bytes = stream.read(&mut piece).await.expect("read");
            assert!(bytes > 0, "the request ends early: {asked:?}");
            asked.extend_from_slice(&piece[..bytes]);
        }
        let _ = stream.write_all(answer).await;
        String::from_utf8(asked).expect("text")
    });
    let host = Host {
        name: "127.0.0.1".to_owned(),
        port,
        tls: None,
    };
    (host, asked)
}

/// Whether a request is there with the body its head announces.
fn is_whole(asked: &[u8]) -> bool {
    let text = String::from_utf8_lossy(asked);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

async fn fetch(host: &Host, request: &Request) -> Result<Response, Error> {
    host.fetch(request, &Limits::default(), &CancellationToken::new())
        .await
}

#[tokio::test]
async fn a_get_names_its_host_and_reads_status_headers_and_body() {
    let (host, asked) = listener(b"HTTP/1.1 203 Fine\r\nX-Who: me\r\nContent-Length: 5\r\n\r\nhello").await;
    let answer = fetch(&host, &Request::get("/status?deep=1"))
        .await
        .expect("an answer");
    assert_eq!((answer.status, answer.text().as_ref()), (203, "hello"));
    assert_eq!(answer.header("x-who"), Some("me"));
    let asked = asked.await.expect("the listener").to_lowercase();
    assert!(asked.starts_with("get /status?deep=1 http/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("\r\nhost: {host}\r\n")), "{asked}");
    assert!(asked.contains("\r\nconnection: close\r\n"), "{asked}");
}

#[tokio::test]
async fn a_form_is_posted_with_name_and_password() {
    let (host, asked) = listener(b"HTTP/1.1 303 See Other\r\nLocation: /;st=DONE\r\n\r\n").await;
    let form = Request::post_form("/haproxy?stats", [("s", "web 1"), ("action", "drain&x")])
        .basic_auth("admin", "pass word")
        .host("stats.example");
    let answer = fetch(&host, &form).await.expect("an answer");
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/;st=DONE"))
    );
    let asked = asked.await.expect("the listener");
    assert!(
        asked.contains("authorization: Basic YWRtaW46cGFzcyB3b3Jk\r\n"),
        "{asked}"
    );
    assert!(asked.contains("host: stats.example\r\n"), "{asked}");
    assert!(asked.ends_with("\r\n\r\ns=web+1&action=drain%26x"), "{asked}");
    assert!(
        !format!("{form:?}").contains("YWRtaW46"),
        "a password in {form:?}"
    );
}

#[tokio::test]
async fn a_body_may_end_with_its_connection_or_come_in_chunks() {
    let (host, _asked) = listener(b"HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    let answer = fetch(&host, &Request::get("/")).await.expect("an answer");
    assert_eq!(answer.text(), "until the end");
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let (host, _asked) = listener(chunked).await;
    let answer = fetch(&host, &Request::get("/")).await.expect("an answer");
    assert_eq!(answer.text(), "abcde");
}

#[tokio::test]
async fn a_long_body_is_refused_or_cut_as_asked() {
    const LONG: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";
    let mut limits = Limits {
        body: 9,
        ..Limits::default()
    };
    let (host, _asked) = listener(LONG).await;
    let refused = host
        .fetch(&Request::get("/"), &limits, &CancellationToken::new())
        .await
        .expect_err("too long");
    assert_eq!(
        refused.to_string(),
        format!("{host} answered with more than 9 bytes.")
    );
    limits.longer = Longer::Cut;
    let (host, _asked) = listener(LONG).await;
    let answer = host
        .fetch(&Request::get("/"), &limits, &CancellationToken::new())
        .await
        .expect("the beginning");
    assert_eq!(answer.text(), "012345678");
}

#[tokio::test]
async fn a_head_without_end_is_no_answer() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\nbody", "y".repeat(200 * 1024));
    let endless: &'static str = endless.leak();
    let (host, _asked) = listener(endless.as_bytes()).await;
    let request = Request::get("/");
    fetch(&host, &request).await.expect_err("no answer");
    let (host, _asked) = listener(endless.as_bytes()).await;
    let request = hyper::Request::get("/")
        .header("host", "x")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .expect("a request");
    let (guard, proxies) = (Guard::open(), Proxies::default());
    let streamed = host
        .stream(request, (&guard, &proxies), Duration::from_secs(20))
        .await;
    assert!(streamed.is_err(), "an answer");
}

#[tokio::test]
async fn each_way_of_not_answering_has_its_sentence() {
    let cases: [(&'static [u8], &str); 4] = [
        (b"", "closed the connection before it had answered."),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            "closed the connection before it had answered.",
        ),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "answered something that is not HTTP. Check the port, and whether it wants TLS.",
        ),
        (
            b"\x15\x03\x03\x00\x02\x02\x0a",
            "answered something that is not HTTP. Check the port, and whether it wants TLS.",
        ),
    ];
    for (answer, sentence) in cases {
        let (host, _asked) = listener(answer).await;
        let error = fetch(&host, &Request::get("/")).await.expect_err("no answer");
        assert_eq!(error.to_string(), format!("{host} {sentence}"));
    }
}

#[tokio::test]
async fn nobody_listening_and_no_such_name_are_told_apart() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = free.local_addr().expect("address").port();
    drop(free);
    let host = |name: &str| Host {
        name: name.to_owned(),
        port,
        tls: None,
    };
    let refused = fetch(&host("127.0.0.1"), &Request::get("/"))
        .await
        .expect_err("refused");
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    let unknown = fetch(&host("no such name"), &Request::get("/"))
        .await
        .expect_err("unknown");
    assert!(matches!(unknown, Error::Lookup { .. }), "{unknown}");
}

#[tokio::test]
async fn a_silent_listener_costs_no_more_than_the_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let host = Host {
        name: "127.0.0.1".to_owned(),
        port: silent.local_addr().expect("address").port(),
        tls: None,
    };
    let limits = Limits {
        total: Duration::from_millis(200),
        ..Limits::default()
    };
    let begun = Instant::now();
    let late = host
        .fetch(&Request::get("/"), &limits, &CancellationToken::new())
        .await
        .expect_err("silence");
    assert_eq!(late.to_string(), format!("{host} did not answer within 0.2 s."));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());

    let cancel = CancellationToken::new();
    let soon = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        soon.cancel();
    });
    let begun = Instant::now();
    let ended = host.fetch(&Request::get("/"), &Limits::default(), &cancel).await;
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_http_cannot_say_is_not_sent() {
    let (host, _asked) = listener(b"HTTP/1.1 200 OK\r\n\r\n").await;
    for request in [
        Request::get("status"),
        Request::get("/a b"),
        Request::get("/a\r\nX: y"),
        Request::get("/").host("a\r\nb"),
        Request::get("/").header("x", "a\nb"),
        Request::get("/").basic_auth("a:b", "c"),
    ] {
        let error = fetch(&host, &request).await.expect_err("not sent");
        assert!(matches!(error, Error::BadRequest { .. }), "{request:?}: {error}");
    }
}

#[tokio::test]
async fn a_port_without_tls_is_named_as_such() {
    let (mut host, _asked) = listener(b"").await;
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    host.port = plain.local_addr().expect("address").port();
    host.tls = Some(Tls::public());
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.expect("accept");
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let error = fetch(&host, &Request::get("/")).await.expect_err("no TLS");
    let sentence = format!("There is no secure connection to {host}: it does not speak TLS on that port.");
    assert_eq!(error.to_string(), sentence);
}

#[test]
fn the_name_in_a_host_header_goes_without_port_and_brackets() {
    for (host, name) in [
        ("example.org", "example.org"),
        ("example.org:8080", "example.org"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
    ] {
        assert_eq!(name_of(host), name);
    }
}

#[tokio::test]
async fn json_is_sent_with_any_method() {
    for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
        let (host, asked) = listener(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        let request = Request::new(method.clone(), "/things/1").json(&serde_json::json!({"a": "ü"}));
        let response = fetch(&host, &request).await.expect("an answer");
        assert_eq!(response.status, 204);
        let asked = asked.await.expect("the listener");
        assert!(
            asked.starts_with(&format!("{method} /things/1 HTTP/1.1\r\n")),
            "{asked}"
        );
        assert!(asked.contains("content-type: application/json\r\n"), "{asked}");
        assert!(asked.ends_with("\r\n\r\n{\"a\":\"ü\"}"), "{asked}");
    }
}

#[tokio::test]
async fn a_streamed_body_comes_piece_by_piece_and_breaks_with_its_connection() {
    use http_body_util::{BodyExt as _, Empty};

    let (host, _asked) = listener(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
    let request = hyper::Request::get("/pack")
        .body(Empty::<bytes::Bytes>::new())
        .expect("a request");
    let answer = host
        .stream(
            request,
            (&Guard::open(), &Proxies::default()),
            Duration::from_secs(5),
        )
        .await
        .expect("an answer");
    let mut body = answer.into_body();
    let first = body
        .frame()
        .await
        .expect("a piece")
        .expect("whole")
        .into_data()
        .expect("data");
    assert_eq!(first, "half");
    let broken = body.frame().await.expect("an end").expect_err("broken off");
    assert!(matches!(broken, Error::Closed { .. }), "{broken}");
}

/// Bytes that look like an answer, whole and in pieces.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&[u8]> = vec![
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 999 \xff\r\n",
        b"HTTP/2 200\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Location: https://x/\r\n",
        b"X: \0\r\n",
        b"\r\n",
        b"\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"hello",
        b"SSH-2.0-x\r\n",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(words).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..2000),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(crate::cases::cases(300))]

    #[test]
    fn any_answer_is_read_within_its_limits_or_refused_with_a_sentence(
        answer in answers(),
        room in 0usize..3000,
        cut in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let outcome = runtime.block_on(async {
            let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
            let limits = Limits {
                body: room,
                longer: if cut { Longer::Cut } else { Longer::Refuse },
                ..Limits::default()
            };
            let saying = async {
                let _ = theirs.read(&mut [0; 4096]).await;
                let _ = theirs.write_all(&answer).await;
                drop(theirs);
            };
            let (request, never) = (Request::get("/"), CancellationToken::new());
            let asking = super::send(ours, &request, "web1:80", &limits, &never);
            tokio::join!(asking, saying).0
        });
        match outcome {
            Ok(answer) => prop_assert!(answer.body.len() <= room),
            Err(error) => {
                let told = error.to_string();
                prop_assert!(told.starts_with("web1:80") && told.ends_with('.'), "{}", told);
                prop_assert!(!matches!(error, Error::TimedOut { .. }), "{}", told);
            }
        }
    }
}
