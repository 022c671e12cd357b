//! HTTPS remotes: libgit2 asks a listener of ours on the loopback in plain HTTP, and we ask the host.
//!
//! So we control the certificate, the login and the time: when the [`super::link::RemoteLink`] is
//! dropped, every connection of it is closed, and libgit2, which can neither be woken nor given a
//! time limit, returns at once. Requests and answers are passed on as they come; nothing is collected
//! in memory. Only the list of refs, which libgit2 holds in memory, may not be longer than
//! [`REFS_BYTES`].
//!
//! A redirect is followed for the first question only, as Git does, and only to HTTPS; another host
//! gets the login that is stored for it, never the first one's.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, server};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use super::credentials::{self, GitLogin, stored_login};
use super::error::{Error, Result};
use super::refs::{ListOfRefs, REFS, REFS_BYTES};
use super::{CONNECT_TIMEOUT, GitOptions};
use crate::http::{self, Guard, Proxies, Tls};

/// How often a host may redirect us, or ask for a login, before the repository is found.
const TURNS: usize = 5;
/// The headers of libgit2 that are passed on; the others are meant for us.
const PASSED_ON: [HeaderName; 4] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::USER_AGENT,
];

/// The first thing that went wrong between us and the host: libgit2 only sees a closed connection.
pub(super) type FirstError = Arc<Mutex<Option<Error>>>;

/// A repository of an HTTPS host.
pub(super) struct Remote {
    tls: Tls,
    proxies: Proxies,
    credentials: Option<PathBuf>,
    trouble: FirstError,
    target: Mutex<Target>,
}

/// Where the repository is, after the redirects so far.
#[derive(Clone)]
struct Target {
    /// The repository's address, without a slash at its end.
    base: Url,
    login: Option<GitLogin>,
    /// Whether the host has asked for the login.
    wants_login: bool,
}

impl Remote {
    /// The repository at `url`.
    ///
    /// # Errors
    /// When the certificates to trust cannot be read.
    pub(super) fn new(url: &str, options: &GitOptions, trouble: FirstError) -> Result<Self> {
        let mut base = Url::parse(url).map_err(|error| Error::Invalid(error.to_string()))?;
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        let credentials = options.https_credentials.clone();
        Ok(Self {
            tls: Tls::of_system(options.https_certificates.as_deref())?,
            proxies: options.proxies.clone(),
            target: Mutex::new(Target::new(base, credentials.as_deref())),
            credentials,
            trouble,
        })
    }

    /// Answers requests below `word` until it is dropped, which also closes every connection.
    pub(super) async fn serve(self, listener: TcpListener, word: String) {
        let (remote, word) = (Arc::new(self), Arc::new(word));
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((socket, _)) = accepted else { return };
                    let (remote, word) = (Arc::clone(&remote), Arc::clone(&word));
                    let service = service_fn(move |request| {
                        let (remote, word) = (Arc::clone(&remote), Arc::clone(&word));
                        async move { Ok::<_, Infallible>(remote.answer(&word, request).await) }
                    });
                    let serving = server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
                    open.spawn(async move {
                        if let Err(error) = serving.await {
                            tracing::debug!(%error, "libgit2 hung up");
                        }
                    });
                }
                Some(_) = open.join_next() => {}
            }
        }
    }

    async fn answer(&self, word: &str, request: Request<Incoming>) -> Response<BoxBody<Bytes, io::Error>> {
        let asked = request.uri().path_and_query().map_or("", |asked| asked.as_str());
        let rest = asked
            .strip_prefix('/')
            .and_then(|asked| asked.strip_prefix(word)?.strip_prefix('/'));
        let Some(rest) = rest.map(str::to_owned) else {
            return closed(StatusCode::NOT_FOUND);
        };
        match Box::pin(self.ask(&rest, request)).await {
            Ok(answer) => answer,
            Err(error) => {
                self.trouble.lock().get_or_insert(error);
                closed(StatusCode::BAD_GATEWAY)
            }
        }
    }

    /// Asks the host for `rest` of the repository.
    async fn ask(
        &self,
        rest: &str,
        request: Request<Incoming>,
    ) -> Result<Response<BoxBody<Bytes, io::Error>>> {
        let (head, body) = request.into_parts();
        if head.method != Method::GET {
            let target = self.target.lock().clone();
            let answer = self.send(&target, rest, &head, body.boxed()).await?;
            return self.judged(&target, answer, false);
        }
        for _ in 0..(if crate::sabotage::on("l39") { 60 } else { TURNS }) {
            let target = self.target.lock().clone();
            let nothing = Empty::new().map_err(|never| match never {}).boxed();
            let answer = self.send(&target, rest, &head, nothing).await?;
            let status = answer.answer.status();
            if status.is_redirection() {
                *self.target.lock() = self.elsewhere(&target, rest, &answer)?;
            } else if status == StatusCode::UNAUTHORIZED && target.login.is_some() && !target.wants_login {
                self.target.lock().wants_login = true;
            } else {
                return self.judged(&target, answer, true);
            }
        }
        Err(Error::Remote("it redirects too often".into()))
    }

    /// Sends one request over its own connection.
    async fn send(
        &self,
        target: &Target,
        rest: &str,
        head: &Parts,
        body: BoxBody<Bytes, hyper::Error>,
    ) -> Result<Answered> {
        let (name, port) = target.host();
        let host = http::Host {
            name: name.to_owned(),
            port,
            tls: Some(self.tls.clone()),
        };
        let to = host.to_string();
        let path = format!("{}/{rest}", target.base.path());
        let mut request = Request::builder()
            .method(head.method.clone())
            .uri(path)
            .header(header::HOST, &to);
        for name in &PASSED_ON {
            if let Some(value) = head.headers.get(name) {
                request = request.header(name, value);
            }
        }
        if let Some(login) = target.login.as_ref().filter(|_| target.wants_login) {
            request = request.header(header::AUTHORIZATION, login.header()?);
        }
        let request = request
            .body(body)
            .map_err(|error| Error::Invalid(error.to_string()))?;
        let answer = host
            .stream(request, (&Guard::open(), &self.proxies), CONNECT_TIMEOUT)
            .await?;
        Ok(Answered { answer, to })
    }

    /// The answer for libgit2, or what is wrong with it.
    fn judged(
        &self,
        target: &Target,
        answered: Answered,
        lists_refs: bool,
    ) -> Result<Response<BoxBody<Bytes, io::Error>>> {
        let Answered { answer, to } = answered;
        match (answer.status(), &target.login) {
            (StatusCode::OK, _) => {}
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(login)) => {
                return Err(Error::AuthRefused {
                    host: to,
                    user: login.user.clone(),
                    why: format!(
                        "it answered {} to the login in the file git.https_credentials",
                        answer.status()
                    ),
                });
            }
            (StatusCode::UNAUTHORIZED, None) => {
                let why = credentials::why_none(self.credentials.as_deref(), target.host(), &to);
                return Err(Error::NoLogin { host: to, why });
            }
            (status, _) => return Err(Error::Remote(status.to_string())),
        }
        let (head, body) = answer.into_parts();
        let trouble = Arc::clone(&self.trouble);
        let broken_off = move |error: Box<dyn std::error::Error + Send + Sync>| {
            let error = match error.downcast::<http::Error>() {
                Ok(error) => Error::Https(*error),
                Err(_) => Error::TooManyRefs { limit: REFS },
            };
            trouble.lock().get_or_insert(error);
            io::ErrorKind::UnexpectedEof.into()
        };
        let limit = if lists_refs { crate::sabotage::most("q4", REFS_BYTES) } else { usize::MAX };
        let fails = Arc::clone(&self.trouble);
        let mut list = ListOfRefs::default();
        let body = body.map_frame(move |frame| {
            let piece = frame.data_ref().filter(|_| lists_refs);
            if let Some(error) = piece.and_then(|piece| list.take(piece)) {
                fails.lock().get_or_insert(error);
            }
            frame
        });
        let mut passed_on = Response::new(Limited::new(body, limit).map_err(broken_off).boxed());
        if let Some(kind) = head.headers.get(header::CONTENT_TYPE) {
            passed_on.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
        }
        Ok(passed_on)
    }

    /// Where the repository is instead.
    fn elsewhere(&self, target: &Target, rest: &str, answered: &Answered) -> Result<Target> {
        let location = answered.answer.headers().get(header::LOCATION);
        let location = location.and_then(|text| text.to_str().ok()).unwrap_or_default();
        let lost = || {
            Error::Remote(format!(
                "the repository is now at {}, which is not an address to fetch from",
                location.escape_debug()
            ))
        };
        let asked = format!("{}/{rest}", target.base);
        let new = Url::parse(&asked).and_then(|asked| asked.join(location));
        let new = new.ok().filter(|new| new.scheme() == "https").ok_or_else(lost)?;
        let base = new.as_str().strip_suffix(&format!("/{rest}")).ok_or_else(lost)?;
        let mut base = Url::parse(base).map_err(|_| lost())?;
        // A redirect must not bring a login of its own.
        let plain = base.set_username("").and_then(|()| base.set_password(None));
        plain.map_err(|()| lost())?;
        let mut new = Target::new(base, self.credentials.as_deref());
        new.wants_login = target.wants_login && new.host() == target.host();
        Ok(new)
    }
}

/// What a host answered, and which one.
struct Answered {
    answer: Response<BoxBody<Bytes, http::Error>>,
    to: String,
}

impl Target {
    fn new(base: Url, credentials: Option<&Path>) -> Self {
        let mut target = Self {
            base,
            login: None,
            wants_login: false,
        };
        let (host, port) = target.host();
        target.login = credentials.and_then(|file| stored_login(file, host, port));
        target
    }

    /// Name, IPv6 without brackets, and port.
    fn host(&self) -> (&str, u16) {
        let name = self.base.host_str().unwrap_or_default();
        let port = self.base.port_or_known_default().unwrap_or_default();
        (name.trim_start_matches('[').trim_end_matches(']'), port)
    }
}

fn closed(status: StatusCode) -> Response<BoxBody<Bytes, io::Error>> {
    let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *answer.status_mut() = status;
    answer
}
