//! The demo's servers, seen by our own client and by OpenSSH's.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deployer::demo::ssh_server::{DemoServer, Listening, Servers, new_client_key, start};
use deployer::domain::HostKey;
use deployer::ssh::{Command, Connections, Endpoint, Error, Exit, Options, Run, Stdin};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::{ENOUGH, printed, sh, until};
use crate::support::sshd::{keygen, keys};

struct Demo {
    dir: TempDir,
    key: PathBuf,
    stop: CancellationToken,
    servers: Servers,
}

impl Demo {
    async fn start(names: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let key = dir.path().join("key");
        let public = new_client_key(&key).unwrap();
        let targets = names
            .iter()
            .map(|name| {
                let home = dir.path().join(name);
                std::fs::create_dir(&home).unwrap();
                DemoServer {
                    name: (*name).to_owned(),
                    home,
                    port: None,
                }
            })
            .collect();
        let stop = CancellationToken::new();
        let servers = start(targets, &public, stop.clone()).await.unwrap();
        Self {
            dir,
            key,
            stop,
            servers,
        }
    }

    fn pool(&self) -> Connections {
        Connections::new(Options {
            keys: keys(&[&self.key]),
            ..Options::default()
        })
    }

    fn endpoint(&self, number: usize) -> Endpoint {
        endpoint(&self.servers.listening[number])
    }
}

fn endpoint(server: &Listening) -> Endpoint {
    Endpoint {
        name: server.name.clone(),
        host: "127.0.0.1".to_owned(),
        port: server.port,
        user: "deploy".to_owned(),
        host_key: Some(HostKey {
            openssh: server.host_key.openssh.clone(),
            fingerprint: server.host_key.fingerprint.clone(),
            pinned_at: "2026-11-22T12:00:00Z".parse().unwrap(),
            pinned_by: "demo".to_owned(),
        }),
        key: None,
        legacy: false,
        via: None,
    }
}

#[tokio::test]
async fn each_target_has_its_own_home_and_key() {
    let demo = Demo::start(&["web1", "web2"]).await;
    let pool = demo.pool();
    for (number, name) in ["web1", "web2"].into_iter().enumerate() {
        let session = pool.session(&demo.endpoint(number)).await.unwrap();
        let home = demo.dir.path().join(name);
        assert_eq!(
            printed(&session, r#"cd && pwd"#, &[]).await,
            home.to_str().unwrap()
        );
        assert_eq!(
            printed(&session, "touch here; pwd", &[]).await,
            home.to_str().unwrap()
        );
        assert!(home.join("here").exists());
    }
    let [one, two] = &demo.servers.listening[..] else {
        unreachable!("two targets")
    };
    assert_ne!(one.host_key, two.host_key);
    let pool = demo.pool();
    let fetched = pool
        .fetch_host_key(&endpoint(one), Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(fetched, one.host_key);
}

#[tokio::test]
async fn commands_stream_end_and_signal_as_on_a_real_server() {
    let demo = Demo::start(&["web1"]).await;
    let session = demo.pool().session(&demo.endpoint(0)).await.unwrap();
    let done = sh(&session, "echo out; echo err >&2; exit 7", &[]).await.unwrap();
    assert_eq!(
        (&done.stdout[..], &done.stderr[..], done.exit),
        (&b"out\n"[..], &b"err\n"[..], Exit::Code(7))
    );
    let done = sh(&session, "kill -KILL $$", &[]).await.unwrap();
    assert_eq!(done.exit, Exit::Signal("KILL".to_owned()));
    let how = Run {
        stdin: Stdin::Bytes(vec![b'x'; 5_000_000].into()),
        ..Run::default()
    };
    let done = session
        .capture(&Command::new("wc").arg("-c"), how, ENOUGH)
        .await
        .unwrap();
    assert_eq!(done.stdout.trim_ascii(), b"5000000");
    let command = Command::new("head").args(["-c", "20000000", "/dev/zero"]);
    let done = session
        .capture(&command, Run::default(), 20_000_000)
        .await
        .unwrap();
    assert_eq!(done.stdout.len(), 20_000_000);
    let commands = (0..20).map(|_| sh(&session, "sleep 0.1; exit 0", &[]));
    for done in futures_util::future::join_all(commands).await {
        assert!(done.unwrap().exit.success());
    }
}

#[tokio::test]
async fn a_stranger_s_key_is_refused() {
    let demo = Demo::start(&["web1"]).await;
    let wrong = keygen(demo.dir.path(), "wrong", "ed25519");
    let pool = Connections::new(Options {
        keys: keys(&[&wrong]),
        ..Options::default()
    });
    let error = pool.session(&demo.endpoint(0)).await.unwrap_err();
    assert!(matches!(error, Error::KeyRefused { .. }), "{error}");
}

#[tokio::test]
async fn cancelling_ends_what_runs_on_a_demo_server() {
    let demo = Demo::start(&["web1"]).await;
    let session = demo.pool().session(&demo.endpoint(0)).await.unwrap();
    let cancel = CancellationToken::new();
    let number = demo.dir.path().join("number");
    let command = Command::script("sleep 307 & echo $! >$1; wait").arg(&number);
    let how = Run {
        cancel: cancel.clone(),
        ..Run::default()
    };
    let (ended, ()) = tokio::join!(session.capture(&command, how, ENOUGH), async {
        until("it runs", async || is_written(&number)).await;
        cancel.cancel();
    });
    assert!(matches!(ended, Err(Error::Cancelled { .. })), "{ended:?}");
    until("it is gone", async || is_gone(&number)).await;
}

#[tokio::test]
async fn stopping_the_demo_ends_connections_and_commands() {
    let demo = Demo::start(&["web1"]).await;
    let session = demo.pool().session(&demo.endpoint(0)).await.unwrap();
    let number = demo.dir.path().join("number");
    let command = Command::script("trap '' TERM; echo $$ >$1; while :; do sleep 1; done").arg(&number);
    let (ended, ()) = tokio::join!(session.capture(&command, Run::default(), ENOUGH), async {
        until("it runs", async || is_written(&number)).await;
        demo.stop.cancel();
        let start = Instant::now();
        demo.servers.stopped().await;
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    });
    assert!(matches!(ended, Err(Error::ConnectionLost { .. })), "{ended:?}");
    until("it is gone", async || is_gone(&number)).await;
}

#[tokio::test]
async fn openssh_s_own_client_gets_along_with_it() {
    let demo = Demo::start(&["web1"]).await;
    let server = &demo.servers.listening[0];
    let known = demo.dir.path().join("known");
    std::fs::write(
        &known,
        format!("[127.0.0.1]:{} {}\n", server.port, server.host_key.openssh),
    )
    .unwrap();
    let mut ssh = ssh_program();
    ssh.args([
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=yes",
    ])
    .arg("-o")
    .arg(format!("UserKnownHostsFile={}", known.display()))
    .arg("-i")
    .arg(&demo.key)
    .args([
        "-p",
        &server.port.to_string(),
        "anybody@127.0.0.1",
        "cat; echo err >&2; exit 5",
    ])
    .stdin(std::fs::File::open(&known).unwrap());
    let done = ssh.output().await.unwrap();
    assert_eq!(done.status.code(), Some(5), "{done:?}");
    assert_eq!(done.stdout, std::fs::read(&known).unwrap());
    assert!(String::from_utf8_lossy(&done.stderr).contains("err"), "{done:?}");
}

#[allow(clippy::disallowed_methods, reason = "the program under the test's eye")]
fn ssh_program() -> tokio::process::Command {
    let mut ssh = tokio::process::Command::new("ssh");
    ssh.env_remove("SSH_AUTH_SOCK").kill_on_drop(true);
    ssh
}

fn is_written(number: &Path) -> bool {
    std::fs::read_to_string(number).is_ok_and(|text| text.ends_with('\n'))
}

fn is_gone(number: &Path) -> bool {
    super::ending::is_gone(std::fs::read_to_string(number).unwrap().trim())
}

#[tokio::test]
async fn the_demo_server_connects_only_to_ports_of_this_machine() {
    let demo = Demo::start(&["web1"]).await;
    let session = demo.pool().session(&demo.endpoint(0)).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let mut there = session.forward("127.0.0.1", port).await.unwrap();
    there.write_all(b"echo").await.unwrap();
    there.shutdown().await.unwrap();
    let mut heard = String::new();
    there.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "echo");
    let outside = session.forward("192.0.2.1", port).await.err().unwrap();
    assert!(matches!(outside, Error::ForwardForbidden { .. }), "{outside}");
    let closed = session.forward("127.0.0.1", port).await.err().unwrap();
    assert!(matches!(closed, Error::ForwardFailed { .. }), "{closed}");
}
