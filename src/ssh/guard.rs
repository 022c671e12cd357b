//! How a command is started on the other side, and how its process group is ended.
//!
//! sshd hands one string to the account's login shell, and login shells differ: fish reads a
//! backslash inside quotes, csh ends a quoted text at a newline, and a profile may print a greeting
//! before anything runs. So the string only starts `/bin/sh`, in words that all of them read alike;
//! the program comes in by the input, and what it prints begins after a mark of its own ([`Mark`]). A
//! program that arrives in part is no complete command, so none of it is run.
//!
//! Closing an SSH channel does not end what runs there: sshd goes on waiting for it, and refuses
//! the protocol's own `signal` request for root. So every command without input of its own runs
//! beside a watcher, a second shell in the same process group that reads the channel's input. After
//! the program we send nothing there; the input ends when we cancel, when the channel is closed and
//! when the connection breaks. Then the watcher ends the group: `TERM`, a grace, `KILL`.
//!
//! A command with input of its own is not watched. There the shell must not read one byte past the
//! program, which only `head` promises.
//!
//! The command replaces the first shell (`exec`), so that its exit status and its signal reach us
//! as sshd sees them, unchanged. When it has ended, sshd ends the watcher's input as well; the
//! watcher then finds its leader gone and leaves without a signal, so that a daemon which a script
//! started in the background lives on, as it does under plain `ssh`. The leader's number cannot
//! have been given to another process meanwhile, since it is also the number of the group that
//! the watcher itself is in.
//!
//! A watcher may carry a word among its arguments, by which it is found on the server for as long as it
//! waits: a server that does not notice that a connection is gone keeps it. When it ends the group it is
//! another program, without that word.
//!
//! sshd (and our own demo server) makes each command a leader of its group. Where something else
//! does not, `kill -- -$$` finds no such group and does nothing: never the wrong group.
//! Needs only POSIX sh; tried with dash, bash and busybox.

use std::time::Duration;

use super::command::Command;

/// Time between `TERM` and `KILL`: enough to remove a lock file, short enough for a person waiting.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// From the end of its input to the end of a command: the grace, and time for its last output and
/// the news of its end to reach us. What is not over by then is given up.
pub(super) const END_LIMIT: Duration = Duration::from_secs(10);

/// The watcher. `GRACE` stands for the grace in seconds.
const WATCH: &str = r#"exec 3<&0 </dev/null
(
  trap '' HUP INT TERM PIPE
  while read -r _; do :; done <&3
  kill -0 "$$" || exit 0
  exec /bin/sh -c 'kill -TERM -"$1"; sleep GRACE; kill -KILL -"$1"' sh "$$"
) >/dev/null 2>&1 &
exec 3<&-
"#;

/// Printed right before a command's own output; what comes earlier is from the login shell and its
/// profile.
#[derive(Debug, Clone)]
pub(super) struct Mark(String);

impl Mark {
    /// A new random mark.
    pub(super) fn new() -> Self {
        Self(format!("deployer-{:032x}", rand::random::<u128>()))
    }

    /// As it is printed.
    pub(super) fn bytes(&self) -> Vec<u8> {
        format!("{}\n", self.0).into_bytes()
    }
}

/// A command as it is sent: the line for the login shell, and what goes first into its input.
pub(super) struct Program {
    pub(super) line: Vec<u8>,
    pub(super) input: Vec<u8>,
}

/// `command` under the guard.
pub(super) fn guarded(command: &Command, mark: &Mark) -> Program {
    let watch = WATCH.replace("GRACE", &GRACE.as_secs().to_string());
    let line = match command.watcher() {
        Some(word) => format!("exec /bin/sh -s {word}"),
        None => "exec /bin/sh".to_owned(),
    };
    Program {
        line: line.into_bytes(),
        input: program(command, mark, &watch),
    }
}

/// `command` without a guard: what follows in its input is its own.
pub(super) fn unguarded(command: &Command, mark: &Mark) -> Program {
    let input = program(command, mark, "");
    // Safe in every shell: between these quotes is no “!”, backslash or newline.
    let line = format!("exec /bin/sh -c 'eval \"$(head -c {})\"'", input.len());
    Program {
        line: line.into_bytes(),
        input,
    }
}

/// One compound command, which no shell begins before it has read all of it.
fn program(command: &Command, mark: &Mark, watch: &str) -> Vec<u8> {
    let begin = format!("{{\necho {}\n{watch}", mark.0);
    let mut program = begin.into_bytes();
    program.extend_from_slice(&command.lines());
    program.extend_from_slice(b"\nexit\n}\n");
    program
}
