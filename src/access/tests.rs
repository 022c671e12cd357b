//! The shipped policy as a whole, and the promise that a broken file never widens access.

mod asked;
mod broken;
mod calendar_file;
mod compared;
mod compared_words;
mod earlier;
mod growth;
mod hardly_meant;
mod holiday_file;
mod hostile;
mod indexed;
mod linted;
mod rights;
mod scopes;
mod second_person;
mod shipped;
mod steady;
mod suspicious;
mod words;

use std::path::Path;

use chrono::NaiveDateTime;

use super::files::{CALENDAR, MODEL, POLICY, TESTS, shipped};
use super::*;

/// An instant, UTC.
fn at(text: &str) -> Instant {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M")
        .unwrap()
        .and_utc()
}

fn environment(project: &str, environment: &str) -> Resource {
    Resource::Environment(project.to_owned(), environment.to_owned())
}

fn project(name: &str) -> Resource {
    Resource::Project(name.to_owned())
}

fn user(name: &str) -> Actor {
    Actor::user(name, "192.0.2.1")
}

/// A directory with the shipped files, some of them with other text.
fn directory(changed: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in [MODEL, POLICY, CALENDAR, TESTS] {
        std::fs::write(dir.path().join(file), shipped(file).unwrap()).unwrap();
    }
    for (file, text) in changed {
        std::fs::write(dir.path().join(file), text).unwrap();
    }
    dir
}

/// The shipped policy with more lines, and without its tests.
fn with_lines(lines: &str) -> Access {
    let policy = format!("{}\n{lines}", shipped(POLICY).unwrap());
    let dir = directory(&[(POLICY, &policy), (TESTS, "")]);
    Access::load(dir.path()).unwrap()
}

fn told(dir: &Path) -> Vec<String> {
    check(dir).problems.iter().map(ToString::to_string).collect()
}
