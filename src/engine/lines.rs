//! Turns the bytes a program prints into lines that can be stored and shown.
//!
//! Bytes arrive cut anywhere: in the middle of a line, of a character, of a secret. A line is kept
//! back until it is whole, then made UTF-8, stripped of what cannot be shown (NUL bytes, progress
//! bars drawn over themselves) and masked.

use std::borrow::Cow;

use super::mask::{Mask, Wrapped};
use crate::domain::log::CONTINUES;

/// A longer line is cut into several: a browser cannot show more in one row, and a program that
/// never ends its line must not fill memory. In bytes.
const LONGEST_LINE: usize = 8 * 1024;

/// The unfinished line of one stream.
#[derive(Debug, Default)]
pub struct LineBuffer {
    pending: Vec<u8>,
    wrapped: Wrapped,
    /// Whether it is the rest of a line that was cut.
    continues: bool,
}

impl LineBuffer {
    /// Takes `bytes` and hands each line they complete to `line`, without its end.
    pub fn push(&mut self, mut bytes: &[u8], mask: &Mask, mut line: impl FnMut(&str)) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.pending.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.give(mask, &mut line);
        }
        self.pending.extend_from_slice(bytes);
        // Enough beyond the cut that a secret which begins before it is seen whole.
        while self.pending.len() > LONGEST_LINE + if crate::sabotage::on("m9") { 0 } else { mask.reach() } {
            let rest = self.pending.split_off(cut(&self.pending, mask));
            self.give(mask, &mut line);
            self.continues = true;
            self.pending = rest;
        }
    }

    /// Hands over what is left without a line end.
    pub fn finish(&mut self, mask: &Mask, mut line: impl FnMut(&str)) {
        if !self.pending.is_empty() {
            self.give(mask, &mut line);
        }
    }

    fn give(&mut self, mask: &Mask, line: &mut impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.pending);
        let text = text.trim_end_matches('\r');
        // A progress bar returns to the start of its line and draws over it: its last state counts.
        let text = text.rsplit('\r').next().unwrap_or_default();
        let masked = mask.apply_next(text, &mut self.wrapped);
        let mut masked = match masked.contains('\0') {
            true => Cow::Owned(masked.replace('\0', "\u{fffd}")),
            false => masked,
        };
        if self.continues && !crate::sabotage::on("d1") {
            masked.to_mut().insert(0, CONTINUES);
        }
        line(&masked);
        self.continues = false;
        self.pending.clear();
    }
}

/// Where a line that is too long is cut: not within a secret, nor within a character.
fn cut(line: &[u8], mask: &Mask) -> usize {
    let mut at = LONGEST_LINE;
    while at > 0 && line[at] & 0b1100_0000 == 0b1000_0000 {
        at -= 1;
    }
    let seen = line.len().min(LONGEST_LINE + mask.reach());
    let at = if crate::sabotage::on("m5") { at } else { mask.uncut(&as_long(&line[..seen]), at) };
    // Overlapping secrets throughout, or not text at all: any place will do.
    if at == 0 { LONGEST_LINE } else { at }
}

/// `bytes` as a text of the same length: what is none becomes blanks.
fn as_long(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| ' '));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]], mask: &Mask) -> Vec<String> {
        let (mut buffer, mut lines) = (LineBuffer::default(), Vec::new());
        for piece in pieces {
            buffer.push(piece, mask, |line| lines.push(line.to_owned()));
        }
        buffer.finish(mask, |line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn lines_are_whole_wherever_the_bytes_are_cut() {
        let text = "déjà\r\nvu\n\n 10 %\r100 %\nend".as_bytes();
        for cut in 0..text.len() {
            let got = lines(&[&text[..cut], &text[cut..]], &Mask::default());
            assert_eq!(got, ["déjà", "vu", "", "100 %", "end"], "cut at {cut}");
        }
    }

    #[test]
    fn a_secret_is_masked_wherever_it_is_cut() {
        let (mask, text) = (Mask::new(["hunter2"]), b"pw hunter2\n");
        for cut in 0..text.len() {
            assert_eq!(
                lines(&[&text[..cut], &text[cut..]], &mask),
                ["pw •••"],
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_secret_and_a_character_are_masked_and_whole_across_the_cut_of_a_long_line() {
        let mask = Mask::new(["hunter2"]);
        for before in LONGEST_LINE - 12..LONGEST_LINE + 2 {
            let text = format!("{}éhunter2é{}", "x".repeat(before), "y".repeat(2 * LONGEST_LINE));
            let got = lines(&[text.as_bytes()], &mask).concat().replace(CONTINUES, "");
            assert_eq!(got, text.replace("hunter2", "•••"), "{before}");
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(3).collect();
            let got = lines(&pieces, &mask).concat().replace(CONTINUES, "");
            assert_eq!(got, text.replace("hunter2", "•••"), "{before}, in pieces");
        }
        let only = Mask::new(["aaaa"]);
        assert!(!lines(&[&vec![b'a'; LONGEST_LINE * 3]], &only).is_empty());
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let got = lines(&[&vec![b'x'; LONGEST_LINE * 2 + 5]], &Mask::default());
        assert_eq!(
            got.iter().map(String::len).collect::<Vec<_>>(),
            [LONGEST_LINE, LONGEST_LINE + 1, 5 + 1]
        );
        let continues: Vec<bool> = got.iter().map(|line| line.starts_with(CONTINUES)).collect();
        assert_eq!(continues, [false, true, true]);
        let next = lines(&[&vec![b'x'; LONGEST_LINE + 5], b"\nnext"], &Mask::default());
        assert_eq!(next[2], "next");
    }

    #[test]
    fn bytes_that_are_not_text_are_shown_as_such() {
        assert_eq!(lines(&[b"a\xff\0b\n"], &Mask::default()), ["a\u{fffd}\u{fffd}b"]);
    }
}
