//! Which paths are ours to change on a server, and which stay as they are.
//!
//! A [`Rules`] value is made from an environment's options and asked on both ends: here while a
//! tree is scanned, there as a regular expression for GNU `find`. Both must give the same answer
//! for every path, or the digests of equal trees would differ; that is why the pattern language
//! is small: `*` and `?` within a name, `**` for any number of whole names.
//!
//! Directories above a kept path are a special case: the server may need them for the kept path alone, so whether
//! they exist says nothing about a release. They are created when the tree has them, but never counted in a digest.

use std::collections::BTreeSet;

use super::error::Error;
use super::glob::{escaped, glob_matches, literal};
use super::listing::Path;
use super::stored::{Stored, outermost};
use crate::domain::{EnvironmentOptions, SyncMethod};

/// Prefix of our staging directories, which are never part of a tree.
pub const STAGING: &str = ".deployer-staging-";
/// Our own data beside the marker, as JSON.
pub const EXTRA_MARKER: &str = ".deployer_release";
/// A regular expression that no path below `.` matches.
const NOTHING: &str = "none";
/// What makes an excluded path a pattern.
pub(super) const WILDCARDS: [char; 2] = ['*', '?'];
/// Bytes of all patterns together: they are one argument of a remote command, whose length is limited.
const PATTERNS_LIMIT: usize = 16 * 1024;

/// Who a path on a server belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Part of the tree.
    Ours,
    /// A directory above kept paths: created if missing, never counted.
    Above,
    /// Kept on the server with all below it.
    Kept,
}

/// The excluded and shared paths of an environment, checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    kept: Vec<Pattern>,
    stored: Vec<Stored>,
    /// The group that alone may read the tree.
    pub(super) readers: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(Vec<Name>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// `**`: any number of names.
    Any,
    /// One name, with `*` and `?` in it.
    Glob(Vec<u8>),
}

impl Rules {
    /// Reads the patterns of `options`. In place, where there is one tree only, a shared path is
    /// kept as an excluded one is. With releases, an excluded path without wildcards is stored
    /// beside them and linked, as a shared one is.
    ///
    /// # Errors
    /// [`Error::Pattern`] for a path that is empty, absolute, climbs with `..`, holds control
    /// characters, or is shared and has wildcards, lies inside another shared one or is ours.
    pub fn new(options: &EnvironmentOptions, method: SyncMethod) -> Result<Self, Error> {
        let mut rules = Self::default();
        rules.readers.clone_from(&options.readers);
        let mut stored: Vec<Stored> = Vec::new();
        for text in &options.shared {
            let pattern = Pattern::parse(text)?;
            if text.contains(WILDCARDS) {
                return Err(Error::pattern(
                    text,
                    "a shared path is one path, without “*” and “?”",
                ));
            }
            let path = text.trim_start_matches("./").to_owned();
            if is_own(&path) {
                return Err(Error::pattern(text, "that name is the deployer's own, or Git's"));
            }
            let one = Stored {
                path,
                is_shared: true,
            };
            let nests = |other: &Stored| one.holds(&other.path) || other.holds(&one.path);
            if stored.iter().any(nests) {
                return Err(Error::pattern(
                    text,
                    "it is, lies inside or holds another shared path",
                ));
            }
            rules.kept.push(pattern);
            stored.push(one);
        }
        for text in &options.excluded {
            rules.kept.push(Pattern::parse(text)?);
            let path = text.trim_start_matches("./").to_owned();
            if !text.contains(WILDCARDS) && !is_own(&path) {
                stored.push(Stored {
                    path,
                    is_shared: false,
                });
            }
        }
        if method == SyncMethod::Symlink {
            rules.stored = outermost(&stored);
        }
        if rules.kept.iter().map(|p| p.regex(p.0.len()).len()).sum::<usize>() > PATTERNS_LIMIT {
            return Err(Error::pattern(
                "…",
                "all patterns together are too long; use wildcards",
            ));
        }
        Ok(rules)
    }

    /// The paths that are linked into each release; none in place.
    pub fn stored(&self) -> &[Stored] {
        &self.stored
    }

    /// Who `path` (relative, `/` separated) belongs to. Only `path` itself is matched, not the
    /// directories above it, so ask for those first.
    pub fn verdict(&self, path: &[u8], is_directory: bool) -> Ownership {
        let names: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
        let own = |name: &[u8]| {
            name == crate::domain::release::MARKER.as_bytes()
                || name == EXTRA_MARKER.as_bytes()
                || name.starts_with(STAGING.as_bytes())
        };
        if names.last() == Some(&&b".git"[..]) || names.len() == 1 && own(names[0]) {
            return Ownership::Kept;
        }
        if self.kept.iter().any(|pattern| pattern.matches(&names)) {
            return Ownership::Kept;
        }
        if is_directory && self.kept.iter().any(|pattern| pattern.may_be_below(&names)) {
            return Ownership::Above;
        }
        Ownership::Ours
    }

    /// Whether `path` of a tree is sent with it; as [`Self::verdict`], ask for the directories above first.
    pub fn is_sent(&self, path: &[u8], is_directory: bool) -> bool {
        self.verdict(path, is_directory) != Ownership::Kept
    }

    /// Whether `path` and everything below it are kept, perhaps because a directory above it is.
    pub fn keeps(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        ends.into_iter()
            .any(|end| self.verdict(&path.as_bytes()[..end], true) == Ownership::Kept)
    }

    /// Whether `path` is part of a tree's digest: neither it nor anything above it is kept.
    pub fn counts(&self, path: &[u8], is_directory: bool) -> bool {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut above = ends.map(|(at, _)| &path[..at]);
        above.all(|above| self.verdict(above, true) != Ownership::Kept)
            && self.verdict(path, is_directory) == Ownership::Ours
    }

    /// The three patterns that our scripts give to `find`: a `-regex` (posix-extended) for kept
    /// paths, one for directories that are not counted, and a `-name` that the last name of every
    /// kept path matches. The name is tried first, since it is much cheaper than the expression.
    pub fn expressions(&self) -> [String; 3] {
        [self.kept_regex(), self.above_regex(), self.kept_names()]
    }

    /// The same, with `stuck` and everything below it not counted either.
    pub(super) fn expressions_without(&self, stuck: &[Path]) -> [String; 3] {
        let [kept, above, names] = self.expressions();
        if stuck.is_empty() {
            return [kept, above, names];
        }
        let stuck: Vec<String> = stuck.iter().map(|path| literal(path)).collect();
        [format!(r"{kept}|\./({})", stuck.join("|")), above, "*".to_owned()]
    }

    fn kept_regex(&self) -> String {
        let own = format!(
            r"(.*/)?\.git|{}|{}|{}[^/]*",
            escaped(crate::domain::release::MARKER.as_bytes()),
            escaped(EXTRA_MARKER.as_bytes()),
            escaped(STAGING.as_bytes()),
        );
        let all = self.kept.iter().map(|p| p.regex(p.0.len()));
        let all: Vec<String> = std::iter::once(own).chain(all).collect();
        format!(r"\./({})", all.join("|"))
    }

    /// A set of first letters; `*` where a pattern has none. Our own names and `.git` begin with a
    /// dot.
    fn kept_names(&self) -> String {
        let mut firsts = BTreeSet::from(['.']);
        for pattern in &self.kept {
            match pattern.0.last() {
                Some(Name::Glob(glob)) if glob[0].is_ascii_alphanumeric() || b"._".contains(&glob[0]) => {
                    firsts.insert(char::from(glob[0]));
                }
                _ => return "*".to_owned(),
            }
        }
        format!("[{}]*", firsts.into_iter().collect::<String>())
    }

    fn above_regex(&self) -> String {
        let mut all: Vec<String> = self.kept.iter().flat_map(Pattern::above).collect();
        all.sort();
        all.dedup();
        if all.is_empty() {
            return NOTHING.into();
        }
        format!(r"\./({})", all.join("|"))
    }
}

/// Whether `path` is never part of a tree, whatever the options say.
pub fn is_own(path: &str) -> bool {
    Rules::default().keeps(path.trim_end_matches('/'))
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, Error> {
        let plain = text.strip_prefix("./").unwrap_or(text);
        let plain = plain.strip_suffix('/').unwrap_or(plain);
        if plain.chars().any(char::is_control) {
            return Err(Error::pattern(text, "it has control characters"));
        }
        if plain.starts_with('/') {
            return Err(Error::pattern(text, "write it relative to the target directory"));
        }
        if plain.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(Error::pattern(text, "write it without “//”, “.” and “..”"));
        }
        let mut names: Vec<Name> = plain
            .split('/')
            .map(|name| match name {
                "**" => Name::Any,
                name => Name::Glob(name.into()),
            })
            .collect();
        // “a/**” means the same as “a/*”, since a kept directory is kept with everything in it.
        while names.last() == Some(&Name::Any) {
            names.pop();
            if names.last() != Some(&Name::Any) {
                names.push(Name::Glob(b"*".to_vec()));
            }
        }
        Ok(Self(names))
    }

    fn matches(&self, names: &[&[u8]]) -> bool {
        fn walk(pattern: &[Name], names: &[&[u8]]) -> bool {
            match (pattern, names) {
                ([], names) => names.is_empty(),
                ([Name::Any, rest @ ..], names) => {
                    (0..=names.len()).any(|skipped| walk(rest, &names[skipped..]))
                }
                ([Name::Glob(glob), rest @ ..], [name, names @ ..]) => {
                    glob_matches(glob, name) && walk(rest, names)
                }
                (_, []) => false,
            }
        }
        walk(&self.0, names)
    }

    /// Whether something below the directory `names` may match; always true below a `**`.
    fn may_be_below(&self, names: &[&[u8]]) -> bool {
        for (i, name) in names.iter().enumerate() {
            match self.0.get(i) {
                Some(Name::Any) => return true,
                Some(Name::Glob(glob)) if i + 1 < self.0.len() && glob_matches(glob, name) => {}
                _ => return false,
            }
        }
        true
    }

    /// The expressions for [`Self::may_be_below`].
    fn above(&self) -> Vec<String> {
        let wild = self.0.iter().position(|name| *name == Name::Any);
        let plain = (1..wild.unwrap_or(self.0.len())).map(|count| self.regex(count));
        let deep = wild.map(|at| match at {
            0 => ".*".to_owned(),
            at => format!("{}(/.*)?", self.regex(at)),
        });
        plain.chain(deep).collect()
    }

    fn regex(&self, count: usize) -> String {
        let mut regex = String::new();
        for (i, name) in self.0[..count].iter().enumerate() {
            match name {
                Name::Any => regex.push_str("([^/]+/)*"),
                Name::Glob(glob) => {
                    regex.push_str(&escaped(glob));
                    if i + 1 < count {
                        regex.push('/');
                    }
                }
            }
        }
        regex
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(excluded: &[&str]) -> Rules {
        let options = EnvironmentOptions {
            excluded: excluded.iter().map(|s| (*s).to_owned()).collect(),
            shared: vec!["uploads/".into()],
            ..Default::default()
        };
        Rules::new(&options, SyncMethod::InPlace).unwrap()
    }

    #[test]
    fn kept_paths_are_anchored_and_wildcards_stay_within_a_name() {
        let rules = rules(&["venv/", "var/*.log", "**/cache", "a/**"]);
        for kept in [
            "venv",
            "var/x.log",
            "cache",
            "x/y/cache",
            "a/b",
            ".git",
            "sub/.git",
            ".git_release",
            "uploads",
        ] {
            assert_eq!(rules.verdict(kept.as_bytes(), false), Ownership::Kept, "{kept}");
        }
        for ours in [
            "x/venv",
            "var/x/y.log",
            "a",
            "cached",
            "x/.git_release",
            ".gitignore",
            "uploaded",
        ] {
            assert_eq!(rules.verdict(ours.as_bytes(), false), Ownership::Ours, "{ours}");
        }
    }

    #[test]
    fn the_last_name_of_what_is_kept_begins_as_find_is_told() {
        let names = |excluded: &[&str]| rules(excluded).expressions()[2].clone();
        assert_eq!(names(&[]), "[.u]*");
        assert_eq!(names(&["venv/", "var/data/", "**/_cache", "*/x*"]), "[._duvx]*");
        for any in ["var/*.log", "a/**", "a?/?b", "été", "[x]"] {
            assert_eq!(names(&["venv/", any]), "*", "{any}");
        }
    }

    #[test]
    fn directories_above_kept_paths_are_not_counted() {
        let rules = rules(&["var/data/*.db"]);
        for above in ["var", "var/data"] {
            assert_eq!(rules.verdict(above.as_bytes(), true), Ownership::Above, "{above}");
        }
        for ours in ["var/data/x", "variety", "var/other"] {
            assert_eq!(rules.verdict(ours.as_bytes(), true), Ownership::Ours, "{ours}");
        }
    }

    #[test]
    fn a_path_that_leaves_the_target_is_refused() {
        for bad in ["", "/", "/etc", "../x", "a/../b", "a//b", "a\nb", "."] {
            let options = EnvironmentOptions {
                excluded: vec![bad.into()],
                ..Default::default()
            };
            assert!(Rules::new(&options, SyncMethod::InPlace).is_err(), "{bad:?}");
        }
        for bad in [
            &["up*"][..],
            &["d", "d/e"],
            &["d/e/", "./d/"],
            &["d", "d"],
            &[".git_release"],
            &["a/.git/"],
        ] {
            let options = EnvironmentOptions {
                shared: bad.iter().map(|path| (*path).to_owned()).collect(),
                ..Default::default()
            };
            assert!(Rules::new(&options, SyncMethod::Symlink).is_err(), "{bad:?}");
        }
    }
}
