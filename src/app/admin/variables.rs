//! The environment variables of an environment.
//!
//! Plain values are shown. Secret values are written and never read back: a command names each secret,
//! with a new value, or without one to keep the old.

use std::collections::BTreeMap;

use crate::domain::{EnvironmentOptions, Error, Result, Variable};

/// The deployer sets variables with this prefix.
const RESERVED: &str = "DEPLOYER_";
/// The longest value, in bytes; a whole environment has to fit beside a command.
const VALUE_LIMIT: usize = 8 * 1024;
/// Shorter ones would be masked inside ordinary words, so logs do not mask them at all.
const SHORTEST_SECRET: usize = 3;

/// The variables of an environment as they are to be.
#[derive(Clone, Default)]
pub struct VariablesSpec(BTreeMap<String, Given>);

#[derive(Clone)]
enum Given {
    Plain(String),
    /// `None` keeps the old value.
    Secret(Option<String>),
}

// Written by hand so that a value cannot get into a log.
impl std::fmt::Debug for VariablesSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl VariablesSpec {
    /// Adds a plain variable.
    ///
    /// # Errors
    /// A sentence without the value, which may be a secret in the wrong field.
    pub fn plain(&mut self, name: &str, value: &str) -> Result<(), String> {
        let name = check_name(name)?;
        check_value(&name, value)?;
        self.add(name, Given::Plain(value.to_owned()))
    }

    /// Adds a secret variable; without a value it keeps the one it has.
    ///
    /// # Errors
    /// A sentence without the value.
    pub fn secret(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let name = check_name(name)?;
        if let Some(value) = value {
            check_value(&name, value)?;
            if value.chars().count() < SHORTEST_SECRET {
                return Err(format!(
                    "The value of {name} is shorter than {SHORTEST_SECRET} characters and could not be masked in logs."
                ));
            }
        }
        self.add(name, Given::Secret(value.map(str::to_owned)))
    }

    fn add(&mut self, name: String, given: Given) -> Result<(), String> {
        let twice = format!("{name} is there twice; keep one.");
        match self.0.insert(name, given) {
            None => Ok(()),
            Some(_) => Err(twice),
        }
    }

    /// The variables with their values; `before` has the kept ones.
    pub(super) fn over(self, before: &EnvironmentOptions) -> Result<BTreeMap<String, Variable>> {
        let value = |(name, given): (String, Given)| {
            let variable = match given {
                Given::Plain(value) => Variable { value, secret: false },
                Given::Secret(Some(value)) => Variable { value, secret: true },
                Given::Secret(None) => {
                    let kept = before.variables.get(&name).filter(|variable| variable.secret);
                    let missing = || Error::field("secrets", format!("Enter a value for {name}."));
                    kept.cloned().ok_or_else(missing)?
                }
            };
            Ok((name, variable))
        };
        self.0.into_iter().map(value).collect()
    }
}

/// The plain variables as lines `NAME=value`.
pub fn plain_lines(options: &EnvironmentOptions) -> String {
    let plain = options.variables.iter().filter(|(_, variable)| !variable.secret);
    let lines = plain.map(|(name, variable)| format!("{name}={}", variable.value));
    lines.collect::<Vec<_>>().join("\n")
}

fn check_name(name: &str) -> Result<String, String> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !starts_well || !plain || name.len() > 100 {
        return Err(format!(
            "“{}” cannot be a variable: use letters, digits and “_”, beginning with a letter.",
            name.chars().take(40).collect::<String>().escape_debug()
        ));
    }
    if name.starts_with(RESERVED) {
        return Err(format!(
            "{name}: names that begin with {RESERVED} are set by the deployer itself."
        ));
    }
    Ok(name.to_owned())
}

fn check_value(name: &str, value: &str) -> Result<(), String> {
    if value.len() > VALUE_LIMIT {
        return Err(format!("The value of {name} is longer than {VALUE_LIMIT} bytes."));
    }
    if value.contains(['\0', '\n', '\r']) {
        return Err(format!("The value of {name} must be one line."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_without_a_value_keeps_the_one_it_has() {
        let mut before = EnvironmentOptions::default();
        let old = Variable {
            value: "hunter2".to_owned(),
            secret: true,
        };
        before.variables.insert("TOKEN".to_owned(), old);
        let mut spec = VariablesSpec::default();
        spec.plain("A", "1").unwrap();
        spec.secret("TOKEN", None).unwrap();
        let kept = spec.clone().over(&before).unwrap();
        assert_eq!(
            (kept["TOKEN"].value.as_str(), kept["TOKEN"].secret),
            ("hunter2", true)
        );
        assert_eq!((kept["A"].value.as_str(), kept["A"].secret), ("1", false));
        let missing = spec.over(&EnvironmentOptions::default()).unwrap_err();
        assert_eq!(missing.field_errors()[0].field, "secrets");
        let mut other = VariablesSpec::default();
        other.secret("TOKEN", Some("new")).unwrap();
        assert_eq!(other.over(&before).unwrap()["TOKEN"].value, "new");
    }

    #[test]
    fn complaints_do_not_show_values() {
        let mut spec = VariablesSpec::default();
        spec.plain("A", "1").unwrap();
        for (name, value) in [
            ("1A", "verysecret"),
            ("A", "verysecret"),
            ("DEPLOYER_PROJECT", "verysecret"),
            ("B", "very\nsecret"),
        ] {
            for wrong in [
                spec.clone().plain(name, value),
                spec.clone().secret(name, Some(value)),
            ] {
                let message = wrong.unwrap_err();
                assert!(!message.contains("secret"), "{message}");
            }
        }
        assert!(spec.secret("B", Some("no")).is_err());
    }
}
