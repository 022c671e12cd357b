//! A real HAProxy on free loopback ports, in front of real backends, ended when dropped.
//!
//! ```ignore
//! let web1 = Backend::start("web1").await;
//! let haproxy = Haproxy::builder().backend("web", &[("web1", web1.port)]).start().await;
//! let balancer = haproxy.balancer("runtime");
//! ```
//! Every backend has a frontend of its own ([`Haproxy::url`]), and each server is checked with
//! `GET /health` every 100 ms. There are runtime sockets of every level, over TCP too, and a
//! statistics page with user and password. Two HAProxies share backends when they are built with the
//! same ones; [`row`] makes one balancer of several.
#![allow(
    clippy::disallowed_methods,
    reason = "a test's server is a plain child that lives as long as its handle"
)]

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deployer::balancer::{BalancerClient, Limits, Options};
use deployer::domain::{self, BalancerId};
use tempfile::TempDir;

use super::tls::Identity;

/// How long HAProxy may take to listen on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How often to look whether it does.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Who may see the statistics page.
pub const USER: &str = "ops";
/// With which password.
pub const PASSWORD: &str = "s3cret:/@";

/// What a test wants of its balancer.
pub struct Builder {
    backends: Vec<(String, Vec<(String, u16)>)>,
    checked: bool,
    server_options: Vec<(String, String)>,
    lines: Vec<String>,
    fall: u32,
    tls: bool,
}

/// A running HAProxy.
pub struct Haproxy {
    dir: TempDir,
    ports: Ports,
    tls: bool,
    backends: Vec<(String, Vec<(String, u16)>)>,
    child: Option<Child>,
}

struct Ports {
    runtime: u16,
    stats: u16,
    stats_view: u16,
    fronts: Vec<u16>,
}

impl Builder {
    /// A backend with its servers: name and port on 127.0.0.1.
    pub fn backend(mut self, name: &str, servers: &[(&str, u16)]) -> Self {
        let servers = servers.iter().map(|(name, port)| (name.to_string(), *port));
        self.backends.push((name.to_owned(), servers.collect()));
        self
    }

    /// Nobody checks the servers.
    pub fn unchecked(mut self) -> Self {
        self.checked = false;
        self
    }

    /// The statistics page that may change things is reached over https, and shows
    /// [`Haproxy::certificate`].
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Failed checks after which a server is down; 2 unless set.
    pub fn fall(mut self, fall: u32) -> Self {
        self.fall = fall;
        self
    }

    /// The servers of a backend have these words in place of their checks.
    pub fn server_options_of(mut self, backend: &str, words: &str) -> Self {
        self.server_options.push((backend.to_owned(), words.to_owned()));
        self
    }

    /// What fails once has failed: no request is tried again, here or at another server.
    pub fn honest(self) -> Self {
        self.line("retries 0").line("no option redispatch")
    }

    /// A further line for every backend.
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Starts it and waits until it listens. Servers may not have been checked yet; see
    /// [`BalancerClient::wait_up`].
    pub async fn start(self) -> Haproxy {
        let dir = TempDir::new().expect("a temporary directory");
        let mut free = free_ports(3 + self.backends.len());
        let fronts = free.split_off(3);
        let ports = Ports {
            runtime: free[0],
            stats: free[1],
            stats_view: free[2],
            fronts,
        };
        if self.tls {
            make_certificate(dir.path());
        }
        fs::write(dir.path().join("haproxy.cfg"), self.config(dir.path(), &ports)).expect("written");
        let login: String = url::form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect();
        let lines = [ports.stats, ports.stats_view].map(|port| {
            format!(
                "{}://{USER}:{login}@127.0.0.1:{port}\n",
                scheme(self.tls && port == ports.stats)
            )
        });
        fs::write(dir.path().join("credentials"), lines.concat()).expect("written");
        let mut haproxy = Haproxy {
            dir,
            ports,
            tls: self.tls,
            backends: self.backends,
            child: None,
        };
        haproxy.start_again().await;
        haproxy
    }

    fn config(&self, dir: &Path, ports: &Ports) -> String {
        let dir = dir.display();
        let secure = match self.tls {
            true => format!(" ssl crt {dir}/both.pem"),
            false => String::new(),
        };
        let mut text = format!(
            "global\n  stats socket {dir}/admin.sock level admin\n  stats socket {dir}/operator.sock level operator\n  \
             stats socket {dir}/user.sock level user\n  stats socket ipv4@127.0.0.1:{} level admin\n  \
             stats timeout 10s\n  hard-stop-after 1s\n\
             defaults\n  mode http\n  timeout connect 1s\n  timeout client 60s\n  timeout server 60s\n  \
             timeout queue 5s\n  option redispatch\n  retries 3\n\
             frontend stats\n  bind 127.0.0.1:{}{secure}\n  stats enable\n  stats uri /stats\n  stats auth {USER}:{PASSWORD}\n  \
             stats admin if TRUE\n\
             frontend stats-view\n  bind 127.0.0.1:{}\n  stats enable\n  stats uri /stats\n  stats auth {USER}:{PASSWORD}\n",
            ports.runtime, ports.stats, ports.stats_view
        );
        for ((name, servers), port) in self.backends.iter().zip(&ports.fronts) {
            let _ = writeln!(
                text,
                "frontend to-{name}\n  bind 127.0.0.1:{port}\n  default_backend {name}"
            );
            let _ = writeln!(text, "backend {name}\n  option httpchk GET /health");
            for line in &self.lines {
                let _ = writeln!(text, "  {line}");
            }
            let own = self.server_options.iter().find(|(of, _)| of == name);
            let words = match (own, self.checked) {
                (Some((_, words)), _) => words.clone(),
                (None, true) => format!(
                    "check inter 100ms fastinter 100ms downinter 100ms rise 2 fall {}",
                    self.fall
                ),
                (None, false) => String::new(),
            };
            for (server, port) in servers {
                let _ = writeln!(text, "  server {server} 127.0.0.1:{port} {words}");
            }
        }
        text
    }
}

impl Haproxy {
    /// One without backends yet.
    pub fn builder() -> Builder {
        Builder {
            backends: Vec::new(),
            checked: true,
            server_options: Vec::new(),
            lines: Vec::new(),
            fall: 2,
            tls: false,
        }
    }

    /// Where the clients of a backend knock, without a slash at the end.
    pub fn url(&self, backend: &str) -> String {
        let place = self.backends.iter().position(|(name, _)| name == backend);
        let port = self.ports.fronts[place.expect("one of its backends")];
        format!("http://127.0.0.1:{port}")
    }

    /// The socket of a level: `admin`, `operator` or `user`.
    pub fn socket(&self, level: &str) -> PathBuf {
        self.dir.path().join(format!("{level}.sock"))
    }

    /// The Runtime API over TCP, level admin.
    pub fn tcp(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.ports.runtime)
    }

    /// The statistics page that may change things.
    pub fn stats_url(&self) -> String {
        format!("{}://127.0.0.1:{}/stats", scheme(self.tls), self.ports.stats)
    }

    /// The statistics page for looking only.
    pub fn stats_view_url(&self) -> String {
        format!("http://127.0.0.1:{}/stats", self.ports.stats_view)
    }

    /// The file with the passwords of both pages.
    pub fn credentials(&self) -> PathBuf {
        self.dir.path().join("credentials")
    }

    /// The certificate of [`Builder::tls`].
    pub fn certificate(&self) -> PathBuf {
        self.dir.path().join("certificate.pem")
    }

    /// The endpoint for a kind of balancer: the admin socket or the page that may change things.
    pub fn endpoint(&self, kind: &str) -> String {
        match kind {
            "stats" => self.stats_url(),
            _ => format!("unix:{}", self.socket("admin").display()),
        }
    }

    /// A balancer of that kind that speaks to this HAProxy alone.
    pub fn balancer(&self, kind: &str) -> BalancerClient {
        open(kind, &[self.endpoint(kind)], Some(&self.credentials()))
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Kills it at once; every connection breaks.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again after [`Haproxy::stop`]; what was changed at run time is forgotten.
    pub async fn start_again(&mut self) {
        let log = fs::File::create(self.dir.path().join("haproxy.log")).expect("a log file");
        let child = Command::new("/usr/sbin/haproxy")
            .args(["-db", "-f"])
            .arg(self.dir.path().join("haproxy.cfg"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("haproxy is installed");
        self.child = Some(child);
        let begun = Instant::now();
        while !self.listens() {
            assert!(
                begun.elapsed() < START_LIMIT,
                "haproxy does not listen: {}",
                self.log()
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("haproxy.log")).unwrap_or_default()
    }

    fn listens(&self) -> bool {
        let tcp = [self.ports.runtime, self.ports.stats, self.ports.stats_view];
        let mut all = tcp.iter().chain(&self.ports.fronts);
        all.all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
            && UnixStream::connect(self.socket("admin")).is_ok()
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The stored row of a balancer with these endpoints.
pub fn row(kind: &str, endpoints: &[String]) -> domain::Balancer {
    domain::Balancer {
        id: BalancerId(1),
        name: "edge".parse().expect("a name"),
        kind: kind.to_owned(),
        endpoints: endpoints.to_vec(),
        settings: serde_json::json!({}),
    }
}

/// A balancer with these endpoints, in less of a hurry to give up than a test can wait for.
pub fn open(kind: &str, endpoints: &[String], credentials: Option<&Path>) -> BalancerClient {
    let options = Options {
        credentials: credentials.map(Path::to_owned),
        limits: Limits {
            retry: Duration::from_secs(1),
            ..Limits::default()
        },
        ..Options::default()
    };
    BalancerClient::open(&row(kind, endpoints), &options).expect("good endpoints")
}

fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

/// Makes `certificate.pem` and, with its key, `both.pem`.
fn make_certificate(dir: &Path) {
    let made = Identity::new(dir, "IP:127.0.0.1");
    let parts = [made.certificate, made.key].map(|file| fs::read_to_string(file).expect("made"));
    fs::write(dir.join("both.pem"), parts.concat()).expect("written");
}

/// Ports that are free now, below those the system gives out by itself: what is started between the
/// choice and the use cannot be given one of them.
pub fn free_ports(count: usize) -> Vec<u16> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    while listeners.len() < count {
        let port: u16 = rand::random_range(12_000..32_000);
        listeners.extend(TcpListener::bind(("127.0.0.1", port)));
    }
    let port = |listener: &TcpListener| listener.local_addr().expect("its address").port();
    listeners.iter().map(port).collect()
}
