//! Reads `model.conf` and checks that this program can use the model.
//!
//! The program fixes the fields of requests and lines, and deny lines always override; only the
//! matcher may differ from the shipped one. A model of before there were groups of projects stays valid, and
//! knows none.

use super::files::{MODEL, shipped};
use super::problem::Problem;

/// The group of projects that only those see for whom a line names them.
pub(super) const CLOSED: &str = "projects:closed";
/// What defines groups of projects; a model may do without.
const GROUPS: &str = "g3";
/// The matcher that was shipped before there were groups of projects.
const EARLIER_MATCHER: &str = r#"(p.project == "*" || p.project == r.project) && (p.environment == "*" || p.environment == r.environment) && (p.action == r.action || p.action == "*" || (p.eft == "allow" && g2(p.action, r.action))) && opened(r.open, p.window) && (p.sub == "*" || g(r.sub, p.sub))"#;
/// Section, key, and the required value; the matcher is free.
const DEFINITIONS: [(&str, &str, Option<&str>); 7] = [
    (
        "request_definition",
        "r",
        Some("sub, project, environment, action, open"),
    ),
    (
        "policy_definition",
        "p",
        Some("sub, project, environment, action, window, eft"),
    ),
    ("role_definition", "g", Some("_, _")),
    ("role_definition", "g2", Some("_, _")),
    ("role_definition", GROUPS, Some("_, _")),
    (
        "policy_effect",
        "e",
        Some("some(where (p.eft == allow)) && !some(where (p.eft == deny))"),
    ),
    ("matchers", "m", None),
];

/// A model as casbin takes it.
#[derive(Debug, Clone)]
pub(super) struct PolicyModel {
    /// Section letter, key, value.
    pub definitions: Vec<(String, String, String)>,
    pub matcher_line: u32,
    /// Whether the matcher is one that was shipped, which compares projects and environments only by
    /// name and group; then lines of other projects can be left out.
    pub standard: bool,
    /// Whether there are groups of projects, closed projects and areas.
    pub groups: bool,
}

/// Reads a model; what is wrong is added to `problems`.
pub(super) fn read(text: &str, problems: &mut Vec<Problem>) -> Option<PolicyModel> {
    let before = problems.len();
    let (mut section, mut found) = (String::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
            continue;
        }
        match entry(&section, line) {
            Ok((key, _)) if found.iter().any(|(known, _, _)| *known == key) => {
                problems.push(Problem::error(
                    MODEL,
                    number,
                    format!("“{key}” appears a second time."),
                ));
            }
            Ok((key, value)) => found.push((key, value, number)),
            Err(message) => problems.push(Problem::error(MODEL, number, message)),
        }
    }
    for (section, key, value) in DEFINITIONS {
        if key != GROUPS && !found.iter().any(|(known, _, _)| *known == key) {
            let value = value.unwrap_or("…");
            problems.push(Problem::error(
                MODEL,
                0,
                format!("[{section}] “{key} = {value}” is missing."),
            ));
        }
    }
    let matcher = found
        .iter()
        .find(|(key, _, _)| *key == "m")
        .map(|(_, value, line)| (value.clone(), *line));
    let (matcher, matcher_line) = matcher.filter(|_| problems.len() == before)?;
    let groups = found.iter().any(|(key, _, _)| *key == GROUPS);
    let definitions = found
        .into_iter()
        .map(|(key, value, _)| (key[..1].to_owned(), key.to_owned(), value));
    Some(PolicyModel {
        definitions: definitions.collect(),
        matcher_line,
        standard: is_shipped(&matcher) && groups
            || squeezed(&matcher) == squeezed(EARLIER_MATCHER) && !groups,
        groups,
    })
}

/// The key and value of a line, if this program accepts them.
fn entry(section: &str, line: &str) -> Result<(&'static str, String), String> {
    let (key, value) = line
        .split_once('=')
        .ok_or("A line here is “key = value”, or a [section].")?;
    let (key, value) = (key.trim(), value.trim());
    let known = DEFINITIONS
        .iter()
        .find(|(home, name, _)| *home == section && *name == key);
    let &(_, key, needed) = known.ok_or_else(|| format!("[{section}] “{key}” is not known here."))?;
    if value.is_empty() || value.contains(['#', '\\']) {
        return Err("The value must be on one line, without “#” and “\\”.".to_owned());
    }
    match needed {
        Some(needed) if squeezed(needed) != squeezed(value) => Err(format!(
            "This must be “{key} = {needed}”; only the matcher may be changed."
        )),
        // The effect is compared by casbin letter by letter.
        Some(needed) => Ok((key, needed.to_owned())),
        None => Ok((key, value.to_owned())),
    }
}

fn is_shipped(matcher: &str) -> bool {
    let shipped = shipped(MODEL).unwrap_or_default();
    let own = shipped.lines().find_map(|line| line.strip_prefix("m ="));
    own.is_some_and(|own| squeezed(own) == squeezed(matcher))
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
