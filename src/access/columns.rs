//! The columns of policy lines: what may stand in each, and the names that casbin knows them by.

use std::borrow::Cow;

use super::model::CLOSED;
use super::rule::{ANY, PolicyLink, Rule};
use crate::domain::calendar::{FREEZE, ONE_FREEZE};
use crate::domain::{Action, Area, Calendar, PolicyLine};

/// The longest subject, in bytes; a group of a login can be a path or an address.
const SUBJECT_LIMIT: usize = 200;
/// What groups of projects begin with.
const GROUP: &str = "projects:";
/// What casbin puts before projects that are called like an action.
const LIKE_AN_ACTION: &str = "project:";
/// What an allow line says when it takes a second person, before whom it takes.
const WITH: &str = "allow with ";
/// What can wait for a second person.
pub(super) const TWO_PERSON_ACTIONS: [&str; 2] = ["deploy", "rollback"];

/// What lines may refer to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vocabulary<'a> {
    /// `None`: it cannot be read, so windows are not checked.
    pub calendar: Option<&'a Calendar>,
    /// Whether the model knows groups of projects, and with them areas.
    pub groups: bool,
}

/// Reads the columns of a `p` line.
pub(super) fn rule(columns: [&str; 6], line: PolicyLine, known: Vocabulary<'_>) -> Result<Rule, String> {
    let [subject, project, environment, action, window, effect] = columns;
    if subject != ANY {
        check_subject(subject)?;
    }
    check_project(project, known)?;
    if environment != ANY && !is_name(environment) {
        let name = environment.escape_debug();
        return Err(format!(
            "“{name}” is not the name of an environment; write a name, or “*” for every environment."
        ));
    }
    let (deny, second) = effect_of(effect)?;
    if action == ANY && !deny {
        return Err(
            "“*” for an action is for deny lines only; to allow everything write “administer”.".to_owned(),
        );
    }
    if action != ANY {
        check_action(action)?;
    }
    if second.is_some() && !TWO_PERSON_ACTIONS.contains(&action) {
        return Err(format!(
            "Only “deploy” and “rollback” can wait for a second person; write “allow” for “{action}”."
        ));
    }
    if let Some(area) = area(project, known)
        && (environment != ANY || !concerns(area, action, deny))
    {
        return Err(format!(
            "“{area}” stands for {}, which belongs to no project: write “{area}, *, view”.",
            area.title()
        ));
    }
    check_window(window, known)?;
    let [subject, project, environment, action, window] =
        [subject, project, environment, action, window].map(str::to_owned);
    Ok(Rule {
        key: column_key(&project, known),
        subject,
        project,
        environment,
        action,
        window,
        deny,
        second,
        line,
    })
}

/// Whether the line denies, and of whom a second person has to be.
fn effect_of(effect: &str) -> Result<(bool, Option<String>), String> {
    match (effect, effect.strip_prefix(WITH).map(str::trim)) {
        ("allow", _) => Ok((false, None)),
        ("deny", _) => Ok((true, None)),
        (_, Some(second)) => {
            check_subject(second)?;
            Ok((false, Some(second.to_owned())))
        }
        (_, None) => Err(format!(
            "“{}” is not an effect; write “allow”, “deny” or “allow with role:NAME”.",
            effect.escape_debug()
        )),
    }
}

fn check_window(window: &str, known: Vocabulary<'_>) -> Result<(), String> {
    let Some(calendar) = known.calendar.filter(|calendar| !calendar.knows(window)) else {
        return Ok(());
    };
    let shown = window.escape_debug();
    if let Some(name) = window.strip_prefix(ONE_FREEZE) {
        let names: Vec<&str> = calendar.freezes.iter().map(|one| one.name.as_str()).collect();
        let has = match names.as_slice() {
            [] => "no freeze".to_owned(),
            names => names.join(", "),
        };
        let name = name.escape_debug();
        return Err(format!("calendar.toml has no freeze “{name}”; it has: {has}."));
    }
    let windows: Vec<&str> = calendar.windows.keys().map(String::as_str).collect();
    Err(format!(
        "“{shown}” is not a window; calendar.toml has: {}. “always” and “{FREEZE}” are built in.",
        windows.join(", ")
    ))
}

fn check_project(project: &str, known: Vocabulary<'_>) -> Result<(), String> {
    if project == ANY || is_name(project) {
        return Ok(());
    }
    if !is_project_group(project) {
        return Err(format!(
            "“{}” is not the name of a project; write a name, “projects:NAME” for a group, or “*” for every project.",
            project.escape_debug()
        ));
    }
    needs_groups(known)
}

fn needs_groups(known: Vocabulary<'_>) -> Result<(), String> {
    if known.groups {
        return Ok(());
    }
    Err(
        "model.conf has no “g3 = _, _”, so there are no groups of projects: take the model.conf of this version."
            .to_owned(),
    )
}

/// The area that a project column stands for.
fn area(project: &str, known: Vocabulary<'_>) -> Option<Area> {
    Area::parse(project).filter(|_| known.groups)
}

/// Whether a line may say this about an area: only reading it is ever asked.
fn concerns(area: Area, action: &str, deny: bool) -> bool {
    deny && action == ANY || area.actions().iter().any(|one| one.as_str() == action)
}

/// The name by which casbin knows a project. Casbin keeps projects and actions in one graph, so a
/// project that is called like an action gets another name there.
pub(super) fn project_key(name: &str, groups: bool) -> Cow<'_, str> {
    if groups && Action::parse(name).is_some() {
        return format!("{LIKE_AN_ACTION}{name}").into();
    }
    name.into()
}

/// The project that casbin knows as `key`; `None` for a group or an area.
pub(super) fn project_of(key: &str) -> Option<&str> {
    let name = key.strip_prefix(LIKE_AN_ACTION).unwrap_or(key);
    is_name(name).then_some(name)
}

/// The name by which casbin knows what a project column says.
fn column_key(column: &str, known: Vocabulary<'_>) -> String {
    match area(column, known) {
        Some(area) => area.key().to_owned(),
        None => project_key(column, known.groups).into_owned(),
    }
}

/// Reads the columns of a `g3` line.
pub(super) fn member(from: &str, to: &str, line: u32, known: Vocabulary<'_>) -> Result<PolicyLink, String> {
    needs_groups(known)?;
    if let Some(area) = Area::parse(from) {
        return Err(format!(
            "“{area}” stands for {}, so it cannot be the name of a project.",
            area.title()
        ));
    }
    if !is_name(from) && !is_project_group(from) {
        return Err(format!(
            "“{}” is not a project; write its name, or “projects:NAME” for a group.",
            from.escape_debug()
        ));
    }
    if !is_project_group(to) {
        return Err(format!(
            "“{}” is not a group of projects; write it as “projects:NAME”, or “{CLOSED}” for closed projects.",
            to.escape_debug()
        ));
    }
    Ok(PolicyLink::new(&project_key(from, known.groups), to, line))
}

/// Reads the columns of a `g` line.
pub(super) fn role(from: &str, to: &str, line: u32) -> Result<PolicyLink, String> {
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

/// Reads the columns of a `g2` line.
pub(super) fn implication(from: &str, to: &str, line: u32) -> Result<PolicyLink, String> {
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

/// Whether `text` names a group of projects.
pub(super) fn is_project_group(text: &str) -> bool {
    text.strip_prefix(GROUP).is_some_and(is_name)
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
        && Action::parse(text).is_none()
}

/// Whether `text` can be the name of a group: any name from a login that fits into a line.
pub(super) fn is_group(text: &str) -> bool {
    let wrong = |c: char| c.is_control() || ",#\"*".contains(c);
    !text.is_empty() && text.len() <= SUBJECT_LIMIT && text.trim() == text && !text.contains(wrong)
}
