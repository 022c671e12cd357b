//! Runs what a repository brings on the deployer's host so that it reaches nothing but its own tree.
//!
//! `predeploy.sh`, local tests and commands of health checks are code of whoever may push. They run in
//! [bubblewrap](https://github.com/containers/bubblewrap) (`bubblewrap` knows its arguments): with the
//! exported tree, a temporary directory of their own and a read-only system in sight, without
//! capabilities, in namespaces of their own that end with the step. Abstract sockets are closed to them
//! where the kernel can ([`crate::process`]).
//!
//! Whether this host can do that is tried before it is needed, and again and again until it can: where it
//! cannot, nothing runs, unless the configuration says that scripts may run unconfined.

mod bubblewrap;
mod options;
mod scratch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use self::bubblewrap::Bubblewrap;
use self::scratch::Scratch;
use crate::process::{self, Command, Exit, Output, Run};

pub use self::options::{ConfinementOptions, WorkingTree};

/// How long a host that cannot confine is not tried again: pages ask as well, and anybody may open them.
const TRY_AGAIN: Duration = Duration::from_secs(5);

const CONFINED: &str = "Scripts of repositories run confined on this host.";
const UNCONFINED: &str = "Scripts of repositories run unconfined on this host: they can do all that the deployer's account can (scripts.confinement).";
const ABSTRACT_SOCKETS: &str = "This kernel cannot keep confined scripts from abstract Unix sockets of this host: that needs Landlock of Linux 6.12, or scripts.network = \"none\".";

/// Why a program did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This host cannot confine it, so it was not started.
    #[error("{0}")]
    Refused(String),
    /// There is no room for its temporary directory.
    #[error("No temporary directory can be made below {}: {source}.", below.display())]
    Scratch { below: PathBuf, source: std::io::Error },
    /// As without confinement.
    #[error(transparent)]
    Process(#[from] process::Error),
}

/// Runs programs confined. Cheap to clone.
#[derive(Clone)]
pub struct Confinement(Arc<Inner>);

struct Inner {
    options: ConfinementOptions,
    /// What the last try showed, and when that was.
    tried: Mutex<Option<(Instant, Result<Bubblewrap, String>)>>,
}

/// What holds on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// Whether scripts are confined whenever they run.
    pub is_confined: bool,
    /// How scripts run, or why they do not.
    pub sentence: String,
    /// What this host lacks to confine them better; a sentence.
    pub lack: Option<String>,
}

impl Protection {
    /// What an administrator should know, most important first.
    pub fn notes(self) -> Vec<String> {
        let unconfined = (!self.is_confined).then_some(self.sentence);
        unconfined.into_iter().chain(self.lack).collect()
    }
}

impl Confinement {
    /// By these options; nothing is tried yet.
    pub fn new(options: ConfinementOptions) -> Self {
        let tried = Mutex::default();
        Self(Arc::new(Inner { options, tried }))
    }

    /// Tries whether programs can be confined here.
    ///
    /// # Errors
    /// What to install or to set.
    pub async fn ready(&self) -> Result<(), Error> {
        match self.0.options.is_off {
            true => Ok(()),
            false => self.bubblewrap().await.map(drop),
        }
    }

    async fn bubblewrap(&self) -> Result<Bubblewrap, Error> {
        let known = self.0.tried.lock().clone();
        let known = known.filter(|(at, found)| found.is_ok() || at.elapsed() < TRY_AGAIN);
        if let Some((_, found)) = known {
            return found.map_err(Error::Refused);
        }
        let found = Bubblewrap::find(&self.0.options).await;
        *self.0.tried.lock() = Some((Instant::now(), found.clone()));
        found.map_err(Error::Refused)
    }

    /// What holds here.
    pub async fn protection(&self) -> Protection {
        let options = &self.0.options;
        let (is_confined, sentence) = match self.ready().await {
            Ok(()) if options.is_off => (false, UNCONFINED.to_owned()),
            Ok(()) => (true, CONFINED.to_owned()),
            Err(why) => (false, why.to_string()),
        };
        let is_open = is_confined && !options.is_offline && !process::can_close_abstract_sockets();
        Protection {
            is_confined,
            sentence,
            lack: is_open.then(|| ABSTRACT_SOCKETS.to_owned()),
        }
    }

    /// Whether a confined program finds `path`, which is absolute, where this host has it.
    pub fn shows(&self, path: &Path) -> bool {
        self.0.options.is_off || bubblewrap::shows(&self.0.options, path)
    }

    /// The same command with the home and the temporary directory that it will have, for values that are
    /// made of them.
    pub fn at_home(&self, command: Command) -> Command {
        match self.0.options.is_off {
            true => command,
            false => bubblewrap::at_home(command),
        }
    }

    /// Says that it runs unconfined, where it does.
    pub fn is_off(&self) -> bool {
        self.0.options.is_off
    }

    /// Runs `command` in `tree`. See [`process::run`].
    ///
    /// # Errors
    /// [`Error::Refused`] when it cannot be confined here; otherwise as [`process::run`].
    pub async fn run<O: Output>(
        &self,
        command: Command,
        tree: WorkingTree<'_>,
        run: Run,
        output: &mut O,
    ) -> Result<Exit, Error> {
        let options = &self.0.options;
        if options.is_off {
            let command = match tree {
                WorkingTree::None => command,
                WorkingTree::Fixed(dir) | WorkingTree::Changeable(dir) => command.dir(dir),
            };
            return Ok(process::run(&command, run, output).await?);
        }
        let bubblewrap = self.bubblewrap().await?;
        let scratch = Scratch::make(&options.scratch).map_err(|source| Error::Scratch {
            below: options.scratch.clone(),
            source,
        })?;
        let command = bubblewrap.around(options, command, tree, Some(scratch.path()));
        Ok(process::run(&command, run, output).await?)
    }
}
