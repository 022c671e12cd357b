//! A line of output as a terminal reads it: characters to show, and sequences to obey.
//!
//! Two readers need the same answer. Masking looks for secrets that have escape sequences in
//! between or inside, and pages draw colours as classes. If they cut a line differently, a page
//! could show a secret that masking did not see.

const ESCAPE: char = '\u{1b}';
/// `ESC [` in one character.
const CONTROL_SEQUENCE: char = '\u{9b}';
/// BEL, and `ESC \` in one character; `ESC \` itself ends a message, too.
const END_OF_MESSAGE: [char; 2] = ['\u{7}', '\u{9c}'];

/// A part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// One character outside of escape sequences; it may still be a control character.
    Char(char),
    /// `ESC [`, parameters and a last character, which selects the function. A broken one has none.
    Control {
        /// Numbers and marks, unparsed.
        parameters: &'a str,
        /// `m` for colours and styles.
        last: Option<char>,
    },
    /// Text for the terminal itself, such as its title or the address of a link.
    Message(&'a str),
    /// Any other escape sequence: a character set, a reset.
    Other,
}

/// The parts of `line`, each with the position where it begins; a message's is that of its text.
pub fn parts(line: &str) -> impl Iterator<Item = (usize, Part<'_>)> {
    Parts { line, at: 0 }
}

struct Parts<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = (usize, Part<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        match self.take_if(|_| true)? {
            ESCAPE => Some(self.after_escape(at)),
            CONTROL_SEQUENCE => Some((at, self.control())),
            c => Some((at, Part::Char(c))),
        }
    }
}

impl<'a> Parts<'a> {
    fn after_escape(&mut self, at: usize) -> (usize, Part<'a>) {
        if self.take_if(|c| c == '[').is_some() {
            return (at, self.control());
        }
        if self.take_if(|c| "]P_^X".contains(c)).is_some() {
            return (self.at, self.message());
        }
        self.take_while(|c| (' '..='/').contains(&c));
        self.take_if(|c| ('0'..='~').contains(&c));
        (at, Part::Other)
    }

    fn control(&mut self) -> Part<'a> {
        let parameters = self.take_while(|c| (' '..='?').contains(&c));
        let last = self.take_if(|c| ('@'..='~').contains(&c));
        Part::Control { parameters, last }
    }

    fn message(&mut self) -> Part<'a> {
        let text = self.take_while(|c| c != ESCAPE && !END_OF_MESSAGE.contains(&c));
        if self.take_if(|c| c != ESCAPE).is_none() && self.rest().starts_with("\u{1b}\\") {
            self.at += 2;
        }
        Part::Message(text)
    }

    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn take_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let c = self.rest().chars().next().filter(|c| wanted(*c))?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += taken;
        &rest[..taken]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(line: &str) -> String {
        let chars = parts(line).filter_map(|(_, part)| match part {
            Part::Char(c) => Some(c),
            _ => None,
        });
        chars.collect()
    }

    #[test]
    fn sequences_are_told_from_text() {
        let red = Part::Control {
            parameters: "31",
            last: Some('m'),
        };
        let found: Vec<_> = parts("a\u{1b}[31mb\u{1b}]0;title\u{7}\u{1b}(B").collect();
        let expected = [
            (0, Part::Char('a')),
            (1, red),
            (6, Part::Char('b')),
            (9, Part::Message("0;title")),
            (17, Part::Other),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_sequence_that_interrupts_a_message_is_obeyed() {
        assert_eq!(shown("\u{1b}]0;title\u{1b}[1mbold"), "bold");
        assert_eq!(shown("\u{1b}]0;title\u{1b}\\plain"), "plain");
        assert_eq!(shown("\u{1b}\u{1b}[1mbold"), "bold");
        assert_eq!(shown("ends in \u{1b}"), "ends in ");
    }

    proptest! {
        #![proptest_config(crate::cases::cases(300))]

        #[test]
        fn every_part_begins_after_the_one_before(line in "(\\PC|\u{1b}|\\[|\\]|\\\\|m|[0-9]|\u{7}|\u{9b}|\u{9c}){0,40}") {
            let mut end = 0;
            for (at, part) in parts(&line) {
                prop_assert!(at >= end && line.is_char_boundary(at));
                end = match part {
                    Part::Char(c) => at + c.len_utf8(),
                    Part::Message(text) => at + text.len(),
                    Part::Control { .. } | Part::Other => at + 1,
                };
            }
            prop_assert!(end <= line.len());
        }
    }
}
