//! Two commits compared: the commits between them, and the files line by line.
//!
//! Any two commits of a project can be compared, typed as hashes, their first digits, branches or
//! tags. What is too long for a page is truncated, and each file can be shown alone.

use askama::Template;
use poem::web::{Path, Query};
use poem::{Response, handler};
use serde::Deserialize;

use crate::app::App;
use crate::app::comparison::{Comparison, changed_files, compare};
use crate::app::places;
use crate::domain::{Error, ErrorKind, Project, Result};
use crate::git::{ChangedFile, DiffOptions, FileDiff, FileStatus, LineOrigin};
use crate::web::format::{count, size};
use crate::web::forms::Complaints;
use crate::web::frame::{Frame, Section};
use crate::web::pages::form_page;
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// Files shown with their lines on one page.
const FILES: usize = 60;
/// Lines shown per file there.
const LINES: usize = 300;
/// Lines per page of a file that is shown alone.
const LINES_ALONE: usize = 5_000;
/// The last line of a file that is shown alone: the cost of a page grows with its offset.
const LINES_READ: usize = 1_000_000;
/// Paths listed; nobody reads more.
const PATHS: usize = 20_000;
/// Squares that show the share of added and removed lines.
const SQUARES: usize = 5;
/// Files with more lines than this are folded at first, unless shown alone.
const FOLDED_FROM: usize = 150;

/// The contract of `templates/projects/diff.html`.
#[derive(Template)]
#[template(path = "projects/diff.html")]
struct Page {
    frame: Frame,
    trail: Trail,
    url: String,
    wanted: DiffQuery,
    complaints: Complaints,
    found: Option<Found>,
    branches: Vec<String>,
}

struct Found {
    comparison: Comparison,
    files: Vec<FileView>,
    /// The one file to show.
    only: String,
    /// Back from one file to all.
    all: String,
    /// The files that are not shown here, each with its address.
    others: Vec<(ChangedFile, String)>,
    /// The pages of a long file before and after this one; empty: there is none.
    earlier: String,
    later: String,
    /// How many of its lines come before this page.
    skipped: usize,
}

impl Found {
    fn only(&self) -> Option<&str> {
        Some(self.only.as_str()).filter(|only| !only.is_empty())
    }

    /// How many files are neither shown nor listed.
    fn unlisted(&self) -> Option<usize> {
        let listed = self.files.len() + self.others.len();
        let rest = self.comparison.diff.files_total.saturating_sub(listed);
        Some(rest).filter(|rest| *rest > 0)
    }

    fn files_word(&self) -> String {
        count(self.comparison.diff.files_total, "file")
    }

    fn going_word(&self) -> String {
        let more = if self.comparison.going.more {
            " and more"
        } else {
            ""
        };
        format!("{}{more}", count(self.comparison.going.commits.len(), "commit"))
    }
}

/// One file that differs.
pub struct FileView {
    file: FileDiff,
    /// Where it is shown at length.
    alone: String,
    /// The classes of its squares.
    squares: [&'static str; SQUARES],
    open: bool,
}

/// What is compared.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DiffQuery {
    from: String,
    to: String,
    only: String,
    /// How many lines of that one file to pass over.
    offset: usize,
}

impl DiffQuery {
    fn offset(&self) -> usize {
        if self.only.is_empty() {
            return 0;
        }
        self.offset.min(LINES_READ)
    }
}

/// `GET /projects/{project}/diff`
#[handler]
pub async fn show(
    visitor: Visitor,
    Path(name): Path<String>,
    Query(wanted): Query<DiffQuery>,
) -> Result<Response> {
    let app = visitor.app();
    let view = places::project(app, visitor.actor(), &name).await?;
    let project = view.project.name.to_string();
    let alone = !wanted.only.is_empty();
    let options = DiffOptions {
        max_files: crate::sabotage::most("u17", FILES),
        max_lines_per_file: if alone {
            wanted.offset() + LINES_ALONE
        } else {
            crate::sabotage::most("u42", LINES)
        },
        only: alone.then(|| wanted.only.clone()),
        ..DiffOptions::default()
    };
    let compared = match wanted.to.trim() {
        "" => Ok(None),
        to => compare(app, visitor.actor(), &project, (&wanted.from, to), options)
            .await
            .map(Some),
    };
    let (mut found, mut complaints) = (None, Complaints::default());
    match compared {
        Ok(Some(comparison)) => {
            let others = others(app, &view.project, &comparison).await?;
            found = Some(shown(comparison, others, &project, &wanted));
        }
        Ok(None) => {}
        Err(error) if is_ours(&error) => return Err(error),
        Err(error) => complaints = Complaints::of_error(&error),
    }
    let branches = crate::app::commits::branches(app, &view.project)
        .await
        .unwrap_or_default();
    let page = Page {
        frame: visitor
            .frame(format!("Compare · {project}"), Section::Overview)
            .await?,
        trail: trail::project(&project),
        url: urls::diff(&project, "", ""),
        found,
        complaints,
        branches: branches.iter().map(ToString::to_string).collect(),
        wanted,
    };
    form_page(&page, &page.complaints)
}

fn is_ours(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Internal | ErrorKind::Forbidden)
}

/// The files that were too many for the page.
async fn others(app: &App, project: &Project, comparison: &Comparison) -> Result<Vec<ChangedFile>> {
    if !comparison.diff.cut {
        return Ok(Vec::new());
    }
    let all = changed_files(app, project, comparison, PATHS).await?;
    Ok(all.files.into_iter().skip(comparison.diff.files.len()).collect())
}

fn shown(mut comparison: Comparison, others: Vec<ChangedFile>, project: &str, wanted: &DiffQuery) -> Found {
    let alone = !wanted.only.is_empty();
    let mut files = std::mem::take(&mut comparison.diff.files);
    let skipped = wanted.offset();
    let is_cut = alone && files.iter().any(|file| file.cut);
    for file in files.iter_mut().filter(|_| skipped > 0) {
        pass_over(file, skipped);
    }
    let (from, to) = (wanted.from.as_str(), wanted.to.as_str());
    let at = |offset: usize| urls::diff_file(project, from, to, &wanted.only, offset);
    let next = skipped + LINES_ALONE;
    let address = |file: &ChangedFile| urls::diff_file(project, from, to, &file.path, 0);
    let view = |file: FileDiff| {
        let lines: usize = file.hunks.iter().map(|hunk| hunk.lines.len()).sum();
        FileView {
            alone: address(&file.change),
            squares: squares(file.additions, file.deletions),
            open: alone || lines <= FOLDED_FROM,
            file,
        }
    };
    Found {
        files: files.into_iter().map(view).collect(),
        all: urls::diff(project, from, to),
        others: others
            .into_iter()
            .map(|file| (file.clone(), address(&file)))
            .collect(),
        earlier: if skipped > 0 {
            at(skipped.saturating_sub(LINES_ALONE))
        } else {
            String::new()
        },
        later: if is_cut && next < LINES_READ {
            at(next)
        } else {
            String::new()
        },
        skipped,
        only: wanted.only.clone(),
        comparison,
    }
}

/// Leaves out the first `skipped` lines of a file. A hunk that is cut keeps its header.
fn pass_over(file: &mut FileDiff, mut skipped: usize) {
    for hunk in &mut file.hunks {
        let here = skipped.min(hunk.lines.len());
        hunk.lines.drain(..here);
        skipped -= here;
    }
    file.hunks.retain(|hunk| !hunk.lines.is_empty());
}

/// The share of added and of removed lines, each with at least one square where there are any.
fn squares(additions: usize, deletions: usize) -> [&'static str; SQUARES] {
    let total = additions + deletions;
    if total == 0 {
        return [""; SQUARES];
    }
    let filled = total.min(SQUARES);
    let mut added = (additions * filled + total / 2) / total;
    if additions > 0 {
        added = added.max(1);
    }
    if deletions > 0 {
        added = added.min(filled - 1);
    }
    std::array::from_fn(|at| match at {
        at if at < added => "add",
        at if at < filled => "del",
        _ => "",
    })
}

fn icon(file: &ChangedFile) -> &'static str {
    match file.status {
        FileStatus::Added | FileStatus::Copied => "file-plus",
        FileStatus::Deleted => "file-minus",
        FileStatus::Modified => "file-diff",
        FileStatus::Renamed | FileStatus::ModeChanged | FileStatus::TypeChanged => "file",
    }
}

fn tone(file: &ChangedFile) -> &'static str {
    match file.status {
        FileStatus::Added | FileStatus::Copied => "t-good",
        FileStatus::Deleted => "t-bad",
        FileStatus::Modified => "t-info",
        FileStatus::Renamed | FileStatus::ModeChanged | FileStatus::TypeChanged => "t-warn",
    }
}

/// The class of a line.
fn class(origin: &LineOrigin) -> &'static str {
    match origin {
        LineOrigin::Added => "add",
        LineOrigin::Removed => "del",
        LineOrigin::Context => "",
        LineOrigin::NoNewline => "remark",
    }
}

impl FileView {
    /// `100644 → 100755`, where the mode changed.
    fn modes(&self) -> String {
        let change = &self.file.change;
        let changed = change.old_mode != change.new_mode && change.old_mode != 0 && change.new_mode != 0;
        let words = || format!("{:o} → {:o}", change.old_mode, change.new_mode);
        changed.then(words).unwrap_or_default()
    }

    /// How large it was and is, where it is kept in Git LFS.
    fn lfs_sizes(&self) -> Option<String> {
        let sizes = self.file.lfs?;
        let shown = |bytes: Option<u64>, is_there| match (bytes, is_there) {
            (Some(bytes), _) => size(bytes),
            (None, true) => "not in LFS".to_owned(),
            (None, false) => "not there".to_owned(),
        };
        let change = &self.file.change;
        let (old, new) = (change.old_mode != 0, change.new_mode != 0);
        Some(format!("{} → {}", shown(sizes.old, old), shown(sizes.new, new)))
    }
}

#[cfg(test)]
mod tests {
    use super::squares;

    #[test]
    fn squares_show_even_the_smaller_part() {
        assert_eq!(squares(0, 0), ["", "", "", "", ""]);
        assert_eq!(squares(1, 0), ["add", "", "", "", ""]);
        assert_eq!(squares(1, 1), ["add", "del", "", "", ""]);
        assert_eq!(squares(1000, 1), ["add", "add", "add", "add", "del"]);
        assert_eq!(squares(1, 1000), ["add", "del", "del", "del", "del"]);
        assert_eq!(squares(7, 0), ["add", "add", "add", "add", "add"]);
    }
}
