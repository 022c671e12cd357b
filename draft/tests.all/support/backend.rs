//! A small real web server for behind a balancer: slow when asked, and able to hold requests open
//! until it is told to let go.
//!
//! `GET /anything` is answered with the server's name and what it serves; `GET /hold` only after
//! [`Backend::release`]; with [`Backend::fail`] everything is a 503.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// More than any request of ours.
const REQUEST_BYTES: usize = 8192;

/// A running web server; ends when dropped.
pub struct Backend {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    name: String,
    failing: AtomicBool,
    delay: watch::Sender<Duration>,
    holding: watch::Sender<bool>,
    held: AtomicUsize,
    served: AtomicUsize,
}

impl Backend {
    /// Starts one that answers at once.
    pub async fn start(name: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            failing: AtomicBool::new(false),
            delay: watch::Sender::new(Duration::ZERO),
            holding: watch::Sender::new(true),
            held: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self {
            port,
            shared,
            accepting,
        }
    }

    /// From now on every answer takes so long, those to health checks (`/health`) excepted.
    pub fn delay(&self, delay: Duration) {
        self.shared.delay.send_replace(delay);
    }

    /// From now on everything is a 503, or not any more.
    pub fn fail(&self, failing: bool) {
        self.shared.failing.store(failing, Ordering::SeqCst);
    }

    /// Lets the requests for `/hold` go, those to come included.
    pub fn release(&self) {
        self.shared.holding.send_replace(false);
    }

    /// How many requests are held now.
    pub fn held(&self) -> usize {
        self.shared.held.load(Ordering::SeqCst)
    }

    /// How many requests were answered, health checks excepted.
    pub fn served(&self) -> usize {
        self.shared.served.load(Ordering::SeqCst)
    }

    /// Ends it: the port is closed, and so is every connection.
    pub async fn stop(mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        connections.spawn(serve(stream, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Answers one request after the other until the client closes.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut seen = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            let mut buffer = [0; 1024];
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 && seen.len() < REQUEST_BYTES => seen.extend(&buffer[..count]),
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&seen[..end]).into_owned();
        seen.drain(..end);
        let path = head.split(' ').nth(1).unwrap_or_default();
        if path != "/health" {
            answer_when_due(&shared, path).await;
            shared.served.fetch_add(1, Ordering::SeqCst);
        }
        let status = match shared.failing.load(Ordering::SeqCst) {
            true => "503 Service Unavailable",
            false => "200 OK",
        };
        let body = format!("{}\n", shared.name);
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn answer_when_due(shared: &Shared, path: &str) {
    let delay = *shared.delay.borrow();
    tokio::time::sleep(delay).await;
    if path == "/hold" {
        shared.held.fetch_add(1, Ordering::SeqCst);
        let mut holding = shared.holding.subscribe();
        let _ = holding.wait_for(|holding| !holding).await;
        shared.held.fetch_sub(1, Ordering::SeqCst);
    }
}
