//! Comments on items say something: what a module offers is described, and no description only
//! repeats the name. Fields, variants and methods may go without.

use std::collections::BTreeSet;

use super::source::Source;

/// Words that say nothing beside a name.
const EMPTY: [&str; 14] = [
    "a", "all", "an", "and", "it", "its", "itself", "of", "one", "that", "the", "which", "who", "this",
];

/// Directories whose descriptions are not looked through yet.
pub const EXCUSED: &[&str] = &[];

/// What a line that begins an item is made of.
const KINDS: [&str; 6] = ["fn", "struct", "enum", "trait", "type", "const"];

/// Public functions, types and constants of a module without a description.
pub fn silent(source: &Source) -> Vec<String> {
    let text: Vec<&str> = source.text.lines().collect();
    let code = source.code_without_tests();
    let items = code.lines().enumerate().filter(|(_, line)| {
        let words = line.strip_prefix("pub ").unwrap_or_default();
        let kind = words.split(' ').find(|word| *word != "async");
        kind.is_some_and(|kind| KINDS.contains(&kind))
    });
    let undescribed = items.filter(|(at, _)| {
        let above = text[..*at].iter().rev().map(|line| line.trim());
        let mut above = above.skip_while(|line| is_attribute(line));
        !above.next().is_some_and(|line| line.starts_with("///"))
    });
    undescribed
        .map(|(at, line)| format!("{}: {}", at + 1, line.trim()))
        .collect()
}

/// Whether a trimmed line is an attribute, or a piece of one that goes over several lines.
fn is_attribute(line: &str) -> bool {
    line.starts_with("#[") || line == ")]" || line.ends_with(',') && line.contains(" = ")
}

/// Descriptions of one line that hold no word which the name does not hold.
pub fn echoes(source: &Source) -> Vec<String> {
    let text: Vec<&str> = source.text.lines().map(str::trim).collect();
    let mut echoes = Vec::new();
    for (at, line) in text.iter().enumerate() {
        let Some(description) = line.strip_prefix("/// ") else {
            continue;
        };
        let is_above = |other: Option<&&str>| other.is_some_and(|line| line.starts_with("///"));
        if is_above(at.checked_sub(1).map(|above| &text[above])) || is_above(text.get(at + 1)) {
            continue;
        }
        let item = text[at + 1..].iter().find(|line| !line.starts_with("#["));
        let Some(name) = item.and_then(|item| name_of(item)) else {
            continue;
        };
        let said = words(description);
        if said
            .iter()
            .all(|word| EMPTY.contains(&word.as_str()) || words(name).contains(word))
        {
            echoes.push(format!("{}: “{description}” on {name}", at + 1));
        }
    }
    echoes
}

/// The name of the item that begins on this line.
fn name_of(line: &str) -> Option<&str> {
    let mut words = line
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty());
    words.find(|word| {
        ![
            "pub", "super", "crate", "in", "async", "fn", "struct", "enum", "const", "type", "trait",
        ]
        .contains(word)
    })
}

/// The words of a sentence, or of a name in either spelling, without the plural's “s”.
fn words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        if !c.is_alphanumeric() || c.is_uppercase() {
            let whole = std::mem::take(&mut word);
            let whole = whole.strip_suffix('s').unwrap_or(&whole);
            words.insert(whole.to_owned());
        }
        word.extend(c.is_alphanumeric().then(|| c.to_ascii_lowercase()));
    }
    words.remove("");
    words
}

#[cfg(test)]
fn seen(look: fn(&Source) -> Vec<String>, text: &str) -> usize {
    look(&Source::new(text.to_owned())).len()
}

#[test]
fn an_item_without_a_description_is_seen() {
    for bad in [
        "pub fn f() {}",
        "/// Said.\npub struct A;\n\n#[derive(Debug)]\npub enum B {}",
        "// Not a description.\npub async fn f() {}",
        "#[must_use]\npub const fn f() {}",
    ] {
        assert_eq!(seen(silent, bad), 1, "{bad}");
    }
    for fine in [
        "/// Said.\n#[derive(Debug)]\n#[serde(\n    rename = \"a\",\n)]\npub struct A {\n    pub b: u8,\n}",
        "fn f() {}\npub(super) fn g() {}\npub use a::b;\npub mod c;",
        "impl A {\n    pub fn f() {}\n}",
        "#[cfg(test)]\nmod tests {\n    pub fn f() {}\n}",
        "const TEXT: &str = \"\npub fn f()\n\";",
    ] {
        assert_eq!(seen(silent, fine), 0, "{fine}");
    }
}

#[test]
fn a_description_that_repeats_the_name_is_seen() {
    for bad in [
        "/// Itself.\npub deployment: Deployment,",
        "/// Its name.\npub name: Name,",
        "/// The servers.\n#[serde(default)]\npub(super) server_ids: Vec<u8>,",
        "/// All of the commit infos\npub struct CommitInfo;",
        "/// Which.\npath: String,",
    ] {
        assert_eq!(seen(echoes, bad), 1, "{bad}");
    }
    for fine in [
        "/// Its name, as people write it.\npub name: Name,",
        "/// The name.\n/// It never changes.\npub name: Name,",
        "/// In seconds.\npub limit: u64,",
        "// The name.\nlet name = 1;",
    ] {
        assert_eq!(seen(echoes, fine), 0, "{fine}");
    }
}
