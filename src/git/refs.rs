//! The list of refs that a remote sends first: its limits, and the repositories that cannot be fetched.

use super::error::Error;

/// Branches and tags of one repository: the largest known have a tenth of that, and each costs
/// time whenever a page lists branches.
pub(super) const REFS: usize = 100_000;
/// Bytes in which a remote lists them: libgit2 holds all of it in memory.
pub(super) const REFS_BYTES: usize = 64 * 1024 * 1024;

/// Of what a host says instead of a list, in characters.
const SAID_CHARS: usize = 200;

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
        if self.length == 0 && !is_length(piece) {
            return Some(Error::Greeting(first_words(piece)));
        }
        self.length += piece.len();
        if self.length > REFS_BYTES {
            return Some(Error::TooManyRefs { limit: REFS });
        }
        let seen = [&self.end, piece].concat();
        self.end = seen[seen.len().saturating_sub(SHA256[0].len() - 1)..].to_vec();
        let says = |said: &[u8]| seen.windows(said.len()).any(|window| window == said);
        if SHA256.into_iter().any(says) {
            return Some(sha256());
        }
        says(SHALLOW).then(shallow)
    }
}

/// Whether a list can begin so: with the length of its first line.
fn is_length(piece: &[u8]) -> bool {
    piece.iter().take(4).all(u8::is_ascii_hexdigit)
}

/// The first line of what a host says instead.
fn first_words(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.trim().lines().next().unwrap_or_default();
    line.chars()
        .take(SAID_CHARS)
        .flat_map(char::escape_debug)
        .collect()
}

/// As a repository is that was cloned with a filter.
pub(super) fn partial() -> Error {
    Error::Unsupported {
        what: "is a partial clone, without all of its files",
        advice: "Name the repository that it was cloned from.",
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
