//! What is at a target, asked with one command per server.

use super::digest::Digest;
use super::error::{Error, Trouble, readable};
use super::layout::{Layout, ReleaseData};
use super::manifest::Manifest;
use super::release::Looked;
use super::remote::{INSPECT, Limits, SURVEY, Script, ScriptAnswer, TOOLS, ask};
use super::rules::EXTRA_MARKER;
use crate::domain::release::MARKER;
use crate::domain::{Release, SyncMethod, TreeSize};
use crate::ssh::Session;

/// File systems that share blocks between copies, so that copying a release takes no room.
const SHARING: [&str; 2] = ["btrfs", "xfs"];

/// One part in so many of what a tree is estimated to need stays free beside it: other programs write
/// meanwhile, and the file system has books of its own to keep.
const MARGIN: u64 = 20;
/// What a file or directory takes beside its bytes, in bytes: half a block of the usual size is lost at the
/// end of each on the average.
const LOST_PER_ENTRY: u64 = 2048;

/// What is at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The target as an absolute path.
    pub target: String,
    /// What is at that path.
    pub kind: TargetKind,
    /// The directory it leads to, free of symbolic links; `None` when there is none.
    pub resolved: Option<String>,
    /// Whether that is in the project's own directory of releases.
    pub in_releases: bool,
    /// What the marker says; `None` when there is none that can be read.
    pub release: Option<Release>,
    /// What our own file beside it says.
    pub data: Option<ReleaseData>,
    /// The directory where new files go, or the nearest above it; empty where nothing can be written.
    pub place: String,
    /// What that directory is known by on its file system: equal for two names of one directory, and sometimes
    /// for two directories.
    pub identity: String,
    /// Room on the file system where new files go.
    pub room: Room,
    /// Whether the server has gzip.
    pub gzip: bool,
    /// Programs that the server lacks, or what they do not do.
    pub missing: Vec<String>,
    /// Why new files cannot be written there, as the server says it.
    pub obstacle: Option<String>,
    /// What is in a directory that has no marker, so that nobody has deployed to it, and what
    /// deploying in place would delete: paths, at most a hundred. Excluded ones are not among them.
    pub strangers: Vec<String>,
    /// Commands that move what the running release, or one before it, holds at excluded and shared paths into
    /// the store, where the deploy user cannot.
    pub apart: Vec<String>,
}

/// What is at a target path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// Nothing yet.
    Missing,
    Directory,
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

/// Room on a file system; `u64::MAX` where the file system does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes an ordinary user may still write.
    pub free_bytes: u64,
    /// Files that may still be created.
    pub free_inodes: u64,
    /// Whether a copied file shares its blocks with the first.
    pub copies_are_free: bool,
}

/// Asks what is at the target. Changes nothing.
///
/// # Errors
/// [`Error::Server`] when the server cannot be asked; what is wrong with the target itself is no
/// error here, see [`Inspection::check`].
pub async fn inspect(session: &Session, layout: &Layout, limits: &Limits) -> Result<Inspection, Error> {
    let answer = ask_of_target(INSPECT, session, layout, limits).await?;
    Ok(Inspection::read(&answer))
}

/// The programs that deploying needs and a server lacks, each with what it does not do; [`inspect`] finds
/// the same where nothing was deployed before.
///
/// # Errors
/// [`Error::Server`] when the server cannot be asked.
pub async fn missing_tools(session: &Session, limits: &Limits) -> Result<Vec<String>, Error> {
    let answer = ask(session, TOOLS, &[], limits.question()).await?;
    Ok(answer.texts("missing"))
}

/// Asks what is at the target, and what [`super::look`] would find, in one command.
///
/// # Errors
/// As [`inspect`].
pub async fn survey(
    session: &Session,
    layout: &Layout,
    limits: &Limits,
) -> Result<(Inspection, Looked), Error> {
    let answer = ask_of_target(SURVEY, session, layout, limits).await?;
    Ok((Inspection::read(&answer), Looked::read(&answer, layout)))
}

async fn ask_of_target(
    script: Script,
    session: &Session,
    layout: &Layout,
    limits: &Limits,
) -> Result<ScriptAnswer, Trouble> {
    let releases = layout.releases();
    let [kept, above, names] = layout.rules.expressions();
    let (target, method) = (layout.target.as_str(), layout.method.as_str());
    let (ours, stored) = (layout.ours(), layout.stored_words());
    let mut args = vec![target, method, &releases, &kept, &above, &names, &ours];
    args.extend(stored.iter().map(String::as_str));
    let args: Vec<&[u8]> = args.into_iter().map(str::as_bytes).collect();
    ask(session, script, &args, limits.question()).await
}

impl Inspection {
    pub(super) fn read(answer: &ScriptAnswer) -> Self {
        let mut obstacles = answer.texts("obstacle").into_iter();
        Self {
            target: answer.text("target").unwrap_or_default(),
            kind: match answer.text("kind").as_deref() {
                Some("directory") => TargetKind::Directory,
                Some("link") => TargetKind::Link,
                Some("other") => TargetKind::Other,
                _ => TargetKind::Missing,
            },
            resolved: answer.text("resolved"),
            in_releases: answer.text("ours").is_some(),
            release: answer.text(MARKER).and_then(|text| Release::parse_marker(&text)),
            data: answer
                .text(EXTRA_MARKER)
                .and_then(|text| serde_json::from_str(&text).ok()),
            place: answer.text("place").unwrap_or_default(),
            identity: answer.text("identity").unwrap_or_default(),
            room: Room::read(&answer.text("space").unwrap_or_default()),
            gzip: answer.text("gzip").is_some(),
            missing: answer.texts("missing"),
            obstacle: obstacles.find(|text| !text.is_empty()),
            strangers: answer.all("stranger").map(readable).collect(),
            apart: answer.texts("apart"),
        }
    }

    /// Whether a tree can be put there by `method`.
    ///
    /// # Errors
    /// [`Error::Server`] with what prevents it, and what to do about it.
    pub fn check(&self, method: SyncMethod) -> Result<(), Error> {
        let target = self.target.clone();
        if !self.missing.is_empty() {
            return Err(Trouble::MissingTool {
                tools: self.missing.join(", "),
            }
            .into());
        }
        match (method, self.kind) {
            (_, TargetKind::Other) => return Err(Trouble::NotADirectory { target }.into()),
            (SyncMethod::Symlink, TargetKind::Directory) => return Err(Trouble::NotALink { target }.into()),
            (SyncMethod::InPlace, TargetKind::Link) if self.in_releases => {
                return Err(Trouble::LinkToRelease { target }.into());
            }
            (SyncMethod::InPlace, TargetKind::Link) if self.resolved.is_none() => {
                return Err(Trouble::NotADirectory { target }.into());
            }
            _ => {}
        }
        if self.room.free_inodes == 0 {
            return Err(Trouble::NoInodes { detail: target }.into());
        }
        if let Some(detail) = &self.obstacle {
            return Err(Trouble::from_script("create", detail).into());
        }
        if !self.strangers.is_empty() {
            let names = self.strangers.clone();
            return Err(Trouble::NotOurs { target, names }.into());
        }
        Ok(())
    }

    /// Whether the switch to a new release will be able to move into the store what belongs there; a rollback does
    /// without.
    ///
    /// # Errors
    /// [`Error::Server`] with the command to run there.
    pub fn check_stores(&self) -> Result<(), Error> {
        match self.apart.as_slice() {
            [] => Ok(()),
            commands => Err(Trouble::Apart {
                command: commands.join(" && "),
            }
            .into()),
        }
    }

    /// Whether there is room for `manifest`, as far as that is known before the trees are compared: where
    /// nothing is deployed yet, and where a release copies all that it takes over from the one before.
    ///
    /// # Errors
    /// [`Error::Server`] with what is free and what is needed.
    pub fn check_room(&self, method: SyncMethod, manifest: &Manifest) -> Result<(), Error> {
        if self.takes_whole(method) {
            self.room
                .holds(manifest.bytes(), manifest.entries().len() as u64)?;
        }
        Ok(())
    }

    /// Whether a whole tree is written there, and not only what changes.
    pub fn takes_whole(&self, method: SyncMethod) -> bool {
        let copies = method == SyncMethod::Symlink && !self.room.copies_are_free;
        copies || self.tree(method).is_none()
    }

    /// Whether there is room, with a margin, for what is estimated to be written.
    ///
    /// # Errors
    /// As [`Self::check_room`].
    pub fn check_estimate(&self, size: TreeSize) -> Result<(), Error> {
        let lost = size.entries.saturating_mul(LOST_PER_ENTRY);
        let bytes = size.bytes.saturating_add(lost);
        let with_margin = |needed: u64| needed.saturating_add(needed / MARGIN);
        Ok(self.room.holds(with_margin(bytes), with_margin(size.entries))?)
    }

    /// The directory of a tree of ours, to deploy over or to start from. Anything else is not
    /// touched: it could be “/”.
    pub(super) fn tree(&self, method: SyncMethod) -> Option<&str> {
        match method {
            SyncMethod::InPlace => self.resolved.as_deref(),
            SyncMethod::Symlink => self.base(),
        }
    }

    /// The digest that the tree had when we put it there; `None` when it is unknown or in doubt.
    pub(super) fn claim(&self) -> Option<Digest> {
        let data = self.data.as_ref().filter(|data| !data.restless)?;
        let is_whole = self.release.as_ref().is_some_and(|release| !release.in_progress);
        data.digest.parse().ok().filter(|_| is_whole)
    }

    /// The release to start from, and to come back to: the directory in service, if it is one of
    /// the project's releases.
    pub(super) fn base(&self) -> Option<&str> {
        if self.in_releases {
            self.resolved.as_deref()
        } else {
            None
        }
    }
}

impl Room {
    /// Reads `free blocks, block size, all inodes, free inodes, type`.
    fn read(text: &str) -> Self {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
        let free_bytes = match (number(0), number(1)) {
            (Some(blocks), Some(size)) => blocks.saturating_mul(size),
            _ => u64::MAX,
        };
        // File systems that create inodes as needed report none.
        let free_inodes = match (number(2), number(3)) {
            (Some(1..), Some(free)) => free,
            _ => u64::MAX,
        };
        let copies_are_free = words.get(4).is_some_and(|kind| SHARING.contains(kind));
        Self {
            free_bytes,
            free_inodes,
            copies_are_free,
        }
    }

    /// Whether `bytes` and `inodes` fit.
    pub(super) fn holds(&self, bytes: u64, inodes: u64) -> Result<(), Trouble> {
        if bytes > self.free_bytes {
            return Err(Trouble::NoRoom {
                needed: bytes,
                free: self.free_bytes,
                unit: "bytes",
            });
        }
        if inodes > self.free_inodes {
            return Err(Trouble::NoRoom {
                needed: inodes,
                free: self.free_inodes,
                unit: "inodes",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_inodes_is_told_before_anything_is_sent() {
        let found = |space: &str| {
            let records = format!("target /srv/shop\0kind missing\0space {space}\0end -\0");
            Inspection::read(&ScriptAnswer::of(records.into_bytes()))
        };
        for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
            let told = found("1000 4096 500 0 tmpfs")
                .check(method)
                .map_err(|error| error.to_string());
            assert!(told.is_err_and(|told| told.contains("no inodes left for more files (/srv/shop)")));
            // One that makes them as they are needed tells none at all.
            assert!(found("1000 4096 0 0 btrfs").check(method).is_ok());
            assert!(found("1000 4096 500 1 tmpfs").check(method).is_ok());
        }
        let room = found("1000 4096 500 9 tmpfs").room;
        let told = room.holds(1, 10).map_err(|trouble| trouble.to_string());
        assert_eq!(
            told,
            Err(
                "The deployment needs 10 inodes on the server and only 9 are free. Make room there."
                    .to_owned()
            )
        );
    }
}
