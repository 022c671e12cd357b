//! Waits for a deployment: its progress for people, its log, and how it ended.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::connection::{DeployerClient, WAIT_AT_ONCE};
use super::settings::ServerArgs;
use super::targets::{Which, segment};
use crate::cli::outcome::{CommandFailure, complain, say};
use crate::domain::Error;

/// Between two looks at a log that is followed.
const LOOK_AGAIN: Duration = Duration::from_millis(700);

/// How the command goes on after it has requested something.
#[derive(Debug, clap::Args)]
pub(super) struct WaitArgs {
    /// Wait until it has ended, or waits for a person.
    #[arg(long)]
    wait: bool,
    /// Print its log meanwhile.
    #[arg(long)]
    follow: bool,
    /// Minutes to wait at most; it goes on without this command.
    #[arg(long, value_name = "MINUTES", default_value_t = 120, value_parser = clap::value_parser!(u64).range(..=100_000))]
    timeout: u64,
}

impl WaitArgs {
    /// Goes on with deployment `id`, which a request made; `view` is how it stands.
    pub(super) async fn after(
        &self,
        connection: &DeployerClient,
        json: bool,
        (id, view): (i64, Value),
    ) -> Result<(), CommandFailure> {
        let view = match self.wait || self.follow {
            true => {
                let end = Instant::now() + Duration::from_secs(self.timeout * 60);
                let mut progress = Progress::new(!json && !self.follow);
                progress.show(&view);
                watch(connection, id, (self.follow && !json, progress), end).await?
            }
            false => view,
        };
        if json {
            say(&view);
        } else {
            say(sentence(&view));
            say(connection.page(&format!("/deployments/{id}")));
        }
        ended(&view)
    }
}

/// Print the log of a deployment.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// Its number, or PROJECT/ENVIRONMENT for the present one there.
    deployment: Which,
    /// Go on until it has ended.
    #[arg(long, short)]
    follow: bool,
    /// Only of this server; “here” is the deployer's host.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    #[command(flatten)]
    at: ServerArgs,
}

pub(super) async fn run(args: &LogArgs) -> Result<(), CommandFailure> {
    let connection = DeployerClient::open(&args.at)?;
    let id = args.deployment.number(&connection).await?;
    let mut log = FollowedLog {
        id,
        after: 0,
        server: args.server.clone(),
        json: args.at.json,
    };
    loop {
        let view = connection.get(&format!("/deployments/{id}")).await?;
        let more = log.print(&connection).await?;
        if !args.follow {
            if more {
                continue;
            }
            return Ok(());
        }
        if rests(&view) && !more {
            complain(sentence(&view));
            return ended(&view);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A log that is printed piece by piece.
struct FollowedLog {
    id: i64,
    after: i64,
    server: Option<String>,
    json: bool,
}

impl FollowedLog {
    /// Prints the lines that are new; whether there were any.
    async fn print(&mut self, connection: &DeployerClient) -> Result<bool, CommandFailure> {
        let server = self
            .server
            .as_deref()
            .map(|name| format!("&server={}", segment(name)));
        let server = server.unwrap_or_default();
        let path = format!("/deployments/{}/log?after={}{server}", self.id, self.after);
        let text = connection.lines(&path).await?;
        let mut any = false;
        for line in text.lines() {
            // The last one may be cut: it comes again.
            let Ok(value) = serde_json::from_str::<Value>(line) else {
                break;
            };
            let word = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
            match self.json {
                true => say(line),
                false => say(format_args!(
                    "{} {}: {}",
                    word("server"),
                    word("step"),
                    word("text")
                )),
            }
            self.after = value.get("number").and_then(Value::as_i64).unwrap_or(self.after);
            any = true;
        }
        Ok(any)
    }
}

/// Waits until deployment `id` rests, and gives how it stands then.
async fn watch(
    connection: &DeployerClient,
    id: i64,
    (follow, mut progress): (bool, Progress),
    end: Instant,
) -> Result<Value, CommandFailure> {
    let mut log = FollowedLog {
        id,
        after: 0,
        server: None,
        json: false,
    };
    loop {
        let wait = if follow { 0 } else { WAIT_AT_ONCE };
        // People see servers finish; a job needs the end alone.
        let wait = if progress.is_live { 1 } else { wait };
        let view = connection.get(&format!("/deployments/{id}?wait={wait}")).await?;
        let more = follow && log.print(connection).await?;
        progress.show(&view);
        if rests(&view) && !more {
            progress.end();
            return Ok(view);
        }
        if Instant::now() > end {
            progress.end();
            let message = "It has not ended in time. It goes on; see its page.";
            return Err(CommandFailure::Failed(Error::unavailable(message)));
        }
        if follow {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// The line that shows how far a deployment is: rewritten on a terminal, else one for each state.
struct Progress {
    is_shown: bool,
    is_live: bool,
    last: String,
}

impl Progress {
    fn new(is_shown: bool) -> Self {
        Self {
            is_shown,
            is_live: is_shown && std::io::stderr().is_terminal(),
            last: String::new(),
        }
    }

    fn show(&mut self, view: &Value) {
        let line = sentence(view);
        if !self.is_shown || line == self.last {
            return;
        }
        let mut err = std::io::stderr();
        // Nobody reads it: nothing is lost.
        let _ = match self.is_live {
            true => write!(err, "\r\x1b[K{line}"),
            false => writeln!(err, "{line}"),
        };
        let _ = err.flush();
        self.last = line;
    }

    fn end(&self) {
        if self.is_live {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// How a deployment stands, in one line.
pub(super) fn sentence(view: &Value) -> String {
    let word = |key: &str| {
        view.pointer(&format!("/deployment/{key}"))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let servers = view.get("servers").and_then(Value::as_array);
    let servers: Vec<&str> = servers
        .into_iter()
        .flatten()
        .filter_map(|server| server.get("state").and_then(Value::as_str))
        .filter(|state| *state != "skipped")
        .collect();
    let done = servers.iter().filter(|state| **state == "succeeded").count();
    let id = view
        .pointer("/deployment/id")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let short: String = word("commit").chars().take(8).collect();
    let mut line = format!(
        "Deployment {id}: {short} to {}/{}: {}, {done} of {} servers done.",
        word("project"),
        word("environment"),
        word("state").replace('_', " "),
        servers.len()
    );
    if !word("outcome").is_empty() {
        line = format!("{line} {}", word("outcome"));
    }
    if let Some(question) = view.pointer("/pause/question").and_then(Value::as_str) {
        line = format!("{line} {question}");
    }
    line
}

fn state(view: &Value) -> &str {
    view.pointer("/deployment/state")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Whether it goes on only by what somebody does, or has ended.
fn rests(view: &Value) -> bool {
    matches!(
        state(view),
        "succeeded" | "failed" | "cancelled" | "interrupted" | "paused" | "awaiting_approval"
    )
}

/// The exit code for how a deployment stands.
fn ended(view: &Value) -> Result<(), CommandFailure> {
    match state(view) {
        "failed" | "cancelled" | "interrupted" => Err(CommandFailure::Exit(1)),
        "awaiting_approval" | "paused" => Err(CommandFailure::Exit(4)),
        _ => Ok(()),
    }
}
