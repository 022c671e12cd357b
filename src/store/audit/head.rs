//! Signed heads: what proves later, outside the database, how the audit log was at an instant.
//!
//! A head names the last event, its hash and the time, and is signed (Ed25519) by a key that is never in the
//! database. It is one word of text, so it can be kept in a file, a mail or another system's log:
//!
//! ```text
//! deployer-audit-head.1.NUMBER.TIME.HASH.PUBLIC-KEY.SIGNATURE
//! ```
//!
//! A cut has the same form under another name: it says that the events up to a number were removed
//! lawfully. The name is signed too, so neither passes for the other.

use std::fmt;
use std::str::FromStr;

use chrono::{NaiveDateTime, SubsecRound};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::domain::Instant;

/// The version of the form.
const FORM: &str = "1";
/// How a head writes its time.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// Bytes of a key, secret or public.
const KEY_LENGTH: usize = 32;
/// Bytes of a signature.
const SIGNATURE_LENGTH: usize = 64;
/// Digits of a hash.
const HASH_DIGITS: usize = 64;
/// Digits that name a key in sentences.
pub const NAME_DIGITS: usize = 16;

/// The key that signs heads.
#[derive(Clone)]
pub struct AuditKey {
    seed: [u8; KEY_LENGTH],
}

impl AuditKey {
    /// A fresh one.
    pub fn generate() -> Self {
        Self { seed: rand::random() }
    }

    /// Reads one as [`Self::to_text`] writes it; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let seed = hex::decode(text.trim()).ok()?.try_into().ok()?;
        Some(Self { seed })
    }

    /// The key as hexadecimal digits, for its file.
    pub fn to_text(&self) -> String {
        hex::encode(self.seed)
    }

    /// What its signatures are checked with.
    pub fn public(&self) -> AuditPublicKey {
        let public = self.pair().public_key().as_ref().try_into();
        AuditPublicKey(public.expect("an Ed25519 key has 32 bytes"))
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&self.seed).expect("the length is the algorithm's")
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditKey({})", self.public())
    }
}

/// The public half of an [`AuditKey`]. Written as hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditPublicKey([u8; KEY_LENGTH]);

impl AuditPublicKey {
    /// Its first digits, for sentences.
    pub fn short(&self) -> String {
        self.to_string()[..NAME_DIGITS].to_owned()
    }
}

impl fmt::Display for AuditPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for AuditPublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = hex::decode(text.trim()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| {
            format!(
                "“{text}” is not a public audit key: it has {} hexadecimal digits",
                2 * KEY_LENGTH
            )
        })
    }
}

/// What a signed word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadPurpose {
    /// The event was the last one at that time.
    Head,
    /// The event and all before it were removed lawfully.
    Cut,
}

impl HeadPurpose {
    fn word(self) -> &'static str {
        match self {
            Self::Head => Head::BEGIN,
            Self::Cut => "deployer-audit-cut",
        }
    }
}

/// A signed statement about an event of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub purpose: HeadPurpose,
    /// The event's number.
    pub number: i64,
    /// The event's hash, in hexadecimal.
    pub hash: String,
    /// When it was signed; whole seconds.
    pub at: Instant,
    /// Whose signature it is.
    pub key: AuditPublicKey,
    signature: [u8; SIGNATURE_LENGTH],
}

impl Head {
    /// How every head begins.
    pub const BEGIN: &str = "deployer-audit-head";

    /// Signs that event `number` has this `hash`.
    pub fn sign(purpose: HeadPurpose, number: i64, hash: &str, at: Instant, key: &AuditKey) -> Self {
        let mut head = Self {
            purpose,
            number,
            hash: hash.to_owned(),
            at: at.trunc_subsecs(0),
            key: key.public(),
            signature: [0; SIGNATURE_LENGTH],
        };
        let signature = key.pair().sign(head.statement().as_bytes());
        head.signature.copy_from_slice(signature.as_ref());
        head
    }

    /// Whether the signature is that of [`Self::key`]. Whose key it is the caller has to know.
    pub fn is_genuine(&self) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key.0)
            .verify(self.statement().as_bytes(), &self.signature)
            .is_ok()
    }

    /// All heads in a text, whatever stands around them: a file of heads, a log, an export, a mail.
    pub fn all_in(text: &str) -> Vec<Self> {
        words_in(text).filter_map(|word| word.parse().ok()).collect()
    }

    /// The first word in a text that begins like a head and is none: cut off, wrapped, mistyped.
    pub fn broken_in(text: &str) -> Option<&str> {
        words_in(text).find(|word| word.parse::<Self>().is_err())
    }

    fn statement(&self) -> String {
        let (word, time) = (self.purpose.word(), self.at.format(TIME));
        format!("{word}.{FORM}.{}.{time}.{}.{}", self.number, self.hash, self.key)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.statement(), hex::encode(self.signature))
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let head = parse(text.trim()).filter(|head| head.to_string() == text.trim());
        head.ok_or_else(|| {
            "This is not a head of an audit log; one begins with deployer-audit-head.".to_owned()
        })
    }
}

/// What in a text begins like a head.
fn words_in(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'));
    words.map(|word| word.trim_end_matches('.')).filter(|word| {
        word.strip_prefix(Head::BEGIN)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

fn parse(text: &str) -> Option<Head> {
    let parts: Vec<&str> = text.split('.').collect();
    let [word, FORM, number, time, hash, key, signature] = parts.as_slice() else {
        return None;
    };
    let purpose = [HeadPurpose::Head, HeadPurpose::Cut]
        .into_iter()
        .find(|one| one.word() == *word)?;
    let is_hash = hash.len() == HASH_DIGITS && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
    Some(Head {
        purpose,
        number: number.parse().ok()?,
        hash: is_hash.then(|| (*hash).to_owned())?,
        at: NaiveDateTime::parse_from_str(time, TIME).ok()?.and_utc(),
        key: key.parse().ok()?,
        signature: hex::decode(signature).ok()?.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(key: &AuditKey) -> Head {
        let at = "2026-11-29T10:00:00.5Z".parse().unwrap();
        Head::sign(HeadPurpose::Head, 42, &"ab".repeat(32), at, key)
    }

    #[test]
    fn a_head_is_read_as_it_was_written_and_no_digit_of_it_can_be_changed() {
        let key = AuditKey::generate();
        let head = head(&key);
        assert!(head.is_genuine());
        let text = head.to_string();
        assert_eq!(text.parse::<Head>().unwrap(), head);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(changed).unwrap();
            let read = changed.parse::<Head>();
            assert!(read.is_err() || !read.unwrap().is_genuine(), "{at}");
        }
        for short in [
            "",
            "deployer-audit-head",
            "deployer-audit-head.1.1",
            &text[..text.len() - 2],
        ] {
            assert!(short.parse::<Head>().is_err(), "{short}");
        }
    }

    #[test]
    fn a_head_is_no_cut_and_no_other_key_signs_it() {
        let (key, other) = (AuditKey::generate(), AuditKey::generate());
        let mut cut = head(&key);
        cut.purpose = HeadPurpose::Cut;
        assert!(!cut.is_genuine());
        let mut stolen = head(&key);
        stolen.key = other.public();
        assert!(!stolen.is_genuine());
    }

    #[test]
    fn heads_are_found_among_other_words() {
        let key = AuditKey::generate();
        let text = head(&key).to_string();
        let mail =
            format!("Nov 29 host deployer[1]: head={text}.\n{{\"head\":\"{text}\"}} deployer-audit-head.1.x");
        assert_eq!(Head::all_in(&mail), [head(&key), head(&key)]);
        assert_eq!(Head::broken_in(&mail), Some("deployer-audit-head.1.x"));
        let wrapped = format!("{}\n{}", &text[..76], &text[76..]);
        assert_eq!(Head::broken_in(&wrapped), Some(&text[..76]));
        assert_eq!(Head::broken_in(&format!("deployer-audit-head: {text}.")), None);
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_never_shown() {
        let key = AuditKey::generate();
        let read = AuditKey::parse(&format!("{}\n", key.to_text())).unwrap();
        assert_eq!(read.public(), key.public());
        assert!(!format!("{key:?}").contains(&key.to_text()));
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
        assert!(AuditKey::parse("x").is_none());
        assert!("x".parse::<AuditPublicKey>().is_err());
    }
}
