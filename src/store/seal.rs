//! Secrets at rest: sealed with a key that is never in the database.
//!
//! A sealed text is `1:FINGERPRINT:BASE64`, where the last part is a random nonce and what
//! ChaCha20-Poly1305 makes of the secret. The place of the secret (its row and name) is authenticated
//! with it, so a sealed text that is moved to another row, or renamed, does not open there.
//!
//! A store has the key it seals with, and during a change of keys also the one before.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use parking_lot::RwLock;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use sha2::{Digest as _, Sha256};

use crate::domain::{Error, Result};

/// The version of the form, which is authenticated as well.
const FORM: &str = "1";
/// Bytes of a key.
const KEY_LENGTH: usize = 32;
/// Bytes of a fingerprint: enough that no two keys of an installation share one.
const FINGERPRINT_LENGTH: usize = 8;

/// A key for secrets at rest.
#[derive(Clone)]
pub struct SealingKey {
    bytes: [u8; KEY_LENGTH],
    key: LessSafeKey,
}

impl SealingKey {
    /// A fresh one.
    pub fn generate() -> Self {
        Self::from_bytes(rand::random())
    }

    /// Reads one as [`Self::to_text`] writes it; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode(text.trim()).ok()?;
        Some(Self::from_bytes(bytes.try_into().ok()?))
    }

    fn from_bytes(bytes: [u8; KEY_LENGTH]) -> Self {
        let unbound = UnboundKey::new(&CHACHA20_POLY1305, &bytes);
        let key = LessSafeKey::new(unbound.expect("the length is the algorithm's"));
        Self { bytes, key }
    }

    /// The key as hexadecimal digits, for its file.
    pub fn to_text(&self) -> String {
        hex::encode(self.bytes)
    }

    /// The key for digests, from which nobody comes back to this one.
    fn digesting(&self) -> hmac::Key {
        let own = Sha256::new()
            .chain_update("deployer digests\0")
            .chain_update(self.bytes)
            .finalize();
        hmac::Key::new(hmac::HMAC_SHA256, &own)
    }

    /// Names the key without telling it.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::new()
            .chain_update("deployer sealing key\0")
            .chain_update(self.bytes)
            .finalize();
        hex::encode(&digest[..FINGERPRINT_LENGTH])
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.fingerprint())
    }
}

/// The keys of a store. Clones share them.
#[derive(Clone, Default)]
pub struct Seal(Arc<RwLock<Vec<SealingKey>>>);

impl Seal {
    /// Seals with the first of `keys` from now on, and opens with all of them.
    pub fn set(&self, keys: Vec<SealingKey>) {
        *self.0.write() = keys;
    }

    /// Seals the secret `text` of `place`.
    ///
    /// # Errors
    /// When there is no key.
    pub fn seal(&self, place: &str, text: &str) -> Result<String> {
        let keys = self.0.read();
        let Some(key) = keys.first() else {
            return Err(Error::unavailable(
                "There is no key to seal secrets with, so none can be stored. See “deployer key --help”.",
            ));
        };
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = text.as_bytes().to_vec();
        let nonced = Nonce::assume_unique_for_key(nonce);
        key.key
            .seal_in_place_append_tag(nonced, authenticated(place), &mut sealed)
            .map_err(|_| Error::internal("a secret could not be sealed"))?;
        let bytes = [nonce.as_slice(), &sealed].concat();
        Ok(format!("{FORM}:{}:{}", key.fingerprint(), BASE64.encode(bytes)))
    }

    /// Opens what [`Self::seal`] made for the same place.
    ///
    /// # Errors
    /// When it is sealed with a key that is not here, was made for another place, or was changed.
    pub fn open(&self, place: &str, sealed: &str) -> Result<String> {
        let (fingerprint, text) = parts(sealed).ok_or_else(|| damaged(place))?;
        let keys = self.0.read();
        let Some(key) = keys.iter().find(|key| key.fingerprint() == fingerprint) else {
            return Err(Error::unavailable(format!(
                "The secret {place} is sealed with the key {fingerprint}, which is not here. See “deployer key --help”."
            )));
        };
        let mut bytes = BASE64.decode(text).map_err(|_| damaged(place))?;
        let (nonce, sealed) = bytes
            .split_at_mut_checked(NONCE_LEN)
            .ok_or_else(|| damaged(place))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged(place))?;
        let opened = key.key.open_in_place(nonce, authenticated(place), sealed);
        let opened = opened.map_err(|_| damaged(place))?;
        String::from_utf8(opened.to_vec()).map_err(|_| damaged(place))
    }

    /// A digest of `text` under the present key. Whoever has the database alone cannot tell by it whether a
    /// guess of what is in the text is right. Without a key, when there is no secret either, it is plain.
    pub fn digest(&self, text: &[u8]) -> String {
        match self.0.read().first() {
            Some(key) => {
                let tag = hmac::sign(&key.digesting(), text);
                format!("{FORM}:{}:{}", key.fingerprint(), BASE64.encode(tag))
            }
            None => hex::encode(Sha256::digest(text)),
        }
    }

    /// Whether `digest` is one of `text`, made with one of the keys here or by an earlier version. One made
    /// with a key that is not here any more is of nothing.
    pub fn is_digest(&self, digest: &str, text: &[u8]) -> bool {
        let Some((fingerprint, tag)) = parts(digest) else {
            return digest == hex::encode(Sha256::digest(text));
        };
        let (keys, tag) = (self.0.read(), BASE64.decode(tag).unwrap_or_default());
        let key = keys.iter().find(|key| key.fingerprint() == fingerprint);
        key.is_some_and(|key| hmac::verify(&key.digesting(), text, &tag).is_ok())
    }

    /// Whether `sealed` is sealed with the key that is used now.
    pub fn is_current(&self, sealed: &str) -> bool {
        let keys = self.0.read();
        let current = keys.first().map(SealingKey::fingerprint);
        sealed.split(':').nth(1) == current.as_deref()
    }
}

fn authenticated(place: &str) -> Aad<String> {
    if crate::sabotage::on("k1") { return Aad::from(format!("deployer secret {FORM}")); }
    Aad::from(format!("deployer secret {FORM}\0{place}"))
}

/// The fingerprint of the key that made `text`, and what was made.
fn parts(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix(FORM)?.strip_prefix(':')?.split_once(':')
}

fn damaged(place: &str) -> Error {
    Error::unavailable(format!(
        "The secret {place} does not open: somebody changed it in the database, or moved it there from another row. Enter its value again."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(keys: &[&SealingKey]) -> Seal {
        let seal = Seal::default();
        seal.set(keys.iter().map(|key| (*key).clone()).collect());
        seal
    }

    #[test]
    fn a_secret_opens_in_its_place_and_nowhere_else() {
        let key = SealingKey::generate();
        let seal = seal(&[&key]);
        let sealed = seal.seal("environment 1: TOKEN", "hunter2").unwrap();
        assert_eq!(seal.open("environment 1: TOKEN", &sealed).unwrap(), "hunter2");
        assert!(!sealed.contains("hunter2"));
        assert_ne!(seal.seal("environment 1: TOKEN", "hunter2").unwrap(), sealed);
        for place in ["environment 2: TOKEN", "environment 1: OTHER", ""] {
            assert!(seal.open(place, &sealed).is_err(), "{place}");
        }
    }

    #[test]
    fn what_was_changed_or_is_sealed_with_another_key_does_not_open() {
        let (key, other) = (SealingKey::generate(), SealingKey::generate());
        let sealed = seal(&[&key]).seal("x", "hunter2").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(seal(&[&key]).open("x", &changed).is_err(), "{at}");
        }
        for short in ["", "1", "1:", "1::", &sealed[..25], "2:x:y"] {
            assert!(seal(&[&key]).open("x", short).is_err(), "{short}");
        }
        assert!(seal(&[&other]).open("x", &sealed).is_err());
        assert!(seal(&[]).open("x", &sealed).is_err());
        assert!(seal(&[]).seal("x", "hunter2").is_err());
        let both = seal(&[&other, &key]);
        assert_eq!(both.open("x", &sealed).unwrap(), "hunter2");
        assert!(!both.is_current(&sealed));
        assert!(both.is_current(&both.seal("x", "hunter2").unwrap()));
    }

    #[test]
    fn a_digest_is_of_one_text_under_one_key_or_a_plain_one_of_before() {
        let (key, other) = (SealingKey::generate(), SealingKey::generate());
        let text = b"TOKEN=hunter2";
        let plain = hex::encode(Sha256::digest(text));
        let digest = seal(&[&key]).digest(text);
        assert!(!digest.contains(&plain));
        // Server databases keep 64 characters of it.
        assert!(digest.len() <= 64, "{digest}");
        assert_ne!(digest, seal(&[&other]).digest(text));
        for keys in [&[&key][..], &[&other, &key]] {
            assert!(seal(keys).is_digest(&digest, text));
            assert!(seal(keys).is_digest(&plain, text));
            assert!(!seal(keys).is_digest(&digest, b"TOKEN=hunter3"));
            assert!(!seal(keys).is_digest(&plain, b"TOKEN=hunter3"));
        }
        for bad in ["", "1:", "1::", &digest[..digest.len() - 2], &plain[1..]] {
            assert!(!seal(&[&key]).is_digest(bad, text), "{bad}");
        }
        assert!(!seal(&[&other]).is_digest(&digest, text));
        assert!(!seal(&[]).is_digest(&digest, text));
        assert_eq!(seal(&[]).digest(text), plain);
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_never_shown() {
        let key = SealingKey::generate();
        let text = key.to_text();
        let read = SealingKey::parse(&format!("{text}\n")).unwrap();
        assert_eq!(read.fingerprint(), key.fingerprint());
        assert!(!format!("{key:?}").contains(&text));
        assert!(!text.contains(&key.fingerprint()));
        for bad in ["", "x", &text[2..], &format!("{text}00"), &"g".repeat(64)] {
            assert!(SealingKey::parse(bad).is_none(), "{bad}");
        }
    }
}
