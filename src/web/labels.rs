//! What fields of forms are called on pages, for the list of complaints above a form: each one names its
//! field and leads to it.

/// Names of fields, and what their forms call them.
const LABELS: &[(&str, &str)] = &[
    ("action", "Action"),
    ("address", "Host name or IP address"),
    ("again", "Repeat the new password"),
    ("approval_hours", "Requires approval within (hours)"),
    ("at", "Start at (UTC)"),
    ("auto_not_if", "Not if a message says"),
    ("auto_only_if", "Only if a message says"),
    ("auto_paths", "Only if files changed"),
    ("auto_refused", "When it is not allowed at that time"),
    ("backends", "Backends"),
    ("balancer", "Balancer"),
    ("batch", "Batch size"),
    ("branch", "Branch"),
    ("clusters", "Clusters"),
    ("code", "Code"),
    ("commit", "Commit"),
    ("day", "Day"),
    ("description", "Description"),
    ("display_name", "Display name"),
    ("drain_limit", "Drain timeout (s)"),
    ("email", "E-mail"),
    ("ends_at", "Until (UTC)"),
    ("endpoints", "Endpoints"),
    ("environments", "Environments"),
    ("excluded", "Excluded paths"),
    ("expires", "Expires"),
    ("first", "Canary servers"),
    ("from", "From"),
    ("git_url", "Repository URL"),
    ("heads", "Heads kept before"),
    ("groups", "Groups of the login"),
    ("health_attempts", "Maximum attempts"),
    ("health_command", "Command"),
    ("health_from", "Run from"),
    ("health_host", "Host header"),
    ("health_interval", "Interval (s)"),
    ("health_kind", "Check after the release is in place"),
    ("health_limit", "Timeout per attempt (s)"),
    ("health_path", "Path"),
    ("health_port", "Port"),
    ("health_status", "Expected status"),
    ("health_successes", "Successes in a row"),
    ("health_text", "Expected text"),
    ("keep", "Minimum in service"),
    ("keep_days", "Keep old releases at least (days)"),
    ("keep_releases", "Old releases kept"),
    ("key", "Private key"),
    ("kind", "Connection"),
    ("lfs", "Git LFS"),
    ("lines", "Servers, one per line"),
    ("local_timeout", "Local script timeout (s)"),
    ("lock_override", "Reason for overriding the lock"),
    ("members", "Servers"),
    ("method", "Method"),
    ("minutes", "Ask the repository every (minutes)"),
    ("name", "Name"),
    ("old", "Current password"),
    ("on_failure", "When a server fails"),
    ("parallel", "Servers in parallel"),
    ("password", "Password"),
    ("place", "Where"),
    ("port", "Port"),
    ("position", "Position in the chain"),
    ("projects", "Projects"),
    ("provider", "Provider"),
    ("reason", "Reason"),
    ("referring", "Referring to others"),
    ("readers", "Readable by the group alone"),
    ("remote_timeout", "Remote script timeout (s)"),
    ("remote_user", "Remote user"),
    ("secret", "Secret of your own"),
    ("secrets", "Secret"),
    ("shared", "Shared paths"),
    ("strategy", "Strategy"),
    ("subject", "Known there as"),
    ("submodules", "Submodules"),
    ("target", "Servers"),
    ("target_path", "Directory on the servers"),
    ("to", "To"),
    ("up_limit", "Up timeout (s)"),
    ("up_to", "Allowed failures"),
    ("user", "Log in as"),
    ("variables", "Plain"),
    ("via", "Jump hosts"),
    ("week", "Week of"),
    ("when", "When"),
    ("who", "Who"),
    ("zone", "Time zone"),
    ("wait", "Pause after the canary (s)"),
];

/// What forms call the field `name`; empty for one that has no name of its own.
pub fn label(name: &str) -> &'static str {
    let found = LABELS.iter().find(|(field, _)| *field == name);
    found.map_or("", |(_, label)| label)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};
    use std::path::Path;

    use super::*;

    /// The texts of all templates below `dir`.
    fn templates(dir: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                templates(&path, found);
            } else {
                found.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }

    /// The fields that templates draw by a macro, each with its labels.
    fn drawn() -> HashMap<String, HashSet<String>> {
        // Which of the quoted arguments is the name; the label comes next.
        const MACROS: [(&str, usize); 6] = [
            ("forms::input(", 1),
            ("forms::input_as(", 2),
            ("forms::input_with(", 2),
            ("forms::area(", 0),
            ("forms::choice(", 0),
            ("parts::picks(", 0),
        ];
        let mut texts = Vec::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        templates(&root, &mut texts);
        let mut drawn: HashMap<String, HashSet<String>> = HashMap::new();
        for (text, (call, name)) in texts.iter().flat_map(|text| MACROS.map(|one| (text, one))) {
            for call in text.split(&format!("{{{{ {call}")).skip(1) {
                let quoted: Vec<&str> = call.split('"').skip(1).step_by(2).take(name + 2).collect();
                let labels = drawn.entry(quoted[name].to_owned()).or_default();
                labels.insert(quoted[name + 1].to_owned());
            }
        }
        drawn
    }

    #[test]
    fn each_field_is_called_as_its_form_calls_it() {
        let drawn = drawn();
        assert!(drawn.len() > 50, "{drawn:?}");
        let wrong: Vec<_> = drawn
            .iter()
            .filter(|(name, labels)| !labels.contains(label(name)))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
