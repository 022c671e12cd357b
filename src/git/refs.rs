//! The list of refs that a remote sends first: its limits, and the repositories that cannot be fetched.

use super::error::Error;

/// Branches and tags of one repository: the largest known have a tenth of that, and each costs
/// time whenever a page lists branches.
pub(super) const REFS: usize = 100_000;
/// Bytes in which a remote lists them: libgit2 holds all of it in memory.
pub(super) const REFS_BYTES: usize = 64 * 1024 * 1024;

/// Why libgit2 cannot fetch from the repository, if this piece of its list of refs says so.
pub(super) fn special(piece: &[u8]) -> Option<Error> {
    let says = |said: &[u8]| piece.windows(said.len()).any(|window| window == said);
    // After a space or NUL, which no name of a branch has.
    if says(b" object-format=sha256") || says(b"\0object-format=sha256") {
        return Some(sha256());
    }
    // A line of its own, with a commit; the capability of that name has no length before it.
    says(b"0035shallow ").then(shallow)
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

pub(super) fn reftable() -> Error {
    Error::Unsupported {
        what: "keeps its branches in a reftable",
        advice: "Convert it with “git refs migrate --ref-format=files”.",
    }
}
