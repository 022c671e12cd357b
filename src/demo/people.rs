//! The demo's users, one for each role, and their passwords.
//!
//! Passwords are made anew for every demo: whoever can log in as its sysadmin can run programs as
//! the person who started it, and the loopback address is shared by everybody on the machine. A
//! kept demo keeps them in a file beside its database that only its owner can read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::LazyLock;

use rand::RngExt;
use serde::Deserialize;

use super::data;

/// The file in the demo's directory that keeps the passwords.
const FILE: &str = "passwords.txt";

/// All of them.
pub static PEOPLE: LazyLock<People> = LazyLock::new(|| data::read("people.toml"));

/// The people of the demo.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    pub accounts: Vec<Person>,
    /// Full names of people who write commits and cannot log in, by their short names.
    other_authors: BTreeMap<String, String>,
    passwords: Words,
}

/// Somebody who can log in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// What they log in with.
    pub name: String,
    /// What pages call them.
    pub title: String,
    /// Their role in the policy file.
    pub role: String,
    /// What that role may do, for the table at the start.
    pub may: String,
}

/// What new passwords are made of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    colours: Vec<String>,
    animals: Vec<String>,
}

impl People {
    /// Who can log in under `name`.
    pub fn account(&self, name: &str) -> Option<&Person> {
        self.accounts.iter().find(|person| person.name == name)
    }

    /// The author name in commits by `name`.
    pub fn full_name(&self, name: &str) -> Option<&str> {
        let account = self.account(name).map(|person| person.title.as_str());
        account.or_else(|| self.other_authors.get(name).map(String::as_str))
    }
}

/// A person and their password.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub person: &'static Person,
    /// In clear: it is shown at the start.
    pub password: String,
}

/// The passwords kept in `dir`, or new ones, which are then kept there.
pub fn passwords(dir: &Path) -> io::Result<Vec<Credentials>> {
    let path = dir.join(FILE);
    let kept = match std::fs::read_to_string(&path) {
        Ok(kept) => kept,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let known = |name: &str| {
        let mut pairs = kept.lines().filter_map(|line| line.split_once('\t'));
        pairs
            .find(|(who, _)| *who == name)
            .map(|(_, word)| word.to_owned())
    };
    let all: Vec<Credentials> = PEOPLE
        .accounts
        .iter()
        .map(|person| Credentials {
            person,
            password: known(&person.name).unwrap_or_else(new_password),
        })
        .collect();
    let mut text = String::new();
    for Credentials { person, password } in &all {
        let _ = writeln!(text, "{}\t{password}", person.name);
    }
    if text != kept {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        io::Write::write_all(&mut options.open(&path)?, text.as_bytes())?;
    }
    Ok(all)
}

/// Two words and a number: 2²¹ of them, behind a login that throttles.
fn new_password() -> String {
    let mut chance = rand::rng();
    let mut pick = |words: &'static [String]| words.get(chance.random_range(0..words.len()));
    let words = &PEOPLE.passwords;
    let (colour, animal) = (pick(&words.colours), pick(&words.animals));
    let (colour, animal) = (
        colour.map_or("", String::as_str),
        animal.map_or("", String::as_str),
    );
    format!("{colour}-{animal}-{:04}", chance.random_range(0..10_000))
}

/// What a person reads when the demo is ready.
pub fn table(url: &str, people: &[Credentials]) -> String {
    let mut text = format!("\n  The demo is ready:  {url}\n\n");
    let width = |of: fn(&Credentials) -> &str| people.iter().map(|p| of(p).len()).max().unwrap_or(0);
    let (names, words, roles) = (
        width(|p| &p.person.name),
        width(|p| &p.password),
        width(|p| &p.person.role),
    );
    let _ = writeln!(
        text,
        "  {:names$}  {:words$}  {:roles$}  may",
        "user", "password", "role"
    );
    for Credentials { person, password } in people {
        let _ = writeln!(
            text,
            "  {:names$}  {password:words$}  {:roles$}  {}",
            person.name, person.role, person.may
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn passwords_are_kept_for_the_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let first = passwords(dir.path()).unwrap();
        let again = passwords(dir.path()).unwrap();
        let words = |all: &[Credentials]| all.iter().map(|p| p.password.clone()).collect::<Vec<_>>();
        assert_eq!(words(&first), words(&again));
        let mode = std::fs::metadata(dir.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let table = table("http://127.0.0.1:8080", &first);
        assert!(first.iter().all(|p| table.contains(&p.password)));
    }
}
