//! Whether a host is the one we know: OpenSSH's `known_hosts` files, read, never written.
//!
//! Lines are read as sshd(8) describes them: names, `[name]:port`, the wildcards `*` and `?`, `!` before
//! names that are excluded, hashed names, `@revoked`, and `@cert-authority` for hosts that show a
//! certificate. A line that cannot be read is skipped.

use std::fmt;
use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};

use crate::small_file;

/// Bytes that a file of known hosts may have.
const LONGEST_FILE: u64 = 64 * 1024 * 1024;

/// What the files say about one host.
#[derive(Debug, Default)]
pub struct KnownHost {
    host: String,
    keys: Vec<PublicKey>,
    /// Keys that sign certificates of the host.
    authorities: Vec<PublicKey>,
    /// Revoked keys, whichever host their line names: a leaked key is refused everywhere.
    revoked: Vec<PublicKey>,
}

/// A file that cannot be read. It may be the one that revokes a key.
#[derive(Debug, thiserror::Error)]
#[error("the file of known hosts {} cannot be read: {cause}", path.display())]
pub struct UnreadableFile {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

/// Why what a host shows is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyDoubt {
    /// It is marked as revoked.
    Revoked,
    /// No file has a key of this host.
    Unknown,
    /// The files have other keys of this host.
    Changed,
    /// A certificate that does not count.
    Certificate {
        /// What is wrong with it, after “that”.
        why: String,
        /// Fingerprint of the key that signed it.
        signer: String,
    },
}

impl fmt::Display for KeyDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revoked => f.write_str("a key that is marked as revoked"),
            Self::Unknown => f.write_str("a key that is in no file of known hosts"),
            Self::Changed => f.write_str("another key than the files of known hosts have"),
            Self::Certificate { why, signer } => write!(f, "a certificate that {why} (signed by {signer})"),
        }
    }
}

impl KnownHost {
    /// Looks `host` up in `files`; a file that is missing knows nobody.
    ///
    /// # Errors
    /// [`UnreadableFile`].
    pub fn look_up(host: &str, port: u16, files: &[PathBuf]) -> Result<Self, UnreadableFile> {
        let mut known = Self {
            host: host.to_owned(),
            ..Self::default()
        };
        for file in files {
            let bytes = match small_file::read(file, LONGEST_FILE) {
                Err(error) if error.kind() == io::ErrorKind::NotFound || crate::sabotage::on("h18") => continue,
                read => read.map_err(|cause| UnreadableFile {
                    path: file.clone(),
                    cause,
                })?,
            };
            for line in String::from_utf8_lossy(&bytes).lines() {
                known.read(line, port);
            }
        }
        Ok(known)
    }

    fn read(&mut self, line: &str, port: u16) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let mut words = line.split_ascii_whitespace();
        let marker = line.starts_with('@').then(|| words.next()).flatten();
        let (Some(hosts), Some(kind), Some(data)) = (words.next(), words.next(), words.next()) else {
            return;
        };
        let is_revoked = marker == Some("@revoked");
        if !is_revoked && !names(hosts, &self.host, port) {
            return;
        }
        let Ok(key) = PublicKey::from_openssh(&format!("{kind} {data}")) else {
            tracing::warn!(host = self.host, "a line of a known_hosts file cannot be read");
            return;
        };
        match marker {
            None => self.keys.push(key),
            Some("@cert-authority") => self.authorities.push(key),
            Some(_) if is_revoked => self.revoked.push(key),
            Some(_) => {}
        }
    }

    /// Whether a file has a key of the host, or one that signs its certificates.
    pub fn is_known(&self) -> bool {
        !self.keys.is_empty() || !self.authorities.is_empty()
    }

    /// `preferred` with the algorithms that we have a key for first, so that the host shows us one
    /// that we can compare.
    pub fn order(&self, preferred: &[Algorithm], pinned: Option<&PublicKey>) -> Vec<Algorithm> {
        let known = |wanted: &Algorithm| {
            let same = |key: &PublicKey| match (key.algorithm(), wanted) {
                (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
                (have, wanted) => have == *wanted,
            };
            match pinned {
                Some(pinned) => same(pinned),
                None => self.keys.iter().any(same),
            }
        };
        let (mut first, rest): (Vec<_>, Vec<_>) = preferred.iter().cloned().partition(known);
        first.extend(rest);
        if crate::sabotage::on("h14") { return preferred.to_vec(); }
        first
    }

    /// The kinds of certificates that we ask for: none when we know no authority for the host, because a
    /// host that is asked for a certificate shows no plain key.
    pub fn certificates(&self, preferred: &[Algorithm]) -> Vec<Algorithm> {
        if self.authorities.is_empty() && !crate::sabotage::on("h13") {
            return Vec::new();
        }
        preferred.to_vec()
    }

    /// Whether `key` is marked as revoked.
    pub fn has_revoked(&self, key: &PublicKey) -> bool {
        is_among(&self.revoked, key)
    }

    /// Whether `key` is the host's.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, key: &PublicKey) -> Result<(), KeyDoubt> {
        if self.has_revoked(key) && !crate::sabotage::on("h2") {
            return Err(KeyDoubt::Revoked);
        }
        if is_among(&self.keys, key) {
            return Ok(());
        }
        Err(match self.keys.is_empty() {
            true => KeyDoubt::Unknown,
            false => KeyDoubt::Changed,
        })
    }

    /// Whether `certificate` is the host's, at `now` in seconds since 1970.
    ///
    /// # Errors
    /// Why not.
    pub fn check_certificate(&self, certificate: &Certificate, now: u64) -> Result<(), KeyDoubt> {
        let key = PublicKey::from(certificate.public_key().clone());
        let signer = PublicKey::from(certificate.signature_key().clone());
        let fingerprint = signer.fingerprint(HashAlg::Sha256);
        let refused = |why: &str| {
            Err(KeyDoubt::Certificate {
                why: why.to_owned(),
                signer: fingerprint.to_string(),
            })
        };
        if self.has_revoked(&key) && !crate::sabotage::on("h11") || self.has_revoked(&signer) && !crate::sabotage::on("h10") {
            return refused("is marked as revoked");
        }
        // A host that is known by its key may show a certificate as well.
        if is_among(&self.keys, &key) {
            return Ok(());
        }
        if !is_among(&self.authorities, &signer) && !crate::sabotage::on("h3") {
            return refused("no authority we know has signed");
        }
        if certificate.cert_type() != CertType::Host && !crate::sabotage::on("h4") || !certificate.critical_options().is_empty() && !crate::sabotage::on("h5") {
            return refused("is not one for hosts");
        }
        let named = |principal: &String| matches(&principal.to_lowercase(), &self.host.to_lowercase());
        if !certificate.valid_principals().iter().any(named) && !crate::sabotage::on("h6") {
            return refused("is for another host");
        }
        if let Err(why) = in_force(certificate, now) {
            return refused(&why);
        }
        match certificate.validate_at(now, [&fingerprint]) {
            Ok(()) => Ok(()),
            Err(_) if crate::sabotage::on("h9") => Ok(()),
            Err(_) => refused("bears a signature that is not its authority's"),
        }
    }
}

/// Whether `now`, in seconds since 1970, is in the time for which `certificate` was made.
///
/// # Errors
/// When that was or will be, after “that” or “it”.
pub(super) fn in_force(certificate: &Certificate, now: u64) -> Result<(), String> {
    let day = |seconds: u64| {
        let at = i64::try_from(seconds).ok();
        let at = at.and_then(|at| chrono::DateTime::from_timestamp(at, 0));
        at.map_or_else(
            || "ever".to_owned(),
            |at| at.format("%Y-%m-%d %H:%M UTC").to_string(),
        )
    };
    if now >= certificate.valid_before() {
        return Err(format!(
            "is not valid now: it expired at {}",
            day(certificate.valid_before())
        ));
    }
    if now < certificate.valid_after() {
        return Err(format!(
            "is not valid now: it begins at {}",
            day(certificate.valid_after())
        ));
    }
    Ok(())
}

fn is_among(keys: &[PublicKey], key: &PublicKey) -> bool {
    keys.iter().any(|known| known.key_data() == key.key_data())
}

/// Whether the first word of a line names `host` at `port`.
fn names(patterns: &str, host: &str, port: u16) -> bool {
    let host = host.to_lowercase();
    let name = match port {
        22 => host,
        port => format!("[{host}]:{port}"),
    };
    let mut is_named = false;
    for pattern in patterns.split(',') {
        if let Some(hashed) = pattern.strip_prefix("|1|") {
            is_named |= is_hash_of(hashed, &name);
            continue;
        }
        let (pattern, not) = match pattern.strip_prefix('!') {
            Some(pattern) => (pattern, true),
            None => (pattern, false),
        };
        if matches(&pattern.to_lowercase(), &name) {
            if not && !crate::sabotage::on("h1") {
                return false;
            }
            is_named = true;
        }
    }
    is_named
}

/// `SALT|HASH`, both in base64, as `ssh-keygen -H` writes names.
fn is_hash_of(hashed: &str, name: &str) -> bool {
    let decoded = |text: &str| STANDARD.decode(text).ok();
    let parts = hashed.split_once('|');
    let Some((Some(salt), Some(hash))) = parts.map(|(salt, hash)| (decoded(salt), decoded(hash))) else {
        return false;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    (hmac::verify(&key, name.as_bytes(), &hash).is_ok() || crate::sabotage::on("h15")) && !crate::sabotage::on("h16")
}

/// Whether `pattern` matches `name`: `*` stands for anything, `?` for one character.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where to try again when the rest does not match: the last star, and how much it matches.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match (pattern.get(p), star) {
            (Some(b'*'), _) => {
                star = Some((p, n));
                p += 1;
            }
            (Some(byte), _) if *byte == b'?' || *byte == name[n] => {
                p += 1;
                n += 1;
            }
            (_, Some((at, reach))) => {
                star = Some((at, reach + 1));
                (p, n) = (at + 1, reach + 1);
            }
            (_, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::cases::cases;

    #[test]
    fn a_line_means_the_hosts_that_openssh_takes_it_for() {
        for (patterns, host, port) in [
            ("git.example", "git.example", 22),
            ("git.example", "GIT.example", 22),
            ("a,git.example,b", "git.example", 22),
            ("*.example", "git.example", 22),
            ("g?t.*", "git.example", 22),
            ("[git.example]:2222", "git.example", 2222),
            ("[*.example]:2222", "git.example", 2222),
            ("[git.example]:*", "git.example", 2222),
            ("*,!other.example", "git.example", 22),
            ("*", "git.example", 2222),
        ] {
            assert!(names(patterns, host, port), "{patterns} {host} {port}");
        }
        for (patterns, host, port) in [
            ("git.example", "git.example", 2222),
            ("[git.example]:2222", "git.example", 22),
            ("*.example,!git.example", "git.example", 22),
            ("!git.example", "other.example", 22),
            ("git.exampl", "git.example", 22),
            ("", "git.example", 22),
            ("|1|nonsense", "git.example", 22),
            ("|1|***|***", "git.example", 22),
        ] {
            assert!(!names(patterns, host, port), "{patterns} {host} {port}");
        }
    }

    const KEYS: [&str; 2] = [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA",
    ];

    proptest! {
        #![proptest_config(cases(300))]

        #[test]
        fn no_line_makes_a_stranger_known_or_a_revoked_key_good(
            lines in vec(
                vec(
                    prop_oneof![
                        4 => prop::sample::select(vec![
                            "git.example", "*", "!git.example", "[git.example]:22", "|1|", "|1|AAAA|AAAA", ",", " ",
                            "\t", "#", "@revoked ", "@cert-authority ", "@", "ssh-ed25519 ", "ssh-rsa ", "AAAA",
                            "====", "\n", KEYS[1], "ssh-ed25519-cert-v01@openssh.com ",
                        ]).prop_map(str::to_owned),
                        1 => ".{0,12}",
                    ],
                    0..8,
                ),
                0..8,
            ),
            at in 0_usize..9,
        ) {
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut lines: Vec<String> = lines.into_iter().map(|words| words.concat()).collect();
            let [ours, other] = KEYS.map(|key| PublicKey::from_openssh(key).unwrap());
            let verdicts = |lines: &[String]| {
                std::fs::write(file.path(), lines.join("\n")).unwrap();
                let known = KnownHost::look_up("git.example", 22, &[file.path().to_owned()]).unwrap();
                (known.check(&ours).is_ok(), known.check(&other).is_ok())
            };
            prop_assert!(!verdicts(&lines).0, "no line has this key");
            lines.push(format!("* {}", KEYS[0]));
            lines.push(format!("* {}", KEYS[1]));
            prop_assert!(verdicts(&lines).0, "an odd line hides a good one");
            lines.insert(at.min(lines.len()), format!("@revoked * {}", KEYS[1]));
            prop_assert!(!verdicts(&lines).1, "a revoked key is accepted");
        }
    }
}
