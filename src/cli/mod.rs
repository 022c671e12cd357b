//! The command line: one file per command, each a few lines that call the library and tell the
//! result.
//!
//! What was asked for goes to standard output, everything else to standard error. The exit code is
//! 0 when it went well, 1 when it did not, 2 when the command line or the configuration is wrong.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config, ENV_PREFIX};
use crate::domain::{Error, ErrorKind};

mod data;
mod demo;
mod git_check;
mod migrate;
mod policy;
mod serve;
mod signals;
mod ssh_check;
mod user;

/// Read when no `--config` is given and it is there.
const CONFIG_FILE: &str = "/etc/deployer/deployer.toml";

/// Puts Git commits onto servers over SSH, safely, and shows who did what, when and why it was
/// allowed.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 it went well, 1 it did not, 2 the command line or the configuration is wrong.";

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Migrate(migrate::Args),
    #[command(subcommand)]
    User(user::Command),
    #[command(subcommand)]
    Policy(policy::Command),
    GitCheck(git_check::Args),
    SshCheck(ssh_check::Args),
}

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
struct ConfigArgs {
    /// The configuration file [default: /etc/deployer/deployer.toml, if there is one].
    ///
    /// Variables such as DEPLOYER__HTTP__BIND win over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    fn load(&self) -> Result<Config, Failure> {
        let usual = Path::new(CONFIG_FILE);
        let path = self
            .config
            .as_deref()
            .or_else(|| usual.is_file().then_some(usual));
        Ok(Config::load(path, variables(std::env::vars_os())?)?)
    }
}

/// An environment as text. What is not text concerns us only where it would set a key of ours.
fn variables(
    all: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, config::Error> {
    let (mut texts, mut not_text) = (Vec::new(), Vec::new());
    for (name, value) in all {
        let shown = name.to_string_lossy().into_owned();
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => texts.push((name, value)),
            _ if shown.starts_with(ENV_PREFIX) => not_text.push(shown),
            _ => {}
        }
    }
    match not_text.is_empty() {
        true => Ok(texts),
        false => Err(config::Error::not_text(not_text)),
    }
}

/// Why a command did not do what it should.
#[derive(Debug)]
enum Failure {
    /// The configuration is wrong.
    Config(config::Error),
    /// It did not work.
    Failed(Error),
    /// The result is bad, and was told already.
    Told,
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            Self::Failed(_) | Self::Told => 1,
        }
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self::Config(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => write!(f, "The configuration cannot be used:\n{error}"),
            Self::Failed(error) => {
                f.write_str(error.message())?;
                causes(error)
                    .iter()
                    .try_for_each(|cause| write!(f, "\n  because: {cause}"))
            }
            Self::Told => Ok(()),
        }
    }
}

/// The causes of an error that say more than its sentence. Wrong input has none worth telling.
fn causes(error: &Error) -> Vec<String> {
    if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal) {
        return Vec::new();
    }
    let mut told = vec![error.message().to_owned()];
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let text = deeper.to_string();
        if !told.iter().any(|known| known.contains(&text)) {
            told.push(text);
        }
        cause = deeper.source();
    }
    told.split_off(1)
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let CommandLine { command } = CommandLine::parse();
    let done = tokio::runtime::Runtime::new()
        .map_err(|cause| {
            Failure::Failed(Error::unavailable("The system gives us no threads.").because(cause))
        })
        .and_then(|runtime| {
            let done = runtime.block_on(run(command));
            // What still reads a prompt or a slow disk must not keep us from ending.
            runtime.shutdown_background();
            done
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Told) {
                complain(&failure);
            }
            ExitCode::from(failure.code())
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(&args).await,
        Command::Serve(args) => serve::run(&args).await,
        Command::Migrate(args) => migrate::run(&args).await,
        Command::User(command) => user::run(command).await,
        Command::Policy(command) => policy::run(&command),
        Command::GitCheck(args) => git_check::run(&args).await,
        Command::SshCheck(args) => ssh_check::run(&args).await,
    }
}

/// Writes a line to standard output. A reader that went away (`| head`) is no fault of ours.
fn say(line: impl fmt::Display) {
    _ = writeln!(io::stdout(), "{line}");
}

/// Writes a line to standard error.
fn complain(line: impl fmt::Display) {
    _ = writeln!(io::stderr(), "deployer: {line}");
}
