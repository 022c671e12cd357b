//! Takes secrets out of what is shown and stored.
//!
//! A secret is masked wherever its text appears in a line, and so is every line of a secret that has
//! several (a private key). It is known in its base64 too (both alphabets, whatever stands before it,
//! also where lines are wrapped), and as URLs and JSON write it. A secret that a script encodes
//! otherwise, or splits before it prints it, cannot be recognized here.

mod encoded;
mod readings;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

pub use self::encoded::Wrapped;
use self::encoded::{Pieces, base64_of};
use self::readings::readings;
use crate::domain::Environment;
use crate::domain::project::SHORTEST_SECRET;

/// What replaces a secret.
const MASK: &str = "•••";
/// The most bytes that an encoding needs for one: JSON's `\u0041`.
const WIDEST: usize = 6;

/// The secrets of one deployment. Cheap to clone.
#[derive(Clone, Default)]
pub struct Mask(Arc<Secrets>);

#[derive(Default)]
struct Secrets {
    finder: Finder,
    encoded: Pieces,
    /// Bytes that the longest of them may take in a line.
    reach: usize,
    count: usize,
}

/// Finds all texts of all secrets at once.
#[derive(Default)]
enum Finder {
    /// There are no secrets.
    #[default]
    Nothing,
    Texts(AhoCorasick),
    /// They are too many to be looked for: nothing may be shown.
    Everything,
}

impl Mask {
    /// Masks each of `secrets`.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut plain, mut encoded) = (BTreeSet::new(), BTreeSet::new());
        let mut count = 0;
        for secret in secrets {
            count += 1;
            let lines = secret.lines().map(str::trim);
            let lines = lines.filter(|line| line.chars().count() >= SHORTEST_SECRET);
            for line in lines {
                if !crate::sabotage::on("m1") { encoded.extend(base64_of(line)); }
                plain.insert(line.to_owned());
            }
            if !crate::sabotage::on("m2") { encoded.extend(base64_of(secret.trim_end())); }
        }
        let longest = |texts: &BTreeSet<String>| texts.iter().map(String::len).max().unwrap_or(0);
        let reach = (longest(&plain) * WIDEST).max(longest(&encoded));
        let finder = match plain.is_empty() {
            true => Finder::Nothing,
            false => Finder::of(plain.iter().chain(&encoded)),
        };
        Self(Arc::new(Secrets {
            finder,
            encoded: Pieces::of(encoded.into_iter().collect()),
            reach,
            count,
        }))
    }

    /// Masks the secret variables of an environment, and `more`.
    pub fn of(environment: &Environment, more: &[String]) -> Self {
        let variables = environment.options.variables.values();
        let own = variables.filter(|variable| variable.secret && !crate::sabotage::on("m13"));
        let own = own.map(|variable| variable.value.as_str());
        Self::new(own.chain(more.iter().filter(|_| !crate::sabotage::on("m7")).map(String::as_str)))
    }

    /// How many bytes of a line have to be seen to know a secret that begins at one of them.
    pub fn reach(&self) -> usize {
        self.0.reach
    }

    /// Where `line` may be cut so that no secret is: at `at`, or before it.
    pub fn uncut(&self, line: &str, at: usize) -> usize {
        let hidden = self.hidden(line);
        let mut at = at;
        while let Some((from, _)) = hidden.iter().find(|(from, to)| (from + 1..*to).contains(&at)) {
            at = *from;
        }
        at
    }

    /// `line` without secrets, including those with colours or other invisible characters inside.
    pub fn apply<'a>(&self, line: &'a str) -> Cow<'a, str> {
        masked(line, self.hidden(line))
    }

    /// The next line of an output, also without what a line's end has cut. `wrapped` is kept from line
    /// to line.
    pub fn apply_next<'a>(&self, line: &'a str, wrapped: &mut Wrapped) -> Cow<'a, str> {
        let mut hidden = self.hidden(line);
        if !crate::sabotage::on("m4") { hidden.extend(self.0.encoded.cut_by_line_end(line, wrapped)); }
        masked(line, hidden)
    }

    /// The parts of `line` that belong to secrets.
    fn hidden(&self, line: &str) -> Vec<(usize, usize)> {
        let finder = match &self.0.finder {
            Finder::Nothing => return Vec::new(),
            Finder::Everything => return vec![(0, line.len())],
            Finder::Texts(finder) => finder,
        };
        let found = finder.find_overlapping_iter(line);
        let mut hidden: Vec<(usize, usize)> = found.map(|found| (found.start(), found.end())).collect();
        for reading in readings(line).into_iter().filter(|_| !crate::sabotage::on("m3")) {
            let found = finder.find_overlapping_iter(&reading.bytes);
            hidden.extend(found.map(|found| (reading.from[found.start()], reading.to[found.end() - 1])));
        }
        hidden
    }
}

impl Finder {
    fn of<'a>(texts: impl Iterator<Item = &'a String>) -> Self {
        // The smallest kind: a key has thousands of letters, and its log is written by one task.
        let kind = Some(AhoCorasickKind::ContiguousNFA);
        match AhoCorasick::builder().kind(kind).build(texts) {
            Ok(finder) => Self::Texts(finder),
            Err(error) => {
                tracing::error!(%error, "the secrets cannot be looked for, so no output is shown");
                Self::Everything
            }
        }
    }
}

fn masked(line: &str, mut hidden: Vec<(usize, usize)>) -> Cow<'_, str> {
    if hidden.is_empty() {
        return Cow::Borrowed(line);
    }
    hidden.sort_unstable();
    let (mut masked, mut upto) = (String::with_capacity(line.len()), 0);
    for (from, to) in hidden {
        if from >= upto {
            masked.push_str(line.get(upto..from).unwrap_or_default());
            masked.push_str(MASK);
        }
        upto = upto.max(to);
    }
    masked.push_str(line.get(upto..).unwrap_or_default());
    Cow::Owned(masked)
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} secrets)", self.0.count)
    }
}
