//! The program as whoever runs it meets it: started as a process, judged by what it prints, by its
//! exit code, and by what it leaves behind.
#![allow(
    clippy::disallowed_methods,
    reason = "a test may start the program it is about, and wait for it"
)]

mod audit;
mod checks;
mod client;
mod data;
mod demo;
mod keys;
mod owners;
mod policies;
mod policy_files;
mod proxies;
mod scripts;
mod shared_keys;
mod tokens;
mod words;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::haproxy::free_ports;

/// From the start of the program to its answer, or from a signal to its end, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The program, without anything of ours in its environment.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deployer"));
    let ours = std::env::vars().filter(|(name, _)| name.starts_with("DEPLOYER_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// How a run of the program ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(command: &mut Command) -> Ran {
    let done = command.output().unwrap();
    Ran {
        code: done.status.code(),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

impl Ran {
    /// It went as it should, and printed this.
    #[track_caller]
    fn well(&self, out: &str) {
        self.with(0, out, "");
    }

    /// It did not, and said why on standard error.
    #[track_caller]
    fn badly(&self, err: &str) {
        self.with(1, "", err);
    }

    #[track_caller]
    fn with(&self, code: i32, out: &str, err: &str) {
        let holds = self.code == Some(code) && self.out.contains(out) && self.err.contains(err);
        assert!(holds, "wanted {code}, {out:?} and {err:?}: {self:#?}");
    }
}

/// A configuration of its own, whose data directory is not there yet.
struct Installation {
    dir: TempDir,
    port: u16,
}

impl Installation {
    fn new() -> Self {
        Self::with("")
    }

    /// With further lines of the configuration.
    fn with(lines: &str) -> Self {
        let installation = Self {
            dir: tempfile::tempdir().unwrap(),
            port: free_ports(1)[0],
        };
        let text = format!(
            "data_dir = \"{}\"\n[http]\nbind = \"127.0.0.1:{}\"\n{lines}\n",
            installation.data().display(),
            installation.port
        );
        std::fs::write(installation.config(), text).unwrap();
        installation
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("deployer.toml")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn database(&self) -> PathBuf {
        self.data().join("deployer.sqlite")
    }

    /// A command with this configuration; `words` hold no spaces of their own.
    fn command(&self, words: &str) -> Command {
        let mut command = program();
        command.args(words.split(' ')).arg("--config").arg(self.config());
        command
    }

    fn run(&self, words: &str) -> Ran {
        run(&mut self.command(words))
    }

    /// Runs with `text` on standard input.
    fn run_with(&self, words: &str, text: &str) -> Ran {
        let mut command = self.command(words);
        let (input, mut writer) = std::io::pipe().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        drop(writer);
        run(command.stdin(input))
    }

    fn serve(&self) -> Running {
        Running::start(&mut self.command("serve"), self.port)
    }
}

/// The names in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The program while it runs; killed when dropped.
struct Running {
    child: Child,
    port: u16,
}

impl Running {
    fn start(command: &mut Command, port: u16) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self {
            child: child.unwrap(),
            port,
        }
    }

    /// Waits until `/login` answers.
    async fn answers(&mut self) {
        let url = format!("http://127.0.0.1:{}/login", self.port);
        let begun = Instant::now();
        loop {
            match reqwest::get(&url).await {
                Ok(answer) if answer.status() == 200 => return,
                other => assert!(begun.elapsed() < PATIENCE, "{url} does not answer: {other:?}"),
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended by itself: {status}");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Sends a signal, and waits for the end: what was printed until then.
    fn end(mut self, signal: Signal) -> Ran {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end after {signal}");
            std::thread::sleep(LOOK_AGAIN);
        };
        let (mut out, mut err) = (String::new(), String::new());
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        Ran {
            code: status.code(),
            out,
            err,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
