//! Quoting and the guard, proven against the shells of this machine.

#![allow(
    clippy::disallowed_methods,
    reason = "the shells are children of the test and nothing else"
)]

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command as Local, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;

use super::command::Command;
use super::guard::{Mark, Program, guarded, unguarded};
use super::{Endpoint, Error};
use crate::domain;

/// Long enough for a shell to have done what it does next.
const SETTLE: Duration = Duration::from_millis(300);

/// The shells a server's account may log in with, as far as this machine has them.
fn shells() -> Vec<&'static [&'static str]> {
    let known: [&[&str]; 6] = [
        &["sh"],
        &["dash"],
        &["bash"],
        &["busybox", "sh"],
        &["fish"],
        &["tcsh"],
    ];
    let works = |shell: &&[&str]| {
        let tried = Local::new(shell[0])
            .args(&shell[1..])
            .args(["-c", "exit 0"])
            .status();
        tried.is_ok_and(|status| status.success())
    };
    known.into_iter().filter(works).collect()
}

fn in_shell(shell: &[&str], line: Vec<u8>) -> Local {
    let mut local = Local::new(shell[0]);
    local.args(&shell[1..]).arg("-c").arg(OsString::from_vec(line));
    local
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(1_u8.., 0..40),
        vec(
            prop::sample::select(b"'\"\\$`!*?~#&;|<>(){}[] \t\n\r=-@%^a".to_vec()),
            0..20
        ),
    ]
}

fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

proptest! {
    #![proptest_config(crate::cases::cases(96))]

    #[test]
    fn arguments_and_environment_reach_a_program_byte_for_byte(args in vec(word(), 0..5), value in word()) {
        let command = Command::script(r#"printf '%s\0' "$VALUE" "$@""#)
            .args(args.iter().map(|arg| os(arg)))
            .env("VALUE", os(&value));
        let expected: Vec<u8> =
            [&value].into_iter().chain(&args).flat_map(|word| [&word[..], &[0]].concat()).collect();
        for shell in shells() {
            for how in [guarded, unguarded] {
                let mut child = started(shell, &command, how);
                let printed = output(&mut child);
                prop_assert!(printed == expected, "{shell:?} {command}: {printed:?}");
                prop_assert!(status(child).success());
            }
        }
    }

    #[test]
    fn under_the_guard_words_stay_what_they_are(arg in word()) {
        for shell in shells() {
            let mut child = started(shell, &Command::new("printf").arg("%s").arg(os(&arg)), guarded);
            prop_assert_eq!(&output(&mut child), &arg);
            prop_assert!(status(child).success());
        }
    }
}

fn in_group(mut local: Local) -> Child {
    local
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// As sshd starts it, once the mark has come.
fn started(shell: &[&str], command: &Command, how: fn(&Command, &Mark) -> Program) -> Child {
    let mark = Mark::new();
    let program = how(command, &mark);
    let mut child = in_group(in_shell(shell, program.line));
    child.stdin.as_mut().unwrap().write_all(&program.input).unwrap();
    let mut printed = vec![0; mark.bytes().len()];
    child.stdout.as_mut().unwrap().read_exact(&mut printed).unwrap();
    assert_eq!(printed, mark.bytes());
    child
}

fn output(child: &mut Child) -> Vec<u8> {
    let mut bytes = Vec::new();
    child.stdout.as_mut().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// As sshd does: the input stays open until the status was taken.
fn status(mut child: Child) -> ExitStatus {
    let stdin = child.stdin.take();
    let status = child.wait().unwrap();
    drop(stdin);
    status
}

/// Names that a shell, ours or another one, uses for itself, or that our own lines use.
const OWN_NAMES: [(&str, &str); 39] = [
    ("OPTIND", "abc"),
    ("OPTARG", "x"),
    ("OPTERR", "x"),
    ("PATH", "/nowhere"),
    ("IFS", "/.x-"),
    ("HOME", "/nowhere"),
    ("BASH_ENV", "/nowhere"),
    ("ENV", "/nowhere"),
    ("PS1", "$(exit 1)"),
    ("PS4", "$(echo traced)"),
    ("LC_ALL", "xx_XX"),
    ("LANG", "xx"),
    ("CDPATH", "/tmp:/"),
    ("UID", "5"),
    ("EUID", "5"),
    ("PPID", "1"),
    ("SHELLOPTS", "noexec"),
    ("BASHOPTS", "nosuch"),
    ("BASH_VERSINFO", "1"),
    ("BASHPID", "1"),
    ("LINENO", "abc"),
    ("RANDOM", "abc"),
    ("SECONDS", "abc"),
    ("TMOUT", "1"),
    ("PWD", "/nowhere"),
    ("OLDPWD", "/nowhere"),
    ("POSIXLY_CORRECT", "1"),
    ("GROUPS", "1"),
    ("FUNCNAME", "f"),
    ("DIRSTACK", "1"),
    ("HISTCMD", "x"),
    ("MAILCHECK", "abc"),
    ("GLOBIGNORE", "*"),
    ("KSH_VERSION", "x"),
    ("_", "x"),
    ("script", "x"),
    ("with", "x"),
    ("option", "x"),
    ("TOKEN", "it's $(id) \\ “x”"),
];

/// The shells that may be `/bin/sh` on a server, as far as this machine has them, each started by that name.
fn inner_shells() -> Vec<(&'static str, &'static [&'static str])> {
    let known: [(&str, &[&str]); 3] = [("dash", &[]), ("bash", &[]), ("busybox", &["ash"])];
    known
        .into_iter()
        .filter(|(shell, _)| crate::process::find_program(shell).is_some())
        .collect()
}

#[test]
fn variables_of_any_name_reach_the_program_and_nothing_of_ours() {
    let find = r#"cd -- "$1" || exit 126
script=./$2 with=/usr/bin/printenv option=-0
shift
set -- "$with" "$option" "$@" BEFORE with FOLLOWING"#;
    let shells = inner_shells();
    assert!(!shells.is_empty());
    for (shell, arguments) in shells {
        for (name, value) in OWN_NAMES {
            let command = Command::start(find)
                .arg("/usr")
                .arg(name)
                .env("BEFORE", "1")
                .env(name, value)
                .env("FOLLOWING", "3");
            let mut local = Local::new(shell);
            local.args(arguments);
            // busybox finds out by its name what it should be.
            local.arg0(if arguments.is_empty() { "sh" } else { shell });
            let mut child = in_group(local);
            let mark = Mark::new();
            let program = guarded(&command, &mark);
            child.stdin.as_mut().unwrap().write_all(&program.input).unwrap();
            let printed = output(&mut child);
            let code = status(child).code();
            let text = String::from_utf8_lossy(&printed).into_owned();
            let found: Vec<&str> = text.trim_end_matches('\0').split(['\0', '\n']).collect();
            let own_mark = String::from_utf8(mark.bytes()).unwrap();
            let mut expected = vec![own_mark.trim(), value, "1", "3"];
            if name == "with" {
                expected.insert(3, value);
            }
            assert_eq!(found, expected, "{shell} {name}: {code:?}");
        }
    }
}

#[test]
fn a_command_is_readable() {
    let command = Command::new("git")
        .args(["log", "--format=%H", "it's", ""])
        .env("LANG", "C")
        .env("WHO", "a b");
    assert_eq!(command.to_string(), r"exec git log '--format=%H' 'it'\''s' ''");
}

#[test]
fn what_no_shell_can_be_given_is_refused_and_never_sent() {
    let reason = |command: Command| match command.check() {
        Err(Error::BadCommand { reason }) => reason,
        other => unreachable!("{other:?}"),
    };
    assert!(reason(Command::new("a\0b")).contains("NUL"));
    assert!(reason(Command::new("ls").arg("\0")).contains("NUL"));
    assert!(reason(Command::new("ls").env("A", "\0")).contains("NUL"));
    assert!(reason(Command::new("")).contains("no program"));
    assert!(reason(Command::new("-x")).contains("no program"));
    for name in ["", "1A", "A B", "A;id", "A$(id)", "Ä", "A=B"] {
        let command = Command::new("ls").env(name, "x");
        assert!(command.exports().is_empty(), "{command}");
        assert!(reason(command).contains("environment variable"));
    }
    assert!(reason(Command::new("echo").arg("x".repeat(200_000))).contains("longer"));
    assert!(Command::new("echo").arg("x".repeat(50_000)).check().is_ok());
}

#[test]
fn the_guard_passes_exit_status_and_signal_through() {
    for shell in shells() {
        let run = |script| {
            let mut child = started(shell, &Command::script(script), guarded);
            output(&mut child);
            status(child)
        };
        assert_eq!(run("exit 42").code(), Some(42), "{shell:?}");
        assert_eq!(run("kill -KILL $$").signal(), Some(9), "{shell:?}");
        assert_eq!(run("exec sh -c 'exit 3'").code(), Some(3), "{shell:?}");
    }
}

#[test]
fn the_end_of_input_ends_the_group() {
    for shell in shells() {
        let command = Command::script("trap 'echo bye; exit 5' TERM; (sleep 305) & echo hi; wait");
        let mut child = started(shell, &command, guarded);
        let mut first = [0; 3];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        // A subshell that was only just forked may lose a signal.
        std::thread::park_timeout(SETTLE);
        let start = Instant::now();
        drop(child.stdin.take());
        assert_eq!(output(&mut child), b"bye\n", "{shell:?}");
        assert_eq!(child.wait().unwrap().code(), Some(5), "{shell:?}");
        assert!(start.elapsed() < Duration::from_secs(4), "{shell:?}");
    }
}

#[test]
fn the_guard_leaves_a_daemon_alone_when_its_script_has_ended() {
    for shell in shells() {
        let command = Command::script("sleep 306 >/dev/null 2>&1 & echo $!");
        let mut child = started(shell, &command, guarded);
        let daemon = String::from_utf8(output(&mut child))
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        assert!(status(child).success());
        std::thread::park_timeout(SETTLE);
        let daemon = nix::unistd::Pid::from_raw(daemon);
        nix::sys::signal::kill(daemon, nix::sys::signal::Signal::SIGKILL).expect("it lives");
    }
}

#[test]
fn errors_reach_people_as_they_are_and_keep_their_cause() {
    let endpoint = Endpoint {
        name: "web1".to_owned(),
        host: "::1".to_owned(),
        port: 22,
        user: "deploy".to_owned(),
        host_key: None,
        key: None,
        legacy: false,
        via: None,
    };
    let error = Error::Cancelled {
        server: endpoint.name,
    };
    let sentence = error.to_string();
    let public = domain::Error::from(error);
    assert_eq!(public.message(), sentence);
    assert_eq!(public.kind(), domain::ErrorKind::Conflict);
    assert!(std::error::Error::source(&public).is_some());
}
