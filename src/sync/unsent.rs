//! The files of a commit that an environment's excluded and shared paths keep from being sent, for previews
//! and logs: a file of the repository that stays away should surprise nobody.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path as LocalPath, PathBuf};

use super::error::Error;
use super::glob::glob_matches;
use super::listing::Path;
use super::local_path;
use super::rules::{Rules, WILDCARDS, is_own};
use crate::domain::EnvironmentOptions;

/// Paths that the sentence names; the others are counted.
const NAMED: usize = 5;

/// What of a commit is not sent, gathered path by path.
#[derive(Debug, Clone, Default)]
pub struct Unsent {
    rules: Rules,
    /// Whether any path is excluded or shared.
    is_needed: bool,
    patterns: Vec<TopPattern>,
    files: usize,
    /// The first paths, in their order.
    first: BTreeSet<String>,
}

/// An excluded pattern without a slash, which holds at the top of the tree only.
#[derive(Debug, Clone)]
struct TopPattern {
    text: String,
    /// Whether it matches something at the top.
    matches: bool,
    /// A path that has a matching name below the top.
    below: Option<String>,
}

impl Unsent {
    /// Nothing seen yet; `rules` are those of `options`.
    pub fn new(rules: Rules, options: &EnvironmentOptions) -> Self {
        let plain = options.excluded.iter().map(|text| text.trim_end_matches('/'));
        let patterns = plain.filter(|text| text.contains(WILDCARDS) && !text.contains('/') && *text != "**");
        Self {
            rules,
            is_needed: !options.excluded.is_empty() || !options.shared.is_empty(),
            patterns: patterns
                .map(|text| TopPattern {
                    text: text.to_owned(),
                    matches: false,
                    below: None,
                })
                .collect(),
            files: 0,
            first: BTreeSet::new(),
        }
    }

    /// Whether any file of a commit can be among them.
    pub fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// Looks at one file of the commit.
    pub fn see(&mut self, path: &[u8]) {
        let shown = String::from_utf8_lossy(path);
        for pattern in &mut self.patterns {
            pattern.see(&shown);
        }
        if !self.leaves_out(&shown) {
            return;
        }
        self.files += 1;
        self.first.insert(shown.into_owned());
        if self.first.len() > NAMED {
            self.first.pop_last();
        }
    }

    /// Whether `path` of the commit is not sent because it, or a directory above it, is excluded or shared.
    pub fn leaves_out(&self, path: &str) -> bool {
        self.is_needed && self.rules.keeps(path) && !is_own(path)
    }

    /// Looks at every file of the tree at `root`.
    ///
    /// # Errors
    /// [`Error::Tree`] for what cannot be read.
    pub async fn in_tree(mut self, root: PathBuf) -> Result<Self, Error> {
        if !self.is_needed {
            return Ok(self);
        }
        let work = move || {
            self.walk(&root)?;
            Ok(self)
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::task)?
    }

    fn walk(&mut self, root: &LocalPath) -> Result<(), Error> {
        let mut directories = vec![Path::new()];
        while let Some(directory) = directories.pop() {
            let failed = |error| Error::tree(&directory, error);
            for child in fs::read_dir(local_path(root, &directory)).map_err(failed)? {
                let child = child.map_err(failed)?;
                let path = match directory.as_slice() {
                    b"" => child.file_name().as_bytes().to_vec(),
                    above => [above, b"/", child.file_name().as_bytes()].concat(),
                };
                match child.file_type().map_err(failed)?.is_dir() {
                    true => directories.push(path),
                    false => self.see(&path),
                }
            }
        }
        Ok(())
    }

    /// How many files there are, and the first of them; `None` when everything is sent.
    pub fn sentence(&self) -> Option<String> {
        let named: Vec<&str> = self.first.iter().map(String::as_str).collect();
        let named = named.join(", ");
        let more = match self.files.saturating_sub(self.first.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        match self.files {
            0 => None,
            1 => Some(format!(
                "1 file of the commit is not sent, because its path is excluded or shared: {named}."
            )),
            many => Some(format!(
                "{many} files of the commit are not sent, because their paths are excluded or shared: {named}{more}."
            )),
        }
    }

    /// For each pattern that matches nothing at the top but would below: how to write it.
    pub fn hints(&self) -> Vec<String> {
        let missing = self.patterns.iter().filter(|pattern| !pattern.matches);
        let hint = |pattern: &TopPattern| {
            let (text, below) = (&pattern.text, pattern.below.as_ref()?);
            Some(format!(
                "The excluded path “{text}” matches nothing: without a slash it holds at the top of the tree only. To exclude {below} too, write “**/{text}”."
            ))
        };
        missing.filter_map(hint).collect()
    }
}

impl TopPattern {
    fn see(&mut self, path: &str) {
        let mut names = path.split('/');
        let matches = |name: &str| glob_matches(self.text.as_bytes(), name.as_bytes());
        self.matches |= names.next().is_some_and(matches);
        if self.below.is_none() && names.any(matches) {
            self.below = Some(path.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SyncMethod;

    fn seen(excluded: &[&str], shared: &[&str], paths: &[&str]) -> Unsent {
        let options = EnvironmentOptions {
            excluded: excluded.iter().map(|text| (*text).to_owned()).collect(),
            shared: shared.iter().map(|text| (*text).to_owned()).collect(),
            ..EnvironmentOptions::default()
        };
        let rules = Rules::new(&options, SyncMethod::Symlink).unwrap();
        let mut unsent = Unsent::new(rules, &options);
        paths.iter().for_each(|path| unsent.see(path.as_bytes()));
        unsent
    }

    #[test]
    fn files_at_excluded_and_shared_paths_are_counted_and_the_first_are_named() {
        let paths = ["a", "z.log", "up/b", "up/deep/a", ".git_release", "sub/.git/x"];
        let unsent = seen(&["*.log"], &["up"], &paths);
        assert_eq!(
            unsent.sentence().unwrap(),
            "3 files of the commit are not sent, because their paths are excluded or shared: up/b, up/deep/a, z.log."
        );
        assert!(unsent.leaves_out("up/other") && !unsent.leaves_out("a"));
        let many: Vec<String> = (10..20).map(|number| format!("up/{number}")).collect();
        let many: Vec<&str> = many.iter().rev().map(String::as_str).collect();
        let said = seen(&[], &["up"], &many).sentence().unwrap();
        assert!(
            said.ends_with("up/10, up/11, up/12, up/13, up/14 and 5 more."),
            "{said}"
        );
        let one = seen(&["up"], &[], &["up/1"]).sentence().unwrap();
        assert!(one.starts_with("1 file of the commit is not sent"), "{one}");
        assert_eq!(seen(&["up"], &[], &["a", ".git_release"]).sentence(), None);
        assert_eq!(seen(&[], &[], &["a", ".git_release"]).sentence(), None);
    }

    #[test]
    fn a_pattern_that_would_match_below_the_top_is_told() {
        let hints = |excluded: &[&str], paths: &[&str]| seen(excluded, &[], paths).hints();
        assert_eq!(
            hints(&["*.log"], &["a", "var/app.log"]),
            [
                "The excluded path “*.log” matches nothing: without a slash it holds at the top of the tree only. To exclude var/app.log too, write “**/*.log”."
            ]
        );
        assert_eq!(hints(&["tmp?/"], &["src/tmp1/a"]).len(), 1);
        for (pattern, paths) in [
            ("*.log", &["app.log", "var/app.log"][..]),
            ("*.log", &["a", "b/c"]),
            ("**/*.log", &["var/app.log"]),
            ("var/*.log", &["var/deep/app.log"]),
            ("**", &["var/app.log"]),
            // What is kept for an application may well have a namesake in the sources.
            ("cache", &["src/cache/mod.rs"]),
        ] {
            assert_eq!(hints(&[pattern], paths), [""; 0], "{pattern}");
        }
    }
}
