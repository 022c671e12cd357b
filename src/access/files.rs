//! Where the policy files come from: a directory, or what was shipped inside the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use sha2::{Digest as _, Sha256};

use super::problem::Problem;
use crate::small_file;

/// How a request is matched against lines.
pub(super) const MODEL: &str = "model.conf";
/// The lines.
pub(super) const POLICY: &str = "policy.csv";
/// Windows, holidays, freezes.
pub(super) const CALENDAR: &str = "calendar.toml";
/// Expectations of the policy.
pub(super) const TESTS: &str = "tests.toml";
/// What every policy is looked for in; its calendar may name files of holidays beside these.
pub(super) const FILES: [&str; 4] = [MODEL, POLICY, CALENDAR, TESTS];

/// The largest file read, in bytes: some 100,000 policy lines. The limit keeps a link to a device
/// from filling the memory.
pub const FILE_LIMIT: u64 = 8 << 20;

/// Where the files are.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// In a directory that a sysadmin maintains.
    Directory(PathBuf),
    /// Inside the program.
    Builtin,
    /// A policy that was in force once, as it was kept.
    Kept(PolicyFiles),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(dir) => dir.display().fmt(f),
            Self::Builtin => f.write_str("the policy shipped with the program"),
            Self::Kept(_) => f.write_str("the kept policy"),
        }
    }
}

impl Source {
    /// The text of `file`, `None` when there is no such file.
    pub fn read(&self, file: &str) -> Result<Option<String>, Problem> {
        let dir = match self {
            Self::Directory(dir) => dir,
            Self::Builtin => return Ok(shipped(file).map(str::to_owned)),
            Self::Kept(files) => return Ok(files.0.get(file).cloned()),
        };
        match small_file::read(&dir.join(file), FILE_LIMIT) {
            Ok(bytes) => text(file, bytes).map(Some),
            Err(trouble) if trouble.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(trouble) => {
                let message = format!("Cannot read it in {}: {trouble}.", dir.display());
                Err(Problem::error(file, 0, message))
            }
        }
    }

    /// The text of `file`, which must be there.
    pub fn require(&self, file: &str) -> Result<String, Problem> {
        self.read(file)?
            .ok_or_else(|| Problem::error(file, 0, format!("There is no such file in {self}.")))
    }
}

impl Source {
    /// What tells one state of the files called `names` from another. It changes with every one of them that is
    /// written, replaced, added or removed, also behind links; reading it is cheap. Whatever else the directory
    /// holds does not matter.
    pub fn stamp(&self, names: &BTreeSet<String>) -> FilesStamp {
        let Self::Directory(dir) = self else {
            return FilesStamp::default();
        };
        let stamp = |name: &String| {
            let found = std::fs::metadata(dir.join(name)).ok();
            (name.clone(), found.map(|found| FileStamp::of(&found)))
        };
        FilesStamp(names.iter().map(stamp).collect())
    }
}

/// The state of the files of a policy, to be compared with another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesStamp(Vec<(String, Option<FileStamp>)>);

/// Device, inode, bytes, and the nanoseconds of the last change of content and of the file's own data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct FileStamp([i128; 5]);

impl FileStamp {
    fn of(found: &std::fs::Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self([
            found.dev().into(),
            found.ino().into(),
            found.len().into(),
            nanoseconds(found.mtime(), found.mtime_nsec()),
            nanoseconds(found.ctime(), found.ctime_nsec()),
        ])
    }
}

/// The files of one policy, by name: those it was read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyFiles(pub BTreeMap<String, String>);

impl PolicyFiles {
    /// SHA-256, in hexadecimal, over the names and texts.
    pub fn digest(&self) -> String {
        let mut sum = Sha256::new();
        for part in self.0.iter().flat_map(|(name, text)| [name, text]) {
            sum.update((part.len() as u64).to_be_bytes());
            sum.update(part);
        }
        hex::encode(sum.finalize())
    }
}

/// Decodes `bytes`, without the byte order mark that some editors write first.
fn text(file: &str, bytes: Vec<u8>) -> Result<String, Problem> {
    let text = String::from_utf8(bytes).map_err(|trouble| {
        let good = &trouble.as_bytes()[..trouble.utf8_error().valid_up_to()];
        let before = String::from_utf8_lossy(good);
        Problem::error(
            file,
            LineStarts::of(&before).line_at(before.len()),
            "This line is not UTF-8 text; save the file as UTF-8.",
        )
    })?;
    if let Some(at) = text.find('\0') {
        let line = LineStarts::of(&text).line_at(at);
        return Err(Problem::error(
            file,
            line,
            "This line has a NUL byte, which no text has; remove it.",
        ));
    }
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Reads a TOML file; what is wrong with it is added to `problems`.
pub(super) fn read_toml<T: DeserializeOwned>(
    file: &str,
    text: &str,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let fault = match toml::from_str(text) {
        Ok(read) => return Some(read),
        Err(fault) => fault,
    };
    let line = fault
        .span()
        .map_or(0, |span| LineStarts::of(text).line_at(span.start));
    problems.push(Problem::error(file, line, format!("{}.", fault.message())));
    None
}

/// Where the lines of a text begin, so that many places in it are found quickly.
pub(super) struct LineStarts(Vec<usize>);

impl LineStarts {
    pub fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(ends.map(|(end, _)| end + 1).collect())
    }

    /// The line, counted from 1, of the byte at `offset`.
    pub fn line_at(&self, offset: usize) -> u32 {
        let before = self.0.partition_point(|start| *start <= offset);
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }
}

/// Every file of a policy directory as shipped: its name and its text. They are the first policy of
/// an installation, which its sysadmin then edits.
pub const SHIPPED: [(&str, &str); 5] = [
    (MODEL, include_str!("../../policies/model.conf")),
    (POLICY, include_str!("../../policies/policy.csv")),
    (CALENDAR, include_str!("../../policies/calendar.toml")),
    (TESTS, include_str!("../../policies/tests.toml")),
    ("README.md", include_str!("../../policies/README.md")),
];

/// The text of a file as shipped.
pub(super) fn shipped(file: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(name, _)| *name == file)
        .map(|&(_, text)| text)
}
