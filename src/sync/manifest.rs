//! The tree to deploy, known to the last byte: what is at each path, and a hash of its content.
//!
//! A manifest outlives its deployment: the engine keeps the last ones of each environment
//! ([`Manifest::save`], [`Manifest::load`]), and [`KnownTrees`] finds one by the digest a server
//! answers with.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write as _};
use std::path::Path as LocalPath;
use std::sync::Arc;

use super::Digest;
use super::listing::{Listed, Listing, Path, mtime_text};

/// First record of a stored manifest; change it with the format.
const FORM: &[u8] = b"deployer manifest 1";

/// A tree with all its contents' hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    entries: BTreeMap<Path, TreeEntry>,
    digest: Digest,
}

/// One entry of a tree that is to be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeEntry {
    Directory {
        /// Permission bits it is created with.
        mode: u32,
        /// Whether the digest counts it; see [`super::rules::Ownership::Above`].
        counted: bool,
    },
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// Bytes.
        size: u64,
        /// Seconds since 1970.
        mtime: u64,
        /// Of its content.
        hash: Digest,
    },
    /// A symbolic link and what it points at.
    Symlink(Vec<u8>),
}

/// What an entry is, in a word for people.
pub(super) const DIRECTORY: &str = "a directory";
pub(super) const FILE: &str = "a file";
pub(super) const LINK: &str = "a link";

impl TreeEntry {
    /// What it is, in a word for people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Directory { .. } => DIRECTORY,
            Self::File { .. } => FILE,
            Self::Symlink(_) => LINK,
        }
    }

    /// Whether both are the same, whatever their times.
    pub fn is_like(&self, other: &Self) -> bool {
        let timeless = |entry: &Self| match entry {
            Self::File { mode, size, hash, .. } => Self::File {
                mode: *mode,
                size: *size,
                mtime: 0,
                hash: *hash,
            },
            other => other.clone(),
        };
        timeless(self) == timeless(other)
    }
}

impl Manifest {
    /// A manifest of these entries.
    pub fn new(entries: BTreeMap<Path, TreeEntry>) -> Self {
        let records = entries
            .iter()
            .filter_map(|(path, entry)| Some(entry.found()?.record(path)));
        let digest = Digest::of_records(records.collect());
        Self { entries, digest }
    }

    /// Whether there is nothing in it but directories.
    pub fn is_bare(&self) -> bool {
        let mut entries = self.entries.values();
        entries.all(|entry| matches!(entry, TreeEntry::Directory { .. }))
    }

    /// What a server answers when it has exactly this tree.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// A digest of what is in it, whatever the times of its files: those depend on what was deployed from
    /// this host before.
    pub fn contents(&self) -> Digest {
        let record = |(path, entry): (&Path, &TreeEntry)| {
            let (kind, mode, rest) = match entry {
                TreeEntry::Directory { mode, .. } => (b'd', *mode, Vec::new()),
                TreeEntry::File { mode, size, hash, .. } => {
                    (b'f', *mode, [&size.to_be_bytes()[..], &hash.0].concat())
                }
                TreeEntry::Symlink(target) => (b'l', 0, target.clone()),
            };
            // With its lengths, no record reads as another one.
            let lengths = [path.len(), rest.len()].map(usize::to_be_bytes).concat();
            [&[kind][..], &mode.to_be_bytes(), &lengths, path.as_slice(), &rest].concat()
        };
        Digest::of_records(self.entries.iter().map(record).collect())
    }

    /// All entries, sorted by path.
    pub fn entries(&self) -> &BTreeMap<Path, TreeEntry> {
        &self.entries
    }

    /// The sum of all files' sizes in bytes.
    pub fn bytes(&self) -> u64 {
        self.entries.values().map(TreeEntry::size).sum()
    }

    /// This tree as a server that has it would list it, with hashes.
    pub fn listing(&self) -> Listing {
        let found = self.entries.iter();
        Listing {
            found: found
                .filter_map(|(path, entry)| Some((path.clone(), entry.found()?)))
                .collect(),
        }
    }

    /// Writes it to `file`, all or nothing. Blocks.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, file: &LocalPath) -> io::Result<()> {
        let mut body = Vec::new();
        for (path, entry) in &self.entries {
            let head = match entry {
                TreeEntry::Directory { mode, counted } => format!("d {mode:o} {} ", u8::from(*counted)),
                TreeEntry::File {
                    mode,
                    size,
                    mtime,
                    hash,
                } => format!("f {mode:o} {size} {mtime} {hash} "),
                TreeEntry::Symlink(_) => "l ".into(),
            };
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(path);
            if let TreeEntry::Symlink(target) = entry {
                body.extend_from_slice(b"//");
                body.extend_from_slice(target);
            }
            body.push(0);
        }
        let directory = file.parent().unwrap_or(LocalPath::new("."));
        let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
        temporary.write_all(FORM)?;
        temporary.write_all(format!("\0{}\0", Digest::of(&body)).as_bytes())?;
        temporary.write_all(&body)?;
        temporary.as_file().sync_all()?;
        temporary.persist(file)?;
        Ok(())
    }

    /// Reads what [`Self::save`] wrote. Blocks.
    ///
    /// # Errors
    /// Those of the file system, and `InvalidData` for a file that is damaged or of another form;
    /// that does little harm, as a lost manifest costs one listing per server.
    pub fn load(file: &LocalPath) -> io::Result<Self> {
        let bytes = std::fs::read(file)?;
        Self::read(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a whole manifest"))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(FORM)?.strip_prefix(b"\0")?;
        let (sum, rest) = rest.split_at_checked(64)?;
        let body = rest.strip_prefix(b"\0")?;
        if Digest::of(body).to_string().as_bytes() != sum {
            return None;
        }
        let records = body.split(|b| *b == 0).filter(|record| !record.is_empty());
        Some(Self::new(records.map(TreeEntry::read).collect::<Option<_>>()?))
    }
}

impl TreeEntry {
    /// Bytes of content; 0 for all but files.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } => *size,
            _ => 0,
        }
    }

    /// What a server shows of this; `None` for a directory that does not count.
    fn found(&self) -> Option<Listed> {
        Some(match self {
            Self::Directory { counted: false, .. } => return None,
            Self::Directory { .. } => Listed::Directory,
            Self::File {
                mode,
                size,
                mtime,
                hash,
            } => Listed::File {
                mode: *mode,
                size: *size,
                mtime: mtime_text(*mtime),
                hash: Some(*hash),
            },
            Self::Symlink(target) => Listed::Symlink(target.clone()),
        })
    }

    fn read(record: &[u8]) -> Option<(Path, Self)> {
        if record.starts_with(b"l ") {
            let (path, found) = Listed::parse(record)?;
            let Listed::Symlink(target) = found else {
                return None;
            };
            return Some((path, Self::Symlink(target)));
        }
        let is_file = record.starts_with(b"f ");
        let mut parts = record.splitn(if is_file { 6 } else { 4 }, |b| *b == b' ').skip(1);
        let mut text = || std::str::from_utf8(parts.next()?).ok();
        let mode = u32::from_str_radix(text()?, 8).ok()?;
        let entry = if is_file {
            let (size, mtime) = (text()?.parse().ok()?, text()?.parse().ok()?);
            Self::File {
                mode,
                size,
                mtime,
                hash: text()?.parse().ok()?,
            }
        } else {
            Self::Directory {
                mode,
                counted: text()? == "1",
            }
        };
        Some((parts.next()?.to_vec(), entry))
    }
}

/// The trees of one environment that we have put somewhere before.
#[derive(Debug, Clone, Default)]
pub struct KnownTrees {
    newest_first: Vec<Arc<Manifest>>,
    by_digest: HashMap<Digest, Arc<Manifest>>,
}

impl KnownTrees {
    /// Of `manifests`, the last deployed first.
    pub fn new(newest_first: impl IntoIterator<Item = Arc<Manifest>>) -> Self {
        let newest_first: Vec<_> = newest_first.into_iter().collect();
        let by_digest = newest_first.iter().map(|m| (m.digest(), Arc::clone(m))).collect();
        Self {
            newest_first,
            by_digest,
        }
    }

    /// The tree with this digest, if we know it.
    pub fn find(&self, digest: Digest) -> Option<&Arc<Manifest>> {
        self.by_digest.get(&digest)
    }

    /// The modification time for content `hash` of `size` at `path`: the one it had when it was
    /// last deployed there; for new content `fresh`, or as much later as it takes to be newer
    /// than, and different from, everything we ever put there.
    pub fn mtime(&self, path: &[u8], size: u64, hash: Digest, fresh: u64) -> u64 {
        let mut floor = fresh;
        for (age, manifest) in self.newest_first.iter().enumerate() {
            if let Some(TreeEntry::File {
                size: was,
                mtime,
                hash: old,
                ..
            }) = manifest.entries.get(path)
            {
                if age == 0 && *old == hash {
                    return *mtime;
                }
                if age == 0 || *old != hash && *was == size {
                    floor = floor.max(mtime + 1);
                }
            }
        }
        floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str, u64)]) -> Arc<Manifest> {
        let entry = |(path, content, mtime): &(&str, &str, u64)| {
            let hash = Digest::of(content.as_bytes());
            let entry = TreeEntry::File {
                mode: 0o644,
                size: content.len() as u64,
                mtime: *mtime,
                hash,
            };
            (path.as_bytes().to_vec(), entry)
        };
        Arc::new(Manifest::new(files.iter().map(entry).collect()))
    }

    #[test]
    fn contents_are_the_same_whatever_the_times_and_only_then() {
        let one = tree(&[("a", "x", 5), ("b", "y", 5)]);
        let later = tree(&[("a", "x", 9), ("b", "y", 7)]);
        assert_eq!(one.contents(), later.contents());
        assert_ne!(one.digest(), later.digest());
        // Neither size nor time shows this one.
        let other = tree(&[("a", "x", 5), ("b", "z", 5)]);
        assert_eq!(one.digest(), other.digest());
        assert_ne!(one.contents(), other.contents());
        let is_like = |name: &[u8]| one.entries()[name].is_like(&other.entries()[name]);
        assert!(is_like(b"a") && !is_like(b"b"));
    }

    #[test]
    fn a_stored_manifest_reads_back_and_a_damaged_one_does_not() {
        let mut entries = tree(&[("a\n\"b", "x", 5)]).entries().clone();
        entries.insert(
            b"d\xff".to_vec(),
            TreeEntry::Directory {
                mode: 0o755,
                counted: false,
            },
        );
        entries.insert(b"l".to_vec(), TreeEntry::Symlink(b"/x//y z".to_vec()));
        let manifest = Manifest::new(entries);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("m");
        manifest.save(&file).unwrap();
        assert_eq!(Manifest::load(&file).unwrap(), manifest);
        let mut bytes = std::fs::read(&file).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(
            Manifest::load(&file).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }

    #[test]
    fn a_files_time_changes_exactly_when_its_content_does() {
        let known = KnownTrees::new([
            tree(&[("f", "two", 200)]),
            tree(&[("f", "one", 100), ("g", "old", 300)]),
        ]);
        assert_eq!(known.mtime(b"f", 3, Digest::of(b"two"), 500), 200);
        assert_eq!(known.mtime(b"f", 3, Digest::of(b"six"), 500), 500);
        // Going back to an older commit is a change too.
        assert_eq!(known.mtime(b"f", 3, Digest::of(b"one"), 100), 201);
        // A file that was gone for a while must not look like its former self.
        assert_eq!(known.mtime(b"g", 3, Digest::of(b"new"), 300), 301);
        assert_eq!(known.mtime(b"h", 3, Digest::of(b"new"), 300), 300);
    }
}
