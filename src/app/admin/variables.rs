//! The environment variables of an environment, as a form holds them.
//!
//! Plain ones are lines `NAME=value`. The values of secret ones are written here and never read
//! back: the form shows their names with an empty field, and a field left empty keeps the value.

use std::collections::BTreeMap;

use super::Wrongs;
use crate::domain::{EnvironmentOptions, Variable};

/// Names that the deployer sets itself begin so.
const RESERVED: &str = "DEPLOYER_";
/// The longest value, in bytes; a whole environment has to fit beside a command.
const VALUE_LIMIT: usize = 8 * 1024;
/// Shorter ones would be masked inside ordinary words, so logs do not mask them at all.
const SHORTEST_SECRET: usize = 3;

/// One line of the part for secrets.
#[derive(Clone, Default)]
pub struct SecretField {
    /// The variable's name; an empty one is a line not filled in.
    pub name: String,
    /// Its value; empty keeps the old one.
    pub value: String,
    /// Whether it is to be deleted.
    pub gone: bool,
}

// Written by hand so that a value cannot get into a log.
impl std::fmt::Debug for SecretField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretField")
            .field("name", &self.name)
            .field("gone", &self.gone)
            .finish_non_exhaustive()
    }
}

/// The plain variables as lines.
pub(super) fn plain_lines(options: &EnvironmentOptions) -> String {
    let plain = options.variables.iter().filter(|(_, variable)| !variable.secret);
    let lines = plain.map(|(name, variable)| format!("{name}={}", variable.value));
    lines.collect::<Vec<_>>().join("\n")
}

/// The names of the secret ones.
pub(super) fn secret_fields(options: &EnvironmentOptions) -> Vec<SecretField> {
    let secret = options.variables.iter().filter(|(_, variable)| variable.secret);
    let field = |(name, _): (&String, &Variable)| SecretField {
        name: name.clone(),
        ..SecretField::default()
    };
    secret.map(field).collect()
}

/// Reads both parts; `before` holds the values that empty fields keep.
pub(super) fn read(
    plain: &str,
    secrets: &[SecretField],
    before: &EnvironmentOptions,
    wrong: &mut Wrongs,
) -> Option<BTreeMap<String, Variable>> {
    let mut variables = BTreeMap::new();
    let read = read_plain(plain, &mut variables);
    let plain = wrong.take("variables", read);
    let read = secrets
        .iter()
        .try_for_each(|field| read_secret(field, before, &mut variables));
    let secret = wrong.take("secrets", read);
    plain.and(secret).map(|()| variables)
}

fn read_plain(text: &str, variables: &mut BTreeMap<String, Variable>) -> Result<(), String> {
    for line in text
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.trim().is_empty())
    {
        // The line is not shown: somebody may have put a secret into the wrong field.
        let Some((name, value)) = line.split_once('=') else {
            return Err("Write each variable as NAME=value, one per line.".to_owned());
        };
        let name = check_name(name.trim())?;
        let value = check_value(&name, value.trim_end())?;
        let variable = Variable { value, secret: false };
        if variables.insert(name.clone(), variable).is_some() {
            return Err(format!("{name} is there twice."));
        }
    }
    Ok(())
}

fn read_secret(
    field: &SecretField,
    before: &EnvironmentOptions,
    variables: &mut BTreeMap<String, Variable>,
) -> Result<(), String> {
    let name = field.name.trim();
    if field.gone || (name.is_empty() && field.value.is_empty()) {
        return Ok(());
    }
    if name.is_empty() {
        return Err("One secret has a value and no name.".to_owned());
    }
    let name = check_name(name)?;
    let kept = before.variables.get(&name).filter(|variable| variable.secret);
    let value = match (field.value.is_empty(), kept) {
        (true, Some(kept)) => kept.value.clone(),
        (true, None) => return Err(format!("Give {name} a value.")),
        (false, _) => check_value(&name, &field.value)?,
    };
    if value.chars().count() < SHORTEST_SECRET {
        return Err(format!(
            "The value of {name} is shorter than {SHORTEST_SECRET} characters and could not be masked in logs."
        ));
    }
    let variable = Variable { value, secret: true };
    if variables.insert(name.clone(), variable).is_some() {
        return Err(format!("{name} is there twice; keep one."));
    }
    Ok(())
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
            "{name}: what begins with {RESERVED} is set by the deployer itself."
        ));
    }
    Ok(name.to_owned())
}

fn check_value(name: &str, value: &str) -> Result<String, String> {
    if value.len() > VALUE_LIMIT {
        return Err(format!("The value of {name} is longer than {VALUE_LIMIT} bytes."));
    }
    if value.contains(['\0', '\n', '\r']) {
        return Err(format!("The value of {name} has to stand on one line."));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, value: &str) -> SecretField {
        SecretField {
            name: name.to_owned(),
            value: value.to_owned(),
            gone: false,
        }
    }

    fn variables(
        plain: &str,
        secrets: &[SecretField],
        before: &EnvironmentOptions,
    ) -> Result<String, String> {
        let mut wrong = Wrongs::default();
        match read(plain, secrets, before, &mut wrong) {
            Some(read) => {
                let say = |(name, variable): (&String, &Variable)| {
                    format!(
                        "{name}={}{}",
                        variable.value,
                        if variable.secret { "!" } else { "" }
                    )
                };
                Ok(read.iter().map(say).collect::<Vec<_>>().join(" "))
            }
            None => Err(wrong.into_error().message().to_owned()),
        }
    }

    #[test]
    fn an_empty_field_keeps_the_secret_and_a_tick_removes_it() {
        let mut before = EnvironmentOptions::default();
        let old = Variable {
            value: "hunter2".to_owned(),
            secret: true,
        };
        before.variables.insert("TOKEN".to_owned(), old);
        let kept = variables(
            "A=1=2\n\n B = x ",
            &[secret("TOKEN", ""), secret("", "")],
            &before,
        );
        assert_eq!(kept.unwrap(), "A=1=2 B= x TOKEN=hunter2!");
        assert_eq!(
            variables("", &[secret("TOKEN", "new")], &before).unwrap(),
            "TOKEN=new!"
        );
        let gone = SecretField {
            gone: true,
            ..secret("TOKEN", "")
        };
        assert_eq!(variables("", &[gone], &before).unwrap(), "");
    }

    #[test]
    fn what_cannot_be_a_variable_is_told_without_its_value() {
        let before = EnvironmentOptions::default();
        for (plain, secrets) in [
            ("verysecret", vec![]),
            ("1A=verysecret", vec![]),
            ("A=verysecret\nA=2", vec![]),
            ("DEPLOYER_PROJECT=verysecret", vec![]),
            ("A=1", vec![secret("A", "verysecret")]),
            ("", vec![secret("", "verysecret")]),
            ("", vec![secret("B", "")]),
            ("", vec![secret("B", "no")]),
        ] {
            let message = variables(plain, &secrets, &before).unwrap_err();
            assert!(!message.contains("verysecret"), "{message}");
        }
    }
}
