//! The secrets of API tokens.

use sha2::{Digest, Sha256};

use crate::app::passwords;

/// What tokens begin with, so that scanners for leaked secrets know them.
const PREFIX: &str = "dpl_";
/// Random letters of a token: 200 bits.
const RANDOM_LETTERS: usize = 40;
/// Letters of the checksum at its end, by which a mistyped or cut token is told from a revoked one.
const CHECK_LETTERS: usize = 6;
/// Characters at its beginning that pages show.
const HINT_CHARS: usize = 8;

/// A new token.
pub(super) fn generated() -> String {
    let random = format!("{PREFIX}{}", passwords::random_letters(RANDOM_LETTERS));
    let check = checksum(&random);
    format!("{random}{check}")
}

fn checksum(random: &str) -> String {
    passwords::letters(&Sha256::digest(random)[..CHECK_LETTERS])
}

/// Whether `secret` could have come from [`generated`]: then it is worth a look into the store.
pub(super) fn is_well_formed(secret: &str) -> bool {
    let parts = secret.split_at_checked(PREFIX.len() + RANDOM_LETTERS);
    parts.is_some_and(|(random, check)| random.starts_with(PREFIX) && check == checksum(random))
}

/// Its beginning, which pages show.
pub(super) fn hint(secret: &str) -> String {
    secret.chars().take(HINT_CHARS).collect()
}

/// What the store has instead of the secret.
pub(super) fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_was_cut_or_mistyped_is_not_one() {
        let token = generated();
        assert!(token.starts_with("dpl_") && token.len() == 50, "{token}");
        assert!(is_well_formed(&token));
        assert_ne!(token, generated());
        let other = if token.ends_with('a') { "b" } else { "a" };
        let cut = &token[..49];
        for bad in [
            cut,
            &format!("{cut}{other}"),
            &token[4..],
            "",
            "dpl_",
            "dpl_é",
            &format!("{token}a"),
        ] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }
}
