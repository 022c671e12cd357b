//! A proxy on the loopback that connects (`CONNECT`) to where it is asked to, and remembers that.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// The proxy; gone when this is dropped.
pub struct Proxy {
    pub port: u16,
    /// The first line of each request, and its login.
    asked: Arc<Mutex<Vec<String>>>,
    serving: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Proxy {
    /// One that answers each request with `status`: what is not `200 OK` leads nowhere.
    pub async fn answering(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let told = Arc::clone(&told);
                open.spawn(async move {
                    // A connection that breaks off is its client's to report.
                    _ = serve(stream, status, &told).await;
                });
            }
        });
        Self {
            port,
            asked,
            serving: serving.abort_handle(),
        }
    }

    /// One that connects.
    pub async fn start() -> Self {
        Self::answering("200 OK").await
    }

    /// What it was asked since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("no test panicked there"))
    }
}

async fn serve(stream: TcpStream, status: &str, told: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut first, mut login) = (String::new(), String::new());
    stream.read_line(&mut first).await?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("proxy-authorization:") {
            line[line.len() - value.len()..].trim().clone_into(&mut login);
        }
    }
    told.lock()
        .expect("no test panicked there")
        .push(format!("{} {login}", first.trim()));
    let connect = first
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.split(' ').next());
    let (Some(host), true) = (connect, status.starts_with("200")) else {
        let refusal = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        return stream.write_all(refusal.as_bytes()).await;
    };
    let mut there = TcpStream::connect(host).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut stream, &mut there).await.map(drop)
}
