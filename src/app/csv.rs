//! Tables for spreadsheets.

use crate::domain::with_turns_named;

/// One line of a table.
pub fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<String> = cells.iter().map(|text| cell(text.as_ref())).collect();
    format!("{}\r\n", cells.join(","))
}

/// One cell. A text that a spreadsheet would take for a formula is led by an apostrophe, and what changes the
/// direction of text is named (`<U+202E>`): commit messages come from strangers.
fn cell(text: &str) -> String {
    let text = with_turns_named(text);
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_become_a_formula_or_leave_its_cell() {
        assert_eq!(line(&["plain", "=1+1"]), "plain,'=1+1\r\n");
        assert_eq!(line(&["\u{202e}=1", "x\u{2067}y"]), "<U+202E>=1,x<U+2067>y\r\n");
        assert_eq!(line(&["a,\"b\""]), "\"a,\"\"b\"\"\"\r\n");
    }
}
