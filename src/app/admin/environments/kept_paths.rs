//! Excluded and shared paths of an environment: which of them go together, and what a change leaves behind.

use crate::domain::{Environment, EnvironmentOptions, Error, Result, SyncMethod};

/// Refuses a shared path inside an excluded one, unless it `was` so before: all of the outer one would be shared
/// with the project's other environments.
pub(super) fn demand_sides(was: &EnvironmentOptions, excluded: &[String], shared: &[String]) -> Result<()> {
    for inner in shared {
        let is_around = |outer: &&String| is_plain(outer) && lies_in(inner, outer);
        let Some(outer) = excluded.iter().find(is_around) else {
            continue;
        };
        if was.excluded.contains(outer) && was.shared.contains(inner) {
            continue;
        }
        return Err(Error::field(
            "shared",
            format!(
                "{inner} lies in {outer}, which is excluded: that belongs to this environment alone, and a part of it cannot be shared. Share {outer} as a whole, or exclude what is in it path by path."
            ),
        ));
    }
    Ok(())
}

/// What applications wrote and what is not in use any more from the next deployment on, as sentences.
pub fn left_behind(method: SyncMethod, before: &Environment, after: &Environment) -> Vec<String> {
    if method != SyncMethod::Symlink {
        return Vec::new();
    }
    let all = |of: &Environment| -> Vec<String> {
        let paths = of.options.excluded.iter().chain(&of.options.shared);
        paths
            .filter(|path| is_plain(path))
            .map(|path| plain(path).to_owned())
            .collect()
    };
    let (then, now) = (all(before), all(after));
    let mut sentences = Vec::new();
    let gone: Vec<&str> = then
        .iter()
        .filter(|path| !now.iter().any(|kept| kept == *path || lies_in(path, kept)))
        .map(String::as_str)
        .collect();
    if !gone.is_empty() {
        sentences.push(format!(
            "What applications wrote at {} stays beside the releases on each server, and from the next deployment on it is not in use any more. Copy it into the repository's place there, if it is still needed.",
            gone.join(", ")
        ));
    }
    if before.target_path != after.target_path && !then.is_empty() {
        sentences.push(format!(
            "What applications wrote at {} stays beside {} on each server. Move it to the new place before the next deployment, if it is still needed.",
            then.join(", "),
            before.target_path
        ));
    }
    sentences
}

fn is_plain(path: &str) -> bool {
    !path.contains(['*', '?', '[', ']'])
}

fn plain(path: &str) -> &str {
    path.trim_matches('/')
}

fn lies_in(inner: &str, outer: &str) -> bool {
    let rest = plain(inner).strip_prefix(plain(outer));
    rest.is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(excluded: &[&str], shared: &[&str]) -> EnvironmentOptions {
        let all = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        EnvironmentOptions {
            excluded: all(excluded),
            shared: all(shared),
            ..EnvironmentOptions::default()
        }
    }

    #[test]
    fn a_part_of_an_excluded_path_is_not_shared() {
        let none = EnvironmentOptions::default();
        let check =
            |was: &EnvironmentOptions, one: EnvironmentOptions| demand_sides(was, &one.excluded, &one.shared);
        let refused = check(&none, options(&["data"], &["data/logs"])).unwrap_err();
        assert_eq!(refused.field_errors()[0].field, "shared");
        assert!(check(&none, options(&["/data/"], &["data/logs/"])).is_err());
        for fine in [
            options(&["data"], &["database"]),
            options(&["data/logs"], &["data"]),
            options(&["da*"], &["data/logs"]),
        ] {
            check(&none, fine).unwrap();
        }
        let old = options(&["data"], &["data/logs"]);
        check(&old, old.clone()).unwrap();
    }
}
