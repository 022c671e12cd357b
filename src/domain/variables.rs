//! The environment variables of scripts, in the order in which they are set.
//!
//! A value that refers to others is kept as pieces, as `$HOME` is known only where the script runs.
//! Whoever sets the variables there puts the pieces together: on a server the shell, by the quotes of
//! [`crate::ssh`]; on the deployer's host [`crate::process`]. Nothing but names and `$$` is
//! replaced: a value runs no program.

use std::collections::{BTreeMap, BTreeSet};

use super::project::Variable;

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These characters.
    Text(String),
    /// The value of this variable where the script runs; nothing where there is none.
    Name(String),
}

/// Variables with their values, each after those that it refers to.
#[derive(Clone, Default)]
pub struct ScriptVariables(Vec<(String, Vec<Piece>)>);

// Written by hand so that a secret cannot get into a log.
impl std::fmt::Debug for ScriptVariables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

impl ScriptVariables {
    /// The variables `own` of an environment, over which those of the deployer win.
    pub fn of(own: &BTreeMap<String, Variable>, ours: impl IntoIterator<Item = (String, String)>) -> Self {
        let plain = own.iter().filter(|(_, variable)| !variable.refers);
        let plain = plain.map(|(name, variable)| (name.clone(), variable.value.clone()));
        let mut variables: BTreeMap<String, String> = plain.collect();
        variables.extend(ours);
        let refer = |(name, variable): (&String, &Variable)| {
            let is_set = !variable.refers || variables.contains_key(name);
            // What cannot be read was refused by the form; its characters are all that is left of it.
            let read =
                || read_pieces(&variable.value).unwrap_or_else(|_| vec![Piece::Text(variable.value.clone())]);
            (!is_set).then(|| (name.clone(), read()))
        };
        let referring: BTreeMap<String, Vec<Piece>> = own.iter().filter_map(refer).collect();
        let mut set: Self = variables.into_iter().collect();
        set.0.extend(in_order(referring).0);
        set
    }

    /// The names with the pieces of their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Piece])> {
        self.0
            .iter()
            .map(|(name, pieces)| (name.as_str(), pieces.as_slice()))
    }
}

impl FromIterator<(String, String)> for ScriptVariables {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        let variables = variables.into_iter();
        Self(
            variables
                .map(|(name, value)| (name, vec![Piece::Text(value)]))
                .collect(),
        )
    }
}

/// Takes a value apart that refers to others: `$NAME`, `${NAME}`, and `$$` for a dollar sign.
///
/// # Errors
/// A sentence without the value.
pub fn read_pieces(value: &str) -> Result<Vec<Piece>, String> {
    let wrong = || {
        "a “$” must be followed by a name, by a name in braces, or by another “$”, which stands for itself"
            .to_owned()
    };
    let (mut pieces, mut text, mut rest) = (Vec::new(), String::new(), value);
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            text.push('$');
            rest = after;
            continue;
        }
        let (name, behind) = match after.strip_prefix('{') {
            Some(inside) => inside.split_once('}').ok_or_else(wrong)?,
            None => {
                let is_end = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
                after.split_at(after.find(is_end).unwrap_or(after.len()))
            }
        };
        if !is_name(name) {
            return Err(wrong());
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Name(name.to_owned()));
        rest = behind;
    }
    text.push_str(rest);
    if !text.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// Whether every shell takes `name` for the name of a variable.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The lines that set variable `name` in a POSIX shell for the program that follows in `"$@"`; `word` is
/// `NAME=VALUE`, as the shell reads it as one word.
///
/// A shell keeps some names for itself, each its own: it refuses to set them, ends over their values, or
/// makes other values of them. Such a one is left to `env`, which stands before the program then. Nothing
/// here depends on what is set already.
pub fn setting(name: &str, word: &[u8]) -> Vec<u8> {
    let set = format!(
        " \"$@\"\ncommand export \"$1\" 2>/dev/null\ncase {name}=${{{name}-}} in \"$1\") shift ;; *) set -- /usr/bin/env \"$@\" ;; esac\n"
    );
    [b"set -- ", word, set.as_bytes()].concat()
}

/// Those of `variables` that refer to each other in a circle, so that none of them can be the first.
pub fn in_a_circle(variables: &BTreeMap<String, Variable>) -> Vec<String> {
    let referring = variables.iter().filter(|(_, variable)| variable.refers);
    let referring = referring.filter_map(|(name, variable)| {
        let pieces = read_pieces(&variable.value).ok()?;
        Some((name.clone(), pieces))
    });
    in_order(referring.collect()).1
}

/// Variables with the pieces of their values, in some order.
type Ordered = Vec<(String, Vec<Piece>)>;

/// Each after those that it refers to, and the names of those for which that cannot be, which come last.
/// A variable that names itself means the value it had before.
fn in_order(mut waiting: BTreeMap<String, Vec<Piece>>) -> (Ordered, Vec<String>) {
    let mut ordered = Vec::new();
    loop {
        let names: BTreeSet<String> = waiting.keys().cloned().collect();
        let is_free = |name: &String, pieces: &[Piece]| {
            pieces.iter().all(|piece| match piece {
                Piece::Name(other) => other == name || !names.contains(other),
                Piece::Text(_) => true,
            })
        };
        let free = waiting.extract_if(.., |name, pieces| is_free(name, pieces));
        let before = ordered.len();
        ordered.extend(free);
        if ordered.len() == before {
            ordered.extend(waiting);
            return (ordered, names.into_iter().collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(value: &str, refers: bool) -> Variable {
        Variable {
            value: value.to_owned(),
            refers,
            ..Variable::default()
        }
    }

    fn of(variables: &[(&str, &str, bool)]) -> BTreeMap<String, Variable> {
        let variables = variables.iter();
        variables
            .map(|(name, value, refers)| ((*name).to_owned(), variable(value, *refers)))
            .collect()
    }

    #[test]
    fn names_are_told_from_text() {
        let text = |text: &str| Piece::Text(text.to_owned());
        let name = |name: &str| Piece::Name(name.to_owned());
        for (value, pieces) in [
            ("", vec![text("")]),
            ("$HOME/bin:$PATH", vec![name("HOME"), text("/bin:"), name("PATH")]),
            ("${A}b$$C`id`$_x", vec![name("A"), text("b$C`id`"), name("_x")]),
            ("$A$B", vec![name("A"), name("B")]),
        ] {
            assert_eq!(read_pieces(value), Ok(pieces), "{value}");
        }
        for wrong in ["$", "a$ b", "$(id)", "${A", "${}", "${A:-b}", "$1"] {
            assert!(read_pieces(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_comes_after_those_that_it_refers_to() {
        let own = of(&[
            ("A", "$B", true),
            ("B", "$C/$A_PLAIN", true),
            ("C", "$C:$HOME", true),
            ("A_PLAIN", "$B", false),
            ("DEPLOYER_COMMIT", "$B", true),
        ]);
        let set = ScriptVariables::of(&own, [("DEPLOYER_COMMIT".to_owned(), "0123".to_owned())]);
        let names: Vec<&str> = set.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["A_PLAIN", "DEPLOYER_COMMIT", "C", "B", "A"]);
        assert_eq!(
            set.iter().next().unwrap().1,
            [Piece::Text("$B".to_owned())],
            "a plain value refers to nothing"
        );
        assert!(in_a_circle(&own).is_empty());
        let circle = of(&[("A", "$B", true), ("B", "$A", true), ("C", "1$$", true)]);
        assert_eq!(in_a_circle(&circle), ["A", "B"]);
        assert_eq!(ScriptVariables::of(&circle, []).iter().count(), 3);
    }
}
