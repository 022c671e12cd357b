//! Reads files that other accounts or programs may have put something else in the place of: a named pipe, on
//! which opening waits for ever, a device or a file without an end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

/// Opens the regular file at `path`, also behind a link.
///
/// # Errors
/// Those of the file system, and `InvalidInput` with short words about what stands there instead.
pub fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    let found = file.metadata()?;
    if found.is_dir() {
        return Err(unfit("it is a directory"));
    }
    if !found.is_file() {
        return Err(unfit("it is no regular file"));
    }
    Ok(file)
}

/// The content of the regular file at `path`, which may have at most `limit` bytes.
///
/// # Errors
/// As [`open`], and `InvalidInput` for a longer one.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(unfit(&format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// As [`read`], for text.
///
/// # Errors
/// As [`read`], and `InvalidInput` for what is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|_| unfit("it is not UTF-8 text"))
}

fn unfit(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, words)
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn what_is_no_small_file_is_told_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, file, link) = (
            dir.path().join("pipe"),
            dir.path().join("file"),
            dir.path().join("link"),
        );
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        std::fs::write(&file, "12345").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let why = |path: &Path, limit| read_text(path, limit).unwrap_err().to_string();
        assert_eq!(why(&pipe, 10), "it is no regular file");
        assert_eq!(why(Path::new("/dev/zero"), 10), "it is no regular file");
        assert_eq!(why(dir.path(), 10), "it is a directory");
        assert_eq!(why(&file, 4), "it has more than 4 bytes");
        assert_eq!(read_text(&link, 5).unwrap(), "12345");
        std::fs::write(&file, b"\xff").unwrap();
        assert_eq!(why(&file, 4), "it is not UTF-8 text");
        let missing = read(&dir.path().join("none"), 4).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
