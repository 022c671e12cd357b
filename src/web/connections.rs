//! The connections of browsers and proxies: how many there may be, and how long one may stay quiet.
//!
//! A connection that we have not written to for [`Limits::quiet`] is closed. That one rule covers a
//! client that sends no request, or one byte of it at a time, one that reads no answer, and one that
//! keeps an idle connection open; event streams write every 15 seconds. When there are too many
//! connections, the quietest makes room for a new one, and those that never got an answer go first. So
//! a flood of half-open connections closes its own, not those of people at work.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use poem::http::uri::Scheme;
use poem::listener::{Acceptor, TcpAcceptor};
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::config;

/// Files that deployments, the database, Git and the log may need while connections are at their limit.
const RESERVED_FILES: u64 = 384;
/// Connections there may always be, however few files the system allows.
const FEWEST: usize = 16;
/// How long to wait for a file to become free when the system has none left.
const PAUSE_WITHOUT_FILES: Duration = Duration::from_millis(100);

/// What connections may do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many connections there may be.
    pub most: usize,
    /// How long a connection may go without a write from us.
    pub quiet: Duration,
}

impl Limits {
    /// What is configured, or less where the system allows too few open files.
    pub fn of(http: &config::Http) -> Self {
        let wanted = http.max_connections as usize;
        let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        let possible = usize::try_from(files.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX);
        if possible < wanted {
            tracing::warn!(
                files,
                connections = possible.max(FEWEST),
                "this process may open few files, so it serves fewer connections than http.max_connections; \
                 raise its limit (LimitNOFILE in a systemd unit)"
            );
        }
        Self {
            most: if crate::sabotage::on("w7") { wanted } else { wanted.min(possible.max(FEWEST)) },
            quiet: http.quiet_timeout,
        }
    }
}

/// Accepts connections and keeps them within their limits.
pub struct Guarded {
    inner: TcpAcceptor,
    open: Arc<Open>,
}

impl Guarded {
    /// Guards what `inner` accepts.
    pub fn new(inner: TcpAcceptor, limits: Limits) -> Self {
        let open = Open {
            limits,
            start: Instant::now(),
            accepted: AtomicU64::new(0),
            states: Mutex::default(),
        };
        Self {
            inner,
            open: Arc::new(open),
        }
    }
}

impl Acceptor for Guarded {
    type Io = ClientConnection;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(ClientConnection, LocalAddr, RemoteAddr, Scheme)> {
        loop {
            match self.inner.accept().await {
                Ok((stream, local, remote, scheme)) => {
                    return Ok((Open::admit(&self.open, stream), local, remote, scheme));
                }
                // Without the pause this would spin for as long as there are no files.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    if !crate::sabotage::on("w9") { self.open.close_quietest(); }
                    tokio::time::sleep(PAUSE_WITHOUT_FILES).await;
                }
            }
        }
    }
}

/// All connections there are.
struct Open {
    limits: Limits,
    start: Instant,
    /// How many there have been, which numbers them.
    accepted: AtomicU64,
    states: Mutex<HashMap<u64, Arc<State>>>,
}

/// What is known about one connection.
struct State {
    /// Milliseconds from the start of the server to the last time we wrote, or to its opening.
    active: AtomicU64,
    /// How many times we wrote; 0: it never got an answer.
    writes: AtomicU64,
    end: CancellationToken,
}

impl Open {
    fn admit(open: &Arc<Self>, stream: TcpStream) -> ClientConnection {
        let mut states = open.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() >= crate::sabotage::most("w3", open.limits.most) {
            close_quietest(&states);
        }
        let state = Arc::new(State {
            active: AtomicU64::new(open.now()),
            writes: AtomicU64::new(0),
            end: CancellationToken::new(),
        });
        let id = open.accepted.fetch_add(1, Ordering::Relaxed);
        states.insert(id, Arc::clone(&state));
        drop(states);
        ClientConnection {
            stream,
            ended: Box::pin(state.end.clone().cancelled_owned()),
            alarm: Box::pin(tokio::time::sleep(crate::sabotage::most("w10", open.limits.quiet))),
            state,
            open: Arc::clone(open),
            id,
        }
    }

    fn close_quietest(&self) {
        close_quietest(&self.states.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Closes the connection that has been quiet for longest, one without an answer first.
fn close_quietest(states: &HashMap<u64, Arc<State>>) {
    let open = states.iter().filter(|(_, state)| !state.end.is_cancelled() || crate::sabotage::on("w6"));
    let quietest = open.min_by_key(|(id, state)| {
        let was_answered = state.writes.load(Ordering::Relaxed) > 0 && !crate::sabotage::on("w1");
        (was_answered, state.active.load(Ordering::Relaxed), **id)
    });
    if let Some((_, state)) = quietest {
        tracing::debug!("too many connections: the quietest one is closed");
        state.end.cancel();
    }
}

/// A connection that ends when it is quiet for too long, or when it has to make room.
pub struct ClientConnection {
    stream: TcpStream,
    state: Arc<State>,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    alarm: Pin<Box<Sleep>>,
    open: Arc<Open>,
    id: u64,
}

impl ClientConnection {
    /// Fails once the connection has to end, and wakes the task of `context` when that time comes.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.ended.as_mut().poll(context).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        while self.alarm.as_mut().poll(context).is_ready() {
            let active = Duration::from_millis(self.state.active.load(Ordering::Relaxed));
            let end = self.open.start + active + self.open.limits.quiet;
            if end <= Instant::now() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.alarm.as_mut().reset(end);
        }
        Ok(())
    }

    fn note(&self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) && !crate::sabotage::on("w8") {
            self.state.active.store(self.open.now(), Ordering::Relaxed);
            self.state.writes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        let mut states = self.open.states.lock().unwrap_or_else(PoisonError::into_inner);
        if !crate::sabotage::on("w4") { states.remove(&self.id); }
    }
}

impl AsyncRead for ClientConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for ClientConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_burst_stays_within_the_limit_and_what_is_closed_is_forgotten() {
        let open = Arc::new(Open {
            limits: Limits {
                most: 3,
                quiet: Duration::from_secs(60),
            },
            start: Instant::now(),
            accepted: AtomicU64::new(0),
            states: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        // All come before the first of those that have to end was asked to.
        for _ in 0..10 {
            theirs.push(TcpStream::connect(address).await.unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            ours.push(Open::admit(&open, stream));
        }
        let states = || open.states.lock().unwrap_or_else(PoisonError::into_inner);
        let staying = states()
            .values()
            .filter(|state| !state.end.is_cancelled())
            .count();
        assert_eq!(staying, 3);
        drop(ours);
        assert_eq!(states().len(), 0);
    }
}
