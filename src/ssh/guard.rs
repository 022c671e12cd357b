//! How a process group on the other side is ended.
//!
//! Closing an SSH channel does not end what runs there: sshd goes on waiting for it, and refuses
//! the protocol's own `signal` request for root. So every command without input of its own runs
//! beside a watcher, a second shell in the same process group that reads the channel's input. We
//! never send anything there; the input ends when we cancel, when the channel is closed and when
//! the connection breaks. Then the watcher ends the group: `TERM`, a grace, `KILL`.
//!
//! The command replaces the first shell (`exec`), so that its exit status and its signal reach us
//! as sshd sees them, unchanged. When it has ended, sshd ends the watcher's input as well; the
//! watcher then finds its leader gone and leaves without a signal, so that a daemon which a script
//! started in the background lives on, as it does under plain `ssh`. The leader's number cannot
//! have been given to another process meanwhile, since it is also the number of the group that
//! the watcher itself is in.
//!
//! The command's variables come first through that input, so that no command line shows them: so
//! many lines, which `read` takes from a pipe byte by byte and not one byte further. A command with
//! input of its own gets them the same way, before it.
//!
//! sshd (and our own demo server) makes each command a leader of its group. Where something else
//! does not, `kill -- -$$` finds no such group and does nothing: never the wrong group.
//! Needs only POSIX sh; tried with dash, bash and busybox.

use std::time::Duration;

use super::command::{Command, quote};

/// Time between `TERM` and `KILL`: enough to remove a lock file, short enough for a person waiting.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// From the end of its input to the end of a command: the grace, and time for its last output and
/// the news of its end to reach us. What is not over by then is given up.
pub(super) const END_LIMIT: Duration = Duration::from_secs(10);

/// Takes the variables. `$1`: the command, quoted for a shell. `$2`: how many lines they are. Leaves
/// them in `$3`.
macro_rules! take_variables {
    () => {
        r#"set -- "$1" "$2" ''
while [ "$2" -gt 0 ]; do
  IFS= read -r DEPLOYER_LINE || exit 126
  set -- "$1" $(($2 - 1)) "$3$DEPLOYER_LINE
"
done
unset DEPLOYER_LINE
"#
    };
}

/// For a command with input of its own.
const UNGUARDED: &str = concat!(take_variables!(), r#"eval "$3$1""#);

/// With the watcher. `GRACE` stands for the grace in seconds.
const GUARD: &str = concat!(
    take_variables!(),
    r#"exec 3<&0 </dev/null
(
  trap '' HUP INT TERM PIPE
  while read -r _; do :; done <&3
  kill -0 "$$" || exit 0
  kill -TERM -"$$"
  sleep GRACE
  kill -KILL -"$$"
) >/dev/null 2>&1 &
eval "$3exec 3<&-; $1""#
);

/// The line that makes a login shell run `command` under the guard, once its variables were sent.
pub(super) fn guarded(command: &Command) -> Vec<u8> {
    let guard = GUARD.replace("GRACE", &GRACE.as_secs().to_string());
    wrapped(&guard, command)
}

/// The line that makes a login shell run `command`, once its variables were sent.
pub(super) fn unguarded(command: &Command) -> Vec<u8> {
    wrapped(UNGUARDED, command)
}

fn wrapped(script: &str, command: &Command) -> Vec<u8> {
    let mut line = b"exec sh -c ".to_vec();
    quote(script.as_bytes(), &mut line);
    line.extend_from_slice(b" sh ");
    quote(&command.to_shell(), &mut line);
    let lines = command.exports().iter().filter(|byte| **byte == b'\n').count();
    line.extend_from_slice(format!(" {lines}").as_bytes());
    line
}
