//! Connections that say nothing, say it slowly, or are too many.

use std::time::Duration;

use deployer::web::connections::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::support::{Options, TestSite};

/// Until something that has to happen has happened, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

async fn site(most: usize, quiet: Duration) -> TestSite {
    TestSite::start_with(Options {
        connections: Some(Limits { most, quiet }),
        ..Options::default()
    })
    .await
}

async fn connect(site: &TestSite) -> TcpStream {
    let address = site.url.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// Waits until the other side closes the connection.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 1024];
    loop {
        match timeout(PATIENCE, stream.read(&mut bytes)).await {
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(_)) => {}
            Err(_) => return false,
        }
    }
}

/// Whether the connection is still open a moment later.
async fn is_open(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 1024];
    !matches!(
        timeout(Duration::from_millis(300), stream.read(&mut bytes)).await,
        Ok(Ok(0) | Err(_))
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_silent_connections_shuts_nobody_out() {
    let site = site(8, Duration::from_secs(60)).await;
    let mut at_work = connect(&site).await;
    at_work
        .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(at_work.read(&mut [0; 1024]).await.unwrap() > 0);
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(connect(&site).await);
    }
    for _ in 0..5 {
        assert_eq!(site.get("/health").await.status(), 200);
        silent.push(connect(&site).await);
    }
    assert!(is_open(&mut at_work).await, "a connection in use was closed");
    assert!(is_closed(&mut silent[0]).await, "there is no limit");
    assert!(is_open(silent.last_mut().unwrap()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_are_in_use_the_one_that_is_quiet_for_longest_makes_room() {
    let site = site(3, Duration::from_secs(60)).await;
    let mut used = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&site).await;
        let request = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        sleep(Duration::from_millis(20)).await;
        used.push(stream);
    }
    assert!(is_closed(&mut used[0]).await);
    for stream in &mut used[1..] {
        assert!(is_open(stream).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_trickles_in_is_ended() {
    let site = site(100, Duration::from_secs(1)).await;
    for start in [
        "GET /login HTTP/1.1\r\nhost: x\r\nx-long: ",
        "POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\nname=",
    ] {
        let mut stream = connect(&site).await;
        stream.write_all(start.as_bytes()).await.unwrap();
        let (mut from, mut to) = stream.split();
        let drip = async {
            while to.write_all(b"a").await.is_ok() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let end = async {
            let mut bytes = [0; 1024];
            while !matches!(from.read(&mut bytes).await, Ok(0) | Err(_)) {}
        };
        let ended = async {
            tokio::select! { () = drip => {} () = end => {} }
        };
        assert!(timeout(PATIENCE, ended).await.is_ok(), "{start}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_and_one_in_use_is_not() {
    let site = site(100, Duration::from_secs(1)).await;
    let mut idle = connect(&site).await;
    let mut used = connect(&site).await;
    for _ in 0..6 {
        let request = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
        used.write_all(request).await.unwrap();
        assert!(
            used.read(&mut [0; 4096]).await.unwrap() > 0,
            "closed while in use"
        );
        sleep(Duration::from_millis(400)).await;
    }
    assert!(is_closed(&mut idle).await);
    assert!(is_closed(&mut used).await);
}
