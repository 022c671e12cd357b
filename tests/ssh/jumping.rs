//! Servers that are reached through others.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deployer::ssh::{Connections, Endpoint, Error, Options};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{printed, until};
use crate::support::sshd::{Sshd, keygen, keys};

/// `sshd`, under a name, through `via`.
fn behind(sshd: &Sshd, name: &str, via: Option<&Endpoint>) -> Endpoint {
    Endpoint {
        name: name.to_owned(),
        via: via.map(|via| Box::new(via.clone())),
        ..sshd.endpoint()
    }
}

/// Servers that all accept one key, and the key.
async fn fleet(lines: &[&[&str]]) -> (Vec<Sshd>, Connections, TempDir) {
    let dir = TempDir::new().unwrap();
    let key = keygen(dir.path(), "key", "ed25519");
    let mut fleet = Vec::new();
    for lines in lines {
        let builder = lines
            .iter()
            .fold(Sshd::builder(), |builder, line| builder.line(line));
        fleet.push(builder.accept(&key).start().await);
    }
    (fleet, pool(&key), dir)
}

fn pool(key: &Path) -> Connections {
    Connections::new(Options {
        keys: keys(&[key]),
        ..Options::default()
    })
}

#[tokio::test]
async fn a_server_behind_two_jump_hosts_is_reached_and_the_hops_are_shared() {
    let (fleet, pool, _dir) = fleet(&[&[], &[], &[], &[]]).await;
    let first = behind(&fleet[0], "edge", None);
    let second = behind(&fleet[1], "inner", Some(&first));
    let targets = [&fleet[2], &fleet[3]].map(|sshd| behind(sshd, "web", Some(&second)));
    let sessions = futures_util::future::join_all(targets.iter().map(|target| pool.session(target))).await;
    for session in sessions {
        let session = session.unwrap();
        assert_eq!(printed(&session, "echo $1", &["there"]).await, "there");
        let long = printed(&session, "head -c 900000 /dev/zero | tr '\\0' x", &[]).await;
        assert_eq!(long.len(), 900_000);
    }
    for hop in &fleet[..2] {
        assert_eq!(hop.connections(), 1, "one connection carries all");
    }
    let fetched = pool
        .fetch_host_key(&targets[0], Duration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(fetched.openssh, fleet[2].host_key.openssh);
    pool.shutdown().await;
    for sshd in &fleet {
        until("every connection is closed", async || sshd.connections() == 0).await;
    }
}

#[tokio::test]
async fn a_hop_carries_more_servers_than_commands_run_on_one_connection() {
    let dir = TempDir::new().unwrap();
    let key = keygen(dir.path(), "key", "ed25519");
    let hop = Sshd::builder().accept(&key).start().await;
    let targets = Sshd::builder().accept(&key).listeners(12).start().await;
    let pool = pool(&key);
    let via = behind(&hop, "edge", None);
    let endpoint = |port: &u16| Endpoint {
        port: *port,
        ..behind(&targets, "web", Some(&via))
    };
    let endpoints: Vec<Endpoint> = targets.ports.iter().map(endpoint).collect();
    let sessions = futures_util::future::join_all(endpoints.iter().map(|one| pool.session(one))).await;
    assert!(sessions.iter().all(Result::is_ok), "{sessions:?}");
    assert_eq!(hop.connections(), 1);
    // And commands still find room on it.
    let session = pool.session(&via).await.unwrap();
    assert_eq!(printed(&session, "echo here", &[]).await, "here");
}

#[tokio::test]
async fn an_error_says_which_hop_failed_and_how() {
    let (mut fleet, pool, dir) = fleet(&[&[], &["AllowTcpForwarding no"], &[]]).await;
    let said = async |endpoint: &Endpoint| {
        let error = pool.session(endpoint).await.unwrap_err();
        assert!(error.never_began(), "{error}");
        error.to_string()
    };
    let edge = behind(&fleet[0], "edge", None);

    let closed = behind(&fleet[1], "closed", None);
    let sentence = said(&behind(&fleet[2], "web", Some(&closed))).await;
    assert!(
        sentence.starts_with("Server “web” is reached through “closed”, which failed: Its sshd does not let")
            && sentence.contains("AllowTcpForwarding"),
        "{sentence}"
    );

    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let nobody = Endpoint {
        port: free,
        ..behind(&fleet[2], "web", Some(&edge))
    };
    let sentence = said(&nobody).await;
    assert!(
        sentence.contains("“web” cannot be reached")
            && sentence.contains("the jump host “edge” cannot connect"),
        "{sentence}"
    );

    let strange = Endpoint {
        host_key: None,
        ..edge.clone()
    };
    let inner = behind(&fleet[1], "inner", Some(&strange));
    let sentence = said(&behind(&fleet[2], "web", Some(&inner))).await;
    assert!(
        sentence.starts_with("Server “web” is reached through “edge”, which failed: Nobody has trusted"),
        "{sentence}"
    );

    let nobody = Endpoint {
        user: "nobody".to_owned(),
        ..edge.clone()
    };
    let sentence = said(&behind(&fleet[2], "web", Some(&nobody))).await;
    assert!(
        sentence.contains("through “edge”") && sentence.contains("refused every key"),
        "{sentence}"
    );

    fleet[0].go_down();
    let sentence = said(&behind(&fleet[2], "web", Some(&edge))).await;
    assert!(
        sentence.contains("through “edge”, which failed: Server “edge” cannot be reached"),
        "{sentence}"
    );
    drop(dir);
}

#[tokio::test]
async fn behind_a_hop_the_key_of_the_server_itself_counts() {
    let (fleet, pool, _dir) = fleet(&[&[], &[]]).await;
    let edge = behind(&fleet[0], "edge", None);
    let wrong = Endpoint {
        host_key: Some(fleet[0].host_key.clone()),
        ..behind(&fleet[1], "web", Some(&edge))
    };
    let error = pool.session(&wrong).await.unwrap_err();
    assert!(matches!(error, Error::HostKeyChanged { .. }), "{error}");
}

#[tokio::test]
async fn a_hop_whose_connection_broke_is_connected_anew() {
    let (fleet, pool, _dir) = fleet(&[&[], &[]]).await;
    let edge = behind(&fleet[0], "edge", None);
    let session = pool
        .session(&behind(&fleet[1], "web", Some(&edge)))
        .await
        .unwrap();
    assert_eq!(printed(&session, "echo before", &[]).await, "before");
    fleet[0].kill_connections();
    assert_eq!(printed(&session, "echo after", &[]).await, "after");
    fleet[1].kill_connections();
    assert_eq!(printed(&session, "echo again", &[]).await, "again");
    assert_eq!(fleet[0].connections(), 1);
}

/// A way to `port` of this host that breaks off at the next bytes of the client's once `cut` is set.
async fn brittle(port: u16, cut: Arc<AtomicBool>) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let cut = Arc::clone(&cut);
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let upwards = async {
                    let mut bytes = [0; 8192];
                    while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
                        if cut.swap(false, Ordering::SeqCst)
                            || to_server.write_all(&bytes[..count]).await.is_err()
                        {
                            break;
                        }
                    }
                };
                let downwards = tokio::io::copy(&mut from_server, &mut to_client);
                tokio::select! { () = upwards => {} _ = downwards => {} }
            });
        }
    });
    own
}

#[tokio::test]
async fn a_hop_that_turns_out_dead_at_its_next_use_is_connected_anew() {
    let (fleet, pool, _dir) = fleet(&[&[], &[]]).await;
    let cut = Arc::new(AtomicBool::new(false));
    let edge = Endpoint {
        port: brittle(fleet[0].port, Arc::clone(&cut)).await,
        ..behind(&fleet[0], "edge", None)
    };
    let session = pool
        .session(&behind(&fleet[1], "web", Some(&edge)))
        .await
        .unwrap();
    assert_eq!(printed(&session, "echo before", &[]).await, "before");
    fleet[1].kill_connections();
    until("the server behind it is gone", async || {
        fleet[1].connections() == 0
    })
    .await;
    // What the two ends of the hop still say about that is over.
    tokio::time::sleep(Duration::from_millis(500)).await;
    cut.store(true, Ordering::SeqCst);
    assert_eq!(printed(&session, "echo after", &[]).await, "after");
    assert!(!cut.load(Ordering::SeqCst), "the kept connection was not used");
}

#[tokio::test]
async fn an_idle_hop_stays_as_long_as_it_carries_somebody() {
    let dir = TempDir::new().unwrap();
    let key = keygen(dir.path(), "key", "ed25519");
    let hop = Sshd::builder().accept(&key).start().await;
    let target = Sshd::builder().accept(&key).start().await;
    let pool = Connections::new(Options {
        keys: keys(&[&key]),
        idle_timeout: Duration::from_millis(300),
        ..Options::default()
    });
    let edge = behind(&hop, "edge", None);
    let session = pool.session(&behind(&target, "web", Some(&edge))).await.unwrap();
    assert_eq!(printed(&session, "sleep 1.5; echo slept", &[]).await, "slept");
    until("both are closed", async || {
        hop.connections() + target.connections() == 0
    })
    .await;
}

#[tokio::test]
async fn another_way_or_other_algorithms_are_another_connection() {
    let (fleet, pool, _dir) = fleet(&[&[], &[]]).await;
    let edge = behind(&fleet[0], "edge", None);
    let direct = behind(&fleet[1], "web", None);
    let weaker = Endpoint {
        legacy: true,
        ..direct.clone()
    };
    for (endpoint, hops, connections) in [
        (&direct, 0, 1),
        (&behind(&fleet[1], "web", Some(&edge)), 1, 2),
        (&weaker, 1, 3),
        (&direct, 1, 3),
    ] {
        pool.session(endpoint).await.unwrap();
        let seen = (fleet[0].connections(), fleet[1].connections());
        assert_eq!(seen, (hops, connections), "{endpoint:?}");
    }
}
