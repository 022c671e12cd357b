//! Reads `policy.csv` line by line, and reports what is wrong with each bad line.
//!
//! The casbin crate's own loader drops unknown lines, accepts short ones that break every later
//! decision, and has no line numbers; so it only gets lines that were checked here. Columns are
//! plain: no quotes, and a comment needs a line of its own.

use std::collections::HashMap;

use super::files::POLICY;
use super::problem::Problem;
use crate::domain::{Action, Calendar, PolicyLine};

/// Stands for every project, environment or subject, and in a deny line for every action.
pub(super) const ANY: &str = "*";
/// The longest subject, in bytes; a group of a login can be a path or an address.
const SUBJECT_LIMIT: usize = 200;
/// Actions that policies written for earlier versions do not know.
const NEWER_ACTIONS: [Action; 2] = [Action::Audit, Action::Run];

/// A `p` line: who may, or may not, do what where and when.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub subject: String,
    pub project: String,
    pub environment: String,
    pub action: String,
    pub window: String,
    pub deny: bool,
    pub line: PolicyLine,
}

impl Rule {
    /// The columns, as casbin takes them.
    pub fn row(&self) -> Vec<String> {
        let effect = if self.deny { "deny" } else { "allow" };
        let columns = [
            &self.subject,
            &self.project,
            &self.environment,
            &self.action,
            &self.window,
        ];
        columns.into_iter().cloned().chain([effect.to_owned()]).collect()
    }
}

/// A `g` line (who has which role) or a `g2` line (which action implies which).
#[derive(Debug, Clone)]
pub(super) struct PolicyLink {
    pub from: String,
    pub to: String,
    pub line: u32,
}

impl PolicyLink {
    fn new(from: &str, to: &str, line: u32) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            line,
        }
    }
}

/// The lines of a policy, each of them valid by itself.
#[derive(Debug, Clone, Default)]
pub(super) struct PolicyLines {
    pub rules: Vec<Rule>,
    pub roles: Vec<PolicyLink>,
    pub implications: Vec<PolicyLink>,
}

/// Reads the lines of `text`; what is wrong is added to `problems`.
pub(super) fn read(text: &str, calendar: &Calendar, problems: &mut Vec<Problem>) -> PolicyLines {
    let mut lines = PolicyLines::default();
    let mut seen: HashMap<Vec<&str>, u32> = HashMap::new();
    for (number, whole) in (1..).zip(text.lines()) {
        let whole = whole.trim();
        if whole.is_empty() || whole.starts_with('#') {
            continue;
        }
        let columns: Vec<&str> = whole.split(',').map(str::trim).collect();
        if let Err(message) = lines.add(&columns, number, whole, calendar) {
            problems.push(Problem::error(POLICY, number, message));
        } else if let Some(first) = seen.insert(columns, number) {
            problems.push(Problem::warning(
                POLICY,
                number,
                format!("This line says the same as line {first}."),
            ));
        }
    }
    if !problems.iter().any(Problem::is_error) {
        lines.complete(problems);
    }
    lines
}

impl PolicyLines {
    /// Lets `administer` imply the newer actions that no `g2` line gives to anything, so that
    /// administrators lose nothing when only the program is updated.
    fn complete(&mut self, problems: &mut Vec<Problem>) {
        let administer = Action::Administer.as_str();
        for action in NEWER_ACTIONS.map(Action::as_str) {
            if self.implications.iter().any(|link| link.to == action) {
                continue;
            }
            let message = format!(
                "No g2 line implies “{action}”, so “{administer}” does. Add the line “g2, {administer}, {action}”."
            );
            problems.push(Problem::warning(POLICY, 0, message));
            self.implications.push(PolicyLink::new(administer, action, 0));
        }
    }

    fn add(&mut self, columns: &[&str], line: u32, whole: &str, calendar: &Calendar) -> Result<(), String> {
        let (&kind, values) = columns.split_first().ok_or("The line is empty.")?;
        let form = match kind {
            "p" => "p, subject, project, environment, action, window, effect",
            "g" => "g, user or group, role",
            "g2" => "g2, action, action it implies",
            _ => {
                let kind = kind.escape_debug();
                return Err(format!(
                    "“{kind}” is not a kind of line; lines begin with p, g or g2."
                ));
            }
        };
        let needed = form.split(',').count() - 1;
        if values.len() != needed {
            let found = values.len();
            return Err(format!(
                "A {kind} line has {needed} columns after the “{kind}”, this one has {found}: write “{form}”."
            ));
        }
        if let Some(empty) = values.iter().position(|value| value.is_empty()) {
            return Err(format!("Column {} is empty: write “{form}”.", empty + 2));
        }
        if whole.contains('#') {
            return Err("A comment needs a line of its own that begins with “#”.".to_owned());
        }
        match (kind, values) {
            ("p", &[subject, project, environment, action, window, effect]) => {
                let line = PolicyLine {
                    file: POLICY.to_owned(),
                    line,
                    text: whole.to_owned(),
                };
                let columns = [subject, project, environment, action, window, effect];
                self.rules.push(rule(columns, line, calendar)?);
            }
            ("g", &[from, to]) => self.roles.push(role(from, to, line)?),
            (_, &[from, to]) => self.implications.push(implication(from, to, line)?),
            _ => return Err(format!("Write “{form}”.")),
        }
        Ok(())
    }
}

fn rule(columns: [&str; 6], line: PolicyLine, calendar: &Calendar) -> Result<Rule, String> {
    let [subject, project, environment, action, window, effect] = columns;
    if subject != ANY {
        check_subject(subject)?;
    }
    for (what, name) in [("project", project), ("environment", environment)] {
        if name != ANY && !is_name(name) {
            let name = name.escape_debug();
            return Err(format!(
                "“{name}” is not the name of a {what}; write a name, or “*” for every {what}."
            ));
        }
    }
    let deny = match effect {
        "allow" => false,
        "deny" => true,
        _ => {
            return Err(format!(
                "“{}” is not an effect; write “allow” or “deny”.",
                effect.escape_debug()
            ));
        }
    };
    if action == ANY && !deny {
        return Err(
            "“*” for an action is for deny lines only; to allow everything write “administer”.".to_owned(),
        );
    }
    if action != ANY {
        check_action(action)?;
    }
    if !calendar.knows(window) {
        let known: Vec<&str> = calendar.windows.keys().map(String::as_str).collect();
        let known = known.join(", ");
        let window = window.escape_debug();
        return Err(format!(
            "“{window}” is not a window; calendar.toml has: {known}. “always” and “freeze” are built in."
        ));
    }
    let [subject, project, environment, action, window] =
        [subject, project, environment, action, window].map(str::to_owned);
    Ok(Rule {
        subject,
        project,
        environment,
        action,
        window,
        deny,
        line,
    })
}

fn role(from: &str, to: &str, line: u32) -> Result<PolicyLink, String> {
    if from == ANY {
        return Err(
            "To give everybody a role, give it to the user “default”: write “g, default, role:…”.".to_owned(),
        );
    }
    check_subject(from)?;
    if !to.starts_with("role:") {
        return Err(format!(
            "“{}” is not a role; write it as “role:NAME”.",
            to.escape_debug()
        ));
    }
    check_subject(to)?;
    Ok(PolicyLink::new(from, to, line))
}

fn implication(from: &str, to: &str, line: u32) -> Result<PolicyLink, String> {
    check_action(from)?;
    check_action(to)?;
    Ok(PolicyLink::new(from, to, line))
}

fn check_action(text: &str) -> Result<(), String> {
    text.parse::<Action>().map(drop).map_err(|why| format!("{why}."))
}

/// A user's name, `role:NAME` or `group:NAME`.
pub(super) fn is_subject(text: &str) -> bool {
    match text.split_once(':') {
        Some(("role", name)) => is_name(name),
        Some(("group", name)) => is_group(name),
        _ => is_user(text),
    }
}

fn check_subject(text: &str) -> Result<(), String> {
    if text.parse::<Action>().is_ok() {
        // Roles and actions share one graph inside casbin.
        return Err(format!(
            "“{text}” is the name of an action, so it cannot be the name of a user."
        ));
    }
    if is_subject(text) {
        return Ok(());
    }
    let text = text.escape_debug();
    Err(format!(
        "“{text}” is not a subject; write a user name, “role:NAME” or “group:NAME”."
    ))
}

/// Whether `text` can be the name of a project, environment, role or window.
pub(super) fn is_name(text: &str) -> bool {
    text.parse::<crate::domain::Name>().is_ok()
}

/// Whether `text` can be the name of a user, even one from an external login, such as an address.
/// Such a name cannot be mistaken for a role, a group, an action or everybody.
pub(super) fn is_user(text: &str) -> bool {
    let known = |c: char| c.is_alphanumeric() || "._-@+".contains(c);
    !text.is_empty()
        && text.len() <= SUBJECT_LIMIT
        && text.chars().all(known)
        && text.parse::<Action>().is_err()
}

/// Whether `text` can be the name of a group: any name from a login that fits into a line.
pub(super) fn is_group(text: &str) -> bool {
    let wrong = |c: char| c.is_control() || ",#\"*".contains(c);
    !text.is_empty() && text.len() <= SUBJECT_LIMIT && text.trim() == text && !text.contains(wrong)
}
