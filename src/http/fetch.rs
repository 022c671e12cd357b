//! Connections to a host, and what is fetched over them.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::Body;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::exchange::{Limits, MAX_HEAD, Response, exchange, within};
use super::guard::Guard;
use super::proxy::{Proxies, Proxy};
use super::{Error, Host, Request, connect};

/// Any stream that can carry HTTP.
pub(super) trait AnyStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> AnyStream for S {}

/// How a connection is made.
pub(super) struct Way<'a> {
    pub(super) guard: &'a Guard,
    pub(super) proxy: Option<&'a Proxy>,
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
    ) -> Result<Response, Error> {
        let direct = Way {
            guard: &Guard::open(),
            proxy: None,
        };
        self.fetch_by(&direct, request, limits, cancel).await
    }

    pub(super) async fn fetch_by(
        &self,
        way: &Way<'_>,
        request: &Request,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Response, Error> {
        let (to, deadline) = (self.to_string(), Instant::now() + limits.total);
        let plain_proxy = way.proxy.filter(|_| self.tls.is_none());
        let ready = match plain_proxy {
            Some(proxy) => proxy.authorized(request.build_for_proxy(&to)?),
            None => request.build(&to)?,
        };
        let connecting = limits.connect.min(limits.total);
        // Boxed: a handshake and a whole exchange are large futures.
        let whole = Box::pin(async {
            let stream = self
                .connect(way, request.tls_name(self), connecting, cancel)
                .await?;
            exchange(stream, ready, &to, limits).await
        });
        within(whole, &to, deadline, limits.total, cancel).await
    }

    /// Connects within `limit`, where `guard` allows and through one of `proxies` where one is set, and sends
    /// `request`, for bodies that are passed on piece by piece. The connection lives as long as the body of the answer. `limit` is for connecting alone, so the
    /// reader of the body sets its own.
    ///
    /// # Errors
    /// See [`Error`]; a status of 400 or more is not one.
    pub async fn stream<B>(
        &self,
        request: hyper::Request<B>,
        (guard, proxies): (&Guard, &Proxies),
        limit: Duration,
    ) -> Result<hyper::Response<BoxBody<Bytes, Error>>, Error>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let to = self.to_string();
        let way = Way {
            guard,
            // One for http would want the whole address in the request; https alone is streamed.
            proxy: proxies.of(self)?.filter(|_| self.tls.is_some()),
        };
        let never = CancellationToken::new();
        let stream = self.connect(&way, &self.name, limit, &never).await?;
        let broken = |cause| Error::broken(&to, cause);
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(crate::sabotage::most("q27", MAX_HEAD))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let driven = AbortOnDropHandle::new(tokio::spawn(async move {
            // The answer tells what went wrong.
            let _ = connection.await;
        }));
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok(response.map(|body| {
            let body = body.map_frame(move |frame| {
                // The connection lives as long as what it carries.
                let _connection = &driven;
                frame
            });
            body.map_err(move |cause| Error::broken(&to, cause)).boxed()
        }))
    }

    /// A connection on which a request can be sent, TLS included.
    async fn connect(
        &self,
        way: &Way<'_>,
        tls_name: &str,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<Box<dyn AnyStream>, Error> {
        let (to, deadline) = (self.to_string(), Instant::now() + limit);
        let stream: Box<dyn AnyStream> = match way.proxy {
            Some(proxy) => {
                way.guard.check_name(&self.name, &to)?;
                let open = Guard::open();
                let stream = connect::tcp(&proxy.host, proxy.port, &open, limit, cancel)
                    .await
                    .map_err(|error| proxy.unreachable(self, error))?;
                match &self.tls {
                    Some(_) => Box::new(proxy.tunnel(stream, self, deadline).await?),
                    None => Box::new(stream),
                }
            }
            None => Box::new(connect::tcp(&self.name, self.port, way.guard, limit, cancel).await?),
        };
        match &self.tls {
            Some(tls) => Ok(Box::new(tls.wrap(stream, tls_name, &to, deadline).await?)),
            None => Ok(stream),
        }
    }
}
