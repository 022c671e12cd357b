//! The way from libgit2 to a remote: a connection of ours that libgit2 reaches on the loopback.
//!
//! libgit2 waits for a silent host for ever and cannot be woken from safe code. So over SSH it
//! never talks to the host itself: it talks to a listener here that passes bytes on. Closing the
//! [`RemoteLink`] closes both ends, and libgit2 returns at once. We log in with russh and start
//! `git-upload-pack`; libgit2 speaks the plain `git://` protocol, whose bytes are the same. The path
//! of that address is a random word that only libgit2 knows, so nobody else on this host can use
//! the open door.
//!
//! Over HTTPS it talks plain HTTP to such a listener, below the same kind of random word, and
//! [`super::https`] forwards to the host.
//!
//! Files need no link; [`super::local`] finds them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use russh::ChannelMsg;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::error::{Error, Result};
use super::https::{self, FirstError};
use super::local::LocalRepository;
use super::refs::ListOfRefs;
use super::ssh::{self, HostConnection};
use super::url::{Location, RemoteUrl};
use super::{CONNECT_TIMEOUT, GitOptions};

/// How long a client of our listener may take to send its request; libgit2 sends it at once.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of the other side's error output is kept, in bytes: a few lines.
const HEARD_LIMIT: usize = 2048;
/// The longest `git://` request, in bytes.
const HEAD_LIMIT: usize = 8192;

/// What the host printed on its standard error.
pub(super) type Heard = Arc<Mutex<Vec<u8>>>;

/// An open way to a remote; dropping it closes every connection of it.
pub(super) struct RemoteLink {
    /// What libgit2 is told to fetch from.
    pub(super) url: String,
    /// What the other side said.
    pub(super) heard: Heard,
    /// The first thing that went wrong between us and the host.
    pub(super) trouble: FirstError,
    relay: Option<AbortHandle>,
    /// See [`LocalRepository`].
    _stand_in: Option<TempDir>,
}

impl Drop for RemoteLink {
    fn drop(&mut self) {
        if let Some(relay) = &self.relay {
            relay.abort();
        }
    }
}

impl RemoteLink {
    /// Connects to `remote`, verifies it and logs in.
    ///
    /// # Errors
    /// An error with a sentence of its own for each obstacle: [`Error::Unreachable`], [`Error::HostKey`],
    /// [`Error::AuthRefused`], and those of [`LocalRepository::open`]. Obstacles over HTTPS appear
    /// only when libgit2 sends its request, see [`RemoteLink::trouble`].
    pub(super) async fn open(remote: &RemoteUrl, options: &GitOptions) -> Result<Self> {
        remote.demand_below(&options.local_directories)?;
        match &remote.location {
            Location::File { path } => {
                let found = LocalRepository::open(path, &options.local_directories)?;
                Ok(Self {
                    url: found.path.to_string_lossy().into_owned(),
                    heard: Heard::default(),
                    trouble: FirstError::default(),
                    relay: None,
                    _stand_in: found.stand_in,
                })
            }
            Location::Ssh {
                user,
                host,
                port,
                path,
            } => {
                let stream = reach(host, *port).await?;
                let who = (user.as_str(), remote.key.as_ref());
                let connection = ssh::connect(stream, (host, *port), who, options).await?;
                Self::over_ssh(connection, path.clone()).await
            }
            Location::Https { .. } => Self::over_https(remote, options).await,
        }
    }

    async fn over_https(remote: &RemoteUrl, options: &GitOptions) -> Result<Self> {
        let (listener, address) = listen().await?;
        let word = random_word();
        let url = format!("http://{address}/{word}");
        let trouble = FirstError::default();
        let remote = https::Remote::new(remote.as_str(), options, trouble.clone())?;
        let relay = tokio::spawn(remote.serve(listener, word));
        Ok(Self {
            url,
            heard: Heard::default(),
            trouble,
            relay: Some(relay.abort_handle()),
            _stand_in: None,
        })
    }

    async fn over_ssh(connection: HostConnection, path: String) -> Result<Self> {
        let (listener, address) = listen().await?;
        let word = random_word();
        let url = format!("git://{address}/{word}");
        let (heard, trouble) = (Heard::default(), FirstError::default());
        let (hears, fails) = (heard.clone(), trouble.clone());
        let relay = tokio::spawn(async move {
            let Some(socket) = asked_with(listener, &word).await else {
                return;
            };
            if let Err(error) = pass_on(socket, &connection, &path, (&hears, &fails)).await {
                note(&hears, error.to_string().as_bytes());
            }
            connection.close().await;
        });
        Ok(Self {
            url,
            heard,
            trouble,
            relay: Some(relay.abort_handle()),
            _stand_in: None,
        })
    }
}

pub(super) async fn reach(host: &str, port: u16) -> Result<TcpStream> {
    let failed = |why: String| Error::Unreachable {
        host: format!("{host}:{port}"),
        why,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match timeout(CONNECT_TIMEOUT, TcpStream::connect((bare, port))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!(
            "no answer within {} s",
            CONNECT_TIMEOUT.as_secs()
        ))),
    }
}

/// The random word that only libgit2 knows.
fn random_word() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

async fn listen() -> Result<(TcpListener, std::net::SocketAddr)> {
    let listening = async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listening.await.map_err(|source| Error::Disk {
        path: "a port of 127.0.0.1".into(),
        source,
    })
}

/// The connection of the client that asks for `word`. The listener then closes: it serves one fetch.
async fn asked_with(listener: TcpListener, word: &str) -> Option<TcpStream> {
    loop {
        let (mut socket, _) = listener.accept().await.ok()?;
        match timeout(ASK_TIMEOUT, asked_for(&mut socket)).await {
            Ok(Some(asked)) if asked == word => return Some(socket),
            _ => {}
        }
    }
}

/// The path of a `git://` request: `0035git-upload-pack /path\0host=…\0`.
async fn asked_for(socket: &mut TcpStream) -> Option<String> {
    let mut length = [0; 4];
    socket.read_exact(&mut length).await.ok()?;
    let length = usize::from_str_radix(std::str::from_utf8(&length).ok()?, 16).ok()?;
    let mut request = vec![0; length.checked_sub(4)?.min(crate::sabotage::most("u51", HEAD_LIMIT))];
    socket.read_exact(&mut request).await.ok()?;
    let line = request.split(|byte| *byte == 0).next()?;
    let path = std::str::from_utf8(line)
        .ok()?
        .strip_prefix("git-upload-pack /")?;
    Some(path.to_owned())
}

/// Connects libgit2 with the remote's `path`. Hangs up, after noting the reason, when the remote's list of
/// refs cannot be accepted; libgit2 asks for nothing before it has the whole list.
async fn pass_on(
    socket: TcpStream,
    connection: &HostConnection,
    path: &str,
    (heard, trouble): (&Heard, &FirstError),
) -> Result<(), russh::Error> {
    let (mut from_remote, to_remote) = connection.upload_pack(path).await?.split();
    let (mut from_git, mut to_git) = socket.into_split();
    let has_asked = AtomicBool::new(false);
    let upwards = async {
        from_git.peek(&mut [0]).await?;
        has_asked.store(true, Ordering::Relaxed);
        copy(&mut from_git, &mut to_remote.make_writer()).await?;
        to_remote.eof().await
    };
    let downwards = async {
        let mut list = ListOfRefs::default();
        while let Some(message) = from_remote.wait().await {
            match message {
                ChannelMsg::Data { data } => {
                    if !has_asked.load(Ordering::Relaxed)
                        && let Some(error) = list.take(&data)
                    {
                        *trouble.lock() = Some(error);
                        return Ok(());
                    }
                    to_git.write_all(&data).await?;
                }
                ChannelMsg::ExtendedData { data, .. } => note(heard, &data),
                ChannelMsg::Failure => note(heard, b"the host does not allow git-upload-pack"),
                ChannelMsg::Close => break,
                _ => {}
            }
        }
        Ok(())
    };
    // libgit2 hangs up when it has what it wants; the remote when it has nothing more to say.
    tokio::select! { done = upwards => done, done = downwards => done }
}

fn note(heard: &Heard, said: &[u8]) {
    let mut heard = heard.lock();
    let room = crate::sabotage::most("q5", HEARD_LIMIT).saturating_sub(heard.len()).min(said.len());
    heard.extend_from_slice(&said[..room]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_words_without_end_the_first_are_kept() {
        let heard = Heard::default();
        for _ in 0..3 {
            note(&heard, &[b'x'; HEARD_LIMIT - 10]);
        }
        assert_eq!(heard.lock().len(), HEARD_LIMIT);
    }
}
