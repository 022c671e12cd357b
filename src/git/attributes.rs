//! Which files of a commit are kept in Git LFS, as its `.gitattributes` say.
//!
//! Of all attributes only `filter` matters. A pattern is matched with every path in a directory, which takes
//! a time that is the product of both lengths at most, whatever the pattern; each step is paid for.

use std::collections::HashMap;
use std::rc::Rc;

use super::budget::Budget;
use super::error::{Error, Result};

/// The largest `.gitattributes` that is read, in bytes; Git itself takes 100 MiB.
pub(super) const ATTRIBUTES_BYTES: usize = 1024 * 1024;
/// All different ones of a commit, in bytes: what is made of them takes some times that in memory.
pub(super) const ALL_ATTRIBUTES_BYTES: usize = 4 * 1024 * 1024;
/// Lines of one file that set a filter; more than anybody writes.
const MOST_RULES: usize = 10_000;
/// The longest line, in bytes; as Git, we pass over longer ones.
const LINE_BYTES: usize = 2048;

/// The attributes in force in one directory: those of the directories above it, and its own.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    above: Option<Rc<Self>>,
    /// How much of a path leads to the directory, in bytes, with the slash behind it.
    prefix: usize,
    own: Rc<FilterRules>,
}

/// What one `.gitattributes` says of filters.
#[derive(Debug, Default)]
pub(super) struct FilterRules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    /// Whether the pattern is compared with the whole path in the directory, not only with the name.
    is_anchored: bool,
    is_lfs: bool,
}

/// As small as can be, as a repository decides how many there are.
#[derive(Debug, Default)]
struct Pattern {
    tokens: Box<[Token]>,
    classes: Box<[Class]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`: anything but a slash.
    One,
    /// `*`: any bytes without a slash.
    Star,
    /// `**`: any bytes.
    Stars,
    /// `[…]`, by its place among the classes: one of its bytes.
    Class(u16),
}

/// A bit for each byte.
type Class = [u64; 4];

impl FilterRules {
    /// Reads a `.gitattributes`. Git knows macros only at the top of the tree.
    ///
    /// # Errors
    /// [`Error::Refused`] for more than [`MOST_RULES`] lines that set a filter.
    pub(super) fn read(content: &[u8], is_top: bool) -> Result<Self> {
        let mut macros = Macros::new();
        let mut rules = Vec::new();
        let lines = content.split(|byte| *byte == b'\n');
        for line in lines.filter(|line| line.len() <= LINE_BYTES) {
            let mut words = Words(line);
            let Some(first) = words.next() else { continue };
            let Some(is_lfs) = filter(words, &macros) else {
                continue;
            };
            if let Some(name) = first.strip_prefix(b"[attr]") {
                if is_top {
                    macros.insert(name.to_vec(), is_lfs);
                }
            } else if rules.len() < MOST_RULES {
                rules.extend(Rule::of(&first, is_lfs));
            } else {
                return Err(Error::Refused {
                    what: "“.gitattributes” of the commit".into(),
                    why: format!(
                        "has more than {MOST_RULES} lines that set a filter, which is more than is read"
                    ),
                });
            }
        }
        Ok(Self(rules))
    }
}

/// What a name stands for that a line defines: whether it sets the filter of Git LFS.
type Macros = HashMap<Vec<u8>, bool>;

impl Attributes {
    /// The attributes of a directory below that of `above`, whose `.gitattributes` has the rules `own`.
    /// `prefix` is the path of the directory with a slash behind it, or nothing.
    pub(super) fn below(above: Rc<Self>, prefix: &[u8], own: Rc<FilterRules>) -> Self {
        Self {
            above: Some(above),
            prefix: prefix.len(),
            own,
        }
    }

    /// Whether the file at `path` is kept in Git LFS: the last line that fits decides, and one in a
    /// lower directory comes after all above it.
    ///
    /// # Errors
    /// Those of the budget.
    pub(super) fn is_lfs(&self, path: &[u8], budget: &Budget) -> Result<bool> {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let mut at = Some(self);
        while let Some(one) = at {
            let below = path.get(one.prefix..).unwrap_or_default();
            for rule in one.own.0.iter().rev() {
                let text = if rule.is_anchored { below } else { name };
                if rule.pattern.matches(text, budget)? {
                    return Ok(rule.is_lfs);
                }
            }
            at = one.above.as_deref();
        }
        Ok(false)
    }
}

/// What the attributes of a line say of `filter`; `None`: nothing.
fn filter(words: Words<'_>, macros: &Macros) -> Option<bool> {
    let mut said = None;
    for word in words {
        match word.as_slice() {
            b"filter=lfs" => said = Some(true),
            b"filter" | b"-filter" | b"!filter" => said = Some(false),
            word if word.starts_with(b"filter=") => said = Some(false),
            word => said = macros.get(word).copied().or(said),
        }
    }
    said
}

/// The words of a line; the first may stand in quotes. None of a comment.
struct Words<'a>(&'a [u8]);

impl Iterator for Words<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
        let start = self.0.iter().position(|byte| !is_blank(byte))?;
        let line = &self.0[start..];
        if line.starts_with(b"#") {
            return None;
        }
        if let Some(quoted) = line.strip_prefix(b"\"") {
            let mut word = Vec::new();
            let mut bytes = quoted.iter().enumerate();
            while let Some((at, byte)) = bytes.next() {
                match byte {
                    b'"' => {
                        self.0 = &quoted[at + 1..];
                        return Some(word);
                    }
                    b'\\' => word.extend(bytes.next().map(|(_, byte)| *byte)),
                    byte => word.push(*byte),
                }
            }
            return None;
        }
        let end = line.iter().position(is_blank).unwrap_or(line.len());
        self.0 = &line[end..];
        Some(line[..end].to_vec())
    }
}

impl Rule {
    /// `None` for a pattern that fits no file: a directory's, a negative one, one without an end.
    fn of(pattern: &[u8], is_lfs: bool) -> Option<Self> {
        if pattern.ends_with(b"/") || pattern.starts_with(b"!") {
            return None;
        }
        let is_anchored = pattern.contains(&b'/');
        let pattern = pattern.strip_prefix(b"/").unwrap_or(pattern);
        Some(Self {
            pattern: Pattern::read(pattern)?,
            is_anchored,
            is_lfs,
        })
    }
}

impl Pattern {
    fn read(pattern: &[u8]) -> Option<Self> {
        let (mut tokens, mut classes, mut rest) = (Vec::new(), Vec::new(), pattern);
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'*' => {
                    let more = rest.iter().take_while(|byte| **byte == b'*').count();
                    rest = &rest[more..];
                    let begins = tokens
                        .last()
                        .is_none_or(|last| [Token::Byte(b'/'), Token::Stars].contains(last));
                    match (more, rest) {
                        // Between slashes it stands for any directories, also for none.
                        (1, [b'/', after @ ..]) if begins => {
                            tokens.push(Token::Stars);
                            rest = after;
                        }
                        (1, []) if begins => tokens.push(Token::Stars),
                        _ => tokens.push(Token::Star),
                    }
                }
                b'?' => tokens.push(Token::One),
                b'\\' => {
                    let (&escaped, after) = rest.split_first()?;
                    rest = after;
                    tokens.push(Token::Byte(escaped));
                }
                b'[' => {
                    let (class, after) = class(rest)?;
                    rest = after;
                    tokens.push(Token::Class(u16::try_from(classes.len()).ok()?));
                    classes.push(class);
                }
                byte => tokens.push(Token::Byte(byte)),
            }
        }
        Some(Self {
            tokens: tokens.into(),
            classes: classes.into(),
        })
    }

    /// Whether `text` is what the pattern describes. All positions in the pattern that the text read so
    /// far may have reached are followed at once.
    fn matches(&self, text: &[u8], budget: &Budget) -> Result<bool> {
        budget.spend_steps(1)?;
        if let (Some(Token::Byte(wanted)), last) = (self.tokens.last(), text.last())
            && last != Some(wanted)
        {
            return Ok(false);
        }
        let mut reached = vec![false; self.tokens.len() + 1];
        let mut next = reached.clone();
        reached[0] = true;
        self.skip_stars(&mut reached, true);
        for (at, &byte) in text.iter().enumerate() {
            budget.spend_steps(self.tokens.len())?;
            next.fill(false);
            for (place, token) in self
                .tokens
                .iter()
                .enumerate()
                .filter(|(place, _)| reached[*place])
            {
                match token {
                    Token::Byte(wanted) => next[place + 1] |= *wanted == byte,
                    Token::One => next[place + 1] |= byte != b'/',
                    Token::Class(class) => {
                        let class = &self.classes[usize::from(*class)];
                        next[place + 1] |= byte != b'/' && has(class, byte);
                    }
                    Token::Star => next[place] |= byte != b'/',
                    Token::Stars => next[place] = true,
                }
            }
            std::mem::swap(&mut reached, &mut next);
            let is_last = at + 1 == text.len();
            self.skip_stars(&mut reached, byte == b'/' || is_last);
        }
        Ok(reached[self.tokens.len()])
    }

    /// A star may stand for nothing more; `**` only at the beginning of a name, or at the end.
    fn skip_stars(&self, reached: &mut [bool], at_border: bool) {
        for (place, token) in self.tokens.iter().enumerate() {
            let may_end = match token {
                Token::Star => true,
                Token::Stars => at_border,
                _ => false,
            };
            if reached[place] && may_end {
                reached[place + 1] = true;
            }
        }
    }
}

/// A class behind its `[`, and what follows it.
fn class(text: &[u8]) -> Option<(Class, &[u8])> {
    let is_negative = matches!(text.first(), Some(b'!' | b'^'));
    let mut rest = if is_negative { &text[1..] } else { text };
    let (mut class, mut is_empty) = ([0; 4], true);
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        let low = match byte {
            b']' if !is_empty => {
                let class = if is_negative {
                    class.map(|bits: u64| !bits)
                } else {
                    class
                };
                return Some((class, rest));
            }
            b'\\' => {
                let (&escaped, after) = rest.split_first()?;
                rest = after;
                escaped
            }
            byte => byte,
        };
        let high = match rest {
            [b'-', high, after @ ..] if *high != b']' => {
                rest = after;
                *high
            }
            _ => low,
        };
        is_empty = false;
        for byte in low..=high {
            class[usize::from(byte / 64)] |= 1 << (byte % 64);
        }
    }
}

fn has(class: &Class, byte: u8) -> bool {
    class[usize::from(byte / 64)] >> (byte % 64) & 1 == 1
}

#[cfg(test)]
mod tests;
