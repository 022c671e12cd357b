//! Tables for spreadsheets.

/// One line of a table.
pub fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<String> = cells.iter().map(|text| cell(text.as_ref())).collect();
    format!("{}\r\n", cells.join(","))
}

/// One cell. A text that a spreadsheet would take for a formula is led by an apostrophe: commit
/// messages come from strangers.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
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
        assert_eq!(line(&["a,\"b\""]), "\"a,\"\"b\"\"\"\r\n");
    }
}
