//! The rules of the house, kept by reading its sources: openings, sizes, arrows, templates, and
//! what may lie at the top. Each rule is a table or a number below; `source` tells code from
//! comments and strings.

mod arrows;
mod comments;
mod floors;
mod glossary;
mod graph;
mod limits;
mod paths;
mod source;
mod writes;

use std::fs;
use std::path::{Path, PathBuf};

use graph::Graph;
use source::Source;

/// A reader holds this much of a file…
const MOST_FILE_LINES: usize = 400;
/// …and this much of a function: lines with code, as clippy counts.
const MOST_FUNCTION_LINES: usize = 60;

/// What may lie at the top, beside names that begin with a dot.
const TOP: [&str; 18] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "askama.toml",
    "README.md",
    "benches",
    "build.rs",
    "clippy.toml",
    "deny.toml",
    "deployer.sample.toml",
    "docs",
    "migrations",
    "policies",
    "rustfmt.toml",
    "src",
    "static",
    "templates",
    "tests",
];

/// Directories with sources of ours.
const CODE: [&str; 4] = ["src", "tests", "benches", "migrations"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `dir` whose name ends in `ending`; builds left out.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                if !path.ends_with("target") {
                    open.push(path);
                }
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// All our sources, by their path from the top.
fn sources() -> Vec<(String, Source)> {
    let paths = CODE.iter().flat_map(|dir| files(&root().join(dir), ".rs"));
    let sources: Vec<_> = paths
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            (name, Source::new(fs::read_to_string(path).unwrap()))
        })
        .collect();
    assert!(
        sources.len() > 30,
        "the sources were not found below {}",
        root().display()
    );
    sources
}

/// Which file of the library uses which.
fn graph() -> Graph {
    let sources = sources();
    Graph::of(sources.iter().map(|(name, source)| (name.as_str(), source)))
}

/// Fails with one line per fault.
#[track_caller]
fn assert_none(rule: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn every_source_opens_with_what_it_is() {
    let faults = sources()
        .into_iter()
        .filter(|(_, source)| !source.text.starts_with("//! "))
        .map(|(name, _)| name)
        .collect();
    assert_none("these files do not open with a //! line", faults);
}

#[test]
fn files_and_functions_are_small_enough_to_hold_in_mind() {
    let mut faults = Vec::new();
    for (name, source) in sources() {
        let lines = source.text.lines().count();
        if lines > MOST_FILE_LINES {
            faults.push(format!("{name} has {lines} lines of {MOST_FILE_LINES}"));
        }
        for function in source.functions() {
            let (of, line, lines) = (&function.name, function.line, function.lines());
            if lines > MOST_FUNCTION_LINES {
                faults.push(format!(
                    "{name}:{line}: {of} has {lines} lines of {MOST_FUNCTION_LINES}"
                ));
            }
        }
    }
    assert_none("too long", faults);
}

#[test]
fn arrows_point_down_only() {
    let mut faults = Vec::new();
    for (name, source) in sources() {
        faults.extend(arrows::faults(&name, &source));
    }
    assert_none("uses what it must not know", faults);
}

#[test]
fn files_use_each_other_in_no_circle() {
    assert_none("circles", floors::circles(&graph(), floors::EXCUSED));
}

#[test]
fn files_use_nothing_that_stands_above_them() {
    let is_excused = |fault: &String| floors::EXCUSED.iter().any(|room| fault.starts_with(room));
    let mut faults = floors::faults(&graph(), floors::ROOMS);
    faults.retain(|fault| !is_excused(fault));
    assert_none("floors", faults);
}

#[test]
fn what_matters_is_written_with_its_event() {
    let mut faults = Vec::new();
    for (name, source) in sources() {
        faults.extend(writes::faults(&name, &source));
    }
    assert_none("written without a right to", faults);
}

#[test]
fn public_names_have_one_meaning() {
    let sources = sources();
    let sources = sources.iter().map(|(name, source)| (name.as_str(), source));
    assert_none(
        "names with more than one meaning",
        glossary::doubles(sources, glossary::is_allowed),
    );
}

#[test]
fn descriptions_are_there_and_say_something() {
    let mut faults = Vec::new();
    for (name, source) in sources() {
        let is_excused = comments::EXCUSED.iter().any(|room| name.starts_with(room));
        if name.starts_with("src/") && !is_excused {
            let of_file = |fault: String| format!("{name}:{fault}");
            faults.extend(comments::silent(&source).into_iter().map(of_file));
            faults.extend(comments::echoes(&source).into_iter().map(of_file));
        }
    }
    assert_none("descriptions", faults);
}

#[test]
fn paths_named_in_openings_exist() {
    let mut faults = Vec::new();
    for (name, source) in sources() {
        let opening = source.text.lines().take_while(|line| line.starts_with("//!"));
        for quoted in opening.flat_map(|line| line.split('`').skip(1).step_by(2)) {
            let first = quoted.split('/').next().unwrap_or_default();
            let is_path = quoted.contains('/') && TOP.contains(&first);
            let is_pattern = quoted.contains(['*', '{', '<', ' ', '…']);
            if is_path && !is_pattern && !root().join(quoted).exists() {
                faults.push(format!("{name}: {quoted}"));
            }
        }
    }
    assert_none("named, but not there", faults);
}

#[test]
fn templates_carry_no_script_and_no_style_of_their_own() {
    let mut faults = Vec::new();
    for path in files(&root().join("templates"), ".html") {
        let text = fs::read_to_string(&path).unwrap();
        for fault in source::inline_code(&text) {
            faults.push(format!(
                "{}: {fault}",
                path.strip_prefix(root()).unwrap().display()
            ));
        }
    }
    assert_none("the content security policy forbids this", faults);
}

#[test]
fn the_top_holds_only_what_belongs_there() {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let faults = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str()))
        .filter(|name| !ignored.lines().any(|line| line.trim_matches('/') == name))
        .collect();
    assert_none("does not belong at the top", faults);
}

#[test]
fn names_say_what_a_thing_is() {
    let mut faults = Vec::new();
    for (name, source) in sources() {
        for word in ["Manager", "Helper", "Utils"] {
            let line = source.code.lines().position(|line| {
                ["struct", "enum", "trait", "mod"].iter().any(|kind| {
                    line.split_once(&format!("{kind} ")).is_some_and(|(_, rest)| {
                        rest.split(|c: char| !c.is_alphanumeric())
                            .next()
                            .unwrap()
                            .ends_with(word)
                    })
                })
            });
            faults.extend(line.map(|line| format!("{name}:{}: {word}", line + 1)));
        }
    }
    assert_none("a name that says nothing", faults);
}
