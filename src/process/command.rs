//! What to run: a program with its arguments, and what it finds in its environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::ScriptVariables;
use crate::domain::variables::Piece;

/// The variables of our own environment that a process gets to see. Everything else may hold our
/// secrets and makes scripts depend on how the deployer was started.
pub const KEPT_VARIABLES: [&str; 9] = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR",
];

/// Where programs are looked for that get nothing of our environment.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The path of a program that is found by `name` in our own `PATH`; `None` where there is none. Directories
/// named from wherever we happen to be are passed over.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| SYSTEM_PATH.into());
    let mut places = std::env::split_paths(&path).filter(|dir| dir.is_absolute());
    places.find_map(|dir| Some(dir.join(name)).filter(|place| is_program(place)))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// A program to run with its arguments, variables and directory. Nothing passes through a shell.
#[derive(Debug, Clone)]
pub struct Command {
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) env: BTreeMap<OsString, OsString>,
    pub(super) dir: Option<PathBuf>,
    pub(super) is_monitor: bool,
    /// Whether it finds nothing of our environment, but [`SYSTEM_PATH`].
    is_bare: bool,
    /// What it reads on standard input.
    pub(super) input: Option<Arc<[u8]>>,
    /// The program that people know it by, where another one is started.
    shown: Option<OsString>,
}

impl Command {
    /// The program at a path, or found by name in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: BTreeMap::new(),
            dir: None,
            is_monitor: false,
            is_bare: false,
            input: None,
            shown: None,
        }
    }

    /// Leaves our environment out: of it all, the program finds only [`SYSTEM_PATH`], and what is set.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.is_bare = true;
        self
    }

    /// What it reads on standard input, from memory: no other account can see it.
    #[must_use]
    pub fn input(mut self, input: impl Into<Arc<[u8]>>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Says that the program only watches over one child, which leads a session of its own inside a PID
    /// namespace and ends when the program does. Polite signals go to that session; abstract sockets of
    /// this host are closed to all of it where the kernel can.
    #[must_use]
    pub fn monitor(mut self) -> Self {
        self.is_monitor = true;
        self
    }

    /// Puts `monitor` before the program: it gets the program and its arguments as its last arguments,
    /// and what was set for the program, which must not be for its eyes only: take that with
    /// [`Self::take_environment`].
    #[must_use]
    pub fn within(self, monitor: Self) -> Self {
        let mut env = monitor.env;
        env.extend(self.env);
        Self {
            env,
            args: [monitor.args, vec![self.program.clone()], self.args].concat(),
            is_bare: monitor.is_bare || self.is_bare,
            input: monitor.input.or(self.input),
            shown: Some(self.shown.unwrap_or(self.program)),
            ..monitor
        }
    }

    /// Takes all that the program should find in its environment, so that somebody else can set it.
    pub fn take_environment(&mut self) -> BTreeMap<OsString, OsString> {
        let all = self.environment();
        self.env.clear();
        self.is_bare = true;
        all
    }

    /// All that the program finds in its environment.
    pub(super) fn environment(&self) -> BTreeMap<OsString, OsString> {
        let kept = |name: &&str| Some((OsString::from(name), std::env::var_os(name)?));
        let mut all: BTreeMap<_, _> = match self.is_bare {
            true => [("PATH".into(), SYSTEM_PATH.into())].into(),
            false => KEPT_VARIABLES.iter().filter_map(kept).collect(),
        };
        all.extend(self.env.clone());
        all
    }

    /// The program that was asked for, for messages.
    pub(super) fn shown(&self) -> String {
        self.shown.as_ref().unwrap_or(&self.program).display().to_string()
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable, also over one of [`KEPT_VARIABLES`].
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Sets a variable unless it is set already.
    #[must_use]
    pub fn env_unless_set(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let entry = self.env.entry(name.as_ref().to_owned());
        entry.or_insert_with(|| value.as_ref().to_owned());
        self
    }

    /// Sets all of `variables`. A name in a value stands for what is set by then, or for one of
    /// [`KEPT_VARIABLES`].
    #[must_use]
    pub fn variables(mut self, variables: &ScriptVariables) -> Self {
        for (name, pieces) in variables.iter() {
            let mut value = OsString::new();
            for piece in pieces {
                match piece {
                    Piece::Text(text) => value.push(text),
                    Piece::Name(other) => value.push(self.value_of(other)),
                }
            }
            self = self.env(name, value);
        }
        self
    }

    fn value_of(&self, name: &str) -> OsString {
        let set = self.env.get(OsStr::new(name)).cloned();
        let kept = || std::env::var_os(name).filter(|_| KEPT_VARIABLES.contains(&name));
        set.or_else(kept).unwrap_or_default()
    }

    /// Where it starts; our own directory unless set.
    #[must_use]
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }
}

impl fmt::Display for Command {
    /// The program and its arguments for people; not for a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        self.args
            .iter()
            .try_for_each(|arg| write!(f, " {}", arg.display()))
    }
}
