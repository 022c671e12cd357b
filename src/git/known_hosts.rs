//! Whether a Git host is the one we know: OpenSSH's `known_hosts` files, read, never written.
//!
//! A host that no file knows is refused with its fingerprint and what to do; there is no trust on
//! first use, because the first use would decide what is deployed.
//!
//! Lines are read as sshd(8) describes them: names, `[name]:port`, the wildcards `*` and `?`, `!` before
//! names that are excluded, hashed names, `@revoked`, and `@cert-authority` for hosts that show a
//! certificate. A line that cannot be read is skipped.

use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};

use super::error::{Error, Result};

/// The keys of one host in all files.
pub(super) struct KnownHost {
    host: String,
    port: u16,
    files: Vec<PathBuf>,
    keys: Vec<PublicKey>,
    /// Keys that sign certificates of the host.
    authorities: Vec<PublicKey>,
    /// Revoked keys, whichever host their line names: a leaked key is refused everywhere.
    revoked: Vec<PublicKey>,
}

impl KnownHost {
    /// Looks `host` up in `files`; a file that is missing knows nobody.
    ///
    /// # Errors
    /// [`Error::HostKey`] for a file that cannot be read: it may be the one that revokes a key.
    pub(super) fn look_up(host: &str, port: u16, files: &[PathBuf]) -> Result<Self> {
        let mut known = Self {
            host: host.to_owned(),
            port,
            files: files.to_vec(),
            keys: Vec::new(),
            authorities: Vec::new(),
            revoked: Vec::new(),
        };
        for file in files {
            let bytes = match std::fs::read(file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read.map_err(|error| {
                    Error::HostKey(format!(
                        "The file of known hosts {} cannot be read: {error}. Nothing was fetched. Let the deployer read it.",
                        file.display()
                    ))
                })?,
            };
            for line in String::from_utf8_lossy(&bytes).lines() {
                known.read(line);
            }
        }
        Ok(known)
    }

    fn read(&mut self, line: &str) {
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
        if !is_revoked && !names(hosts, &self.host, self.port) {
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

    /// `preferred` with the algorithms that we have a key for first, so that the host shows us one
    /// that we can compare.
    pub(super) fn order(&self, preferred: &[Algorithm]) -> Vec<Algorithm> {
        let known = |wanted: &Algorithm| {
            let same = |key: &PublicKey| match (key.algorithm(), wanted) {
                (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
                (have, wanted) => have == *wanted,
            };
            self.keys.iter().any(same)
        };
        let (mut first, rest): (Vec<_>, Vec<_>) = preferred.iter().cloned().partition(known);
        first.extend(rest);
        first
    }

    /// The kinds of certificates that we ask for: none when we know no authority for the host, because a
    /// host that is asked for a certificate shows no plain key.
    pub(super) fn certificates(&self, preferred: &[Algorithm]) -> Vec<Algorithm> {
        if self.authorities.is_empty() {
            return Vec::new();
        }
        preferred.to_vec()
    }

    /// Whether `key` is the host's.
    ///
    /// # Errors
    /// [`Error::HostKey`] with the fingerprint and what to do.
    pub(super) fn check(&self, key: &PublicKey) -> Result<()> {
        let (host, port) = (&self.host, self.port);
        let shown = format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256));
        if is_among(&self.revoked, key) {
            return Err(Error::HostKey(format!(
                "The Git host {host} shows a key that is marked as revoked ({shown}). Nothing was fetched."
            )));
        }
        if is_among(&self.keys, key) {
            return Ok(());
        }
        let files = self.files_listed();
        Err(Error::HostKey(if self.keys.is_empty() {
            format!(
                "The Git host {host} is not known here. It shows the key {shown}. If its owner confirms this fingerprint, add the key to {files}: ssh-keyscan -p {port} {host}."
            )
        } else {
            format!(
                "The key of the Git host {host} is not the one that is known here: it shows {shown}. Somebody may be in between; nothing was fetched. If its owner confirms the new key, replace the old one in {files}."
            )
        }))
    }

    /// Whether `certificate` is the host's, at `now` in seconds since 1970.
    ///
    /// # Errors
    /// [`Error::HostKey`] with what is wrong with it.
    pub(super) fn check_certificate(&self, certificate: &Certificate, now: u64) -> Result<()> {
        let key = PublicKey::from(certificate.public_key().clone());
        let signer = PublicKey::from(certificate.signature_key().clone());
        let refused = |why: &str| {
            Err(Error::HostKey(format!(
                "The Git host {} shows a certificate that {why} (signed by {}). Nothing was fetched. Ask whoever signs certificates there, or add the host's own key to {}.",
                self.host,
                signer.fingerprint(HashAlg::Sha256),
                self.files_listed()
            )))
        };
        if is_among(&self.revoked, &key) || is_among(&self.revoked, &signer) {
            return refused("is marked as revoked");
        }
        // A host that is known by its key may show a certificate as well.
        if is_among(&self.keys, &key) {
            return Ok(());
        }
        if !is_among(&self.authorities, &signer) {
            return refused("no authority we know has signed");
        }
        let named = |principal: &String| matches(&principal.to_lowercase(), &self.host.to_lowercase());
        if certificate.cert_type() != CertType::Host || !certificate.critical_options().is_empty() {
            return refused("is not one for hosts");
        }
        if !certificate.valid_principals().iter().any(named) {
            return refused("is for another host");
        }
        match certificate.validate_at(now, [&signer.fingerprint(HashAlg::Sha256)]) {
            Ok(()) => Ok(()),
            Err(_) => refused("is not valid now"),
        }
    }

    fn files_listed(&self) -> String {
        if self.files.is_empty() {
            return "a known_hosts file and name that file in the configuration".into();
        }
        let names: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
        names.join(" or ")
    }
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
            if not {
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
    hmac::verify(&key, name.as_bytes(), &hash).is_ok()
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
