//! Bubblewrap's arguments: what a confined program sees, and what it may do.
//!
//! The order matters, as each mount covers those before it: first the system, then what the
//! configuration adds, then what nobody may see, and at last the program's own tree, which lies inside
//! of what is hidden.
//!
//! What a program finds in its environment may decide which programs and libraries are loaded, so
//! bubblewrap, which works outside, is started by its whole path and without any of it. It reads the
//! variables from its standard input, where no other account sees them, and sets them for the program alone.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use super::options::{ConfinementOptions, ProgramNetwork, WorkingTree};
use super::outside::{self, Resolver};
use super::refusal::{PROGRAM, cannot, missing};
use super::system::{SETTINGS, SYSTEM};
use crate::process::{self, Command, Output, Run};

/// How long a try may take: starting it takes milliseconds, on a host that is short of everything.
const TRY_LIMIT: Duration = Duration::from_secs(20);

/// Who a program is when the deployer is root: nobody. Files of its tree are its own all the same.
const NOBODY: &str = "65534";

/// The temporary directory, as the program sees it.
const TEMPORARY: &str = "/tmp";

/// The home, as the program sees it.
const HOME: &str = "/tmp/home";

/// The first process of the namespace: it waits for the program, and all that is left ends with it.
/// What the program starts is counted, and may be at most `$1`; root is held by [`super::process_limit`]. What it
/// makes is readable by others, as it is deployed with its permissions. Nothing here needs another program, as
/// the variables may say that there are none. Its input was bubblewrap's.
const FIRST: &str = r#"exec </dev/null; umask 022; ulimit -u "$1" 2>/dev/null || ulimit -p "$1" 2>/dev/null; shift; "$@"; exit $?"#;

/// A bubblewrap that works here.
#[derive(Debug, Clone)]
pub(super) struct Bubblewrap {
    /// Where it is.
    program: PathBuf,
    /// Whether it can forbid further user namespaces inside (0.8 and later, where `/proc/sys` can be
    /// written).
    forbids_namespaces: bool,
    /// What name servers programs with a network of their own ask.
    resolver: Resolver,
}

impl Bubblewrap {
    /// Tries whether it is installed and may do its work.
    pub(super) async fn find(options: &ConfinementOptions) -> Result<Self, String> {
        let program = process::find_program(PROGRAM).ok_or_else(missing)?;
        // The second try does without what old ones lack, so it fails for what really is in the way.
        let mut last = String::new();
        for forbids_namespaces in [true, false] {
            let one = Self {
                program: program.clone(),
                forbids_namespaces,
                resolver: Resolver::find(),
            };
            match one.try_out(options).await {
                Ok(()) => return one.with_network(options).await,
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    /// Whether programs inside can make no user namespaces of their own.
    pub(super) fn forbids_namespaces(&self) -> bool {
        self.forbids_namespaces
    }

    async fn try_out(&self, options: &ConfinementOptions) -> Result<(), String> {
        let command = self.confined(options, nothing(), WorkingTree::None, None);
        let mut said = Said::default();
        match process::run(&command, Run::within(TRY_LIMIT), &mut said).await {
            Ok(exit) if exit.success() => Ok(()),
            Ok(exit) => Err(cannot(&said.first_line().unwrap_or_else(|| exit.to_string()))),
            Err(error) => Err(cannot(&error.to_string())),
        }
    }

    /// Tries whether the network that programs should have can be had.
    async fn with_network(self, options: &ConfinementOptions) -> Result<Self, String> {
        if options.network != ProgramNetwork::Outside {
            return Ok(self);
        }
        let command = self.confined(options, nothing(), WorkingTree::None, None);
        let command = outside::around(outer(&self.program), command, true);
        let mut said = Said::default();
        match process::run(&command, Run::within(TRY_LIMIT), &mut said).await {
            Ok(exit) if exit.success() => Ok(self),
            Ok(exit) => Err(outside::cannot(&said.text(), &exit.to_string())),
            Err(error) => Err(outside::cannot(&said.text(), &error.to_string())),
        }
    }

    /// Whether programs find name servers that they reach.
    pub(super) fn resolves(&self, options: &ConfinementOptions) -> bool {
        options.network != ProgramNetwork::Outside || self.resolver != Resolver::Missing
    }

    /// `command` inside, in its network, with its tree and its temporary directory; without one, that is in
    /// memory.
    pub(super) fn around(
        &self,
        options: &ConfinementOptions,
        command: Command,
        tree: WorkingTree<'_>,
        scratch: Option<&Path>,
    ) -> Command {
        let confined = self.confined(options, command, tree, scratch);
        match options.network {
            ProgramNetwork::Outside => outside::around(outer(&self.program), confined, false),
            ProgramNetwork::Host | ProgramNetwork::None => confined,
        }
    }

    fn confined(
        &self,
        options: &ConfinementOptions,
        command: Command,
        tree: WorkingTree<'_>,
        scratch: Option<&Path>,
    ) -> Command {
        let mut monitor = Arguments::default();
        monitor.plain(&["--args", "0"]);
        monitor.namespaces(options, self.forbids_namespaces);
        monitor.system();
        if options.network == ProgramNetwork::Outside
            && let Some((file, place)) = self.resolver.replacement()
        {
            monitor.mount("--ro-bind", file, place);
        }
        match scratch {
            None => monitor.plain(&["--tmpfs", TEMPORARY]),
            Some(scratch) => monitor.mount("--bind", scratch, Path::new(TEMPORARY)),
        }
        monitor.plain(&["--dir", HOME, "--symlink", "../tmp", "/var/tmp"]);
        monitor.added(options);
        for path in &options.hidden {
            monitor.hide(options, path);
        }
        let start = match tree {
            WorkingTree::None => Path::new(TEMPORARY),
            WorkingTree::Fixed(dir) => {
                monitor.mount(if crate::sabotage::on("c9") { "--bind" } else { "--ro-bind" }, dir, dir);
                dir
            }
            WorkingTree::Changeable(dir) => {
                monitor.mount("--bind", dir, dir);
                dir
            }
        };
        if !crate::sabotage::on("c6") { monitor.plain(&["--remount-ro", "/"]); }
        monitor.plain(&["--chdir"]);
        monitor.0.push(start.into());
        let first = FIRST.replace("ulimit -u \"$1\" 2>/dev/null || ulimit -p \"$1\" 2>/dev/null; ", if crate::sabotage::on("c17") { "" } else { "ulimit -u \"$1\" 2>/dev/null || ulimit -p \"$1\" 2>/dev/null; " });
        monitor.plain(&["--", "/bin/sh", "-c", &first, "sh"]);
        monitor.0.push(options.processes.to_string().into());
        let mut command = at_home(command);
        let variables = setting(command.take_environment());
        let bubblewrap = Command::new(&self.program).bare().input(variables);
        command.within(bubblewrap.args(monitor.0).monitor())
    }
}

/// The bubblewrap around one that makes a network: it hides nothing, and all inside ends with it.
fn outer(program: &Path) -> Command {
    let mut arguments = Arguments::default();
    arguments.plain(&[
        "--die-with-parent",
        "--new-session",
        "--as-pid-1",
        "--unshare-user",
        "--unshare-pid",
        "--cap-add",
        "ALL",
    ]);
    arguments.identity();
    arguments.plain(&["--dev-bind", "/", "/", "--proc", "/proc"]);
    Command::new(program).bare().args(arguments.0)
}

/// What a try runs.
fn nothing() -> Command {
    Command::new("/bin/sh").args(["-c", ":"])
}

/// With the home and the temporary directory that a program has inside, unless it names its own.
pub(super) fn at_home(command: Command) -> Command {
    command
        .env_unless_set("HOME", HOME)
        .env_unless_set("TMPDIR", TEMPORARY)
}

/// The arguments that set `variables`, as bubblewrap reads them: each ends with a NUL.
fn setting(mut variables: BTreeMap<OsString, OsString>) -> Vec<u8> {
    // No program can have one with a NUL, which would begin another argument.
    variables.retain(|_, value| !value.as_bytes().contains(&0));
    let mut arguments = Vec::new();
    for (name, value) in variables {
        for argument in [OsStr::new("--setenv"), &name, &value] {
            arguments.extend_from_slice(argument.as_bytes());
            arguments.push(0);
        }
    }
    arguments
}

/// The arguments before the program.
#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn plain(&mut self, arguments: &[&str]) {
        self.0.extend(arguments.iter().map(OsString::from));
    }

    fn mount(&mut self, how: &str, from: &Path, to: &Path) {
        self.0.extend([OsString::from(how), from.into(), to.into()]);
    }

    fn namespaces(&mut self, options: &ConfinementOptions, forbids_namespaces: bool) {
        self.plain(&[
            "--die-with-parent",
            "--new-session",
            "--as-pid-1",
            "--unshare-user",
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--unshare-cgroup-try",
            "--cap-drop",
            "ALL",
        ]);
        if forbids_namespaces && !crate::sabotage::on("c5") {
            self.plain(&["--disable-userns"]);
        }
        if options.network == ProgramNetwork::None && !crate::sabotage::on("c8") {
            self.plain(&["--unshare-net"]);
        }
        self.identity();
    }

    fn identity(&mut self) {
        if nix::unistd::geteuid().is_root() && !crate::sabotage::on("c10") {
            self.plain(&["--uid", NOBODY, "--gid", NOBODY]);
        }
        self.0.retain(|one| !(crate::sabotage::on("c12") && one == "--unshare-ipc"
            || crate::sabotage::on("c13") && one == "--unshare-uts"
            || crate::sabotage::on("c14") && one == "--new-session"
            || crate::sabotage::on("c15") && one == "--die-with-parent"
            || crate::sabotage::on("c16") && (one == "--cap-drop" || one == "ALL")));
    }

    fn system(&mut self) {
        for directory in SYSTEM.map(Path::new) {
            match std::fs::read_link(directory) {
                Ok(target) => self.mount("--symlink", &target, directory),
                Err(_) => self.mount("--ro-bind-try", directory, directory),
            }
        }
        for name in SETTINGS {
            let path = Path::new("/etc").join(name);
            self.mount("--ro-bind-try", &path, &path);
        }
        self.plain(&[
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--tmpfs",
            "/dev/shm",
        ]);
        if !crate::sabotage::on("c7") { self.plain(&["--remount-ro", "/dev"]); }
        if nix::unistd::geteuid().is_root() && !crate::sabotage::on("c1") {
            self.kernel();
        }
    }

    /// Makes the settings of the kernel read-only: they are files of this host's root, who may write them
    /// without any capability, and some of them, such as the core pattern, lead out of every namespace.
    fn kernel(&mut self) {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        for path in paths.filter(|path| is_setting(path)) {
            self.mount("--ro-bind-try", &path, &path);
        }
    }

    fn added(&mut self, options: &ConfinementOptions) {
        for directory in &options.readable {
            self.mount("--ro-bind-try", directory, directory);
        }
        for directory in &options.writable {
            self.mount("--bind-try", directory, directory);
        }
    }

    /// Covers `path`, where a directory in sight would show it, and files that links in it lead to.
    fn hide(&mut self, options: &ConfinementOptions, path: &Path) {
        if crate::sabotage::on("c2") { return; }
        let Ok(real) = path.canonicalize() else { return };
        let entries = std::fs::read_dir(&real).into_iter().flatten().flatten();
        let links = entries.map(|entry| entry.path()).filter(|path| path.is_symlink());
        let led_to = links.filter_map(|link| link.canonicalize().ok());
        for file in led_to.filter(|path| path.is_file()) {
            self.cover(options, &file);
        }
        self.cover(options, &real);
    }

    fn cover(&mut self, options: &ConfinementOptions, real: &Path) {
        let roots = roots(options).filter_map(|root| Some((root, root.canonicalize().ok()?)));
        let covered: Vec<PathBuf> = roots
            .filter_map(|(root, real_root)| Some(root.join(real.strip_prefix(real_root).ok()?)))
            .collect();
        for inside in covered.into_iter().take(if crate::sabotage::on("c3") { 1 } else { 99 }) {
            match real.is_dir() {
                true => self.0.extend([OsString::from("--tmpfs"), inside.into()]),
                false if crate::sabotage::on("c4") => {}
                false => self.mount("--ro-bind", Path::new("/dev/null"), &inside),
            }
        }
    }
}

/// Whether `path` in `/proc` is a setting of the kernel, or holds some: neither a process nor a link.
fn is_setting(path: &Path) -> bool {
    let is_process = path.file_name().is_some_and(|name| {
        let name = name.as_encoded_bytes();
        name.iter().all(u8::is_ascii_digit)
    });
    let Ok(found) = path.symlink_metadata() else {
        return false;
    };
    let is_writable = found.is_file() && found.permissions().mode() & 0o222 != 0;
    !is_process && (found.is_dir() || is_writable)
}

/// The directories in sight that this host's own files are in.
fn roots(options: &ConfinementOptions) -> impl Iterator<Item = &Path> {
    let added = options.readable.iter().chain(&options.writable);
    let system = SYSTEM.iter().map(Path::new);
    system
        .filter(|root| !root.is_symlink())
        .chain(added.map(PathBuf::as_path))
}

/// Whether `path` is below a directory in sight, and what it leads to as well.
pub(super) fn shows(options: &ConfinementOptions, path: &Path) -> bool {
    let is_inside = |path: &Path| {
        SYSTEM
            .iter()
            .map(Path::new)
            .chain(roots(options))
            .any(|root| path.starts_with(root))
    };
    is_inside(path) && (crate::sabotage::on("c24") || path.canonicalize().is_ok_and(|real| is_inside(&real)))
}

/// What a try prints.
#[derive(Default)]
struct Said(Vec<u8>);

impl Said {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    fn first_line(&self) -> Option<String> {
        let text = self.text();
        let line = text.lines().find(|line| !line.trim().is_empty())?;
        Some(line.trim_start_matches("bwrap: ").trim().to_owned())
    }
}

impl Output for Said {
    async fn stdout(&mut self, _: Bytes) {}

    async fn stderr(&mut self, data: Bytes) {
        // The first line says why; more than a page of it is of no use.
        let room = 4096_usize.saturating_sub(self.0.len());
        self.0.extend_from_slice(&data[..data.len().min(room)]);
    }
}
