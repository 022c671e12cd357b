//! Takes keys from the environment and a TOML document, and complains about what is left.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::error::{ConfigProblem, Error, Origin};
use super::values::Value;

/// The prefix of variables that set keys. Two underscores separate sections, because keys contain
/// single ones; so variables of scripts (`DEPLOYER_COMMIT`) are no keys.
pub const ENV_PREFIX: &str = "DEPLOYER__";

/// Sections that hold sections with names of the sysadmin's choice.
const WITH_SECTIONS_BELOW: [&str; 1] = ["oidc"];

/// The sources of a configuration while they are read.
#[derive(Default)]
pub(super) struct KeyReader<'a> {
    file: String,
    text: &'a str,
    /// The rest of the document that no key has taken yet.
    sections: DeTable<'a>,
    /// The rest of the environment that no key has taken yet.
    variables: BTreeMap<String, String>,
    /// Every key asked for, with the place its value came from.
    places: BTreeMap<(String, String), Origin>,
    problems: Vec<ConfigProblem>,
}

impl<'a> KeyReader<'a> {
    /// Reads the document `text` of the file called `file`, and the variables of ours in `env`.
    pub(super) fn new(file: &str, text: &'a str, env: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables = env
            .into_iter()
            .filter(|(name, _)| name.starts_with(ENV_PREFIX))
            .collect();
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut reader = Self {
            file: file.to_owned(),
            text,
            sections: document.into_inner(),
            variables,
            ..Self::default()
        };
        for error in errors {
            let place = reader.place_at(error.span().map_or(0, |span| span.start));
            let message = format!("This is not TOML: {}.", error.message());
            reader.problems.push(ConfigProblem {
                place,
                key: String::new(),
                message,
            });
        }
        reader
    }

    /// The value of a key: from its variable, else from the file, else `default`. A value that cannot
    /// be read or fails `check` becomes a problem, and reading continues with the default. The section
    /// “” is the top of the document.
    pub(super) fn take<T: Value>(
        &mut self,
        section: &str,
        key: &str,
        default: T,
        check: fn(&T) -> Result<(), String>,
    ) -> T {
        let mut value = default;
        let name = (section.to_owned(), key.to_owned());
        self.places.insert(name.clone(), Origin::Default);
        if let Some((at, found)) = self.take_from_file(section, key) {
            self.places.insert(name.clone(), at);
            self.accept(section, key, T::from_toml(&found), check, &mut value);
        }
        let variable = variable(section, key);
        if let Some(text) = self.variables.remove(&variable) {
            self.places.insert(name, Origin::Variable(variable));
            self.accept(section, key, T::from_text(text.trim()), check, &mut value);
        }
        value
    }

    fn accept<T>(
        &mut self,
        section: &str,
        key: &str,
        found: Result<T, String>,
        check: fn(&T) -> Result<(), String>,
        value: &mut T,
    ) {
        match found.and_then(|found| check(&found).map(|()| found)) {
            Ok(found) => *value = found,
            Err(message) => self.complain(section, key, &message),
        }
    }

    fn take_from_file(&mut self, section: &str, key: &str) -> Option<(Origin, DeValue<'a>)> {
        let mut table = &mut self.sections;
        for part in section.split('.').filter(|part| !part.is_empty()) {
            table = match table.get_mut(part)?.get_mut() {
                DeValue::Table(below) => below,
                _ => return None,
            };
        }
        let (name, value) = table.remove_entry(key)?;
        Some((self.place_at(name.span().start), value.into_inner()))
    }

    /// Adds a problem with a key, at the place its value came from. `message` follows the key's
    /// name and has no full stop.
    pub(super) fn complain(&mut self, section: &str, key: &str, message: &str) {
        let name = (section.to_owned(), key.to_owned());
        let place = self.places.get(&name).cloned().unwrap_or(Origin::Default);
        let problem = ConfigProblem {
            place,
            key: dotted(section, key),
            message: format!("{message}."),
        };
        self.problems.push(problem);
    }

    /// The names of sections below `section`, in the file or in variables.
    pub(super) fn names_below(&self, section: &str) -> BTreeSet<String> {
        let prefix = format!("{ENV_PREFIX}{}__", section.to_uppercase());
        let in_variables = self.variables.keys().filter_map(|name| {
            let (below, _) = name.strip_prefix(&prefix)?.split_once("__")?;
            Some(below.to_lowercase())
        });
        let below = self.sections.get(section).map(Spanned::get_ref);
        let in_file = below.and_then(DeValue::as_table).into_iter().flatten();
        let in_file = in_file.filter(|(_, value)| value.get_ref().is_table());
        let in_file = in_file.map(|(name, _)| name.get_ref().to_string());
        in_file.chain(in_variables).collect()
    }

    /// Every key that was asked for, as section and key.
    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<(String, String)> {
        self.places.keys().cloned().collect()
    }

    /// Complains about keys that are left.
    ///
    /// # Errors
    /// All problems, if there are any.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        for (name, value) in std::mem::take(&mut self.sections) {
            self.leftover(&name, value);
        }
        for variable in std::mem::take(&mut self.variables).into_keys() {
            let section = variable
                .trim_start_matches(ENV_PREFIX)
                .split("__")
                .next()
                .unwrap_or_default();
            let message = format!(
                "sets nothing: {}",
                self.known_as(&section.to_lowercase(), variable_of)
            );
            let place = Origin::Variable(variable);
            self.problems.push(ConfigProblem {
                place,
                key: String::new(),
                message,
            });
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort();
        self.problems.dedup();
        Err(Error {
            problems: self.problems,
        })
    }

    /// Complains about what is left of a section, or of the sections below it.
    fn leftover(&mut self, name: &Spanned<DeString<'a>>, value: Spanned<DeValue<'a>>) {
        let section = name.get_ref().to_string();
        let at = self.place_at(name.span().start);
        if !WITH_SECTIONS_BELOW.contains(&section.as_str()) {
            return self.leftover_section(section, at, value);
        }
        match value.into_inner() {
            DeValue::Table(below) => {
                for (name, value) in below {
                    let at = self.place_at(name.span().start);
                    match value.get_ref().is_table() {
                        true => self.leftover_section(format!("{section}.{}", name.get_ref()), at, value),
                        false => self.has_no_name(format!("{section}.{}", name.get_ref()), at, &section),
                    }
                }
            }
            _ => self.has_no_name(section.clone(), at, &section),
        }
    }

    fn has_no_name(&mut self, key: String, place: Origin, section: &str) {
        let message =
            format!("must stand in a section with a name: write [{section}.NAME] and the keys below.");
        self.problems.push(ConfigProblem { place, key, message });
    }

    fn leftover_section(&mut self, section: String, at: Origin, value: Spanned<DeValue<'a>>) {
        let is_known = self.places.keys().any(|(known, _)| *known == section);
        match value.into_inner() {
            DeValue::Table(keys) if is_known => {
                for key in keys.into_iter().map(|(key, _)| key) {
                    let place = self.place_at(key.span().start);
                    let message = format!(
                        "is not a setting: {}",
                        self.known_as(&section, |_, key| key.into())
                    );
                    self.problems.push(ConfigProblem {
                        place,
                        key: dotted(&section, key.get_ref()),
                        message,
                    });
                }
            }
            _ if is_known => {
                let message = format!("must be a section: write [{section}] and its keys below.");
                self.problems.push(ConfigProblem {
                    place: at,
                    key: section,
                    message,
                });
            }
            value => {
                let what = if matches!(value, DeValue::Table(_)) {
                    "section"
                } else {
                    "setting"
                };
                let message = format!("is not a {what}: {}", self.known_as("", |_, key| key.into()));
                self.problems.push(ConfigProblem {
                    place: at,
                    key: section,
                    message,
                });
            }
        }
    }

    /// A sentence that names the keys of `section`, or all sections if that one does not exist.
    fn known_as(&self, section: &str, write: fn(&str, &str) -> String) -> String {
        let keys: Vec<String> = self
            .places
            .keys()
            .filter(|(known, _)| known == section)
            .map(|(section, key)| write(section, key))
            .collect();
        if !section.is_empty() && !keys.is_empty() {
            return format!("the settings of [{section}] are {}.", keys.join(", "));
        }
        let mut sections: Vec<&str> = self
            .places
            .keys()
            .map(|(section, _)| section.as_str())
            .filter(|one| !one.is_empty())
            .collect();
        sections.dedup();
        let top: Vec<String> = self
            .places
            .keys()
            .filter(|(section, _)| section.is_empty())
            .map(|(_, key)| write("", key))
            .collect();
        format!(
            "there are {} and the sections {}.",
            top.join(", "),
            sections.join(", ")
        )
    }

    fn place_at(&self, offset: usize) -> Origin {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Origin::File {
            file: self.file.clone(),
            line,
        }
    }
}

/// The variable that sets a key.
fn variable(section: &str, key: &str) -> String {
    match section {
        "" => format!("{ENV_PREFIX}{}", key.to_uppercase()),
        section => {
            let section = section.replace('.', "__").to_uppercase();
            format!("{ENV_PREFIX}{section}__{}", key.to_uppercase())
        }
    }
}

fn variable_of(section: &str, key: &str) -> String {
    variable(section, key)
}

fn dotted(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}
