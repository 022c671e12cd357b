//! Which groups of a login from outside count.

use crate::domain::{Error, ErrorKind};

/// The most groups of one login that count.
const MOST_GROUPS: usize = 500;
/// The longest name of a group, in characters.
const GROUP_LIMIT: usize = 255;

/// The groups of `told` that `believed` names, each once.
pub fn groups(told: impl IntoIterator<Item = String>, believed: &[String]) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for group in told {
        let is_sound =
            !group.is_empty() && group.chars().count() <= GROUP_LIMIT && !group.chars().any(char::is_control);
        if is_sound && is_believed(&group, believed) && groups.len() < MOST_GROUPS && !groups.contains(&group)
        {
            groups.push(group);
        }
    }
    groups
}

/// Whether one of `believed` is the group, or its beginning before a `*`.
fn is_believed(group: &str, believed: &[String]) -> bool {
    believed.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => group.starts_with(beginning),
        None => group == pattern,
    })
}

/// A refusal of somebody whom a provider let in.
pub(super) fn forbidden(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Forbidden, why)
}
