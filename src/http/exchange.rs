//! One exchange over an open stream: a request out, a whole answer in.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Error, Request};

/// Room for the status line and all headers of an answer; what common servers allow in all.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// How much of an answer is read, and how long to wait for it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For looking up the name and connecting, TLS included.
    pub connect: Duration,
    /// For everything together.
    pub total: Duration,
    /// Bytes of the body that are read.
    pub body: usize,
    /// What happens with a longer one.
    pub longer: Longer,
}

impl Default for Limits {
    /// Ten seconds, five of them to connect, and a body of at most a mebibyte.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(10),
            body: 1024 * 1024,
            longer: Longer::Refuse,
        }
    }
}

/// What happens with a body that is longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Longer {
    /// [`Error::TooLong`]: half of it would be worse than nothing.
    Refuse,
    /// Its beginning is enough.
    Cut,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    pub headers: HeaderMap,
    /// The body, or its beginning ([`Longer::Cut`]).
    pub body: Bytes,
}

impl Response {
    /// A header as text; `None` where it is missing or is not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body for people; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// Sends `request` over an open stream and reads the whole answer. `to` names the other end in
/// messages, and is the `Host` header where the request has none.
///
/// # Errors
/// See [`Error`]; a status of 400 or more is not one.
pub async fn send<S>(
    stream: S,
    request: &Request,
    to: &str,
    limits: &Limits,
    cancel: &CancellationToken,
) -> Result<Response, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let deadline = Instant::now() + limits.total;
    let whole = Box::pin(exchange(stream, request.build(to)?, to, limits));
    within(whole, to, deadline, limits.total, cancel).await
}

/// Runs `work` until it is done, the deadline passes or somebody cancels. Then its connection is
/// dropped.
pub(super) async fn within<T>(
    work: impl Future<Output = Result<T, Error>>,
    to: &str,
    deadline: Instant,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<T, Error> {
    let Some(in_time) = cancel.run_until_cancelled(timeout_at(deadline, work)).await else {
        return Err(Error::Cancelled);
    };
    let late = |_| Error::TimedOut {
        to: to.to_owned(),
        limit,
    };
    in_time.map_err(late)?
}

/// The exchange itself, without limits of time.
pub(super) async fn exchange<S>(
    stream: S,
    request: hyper::Request<Full<Bytes>>,
    to: &str,
    limits: &Limits,
) -> Result<Response, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let broken = |error| Error::broken(to, error);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(crate::sabotage::most("q26", MAX_HEAD))
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // The connection is driven beside the exchange, in the same task, so that dropping this future
    // closes it. It may end before the last of the answer is taken from it.
    let drive = async {
        let _told_by_the_exchange = connection.await;
        std::future::pending().await
    };
    let talk = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        Ok(Response {
            status: head.status.as_u16(),
            headers: head.headers,
            body: read(body, to, limits).await?,
        })
    };
    tokio::select! {
        answer = pin!(talk) => answer,
        () = pin!(drive) => Err(Error::Cancelled),
    }
}

/// Reads the body up to the limit.
async fn read(mut body: Incoming, to: &str, limits: &Limits) -> Result<Bytes, Error> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::broken(to, error))?;
        let Ok(data) = frame.into_data() else { continue };
        let room = limits.body - whole.len();
        whole.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            if limits.longer == Longer::Cut {
                break;
            }
            return Err(Error::TooLong {
                to: to.to_owned(),
                limit: limits.body,
            });
        }
    }
    Ok(whole.into())
}
