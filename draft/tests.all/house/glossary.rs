//! One meaning per public name: a type that other files can see is called like no other.

use std::collections::BTreeMap;

use super::source::Source;

/// Names that every room of the field uses for its own, each with the reason. They are read with
/// the module before them: `git::Error`, `ssh::Command`.
const EVERY_ROOM: &[(&str, &str)] = &[
    (
        "Args",
        "what the command line of one command holds, in the file of that command",
    ),
    ("Command", "a program to run, here or on a server"),
    ("Error", "what can go wrong in a module, one enum per module"),
    ("Limits", "how long a module waits and how much it takes"),
    ("Options", "what the configuration says to a module"),
    ("Result", "the result with a module's own error"),
    ("Run", "how a program is run, here or on a server"),
    ("Settings", "what the configuration says to a large room"),
];

/// Names with several meanings that are not sorted out yet.
const EXCUSED: &[&str] = &[];

/// Names that more than one file defines, each with those files.
pub fn doubles<'a>(
    sources: impl IntoIterator<Item = (&'a str, &'a Source)>,
    allowed: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut places: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (file, source) in sources {
        let is_test = file.ends_with("/tests.rs") || file.contains("/tests/");
        if file.starts_with("src/") && !is_test {
            for name in public_types(&source.code_without_tests()) {
                places.entry(name).or_default().push(file);
            }
        }
    }
    let doubles = places
        .into_iter()
        .filter(|(name, files)| files.len() > 1 && !allowed(name));
    doubles
        .map(|(name, files)| format!("{name}: {}", files.join(", ")))
        .collect()
}

/// Whether `name` may have several meanings.
pub fn is_allowed(name: &str) -> bool {
    EXCUSED.contains(&name) || EVERY_ROOM.iter().any(|(known, _)| *known == name)
}

/// The types, traits and aliases that are visible outside their module.
fn public_types(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, keyword) in code.match_indices("pub") {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let rest = &code[at + keyword.len()..];
        if code[..at].ends_with(is_word) || rest.starts_with(is_word) {
            continue;
        }
        let rest = match rest.strip_prefix('(').and_then(|scope| scope.split_once(')')) {
            Some((_, rest)) => rest,
            None => rest,
        };
        let mut words = rest.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
        let kind = words.next().unwrap_or_default();
        if ["struct", "enum", "trait", "type"].contains(&kind) {
            // What begins in lower case is a macro's placeholder.
            let name = words.next().filter(|name| name.starts_with(char::is_uppercase));
            names.extend(name.map(str::to_owned));
        }
    }
    names
}

#[test]
fn a_second_meaning_of_a_public_name_is_seen() {
    let found = |first: &str, second: &str| {
        let files = [
            ("src/git/url.rs", Source::new(first.to_owned())),
            ("src/store/backend.rs", Source::new(second.to_owned())),
        ];
        doubles(files.iter().map(|(name, source)| (*name, source)), |name| {
            name == "Error"
        })
    };
    for second in [
        "pub enum Place {}",
        "pub(super) trait Place: Send {}",
        "pub(in crate::store) type Place<T> = Vec<T>;",
        "pub(crate)\nstruct Place<'a>(&'a str);",
    ] {
        let double = "Place: src/git/url.rs, src/store/backend.rs";
        assert_eq!(
            found("pub struct Place { pub a: u8 }", second),
            [double],
            "{second}"
        );
    }
    for fine in [
        "struct Place;",
        "pub fn place() -> Place {}",
        "pub struct Places; // pub struct Place;",
        "#[cfg(test)]\nmod tests { pub struct Place; }",
        "macro_rules! m { ($Place:ident) => { pub struct $place; } }",
        "pub mod place { const TEXT: &str = \"pub struct Place\"; }",
    ] {
        assert_eq!(found("pub struct Place;", fine), [""; 0], "{fine}");
    }
    assert_eq!(found("pub enum Error {}", "pub enum Error {}"), [""; 0]);
}
