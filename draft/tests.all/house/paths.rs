//! The paths that a source names: its `use` declarations, taken apart into single names, and the
//! paths in its code. Works on code whose comments and strings are blanked.

/// A name that a `use` declaration brings in.
#[derive(Debug, PartialEq)]
pub struct Import {
    /// As written: `crate::a::b`, `super::b`, `child::b`. Without the name when `glob`.
    pub path: Vec<String>,
    /// What it is called here: its last word, or what stands after `as`.
    pub name: String,
    /// Everything below `path`: `use a::*`.
    pub glob: bool,
    /// Whether others may import it from here.
    pub public: bool,
}

/// All that a source names outside itself.
#[derive(Debug, Default)]
pub struct Paths {
    pub imports: Vec<Import>,
    /// Paths of two words or more, outside of imports.
    pub used: Vec<Vec<String>>,
    /// Single words that name a type or call a function, outside of imports.
    pub words: Vec<String>,
}

impl Paths {
    pub fn of(code: &str) -> Self {
        let tokens = tokens(code);
        let mut paths = Self::default();
        let mut at = 0;
        while at < tokens.len() {
            let before = at.checked_sub(1).map_or("", |before| tokens[before]);
            let after = tokens.get(at + 1).copied().unwrap_or_default();
            if tokens[at] == "use" && after != "<" {
                at += 1;
                let public = ["pub", ")"].contains(&before);
                read_tree(&tokens, &mut at, &[], public, &mut paths.imports);
            } else if is_word(tokens[at]) && !["::", ".", "fn", "mod", "type"].contains(&before) {
                let mut path = vec![tokens[at].to_owned()];
                while tokens.get(at + 1) == Some(&"::")
                    && tokens.get(at + 2).is_some_and(|next| is_word(next))
                {
                    path.push(tokens[at + 2].to_owned());
                    at += 2;
                }
                let calls = tokens.get(at + 1) == Some(&"(");
                match path.len() {
                    1 if calls || path[0].starts_with(char::is_uppercase) => paths.words.extend(path),
                    1 => {}
                    _ => paths.used.push(path),
                }
            }
            at += 1;
        }
        paths
    }
}

/// Words, `::` as one, everything else letter by letter.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            c if is_word_letter(c) => rest.find(|c| !is_word_letter(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

fn is_word_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads one branch of a `use` tree, up to the `,`, `}` or `;` that ends it.
fn read_tree(tokens: &[&str], at: &mut usize, prefix: &[String], public: bool, imports: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let (mut alias, mut glob) = (None, false);
    while *at < tokens.len() {
        match tokens[*at] {
            "{" => {
                while *at < tokens.len() && tokens[*at] != "}" {
                    *at += 1;
                    read_tree(tokens, at, &path, public, imports);
                }
                *at += 1;
                return;
            }
            "," | "}" | ";" => break,
            "*" => glob = true,
            "as" => {
                *at += 1;
                alias = tokens.get(*at).map(|&alias| alias.to_owned());
            }
            "self" if !path.is_empty() => {}
            token if is_word(token) => path.push(token.to_owned()),
            _ => {}
        }
        *at += 1;
    }
    if path.len() > prefix.len() || glob || !prefix.is_empty() && tokens.get(*at - 1) == Some(&"self") {
        let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
        imports.push(Import {
            path,
            name,
            glob,
            public,
        });
    }
}

#[cfg(test)]
fn imports(code: &str) -> Vec<String> {
    let imports = Paths::of(code).imports;
    let written = imports.into_iter().map(|import| {
        let Import {
            path,
            name,
            glob,
            public,
        } = import;
        let (public, glob) = (if public { "pub " } else { "" }, if glob { "::*" } else { "" });
        format!("{public}{}{glob} as {name}", path.join("::"))
    });
    written.collect()
}

#[test]
fn imports_are_taken_apart() {
    assert_eq!(
        imports("use super::{self, a::{B, c as D}, e::*};\npub(crate) use f::G;\n"),
        [
            "super as super",
            "super::a::B as B",
            "super::a::c as D",
            "super::e::* as e",
            "pub f::G as G"
        ]
    );
    assert_eq!(
        imports("use crate::{\n    a,\n    b::{C, D,},\n};"),
        ["crate::a as a", "crate::b::C as C", "crate::b::D as D"]
    );
    assert_eq!(imports("fn f<'a>(x: &'a u8) -> impl Sized + use<'a> {}"), [""; 0]);
}

#[test]
fn paths_and_words_in_code_are_seen() {
    let paths = Paths::of("fn f(x: super::a::B) -> C { d(x.e(), f::g::<h::I>()) }");
    let used: Vec<_> = paths.used.iter().map(|path| path.join("::")).collect();
    assert_eq!(used, ["super::a::B", "f::g", "h::I"]);
    assert_eq!(paths.words, ["C", "d"]);
}
