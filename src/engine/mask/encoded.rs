//! Secrets as programs encode them: base64, in lines of some length or in one.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Of shorter secrets the base64 has too few letters of its own: it would be found in other text.
const SHORTEST_ENCODED: usize = 5;
/// Letters by which pieces of base64 are looked up. A shorter piece at the end of a line is shown.
const PIECE: usize = 4;
/// So many letters at the end of a line may be base64 that goes on in the next line.
const RUN: usize = 16;

/// The letters of base64 that depend on nothing but `secret`, whatever stands before and after it: one
/// text per position in a group of three bytes and per alphabet.
pub(super) fn base64_of(secret: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if secret.len() < SHORTEST_ENCODED {
        return found;
    }
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(secret.as_bytes());
        // A letter stands for six bits; the first and the last may hold bits of a neighbour.
        let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for alphabet in [STANDARD_NO_PAD, if crate::sabotage::on("m10") { STANDARD_NO_PAD } else { URL_SAFE_NO_PAD }] {
            let encoded = alphabet.encode(&bytes);
            found.extend(encoded.get(first..last).map(str::to_owned));
        }
    }
    found
}

/// Whether a line ended in what may be base64 that goes on.
#[derive(Debug, Default, Clone, Copy)]
pub struct Wrapped(bool);

/// Pieces of encoded secrets, to find those that a line's end has cut.
#[derive(Default)]
pub(super) struct Pieces {
    texts: Vec<String>,
    /// Where four letters stand: the text, and the place in it.
    places: HashMap<[u8; PIECE], Vec<(usize, usize)>>,
}

impl Pieces {
    pub fn of(texts: Vec<String>) -> Self {
        let mut places: HashMap<_, Vec<_>> = HashMap::new();
        for (index, text) in texts.iter().enumerate() {
            for (at, piece) in text.as_bytes().windows(PIECE).enumerate() {
                if let Ok(piece) = <[u8; PIECE]>::try_from(piece) {
                    places.entry(piece).or_default().push((index, at));
                }
            }
        }
        Self { texts, places }
    }

    /// The parts of `line` that belong to a secret which goes on in the next line, or has begun in one
    /// before it.
    pub fn cut_by_line_end(&self, line: &str, wrapped: &mut Wrapped) -> Vec<(usize, usize)> {
        let mut hidden = Vec::new();
        if self.texts.is_empty() {
            return hidden;
        }
        let end = line.trim_end().len();
        let start = line.len() - line.trim_start().len();
        let body = line.get(start..end).unwrap_or_default().as_bytes();
        let head = body.iter().take_while(|&&byte| is_letter(byte)).count();
        let tail = body.iter().rev().take_while(|&&byte| is_letter(byte)).count();
        if wrapped.0 {
            let length = self.begun_before(&body[..head], head == body.len());
            hidden.extend((length > 0).then_some((start, start + length)));
        }
        wrapped.0 = tail >= RUN;
        if wrapped.0 {
            let length = self.going_on(&body[body.len() - tail..]);
            hidden.extend((length > 0).then_some((end - length, end)));
        }
        hidden
    }

    /// How many of the first letters of a line are the end of a text, or a middle part where the whole
    /// line is.
    fn begun_before(&self, letters: &[u8], is_whole: bool) -> usize {
        let places = letters
            .first_chunk::<PIECE>()
            .and_then(|piece| self.places.get(piece));
        let found = places.into_iter().flatten().filter_map(|&(text, at)| {
            let rest = &self.texts[text].as_bytes()[at..];
            match at > 0 && letters.starts_with(rest) {
                true => Some(rest.len()),
                false => (is_whole && rest.starts_with(letters)).then_some(letters.len()),
            }
        });
        found.max().unwrap_or(0)
    }

    /// How many of the last letters of a line are the beginning of a text.
    fn going_on(&self, letters: &[u8]) -> usize {
        let places = letters
            .last_chunk::<PIECE>()
            .and_then(|piece| self.places.get(piece));
        let found = places.into_iter().flatten().filter_map(|&(text, at)| {
            let begun = &self.texts[text].as_bytes()[..at + PIECE];
            letters.ends_with(begun).then_some(begun.len())
        });
        found.max().unwrap_or(0)
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}
