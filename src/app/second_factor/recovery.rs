//! Recovery codes: each opens the account once instead of the app's code.

use sha2::{Digest, Sha256};

use crate::app::passwords;
use crate::domain::UserId;

/// Codes that are made at a time.
const CODES: usize = 10;
/// Groups of letters in a code, and the letters of one: 80 bits, so that a plain digest is enough.
const GROUPS: usize = 4;
const LETTERS: usize = 4;

/// New codes, as people write them down.
pub fn generated() -> Vec<String> {
    let group = || passwords::random_letters(LETTERS);
    let code = || {
        std::iter::repeat_with(group)
            .take(GROUPS)
            .collect::<Vec<_>>()
            .join("-")
    };
    std::iter::repeat_with(code).take(CODES).collect()
}

/// What the store has of the codes of an account.
pub fn digests(user: UserId, codes: &[String]) -> Vec<String> {
    let plain = codes.iter().map(|code| code.replace('-', ""));
    plain.map(|code| digest(user, &code)).collect()
}

/// The same of one that is entered, without blanks and strokes.
pub fn digest(user: UserId, code: &str) -> String {
    let code = code.to_lowercase();
    hex::encode(Sha256::digest(format!("recovery\n{user}\n{code}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_codes_differ_and_count_for_one_account_only() {
        let codes = generated();
        assert_eq!((codes.len(), codes[0].len()), (10, 19), "{codes:?}");
        assert_ne!(codes[0], codes[1]);
        let known = digests(UserId(1), &codes);
        let typed = codes[3].replace('-', "").to_uppercase();
        assert_eq!(digest(UserId(1), &typed), known[3]);
        assert_ne!(digest(UserId(2), &typed), known[3]);
    }
}
