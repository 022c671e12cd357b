//! Where the policy files come from: a directory, or what was shipped inside the program.

use std::fmt;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

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

/// The largest file read, in bytes: some 100,000 policy lines. The limit keeps a link to a device
/// from filling the memory.
const FILE_LIMIT: u64 = 8 << 20;

/// Where the files are.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// In a directory that a sysadmin maintains.
    Directory(PathBuf),
    /// Inside the program.
    Builtin,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(dir) => dir.display().fmt(f),
            Self::Builtin => f.write_str("the policy shipped with the program"),
        }
    }
}

impl Source {
    /// The text of `file`, `None` when there is no such file.
    pub fn read(&self, file: &str) -> Result<Option<String>, Problem> {
        let dir = match self {
            Self::Directory(dir) => dir,
            Self::Builtin => return Ok(shipped(file).map(str::to_owned)),
        };
        match small_file::read(&dir.join(file), crate::sabotage::most("q34", FILE_LIMIT)) {
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

/// Decodes `bytes`, without the byte order mark that some editors write first.
fn text(file: &str, bytes: Vec<u8>) -> Result<String, Problem> {
    let text = String::from_utf8(bytes).map_err(|trouble| {
        let good = &trouble.as_bytes()[..trouble.utf8_error().valid_up_to()];
        let before = String::from_utf8_lossy(good);
        Problem::error(
            file,
            line_at(&before, before.len()),
            "This line is not UTF-8 text; save the file as UTF-8.",
        )
    })?;
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
    let line = fault.span().map_or(0, |span| line_at(text, span.start));
    problems.push(Problem::error(file, line, format!("{}.", fault.message())));
    None
}

/// The line, counted from 1, of the byte at `offset`.
pub(super) fn line_at(text: &str, offset: usize) -> u32 {
    let before = text.as_bytes().iter().take(offset);
    u32::try_from(before.filter(|&&byte| byte == b'\n').count() + 1).unwrap_or(u32::MAX)
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
