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
mod outside;
mod process_limit;
mod refusal;
mod scratch;
mod system;
mod variables;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use self::bubblewrap::Bubblewrap;
use self::process_limit::ControlGroups;
use self::scratch::Scratch;
use self::variables::{numbered, start_with_variables};
use crate::process::{self, Command, Exit, Output, Run};

pub use self::options::{ConfinementOptions, PROCESSES, ProgramNetwork, WorkingTree};
pub use self::writing::{Excess, MOST_FILES, WriteLimits};

/// How long a host that cannot confine is not tried again: pages ask as well, and anybody may open them.
const TRY_AGAIN: Duration = Duration::from_secs(5);

const CONFINED: &str = "Scripts of repositories run confined on this host.";
const CONFINED_OUTSIDE: &str = "Scripts of repositories run confined on this host, in a network of their own that leads outside but not to this host's loopback.";
const NAMES: &str = "Confined scripts cannot look up names: /etc/resolv.conf names only servers on this host's loopback, which scripts.network = \"outside\" keeps from them. Name one of your network there.";
const UNCOUNTED: &str = "How many processes confined scripts start has no limit, as the deployer runs as root and can make no control group for them. Run it as an ordinary user, or let it write below its own group in /sys/fs/cgroup.";
const UNCONFINED: &str = "Scripts of repositories run unconfined on this host: they can do all that the deployer's account can (scripts.confinement).";
const ABSTRACT_SOCKETS: &str = "This kernel cannot keep confined scripts from abstract Unix sockets of this host: that needs Landlock of Linux 6.12, or scripts.network = \"none\".";

const NAMESPACES: &str = "Confined scripts can make user namespaces of their own on this host, and so reach more of the kernel: bubblewrap 0.8 or newer keeps them from it, where it may write to /proc/sys.";

/// Before a program that runs unconfined, as before the confined ones: whatever our own umask is, what the
/// program makes is readable by others, as it is deployed with its permissions.
const UNMASKED: &str = concat!("umask 022\n", start_with_variables!());

/// Why a program did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This host cannot confine it, so it was not started.
    #[error("{0}")]
    Refused(String),
    /// Its processes cannot be counted any more.
    #[error("No control group can be made for it: {0}.")]
    Group(#[source] std::io::Error),
    /// There is no room for its temporary directory.
    #[error("No temporary directory can be made below {}: {source}.", below.display())]
    Scratch { below: PathBuf, source: std::io::Error },
    /// It wrote too much, or would have had too little room for it.
    #[error("{}", .0.sentence("The script"))]
    TooMuchWritten(Excess),
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
    /// Where processes are counted, once it was looked for.
    groups: OnceLock<Counting>,
}

/// How the processes of programs are counted.
enum Counting {
    /// By the kernel, as for every account.
    ByAccount,
    /// In groups, as root's are not counted otherwise.
    InGroups(ControlGroups),
    /// Not at all.
    Nowhere,
}

/// What holds on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// Whether scripts are confined whenever they run.
    pub is_confined: bool,
    /// Whether scripts run at all.
    pub is_running: bool,
    /// How scripts run, or why they do not.
    pub sentence: String,
    /// What this host lacks to confine them better, as sentences.
    pub lacks: Vec<String>,
}

impl Protection {
    /// What an administrator should know, most important first.
    pub fn notes(self) -> Vec<String> {
        let unconfined = (!self.is_confined).then_some(self.sentence);
        unconfined.into_iter().chain(self.lacks).collect()
    }

    /// The same for anybody, without how it could be used.
    pub fn summary(&self) -> Option<&'static str> {
        match (self.is_confined, self.is_running) {
            (true, _) if self.lacks.is_empty() => None,
            (true, _) => {
                Some("Scripts of repositories run confined on this host, but less so than they could be.")
            }
            (false, true) => Some("Scripts of repositories are not confined on this host as they should be."),
            (false, false) => {
                Some("No scripts of repositories run on this host, because it cannot confine them.")
            }
        }
    }
}

impl Confinement {
    /// By these options; nothing is tried yet.
    pub fn new(options: ConfinementOptions) -> Self {
        let tried = Mutex::default();
        let groups = OnceLock::new();
        Self(Arc::new(Inner {
            options,
            tried,
            groups,
        }))
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
        let unconfined = |sentence: String| Protection {
            is_confined: false,
            is_running: options.is_off,
            sentence,
            lacks: Vec::new(),
        };
        if options.is_off {
            return unconfined(UNCONFINED.to_owned());
        }
        let bubblewrap = match self.bubblewrap().await {
            Ok(bubblewrap) => bubblewrap,
            Err(why) => return unconfined(why.to_string()),
        };
        // Abstract sockets belong to a network.
        let is_open = options.network == ProgramNetwork::Host && !process::can_close_abstract_sockets();
        let lacks = [
            (is_open, ABSTRACT_SOCKETS),
            (!bubblewrap.forbids_namespaces(), NAMESPACES),
            (!bubblewrap.resolves(options), NAMES),
            (matches!(self.counting(), Counting::Nowhere), UNCOUNTED),
        ];
        let lacks = lacks.into_iter().filter(|(is_so, _)| *is_so);
        Protection {
            is_confined: true,
            is_running: true,
            sentence: match options.network {
                ProgramNetwork::Outside => CONFINED_OUTSIDE.to_owned(),
                ProgramNetwork::Host | ProgramNetwork::None => CONFINED.to_owned(),
            },
            lacks: lacks.map(|(_, sentence)| sentence.to_owned()).collect(),
        }
    }

    fn counting(&self) -> &Counting {
        self.0.groups.get_or_init(|| match is_root_of_this_host() {
            false => Counting::ByAccount,
            true => ControlGroups::find().map_or(Counting::Nowhere, Counting::InGroups),
        })
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

    /// Returns when more is written into `directory` than a script may write, or when its disk has too little room:
    /// for what we write there ourselves.
    pub async fn excess(&self, directory: PathBuf) -> Excess {
        writing::excess(vec![directory], self.0.options.writing).await
    }

    /// How many bytes stay free on the disks of this host, whoever writes there.
    pub fn keeps_free(&self) -> u64 {
        self.0.options.writing.free
    }

    /// Says that it runs unconfined, where it does.
    pub fn is_off(&self) -> bool {
        self.0.options.is_off
    }

    /// Runs `command` in `tree`. See [`process::run`].
    ///
    /// # Errors
    /// [`Error::Refused`] when it cannot be confined here; [`Error::TooMuchWritten`]; otherwise as
    /// [`process::run`].
    pub async fn run<O: Output>(
        &self,
        mut command: Command,
        tree: WorkingTree<'_>,
        run: Run,
        output: &mut O,
    ) -> Result<Exit, Error> {
        let options = &self.0.options;
        if options.is_off {
            let variables = numbered(command.take_environment());
            let shell = Command::new("/bin/sh").bare().args(["-c", UNMASKED, "sh"]);
            let shell = variables
                .iter()
                .fold(shell, |shell, (name, value)| shell.env(name, value));
            let shell = match tree {
                WorkingTree::None => shell,
                WorkingTree::Fixed(dir) | WorkingTree::Changeable(dir) => shell.dir(dir),
            };
            return self
                .watched(&command.within(shell), tree, None, run, output)
                .await;
        }
        let bubblewrap = self.bubblewrap().await?;
        let scratch = Scratch::make(&options.scratch).map_err(|source| Error::Scratch {
            below: options.scratch.clone(),
            source,
        })?;
        let command = bubblewrap.around(options, command, tree, Some(scratch.path()));
        let group = match self.counting() {
            Counting::InGroups(groups) => Some(groups.make(options.processes).map_err(Error::Group)?),
            Counting::ByAccount | Counting::Nowhere => None,
        };
        let command = match &group {
            Some(group) => group.around(command),
            None => command,
        };
        self.watched(&command, tree, Some(scratch.path()), run, output)
            .await
    }

    /// Runs `command`, and ends it when it writes more into `tree` and `scratch` than it may.
    async fn watched<O: Output>(
        &self,
        command: &Command,
        tree: WorkingTree<'_>,
        scratch: Option<&Path>,
        run: Run,
        output: &mut O,
    ) -> Result<Exit, Error> {
        let tree = match tree {
            WorkingTree::Changeable(dir) => Some(dir),
            WorkingTree::Fixed(_) | WorkingTree::None => None,
        };
        let own: Vec<PathBuf> = tree.into_iter().chain(scratch).map(Path::to_owned).collect();
        let limits = self.0.options.writing;
        if let Some(excess) = writing::too_full(&own, limits) {
            return Err(Error::TooMuchWritten(excess));
        }
        let ended = run.cancel.child_token();
        let run = Run {
            cancel: ended.clone(),
            ..run
        };
        let running = process::run(command, run, output);
        tokio::pin!(running);
        tokio::select! {
            exit = &mut running => Ok(exit?),
            excess = writing::excess(own, limits) => {
                ended.cancel();
                // However it ends now, that is why.
                let _ = running.await;
                Err(Error::TooMuchWritten(excess))
            }
        }
    }
}

/// Whether this is root outside of every user namespace, whom the kernel lets start as much as it likes.
fn is_root_of_this_host() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mut words = map.split_whitespace();
    nix::unistd::geteuid().is_root() && (words.next(), words.next()) == (Some("0"), Some("0"))
}
