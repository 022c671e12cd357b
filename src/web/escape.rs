//! How text becomes HTML on every page, as `askama.toml` names it to the templates.
//!
//! Commit titles, file names and reasons come from outside. A character that changes the direction of
//! text could make them read differently from what they hold, so each of those appears as a mark.

use std::fmt::{self, Write};

use askama::filters::{Escaper, Html};

use crate::domain::turns_text;

/// What appears in the place of a character that would change the direction of text.
pub const MARK: char = '\u{fffd}';

/// The escaper of all templates.
#[derive(Debug, Clone, Copy, Default)]
pub struct Escape;

impl Escaper for Escape {
    fn write_escaped_str<W: Write>(&self, mut page: W, text: &str) -> fmt::Result {
        if text.is_ascii() {
            return Html.write_escaped_str(page, text);
        }
        let mut pieces = text.split(turns_text);
        Html.write_escaped_str(&mut page, pieces.next().unwrap_or_default())?;
        for piece in pieces {
            page.write_char(MARK)?;
            Html.write_escaped_str(&mut page, piece)?;
        }
        Ok(())
    }
}
