//! Releases on servers, and the marker file that names the release, in the original deployer's form.

use chrono::{Datelike as _, NaiveDateTime};

use super::names::CommitId;
use super::{DeploymentId, EnvironmentId, Instant, ReleaseId, ServerId};

/// The marker's file name, in the target directory.
pub const MARKER: &str = ".git_release";
/// The fifth line of a marker while the files are being changed.
const IN_PROGRESS: &str = "deployment in progress";
/// The years that a marker's time may have: what every database can keep.
const YEARS: std::ops::RangeInclusive<i32> = 1000..=9999;
/// The marker's time, UTC.
const TIME_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6f";

/// How much a tree, or a part of one, takes on a file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeSize {
    /// Bytes in its files and links.
    pub bytes: u64,
    /// Its files, links and directories.
    pub entries: u64,
}

/// Something that an application wrote at an excluded or shared path of an old release.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HeldData {
    /// Where it is, absolute.
    pub path: String,
    /// The command that moves it to where such paths are kept, for root.
    pub command: String,
}

/// A release as the marker on the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The branch the commit was picked from.
    pub branch: String,
    /// The commit's hash. Unchecked, because anybody may have written the file.
    pub commit: String,
    /// When it was put there.
    pub at: Instant,
    /// The directory it was put in.
    pub path: String,
    /// Whether the files were still being changed when the marker was written.
    pub in_progress: bool,
}

impl Release {
    /// The marker's text, each line ended.
    pub fn to_marker(&self) -> String {
        let Self {
            branch,
            commit,
            at,
            path,
            in_progress,
        } = self;
        let time = at.format(TIME_FORMAT);
        let progress = if *in_progress {
            format!("{IN_PROGRESS}\n")
        } else {
            String::new()
        };
        format!("{branch}\n{commit}\n{time}\n{path}\n{progress}")
    }

    /// Reads a marker. `None` for text that is not one.
    pub fn parse_marker(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (branch, commit) = (lines.next()?, lines.next()?);
        let at = NaiveDateTime::parse_from_str(lines.next()?, "%Y-%m-%dT%H:%M:%S%.f")
            .ok()
            .filter(|at| YEARS.contains(&at.year()))?
            .and_utc();
        let path = lines.next()?;
        let in_progress = lines.next().is_some_and(|line| line == IN_PROGRESS);
        Some(Self {
            branch: branch.into(),
            commit: commit.into(),
            at,
            path: path.into(),
            in_progress,
        })
    }
}

/// A release that we deployed to a server, as the store remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRelease {
    /// Its row, counted up.
    pub id: ReleaseId,
    /// `None` once the server is deleted.
    pub server_id: Option<ServerId>,
    /// The server's name at the time.
    pub server: String,
    /// `None` once the environment is deleted.
    pub environment_id: Option<EnvironmentId>,
    /// The deployment that brought it there.
    pub deployment_id: Option<DeploymentId>,
    /// The branch the commit was picked from.
    pub branch: String,
    pub commit: CommitId,
    /// The directory on the server.
    pub path: String,
    /// When it came into use.
    pub at: Instant,
    /// Whether it is the one in use, as far as we know.
    pub current: bool,
}

/// What a server answered when it was last asked which release it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    pub environment_id: EnvironmentId,
    pub server_id: ServerId,
    /// When it was asked.
    pub at: Instant,
    /// What its marker said; `None`: there is none.
    pub release: Option<Release>,
    /// Why it could not be asked; empty: it could.
    pub trouble: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_in_the_original_form() {
        let text = "feature/x\n0123\n2026-11-22T10:00:00.000120\n/srv/shop\ndeployment in progress\n";
        let release = Release::parse_marker(text).unwrap();
        assert!(release.in_progress);
        assert_eq!(release.to_marker(), text);
        assert_eq!(Release::parse_marker("main\nabc\n"), None);
        let never = text.replace("2026-", "+262142-");
        assert_eq!(Release::parse_marker(&never), None);
    }
}
