//! Users who never stop: a closed loop of clients that ask for one page after the other and count
//! everything that is no good answer.
//!
//! The client is written out by hand, as those of libraries quietly try again.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// What users do between two pages.
const THINK: Duration = Duration::from_millis(5);
/// Longer than any answer takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What users met.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Good answers, by what was served.
    pub served: BTreeMap<String, usize>,
    /// Everything else, in words.
    pub failed: BTreeMap<String, usize>,
}

/// Clients at work.
pub struct Load {
    tally: Arc<Mutex<Tally>>,
    stop: CancellationToken,
    clients: JoinSet<()>,
}

impl Load {
    /// Clients of each of these addresses (`host:port`): two that keep their connections, two that
    /// make a new one for each page.
    pub fn start(addresses: &[String]) -> Self {
        let (tally, stop) = (Arc::new(Mutex::default()), CancellationToken::new());
        let mut clients = JoinSet::new();
        for address in addresses {
            for keep in [true, true, false, false] {
                clients.spawn(client(address.clone(), keep, Arc::clone(&tally), stop.clone()));
            }
        }
        Self { tally, stop, clients }
    }

    pub fn tally(&self) -> Tally {
        self.tally.lock().clone()
    }

    /// Lets every client get its last answer.
    pub async fn end(mut self) -> Tally {
        self.stop.cancel();
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
        self.tally()
    }
}

async fn client(address: String, keep: bool, tally: Arc<Mutex<Tally>>, stop: CancellationToken) {
    let mut kept = None;
    while !stop.is_cancelled() {
        let outcome = timeout(PATIENCE, one(&address, keep, &mut kept)).await;
        {
            let mut tally = tally.lock();
            match outcome {
                Ok(Ok((200, body))) => *tally.served.entry(body).or_default() += 1,
                Ok(Ok((status, _))) => *tally.failed.entry(format!("status {status}")).or_default() += 1,
                Ok(Err(error)) => *tally.failed.entry(error.to_string()).or_default() += 1,
                Err(_) => *tally.failed.entry("no answer".to_owned()).or_default() += 1,
            }
        }
        tokio::time::sleep(THINK).await;
    }
}

/// One page: status and body.
async fn one(address: &str, keep: bool, kept: &mut Option<TcpStream>) -> io::Result<(u16, String)> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(address).await?,
    };
    let close = if keep { "" } else { "Connection: close\r\n" };
    let request = format!("GET / HTTP/1.1\r\nHost: shop\r\n{close}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut seen = Vec::new();
    let (head, length) = loop {
        if let Some(at) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..at]).to_lowercase();
            seen.drain(..at + 4);
            let length = value(&head, "content-length").and_then(|text| text.parse().ok());
            break (head, length);
        }
        more(&mut stream, &mut seen).await?;
    };
    let length: usize = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
    while seen.len() < length {
        more(&mut stream, &mut seen).await?;
    }
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("no HTTP"))?;
    if keep && value(&head, "connection") != Some("close") {
        *kept = Some(stream);
    }
    Ok((status, String::from_utf8_lossy(&seen).into_owned()))
}

async fn more(stream: &mut TcpStream, seen: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(seen).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.trim())
}
