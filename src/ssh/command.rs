//! A remote command as a value: a program, its arguments and environment. It runs in the remote user's
//! home.
//!
//! A shell on the server reads it, so somewhere words have to become a string: in
//! [`Command::to_shell`]. [`quote`] is the only place in the program where a word is quoted. Everything variable is an argument, never part of a script: a script is a
//! `&'static str` of ours ([`Command::script`]) that gets its data as `$1`, `$2`, ….
//!
//! sshd accepts environment variables only by its own list (`AcceptEnv`), hence `export`s. A command
//! line can be read by everybody on a server (`ps`), and variables may be secret: so they are part of
//! the program that `guard` sends to a shell's input, and of no command line.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use super::error::Error;
use crate::domain::ScriptVariables;
use crate::domain::variables::{Piece, is_name};

/// Linux refuses a single argument of 128 KiB or more, and a script is one; the rest is room for what
/// is added around it.
pub const MAX_LENGTH: usize = 120 * 1024;

const NO_NAME: &str = "the name of an environment variable is not letters, digits and “_”";

/// What to run on a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    program: Vec<u8>,
    args: Vec<Vec<u8>>,
    /// Names, and values quoted for a shell.
    env: Vec<(String, Vec<u8>)>,
    /// By what the shell that watches over it is known on the server.
    watched_as: Option<String>,
    defect: Option<&'static str>,
}

impl Command {
    /// A command that runs `program`, looked up in the remote `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().as_bytes().to_vec(),
            args: Vec::new(),
            env: Vec::new(),
            watched_as: None,
            defect: None,
        }
    }

    /// A fixed POSIX sh script of ours. What varies follows as arguments and is `$1`, `$2`, … in it.
    pub fn script(script: &'static str) -> Self {
        Self::new("sh").arg("-c").arg(script).arg("sh")
    }

    /// Adds one argument: data, whatever its bytes.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().as_bytes().to_vec());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().as_bytes().to_vec()));
        self
    }

    /// Sets an environment variable. A `name` that no shell accepts makes the command fail with
    /// [`Error::BadCommand`] when it is run.
    pub fn env(mut self, name: impl Into<String>, value: impl AsRef<OsStr>) -> Self {
        let mut quoted = Vec::new();
        quote(value.as_ref().as_bytes(), &mut quoted);
        self.set(name.into(), quoted);
        self
    }

    /// Sets all of `variables`. A name in a value stands for what the account on the server has, or
    /// for what is set by then.
    pub fn variables(mut self, variables: &ScriptVariables) -> Self {
        for (name, pieces) in variables.iter() {
            let mut quoted = Vec::new();
            for piece in pieces {
                match piece {
                    Piece::Text(text) => quote(text.as_bytes(), &mut quoted),
                    Piece::Name(other) if is_name(other) => {
                        quoted.extend_from_slice(format!("\"${{{other}-}}\"").as_bytes());
                    }
                    Piece::Name(_) => self.defect = Some(NO_NAME),
                }
            }
            self.set(name.to_owned(), quoted);
        }
        self
    }

    /// Has the shell that watches over it carry `word` (letters, digits and “-”) among its arguments, so that
    /// it is found on the server as long as it waits for the end of the connection.
    pub fn watched_as(mut self, word: impl Into<String>) -> Self {
        let word = word.into();
        match word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            true => self.watched_as = Some(word),
            false => self.defect = Some("the word for its watcher is not letters, digits and “-”"),
        }
        self
    }

    /// See [`Self::watched_as`].
    pub(super) fn watcher(&self) -> Option<&str> {
        self.watched_as.as_deref()
    }

    fn set(&mut self, name: String, quoted: Vec<u8>) {
        match is_name(&name) {
            true => self.env.push((name, quoted)),
            false => self.defect = Some(NO_NAME),
        }
    }

    /// The lines that set its variables in a POSIX shell; nothing where there are none.
    pub(super) fn exports(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for (name, value) in &self.env {
            lines.extend_from_slice(b"export ");
            lines.extend_from_slice(name.as_bytes());
            lines.push(b'=');
            lines.extend_from_slice(value);
            lines.push(b'\n');
        }
        lines
    }

    /// The line a POSIX shell is given, without its variables.
    pub fn to_shell(&self) -> Vec<u8> {
        let mut line = b"exec ".to_vec();
        quote(&self.program, &mut line);
        for arg in &self.args {
            line.push(b' ');
            quote(arg, &mut line);
        }
        line
    }

    /// Whether a shell can be given this at all.
    ///
    /// # Errors
    /// [`Error::BadCommand`] for a NUL byte, a bad variable name, an empty program, or more than
    /// [`MAX_LENGTH`] bytes.
    pub fn check(&self) -> Result<(), Error> {
        let mut words = self.args.iter().chain([&self.program]);
        let values = self.env.iter().map(|(_, value)| value);
        let reason = if let Some(defect) = self.defect {
            defect
        } else if self.program.is_empty() || self.program.starts_with(b"-") {
            "it names no program"
        } else if words.any(|word| word.contains(&0)) || values.into_iter().any(|v| v.contains(&0)) {
            "it holds a NUL byte"
        } else if self.to_shell().len() + self.exports().len() > crate::sabotage::most("q22", MAX_LENGTH) {
            "it is longer than a server accepts"
        } else {
            return Ok(());
        };
        Err(Error::BadCommand { reason })
    }
}

/// For people and logs: without its variables, which may be secret; bytes that are no UTF-8 are
/// replaced.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_shell()))
    }
}

/// Without its variables too.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({self})")
    }
}

/// Appends `word` to `line` so that a POSIX shell reads exactly these bytes as one word.
///
/// Inside single quotes every byte stands for itself except the single quote, which leaves the
/// quotes, is escaped, and enters them again. Words of plain letters stay bare, for readers.
pub(super) fn quote(word: &[u8], line: &mut Vec<u8>) {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:,@%+".contains(byte);
    if !word.is_empty() && word.iter().all(plain) {
        line.extend_from_slice(word);
        return;
    }
    line.push(b'\'');
    for &byte in word {
        if byte == b'\'' {
            line.extend_from_slice(br"'\''");
        } else {
            line.push(byte);
        }
    }
    line.push(b'\'');
}
