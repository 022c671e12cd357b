//! The environment variables of an environment.
//!
//! Plain values are shown. Secret values are written and never read back: a command names each secret,
//! with a new value, or without one to keep the old.

use std::collections::BTreeMap;

use super::variable_lines;
use crate::domain::project::SHORTEST_SECRET;
use crate::domain::variables::{in_a_circle, is_name, read_pieces};
use crate::domain::{EnvironmentOptions, Error, Result, Variable};

/// The deployer sets variables with this prefix.
const RESERVED: &str = "DEPLOYER_";
/// The longest value, in bytes: room for a key or a file of settings.
const VALUE_LIMIT: usize = 8 * 1024;
/// All names and values together, in bytes: they are sent along with each script, and a server takes
/// no more than [`crate::ssh::MAX_LENGTH`] at once.
const TOTAL_LIMIT: usize = 64 * 1024;

/// The new variables of an environment.
#[derive(Clone, Default)]
pub struct VariablesSpec(BTreeMap<String, Given>);

#[derive(Clone)]
enum Given {
    Plain(String),
    /// A plain value that refers to other variables.
    Referring(String),
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

    /// Adds a plain variable in whose value `$NAME` and `${NAME}` stand for other variables.
    ///
    /// # Errors
    /// A sentence without the value.
    pub fn referring(&mut self, name: &str, value: &str) -> Result<(), String> {
        let name = check_name(name)?;
        check_value(&name, value)?;
        read_pieces(value).map_err(|why| format!("In the value of {name} {why}."))?;
        self.add(name, Given::Referring(value.to_owned()))
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
                Given::Plain(value) => Variable {
                    value,
                    ..Variable::default()
                },
                Given::Referring(value) => Variable {
                    value,
                    refers: true,
                    ..Variable::default()
                },
                Given::Secret(Some(value)) => Variable {
                    value,
                    secret: true,
                    ..Variable::default()
                },
                Given::Secret(None) => {
                    let kept = before.variables.get(&name).filter(|variable| variable.secret);
                    let missing = || Error::field("secrets", format!("Enter a value for {name}."));
                    kept.cloned().ok_or_else(missing)?
                }
            };
            Ok((name, variable))
        };
        let variables = self
            .0
            .into_iter()
            .map(value)
            .collect::<Result<BTreeMap<_, _>>>()?;
        let sizes = variables
            .iter()
            .map(|(name, variable)| name.len() + variable.value.len());
        if sizes.sum::<usize>() > crate::sabotage::most("q21", TOTAL_LIMIT) {
            let message = format!("All variables together may have {TOTAL_LIMIT} bytes at most.");
            return Err(Error::field("variables", message));
        }
        match in_a_circle(&variables).as_slice() {
            [] => Ok(variables),
            names => {
                let message = format!("These refer to each other in a circle: {}.", names.join(", "));
                Err(Error::field("referring", message))
            }
        }
    }
}

/// The plain variables as lines: those that refer to others, or those that do not.
pub fn plain_lines(options: &EnvironmentOptions, refers: bool) -> String {
    let plain = options.variables.iter();
    let plain = plain.filter(|(_, variable)| !variable.secret && variable.refers == refers);
    variable_lines::written(plain.map(|(name, variable)| (name.as_str(), variable.value.as_str())))
}

fn check_name(name: &str) -> Result<String, String> {
    if !is_name(name) || name.len() > 100 {
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
    if value.len() > crate::sabotage::most("q20", VALUE_LIMIT) {
        return Err(format!("The value of {name} is longer than {VALUE_LIMIT} bytes."));
    }
    if value.contains(['\0', '\r']) {
        return Err(format!(
            "The value of {name} holds a character that ends texts (NUL) or returns to the beginning of a line (CR)."
        ));
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
            ..Variable::default()
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
            ("B", "very\rsecret"),
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
        let long = "verysecret".repeat(VALUE_LIMIT / 10 + 1);
        for wrong in [
            spec.clone().plain("B", &long),
            spec.clone().secret("B", Some(&long)),
        ] {
            assert_eq!(wrong.unwrap_err(), "The value of B is longer than 8192 bytes.");
        }
        assert!(
            !spec
                .referring("B", "$(verysecret")
                .unwrap_err()
                .contains("secret")
        );
    }

    #[test]
    fn what_cannot_be_set_together_is_refused() {
        let before = EnvironmentOptions::default();
        let mut circle = VariablesSpec::default();
        circle.referring("A", "$B").unwrap();
        circle.referring("B", "$A").unwrap();
        let refused = circle.over(&before).unwrap_err();
        assert_eq!(refused.field_errors()[0].field, "referring");
        assert!(refused.field_errors()[0].message.contains("A, B"));
        let mut large = VariablesSpec::default();
        for number in 0..TOTAL_LIMIT.div_ceil(VALUE_LIMIT) {
            large
                .plain(&format!("V{number}"), &"x".repeat(VALUE_LIMIT))
                .unwrap();
        }
        let refused = large.over(&before).unwrap_err();
        assert!(refused.field_errors()[0].message.contains("65536 bytes"));
    }
}
