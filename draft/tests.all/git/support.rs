//! Repositories made by the real `git`, and a real sshd that serves them.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use deployer::domain::ProjectId;
use deployer::git::{GitOptions, Mirror, Mirrors, check_url};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::sshd::keys;

/// A working repository, and a directory for everything else.
pub struct Origin {
    pub dir: TempDir,
    clock: u32,
}

impl Origin {
    pub fn new() -> Self {
        let origin = Self {
            dir: tempfile::tempdir().unwrap(),
            clock: 1_700_000_000,
        };
        std::fs::create_dir(origin.path()).unwrap();
        origin.git(&["init", "-q", "-b", "main"]);
        origin
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("origin")
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        let time = format!("{} +0000", self.clock);
        command.args(args).current_dir(self.path());
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        command
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@example.com");
        command
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@example.com");
        command
            .env("GIT_AUTHOR_DATE", &time)
            .env("GIT_COMMITTER_DATE", &time);
        command
    }

    pub fn git(&self, args: &[&str]) -> String {
        let out = self.command(args).output().unwrap();
        assert!(
            out.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// Runs git with `input` on its standard input.
    pub fn git_with(&self, args: &[&str], input: &[u8]) -> String {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "git {args:?}");
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Commits everything there is, a minute after the last time, and gives the hash.
    pub fn commit(&mut self, message: &str) -> String {
        self.clock += 60;
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn mirror_of(&self, url: &str, options: GitOptions) -> Mirror {
        let options = GitOptions {
            local_directories: anywhere().local_directories,
            ..options
        };
        let mirrors = Mirrors::new(self.dir.path().join("mirrors"), options);
        mirrors.mirror(ProjectId(7), &check_url(url).unwrap())
    }

    pub fn mirror(&self) -> Mirror {
        self.mirror_of(&self.url(), GitOptions::default())
    }

    pub async fn fetched(&self) -> Mirror {
        let mirror = self.mirror();
        fetch(&mirror).await.unwrap();
        mirror
    }

    /// What `git archive` makes of a commit.
    pub fn archive(&self, commit: &str, into: &str) -> PathBuf {
        let into = self.dir.path().join(into);
        std::fs::create_dir(&into).unwrap();
        let tar = self.dir.path().join("archive.tar");
        self.git(&["archive", "-o", tar.to_str().unwrap(), commit]);
        let unpacked = Command::new("tar")
            .arg("xpf")
            .arg(&tar)
            .arg("-C")
            .arg(&into)
            .status();
        assert!(unpacked.unwrap().success());
        into
    }
}

/// Repositories may be anywhere on this host.
pub fn anywhere() -> GitOptions {
    GitOptions {
        local_directories: vec!["/".into()],
        ..GitOptions::default()
    }
}

pub async fn fetch(mirror: &Mirror) -> deployer::git::Result<usize> {
    mirror.fetch(&CancellationToken::new()).await
}

/// Path, kind, mode, time and content hash of everything below `dir`.
pub fn listing(dir: &Path) -> String {
    let script = "cd \"$1\" && find . -printf '%P\\t%y %m %T@ %l\\0' | LC_ALL=C sort -z; \
                  find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum";
    let out = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(dir)
        .output()
        .unwrap();
    assert!(out.status.success());
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// An OpenSSH server on the loopback with keys of its own.
pub struct Sshd {
    child: Child,
    pub port: u16,
    pub dir: PathBuf,
}

impl Sshd {
    pub fn start(dir: &Path) -> Self {
        Self::start_with(dir, |_| String::new())
    }

    /// One that shows a certificate for `principal`, signed by the key `authority` beside its own.
    pub fn start_with_certificate(dir: &Path, principal: &str, validity: &str) -> Self {
        Self::start_with(dir, |dir| {
            for arguments in [
                vec!["-t", "ed25519", "-N", "", "-f", "authority"],
                vec![
                    "-s",
                    "authority",
                    "-I",
                    "host",
                    "-h",
                    "-n",
                    principal,
                    "-V",
                    validity,
                    "host.pub",
                ],
            ] {
                let made = Command::new("ssh-keygen")
                    .arg("-q")
                    .args(arguments)
                    .current_dir(dir)
                    .status();
                assert!(made.unwrap().success());
            }
            format!("HostCertificate {}/host-cert.pub\n", dir.display())
        })
    }

    /// One whose commands find the programs in `bin` too.
    pub fn start_in_path(dir: &Path, bin: &Path) -> Self {
        let line = format!("SetEnv PATH={}:/usr/bin:/bin\n", bin.display());
        Self::start_with(dir, |_| line)
    }

    /// With further lines in its configuration, made when its keys are there.
    pub fn start_with(dir: &Path, lines: impl FnOnce(&Path) -> String) -> Self {
        let dir = dir.join("sshd");
        std::fs::create_dir(&dir).unwrap();
        for (kind, name) in [
            ("ed25519", "host"),
            ("rsa", "host_rsa"),
            ("ed25519", "user"),
            ("rsa", "user_rsa"),
        ] {
            let file = dir.join(name);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-N", "", "-f"])
                .arg(file)
                .status();
            assert!(made.unwrap().success());
        }
        let keys = ["user.pub", "user_rsa.pub"].map(|name| std::fs::read_to_string(dir.join(name)).unwrap());
        std::fs::write(dir.join("authorized_keys"), keys.concat()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let path = dir.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {path}/host\nHostKey {path}/host_rsa\n\
             AuthorizedKeysFile {path}/authorized_keys\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        );
        std::fs::write(dir.join("config"), lines(&dir) + config.as_str()).unwrap();
        let mut command = Command::new("/usr/sbin/sshd");
        command
            .args(["-D", "-e", "-f"])
            .arg(dir.join("config"))
            .stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let sshd = Self { child, port, dir };
        sshd.wait();
        sshd
    }

    fn wait(&self) {
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("sshd did not start");
    }

    /// A known_hosts file with the host key of that name.
    pub fn known_hosts(&self, host_key: &str) -> PathBuf {
        let key = std::fs::read_to_string(self.dir.join(format!("{host_key}.pub"))).unwrap();
        let file = self.dir.join(format!("known_{host_key}"));
        std::fs::write(&file, format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
        file
    }

    pub fn options(&self) -> GitOptions {
        GitOptions {
            keys: keys(&[&self.dir.join("user")]),
            known_hosts: vec![self.known_hosts("host")],
            ..GitOptions::default()
        }
    }

    pub fn url(&self, path: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", whoami(), self.port, path.display())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn whoami() -> String {
    let out = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

pub fn make_executable(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
