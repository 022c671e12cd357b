//! One file of a commit, without exporting the others.

use std::path::Path;

use git2::{ErrorCode, ObjectType};

use super::error::Result;
use super::export::within;
use super::mirror::{Mirror, find_commit};
use crate::domain::CommitId;

/// A file as Git has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFile {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Whether it may be run as it is.
    pub executable: bool,
}

/// Git's mode of a file that may be run.
const EXECUTABLE: i32 = 0o100_755;
/// Git's kind of a plain file, in the mode's upper bits.
const PLAIN: i32 = 0o100_000;

impl Mirror {
    /// The file at `path` (relative, `/` separated) of `commit`; `None` when there is no plain file.
    ///
    /// # Errors
    /// [`super::Error::Vanished`], [`super::Error::TooLarge`]; a mirror that cannot be read.
    pub async fn file(&self, commit: &CommitId, path: &'static str) -> Result<Option<CommitFile>> {
        let commit = commit.clone();
        self.read(move |repository, inner| {
            let tree = find_commit(repository, &commit)?.tree()?;
            let entry = match tree.get_path(Path::new(path)) {
                Ok(entry) => entry,
                Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let mode = entry.filemode();
            if entry.kind() != Some(ObjectType::Blob) || mode & 0o170_000 != PLAIN {
                return Ok(None);
            }
            let (size, _) = repository.odb()?.read_header(entry.id())?;
            within(inner.options.whole_file_limit, size, || path.to_owned())?;
            let blob = repository.find_blob(entry.id())?;
            Ok(Some(CommitFile {
                bytes: blob.content().to_vec(),
                executable: mode == EXECUTABLE,
            }))
        })
        .await
    }
}
