//! A real OpenSSH server on a free loopback port, with keys of its own, ended when dropped.
//!
//! Logins go to the account the tests run as; [`Sshd::dir`] is a fresh directory for whatever a
//! test wants to deploy there.
#![allow(
    clippy::disallowed_methods,
    reason = "a test's server is a plain child that lives as long as its handle"
)]

use std::ffi::OsString;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deployer::domain::HostKey;
use deployer::handshake::keys::KeyFiles;
use deployer::ssh::{Connections, Endpoint, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long sshd may take to listen on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a test wants of its server; [`Sshd::start`] is the plain one.
pub struct Builder {
    host_keys: Vec<&'static str>,
    pinned: usize,
    client_key: &'static str,
    shared_client_key: Option<PathBuf>,
    listeners: usize,
    lines: Vec<String>,
    within: Vec<OsString>,
}

/// A running sshd.
pub struct Sshd {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// All ports, the first included.
    pub ports: Vec<u16>,
    /// The key it shows (the chosen one of several).
    pub host_key: HostKey,
    /// A private key that it accepts.
    pub client_key: PathBuf,
    /// The account to log in as.
    pub user: String,
    dir: TempDir,
    child: Child,
    within: Vec<OsString>,
}

impl Builder {
    /// Host keys by type (`ed25519`, `ecdsa`, `rsa`), and which of them is [`Sshd::host_key`].
    pub fn host_keys(mut self, types: &[&'static str], pinned: usize) -> Self {
        self.host_keys = types.to_vec();
        self.pinned = pinned;
        self
    }

    /// Type of the client's key.
    pub fn client_key(mut self, kind: &'static str) -> Self {
        self.client_key = kind;
        self
    }

    /// Accepts this existing private key (its `.pub` beside it) instead of a new one: for fleets.
    pub fn accept(mut self, private_key: &Path) -> Self {
        self.shared_client_key = Some(private_key.to_owned());
        self
    }

    /// Listens on so many ports.
    pub fn listeners(mut self, count: usize) -> Self {
        self.listeners = count;
        self
    }

    /// A further line for `sshd_config`.
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Starts it by a program that prepares its surroundings and then becomes sshd.
    pub fn within(mut self, program: Vec<OsString>) -> Self {
        self.within = program;
        self
    }

    /// Runs every command as another account, which is not root and may write below `srv` in
    /// [`Sshd::dir`], under the umask `umask`. Only root can do that.
    pub async fn start_as(self, account: u32, umask: &str) -> Sshd {
        let switch = format!("setpriv --reuid={account} --regid={account} --clear-groups");
        let command = format!("umask {umask}; exec {switch} sh -c \"$SSH_ORIGINAL_COMMAND\"");
        let sshd = self.line(&format!("ForceCommand {command}")).start().await;
        fs::set_permissions(sshd.dir(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let work = sshd.dir().join("srv");
        fs::create_dir(&work).expect("it is new");
        std::os::unix::fs::chown(&work, Some(account), Some(account)).expect("this is root");
        sshd
    }

    /// Starts it and waits until it listens.
    pub async fn start(self) -> Sshd {
        tokio::task::spawn_blocking(|| self.start_now())
            .await
            .expect("sshd starts")
    }

    fn start_now(self) -> Sshd {
        let dir = TempDir::new().expect("a temporary directory");
        let _ = fs::DirBuilder::new().mode(0o755).create("/run/sshd");
        let host_keys: Vec<PathBuf> = self
            .host_keys
            .iter()
            .map(|kind| keygen(dir.path(), &format!("host_{kind}"), kind))
            .collect();
        let client_key = self
            .shared_client_key
            .unwrap_or_else(|| keygen(dir.path(), "client", self.client_key));
        let home = dir.path().join("home");
        fs::create_dir(&home).expect("a home");
        let accepted = dir.path().join("authorized_keys");
        fs::copy(client_key.with_extension("pub"), &accepted).expect("the public key is beside it");
        // Whoever else logs in is refused, also where everybody may look into this directory.
        fs::set_permissions(&accepted, fs::Permissions::from_mode(0o600)).expect("it is ours");
        let ports = free_ports(self.listeners);
        let config = dir.path().join("sshd_config");
        // The first value of a setting counts; what stands below a `Match` counts for that alone.
        let plain = self.lines.iter().take_while(|line| !line.starts_with("Match"));
        let (plain, matched) = self.lines.split_at(plain.count());
        let keys = host_keys.iter().map(|key| format!("HostKey {}\n", key.display()));
        let mut text = format!(
            "{}{}\nListenAddress 127.0.0.1\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             SetEnv HOME={}\n",
            keys.collect::<String>(),
            plain.join("\n"),
            accepted.display(),
            home.display()
        );
        text.extend(ports.iter().map(|port| format!("Port {port}\n")));
        fs::write(&config, text + matched.join("\n").as_str()).expect("the configuration is written");
        let log = fs::File::create(dir.path().join("sshd.log")).expect("a log file");
        let child = listen(&self.within, &config, log);
        let mut sshd = Sshd {
            port: ports[0],
            host_key: pinned(&host_keys[self.pinned].with_extension("pub")),
            client_key,
            user: output(Command::new("id").arg("-un")),
            dir,
            child,
            ports,
            within: self.within,
        };
        sshd.wait_until_it_listens();
        sshd
    }
}

impl Sshd {
    /// A server with an ed25519 host key that accepts one ed25519 key.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A server with wishes.
    pub fn builder() -> Builder {
        Builder {
            host_keys: vec!["ed25519"],
            pinned: 0,
            client_key: "ed25519",
            shared_client_key: None,
            listeners: 1,
            lines: Vec::new(),
            within: Vec::new(),
        }
    }

    /// A fresh directory of this server's own.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// `HOME` of those who log in, so that no start-up files of this machine are read. The
    /// directory that commands start in is the account's real home all the same.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// How the program names this server, with its host key pinned.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            name: "web1".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: self.user.clone(),
            host_key: Some(self.host_key.clone()),
            key: None,
            legacy: false,
            via: None,
        }
    }

    /// A pool that logs in here.
    pub fn pool(&self) -> Connections {
        Connections::new(self.options())
    }

    /// The options of [`Sshd::pool`].
    pub fn options(&self) -> Options {
        Options {
            keys: keys(&[&self.client_key]),
            ..Options::default()
        }
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("sshd.log")).unwrap_or_default()
    }

    /// Breaks every connection without a word. Commands that run there are not touched.
    pub fn kill_connections(&self) {
        for pid in children(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    /// The power is off: nothing listens, and everything that ran here is gone.
    pub fn go_down(&mut self) {
        let sessions = descendants(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in sessions {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    /// And on again.
    pub fn come_back(&mut self) {
        let log = fs::File::create(self.dir.path().join("sshd.log")).expect("a log file");
        self.child = listen(&self.within, &self.dir.path().join("sshd_config"), log);
        self.wait_until_it_listens();
    }

    /// Every connection stays open and nobody answers on it any more; what runs there stands still.
    pub fn hang(&self) {
        for pid in descendants(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGSTOP);
        }
    }

    /// How many connections it serves.
    pub fn connections(&self) -> usize {
        children(self.child.id()).len()
    }

    /// How many processes run below it: connections and their commands.
    pub fn processes(&self) -> usize {
        descendants(self.child.id()).len()
    }

    fn wait_until_it_listens(&mut self) {
        let start = Instant::now();
        while !self
            .ports
            .iter()
            .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        {
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(
                ended.is_none() && start.elapsed() < START_LIMIT,
                "sshd does not listen: {}",
                self.log()
            );
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Sshd {
    /// The power is off, and no process of a script is left behind.
    fn drop(&mut self) {
        self.go_down();
        if !std::thread::panicking() {
            super::leftovers::assert_none(self.dir.path());
        }
    }
}

fn listen(within: &[OsString], config: &Path, log: fs::File) -> Child {
    let sshd = ["/usr/sbin/sshd", "-D", "-e", "-f"].map(OsString::from);
    let mut words = within.iter().chain(&sshd);
    Command::new(words.next().expect("a program"))
        .args(words)
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("sshd is installed")
}

/// Whether commands can be run as another account here; said where they cannot.
#[allow(clippy::print_stderr, reason = "a test that did not run should be seen")]
pub fn is_root() -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    if !is_root {
        eprintln!("SKIPPED: only root can run commands as another account");
    }
    is_root
}

/// These files of private keys, in order.
pub fn keys(files: &[&Path]) -> KeyFiles {
    KeyFiles {
        files: files.iter().map(|file| (*file).to_owned()).collect(),
        directory: None,
    }
}

/// Makes a key pair `dir/name` and `dir/name.pub` with `ssh-keygen`.
pub fn keygen(dir: &Path, name: &str, kind: &str) -> PathBuf {
    let path = dir.join(name);
    let bits: &[&str] = if kind == "rsa" { &["-b", "2048"] } else { &[] };
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", kind, "-N", "", "-C", "test", "-f"])
        .arg(&path)
        .args(bits);
    // A few ECDSA keys cannot be read; `tests/ssh/keys.rs` has one of them.
    loop {
        output(&mut command);
        if russh::keys::load_secret_key(&path, None).is_ok() {
            return path;
        }
        fs::remove_file(&path).expect("a key");
    }
}

/// The public key in `file` as somebody would have pinned it.
pub fn pinned(file: &Path) -> HostKey {
    let line = fs::read_to_string(file).expect("a public key");
    let openssh = line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let listing = output(Command::new("ssh-keygen").arg("-lf").arg(file));
    HostKey {
        openssh,
        fingerprint: listing
            .split_whitespace()
            .nth(1)
            .expect("a fingerprint")
            .to_owned(),
        pinned_at: "2026-11-22T12:00:00Z".parse().expect("an instant"),
        pinned_by: "alice".to_owned(),
    }
}

fn output(command: &mut Command) -> String {
    let done = command.output().expect("it can be started");
    assert!(
        done.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// Ports that were free a moment ago, all different.
fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<_> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    held.iter()
        .map(|listener| listener.local_addr().expect("bound").port())
        .collect()
}

/// Every process below `root`, nearest first.
fn descendants(root: u32) -> Vec<i32> {
    let mut found = children(root);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid.unsigned_abs()));
        next += 1;
    }
    found
}

fn children(of: u32) -> Vec<i32> {
    let pids = fs::read_dir("/proc").into_iter().flatten();
    pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| parent(*pid).is_some_and(|parent| parent.unsigned_abs() == of))
        .collect()
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows the last one is numbers.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
