//! Talks to a server of Git LFS: asks where objects are, and downloads them.
//!
//! The server of the repository's own host may be on any network, as the project names it. Everything
//! else that a server leads to has to be on the internet, unless the configuration names it: a
//! server's answer must not make us ask our neighbours.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;

use super::batch::{self, ANSWER_BYTES, BatchQuestion, MEDIA_TYPE, ObjectSource};
use super::cache::Cache;
use super::pointer::Pointer;
use crate::domain::OtherHost;
use crate::git::credentials::{self, GitLogin, stored_login};
use crate::git::error::{Error, Result};
use crate::git::url::RemoteUrl;
use crate::git::{CONNECT_TIMEOUT, GitOptions};
use crate::http::{self, Guard, Proxies, Tls};

/// How long a server may stay silent in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(60);
/// Pieces of an object that wait to be written.
const PIECES: usize = 16;
/// How often a server may send us elsewhere, or ask for a login.
const TURNS: usize = 5;
/// Headers that decide where a request goes or how its end is found: not a server's to set.
const OURS: [HeaderName; 4] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
];
/// Where a server is asked about objects, below its address.
const BATCH: &str = "/objects/batch";
const USER_AGENT: &str = concat!("git-lfs/3 (deployer/", env!("CARGO_PKG_VERSION"), ")");

/// The server that has a repository's files.
pub(super) struct LfsServer {
    base: Url,
    headers: BTreeMap<String, String>,
    login: Option<GitLogin>,
    credentials: Option<PathBuf>,
    tls: Tls,
    proxies: Proxies,
    /// The host of the repository.
    own_host: Option<String>,
    others: Vec<OtherHost>,
}

type Answer = Response<BoxBody<Bytes, http::Error>>;

impl LfsServer {
    /// The server at `base` of the repository at `remote`, with headers that its host gave us.
    ///
    /// # Errors
    /// When the certificates to trust cannot be read.
    pub(super) fn new(
        base: Url,
        headers: BTreeMap<String, String>,
        remote: &RemoteUrl,
        options: &GitOptions,
    ) -> Result<Self> {
        let (host, port) = place(&base);
        // A host that gave us headers of its own has seen a login already.
        let file = options
            .https_credentials
            .as_deref()
            .filter(|_| headers.is_empty() || crate::sabotage::on("l25"));
        Ok(Self {
            credentials: options.https_credentials.clone(),
            login: file.and_then(|file| stored_login(file, host, port)),
            tls: Tls::of_system(options.https_certificates.as_deref())?,
            proxies: options.proxies.clone(),
            own_host: remote.host().map(str::to_owned),
            others: options.other_hosts.clone(),
            headers,
            base,
        })
    }

    /// Asks where `objects` are, each with a path that names it in sentences.
    pub(super) async fn ask(&self, objects: &[(String, Pointer)]) -> Result<Vec<ObjectSource>> {
        let path = |at: usize| objects.get(at).map_or("", |(path, _)| path.as_str());
        let pointers: Vec<&Pointer> = objects.iter().map(|(_, pointer)| pointer).collect();
        let question = serde_json::to_vec(&BatchQuestion::about(pointers.iter().copied()))
            .map_err(|error| Error::Invalid(error.to_string()))?;
        let mut url = self.base.clone();
        url.set_path(&format!("{}{BATCH}", url.path().trim_end_matches('/')));
        let mut login = None;
        let answer = loop {
            let answer = self
                .send(Method::POST, &url, &self.headers, login, question.clone().into())
                .await?;
            match (answer.status(), login, &self.login) {
                (StatusCode::UNAUTHORIZED, None, Some(ours)) => login = Some(ours),
                _ => break answer,
            }
        };
        let status = answer.status();
        let body = self.whole(answer, path(0)).await?;
        if status != StatusCode::OK {
            return Err(self.refused(path(0), &url, status, &body));
        }
        batch::read(&body, &pointers).map_err(|(at, why)| wrong(path(at), why))
    }

    /// Brings the object at `source` into `cache`.
    pub(super) async fn download(
        &self,
        source: ObjectSource,
        path: &str,
        pointer: &Pointer,
        cache: &Cache,
    ) -> Result<()> {
        let answer = self.open(&source, path).await?;
        let mut incoming = cache.receive(path, pointer)?;
        let (pieces, mut received) = mpsc::channel::<Bytes>(PIECES);
        let writing = tokio::task::spawn_blocking(move || {
            while let Some(piece) = received.blocking_recv() {
                incoming.add(&piece)?;
            }
            incoming.finish()
        });
        let mut body = answer.into_body();
        loop {
            let Ok(frame) = timeout(crate::sabotage::most("u53", SILENCE), body.frame()).await else {
                let why = format!("the server sent nothing for {} s", SILENCE.as_secs());
                return Err(wrong(path, why));
            };
            let Some(frame) = frame else { break };
            if let Ok(data) = frame?.into_data()
                && pieces.send(data).await.is_err()
            {
                // The writer has ended, and says why.
                break;
            }
        }
        drop(pieces);
        writing.await.map_err(Error::Internal)?
    }

    /// The answer that has the object, after all that stood in its way.
    async fn open(&self, source: &ObjectSource, path: &str) -> Result<Answer> {
        let mut url = self.address(&source.href, path)?;
        let (mut headers, mut login) = (source.header.clone(), None);
        for _ in 0..(if crate::sabotage::on("l10") { 60 } else { TURNS }) {
            let answer = self
                .send(Method::GET, &url, &headers, login, Bytes::new())
                .await?;
            let status = answer.status();
            if status.is_redirection() {
                let location = answer.headers().get(header::LOCATION);
                let location = location.and_then(|text| text.to_str().ok()).unwrap_or_default();
                let next = url
                    .join(location)
                    .map_err(|_| wrong(path, "the server sent us nowhere".into()))?;
                let next = if crate::sabotage::on("l17") { next } else { self.address(next.as_str(), path)? };
                if place(&next) != place(&url) && !crate::sabotage::on("l4") {
                    (headers, login) = (BTreeMap::new(), None);
                }
                url = next;
            } else if status == StatusCode::UNAUTHORIZED
                && login.is_none()
                && self.login.is_some()
                && (place(&url) == place(&self.base) || crate::sabotage::on("l5"))
            {
                login = self.login.as_ref();
            } else if status == StatusCode::OK {
                return Ok(answer);
            } else {
                let body = self.whole(answer, path).await.unwrap_or_default();
                return Err(self.refused(path, &url, status, &body));
            }
        }
        Err(wrong(
            path,
            "the server sends us from one address to the next".into(),
        ))
    }

    /// An address that a server told us, if a request may go there.
    fn address(&self, text: &str, path: &str) -> Result<Url> {
        let url = Url::parse(text)
            .ok()
            .filter(|url| url.scheme() == "https" && (url.username().is_empty() && url.password().is_none() || crate::sabotage::on("l8")));
        url.ok_or_else(|| {
            let shown = batch::words(text.split('?').next().unwrap_or_default());
            wrong(
                path,
                format!("the server named “{shown}”, which is not an https:// address"),
            )
        })
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &BTreeMap<String, String>,
        login: Option<&GitLogin>,
        body: Bytes,
    ) -> Result<Answer> {
        let (name, port) = place(url);
        let host = http::Host {
            name: name.to_owned(),
            port,
            tls: Some(self.tls.clone()),
        };
        let is_question = method == Method::POST;
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, host.to_string())
            .header(header::USER_AGENT, USER_AGENT);
        if is_question {
            request = request
                .header(header::ACCEPT, MEDIA_TYPE)
                .header(header::CONTENT_TYPE, MEDIA_TYPE);
        }
        let invalid = |error: String| Error::Invalid(format!("A request to {host} cannot be sent: {error}."));
        let mut request = request
            .body(Full::new(body))
            .map_err(|error| invalid(error.to_string()))?;
        for (name, value) in headers {
            let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) else {
                return Err(invalid("the server named a header that is none".into()));
            };
            if !OURS.contains(&name) || crate::sabotage::on("l6") {
                request.headers_mut().insert(name, value);
            }
        }
        if let Some(login) = login {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, login.header()?);
        }
        let guard = self.guard(name, port);
        let way = (&guard, &self.proxies);
        let answer = timeout(crate::sabotage::most("u53", SILENCE), host.stream(request, way, CONNECT_TIMEOUT)).await;
        let late = |_| Error::Unreachable {
            host: host.to_string(),
            why: format!("it did not answer within {} s", SILENCE.as_secs()),
        };
        Ok(answer.map_err(late)??)
    }

    /// The addresses that a request to this host may go to.
    fn guard(&self, name: &str, port: u16) -> Guard {
        let is_own = self.own_host.as_deref().is_some_and(|own| {
            own.trim_start_matches('[')
                .trim_end_matches(']')
                .eq_ignore_ascii_case(name)
        });
        match is_own || self.others.iter().any(|other| other.is(name, port)) {
            true => Guard::open(),
            false if crate::sabotage::on("l3") => Guard::open(),
            false => Guard::public_and(Vec::new()),
        }
    }

    /// The whole of a short answer.
    async fn whole(&self, answer: Answer, path: &str) -> Result<Vec<u8>> {
        let (mut whole, mut body) = (Vec::new(), answer.into_body());
        while let Some(frame) = timeout(crate::sabotage::most("u53", SILENCE), body.frame())
            .await
            .map_err(|_| wrong(path, "the server's answer has no end".into()))?
        {
            let Ok(data) = frame?.into_data() else { continue };
            if whole.len() + data.len() > crate::sabotage::most("l18", ANSWER_BYTES) {
                return Err(wrong(
                    path,
                    format!("the server's answer is longer than {ANSWER_BYTES} bytes"),
                ));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole)
    }

    /// What `url` answered, and what may help.
    fn refused(&self, path: &str, url: &Url, status: StatusCode, body: &[u8]) -> Error {
        let (name, port) = place(url);
        let host = http::Host {
            name: name.to_owned(),
            port,
            tls: Some(self.tls.clone()),
        };
        let login = match (&self.login, status) {
            (None, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
                if self.headers.is_empty() =>
            {
                let why = credentials::why_none(self.credentials.as_deref(), (name, port), &host.to_string());
                format!(". If it is private: {why}")
            }
            _ => String::new(),
        };
        let way = match status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE
                if url.path().ends_with(BATCH) =>
            {
                ". There may be no Git LFS server: name the right address as lfs.url in .lfsconfig, or set the project to fetch nothing from LFS"
            }
            _ => "",
        };
        wrong(
            path,
            format!(
                "https://{host}{} answered {status}{}{way}{login}",
                url.path(),
                batch::reason(body)
            ),
        )
    }
}

fn wrong(path: &str, why: String) -> Error {
    Error::lfs_file(path, why)
}

/// Name, IPv6 without brackets, and port.
fn place(url: &Url) -> (&str, u16) {
    let name = url.host_str().unwrap_or_default();
    let name = name.trim_start_matches('[').trim_end_matches(']');
    (name, url.port_or_known_default().unwrap_or_default())
}
