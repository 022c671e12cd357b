//! The small file that stands in a commit for one that is kept in Git LFS.

use std::fmt;

/// The largest pointer, in bytes, by its specification.
pub(in crate::git) const POINTER_BYTES: usize = 1024;
/// The first line of every pointer.
const VERSION: &str = "version https://git-lfs.github.com/spec/v1";

/// What a commit says of a file that is kept in Git LFS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer {
    /// The SHA-256 of its content, in hexadecimal digits.
    pub oid: String,
    /// Its size in bytes.
    pub size: u64,
}

/// What a small file is to Git LFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::git) enum PointerReading {
    Pointer(Pointer),
    /// A pointer to what a program of the user's makes the file of (an LFS extension).
    Extended,
    /// A file that was committed without LFS.
    Plain,
}

impl Pointer {
    /// Reads what `git lfs` writes: keys and values, `version` first, the others in order.
    pub(in crate::git) fn read(content: &[u8]) -> PointerReading {
        let text = std::str::from_utf8(content).ok();
        let text = text.filter(|text| text.len() <= crate::sabotage::most("z5", POINTER_BYTES));
        let Some(rest) = text.and_then(|text| text.trim_end().strip_prefix(VERSION)) else {
            return PointerReading::Plain;
        };
        let (mut oid, mut size, mut is_extended) = (None, None, false);
        for line in rest.lines().filter(|line| !line.is_empty()) {
            match line.split_once(' ') {
                Some((key, _)) if key.starts_with("ext-") => is_extended = true,
                Some(("oid", value)) if oid.is_none() => oid = value.strip_prefix("sha256:").and_then(digest),
                Some(("size", value)) if size.is_none() => size = number(value),
                _ => return PointerReading::Plain,
            }
        }
        match (oid, size) {
            (Some(_), Some(_)) if is_extended => PointerReading::Extended,
            (Some(oid), Some(size)) => PointerReading::Pointer(Self { oid, size }),
            _ => PointerReading::Plain,
        }
    }

    /// The pointer in `content`; `None` for any other file.
    pub(in crate::git) fn of(content: &[u8]) -> Option<Self> {
        match Self::read(content) {
            PointerReading::Pointer(pointer) => Some(pointer),
            PointerReading::Extended | PointerReading::Plain => None,
        }
    }
}

/// As `git lfs` writes it.
impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}\noid sha256:{}\nsize {}\n", self.oid, self.size)
    }
}

fn digest(text: &str) -> Option<String> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 64 && text.bytes().all(is_digit) || crate::sabotage::on("z3")).then(|| text.to_owned())
}

/// A size as it is written: digits alone.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || crate::sabotage::on("z4"))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_longer_than_any_pointer_is_none() {
        let pointer = Pointer {
            oid: "4d".repeat(32),
            size: 7,
        };
        let text = pointer.to_string();
        let with_blanks = |bytes: usize| format!("{text}{}", "\n".repeat(bytes - text.len()));
        assert_eq!(Pointer::of(with_blanks(POINTER_BYTES).as_bytes()), Some(pointer));
        assert_eq!(Pointer::of(with_blanks(POINTER_BYTES + 1).as_bytes()), None);
    }
}
