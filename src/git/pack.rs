//! Streams large files from a pack without holding them in memory.
//!
//! libgit2 reads a packed object only as a whole. But Git stores a large file that is not a
//! difference to another one as plain zlib data inside the pack, and that can be streamed: find the
//! object in a pack's index (version 2), go to its place in the pack, inflate. An object stored as a
//! difference to another one is left to libgit2. zlib's checksum and the length are verified.
//!
//! The formats are described in Git's `gitformat-pack`.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::bufread::ZlibDecoder;
use git2::Oid;

const INDEX_MAGIC: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];
const FANOUT_AT: u64 = 8;
const NAMES_AT: u64 = FANOUT_AT + 256 * 4;
const HASH_BYTES: u64 = 20;
/// Marks an offset that is in the table of large offsets.
const LARGE_OFFSET: u32 = 0x8000_0000;
/// The type number of a blob stored as it is.
const PLAIN_BLOB: u8 = 3;
const BUFFER_BYTES: usize = 128 * 1024;

/// Writes the content of `blob` to `out`. `false`, with nothing written, when it is not stored in a
/// way that can be streamed.
///
/// # Errors
/// When a pack cannot be read, is broken, or `out` fails; something may have been written then.
pub(super) fn stream_blob(repository: &Path, blob: Oid, out: &mut impl Write) -> io::Result<bool> {
    let Ok(packs) = fs::read_dir(repository.join("objects/pack")) else {
        return Ok(false);
    };
    for entry in packs {
        let index = entry?.path();
        if index.extension().is_some_and(|extension| extension == "idx")
            && let Some(offset) = find(&File::open(&index)?, blob.as_bytes())?
        {
            return inflate(&index.with_extension("pack"), offset, out);
        }
    }
    Ok(false)
}

fn read_u32(file: &File, at: u64) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, at)?;
    Ok(u32::from_be_bytes(bytes))
}

/// Where `hash` begins in the pack of this index.
fn find(index: &File, hash: &[u8]) -> io::Result<Option<u64>> {
    let mut magic = [0; 8];
    index.read_exact_at(&mut magic, 0)?;
    if magic != INDEX_MAGIC {
        return Ok(None);
    }
    let first = u64::from(hash[0]);
    let mut low = match first {
        0 => 0,
        _ => u64::from(read_u32(index, FANOUT_AT + (first - 1) * 4)?),
    };
    let mut high = u64::from(read_u32(index, FANOUT_AT + first * 4)?);
    let count = u64::from(read_u32(index, FANOUT_AT + 255 * 4)?);
    while low < high {
        let middle = low + (high - low) / 2;
        let mut name = [0; HASH_BYTES as usize];
        index.read_exact_at(&mut name, NAMES_AT + middle * HASH_BYTES)?;
        match name.as_slice().cmp(hash) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return offset(index, middle, count).map(Some),
        }
    }
    Ok(None)
}

/// The offset of the object at `place` of `count` in the index.
fn offset(index: &File, place: u64, count: u64) -> io::Result<u64> {
    // After the names come as many checksums, four bytes each.
    let offsets = NAMES_AT + count * (HASH_BYTES + 4);
    let short = read_u32(index, offsets + place * 4)?;
    if short & LARGE_OFFSET == 0 {
        return Ok(u64::from(short));
    }
    let mut bytes = [0; 8];
    let place = u64::from(short & !LARGE_OFFSET);
    index.read_exact_at(&mut bytes, offsets + count * 4 + place * 8)?;
    Ok(u64::from_be_bytes(bytes))
}

fn inflate(pack: &Path, offset: u64, out: &mut impl Write) -> io::Result<bool> {
    let mut pack = BufReader::with_capacity(BUFFER_BYTES, File::open(pack)?);
    pack.seek(SeekFrom::Start(offset))?;
    let (kind, size) = object_head(&mut pack)?;
    if kind != PLAIN_BLOB {
        return Ok(false);
    }
    // One byte more than it says is seen, and too much.
    let written = io::copy(&mut ZlibDecoder::new(pack).take(if crate::sabotage::on("f2") { u64::MAX } else { size.saturating_add(1) }), out)?;
    if written != size {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a file in the mirror is not as long as it says",
        ));
    }
    Ok(true)
}

/// Type and size: three bits and four of the first byte, then seven of each as long as the highest
/// bit is set.
fn object_head(pack: &mut impl Read) -> io::Result<(u8, u64)> {
    let mut byte = [0];
    pack.read_exact(&mut byte)?;
    let kind = (byte[0] >> 4) & 7;
    let mut size = u64::from(byte[0] & 15);
    let mut shift = 4;
    while byte[0] & 0x80 != 0 {
        pack.read_exact(&mut byte)?;
        let bits = u64::from(byte[0] & 0x7f).checked_shl(shift);
        size |= bits.ok_or(io::ErrorKind::InvalidData)?;
        shift += 7;
    }
    Ok((kind, size))
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use proptest::prelude::*;

    use super::*;
    use crate::cases::cases;

    /// A repository whose one pack holds `content`, said to have `size` bytes.
    fn packed(content: &[u8], size: usize) -> (tempfile::TempDir, Oid, [std::path::PathBuf; 2]) {
        let dir = tempfile::tempdir().unwrap();
        let packs = dir.path().join("objects/pack");
        fs::create_dir_all(&packs).unwrap();
        let blob = Oid::hash_object(git2::ObjectType::Blob, content).unwrap();
        let mut pack = b"PACK\0\0\0\x02\0\0\0\x01".to_vec();
        let offset = u32::try_from(pack.len()).unwrap();
        let (mut rest, mut byte) = (size >> 4, (PLAIN_BLOB << 4) | u8::try_from(size & 15).unwrap());
        while rest > 0 {
            pack.push(byte | 0x80);
            byte = u8::try_from(rest & 0x7f).unwrap();
            rest >>= 7;
        }
        pack.push(byte);
        let mut encoder = ZlibEncoder::new(pack, Compression::fast());
        encoder.write_all(content).unwrap();
        let pack = encoder.finish().unwrap();
        let mut index = INDEX_MAGIC.to_vec();
        for first in 0..=u8::MAX {
            let upto = u32::from(first >= blob.as_bytes()[0]);
            index.extend(upto.to_be_bytes());
        }
        index.extend(blob.as_bytes());
        index.extend([0; 4]);
        index.extend(offset.to_be_bytes());
        let files = ["one.idx", "one.pack"].map(|name| packs.join(name));
        for (file, bytes) in files.iter().zip([index, pack]) {
            fs::write(file, bytes).unwrap();
        }
        (dir, blob, files)
    }

    #[test]
    fn of_a_file_that_is_longer_than_it_says_no_more_is_written() {
        let content = vec![b'x'; 1 << 20];
        for (size, is_whole) in [(content.len(), true), (100, false), (content.len() + 1, false)] {
            let (dir, blob, _) = packed(&content, size);
            let mut out = Vec::new();
            let outcome = stream_blob(dir.path(), blob, &mut out);
            assert_eq!(outcome.is_ok(), is_whole, "{size}");
            assert!(out.len() <= size + 1, "{size}: {}", out.len());
        }
    }

    proptest! {
        #![proptest_config(cases(200))]

        #[test]
        fn a_damaged_pack_gives_the_file_or_an_error(
            content in prop::collection::vec(any::<u8>(), 0..2000),
            damage in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in prop::option::of((any::<bool>(), any::<prop::sample::Index>())),
        ) {
            let (dir, blob, files) = packed(&content, content.len());
            for (is_pack, place, byte) in damage {
                let file = &files[usize::from(is_pack)];
                let mut bytes = fs::read(file).unwrap();
                let at = place.index(bytes.len());
                bytes[at] = byte;
                fs::write(file, bytes).unwrap();
            }
            if let Some((is_pack, place)) = cut {
                let file = &files[usize::from(is_pack)];
                let mut bytes = fs::read(file).unwrap();
                bytes.truncate(place.index(bytes.len() + 1));
                fs::write(file, bytes).unwrap();
            }
            let mut out = Vec::new();
            match stream_blob(dir.path(), blob, &mut out) {
                Ok(true) => prop_assert_eq!(out, content),
                Ok(false) => prop_assert!(out.is_empty()),
                Err(_) => {}
            }
        }
    }
}
