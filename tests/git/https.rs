//! Fetching over HTTPS, from Git's own program behind a small TLS server.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use deployer::git::{Error, GitOptions, check_url, probe};
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, WWW_AUTHENTICATE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::{AbortHandle, JoinSet};

use super::fetches::is_let_go;
use super::support::{Origin, fetch};
use crate::support::tls::Identity;

/// `ada:a token`, as a request carries it.
pub const LOGIN: &str = "Basic YWRhOmEgdG9rZW4=";

pub type Answer = Response<BoxBody<Bytes, Infallible>>;

/// A Git host on the loopback. `/open/…` is for everybody, `/private/…` for Ada, `/moved/…` is at
/// `/private/…` now, `/away/…` on another name of this host, `/round/…` nowhere; `/half/…` falls silent in
/// the middle of its answer, and `/endless/…` lists branches for ever.
pub struct GitHost {
    pub port: u16,
    pub certificate: PathBuf,
    /// Each request: its host, path and login.
    asked: Arc<Mutex<Vec<String>>>,
    serving: AbortHandle,
}

impl Drop for GitHost {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl GitHost {
    pub async fn serving(origin: &Origin) -> Self {
        Self::showing(
            Identity::new(origin.dir.path(), "DNS:localhost,IP:127.0.0.1"),
            origin,
        )
        .await
    }

    pub async fn showing(identity: Identity, origin: &Origin) -> Self {
        let acceptor = identity.acceptor();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, root) = (Arc::new(Mutex::new(Vec::new())), origin.dir.path().to_owned());
        let told = asked.clone();
        let serving = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, told, root) = (acceptor.clone(), told.clone(), root.clone());
                open.spawn(async move {
                    let Ok(socket) = acceptor.accept(socket).await else {
                        return;
                    };
                    let service = service_fn(move |request| {
                        let (told, root) = (told.clone(), root.clone());
                        async move { Ok::<_, Infallible>(answer(request, port, &root, &told).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        Self {
            port,
            certificate: identity.certificate,
            asked,
            serving: serving.abort_handle(),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/{path}/origin", self.port)
    }

    /// Trusts it, with the lines of a credentials file.
    pub fn options(&self, lines: &str) -> GitOptions {
        let file = self.certificate.with_file_name("credentials");
        fs::write(&file, lines).unwrap();
        GitOptions {
            https_certificates: Some(self.certificate.clone()),
            https_credentials: Some(file),
            fetch_timeout: Duration::from_secs(30),
            ..GitOptions::default()
        }
    }

    pub fn login(&self) -> String {
        format!(
            "https://ada:wrong@127.0.0.1\nhttps://ada:wrong@localhost:{0}\nhttps://ada:a%20token@127.0.0.1:{0}\n",
            self.port
        )
    }

    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

pub fn short(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(b"no")).boxed());
    *answer.status_mut() = status;
    answer
}

pub fn sent_to(location: String) -> Answer {
    let mut answer = short(StatusCode::MOVED_PERMANENTLY);
    answer.headers_mut().insert(LOCATION, location.parse().unwrap());
    answer
}

async fn answer(request: Request<Incoming>, port: u16, root: &Path, asked: &Mutex<Vec<String>>) -> Answer {
    let header = |name| {
        request
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let (host, login) = (header(HOST).to_owned(), header(AUTHORIZATION).to_owned());
    let path = request.uri().path_and_query().unwrap().as_str().to_owned();
    asked.lock().unwrap().push(format!("{host}{path} {login}"));
    let (area, rest) = path[1..].split_once('/').unwrap();
    if rest.contains("/info/lfs/") || area == "objects" {
        let headers = request.headers().clone();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        return super::lfs_server::answer(&path, &headers, &body, port, root);
    }
    match area {
        "open" => http_backend(root, rest, request).await,
        "private" if login == LOGIN => http_backend(root, rest, request).await,
        "private" => {
            let mut answer = short(StatusCode::UNAUTHORIZED);
            answer
                .headers_mut()
                .insert(WWW_AUTHENTICATE, "Basic realm=\"git\"".parse().unwrap());
            answer
        }
        "moved" => sent_to(format!("/private/{rest}")),
        "away" => sent_to(format!("https://localhost:{port}/private/{rest}")),
        "plain" => sent_to(format!("http://127.0.0.1:{port}/open/{rest}")),
        "round" => sent_to(format!("/round/{rest}")),
        "half" => half(http_backend(root, rest, request).await).await,
        "endless" => endless(),
        _ => short(StatusCode::NOT_FOUND),
    }
}

/// What begins like `answer` and goes on for ever.
async fn half(answer: Answer) -> Answer {
    let (head, body) = answer.into_parts();
    let whole = body.collect().await.unwrap().to_bytes();
    let begin = stream::iter([Ok(Frame::data(whole.slice(..whole.len() / 2)))]);
    let body = StreamBody::new(stream::StreamExt::chain(begin, stream::pending()));
    Response::from_parts(head, BoxBody::new(body))
}

/// A list of refs without end.
fn endless() -> Answer {
    let packet = |text: String| format!("{:04x}{text}", text.len() + 4);
    let commit = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32";
    let first = packet(format!("{commit} HEAD\0ofs-delta\n"));
    let begin = format!("{}0000{first}", packet("# service=git-upload-pack\n".to_owned()));
    let more = Bytes::from(packet(format!("{commit} refs/heads/main\n")).repeat(1000));
    let begin = stream::iter([Ok(Frame::data(Bytes::from(begin)))]);
    let more = stream::repeat_with(move || Ok(Frame::data(more.clone())));
    let body = StreamBody::new(stream::StreamExt::chain(begin, more));
    let mut answer = Response::new(BoxBody::new(body));
    let kind = "application/x-git-upload-pack-advertisement";
    answer.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
    answer
}

/// Lets `git http-backend` answer.
async fn http_backend(root: &Path, rest: &str, request: Request<Incoming>) -> Answer {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let kind = request.headers().get(CONTENT_TYPE);
    let mut backend = Command::new("git")
        .args(["http-backend"])
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", format!("/{path}"))
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", request.method().as_str())
        .env("CONTENT_TYPE", kind.map_or("", |kind| kind.to_str().unwrap()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut stdin = backend.stdin.take().unwrap();
    stdin.write_all(&body).await.unwrap();
    drop(stdin);
    let out = backend.wait_with_output().await.unwrap().stdout;
    let at = out.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(&out[at + 4..])).boxed());
    for line in std::str::from_utf8(&out[..at]).unwrap().lines() {
        match line.split_once(": ").unwrap() {
            ("Status", status) => *answer.status_mut() = status[..3].parse().unwrap(),
            ("Content-Type", kind) => {
                answer.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
            }
            _ => {}
        }
    }
    answer
}

#[tokio::test]
async fn a_private_repository_is_fetched_with_the_login_stored_for_its_host_and_port() {
    let mut origin = Origin::new();
    origin.write("a file", "content");
    let first = origin.commit("one");
    let host = GitHost::serving(&origin).await;
    let mirror = origin.mirror_of(&host.url("private"), host.options(&host.login()));

    assert_eq!(fetch(&mirror).await.unwrap(), 1);

    assert_eq!(mirror.branches().await.unwrap().len(), 1);
    assert_eq!(mirror.resolve("main").await.unwrap().id.as_str(), first);
    let asked = host.asked();
    assert!(
        asked[0].ends_with("service=git-upload-pack "),
        "it is not sent before somebody asks for it: {asked:?}"
    );
    assert!(asked.len() > 1, "{asked:?}");
    assert!(asked[1..].iter().all(|one| one.ends_with(LOGIN)), "{asked:?}");

    origin.write(
        "noise",
        (0..400_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>(),
    );
    let second = origin.commit("two");
    assert_eq!(fetch(&mirror).await.unwrap(), 1);
    assert_eq!(mirror.resolve("main").await.unwrap().id.as_str(), second);
    assert_eq!(fetch(&mirror).await.unwrap(), 0);

    // Credentials that nobody asks for do no harm.
    let (open, options) = (check_url(&host.url("open")).unwrap(), host.options(&host.login()));
    assert_eq!(probe(&open, &options).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_followed_to_https_without_the_login() {
    let mut origin = Origin::new();
    let first = origin.commit("one");
    let host = GitHost::serving(&origin).await;
    let moved = origin.mirror_of(&host.url("moved"), host.options(&host.login()));
    fetch(&moved).await.unwrap();
    assert_eq!(moved.resolve("main").await.unwrap().id.as_str(), first);

    host.asked();
    let ask = async |path: &str, lines: &str| {
        let url = check_url(&host.url(path)).unwrap();
        probe(&url, &host.options(lines))
            .await
            .map(|branches| branches.len())
    };
    let only_here = format!("https://ada:a%20token@127.0.0.1:{}", host.port);
    let error = ask("away", &only_here).await.unwrap_err().to_string();
    assert!(
        error.contains("localhost") && error.contains("wants a login"),
        "{error}"
    );
    let asked = host.asked();
    assert!(asked.iter().any(|one| one.starts_with("localhost:")), "{asked:?}");
    assert!(!asked.iter().any(|one| one.contains("Basic")), "{asked:?}");
    let both = format!("{only_here}\nhttps://ada:a%20token@localhost:{}", host.port);
    assert_eq!(ask("away", &both).await.unwrap(), 1);

    let error = ask("plain", &both).await.unwrap_err().to_string();
    assert!(error.contains("is not an address to fetch from"), "{error}");
    let error = ask("round", &both).await.unwrap_err().to_string();
    assert!(error.contains("it redirects too often"), "{error}");
}

#[tokio::test]
async fn what_the_git_host_refuses_is_reported_plainly() {
    let mut origin = Origin::new();
    origin.commit("one");
    let host = GitHost::serving(&origin).await;
    let error = async |path: &str, options: GitOptions| {
        let url = check_url(&host.url(path)).unwrap();
        probe(&url, &options).await.unwrap_err().to_string()
    };
    let elsewhere = host.options("https://ada:a%20token@127.0.0.1:1\n");
    let none = error("private", elsewhere).await;
    let file = host.certificate.with_file_name("credentials");
    assert_eq!(
        none,
        format!(
            "The Git host 127.0.0.1:{0} wants a login: the repository is private or does not exist, and the file {1}, which git.https_credentials names, has no line https://user:token@127.0.0.1:{0}; its line 1 is for port 1.",
            host.port,
            file.display()
        )
    );
    let wrong = host.options(&format!("https://ada:secret@127.0.0.1:{}\n", host.port));
    assert_eq!(
        error("private", wrong).await,
        format!(
            "The Git host 127.0.0.1:{} refused to let “ada” in: it answered 401 Unauthorized to the login in the file git.https_credentials.",
            host.port
        )
    );
    assert_eq!(
        error("nowhere", host.options("")).await,
        "The Git host answered: “404 Not Found”"
    );
    host.asked();
    let round = error("round", host.options("")).await;
    let asked = host.asked().len();
    assert!((2..=5).contains(&asked), "{round}: asked {asked} times");
    let stranger = GitOptions {
        https_certificates: None,
        ..host.options("")
    };
    assert_eq!(
        error("open", stranger).await,
        format!(
            "There is no secure connection to 127.0.0.1:{}: its certificate is signed by nobody we trust. If it is the right one, put it, or that of the authority which signed it, into the file that the configuration names as git.https_certificates (PEM).",
            host.port
        )
    );
    let port = host.port;
    drop(host);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let gone = check_url(&format!("https://127.0.0.1:{port}/x")).unwrap();
    let gone = probe(&gone, &GitOptions::default()).await.unwrap_err();
    assert!(gone.to_string().contains("nothing listens there"), "{gone}");
}

#[tokio::test]
async fn a_silent_host_blocks_neither_its_thread_nor_its_mirror() {
    let mut origin = Origin::new();
    origin.commit("one");
    let host = GitHost::serving(&origin).await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("https://127.0.0.1:{}/x", silent.local_addr().unwrap().port());
    for url in [silent, host.url("half")] {
        let impatient = GitOptions {
            fetch_timeout: Duration::from_millis(500),
            ..host.options("")
        };
        let mirror = origin.mirror_of(&url, impatient);
        let started = Instant::now();
        assert!(
            matches!(fetch(&mirror).await, Err(Error::Timeout { .. })),
            "{url}"
        );
        assert!(started.elapsed() < Duration::from_secs(3));
        assert!(is_let_go(&mirror).await, "{url} is still being fetched");
    }
}
