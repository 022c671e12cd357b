//! Asks casbin.
//!
//! One decision of casbin looks at every line it holds, because a deny line at the end overrides
//! all before. So each project named in the policy has an enforcer of its own, with its lines and
//! those for every project, and one more answers for all other projects; they share one graph of
//! roles.

use std::collections::{BTreeSet, HashMap};

use casbin::function_map::{OperatorFunction, dynamic_to_str};
use casbin::rhai::Dynamic;
use casbin::{CoreApi, DefaultModel, Enforcer, EventData, Model as _, NullAdapter};
use futures_util::FutureExt;

use super::files::MODEL;
use super::lines::{ANY, PolicyLines, Rule};
use super::model::PolicyModel;
use super::problem::Problem;
use crate::domain::access::GUEST;

/// How many lines are tried out when a policy is loaded, to find a matcher that cannot be
/// evaluated before somebody needs it; each costs a decision.
const PROBES: usize = 50;
/// A name that no login can have.
const STRANGER: &str = "\u{1}";

/// A question about one name of an actor.
pub(super) struct Question<'a> {
    /// A user, group or role, as policy lines write it.
    pub subject: &'a str,
    /// The project, [`ANY`] for the installation.
    pub project: &'a str,
    /// The environment, [`ANY`] for the project as a whole.
    pub environment: &'a str,
    /// The action, as policy lines write it.
    pub action: &'a str,
    /// The names of the open windows, with blanks between them.
    pub open: &'a str,
}

/// Casbin, holding a policy.
pub(super) struct Judge {
    projects: HashMap<String, Enforcer>,
    others: Enforcer,
    /// The index of the rule behind each row of casbin.
    rules: HashMap<Vec<String>, usize>,
}

impl Judge {
    /// Gives `lines` to casbin, and tries it out.
    pub fn build(model: &PolicyModel, lines: &PolicyLines) -> Result<Self, Problem> {
        let unusable = |trouble: casbin::Error| {
            Problem::error(
                MODEL,
                model.matcher_line,
                format!("Casbin cannot use this model: {trouble}."),
            )
        };
        let everywhere = |rule: &&Rule| !model.standard || rule.project == ANY;
        let others = enforcer(model, lines, lines.rules.iter().filter(everywhere)).map_err(unusable)?;
        let mut projects = HashMap::new();
        if model.standard {
            let names: BTreeSet<&str> = lines.rules.iter().map(|rule| rule.project.as_str()).collect();
            for name in names.into_iter().filter(|&name| name != ANY) {
                let own = lines
                    .rules
                    .iter()
                    .filter(|rule| rule.project == ANY || rule.project == name);
                let mut own = enforcer(model, &PolicyLines::default(), own).map_err(unusable)?;
                own.enable_auto_build_role_links(false);
                own.set_role_manager(others.get_role_manager())
                    .map_err(unusable)?;
                projects.insert(name.to_owned(), own);
            }
        }
        // Of lines that say the same the first counts.
        let rules = lines
            .rules
            .iter()
            .enumerate()
            .rev()
            .map(|(index, rule)| (rule.row(), index))
            .collect();
        let judge = Self {
            projects,
            others,
            rules,
        };
        judge.probe(lines).map_err(|why| {
            Problem::error(
                MODEL,
                model.matcher_line,
                format!("The matcher cannot be used: {why}."),
            )
        })?;
        Ok(judge)
    }

    /// The rules that match `question`, by index: allow rules, and last a deny rule if one matches.
    pub fn ask(&self, question: &Question<'_>) -> Result<Vec<usize>, casbin::Error> {
        let Question {
            subject,
            project,
            environment,
            action,
            open,
        } = question;
        let enforcer = self.projects.get(*project).unwrap_or(&self.others);
        let request = [subject, project, environment, action, open].map(|&text| text.to_owned());
        let (_, rows) = enforcer.enforce_ex(request.to_vec())?;
        Ok(rows
            .iter()
            .filter_map(|row| self.rules.get(row).copied())
            .collect())
    }

    /// Asks a question for each line, and the same for a stranger.
    fn probe(&self, lines: &PolicyLines) -> Result<(), String> {
        for rule in lines.rules.iter().take(PROBES) {
            let or = |text, instead| if text == ANY { instead } else { text };
            let question = |subject| Question {
                subject,
                project: &rule.project,
                environment: &rule.environment,
                action: or(rule.action.as_str(), "view"),
                open: &rule.window,
            };
            let ask = |subject| {
                self.ask(&question(subject))
                    .map_err(|trouble| trouble.to_string())
            };
            ask(or(rule.subject.as_str(), GUEST))?;
            let mut granted = ask(STRANGER)?
                .into_iter()
                .filter_map(|index| lines.rules.get(index));
            if let Some(rule) = granted.find(|rule| rule.subject != ANY && !rule.deny) {
                return Err(format!(
                    "it gives a stranger what line {} gives to “{}”",
                    rule.line.line, rule.subject
                ));
            }
        }
        Ok(())
    }
}

/// An enforcer for `rules`, with the role and action links of `lines`.
fn enforcer<'a>(
    model: &PolicyModel,
    lines: &PolicyLines,
    rules: impl Iterator<Item = &'a Rule>,
) -> Result<Enforcer, casbin::Error> {
    let mut definitions = DefaultModel::default();
    for (section, key, value) in &model.definitions {
        definitions.add_def(section, key, value);
    }
    for rule in rules {
        definitions.add_policy("p", "p", rule.row());
    }
    for (key, links) in [("g", &lines.roles), ("g2", &lines.implications)] {
        for link in links {
            definitions.add_policy("g", key, vec![link.from.clone(), link.to.clone()]);
        }
    }
    // Nothing is read from anywhere, so there is nothing to wait for.
    let waiting = || casbin::Error::from(std::io::Error::from(std::io::ErrorKind::WouldBlock));
    let mut enforcer = Enforcer::new_raw(definitions, NullAdapter)
        .now_or_never()
        .ok_or_else(waiting)??;
    enforcer.set_logger(Box::new(Quiet));
    enforcer.add_function("opened", OperatorFunction::Arg2(opened));
    enforcer.build_role_links()?;
    Ok(enforcer)
}

/// Whether `window` is one of the names in `open`.
fn opened(open: Dynamic, window: Dynamic) -> Dynamic {
    let (open, window) = (dynamic_to_str(&open), dynamic_to_str(&window));
    open.split(' ').any(|one| one == window).into()
}

/// Casbin's own logger would have a thread for each enforcer, and write names of users.
struct Quiet;

impl casbin::Logger for Quiet {
    fn enable_log(&mut self, _: bool) {}

    fn is_enabled(&self) -> bool {
        false
    }

    fn print_enforce_log(&self, _: Vec<String>, _: bool, _: bool) {}

    fn print_mgmt_log(&self, _: &EventData) {}

    fn print_explain_log(&self, _: Vec<String>) {}

    fn print_status_log(&self, _: bool) {}
}
