//! What happened in a sample repository: commits, branches and merges, oldest first.
//!
//! A history has no dates and no hashes; `repositories` makes it with Git, in the weeks before
//! now.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::data;
use super::fleet::SampleProject;

/// The branch every repository begins with.
pub const MAIN: &str = "main";

/// An event in a repository.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum GitEvent {
    /// A branch begins.
    Branch(Branch),
    /// A branch is merged into another one, with a merge commit.
    Merge(Merge),
    /// A commit; the first one begins [`MAIN`].
    Commit(Box<Commit>),
}

/// A branch begins where another one stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    pub branch: String,
    pub from: String,
}

/// The branch `merge` becomes part of `into`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    pub merge: String,
    pub into: String,
    /// The name of one of the demo's people.
    pub author: String,
}

/// A commit and what it does to files, by their paths. It names a path once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    pub message: String,
    /// The name of one of the demo's people.
    pub author: String,
    /// The branch.
    #[serde(default = "main")]
    pub on: String,
    /// Files with their new text.
    #[serde(default)]
    pub write: BTreeMap<String, String>,
    /// Files whose content is a file of the project's folder.
    #[serde(default)]
    pub copy: BTreeMap<String, String>,
    /// Files in which the first text's first occurrence becomes the second text.
    #[serde(default)]
    pub swap: BTreeMap<String, (String, String)>,
    /// Files with text to add at the end.
    #[serde(default)]
    pub append: BTreeMap<String, String>,
    /// Files with their new paths.
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
    #[serde(default)]
    pub remove: Vec<String>,
    pub chapters: Option<Chapters>,
}

/// Many small files that differ in their names: `LANGUAGE/PART/NUMBER.md`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chapters {
    languages: Vec<String>,
    parts: Vec<String>,
    /// Chapters of each part in each language.
    of_each: usize,
    /// With `{language}`, `{part}` and `{number}`.
    heading: String,
    /// Repeated below the heading, a few times.
    line: String,
}

fn main() -> String {
    MAIN.to_owned()
}

impl GitEvent {
    /// The files of the project's folder that this brings in.
    pub fn copied(self) -> Vec<String> {
        match self {
            Self::Commit(commit) => commit.copy.into_values().collect(),
            Self::Branch(_) | Self::Merge(_) => Vec::new(),
        }
    }
}

impl SampleProject {
    /// The events of its repository, oldest first.
    pub fn history(&self) -> Vec<GitEvent> {
        #[derive(Deserialize)]
        struct File {
            history: Vec<GitEvent>,
        }
        data::read::<File>(&format!("{}/history.toml", self.name)).history
    }
}

impl Chapters {
    /// All files: path and text.
    pub fn files(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for language in &self.languages {
            for part in &self.parts {
                for number in 1..=self.of_each {
                    let heading = self
                        .heading
                        .replace("{language}", language)
                        .replace("{part}", part)
                        .replace("{number}", &number.to_string());
                    let text = heading + self.line.repeat(4 + number % 5).as_str();
                    all.push((format!("{language}/{part}/{number:02}.md"), text));
                }
            }
        }
        all
    }
}
