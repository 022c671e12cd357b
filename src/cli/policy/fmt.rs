//! `deployer policy fmt`: aligns the columns of policy.csv.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::config_args::ConfigArgs;
use super::super::outcome::{CommandFailure, say};
use super::directory::{directory, say_json};
use crate::access::{FILE_LIMIT, aligned};
use crate::domain::{Error, Result};
use crate::small_file;

/// The file whose columns are aligned.
const POLICY: &str = "policy.csv";

/// Align the columns of policy.csv.
///
/// Comments and blank lines stay. The file is written aside and renamed, with its owner and mode.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed or, with --check, not aligned; 2 wrong command line or configuration."
)]
pub(crate) struct Args {
    /// The directory with policy.csv, or a file with policy lines [default: the configured directory].
    path: Option<PathBuf>,
    /// Change nothing; exit with 1 when something would be.
    #[arg(long)]
    check: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Serialize)]
struct Told {
    file: String,
    /// Whether its columns are aligned now.
    aligned: bool,
    /// Whether it was rewritten for that.
    changed: bool,
}

pub(super) fn run(args: &Args) -> std::result::Result<(), CommandFailure> {
    let file = match &args.path {
        Some(path) if !path.is_dir() => path.clone(),
        other => directory(other.as_deref(), &args.config)?.join(POLICY),
    };
    let text = read(&file)?;
    let new = aligned(&text);
    let is_aligned = new == text;
    if !is_aligned && !args.check {
        replace(&file, &new).map_err(|cause| {
            let sentence = format!(
                "{} cannot be rewritten: {cause}. It is as it was.",
                file.display()
            );
            Error::unavailable(sentence).because(cause)
        })?;
    }
    let shown = file.display();
    if args.json {
        say_json(&Told {
            file: shown.to_string(),
            aligned: is_aligned || !args.check,
            changed: !is_aligned && !args.check,
        })?;
    } else {
        match (is_aligned, args.check) {
            (true, _) => say(format_args!("{shown}: its columns are aligned.")),
            (false, true) => say(format_args!("{shown}: its columns are not aligned.")),
            (false, false) => say(format_args!("{shown}: its columns were aligned.")),
        }
    }
    if args.check && !is_aligned {
        return Err(CommandFailure::Printed);
    }
    Ok(())
}

/// The text of a regular file of its own: no link, no device, and under no second name, which a file
/// put in its place would leave behind.
fn read(file: &Path) -> Result<String> {
    let refused = |what: String| Error::invalid(format!("{} {what}", file.display()));
    let found = fs::symlink_metadata(file).map_err(|cause| refused(format!("cannot be read: {cause}.")))?;
    if found.is_symlink() {
        return Err(refused("is a link; name the file that it leads to.".to_owned()));
    }
    if !found.is_file() {
        return Err(refused("is not a regular file.".to_owned()));
    }
    if found.nlink() > 1 {
        return Err(refused(
            "has a second name (a hard link), which would keep the old text.".to_owned(),
        ));
    }
    small_file::read_text(file, FILE_LIMIT).map_err(|cause| refused(format!("cannot be read: {cause}.")))
}

/// Puts a file with this text, and the owner and mode of the old one, in its place.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let dir = parent.unwrap_or(Path::new("."));
    let old = fs::symlink_metadata(file)?;
    let mut aside = tempfile::Builder::new().prefix(".policy.csv.").tempfile_in(dir)?;
    aside.write_all(text.as_bytes())?;
    let new = aside.as_file().metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(aside.as_file(), Some(old.uid()), Some(old.gid()))?;
    }
    aside.as_file().set_permissions(old.permissions())?;
    aside.as_file().sync_all()?;
    aside.persist(file).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}
