//! Reads a configuration from its file and checks the directories and files that it names.
//!
//! Only settings that are not defaults are checked, and the data directory; the other defaults lie inside it.
//! Directories are created when needed, but their parent has to exist: otherwise a typo in a path
//! would quietly start with an empty database elsewhere.

use std::path::{Path, PathBuf};

use super::Config;
use super::error::Error;
use super::reader::KeyReader;
use super::values::Secret;
use crate::domain::DatabaseUrl;

impl Config {
    /// Reads `path`, if given, and the variables of `env` that begin with [`ENV_PREFIX`].
    ///
    /// # Errors
    /// Every problem found: an unreadable file, unknown keys, impossible values, directories and
    /// key files that are not there.
    pub fn load(path: Option<&Path>, env: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let text = match path {
            Some(path) => std::fs::read_to_string(path).map_err(|source| Error::unreadable(path, &source))?,
            None => String::new(),
        };
        let name = path.map(|path| path.display().to_string()).unwrap_or_default();
        let mut reader = KeyReader::new(&name, &text, env);
        let config = Self {
            file: path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
            ..Self::read(&mut reader)
        };
        check(&config, &mut reader);
        reader.finish().map(|()| config)
    }
}

fn check(config: &Config, reader: &mut KeyReader<'_>) {
    parent("", "data_dir", &config.data_dir, reader);
    if let Some(dir) = &config.git.mirror_dir {
        parent_or_ours("git", "mirror_dir", dir, config, reader);
    }
    if let Some(dir) = &config.engine.work_dir {
        parent_or_ours("engine", "work_dir", dir, config, reader);
    }
    if let Some(dir) = config.access.policies.as_ref().filter(|dir| !dir.is_dir()) {
        let message = format!("names “{}”, which is not a directory", dir.display());
        reader.complain("access", "policies", &message);
    }
    database(config, reader);
    let (secrets, audit) = (&config.secrets, &config.audit);
    for (section, has_key, file) in [
        ("secrets", secrets.key.is_some(), &secrets.key_file),
        ("audit", audit.key.is_some(), &audit.key_file),
    ] {
        if has_key && file.is_some() {
            let message = format!("must not be set beside {section}.key; keep one of them");
            reader.complain(section, "key_file", &message);
        }
    }
    directories("scripts", "readable", &config.scripts.readable, reader);
    directories("scripts", "writable", &config.scripts.writable, reader);
    readable("git", "key_files", &config.git.key_files, reader);
    readable("git", "known_hosts", &config.git.known_hosts, reader);
    readable(
        "git",
        "https_credentials",
        config.git.https_credentials.as_slice(),
        reader,
    );
    readable(
        "git",
        "https_certificates",
        config.git.https_certificates.as_slice(),
        reader,
    );
    readable("ssh", "key_files", &config.ssh.key_files, reader);
    readable("ssh", "known_hosts", &config.ssh.known_hosts, reader);
    let directories = [
        ("git", &config.git.key_directory),
        ("ssh", &config.ssh.key_directory),
    ];
    for (section, dir) in directories {
        if let Some(dir) = dir.as_ref().filter(|dir| !dir.is_dir()) {
            let message = format!("names “{}”, which is not a directory", dir.display());
            reader.complain(section, "key_directory", &message);
        }
    }
    let balancer = &config.balancer;
    readable("balancer", "credentials", balancer.credentials.as_slice(), reader);
    readable(
        "balancer",
        "certificates",
        balancer.certificates.as_slice(),
        reader,
    );
}

/// The SQLite file, where one is set.
fn database(config: &Config, reader: &mut KeyReader<'_>) {
    let url = config.store.url.as_ref().map(Secret::expose);
    let Some(Ok(DatabaseUrl::Sqlite(file))) = url.map(str::parse) else {
        return;
    };
    let dir = file.parent().unwrap_or(&file);
    if file.is_dir() {
        let message = format!("names “{}”, which is a directory", file.display());
        reader.complain("store", "url", &message);
    } else if dir != config.data_dir && !dir.is_dir() {
        let message = format!(
            "names “{}”, but there is no directory “{}”; make it first",
            file.display(),
            dir.display()
        );
        reader.complain("store", "url", &message);
    }
}

fn parent_or_ours(section: &str, key: &str, dir: &Path, config: &Config, reader: &mut KeyReader<'_>) {
    if !dir.starts_with(&config.data_dir) {
        parent(section, key, dir, reader);
    }
}

fn parent(section: &str, key: &str, dir: &Path, reader: &mut KeyReader<'_>) {
    let is_there = dir.parent().is_some_and(Path::is_dir);
    if dir.exists() && !dir.is_dir() {
        reader.complain(
            section,
            key,
            &format!("names “{}”, which is not a directory", dir.display()),
        );
    } else if dir.is_absolute() && !is_there {
        let parent = dir.parent().unwrap_or(dir).display();
        let message = format!(
            "names “{}”, but the directory “{parent}” above it does not exist; make it first",
            dir.display()
        );
        reader.complain(section, key, &message);
    }
}

fn directories(section: &str, key: &str, directories: &[PathBuf], reader: &mut KeyReader<'_>) {
    for dir in directories
        .iter()
        .filter(|dir| dir.is_absolute() && !dir.is_dir())
    {
        let message = format!("names “{}”, which is not a directory", dir.display());
        reader.complain(section, key, &message);
    }
}

fn readable(section: &str, key: &str, files: &[PathBuf], reader: &mut KeyReader<'_>) {
    for file in files.iter().filter(|file| file.is_absolute()) {
        if let Err(error) = std::fs::File::open(file) {
            let message = format!("names “{}”, which cannot be read: {error}", file.display());
            reader.complain(section, key, &message);
        }
    }
}
