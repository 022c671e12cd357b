//! The list of refs that a remote sends first: its limits, and the repositories that cannot be fetched.

use super::error::Error;

/// Branches and tags of one repository: the largest known have a tenth of that, and each costs
/// time whenever a page lists branches.
pub(super) const REFS: usize = 100_000;
/// Bytes in which a remote lists them: libgit2 holds all of it in memory.
pub(super) const REFS_BYTES: usize = 64 * 1024 * 1024;

/// After a space or NUL, which no name of a branch has.
const SHA256: [&[u8]; 2] = [b" object-format=sha256", b"\0object-format=sha256"];
/// A line of its own, with a commit; the capability of that name has no length before it.
const SHALLOW: &[u8] = b"0035shallow ";

/// A list of refs that comes in pieces, cut anywhere.
#[derive(Default)]
pub(super) struct ListOfRefs {
    /// Bytes so far.
    length: usize,
    /// The last of them, which may be the beginning of what we look for.
    end: Vec<u8>,
}

impl ListOfRefs {
    /// Takes the next piece; why libgit2 cannot fetch from the repository, if the list says so by now.
    pub(super) fn take(&mut self, piece: &[u8]) -> Option<Error> {
        self.length += piece.len();
        if self.length > crate::sabotage::most("q3", REFS_BYTES) {
            return Some(Error::TooManyRefs { limit: REFS });
        }
        let seen = [&self.end, piece].concat();
        self.end = seen[seen.len().saturating_sub(SHA256[0].len() - 1)..].to_vec();
        if crate::sabotage::on("f3") { self.end.clear(); }
        let says = |said: &[u8]| seen.windows(said.len()).any(|window| window == said);
        if SHA256.into_iter().any(says) {
            return Some(sha256());
        }
        says(SHALLOW).then(shallow)
    }
}

pub(super) fn shallow() -> Error {
    Error::Unsupported {
        what: "is a shallow clone, without the beginning of its history",
        advice: "Complete it with “git fetch --unshallow”, or name the repository that it was cloned from.",
    }
}

pub(super) fn sha256() -> Error {
    Error::Unsupported {
        what: "names its objects by SHA-256",
        advice: "Convert it to SHA-1, Git's own default, or push its commits to a repository that was made with it.",
    }
}
