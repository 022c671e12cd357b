//! Passwords: which ones are accepted, how they are stored, and how they are checked.
//!
//! They are stored as argon2id hashes with the parameters of the `argon2` crate (those OWASP names); each
//! takes some 20 MB and tens of milliseconds, so hashing runs on threads that may block.

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use sha2::{Digest, Sha256};
use zxcvbn::Score;

use crate::domain::{Error, Result};

/// Shorter passwords can be guessed when a copy of the database gets lost.
pub const SHORTEST_PASSWORD: usize = 10;

/// Longer ones only make hashing slow.
pub const LONGEST_PASSWORD: usize = 1000;

/// A hundred million guesses: with less, a stolen hash gives a password away. Passwords of before go on working.
const WEAKEST_PASSWORD: Score = Score::Three;
/// The estimate takes more than linear time; nobody guesses what begins with this many characters.
const LONGEST_ESTIMATED: usize = 60;
/// Names shorter than this are in many words.
const SHORTEST_NAME: usize = 3;
/// The fewest letters and digits that a password must have besides the names of its account.
const LEAST_BESIDE_NAMES: usize = 6;
/// The product's name, which people like to put into its passwords.
const PRODUCT: &str = "deployer";

/// The hash to compare with when there is no such user, so that the answer takes as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5$l6t8mWT8sQf3gXrGj1O9y0bVd6q0v4HkM5f2n6rZbqM";

/// Characters of generated secrets, without those that look alike; 32 of them, so that each
/// byte picks one evenly.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Groups of letters in a password, and the letters of one: 100 bits.
const PASSWORD_GROUPS: usize = 4;
const PASSWORD_LETTERS: usize = 5;
/// Bytes of a password hash's digest: enough to change with the password.
const DIGEST_BYTES: usize = 12;

/// Whether `password` is the one behind `hash`. Takes as long without a hash, so that nobody learns
/// from the time which users exist.
///
/// # Errors
/// A malformed hash.
pub async fn password_fits(hash: Option<String>, password: String) -> Result<bool> {
    blocking(move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        let hash = PasswordHash::new(&hash).map_err(|cause| Error::internal(cause.to_string()))?;
        let fits = Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok();
        Ok(known && fits)
    })
    .await
}

/// A password that nobody can guess and anybody can type: `k3mfa-9qwxz-…`.
pub fn generated_password() -> String {
    let groups: Vec<String> = std::iter::repeat_with(|| random_letters(PASSWORD_LETTERS))
        .take(PASSWORD_GROUPS)
        .collect();
    groups.join("-")
}

/// Letters that nobody can guess, five bits each.
pub(super) fn random_letters(count: usize) -> String {
    let bytes: Vec<u8> = std::iter::repeat_with(rand::random).take(count).collect();
    letters(&bytes)
}

/// A letter for each of `bytes`.
pub(super) fn letters(bytes: &[u8]) -> String {
    let letters = bytes.iter().map(|byte| LETTERS[usize::from(byte % 32)]);
    letters.map(char::from).collect()
}

/// Whether `password` may become one of an account with these `names`.
///
/// # Errors
/// A complaint about the field `password`.
pub fn check_password(password: &str, names: &[&str]) -> Result<()> {
    let length = password.chars().count();
    if length < SHORTEST_PASSWORD {
        let message =
            format!("A password has at least {SHORTEST_PASSWORD} characters; this one has {length}.");
        return Err(Error::field("password", message));
    }
    if length > LONGEST_PASSWORD {
        return Err(Error::field(
            "password",
            format!("A password has at most {LONGEST_PASSWORD} characters."),
        ));
    }
    match advice(password, names) {
        Some(advice) => Err(Error::field(
            "password",
            format!("This password is too easy to guess. {advice}"),
        )),
        None => Ok(()),
    }
}

/// What to do about a password that is too easy to guess for somebody who knows `names`; `None`: it is not.
fn advice(password: &str, names: &[&str]) -> Option<String> {
    let words = |name: &&str| -> Vec<String> {
        let parts = name.split(|c: char| !c.is_alphanumeric());
        parts
            .chain([*name])
            .filter(|part| !part.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let words: Vec<String> = names.iter().flat_map(words).chain([PRODUCT.to_owned()]).collect();
    let lower = password.to_lowercase();
    let long = words.iter().filter(|word| word.len() >= SHORTEST_NAME);
    let rest = long.fold(lower, |rest, word| rest.replace(word.as_str(), ""));
    if rest.chars().filter(|c| c.is_alphanumeric()).count() < LEAST_BESIDE_NAMES {
        return Some(format!(
            "It is hardly more than the account's own name. {FEW_WORDS}"
        ));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let beginning: String = password.chars().take(LONGEST_ESTIMATED).collect();
    let found = zxcvbn::zxcvbn(&beginning, &words);
    if found.score() >= WEAKEST_PASSWORD {
        return None;
    }
    let told = found
        .feedback()
        .map(|feedback| feedback.to_string().trim().to_owned());
    Some(
        told.filter(|told| !told.is_empty())
            .unwrap_or_else(|| FEW_WORDS.to_owned()),
    )
}

/// The advice where there is no better one.
const FEW_WORDS: &str = "A few unrelated words are hard to guess and easy to remember.";

/// Tells whether a password was replaced: it changes with the password's hash, and tells nothing of either.
/// In sessions and in the audit log.
pub(super) fn digest(hash: &str) -> String {
    hex::encode(&Sha256::digest(hash)[..DIGEST_BYTES])
}

/// The argon2id hash of `password`, salted, as a PHC string.
pub(super) async fn hashed(password: String, names: &[&str]) -> Result<String> {
    check_password(&password, names)?;
    blocking(move || {
        let salt = SaltString::generate(&mut OsRng);
        let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
        hash.map(|hash| hash.to_string())
            .map_err(|cause| Error::internal(cause.to_string()))
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_user_no_password_fits_and_the_comparison_is_made() {
        assert!(PasswordHash::new(NOBODY).is_ok_and(|hash| hash.hash.is_some()));
        assert!(!password_fits(None, "correct horse".into()).await.unwrap());
    }

    #[test]
    fn generated_passwords_are_long_enough_and_differ() {
        let (one, other) = (generated_password(), generated_password());
        assert_eq!(one.len(), 23);
        assert!(check_password(&one, &[]).is_ok());
        assert_ne!(one, other);
    }

    #[test]
    fn common_passwords_and_the_own_name_are_refused() {
        let names = ["carla", "Carla Montgomery", "carla.m@example.org"];
        for bad in [
            "1234567890",
            "aaaaaaaaaa",
            "password123",
            "qwertyuiop",
            "carlacarla",
            "montgomery",
            "Montgomery1",
            "deployer123",
            "password2026!",
            "Summer2026!",
        ] {
            let refused = check_password(bad, &names).unwrap_err();
            assert_eq!(refused.field_errors()[0].field, "password", "{bad}");
            assert!(refused.message().ends_with('.'), "{bad}: {}", refused.message());
        }
        assert_eq!(
            check_password("password2026!", &names).unwrap_err().message(),
            "This password is too easy to guess. This is similar to a commonly used password. Add another word or two. Uncommon words are better."
        );
        let own = check_password("carlacarla", &names).unwrap_err();
        assert!(own.message().contains("the account's own name"), "{own}");
        for good in [
            "correct horse",
            "k3mfa-9qwxz",
            "another long one",
            "blue-otter-0417",
        ] {
            check_password(good, &names).expect(good);
        }
    }

    #[test]
    fn short_passwords_are_refused_with_their_length() {
        let error = check_password("123456789", &[]).unwrap_err();
        assert_eq!(
            error.message(),
            "A password has at least 10 characters; this one has 9."
        );
        assert!(check_password("pässwörter", &[]).is_ok());
        assert!(check_password(&"x".repeat(1001), &[]).is_err());
    }
}
