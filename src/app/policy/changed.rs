//! What one reload changed, for its event: the lines that came and went, and the files.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::access::{PolicyFiles, Problem};

/// Problems that the audit log keeps of one reload; the program's log has all of them.
const KEPT_PROBLEMS: usize = 20;
/// Bytes of lines added, and of lines removed, that it keeps; the kept policies have all of them.
const KEPT_BYTES: usize = 12 << 10;
/// Characters that it keeps of a line.
const KEPT_CHARS: usize = 300;
/// The file with those lines.
const POLICY_FILE: &str = "policy.csv";

/// The detail of the event: what `files` have that `before` had not, and the other way round, and the problems of
/// reading them.
pub(super) fn detail(files: &PolicyFiles, before: &PolicyFiles, problems: &[Problem]) -> Value {
    // What keeps a policy from taking effect comes before what does not.
    let mut told: Vec<&Problem> = problems.iter().collect();
    told.sort_by_key(|problem| Reverse(problem.severity));
    let told: Vec<String> = told
        .into_iter()
        .take(KEPT_PROBLEMS)
        .map(ToString::to_string)
        .collect();
    let mut detail = json!({ "policy": files.digest(), "problems": told, "files": changed(files, before) });
    for (name, lines) in [
        ("added", beside(files, before)),
        ("removed", beside(before, files)),
    ] {
        let all = lines.len();
        let mut left = KEPT_BYTES;
        let mut kept = Vec::new();
        for line in lines {
            let line: String = line.chars().take(KEPT_CHARS).collect();
            let Some(rest) = left.checked_sub(line.len()) else {
                break;
            };
            left = rest;
            kept.push(line);
        }
        if kept.len() < all {
            detail[format!("{name}_left_out")] = json!(all - kept.len());
        }
        detail[name] = json!(kept);
    }
    detail
}

/// The files that differ.
fn changed(files: &PolicyFiles, before: &PolicyFiles) -> Vec<String> {
    let names: BTreeSet<&String> = files.0.keys().chain(before.0.keys()).collect();
    let differ = names
        .into_iter()
        .filter(|name| files.0.get(*name) != before.0.get(*name));
    differ.cloned().collect()
}

/// The lines of a policy that another one does not have, without comments: those that say what may be done before
/// those that say who somebody is, and what is for administrators, or for all, first.
fn beside(policy: &PolicyFiles, other: &PolicyFiles) -> Vec<String> {
    let (mut own, others) = (counted(policy), counted(other));
    for (line, count) in others {
        if let Some(known) = own.get_mut(line) {
            *known = known.saturating_sub(count);
        }
    }
    let mut lines: Vec<&str> = Vec::new();
    for (line, count) in own {
        lines.extend(std::iter::repeat_n(line, count));
    }
    lines.sort_by_key(|line| (weight(line), *line));
    lines.into_iter().map(str::to_owned).collect()
}

/// The lines, each with how often it stands there.
fn counted(files: &PolicyFiles) -> BTreeMap<&str, usize> {
    let text = files.0.get(POLICY_FILE).map(String::as_str).unwrap_or_default();
    let lines = text.lines().map(str::trim);
    let mut counted = BTreeMap::new();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        *counted.entry(line).or_default() += 1;
    }
    counted
}

/// How far behind a line comes.
fn weight(line: &str) -> u8 {
    let mut columns = line.split(',').map(str::trim);
    let kind = columns.next().unwrap_or_default();
    let rest: Vec<&str> = columns.collect();
    let action = rest.get(3).copied().unwrap_or_default();
    match kind {
        "p" if ["administer", "*"].contains(&action) => 0,
        "p" if rest.first() == Some(&"*") => 1,
        "p" => 2,
        "g" => 4,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(lines: &str) -> PolicyFiles {
        PolicyFiles([(POLICY_FILE.to_owned(), lines.to_owned())].into())
    }

    #[test]
    fn counts_are_true_and_what_matters_most_is_kept() {
        let names: String = (0..3_000)
            .map(|number| format!("g, person{number}, role:reader\n"))
            .collect();
        let lines = format!("{names}g2, deploy, view\np, zz, *, *, administer, always, allow\n");
        let told = detail(&files(&lines), &files(""), &[]);
        let added = told["added"].as_array().unwrap();
        assert_eq!(added[0], "p, zz, *, *, administer, always, allow");
        assert_eq!(added[1], "g2, deploy, view");
        let left_out = told["added_left_out"].as_u64().unwrap();
        assert_eq!(added.len() as u64 + left_out, 3_002);
        assert_eq!(told["removed"], json!([]));
        assert!(told.get("removed_left_out").is_none());
        let gone = detail(&files(""), &files("p, a, *, *, view, always, allow"), &[]);
        assert_eq!(gone["removed"], json!(["p, a, *, *, view, always, allow"]));
    }

    #[test]
    fn files_that_differ_are_named() {
        let with = |name: &str, text: &str| {
            let mut all = files("");
            all.0.insert(name.to_owned(), text.to_owned());
            all
        };
        let told = detail(&with("days.ics", "x"), &with("calendar.toml", "y"), &[]);
        assert_eq!(told["files"], json!(["calendar.toml", "days.ics"]));
    }
}
