//! Health checks against a real sshd and small backends that answer as each test wants.

mod commands;
mod pages;
mod ports;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use deployer::confinement::{Confinement, ConfinementOptions};
use deployer::domain::health::{AskedFrom, CommandProbe, HttpProbe, Probe, TcpProbe};
use deployer::domain::{HealthCheck, ScriptVariables};
use deployer::health::{self, Attempt, ProbedServer, Watch};
use deployer::process;
use deployer::ssh::{Connections, Session};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::sshd::{Builder, Sshd};

/// What a quick answer may take on a busy machine.
const SOON: Duration = Duration::from_secs(8);

/// A server to ask, reached over a real sshd.
struct Server {
    sshd: Sshd,
    _pool: Connections,
    session: Session,
    /// Where the deployer asks it.
    address: &'static str,
    variables: ScriptVariables,
    confinement: Confinement,
    /// What commands may write to, here and there.
    cache: tempfile::TempDir,
    cancel: CancellationToken,
}

impl Server {
    async fn start() -> Self {
        Self::with(Sshd::builder()).await
    }

    async fn with(builder: Builder) -> Self {
        let sshd = builder.start().await;
        let pool = sshd.pool();
        let session = pool.session(&sshd.endpoint()).await.expect("a connection");
        let variables = [("DEPLOYER_SERVER", "web1"), ("COLOUR", "it's red")];
        let cache = tempfile::tempdir().unwrap();
        let confinement = Confinement::new(ConfinementOptions {
            writable: vec![cache.path().to_owned()],
            scratch: sshd.dir().join("scratch"),
            ..ConfinementOptions::default()
        });
        Self {
            session,
            sshd,
            confinement,
            cache,
            _pool: pool,
            address: "127.0.0.1",
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect(),
            cancel: CancellationToken::new(),
        }
    }

    /// Carries the check out; how it ended and what was seen on the way.
    async fn ask(&self, check: &HealthCheck) -> (Result<String, String>, Seen) {
        check.validate().expect("a check that may be stored");
        let mut seen = Seen::default();
        let dir = self.sshd.dir().to_str().expect("a plain path");
        let target = ProbedServer {
            server: "web1",
            address: self.address,
            session: &self.session,
            dir,
            dir_here: Some(self.sshd.dir()),
            variables: &self.variables,
            confinement: &self.confinement,
        };
        let outcome = health::check(check, &target, &self.cancel, &mut seen).await;
        (outcome, seen)
    }

    /// The sentence of a check that has to fail.
    async fn complaint(&self, check: &HealthCheck) -> String {
        self.ask(check).await.0.expect_err("not healthy")
    }
}

/// Everything a [`Watch`] is told.
#[derive(Default)]
struct Seen {
    attempts: Vec<String>,
    printed: String,
}

impl Watch for Seen {
    async fn attempt(&mut self, attempt: &Attempt) {
        let (Ok(said) | Err(said)) = &attempt.outcome;
        self.attempts.push(said.clone());
    }
}

impl process::Output for Seen {
    async fn stdout(&mut self, data: Bytes) {
        self.printed.push_str(&String::from_utf8_lossy(&data));
    }

    async fn stderr(&mut self, data: Bytes) {
        self.printed.push_str(&String::from_utf8_lossy(&data));
    }
}

/// A check that asks `attempts` times without a pause.
fn check(probe: Probe, from: AskedFrom, attempts: u32) -> HealthCheck {
    HealthCheck {
        probe,
        from,
        interval: 0,
        attempts,
        ..HealthCheck::default()
    }
}

fn http(port: u16) -> HttpProbe {
    HttpProbe {
        port,
        path: "/up".to_owned(),
        ..HttpProbe::default()
    }
}

fn tcp(port: u16) -> Probe {
    Probe::Tcp(TcpProbe { port })
}

fn command(line: &str) -> Probe {
    Probe::Command(CommandProbe {
        line: line.to_owned(),
    })
}

/// A listener whose connections are served by `serve`, until it is dropped.
struct Backend {
    port: u16,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Backend {
    /// Answers each request, given its number from 1 and its text, with what `answer` says.
    async fn start(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1", answer).await
    }

    async fn on(address: &str, answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((address, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let (answer, counter) = (Arc::new(answer), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, counter) = (answer.clone(), counter.clone());
                tokio::spawn(async move {
                    let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
                    serve(stream, |request| answer(number, request)).await;
                });
            }
        });
        Self { port, asked, task }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one request and answers it.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: impl Fn(&str) -> String) {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(bytes) if bytes > 0 => request.extend_from_slice(&piece[..bytes]),
            _ => return,
        }
    }
    let answer = answer(&String::from_utf8_lossy(&request));
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn page(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} So\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

/// A port where nothing listens.
async fn dead_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound").port()
}
