//! Reaching a server, knowing it, being let in.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use deployer::domain::{Error as Public, ErrorKind};
use deployer::handshake::login::Agent as KeyAgent;
use deployer::ssh::{Connections, Endpoint, Error, Options};

use super::{printed, until};
use crate::support::sshd::{Sshd, keygen, keys, pinned};

#[tokio::test]
async fn every_type_of_client_key_is_let_in() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let sshd = Sshd::builder().client_key(kind).start().await;
        let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
        assert_eq!(printed(&session, "echo $1", &[kind]).await, kind);
    }
}

#[tokio::test]
async fn any_host_key_of_a_server_can_be_the_pinned_one() {
    for choice in 0..3 {
        let sshd = Sshd::builder()
            .host_keys(&["ed25519", "ecdsa", "rsa"], choice)
            .start()
            .await;
        sshd.pool().session(&sshd.endpoint()).await.unwrap();
    }
}

#[tokio::test]
async fn the_fetched_key_is_the_one_to_pin() {
    let sshd = Sshd::start().await;
    let asked = sshd.pool();
    let fetched = asked
        .fetch_host_key(&sshd.endpoint(), Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(fetched.openssh, sshd.host_key.openssh);
    assert_eq!(fetched.fingerprint, sshd.host_key.fingerprint);
    assert_eq!(fetched.algorithm, "ssh-ed25519");
}

#[tokio::test]
async fn an_unknown_host_key_is_reported_and_nothing_is_sent() {
    let sshd = Sshd::start().await;
    let endpoint = Endpoint {
        host_key: None,
        ..sshd.endpoint()
    };
    let error = sshd.pool().session(&endpoint).await.unwrap_err();
    let Error::HostKeyUnknown { fingerprint, .. } = &error else {
        unreachable!("{error}")
    };
    assert_eq!(*fingerprint, sshd.host_key.fingerprint);
    assert!(!sshd.log().contains("Accepted"), "{}", sshd.log());
    assert_eq!(Public::from(error).kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_changed_host_key_is_an_error() {
    let sshd = Sshd::start().await;
    let other = pinned(&keygen(sshd.dir(), "other", "ed25519").with_extension("pub"));
    let endpoint = Endpoint {
        host_key: Some(other.clone()),
        ..sshd.endpoint()
    };
    let error = sshd.pool().session(&endpoint).await.unwrap_err();
    let Error::HostKeyChanged { expected, found, .. } = &error else {
        unreachable!("{error}")
    };
    assert_eq!(
        (expected, found),
        (&other.fingerprint, &sshd.host_key.fingerprint)
    );
    assert!(error.to_string().starts_with("STOP"), "{error}");
    assert!(!sshd.log().contains("Accepted"), "{}", sshd.log());
}

#[tokio::test]
async fn replacing_the_pinned_key_does_not_reuse_the_old_connection() {
    let sshd = Sshd::start().await;
    let pool = sshd.pool();
    pool.session(&sshd.endpoint()).await.unwrap();
    let other = pinned(&keygen(sshd.dir(), "other", "ed25519").with_extension("pub"));
    let endpoint = Endpoint {
        host_key: Some(other),
        ..sshd.endpoint()
    };
    assert!(matches!(
        pool.session(&endpoint).await,
        Err(Error::HostKeyChanged { .. })
    ));
}

#[tokio::test]
async fn a_rejected_key_is_named_in_the_error() {
    let sshd = Sshd::start().await;
    let wrong = keygen(sshd.dir(), "wrong", "ed25519");
    let pool = Connections::new(Options {
        keys: keys(&[&wrong]),
        ..Options::default()
    });
    let error = pool.session(&sshd.endpoint()).await.unwrap_err();
    let Error::KeyRefused { tried, .. } = &error else {
        unreachable!("{error}")
    };
    assert!(tried.contains("wrong"), "{tried}");
}

#[tokio::test]
async fn the_second_key_is_tried_when_the_first_is_refused() {
    let sshd = Sshd::start().await;
    let wrong = keygen(sshd.dir(), "wrong", "rsa");
    let pool = Connections::new(Options {
        keys: keys(&[&wrong, &sshd.client_key]),
        ..Options::default()
    });
    pool.session(&sshd.endpoint()).await.unwrap();
}

#[tokio::test]
async fn unusable_keys_say_why() {
    let sshd = Sshd::start().await;
    let locked = keygen(sshd.dir(), "locked", "ed25519");
    lock(&locked);
    let noise = sshd.dir().join("noise");
    std::fs::write(&noise, "not a key").unwrap();
    let huge = sshd.dir().join("huge");
    std::fs::write(&huge, vec![b'x'; 2 << 20]).unwrap();
    for (file, word) in [
        (locked, "passphrase"),
        (PathBuf::from("/no/such/key"), "cannot be read"),
        (noise, "no private key"),
        (huge, "it has more than 131072 bytes"),
        (sshd.dir().to_owned(), "it is a directory"),
    ] {
        let pool = Connections::new(Options {
            keys: keys(&[&file]),
            ..Options::default()
        });
        let error = pool.session(&sshd.endpoint()).await.unwrap_err();
        assert!(matches!(error, Error::BadKey { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn the_agent_lends_its_keys_when_no_file_is_accepted() {
    let sshd = Sshd::start().await;
    for kind in ["ed25519", "rsa"] {
        let sshd = Sshd::builder().client_key(kind).start().await;
        let agent = Agent::start(sshd.dir());
        let wrong = keygen(sshd.dir(), "wrong", "ed25519");
        let options = Options {
            keys: keys(&[&wrong]),
            agent: Some(KeyAgent::At(agent.socket.clone())),
            ..Options::default()
        };
        let pool = Connections::new(options.clone());
        let error = pool.session(&sshd.endpoint()).await.unwrap_err();
        assert!(matches!(error, Error::KeyRefused { .. }), "{error}");
        agent.add(&sshd.client_key);
        pool.session(&sshd.endpoint()).await.unwrap();
        // Where a key is named, no other one is offered.
        let named = Endpoint {
            key: Some("wrong".parse().unwrap()),
            ..sshd.endpoint()
        };
        let error = pool.session(&named).await.unwrap_err();
        assert!(matches!(error, Error::KeyRefused { .. }), "{error}");
    }
    let options = Options {
        agent: Some(KeyAgent::At("/no/agent".into())),
        ..Options::default()
    };
    let error = Connections::new(options)
        .session(&sshd.endpoint())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("ssh-agent does not answer"), "{error}");
}

/// An ssh-agent of this test's own.
struct Agent {
    socket: PathBuf,
    child: std::process::Child,
}

#[allow(
    clippy::disallowed_methods,
    reason = "a plain child that lives as long as its handle"
)]
impl Agent {
    fn start(dir: &std::path::Path) -> Self {
        let socket = dir.join("agent");
        let mut command = std::process::Command::new("ssh-agent");
        let child = command
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !socket.exists() {
            std::thread::yield_now();
        }
        Self { socket, child }
    }

    fn add(&self, key: &std::path::Path) {
        let mut command = std::process::Command::new("ssh-add");
        let done = command
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", &self.socket)
            .status()
            .unwrap();
        assert!(done.success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn without_any_key_the_error_says_what_to_do() {
    let sshd = Sshd::start().await;
    let error = Connections::new(Options::default())
        .session(&sshd.endpoint())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoKey { .. }), "{error}");
}

#[tokio::test]
async fn a_port_nobody_listens_on_and_a_name_nobody_knows_are_unreachable() {
    let sshd = Sshd::start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let endpoint = Endpoint {
        port: free,
        ..sshd.endpoint()
    };
    let error = sshd.pool().session(&endpoint).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("nothing listens"), "{error}");
    let endpoint = Endpoint {
        host: "no such name".to_owned(),
        ..sshd.endpoint()
    };
    let error = sshd.pool().session(&endpoint).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_listener_that_never_speaks_runs_into_the_limit() {
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let sshd = Sshd::start().await;
    let endpoint = Endpoint {
        port: mute.local_addr().unwrap().port(),
        ..sshd.endpoint()
    };
    let limit = Duration::from_millis(500);
    let pool = Connections::new(Options {
        connect_timeout: limit,
        ..sshd.options()
    });
    let start = Instant::now();
    let error = pool.session(&endpoint).await.unwrap_err();
    assert!(
        matches!(error, Error::ConnectTimeout { limit: said, .. } if said == limit),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(5));
    let error = pool.fetch_host_key(&endpoint, limit).await.unwrap_err();
    assert!(matches!(error, Error::ConnectTimeout { .. }), "{error}");
}

#[tokio::test]
async fn names_and_ipv6_are_addresses_too() {
    let sshd = Sshd::builder().line("ListenAddress ::1").start().await;
    for host in ["localhost", "::1"] {
        let endpoint = Endpoint {
            host: host.to_owned(),
            ..sshd.endpoint()
        };
        sshd.pool().session(&endpoint).await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_connection_is_replaced_at_the_next_use() {
    let sshd = Sshd::start().await;
    let pool = sshd.pool();
    let session = pool.session(&sshd.endpoint()).await.unwrap();
    assert_eq!(printed(&session, "echo before", &[]).await, "before");
    sshd.kill_connections();
    // At once, when we may not have noticed yet, by the session that stood before.
    assert_eq!(printed(&session, "echo after", &[]).await, "after");
    sshd.kill_connections();
    until("it is noticed", async || pool.connections() == 0).await;
    let session = pool.session(&sshd.endpoint()).await.unwrap();
    assert_eq!(printed(&session, "echo again", &[]).await, "again");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let sshd = Sshd::start().await;
    let pool = Connections::new(Options {
        idle_timeout: Duration::from_millis(300),
        ..sshd.options()
    });
    let session = pool.session(&sshd.endpoint()).await.unwrap();
    assert_eq!(printed(&session, "sleep 1.5; echo slept", &[]).await, "slept");
    until("it is closed here", async || pool.connections() == 0).await;
    until("it is closed there", async || sshd.connections() == 0).await;
    assert_eq!(printed(&session, "echo back", &[]).await, "back");
}

#[tokio::test]
async fn many_sessions_at_once_make_one_connection() {
    let sshd = Sshd::start().await;
    let pool = sshd.pool();
    let endpoint = sshd.endpoint();
    let sessions = futures_util::future::join_all((0..30).map(|_| pool.session(&endpoint))).await;
    assert!(sessions.iter().all(Result::is_ok));
    assert_eq!(sshd.connections(), 1);
    pool.shutdown().await;
    until("it is closed", async || sshd.connections() == 0).await;
}

#[tokio::test]
async fn a_server_that_drops_a_rush_of_connections_sees_no_rush() {
    // From the third waiting login on, sshd drops every newcomer.
    let sshd = Sshd::builder().line("MaxStartups 3:100:3").start().await;
    let pool = Connections::new(Options {
        max_new_connections: 2,
        ..sshd.options()
    });
    let endpoints = spelt_apart(&sshd, 8);
    let sessions = futures_util::future::join_all(endpoints.iter().map(|e| pool.session(e))).await;
    for session in sessions {
        session.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_on_newcomers_is_tried_again() {
    // While one logs in, sshd drops everybody else.
    let sshd = Sshd::builder().line("MaxStartups 1:100:1").start().await;
    let pool = Connections::new(Options {
        max_new_connections: 3,
        ..sshd.options()
    });
    let endpoints = spelt_apart(&sshd, 3);
    let sessions = futures_util::future::join_all(endpoints.iter().map(|e| pool.session(e))).await;
    for session in sessions {
        assert_eq!(printed(&session.unwrap(), "echo in", &[]).await, "in");
    }
}

/// The same server written in `n` ways, so that each has a connection of its own.
fn spelt_apart(sshd: &Sshd, n: usize) -> Vec<Endpoint> {
    let spelling = |n| {
        let mut endpoint = sshd.endpoint();
        let key = endpoint.host_key.as_mut().unwrap();
        key.openssh = format!("{} {n}", key.openssh);
        endpoint
    };
    (0..n).map(spelling).collect()
}

#[allow(clippy::disallowed_methods, reason = "a one-off of a test")]
fn lock(key: &std::path::Path) {
    let done = std::process::Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "secret", "-f"])
        .arg(key)
        .status()
        .unwrap();
    assert!(done.success());
}
