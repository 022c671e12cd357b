//! Which files of a commit are kept in Git LFS, as its `.gitattributes` say.
//!
//! Of all attributes only `filter` matters. A pattern is matched with every path in a directory, so
//! matching takes a time that is the product of both lengths at most, whatever the pattern.

use std::rc::Rc;

/// The largest `.gitattributes` that is read, in bytes; Git itself takes 100 MiB.
pub(super) const ATTRIBUTES_BYTES: usize = 1024 * 1024;
/// Lines of one file that set a filter; more than anybody writes.
const MOST_RULES: usize = 10_000;
/// The longest pattern, in bytes: no path is longer.
const PATTERN_BYTES: usize = 4096;

/// The attributes in force in one directory: those of the directories above it, and its own.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    above: Option<Rc<Self>>,
    /// How much of a path leads to the directory, in bytes, with the slash behind it.
    prefix: usize,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Vec<Token>,
    /// Whether the pattern is compared with the whole path in the directory, not only with the name.
    is_anchored: bool,
    is_lfs: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`: anything but a slash.
    One,
    /// `*`: any bytes without a slash.
    Star,
    /// `**`: any bytes.
    Stars,
    /// `[…]`: one of these ranges, or none of them.
    Class(bool, Vec<(u8, u8)>),
}

impl Attributes {
    /// The attributes of a directory below that of `above`, whose `.gitattributes` has `content`.
    /// `prefix` is the path of the directory with a slash behind it, or nothing.
    pub(super) fn below(above: Rc<Self>, prefix: &[u8], content: &[u8]) -> Self {
        let mut macros: Vec<(Vec<u8>, bool)> = Vec::new();
        let mut rules = Vec::new();
        for line in content.split(|byte| *byte == b'\n') {
            let mut words = Words(line);
            let Some(first) = words.next() else { continue };
            let Some(is_lfs) = filter(words, &macros) else {
                continue;
            };
            if let Some(name) = first.strip_prefix(b"[attr]") {
                // Git knows macros only at the top of the tree.
                if prefix.is_empty() {
                    macros.push((name.to_vec(), is_lfs));
                }
            } else if rules.len() < crate::sabotage::most("l22", MOST_RULES) {
                rules.extend(Rule::of(&first, is_lfs));
            }
        }
        Self {
            above: Some(above),
            prefix: prefix.len(),
            rules,
        }
    }

    /// Whether the file at `path` is kept in Git LFS: the last line that fits decides, and one in a
    /// lower directory comes after all above it.
    pub(super) fn is_lfs(&self, path: &[u8]) -> bool {
        let below = path.get(self.prefix..).unwrap_or_default();
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let fits = |rule: &&Rule| matches(&rule.pattern, if rule.is_anchored { below } else { name });
        match (self.rules.iter().rev().find(fits), &self.above) {
            (Some(rule), _) => rule.is_lfs,
            (None, Some(above)) => above.is_lfs(path),
            (None, None) => false,
        }
    }
}

/// What the attributes of a line say of `filter`; `None`: nothing.
fn filter(words: Words<'_>, macros: &[(Vec<u8>, bool)]) -> Option<bool> {
    let mut said = None;
    for word in words {
        match word.as_slice() {
            b"filter=lfs" => said = Some(true),
            b"filter" | b"-filter" | b"!filter" => said = Some(false),
            word if word.starts_with(b"filter=") => said = Some(false),
            word => {
                let defined = macros.iter().rev().find(|(name, _)| name == word);
                said = defined.map_or(said, |(_, is_lfs)| Some(*is_lfs));
            }
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
        if pattern.ends_with(b"/") || pattern.starts_with(b"!") || pattern.len() > crate::sabotage::most("l24", PATTERN_BYTES) {
            return None;
        }
        let is_anchored = pattern.contains(&b'/');
        let pattern = pattern.strip_prefix(b"/").unwrap_or(pattern);
        Some(Self {
            pattern: tokens(pattern)?,
            is_anchored,
            is_lfs,
        })
    }
}

fn tokens(pattern: &[u8]) -> Option<Vec<Token>> {
    let (mut tokens, mut rest) = (Vec::new(), pattern);
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
                tokens.push(class);
            }
            byte => tokens.push(Token::Byte(byte)),
        }
    }
    Some(tokens)
}

/// A class behind its `[`, and what follows it.
fn class(text: &[u8]) -> Option<(Token, &[u8])> {
    let is_negative = matches!(text.first(), Some(b'!' | b'^'));
    let mut rest = if is_negative { &text[1..] } else { text };
    let mut ranges = Vec::new();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        let low = match byte {
            b']' if !ranges.is_empty() => return Some((Token::Class(is_negative, ranges), rest)),
            b'\\' => {
                let (&escaped, after) = rest.split_first()?;
                rest = after;
                escaped
            }
            byte => byte,
        };
        match rest {
            [b'-', high, after @ ..] if *high != b']' => {
                ranges.push((low, *high));
                rest = after;
            }
            _ => ranges.push((low, low)),
        }
    }
}

/// Whether `text` is what the pattern describes. All positions in the pattern that the text read so
/// far may have reached are followed at once.
fn matches(pattern: &[Token], text: &[u8]) -> bool {
    let mut reached = vec![false; pattern.len() + 1];
    reached[0] = true;
    skip_stars(pattern, &mut reached, true);
    for (at, &byte) in text.iter().enumerate() {
        let mut next = vec![false; pattern.len() + 1];
        for (place, token) in pattern.iter().enumerate().filter(|(place, _)| reached[*place]) {
            match token {
                Token::Byte(wanted) => next[place + 1] |= *wanted == byte,
                Token::One => next[place + 1] |= byte != b'/',
                Token::Class(is_negative, ranges) => {
                    let is_in = ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte));
                    next[place + 1] |= byte != b'/' && is_in != *is_negative;
                }
                Token::Star => next[place] |= byte != b'/',
                Token::Stars => next[place] = true,
            }
        }
        reached = next;
        let is_last = at + 1 == text.len();
        skip_stars(pattern, &mut reached, byte == b'/' || is_last);
    }
    reached[pattern.len()]
}

/// A star may stand for nothing more; `**` only at the beginning of a name, or at the end.
fn skip_stars(pattern: &[Token], reached: &mut [bool], at_border: bool) {
    for (place, token) in pattern.iter().enumerate() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(top: &str, below: &[(&str, &str)]) -> Attributes {
        let mut all = Attributes::below(Rc::default(), b"", top.as_bytes());
        for (prefix, content) in below {
            all = Attributes::below(Rc::new(all), prefix.as_bytes(), content.as_bytes());
        }
        all
    }

    #[test]
    fn patterns_fit_as_git_says() {
        for (pattern, fits, fits_not) in [
            ("*.png", "a.png b/c.png .png", "a.pngx png"),
            ("img/*", "img/a", "img/a/b x/img/a"),
            ("/top", "top", "a/top"),
            ("img/**", "img/a img/a/b", "img x/img/a"),
            ("**/x", "x a/x a/b/x", "ax a/bx"),
            ("a/**/b", "a/b a/x/b a/x/y/b", "a/xb ab"),
            ("**/**/x", "x a/x a/b/x", "ax"),
            ("[a-c]?[!0-9]", "abx cx_", "dbx ab1 ab"),
            ("\\*", "*", "a"),
            ("\"a b\"", "a b", "a"),
            ("a*b*c", "abc axxbyyc", "ab/c acb"),
            ("dir/", "", "dir dir/a"),
        ] {
            let all = attributes(&format!("{pattern} filter=lfs diff=lfs -text\r\n"), &[]);
            let paths = |text: &str| -> Vec<String> {
                match pattern.starts_with('"') {
                    true => vec![text.to_owned()],
                    false => text.split_whitespace().map(str::to_owned).collect(),
                }
            };
            for path in paths(fits) {
                assert!(all.is_lfs(path.as_bytes()), "{pattern} {path}");
            }
            for path in paths(fits_not) {
                assert!(!all.is_lfs(path.as_bytes()), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn the_last_line_of_the_lowest_directory_decides() {
        let top = "[attr]big filter=lfs -text\n# *.a filter=lfs\n*.bin big\n*.raw filter=lfs\nsmall.raw !filter\nx.raw filter=other\n";
        let at_top = attributes(top, &[]);
        let in_sub = attributes(top, &[("sub/", "*.bin -filter\n/deep/*.bin filter=lfs\n")]);
        for (path, is_lfs) in [
            ("a.bin", true),
            ("a.a", false),
            ("a.raw", true),
            ("small.raw", false),
            ("x.raw", false),
            ("sub/a.bin", false),
            ("sub/deep/a.bin", true),
            ("sub/a.raw", true),
        ] {
            let all = if path.starts_with("sub/") {
                &in_sub
            } else {
                &at_top
            };
            assert_eq!(all.is_lfs(path.as_bytes()), is_lfs, "{path}");
        }
    }

    #[test]
    fn of_very_many_lines_the_first_count_and_no_pattern_is_longer_than_a_path() {
        let lines = |count: usize| format!("{}last filter=lfs\n", "x filter=lfs\n".repeat(count));
        assert!(attributes(&lines(MOST_RULES - 1), &[]).is_lfs(b"last"));
        assert!(!attributes(&lines(MOST_RULES), &[]).is_lfs(b"last"));
        let long = |bytes: usize| attributes(&format!("{}* filter=lfs\n", "?".repeat(bytes)), &[]);
        assert!(long(PATTERN_BYTES - 1).is_lfs(&[b'a'; PATTERN_BYTES]));
        assert!(!long(PATTERN_BYTES).is_lfs(&[b'a'; PATTERN_BYTES]));
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(1000);
        let all = attributes(&format!("{pattern} filter=lfs\n"), &[]);
        assert!(!all.is_lfs(&[b'a'; 999]));
        assert!(all.is_lfs(&[b'a'; 1000]));
    }
}
