//! HAProxy away, restarting, silent, or not HAProxy at all.

use std::path::PathBuf;
use std::time::Duration;

use deployer::balancer::{Admin, BalancerClient, Error, Limits, Options};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::Instant;

use super::{LONG, Pair, never, over_both, seen, slot};
use crate::support::backend::Backend;
use crate::support::haproxy::{Haproxy, open, row};

over_both! {
    one_endpoint_down_stops_taking_out_but_not_putting_back
    a_restart_is_waited_for
    a_drain_survives_a_restart
    a_haproxy_that_stays_away_is_told
}

async fn one_endpoint_down_stops_taking_out_but_not_putting_back(kind: &str) {
    let pair = Pair::start(kind).await;
    let mut other = Haproxy::builder()
        .backend("web", &[("web1", pair.web1.port)])
        .start()
        .await;
    let logins = tempfile::NamedTempFile::new().expect("a file");
    let lines =
        [&pair.haproxy, &other].map(|haproxy| std::fs::read_to_string(haproxy.credentials()).expect("there"));
    std::fs::write(logins.path(), lines.concat()).expect("written");
    let (here, away) = (pair.haproxy.endpoint(kind), other.endpoint(kind));
    let both = open(kind, &[here.clone(), away.clone()], Some(logins.path()));
    let slots = [slot("web/web1")];
    other.stop();

    let error = both.drain(&slots).await.expect_err("one is down");
    assert!(
        error
            .to_string()
            .starts_with(&format!("{away} cannot be reached: nothing listens there.")),
        "{error}"
    );
    assert_eq!(
        seen(&pair.balancer, "web/web1").await.admin,
        Admin::Ready,
        "nothing was changed"
    );

    let error = both.keep_out(&slots).await.expect_err("one is down");
    assert!(error.is_absence() && error.is_partly_done(), "{error}");
    assert_eq!(
        seen(&pair.balancer, "web/web1").await.admin,
        Admin::Maint,
        "what must not serve is closed where it can be"
    );
    let error = both.ready(&slots).await.expect_err("one is down");
    let Error::Partly { changed, .. } = &error else {
        panic!("not told what was changed: {error}")
    };
    assert_eq!(changed.as_slice(), std::slice::from_ref(&here));
    assert!(error.to_string().contains(&away), "{error}");
    assert!(
        error
            .to_string()
            .ends_with(&format!("Set to “ready” nevertheless: {here}.")),
        "{error}"
    );
    assert_eq!(
        seen(&pair.balancer, "web/web1").await.admin,
        Admin::Ready,
        "the other one was"
    );

    let look = both.look().await;
    assert_eq!(look.state.servers.len(), 2);
    assert_eq!(look.failures.len(), 1);
    assert_eq!(look.failures[0].0, away);
}

async fn a_restart_is_waited_for(kind: &str) {
    let mut pair = Pair::start(kind).await;
    pair.haproxy.stop();
    let balancer = pair.balancer.clone();
    let acting = tokio::spawn(async move { balancer.maint(&[slot("web/web1")]).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!acting.is_finished(), "it is asked again");
    pair.haproxy.start_again().await;
    acting.await.expect("no panic").expect("done after the restart");
    assert_eq!(seen(&pair.balancer, "web/web1").await.admin, Admin::Maint);
}

async fn a_drain_survives_a_restart(kind: &str) {
    let mut pair = Pair::start(kind).await;
    let held = pair.hold().await;
    let (_, drained, _) = pair.holder();
    let slots = [drained.clone()];
    pair.balancer.drain(&slots).await.expect("it drains");
    let balancer = pair.balancer.clone();
    let waiting = tokio::spawn(async move { balancer.wait_drained(&slots, LONG, &never()).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    held.abort();
    pair.haproxy.stop();
    tokio::time::sleep(Duration::from_millis(200)).await;
    pair.haproxy.start_again().await;
    let outcome = waiting.await.expect("no panic").expect("drained again");
    assert_eq!((outcome.left_sessions, outcome.again), (0, true));
    assert_eq!(
        seen(&pair.balancer, &drained.to_string()).await.admin,
        Admin::Drain
    );
}

async fn a_haproxy_that_stays_away_is_told(kind: &str) {
    let mut pair = Pair::start(kind).await;
    pair.haproxy.stop();
    let slots = [slot("web/web1")];
    for error in [
        pair.balancer.state().await.expect_err("away"),
        pair.balancer.may_change().await.expect_err("away"),
        pair.balancer.ready(&slots).await.expect_err("away"),
        pair.balancer
            .wait_up(&slots, Duration::from_millis(300), &never())
            .await
            .expect_err("away"),
        pair.balancer
            .wait_drained(&slots, Duration::from_millis(300), &never())
            .await
            .expect_err("away"),
    ] {
        assert!(
            matches!(error, Error::Unreachable { .. }) && error.is_absence(),
            "{error}"
        );
        assert!(error.to_string().contains("nothing listens there"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_socket_is_reported() {
    let error = open("runtime", &["/nowhere/haproxy.sock".to_owned()], None)
        .state()
        .await
        .expect_err("no socket");
    assert_eq!(
        error.to_string(),
        "/nowhere/haproxy.sock cannot be reached: there is no such socket. Check that HAProxy runs and listens there."
    );
}

/// Somebody who answers every connection with `answer` and closes it, or says nothing at all.
struct Pretender {
    _dir: TempDir,
    socket: PathBuf,
    port: u16,
}

impl Pretender {
    async fn start(answer: Option<&'static str>) -> Self {
        let dir = TempDir::new().expect("a directory");
        let socket = dir.path().join("pretender.sock");
        let unix = UnixListener::bind(&socket).expect("a socket");
        let tcp = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = tcp.local_addr().expect("its address").port();
        tokio::spawn(async move {
            let mut silent = Vec::new();
            loop {
                let (mut stream, _) = unix.accept().await.expect("a client");
                match answer {
                    Some(answer) => {
                        let _ = stream.read(&mut [0; 1024]).await;
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                    None => silent.push(stream),
                }
            }
        });
        tokio::spawn(async move {
            let mut silent = Vec::new();
            loop {
                let (mut stream, _) = tcp.accept().await.expect("a client");
                match answer {
                    Some(answer) => {
                        let _ = stream.read(&mut [0; 1024]).await;
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                    None => silent.push(stream),
                }
            }
        });
        Self {
            _dir: dir,
            socket,
            port,
        }
    }

    fn endpoint(&self, kind: &str) -> String {
        match kind {
            "stats" => format!("http://127.0.0.1:{}/stats", self.port),
            _ => self.socket.display().to_string(),
        }
    }

    /// A balancer that takes it for HAProxy and has little patience.
    fn balancer(&self, kind: &str) -> BalancerClient {
        let endpoint = self.endpoint(kind);
        let limits = Limits {
            connect: Duration::from_millis(300),
            answer: Duration::from_millis(300),
            retry: Duration::from_millis(300),
        };
        let options = Options {
            limits,
            ..Options::default()
        };
        BalancerClient::open(&row(kind, &[endpoint]), &options).expect("a good address")
    }
}

#[tokio::test]
async fn connecting_to_a_silent_listener_times_out() {
    let silent = Pretender::start(None).await;
    for kind in ["runtime", "stats"] {
        let begun = Instant::now();
        let error = silent.balancer(kind).state().await.expect_err("silent");
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert!(error.to_string().contains("did not answer within 0."), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn an_empty_answer_is_reported() {
    let mute = Pretender::start(Some("")).await;
    let error = mute.balancer("runtime").state().await.expect_err("empty");
    assert!(error.to_string().contains("gave an empty answer"), "{error}");
    let error = mute.balancer("stats").state().await.expect_err("empty");
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    let empty = Pretender::start(Some("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await;
    let error = empty.balancer("stats").state().await.expect_err("empty");
    assert!(matches!(error, Error::Empty { .. }), "{error}");
}

#[tokio::test]
async fn another_service_is_not_mistaken_for_haproxy() {
    let slots = [slot("web/web1")];
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 303 See Other\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
        "1\n# x y\n\n# a,b\n\n",
    ] {
        let other = Pretender::start(Some(answer)).await;
        for kind in ["runtime", "stats"] {
            let balancer = other.balancer(kind);
            for error in [
                balancer.state().await.expect_err(answer),
                balancer.drain(&slots).await.expect_err(answer),
                balancer.may_change().await.expect_err(answer),
            ] {
                assert!(
                    matches!(error, Error::NotHaproxy { .. }),
                    "{kind} {answer:?}: {error}"
                );
                assert!(error.to_string().ends_with("Check the address."), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_on() {
    let most = 16 << 20;
    for (bytes, is_read) in [(most, true), (most + 1, false)] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
        for (kind, head) in [("runtime", String::new()), ("stats", head)] {
            let other = Pretender::start(Some(format!("{head}{}", "x".repeat(bytes)).leak())).await;
            let row = row(kind, &[other.endpoint(kind)]);
            let limits = Limits {
                answer: Duration::from_secs(60),
                ..Limits::default()
            };
            let options = Options {
                limits,
                ..Options::default()
            };
            let balancer = BalancerClient::open(&row, &options).expect("a good address");
            let error = balancer.state().await.expect_err("no HAProxy");
            let is_so = match is_read {
                true => matches!(error, Error::NotHaproxy { .. }),
                false => matches!(error, Error::TooLong { .. }),
            };
            assert!(is_so, "{kind}, {bytes}: {error}");
        }
    }
}

#[tokio::test]
async fn an_answer_cut_short_is_no_answer() {
    let cut = Pretender::start(Some(
        "1\n# be_id be_name srv_id srv_name\n\n# pxname,svname,scur,qcur,status,weight,type,\nweb,web1,0,0,U",
    ))
    .await;
    let error = cut.balancer("runtime").state().await.expect_err("cut short");
    assert!(
        error.to_string().contains("in the middle of its answer"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_follows_another_inherits_its_maintenance() {
    let web1 = Backend::start("web1").await;
    let haproxy = Haproxy::builder()
        .backend("web", &[("web1", web1.port)])
        .backend("api", &[("web1", web1.port)])
        .server_options_of("api", "track web/web1")
        .start()
        .await;
    for kind in ["runtime", "stats"] {
        let balancer = haproxy.balancer(kind);
        balancer.maint(&[slot("web/web1")]).await.expect("it goes");
        let merged = seen(&balancer, "api/web1").await;
        assert_eq!(
            (merged.admin, merged.per_endpoint[0].inherited),
            (Admin::Maint, true)
        );
        assert!(!seen(&balancer, "web/web1").await.per_endpoint[0].inherited);
        balancer.ready(&[slot("web/web1")]).await.expect("it comes back");
        balancer
            .wait_up(&[slot("api/web1")], LONG, &never())
            .await
            .expect("so does the other");
    }
}
