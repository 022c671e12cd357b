//! Characters that change the direction of text, and how they are written where they must not.
//!
//! Commit titles, file names and reasons come from outside. Such a character could make a line read differently
//! from what it holds.

/// Whether `c` changes the direction of text: Unicode's property `Bidi_Control`.
pub fn turns_text(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// `text` with each such character written as `<U+202E>`.
pub fn with_turns_named(text: &str) -> String {
    replaced(text, |c| format!("<U+{:04X}>", u32::from(c)))
}

/// The JSON document `json` with each such character as an escape (`\u202e`): to programs it is the same one.
pub fn with_turns_escaped(json: &str) -> String {
    // They stand in strings only; and none needs two escapes.
    replaced(json, |c| format!("\\u{:04x}", u32::from(c)))
}

fn replaced(text: &str, instead: impl Fn(char) -> String) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match turns_text(c) {
            true => written.push_str(&instead(c)),
            false => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_written_so_that_they_turn_nothing() {
        assert_eq!(with_turns_named("a\u{202e}b\u{61c}"), "a<U+202E>b<U+061C>");
        let json = serde_json::json!({ "k\u{2066}": "a\u{202e}\\b" }).to_string();
        let escaped = with_turns_escaped(&json);
        assert_eq!(escaped, "{\"k\\u2066\":\"a\\u202e\\\\b\"}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&escaped), read(&json));
    }
}
