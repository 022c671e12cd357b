//! The SSH client against a real OpenSSH server.

mod algorithms;
mod certificates;
mod connecting;
mod demo_server;
mod ending;
mod jumping;
mod keys;
mod running;

use bytes::Bytes;
use deployer::ssh::{Captured, Command, Error, Output, Run, Session};

/// More than any of these commands prints.
const ENOUGH: usize = 1024 * 1024;

/// Runs a fixed script with its data and keeps the output.
async fn sh(session: &Session, script: &'static str, args: &[&str]) -> Result<Captured, Error> {
    let command = Command::script(script).args(args);
    session.capture(&command, Run::default(), ENOUGH).await
}

/// The standard output of a script that succeeds, trimmed.
async fn printed(session: &Session, script: &'static str, args: &[&str]) -> String {
    let done = sh(session, script, args).await.expect("it runs");
    assert!(done.exit.success(), "{done:?}");
    String::from_utf8(done.stdout).expect("text").trim().to_owned()
}

/// Keeps everything, in text.
#[derive(Default)]
struct Seen {
    out: String,
    err: String,
}

impl Output for Seen {
    async fn stdout(&mut self, data: Bytes) {
        self.out.push_str(&String::from_utf8_lossy(&data));
    }

    async fn stderr(&mut self, data: Bytes) {
        self.err.push_str(&String::from_utf8_lossy(&data));
    }
}

/// Waits until `true`, or fails the test with `what` after a time that is long for a busy machine.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..300 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    unreachable!("it never happened: {what}");
}
