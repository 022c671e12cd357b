//! Which program runs a script, according to its first line, and whether it can.
//!
//! Asked before any server is touched: a script that cannot run would fail there with words like “No
//! such file”, about a file that exists.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::confinement::Confinement;
use crate::engine::ending::{Failure, StepResult};
use crate::small_file;

/// Bytes of a first line that are read: more than Linux reads of one.
const FIRST_LINE: u64 = 1024;
/// Runs scripts whose first line names no program.
pub const SHELL: &str = "/bin/sh";

/// The program that a first line names, and the one argument that may follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    pub program: String,
    pub option: Option<String>,
    /// Whether the system could start the file itself if it were executable: it names its program, or is one.
    pub is_startable: bool,
}

impl Interpreter {
    /// The interpreter of `script` in the tree at `dir`.
    pub fn of(dir: &Path, script: &str) -> StepResult<Self> {
        let mut head = Vec::new();
        let read = small_file::open(&dir.join(script)).and_then(|file| {
            let executable = file.metadata()?.permissions().mode() & 0o111 != 0;
            file.take(FIRST_LINE).read_to_end(&mut head)?;
            Ok(executable)
        });
        let executable = read.map_err(|error| Failure::new(format!("{script} cannot be read: {error}.")))?;
        Self::read(&head, executable).map_err(|why| Failure::new(format!("{script} {why}")))
    }

    /// The interpreter of a script that begins with `head`, and may be `executable`; the error says what is
    /// wrong with the script.
    pub fn read(head: &[u8], executable: bool) -> Result<Self, &'static str> {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_binary = line.contains(&0);
        if is_binary && !executable {
            return Err(
                "is a binary file and not executable, so no shell can run it. If it is a program, make it executable (git update-index --chmod=+x).",
            );
        }
        if head.starts_with("\u{feff}#!".as_bytes()) {
            return Err(
                "begins with a byte order mark, so the system does not see its first line. Save it as UTF-8 without one.",
            );
        }
        if !is_binary && line.len() < head.len() && line.ends_with(b"\r") {
            return Err(
                "has Windows line ends (CRLF), with which no shell runs it. Save it with LF; a line “*.sh text eol=lf” in .gitattributes and “git add --renormalize .” do so for all scripts.",
            );
        }
        let words = line
            .strip_prefix(b"#!")
            .map(|words| String::from_utf8_lossy(words).trim().to_owned());
        let Some(words) = words.filter(|words| !words.is_empty()) else {
            return Ok(Self {
                program: SHELL.to_owned(),
                option: None,
                is_startable: is_binary,
            });
        };
        let (program, option) = match words.split_once([' ', '\t']) {
            Some((program, option)) => (program, Some(option.trim().to_owned())),
            None => (words.as_str(), None),
        };
        Ok(Self {
            program: program.to_owned(),
            option,
            is_startable: true,
        })
    }

    /// What has to be installed to run it: the program, and what `env` looks up.
    pub fn needs(&self) -> Vec<&str> {
        let mut needs = vec![self.program.as_str()];
        if self.program.ends_with("/env") {
            let name = self.option.as_deref().unwrap_or_default();
            let is_plain = !name.is_empty() && !name.starts_with('-') && !name.contains(['=', ' ', '\t']);
            needs.extend(is_plain.then_some(name));
        }
        needs
    }

    /// Whether this host has what it needs, to run `script` confined.
    pub fn check_here(&self, script: &str, confinement: &Confinement) -> StepResult<()> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        for need in self.needs() {
            let places: Vec<PathBuf> = match need.contains('/') {
                true => vec![PathBuf::from(need)],
                false => std::env::split_paths(&path).map(|dir| dir.join(need)).collect(),
            };
            let mut here = places
                .iter()
                .filter(|place| place.exists() || place.is_relative());
            let Some(first) = here.clone().next() else {
                return Err(missing(script, need, "the deployer's host"));
            };
            if !here.any(|place| place.is_relative() || confinement.shows(place)) {
                return Err(Failure::new(format!(
                    "{script} needs {need}, according to its first line, which is at {} on the deployer's host, where scripts do not see it. Name its directory in scripts.readable.",
                    first.display()
                )));
            }
        }
        Ok(())
    }
}

/// `script` needs a program that `place` does not have.
pub fn missing(script: &str, need: &str, place: &str) -> Failure {
    Failure::new(format!(
        "{script} needs {need}, according to its first line, and {place} has no such program. Install it there, or change that line."
    ))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_line_names_the_program() {
        let read = |head: &str| {
            let found = Interpreter::read(head.as_bytes(), false)?;
            Ok::<_, &str>((found.needs().join(" "), found.option))
        };
        let plain = |needs: &str| Ok((needs.to_owned(), None));
        assert_eq!(read("echo hi\n"), plain("/bin/sh"));
        assert_eq!(read(""), plain("/bin/sh"));
        assert_eq!(read("#!\n"), plain("/bin/sh"));
        assert_eq!(read("#! /bin/bash \nx"), plain("/bin/bash"));
        assert_eq!(
            read("#!/bin/bash -eu -o x\nx"),
            Ok(("/bin/bash".to_owned(), Some("-eu -o x".to_owned())))
        );
        assert_eq!(
            read("#!/usr/bin/env python3\n"),
            Ok(("/usr/bin/env python3".to_owned(), Some("python3".to_owned())))
        );
        assert_eq!(
            read("#!/usr/bin/env -S a b\n").map(|(needs, _)| needs),
            Ok("/usr/bin/env".to_owned())
        );
        assert!(read("#!/bin/sh\r\ntrue\r\n").unwrap_err().contains("CRLF"));
        assert!(read("true\r\ntrue\r\n").unwrap_err().contains("CRLF"));
        assert!(
            read("\u{feff}#!/bin/sh\n")
                .unwrap_err()
                .contains("byte order mark")
        );
    }

    #[test]
    fn a_program_is_no_script() {
        let program = b"\x7fELF\x02\x01\x01\0\r\n\0";
        let found = Interpreter::read(program, true).unwrap();
        assert!(found.is_startable && found.needs() == [SHELL]);
        assert!(
            Interpreter::read(program, false)
                .unwrap_err()
                .contains("not executable")
        );
        assert!(!Interpreter::read(b"echo hi\n", true).unwrap().is_startable);
    }

    proptest! {
        #![proptest_config(crate::cases::cases(300))]

        #[test]
        fn any_beginning_of_a_file_names_a_program_or_says_what_is_wrong(
            pieces in vec(prop::sample::select(vec![
                &b"#!"[..], b"/bin/sh", b"/usr/bin/env", b" ", b"\t", b"-S", b"python3", b"\n", b"\r\n", b"\0", b"\xff",
                b"\xef\xbb\xbf", b"A=b", "\u{2028}".as_bytes(), b"\x1b[31m",
            ]), 0..10),
            executable in any::<bool>(),
        ) {
            match Interpreter::read(&pieces.concat(), executable) {
                Ok(found) => {
                    let needs = found.needs();
                    prop_assert!(needs.iter().all(|need| !need.is_empty()), "{:?}", found);
                    let words = [Some(&found.program), found.option.as_ref()];
                    let is_whole = |word: &String| !word.contains('\n') && !word.is_empty();
                    prop_assert!(words.into_iter().flatten().all(is_whole), "{:?}", found);
                }
                Err(why) => prop_assert!(why.ends_with(['.', ')']), "{}", why),
            }
        }
    }
}
