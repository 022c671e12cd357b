//! What can go wrong with a tree, here or on a server.

use std::io;

use super::changed::Changed;
use crate::domain::{self, ErrorKind};
use crate::ssh;

/// A failure of sync.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An excluded or shared path that cannot be understood.
    #[error("“{pattern}” cannot be an excluded or shared path: {reason}.")]
    Pattern {
        /// As it was written.
        pattern: String,
        /// Short words, without a full stop.
        reason: &'static str,
    },
    /// The tree on this host cannot be read.
    #[error("“{path}” in the exported tree cannot be deployed: {cause}. Nothing was changed on any server.")]
    Tree {
        /// Relative to its top.
        path: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The tree on this host is larger than any that is deployed.
    #[error(
        "The tree to deploy has more than {limit} {unit}, the most that is deployed ({setting}). See what the repository and predeploy.sh put into it, or exclude it. Nothing was changed on any server."
    )]
    TooLarge {
        limit: u64,
        /// What is counted.
        unit: &'static str,
        /// Where that is set, or that it is fixed.
        setting: &'static str,
    },
    /// Somebody cancelled while the tree was read.
    #[error("Cancelled while the tree was read. Nothing was changed on any server.")]
    Cancelled,
    /// What is to be sent cannot be kept on this host.
    #[error(
        "The files to send could not be packed on the deployer's host: {0}. See to its disk. Nothing was changed on the server."
    )]
    Spool(#[source] io::Error),
    /// A bug of ours.
    #[error("Something went wrong in the deployer while it read a tree. Its log has the details.")]
    Task(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A server did not do its part.
    #[error("{trouble} {changed}")]
    Server {
        /// Why.
        #[source]
        trouble: Trouble,
        /// What had been done by then.
        changed: Changed,
    },
}

/// Why a server did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Its file system is full, or the user's share of it.
    #[error("The disk of the server is full ({detail}). Make room there.")]
    DiskFull {
        /// What the tool said.
        detail: String,
    },
    /// Known before anything was sent: it would not fit.
    #[error("The deployment needs {needed} {unit} on the server and only {free} are free. Make room there.")]
    NoRoom {
        /// How much it takes.
        needed: u64,
        /// How much there is.
        free: u64,
        /// `bytes` or `inodes`.
        unit: &'static str,
    },
    /// No more files can be made on its file system, however much room there is.
    #[error(
        "The disk of the server has no inodes left for more files ({detail}); df -i shows it. Remove files there."
    )]
    NoInodes {
        /// Where, or what the tool said.
        detail: String,
    },
    /// Something that is kept on the server is where a file or link should go.
    #[error(
        "“{path}” on the server is kept, as it is excluded or shared, and the commit has a file or link where a directory above it is. Change the commit, or move that path away on the server."
    )]
    KeptBelow { path: String },
    /// The file system takes no writes.
    #[error("The target is on a read-only file system ({detail}). Mount it for writing.")]
    ReadOnly {
        /// What the tool said.
        detail: String,
    },
    /// The remote user may not write there.
    #[error("The deploy user may not do this on the server ({detail}). Let it own the target directory.")]
    NoPermission {
        /// What the tool said.
        detail: String,
    },
    /// The group that the tree should belong to is unknown there, or the remote user is no member of it.
    #[error(
        "The deploy user cannot give files to the group “{group}”, which alone may read them ({detail}). Make the user a member of {group} on the server, or correct the group in the environment."
    )]
    Group {
        /// As the environment names it.
        group: String,
        /// What the tool said.
        detail: String,
    },
    /// A directory that was there is gone.
    #[error("The working directory disappeared from the server during the deployment.")]
    Vanished,
    /// Something is not installed there.
    #[error(
        "The server lacks what deploying needs: {tools}. Install GNU findutils, coreutils, grep and tar there, so that the deploy user's PATH finds them first; BusyBox and BSD have others of the same names."
    )]
    MissingTool {
        /// Their names.
        tools: String,
    },
    /// What is there afterwards is not what was sent.
    #[error(
        "After the files were put in place, the tree on the server is not the one that was sent. Somebody or something else writes there; list it under excluded paths or stop it."
    )]
    Verification,
    /// The symlink method found something else than a symlink.
    #[error(
        "“{target}” on the server is not a symbolic link, but this project is deployed by switching one. Move it away (mv {target} {target}.old), or choose the in-place method."
    )]
    NotALink { target: String },
    /// The in-place method found a release of the symlink method.
    #[error(
        "“{target}” on the server leads into a release of the symlink method, which must not be changed in place. Remove the link, or choose the symlink method."
    )]
    LinkToRelease { target: String },
    /// There is a file where the target directory should be.
    #[error("“{target}” on the server is neither a directory nor a link to one. Move it away.")]
    NotADirectory { target: String },
    /// There are files in the target directory and no marker: nobody has deployed there.
    #[error(
        "“{target}” on the server holds files that no deployment put there ({}), and deploying would delete it. Move it away, list it under excluded paths, or put an empty file .git_release beside it to say that it may be replaced.",
        some(names)
    )]
    NotOurs {
        target: String,
        /// What is in it.
        names: Vec<String>,
    },
    /// A stored path of the running release, or of one before it, cannot be renamed into the store.
    #[error(
        "What an application wrote at an excluded or shared path of a release belongs in the store beside the releases, and the deploy user cannot move it there: it is on another file system, or another account's. Stop what writes there, and run “{command}” on the server as root."
    )]
    Apart {
        /// What to run there.
        command: String,
    },
    /// A release of this deployment is in service already.
    #[error("This deployment's release is in service on the server already; deploy again to build another.")]
    InService,
    /// A release that was never completed cannot be switched to.
    #[error("The release “{release}” is not complete, so it was not switched to. Deploy it again.")]
    Unfinished {
        /// Its directory.
        release: String,
    },
    /// The connection to the server failed.
    #[error(transparent)]
    Connection(Box<ssh::Error>),
    /// Anything else.
    #[error("The server could not {doing} ({detail}).")]
    Other {
        /// What it was about to do.
        doing: &'static str,
        /// What the tool said.
        detail: String,
    },
}

/// The first of some names, and how many more.
fn some(names: &[String]) -> String {
    const FEW: usize = 5;
    match names.len().saturating_sub(FEW) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..FEW].join(", ")),
    }
}

impl Error {
    pub(super) fn pattern(pattern: &str, reason: &'static str) -> Self {
        Self::Pattern {
            pattern: pattern.escape_debug().to_string(),
            reason,
        }
    }

    pub(super) fn tree(path: &[u8], cause: io::Error) -> Self {
        Self::Tree {
            path: readable(path),
            cause,
        }
    }

    pub(super) fn task(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Task(cause.into())
    }

    /// What had been done on the server by then.
    pub fn changed(&self) -> Option<&Changed> {
        match self {
            Self::Server { changed, .. } => Some(changed),
            _ => None,
        }
    }

    /// Whether nothing was begun on the server, as no command reached it.
    pub fn never_began(&self) -> bool {
        match self {
            Self::Server {
                trouble: Trouble::Connection(error),
                changed: Changed::Nothing,
            } => error.never_began(),
            _ => false,
        }
    }

    /// Adds what had been changed by then.
    pub(super) fn after(self, changed: Changed) -> Self {
        match self {
            Self::Server { trouble, .. } => Self::Server { trouble, changed },
            other => other,
        }
    }
}

impl From<ssh::Error> for Trouble {
    fn from(error: ssh::Error) -> Self {
        Self::Connection(Box::new(error))
    }
}

/// Converts trouble that came before anything was changed.
impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        Self::Server {
            trouble,
            changed: Changed::Nothing,
        }
    }
}

/// How shells and tools complain of a program that is not there or has other options.
const FOREIGN_TOOLS: [&str; 6] = [
    "command not found",
    ": not found",
    "unrecognized",
    "illegal option",
    "invalid option",
    "unknown primary",
];

impl Trouble {
    /// The same, once it is known how many inodes the file system has and how many of them are free: a disk
    /// without any is called full as well.
    pub(super) fn with_inodes(self, text: &str) -> Self {
        let mut numbers = text.split(' ').map(str::parse::<u64>);
        match (self, numbers.next(), numbers.next()) {
            (Self::DiskFull { detail }, Some(Ok(1..)), Some(Ok(0))) => Self::NoInodes { detail },
            (other, ..) => other,
        }
    }

    /// Reads why a script gave up: the word it answered with, and what its tools printed.
    pub(super) fn from_script(word: &str, stderr: &str) -> Self {
        let detail = last_line(stderr);
        let says = |phrases: &[&str]| {
            let line = stderr
                .lines()
                .find(|line| phrases.iter().any(|phrase| line.contains(phrase)));
            line.map(|line| line.trim().to_owned())
        };
        if word == "apart" {
            return Self::Apart { command: detail };
        }
        if word == "group" {
            return Self::Group {
                group: String::new(),
                detail,
            };
        }
        // Tar reports a full disk as “Wrote only”.
        if let Some(detail) = says(&["No space left on device", "Disk quota exceeded", "Wrote only"]) {
            return Self::DiskFull { detail };
        }
        if let Some(detail) = says(&["Read-only file system"]) {
            return Self::ReadOnly { detail };
        }
        if let Some(tools) = says(&FOREIGN_TOOLS) {
            return Self::MissingTool { tools };
        }
        // A previous release that cannot be read is no reason to stop: its files are sent instead.
        if let Some(detail) = says(&["Permission denied", "Operation not permitted"])
            && word != "copy"
        {
            return Self::NoPermission { detail };
        }
        let doing = match word {
            "kept" => {
                let path = detail.trim_start_matches("./").to_owned();
                return Self::KeptBelow { path };
            }
            "vanished" => return Self::Vanished,
            "current" => return Self::InService,
            "unfinished" => {
                return Self::Unfinished {
                    release: String::new(),
                };
            }
            "occupied" => {
                return Self::NotALink {
                    target: String::new(),
                };
            }
            "create" => "create the directory to work in",
            "unpack" | "incomplete" => "unpack what was sent",
            "copy" => "copy the previous release",
            "marker" => "write the release's marker",
            "clear" | "delete" => "remove old files",
            "move" => "move new files into place",
            "modes" => "set permission bits",
            "shared" => "link the shared paths",
            "switch" => "switch the link",
            "unreadable" => "read all files",
            _ => "do its part",
        };
        Self::Other { doing, detail }
    }
}

impl From<Error> for domain::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Pattern { .. } => ErrorKind::Invalid,
            Error::Task(_) => ErrorKind::Internal,
            Error::TooLarge { .. } | Error::Cancelled => ErrorKind::Conflict,
            Error::Server {
                trouble:
                    Trouble::NotALink { .. }
                    | Trouble::LinkToRelease { .. }
                    | Trouble::NotADirectory { .. }
                    | Trouble::InService
                    | Trouble::KeptBelow { .. }
                    | Trouble::Apart { .. }
                    | Trouble::Unfinished { .. },
                ..
            } => ErrorKind::Conflict,
            _ => ErrorKind::Unavailable,
        };
        Self::new(kind, error.to_string()).because(error)
    }
}

/// A path for people. Control characters, backslashes and characters that reverse the direction of
/// text are escaped; in a path that is not UTF-8, so is everything that is not ASCII.
pub(super) fn readable(path: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(path) else {
        let escaped = path.escape_ascii().to_string();
        return escaped.replace("\\'", "'").replace("\\\"", "\"");
    };
    let mut readable = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => readable.push_str("\\\\"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => readable.extend(c.escape_unicode()),
            c if c.is_control() => readable.extend(c.escape_default()),
            c => readable.push(c),
        }
    }
    readable
}

fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.map_or_else(|| "it did not say why".to_owned(), |line| line.trim().to_owned())
}

#[cfg(test)]
mod tests;
