//! Reads database addresses, in one place: what the configuration accepts, the store can open.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

/// A parsed database address.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// An SQLite file, by its absolute path.
    Sqlite(PathBuf),
    /// A database server, by the address that its driver takes. It may hold a password.
    Server(String),
}

/// How addresses of database servers begin, each with the beginning that its driver wants.
const SERVERS: [(&str, &str); 4] = [
    ("postgres://", "postgres://"),
    ("postgresql://", "postgresql://"),
    ("mysql://", "mysql://"),
    ("mariadb://", "mysql://"),
];

impl FromStr for DatabaseUrl {
    /// The rest of a sentence about the address, without a full stop. It never repeats the address,
    /// which may hold a password.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(file) = text.strip_prefix("sqlite:") {
            return sqlite(file.strip_prefix("//").unwrap_or(file));
        }
        let Some((driver, rest)) = SERVERS
            .iter()
            .find_map(|(scheme, driver)| Some((driver, text.strip_prefix(*scheme)?)))
        else {
            return Err("must begin with sqlite:, postgres://, mysql:// or mariadb://".to_owned());
        };
        if Url::parse(text).is_ok_and(|url| url.has_host() && url.path().len() > 1) {
            return Ok(Self::Server(format!("{driver}{rest}")));
        }
        Err("must name a host and a database, as postgres://user:password@host/database".to_owned())
    }
}

/// Refuses options, because the store decides how the file is opened, and relative paths, because
/// another working directory would start with an empty database.
fn sqlite(file: &str) -> Result<DatabaseUrl, String> {
    let names_a_file = file.starts_with('/') && !file.ends_with('/');
    if names_a_file && !file.contains(|c: char| c == '?' || c.is_control()) {
        return Ok(DatabaseUrl::Sqlite(PathBuf::from(file)));
    }
    Err(
        "must name the SQLite file by an absolute path, without options, such as \
         sqlite:///var/lib/deployer/deployer.sqlite"
            .to_owned(),
    )
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "Sqlite({})", file.display()),
            Self::Server(_) => f.write_str("Server(•••)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DatabaseUrl, String> {
        text.parse()
    }

    #[test]
    fn a_file_is_named_with_and_without_slashes() {
        for text in ["sqlite:/srv/d.sqlite", "sqlite:///srv/d.sqlite"] {
            assert_eq!(read(text), Ok(DatabaseUrl::Sqlite("/srv/d.sqlite".into())));
        }
        for text in [
            "sqlite:",
            "sqlite://",
            "sqlite::memory:",
            "sqlite://d.sqlite",
            "sqlite:d.sqlite",
            "sqlite:///srv/",
            "sqlite:///srv/d.sqlite?mode=rwc",
            "sqlite:///srv/d\n.sqlite",
        ] {
            assert!(read(text).unwrap_err().contains("absolute path"), "{text}");
        }
    }

    #[test]
    fn a_server_is_named_as_its_driver_wants_it() {
        let server = |text: &str| Ok(DatabaseUrl::Server(text.to_owned()));
        assert_eq!(read("mariadb://u:p@h/d"), server("mysql://u:p@h/d"));
        for text in ["postgres://u:p@h/d", "postgresql://h:5433/d", "mysql://h/d"] {
            assert_eq!(read(text), server(text));
        }
        for text in ["postgres://u:hunter2@h", "oracle://u:hunter2@h/d", "hunter2", ""] {
            let told = read(text).unwrap_err();
            assert!(!told.contains("hunter2"), "{told}");
        }
        assert!(!format!("{:?}", read("mysql://u:hunter2@h/d")).contains("hunter2"));
    }
}
