//! `deployer audit export`: events as a file for spreadsheets or programs.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::app::audit::export::{Export, ExportTitle, in_words};
use crate::app::audit::{heads, words};
use crate::cli::config_args::ConfigArgs;
use crate::cli::data;
use crate::cli::days::day_or_instant;
use crate::cli::outcome::CommandFailure;
use crate::clock::Clock;
use crate::domain::{Error, ExportFormat, Instant, Outcome, Result};
use crate::store::AuditFilter;

/// Write events to a file or to standard output, oldest first.
///
/// Texts match parts of what is stored, whatever their case. The first line has the head of the log and the
/// filter, the last one a count: without it, the export is not whole. An export without a filter, as
/// jsonl, can be given to “audit verify --archive”. Each export is an event itself.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// csv for spreadsheets, jsonl for programs.
    #[arg(long, default_value = "jsonl", value_parser = format)]
    format: ExportFormat,
    /// Done by, as, or to the account of this person; a failed login has the name that was tried.
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Events of this kind, in your words: override, “failed login”, server.added.
    #[arg(long, value_name = "WORDS")]
    action: Option<String>,
    /// About this: prod, shop/prod, “server web1”.
    #[arg(long, value_name = "NAME")]
    about: Option<String>,
    /// With this text anywhere.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// allowed, refused or failed.
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// From this day or instant on (UTC).
    #[arg(long, value_name = "DAY", value_parser = day_or_instant)]
    from: Option<Instant>,
    /// Before this day or instant (UTC).
    #[arg(long, value_name = "DAY", value_parser = day_or_instant)]
    before: Option<Instant>,
    /// The new file [default: standard output].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

fn format(text: &str) -> Result<ExportFormat, String> {
    ExportFormat::parse(text).ok_or_else(|| "write csv or jsonl".to_owned())
}

fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::parse(text).ok_or_else(|| "write allowed, refused or failed".to_owned())
}

impl Args {
    fn filter(&self) -> AuditFilter {
        let meant = self.action.as_deref().map(words::meant_by).unwrap_or_default();
        AuditFilter {
            who: self.who.clone(),
            actions: meant.names,
            telling: meant.telling,
            about: self.about.clone(),
            text: self.text.clone(),
            outcome: self.outcome,
            hidden: Vec::new(),
            covered: Vec::new(),
            from: self.from,
            to: self.before,
        }
    }
}

/// Writes what the arguments ask for.
pub async fn run(args: Args) -> Result<(), CommandFailure> {
    let config = args.config.load()?;
    let store = data::open_current(&config).await?;
    let (operator, now) = (data::operator(), Clock::System.now());
    let head = heads::present((&config, &store), now).await?.ok();
    let filter = args.filter();
    let title = ExportTitle {
        by: operator.actor().name.clone(),
        at: now,
        head,
        filter: in_words(&filter, args.action.as_deref().unwrap_or_default()),
    };
    let mut out = open(args.out.as_ref())?;
    let mut export = Export::begin(&store, &operator, args.format, (filter, title)).await?;
    while let Some(piece) = export.next().await? {
        out.write_all(piece.as_bytes()).map_err(unwritten)?;
    }
    out.flush().map_err(unwritten)?;
    Ok(())
}

fn open(file: Option<&PathBuf>) -> Result<Box<dyn Write + Send>> {
    let Some(file) = file else {
        return Ok(Box::new(BufWriter::new(io::stdout())));
    };
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    let opened = opened.map_err(|cause| {
        let sentence = format!("The file {} cannot be made: {cause}.", file.display());
        Error::unavailable(sentence).because(cause)
    })?;
    Ok(Box::new(BufWriter::new(opened)))
}

fn unwritten(cause: io::Error) -> Error {
    Error::unavailable("The export could not be written to its end.").because(cause)
}
