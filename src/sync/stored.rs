//! The paths of a release that outlive it: kept in a store beside the releases, and linked into each.
//!
//! Shared paths are in the project's store, which environments with targets in the same directory
//! have in common. An excluded path without wildcards is in a store of its target, so that what beta
//! writes never reaches prod. Of nested paths only the outermost is linked; it brings the others.

/// A path that is linked into each release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Relative to the release; with a slash at the end where it has to be a directory.
    pub path: String,
    /// Whether it is a shared path, or holds one. Otherwise it is an excluded one.
    pub is_shared: bool,
}

impl Stored {
    /// The path without a slash at its end.
    pub fn plain(&self) -> &str {
        self.path.trim_end_matches('/')
    }

    /// Whether `path` is this one or inside it.
    pub fn holds(&self, path: &str) -> bool {
        path.trim_end_matches('/')
            .strip_prefix(self.plain())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The outermost of `paths`, each once.
pub(super) fn outermost(paths: &[Stored]) -> Vec<Stored> {
    let mut outermost: Vec<Stored> = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let mut others = paths.iter().enumerate().filter(|(other, _)| *other != at);
        let is_inside = others.any(|(other, outer)| {
            let is_same = outer.plain() == path.plain();
            outer.holds(&path.path) && (!is_same || other < at)
        });
        if is_inside {
            continue;
        }
        let inside = || paths.iter().filter(move |inner| path.holds(&inner.path));
        let is_directory = inside().any(|inner| inner.path.ends_with('/') || inner.plain() != path.plain());
        outermost.push(Stored {
            path: format!("{}{}", path.plain(), if is_directory { "/" } else { "" }),
            is_shared: path.is_shared || !crate::sabotage::on("y8") && inside().any(|inner| inner.is_shared),
        });
    }
    outermost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_paths_inside_each_other_the_outermost_is_linked() {
        let all = |paths: &[(&str, bool)]| {
            let stored = paths.iter().map(|(path, is_shared)| Stored {
                path: (*path).to_owned(),
                is_shared: *is_shared,
            });
            let outermost = outermost(&stored.collect::<Vec<_>>());
            outermost
                .into_iter()
                .map(|stored| (stored.path, stored.is_shared))
                .collect::<Vec<_>>()
        };
        let expect = |path: &str, is_shared| (path.to_owned(), is_shared);
        assert_eq!(
            all(&[("var/log", false), ("var", false), ("variety", false)]),
            [expect("var/", false), expect("variety", false)]
        );
        assert_eq!(all(&[("var", false), ("var/log", true)]), [expect("var/", true)]);
        assert_eq!(all(&[("up/", false), ("up", true)]), [expect("up/", true)]);
        assert_eq!(all(&[("a.db", false)]), [expect("a.db", false)]);
    }
}
