//! Key pairs for SSH, as `ssh-keygen` makes them.
#![allow(clippy::disallowed_methods, reason = "a short program of a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use deployer::domain::HostKey;
use deployer::handshake::keys::KeyFiles;

use super::sshd::output;

/// These files of private keys, in order.
pub fn keys(files: &[&Path]) -> KeyFiles {
    KeyFiles {
        files: files.iter().map(|file| (*file).to_owned()).collect(),
        directory: None,
    }
}

/// Makes a key pair `dir/name` and `dir/name.pub` with `ssh-keygen`.
pub fn keygen(dir: &Path, name: &str, kind: &str) -> PathBuf {
    let path = dir.join(name);
    let bits: &[&str] = if kind == "rsa" { &["-b", "2048"] } else { &[] };
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", kind, "-N", "", "-C", "test", "-f"])
        .arg(&path)
        .args(bits);
    // A few ECDSA keys cannot be read; `tests/ssh/keys.rs` has one of them.
    loop {
        output(&mut command);
        if russh::keys::load_secret_key(&path, None).is_ok() {
            return path;
        }
        fs::remove_file(&path).expect("a key");
    }
}

/// The public key in `file` as somebody would have pinned it.
pub fn pinned(file: &Path) -> HostKey {
    let line = fs::read_to_string(file).expect("a public key");
    let openssh = line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let listing = output(Command::new("ssh-keygen").arg("-lf").arg(file));
    HostKey {
        openssh,
        fingerprint: listing
            .split_whitespace()
            .nth(1)
            .expect("a fingerprint")
            .to_owned(),
        pinned_at: "2026-11-22T12:00:00Z".parse().expect("an instant"),
        pinned_by: "alice".to_owned(),
    }
}
