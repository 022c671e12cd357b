//! Takes secrets out of what is shown and stored.
//!
//! A secret is masked wherever its text appears in a line, and so is every line of a secret that
//! has several (a private key). A secret that a script encodes or splits before it prints it cannot
//! be recognized here.

use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::Environment;
use crate::terminal::{self, Part};

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

    /// Masks the secret variables of an environment, and `more`.
    pub fn of(environment: &Environment, more: &[String]) -> Self {
        let variables = environment.options.variables.values();
        let own = variables.filter(|variable| variable.secret);
        let own = own.map(|variable| variable.value.as_str());
        Self::new(own.chain(more.iter().map(String::as_str)))
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

    /// `line` without secrets, also those with colours or other invisible characters inside.
    pub fn apply<'a>(&self, line: &'a str) -> Cow<'a, str> {
        if !self.0.is_empty() && !line.chars().all(is_shown) {
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
    /// Looks for secrets in the line as it is, in what a terminal would show of it, in that together
    /// with messages to the terminal, and in all text, that of escape sequences included.
    fn apply_to_visible<'a>(&self, line: &'a str) -> Cow<'a, str> {
        let plain: Vec<usize> = (0..line.len()).collect();
        let readings = [
            (line.to_owned(), plain),
            visible(line, false),
            visible(line, true),
            printable(line),
        ];
        let mut hidden: Vec<(usize, usize)> = Vec::new();
        for (text, places) in &readings {
            for secret in self.0.iter() {
                for (at, found) in text.match_indices(secret.as_str()) {
                    let last = at + found.len() - 1;
                    hidden.push((places[at], places[last] + 1));
                }
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

/// A text taken from a line, and beside each of its bytes where that stands in the line.
type Reading = (String, Vec<usize>);

/// Whether a character leaves a mark of its own. Blanks do. Tabs and characters that only shape text
/// don't count: a secret split by them still reads as one.
fn is_shown(c: char) -> bool {
    let shapes = matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !c.is_control() && !shapes
}

fn keep((text, places): &mut Reading, at: usize, c: char) {
    text.push(c);
    places.extend(at..at + c.len_utf8());
}

/// All that is shown, also of escape sequences.
fn printable(line: &str) -> Reading {
    let mut reading = Reading::default();
    for (at, c) in line.char_indices().filter(|(_, c)| is_shown(*c)) {
        keep(&mut reading, at, c);
    }
    reading
}

/// What a terminal would show: without escape sequences and control characters. `with_messages` also
/// the text for the terminal itself, such as its title or the address of a link.
fn visible(line: &str, with_messages: bool) -> Reading {
    let mut reading = Reading::default();
    for (at, part) in terminal::parts(line) {
        match part {
            Part::Char(c) if is_shown(c) => keep(&mut reading, at, c),
            Part::Message(text) if with_messages => {
                for (offset, c) in text.char_indices().filter(|(_, c)| is_shown(*c)) {
                    keep(&mut reading, at + offset, c);
                }
            }
            _ => {}
        }
    }
    reading
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} secrets)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            (
                "\u{1b}]8;;http://x/hunter2-\u{1b}[1mpassword\u{1b}\\",
                "\u{1b}]8;;http://x/•••\u{1b}\\",
            ),
            ("\u{1b}]8;;hunter2-\u{1b}\\password", "\u{1b}]8;;•••"),
            (
                "hunter2-\tpassword hunter2\u{200b}-\u{ad}password\u{feff}",
                "••• •••\u{feff}",
            ),
            (
                "\u{1b}]8;;https://me:hunter2-password@x\u{7}link",
                "\u{1b}]8;;https://me:•••@x\u{7}link",
            ),
            (
                "\u{1b}[hunter2-password \u{1b}hunter2-password",
                "\u{1b}[••• \u{1b}•••",
            ),
            ("\u{1b}]hunter2-password", "\u{1b}]•••"),
            ("hunter2-\u{1b}(Bpass\u{9b}1mword", "•••"),
            ("ends in \u{1b}", "ends in \u{1b}"),
        ] {
            assert_eq!(mask.apply(line), shown, "{line:?}");
        }
    }

    /// A line with pieces of a secret, and with what a terminal obeys or does not show in between.
    fn line() -> impl Strategy<Value = String> {
        let words = vec![
            "hunter2-password",
            "hunter2-",
            "hunt",
            "er2-pass",
            "password",
            "word",
            "h",
            "\u{1b}[31m",
            "\u{1b}[",
            "\u{1b}]0;",
            "\u{1b}]8;;",
            "\u{1b}\\",
            "\u{1b}",
            "\u{7}",
            "\u{9b}1m",
            "\u{9c}",
            "\u{8}",
            "\t",
            "\0",
            "\r",
            "\u{200b}",
            "\u{202e}",
            "\u{ad}",
            "\u{1b}(B",
            "é",
            " ",
        ];
        let piece = prop_oneof![
            10 => prop::sample::select(words).prop_map(str::to_owned),
            1 => "\\PC{0,4}",
        ];
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(crate::cases::cases(500))]

        #[test]
        fn no_reading_of_a_masked_line_has_a_secret(line in line()) {
            let mask = Mask::new(["hunter2-password"]);
            let masked = mask.apply(&line).into_owned();
            for reading in [masked.clone(), visible(&masked, false).0, visible(&masked, true).0, printable(&masked).0] {
                prop_assert!(!reading.contains("hunter2-password"), "{:?}", masked);
            }
            prop_assert!(masked.len() <= line.len() + MASK.len());
            prop_assert_eq!(mask.apply(&masked), masked.as_str());
        }
    }
}
