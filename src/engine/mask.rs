//! Takes secrets out of what is shown and stored.
//!
//! A secret is masked wherever its text appears in a line, and so is every line of a secret that
//! has several (a private key). What a script does to a secret before printing it (encoding,
//! splitting) cannot be seen from here.

use std::borrow::Cow;
use std::sync::Arc;

/// Shorter values are not masked: hiding every “1” would hide the log.
const SHORTEST_SECRET: usize = 3;
/// What stands in a secret's place.
const MASK: &str = "•••";

/// The secrets of one deployment. Cheap to clone.
#[derive(Clone, Default)]
pub struct Mask(Arc<Vec<String>>);

impl Mask {
    /// Masks each of `secrets`.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut parts: Vec<String> = secrets
            .into_iter()
            .flat_map(str::lines)
            .map(str::trim)
            .filter(|part| part.chars().count() >= SHORTEST_SECRET)
            .map(str::to_owned)
            .collect();
        // The longest first, so that a secret holding another one goes as a whole.
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.dedup();
        Self(Arc::new(parts))
    }

    /// Bytes of the longest secret.
    pub fn longest(&self) -> usize {
        self.0.first().map_or(0, String::len)
    }

    /// Where a secret begins that reaches across `at` in `line`.
    pub fn secret_across(&self, line: &[u8], at: usize) -> Option<usize> {
        let across = |secret: &String| {
            let secret = secret.as_bytes();
            let from = (at + 1).saturating_sub(secret.len());
            let upto = (at + secret.len() - 1).min(line.len());
            let found = line
                .get(from..upto)?
                .windows(secret.len())
                .position(|part| part == secret)?;
            Some(from + found)
        };
        self.0.iter().filter_map(across).min()
    }

    /// `line` without secrets.
    pub fn apply<'a>(&self, line: &'a str) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(line);
        for secret in self.0.iter().filter(|secret| line.contains(secret.as_str())) {
            masked = Cow::Owned(masked.replace(secret.as_str(), MASK));
        }
        masked
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} secrets)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_appear_in_lines() {
        let mask = Mask::new(["hunter2", "hunter2-long", "-----BEGIN\nabcdef\n-----END", "1"]);
        assert_eq!(
            mask.apply("user=1 password=hunter2-long,hunter2"),
            "user=1 password=•••,•••"
        );
        assert_eq!(mask.apply("key: abcdef"), "key: •••");
        assert!(matches!(mask.apply("plain"), Cow::Borrowed("plain")));
    }
}
