//! Serves a repository on this host to libgit2, as `git-upload-pack` does at the other end of an SSH
//! connection.
//!
//! The conversation is Git's first protocol: we list refs, libgit2 says what it wants, and gets a pack.
//! What it has is not negotiated: its mirror lies here, and what is in it is left out.

use std::collections::HashSet;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use git2::{ObjectType, Odb, OdbLookupFlags, Oid, Repository};
use tokio_util::sync::CancellationToken;

use super::LocalRepository;
use crate::git::budget::find_tree;
use crate::git::error::{Error, Result};
use crate::git::export::within;
use crate::git::refs::REFS;

/// Objects of one fetch: twice those of the largest repositories known.
const OBJECTS: usize = 20_000_000;
/// Bytes of a commit or tag.
const COMMIT_BYTES: usize = 64 * 1024 * 1024;
/// What of a name decides which objects are alike, in bytes; the rest need not be kept.
const NAME_END: usize = 16;
/// Git's mode of a submodule in a tree.
const SUBMODULE: i32 = 0o160_000;

/// Where libgit2 puts what it is sent, and what it may be sent.
pub(in crate::git) struct Receiver {
    /// The mirror; `None` where only the refs are asked for.
    pub(in crate::git) mirror: Option<PathBuf>,
    /// The largest file, in bytes: packing holds it in memory whole.
    pub(in crate::git) whole_file_limit: u64,
    pub(in crate::git) stop: CancellationToken,
}

impl LocalRepository {
    /// Holds the conversation at the other end of `socket`. Blocks.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::TooLarge`], [`Error::TooMuchToCompare`] for more objects than any
    /// repository has, and what libgit2 says of broken objects.
    pub(in crate::git) fn serve(&self, socket: &TcpStream, receiver: &Receiver) -> Result<()> {
        let (mut from, mut to) = (BufReader::new(socket), BufWriter::new(socket));
        let talk = self.list(&mut to).and_then(|()| self.wanted(&mut from, &mut to));
        match talk {
            Ok(wanted) if wanted.is_empty() => Ok(()),
            Ok(wanted) => self.send(wanted, receiver, &mut to),
            // libgit2 hangs up when it has what it wants.
            Err(_) => Ok(()),
        }
    }

    fn list(&self, to: &mut impl Write) -> io::Result<()> {
        let mut capabilities = "\0ofs-delta";
        for (name, at) in &self.refs {
            send_packet(to, &format!("{at} {name}{capabilities}\n"))?;
            capabilities = "";
        }
        if self.refs.is_empty() {
            send_packet(
                to,
                &format!("{} capabilities^{{}}{capabilities}\n", Oid::ZERO_SHA1),
            )?;
        }
        to.write_all(b"0000")?;
        to.flush()
    }

    /// What libgit2 wants, of what was listed, once it is done with saying what it has.
    fn wanted(&self, from: &mut impl Read, to: &mut impl Write) -> io::Result<Vec<Oid>> {
        let listed: HashSet<Oid> = self.refs.values().copied().collect();
        let named = |line: &[u8], verb: &str| {
            let rest = line.strip_prefix(verb.as_bytes())?.get(..40)?;
            Oid::from_str(std::str::from_utf8(rest).ok()?).ok()
        };
        let mut wanted = Vec::new();
        while let Some(line) = packet(from)? {
            wanted.extend(named(&line, "want ").filter(|one| listed.contains(one)));
            if wanted.len() > REFS {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        let mut has = None;
        while !wanted.is_empty() {
            match packet(from)? {
                // It need not go on saying what it has: that is known.
                None => send_packet(to, &has.map_or("NAK\n".to_owned(), |has| format!("ACK {has}\n")))?,
                Some(line) if line.starts_with(b"done") => break,
                Some(line) => has = named(&line, "have ").or(has),
            }
            to.flush()?;
        }
        send_packet(to, "NAK\n")?;
        Ok(wanted)
    }

    /// Sends what the mirror lacks.
    fn send(&self, wanted: Vec<Oid>, receiver: &Receiver, to: &mut impl Write) -> Result<()> {
        let Some(mirror) = &receiver.mirror else {
            return Ok(());
        };
        let there = Repository::open_bare(mirror)?;
        // Opened once more, as this one sees the objects of both.
        let both = Repository::open_bare(mirror)?;
        both.odb()?.add_disk_alternate(&self.objects.to_string_lossy())?;
        let mut packing = both.packbuilder()?;
        let stop = &receiver.stop;
        packing.set_progress_callback(|_, _, _| !stop.is_cancelled())?;
        let walk = Walk {
            both: &both,
            there: there.odb()?,
            receiver,
        };
        walk.each(wanted, |object, name| Ok(packing.insert_object(object, name)?))?;
        let mut lost = None;
        let packed = packing.foreach(|bytes| {
            lost = to.write_all(bytes).err();
            lost.is_none() && !stop.is_cancelled()
        });
        match (packed, lost) {
            _ if stop.is_cancelled() => Err(Error::Cancelled),
            (_, Some(_)) => Ok(()),
            (Err(error), None) => Err(error.into()),
            (Ok(()), None) => {
                // Who has hung up has it all.
                let _ = to.flush();
                Ok(())
            }
        }
    }
}

/// Finds objects by those that name them. Not recursive, as a hostile tree may be deeper than our stack.
struct Walk<'a> {
    both: &'a Repository,
    there: Odb<'a>,
    receiver: &'a Receiver,
}

/// An object that was found, and how its name in a tree ends.
struct Found {
    object: Oid,
    name: [u8; NAME_END],
}

impl Walk<'_> {
    /// Calls `act` for each of `from`, and all that they need, but for what is there already: with it is
    /// all that it needs, as packs are taken whole.
    fn each(&self, from: Vec<Oid>, mut act: impl FnMut(Oid, Option<&str>) -> Result<()>) -> Result<()> {
        let (mut seen, mut ahead) = (HashSet::new(), Vec::new());
        let mut find = |object: Oid, name: &[u8], ahead: &mut Vec<Found>| {
            if seen.len() >= OBJECTS {
                return Err(Error::TooMuchToCompare);
            }
            if seen.insert(object) && !self.there.exists_ext(object, OdbLookupFlags::NO_REFRESH) {
                ahead.push(Found {
                    object,
                    name: end_of(name),
                });
            }
            Ok(())
        };
        from.into_iter()
            .try_for_each(|object| find(object, b"", &mut ahead))?;
        let odb = self.both.odb()?;
        while let Some(Found { object, name }) = ahead.pop() {
            if self.receiver.stop.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let name = std::str::from_utf8(&name)
                .ok()
                .filter(|name| !name.contains('\0'));
            let (size, kind) = odb.read_header(object)?;
            let is_small = matches!(kind, ObjectType::Blob | ObjectType::Tree) || size <= COMMIT_BYTES;
            if !is_small {
                return Err(Error::TooMuchToCompare);
            }
            match kind {
                ObjectType::Commit => {
                    let commit = self.both.find_commit(object)?;
                    find(commit.tree_id(), b"", &mut ahead)?;
                    commit
                        .parent_ids()
                        .try_for_each(|parent| find(parent, b"", &mut ahead))?;
                }
                ObjectType::Tag => find(self.both.find_tag(object)?.target_id(), b"", &mut ahead)?,
                ObjectType::Tree => {
                    for entry in &find_tree(self.both, object)? {
                        if entry.filemode_raw() != SUBMODULE {
                            find(entry.id(), entry.name_bytes(), &mut ahead)?;
                        }
                    }
                }
                _ => within(self.receiver.whole_file_limit, size, || object.to_string())?,
            }
            act(object, name)?;
        }
        Ok(())
    }
}

/// The last bytes of a name, which tell what kind of file it is, with other characters before a short one.
fn end_of(name: &[u8]) -> [u8; NAME_END] {
    let mut end = [b'_'; NAME_END];
    let kept = &name[name.len().saturating_sub(NAME_END)..];
    for (to, from) in end.iter_mut().rev().zip(kept.iter().rev()) {
        *to = if from.is_ascii_graphic() { *from } else { b'_' };
    }
    end
}

/// One packet of Git's protocol; `None` for the one that ends a list.
fn packet(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let length = std::str::from_utf8(&length).map_err(|_| invalid())?;
    let length = usize::from_str_radix(length, 16).map_err(|_| invalid())?;
    if length == 0 {
        return Ok(None);
    }
    let mut line = vec![0; length.checked_sub(4).ok_or_else(invalid)?];
    from.read_exact(&mut line)?;
    Ok(Some(line))
}

fn send_packet(to: &mut impl Write, line: &str) -> io::Result<()> {
    write!(to, "{:04x}{line}", line.len() + 4)
}
