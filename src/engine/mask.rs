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

    /// `line` without secrets, also where colours or other invisible characters are mixed into one.
    pub fn apply<'a>(&self, line: &'a str) -> Cow<'a, str> {
        if line.contains(|c: char| c.is_control() && c != '\t') {
            return self.apply_to_visible(line);
        }
        let mut masked = Cow::Borrowed(line);
        for secret in self.0.iter().filter(|secret| line.contains(secret.as_str())) {
            masked = Cow::Owned(masked.replace(secret.as_str(), MASK));
        }
        masked
    }
}

impl Mask {
    fn apply_to_visible<'a>(&self, line: &'a str) -> Cow<'a, str> {
        let (text, places) = visible(line);
        let mut hidden: Vec<(usize, usize)> = Vec::new();
        for secret in self.0.iter() {
            for (at, found) in text.match_indices(secret.as_str()) {
                let last = at + found.len() - 1;
                hidden.push((places[at], places[last] + 1));
            }
        }
        if hidden.is_empty() {
            return Cow::Borrowed(line);
        }
        hidden.sort_unstable();
        let (mut masked, mut upto) = (String::with_capacity(line.len()), 0);
        for (from, to) in hidden {
            if from >= upto {
                masked.push_str(&line[upto..from]);
                masked.push_str(MASK);
            }
            upto = upto.max(to);
        }
        masked.push_str(&line[upto..]);
        Cow::Owned(masked)
    }
}

/// What a reader sees of a line: without escape sequences and control characters. Beside each of
/// its bytes, where that stands in the line.
fn visible(line: &str) -> (String, Vec<usize>) {
    let (mut text, mut places) = (String::with_capacity(line.len()), Vec::with_capacity(line.len()));
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\u{1b}' {
            match chars.next() {
                Some((_, '[')) => while chars.next_if(|(_, c)| !('@'..='~').contains(c)).is_some() {},
                Some((_, ']')) => while chars.next_if(|(_, c)| !matches!(c, '\u{7}' | '\u{1b}')).is_some() {},
                _ => continue,
            }
            // What ends the sequence.
            chars.next();
            continue;
        }
        if c.is_control() && c != '\t' {
            continue;
        }
        text.push(c);
        places.extend(at..at + c.len_utf8());
    }
    (text, places)
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

    #[test]
    fn what_is_invisible_does_not_hide_a_secret() {
        let mask = Mask::new(["hunter2-password", "geheim-ü"]);
        for (line, shown) in [
            ("a hunter2-\u{1b}[31mpassword\u{1b}[0m b", "a •••\u{1b}[0m b"),
            ("hunter2\u{0}-pass\u{8}word", "•••"),
            (
                "\u{1b}[1mhunter2-password, geheim-\u{1b}[0;4mü!",
                "\u{1b}[1m•••, •••!",
            ),
            ("hunter\u{1b}]0;title\u{7}2-password", "•••"),
            ("\u{1b}[31mplain\u{1b}[0m", "\u{1b}[31mplain\u{1b}[0m"),
            (
                "hunter2-password hunter2-\u{1b}[password",
                "••• hunter2-\u{1b}[password",
            ),
            ("ends in \u{1b}", "ends in \u{1b}"),
        ] {
            assert_eq!(mask.apply(line), shown, "{line:?}");
        }
    }
}
