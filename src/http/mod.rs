//! A small HTTP/1 client: one request, one answer, over whatever stream there is.
//!
//! [`send`] speaks over any stream: a TCP connection, TLS around it, a channel through a server's
//! sshd, a unix socket. [`Host::fetch`] makes the connection first ([`connect`], [`tls`]). Every
//! exchange has a limit of time and of bytes, ends when its token is cancelled, and uses its
//! connection once: those who ask here ask rarely, and a kept connection would tell them about the
//! past. Nothing is followed or repeated by itself: a redirect is an answer like any other.
//!
//! Why hyper and not a grown-up client: health checks and HAProxy's statistics page need a stream
//! of our choice and a `Host` header of our choice, and nothing else.

use std::fmt;
use std::net::Ipv6Addr;
use std::pin::pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

pub mod connect;
pub mod error;
pub mod tls;

pub use error::Error;
pub use hyper::{HeaderMap, Method};
pub use tls::Tls;

#[cfg(test)]
mod tests;

/// Room for the status line and all headers of an answer; what common servers allow in all.
const MAX_HEAD: usize = 64 * 1024;

/// What we call ourselves, for those who read access logs.
const USER_AGENT: &str = concat!("deployer/", env!("CARGO_PKG_VERSION"));

/// One request. It always carries `Connection: close` and our `User-Agent`.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    target: String,
    host: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    defect: Option<&'static str>,
}

impl Request {
    /// Asks for `target`: a path beginning with `/`, perhaps with a query.
    pub fn get(target: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            target: target.into(),
            host: None,
            headers: Vec::new(),
            body: Bytes::new(),
            defect: None,
        }
    }

    /// Sends the fields of a form to `target`, encoded as browsers do.
    pub fn post_form<'a>(
        target: impl Into<String>,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        Self {
            method: Method::POST,
            body: body.into(),
            ..Self::get(target)
        }
        .header("content-type", "application/x-www-form-urlencoded")
    }

    /// Sets the `Host` header; unset, it is who the request is sent to.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Adds a header. One that HTTP does not allow makes [`send`] fail with [`Error::BadRequest`].
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (name.parse(), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => self.headers.push((name, value)),
            _ => self.defect = Some("a header holds what headers cannot"),
        }
        self
    }

    /// Adds a user's name and password (HTTP basic authentication).
    #[must_use]
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        match HeaderValue::from_str(&format!("Basic {pair}")) {
            Ok(mut value) if !user.contains(':') => {
                value.set_sensitive(true);
                self.headers.push((header::AUTHORIZATION, value));
            }
            _ => self.defect = Some("the user's name holds a “:”"),
        }
        self
    }

    /// The request as hyper wants it, `to` being its `Host` where it has none of its own.
    fn build(&self, to: &str) -> Result<hyper::Request<Full<Bytes>>, Error> {
        let bad = |reason| Error::BadRequest { reason };
        if let Some(reason) = self.defect {
            return Err(bad(reason));
        }
        let is_plain = self.target.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.target.starts_with('/') || !is_plain {
            return Err(bad(
                "the path does not begin with “/”, or holds blanks or letters outside ASCII",
            ));
        }
        let mut request = hyper::Request::builder()
            .method(self.method.clone())
            .uri(self.target.as_str())
            .header(header::HOST, self.host.as_deref().unwrap_or(to))
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "*/*")
            .header(header::CONNECTION, "close");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::new(self.body.clone()))
            .map_err(|_| bad("its path or its host name cannot be written in HTTP"))
    }
}

/// How much of an answer is taken, and for how long it is waited.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For looking up the name and connecting, TLS included.
    pub connect: Duration,
    /// For everything together.
    pub total: Duration,
    /// Bytes of the body that are read.
    pub body: usize,
    /// What becomes of a longer one.
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

/// What becomes of a body that is longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Longer {
    /// [`Error::TooLong`]: half of it would be worse than nothing.
    Refuse,
    /// Its beginning is enough.
    Cut,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status, such as 200.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, or its beginning ([`Longer::Cut`]).
    pub body: Bytes,
}

impl Answer {
    /// A header as text; `None` where it is missing or is not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body for people; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// Who is spoken to over TCP.
#[derive(Debug, Clone)]
pub struct Host {
    /// A name or an address, IPv6 without brackets.
    pub name: String,
    /// TCP port.
    pub port: u16,
    /// Encrypts, where given.
    pub tls: Option<Tls>,
}

impl Host {
    /// Connects, sends `request` and reads the whole answer.
    ///
    /// # Errors
    /// See [`Error`]; a status of 400 or more is not one.
    pub async fn fetch(
        &self,
        request: &Request,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Answer, Error> {
        let (to, deadline) = (self.to_string(), Instant::now() + limits.total);
        let ready = request.build(&to)?;
        // Boxed: a handshake and a whole exchange are large futures.
        let whole = Box::pin(async {
            let patience = limits.connect.min(limits.total);
            let begun = Instant::now();
            let stream = connect::tcp(&self.name, self.port, patience, cancel).await?;
            let Some(tls) = &self.tls else {
                return exchange(stream, ready, &to, limits).await;
            };
            let name = request.host.as_deref().map_or(self.name.as_str(), name_of);
            let stream = tls.wrap(stream, name, &to, begun + patience).await?;
            exchange(stream, ready, &to, limits).await
        });
        within(whole, &to, deadline, limits.total, cancel).await
    }
}

impl fmt::Display for Host {
    /// As a `Host` header has it: without a port that goes without saying.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = if self.tls.is_some() { 443 } else { 80 };
        match self.name.parse::<Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]")?,
            Err(_) => f.write_str(&self.name)?,
        }
        if self.port == usual {
            return Ok(());
        }
        write!(f, ":{}", self.port)
    }
}

/// The name in a `Host` header, without its port.
pub fn name_of(host: &str) -> &str {
    let end = if host.starts_with('[') {
        host.find(']').map(|at| at + 1)
    } else {
        host.find(':')
    };
    let name = &host[..end.unwrap_or(host.len())];
    name.trim_start_matches('[').trim_end_matches(']')
}

/// Sends `request` over a stream that stands already and reads the whole answer. `to` says who is
/// at the other end, for messages, and is the `Host` header where the request has none.
///
/// # Errors
/// See [`Error`]; a status of 400 or more is not one.
pub async fn send<S>(
    stream: S,
    request: &Request,
    to: &str,
    limits: &Limits,
    cancel: &CancellationToken,
) -> Result<Answer, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let deadline = Instant::now() + limits.total;
    let whole = Box::pin(exchange(stream, request.build(to)?, to, limits));
    within(whole, to, deadline, limits.total, cancel).await
}

/// Lets `work` go on until it is done, the deadline passes or somebody cancels. What it holds, its
/// connection too, is dropped then.
async fn within<T>(
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
async fn exchange<S>(
    stream: S,
    request: hyper::Request<Full<Bytes>>,
    to: &str,
    limits: &Limits,
) -> Result<Answer, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let broken = |error| Error::broken(to, error);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
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
        Ok(Answer {
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

/// The body, as far as the limit goes.
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
