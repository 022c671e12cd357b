//! The demo's users, one for each role, and their passwords.
//!
//! Passwords are made anew for every demo: whoever can log in as its sysadmin can run programs as
//! the person who started it, and the loopback address is shared by everybody on the machine. A
//! kept demo keeps them in a file beside its database that only its owner can read.

use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rand::RngExt;

/// The file in the demo's directory that keeps the passwords.
const FILE: &str = "passwords.txt";

/// Somebody who can log in.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// What they log in with.
    pub name: &'static str,
    /// What pages call them.
    pub title: &'static str,
    /// Their role in the policy file.
    pub role: &'static str,
    /// What that means, for the table at the start.
    pub may: &'static str,
}

/// All of them. The shipped policy knows `admin` already.
pub const PEOPLE: [Person; 6] = [
    person(
        "dora",
        "Dora Lindqvist",
        "developer",
        "deploy to dev, to beta in business hours",
    ),
    person("tom", "Tom Okafor", "developer", "the same"),
    person(
        "ines",
        "Inès Marchand",
        "releaser",
        "deploy to prod in business hours, roll back at any time",
    ),
    person("rita", "Rita Berg", "reader", "look at everything"),
    person("omar", "Omar Haddad", "auditor", "look, and check the audit log"),
    person("admin", "Ada Sørensen", "sysadmin", "everything, at any time"),
];

const fn person(name: &'static str, title: &'static str, role: &'static str, may: &'static str) -> Person {
    Person {
        name,
        title,
        role,
        may,
    }
}

/// A person and their password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Who.
    pub person: Person,
    /// In clear: it is shown at the start.
    pub password: String,
}

const COLOURS: [&str; 16] = [
    "amber", "azure", "coral", "cream", "indigo", "ivory", "khaki", "lilac", "maroon", "olive", "ochre",
    "plum", "rose", "rust", "slate", "teal",
];
const ANIMALS: [&str; 16] = [
    "badger", "beaver", "crane", "dolphin", "falcon", "heron", "ibex", "lynx", "marten", "otter", "owl",
    "puffin", "raven", "seal", "stork", "wren",
];

/// The passwords kept in `dir`, or new ones, which are then kept there.
///
/// # Errors
/// When the file cannot be read or written.
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
        .iter()
        .map(|person| Credentials {
            person: *person,
            password: known(person.name).unwrap_or_else(new_password),
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
    let colour = COLOURS[chance.random_range(0..COLOURS.len())];
    let animal = ANIMALS[chance.random_range(0..ANIMALS.len())];
    format!("{colour}-{animal}-{:04}", chance.random_range(0..10_000))
}

/// What a person reads when the demo is ready.
pub fn table(url: &str, people: &[Credentials]) -> String {
    let mut text = format!("\n  The demo is ready:  {url}\n\n");
    let width = |of: fn(&Credentials) -> &str| people.iter().map(|p| of(p).len()).max().unwrap_or(0);
    let (names, words, roles) = (
        width(|p| p.person.name),
        width(|p| &p.password),
        width(|p| p.person.role),
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
