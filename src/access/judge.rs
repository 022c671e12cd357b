//! Asks casbin.
//!
//! One decision of casbin looks at every rule it holds, because a deny rule at the end overrides all
//! before. With the shipped matcher it therefore gets only the rules that can matter to the question
//! ([`RuleIndex`]), so that a decision costs the same whatever the length of the policy. A changed
//! matcher may match anything, so casbin gets all rules then; where that takes long, it does not hold up
//! the tasks that share the thread.

use std::collections::{HashMap, HashSet};

use casbin::function_map::{OperatorFunction, dynamic_to_str};
use casbin::rhai::Dynamic;
use casbin::{CoreApi, DefaultModel, Enforcer, EventData, Model as _, NullAdapter};
use futures_util::FutureExt;
use parking_lot::Mutex;

use super::files::MODEL;
use super::index::RuleIndex;
use super::lines::PolicyLines;
use super::model::{CLOSED, PolicyModel};
use super::problem::Problem;
use super::question::Question;
use super::rule::{ANY, Rule, window_key};
use crate::domain::Action;
use crate::domain::access::GUEST;

/// How many lines a policy is probed with when it is loaded, so that a matcher that cannot be
/// evaluated is found before somebody needs it. Each probe costs a decision.
const PROBES: usize = 50;
/// More rules than this take casbin longer than a task may hold up others: a fifth of a millisecond.
const RULES_ASKED_AT_ONCE: usize = 100;
/// A name that no login can have.
pub(super) const STRANGER: &str = "\u{1}";

/// Casbin, and the rules of a policy.
pub(super) struct Judge {
    /// Holds the roles, and the rules that it was asked about last; with a changed matcher all rules.
    enforcer: Mutex<Enforcer>,
    /// Finds the rules that matter; `None` with a changed matcher.
    index: Option<RuleIndex>,
    /// The rules as casbin takes them, in the order of the file.
    rows: Vec<Vec<String>>,
    /// The rules behind each row of casbin: of those alike it holds one.
    rules: HashMap<Vec<String>, Vec<usize>>,
    /// The closed projects and areas. The shipped matcher knows them by their group; a changed one may
    /// take `*` for a pattern.
    closed: HashSet<String>,
}

impl Judge {
    /// Loads `lines` into casbin and probes the result.
    pub fn build(model: &PolicyModel, lines: &PolicyLines) -> Result<Self, Problem> {
        let judge = Self::untried(model, lines).map_err(|trouble| {
            Problem::error(
                MODEL,
                model.matcher_line,
                format!("Casbin cannot use this model: {trouble}."),
            )
        })?;
        judge.probe(lines).map_err(|why| {
            Problem::error(
                MODEL,
                model.matcher_line,
                format!("The matcher cannot be used: {why}."),
            )
        })?;
        Ok(judge)
    }

    fn untried(model: &PolicyModel, lines: &PolicyLines) -> Result<Self, casbin::Error> {
        let rows: Vec<Vec<String>> = lines.rules.iter().map(Rule::row).collect();
        let held = if model.standard { &[][..] } else { &rows[..] };
        let mut rules: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            rules.entry(row.clone()).or_default().push(index);
        }
        Ok(Self {
            enforcer: Mutex::new(enforcer(model, lines, held)?),
            index: model.standard.then(|| RuleIndex::new(lines)),
            rows,
            rules,
            closed: lines.keys_in(CLOSED),
        })
    }

    /// The rules that match `question`, by index: allow rules, and last a deny rule if one matches.
    pub fn ask(&self, question: &Question<'_>) -> Result<Vec<usize>, casbin::Error> {
        let Some(index) = &self.index else {
            let mut found = match self.rows.len() {
                0..=RULES_ASKED_AT_ONCE => self.ask_casbin(question, None),
                _ => beside_others(|| self.ask_casbin(question, None)),
            }?;
            found.retain(|&rule| self.opens(rule, question));
            return Ok(found);
        };
        match index.candidates(question).as_slice() {
            [] => Ok(Vec::new()),
            some if some.len() <= RULES_ASKED_AT_ONCE => self.ask_casbin(question, Some(some)),
            many => beside_others(|| self.ask_casbin(question, Some(many))),
        }
    }

    /// All rules that match `question`, those that allow and those that deny, each asked about by itself.
    pub fn matching(&self, question: &Question<'_>) -> Result<Vec<usize>, casbin::Error> {
        let candidates = match &self.index {
            Some(index) => index.candidates(question),
            None => (0..self.rows.len()).collect(),
        };
        let mut found = Vec::new();
        let mut enforcer = self.enforcer.lock();
        for rule in candidates {
            let answers = self.enforce(&mut enforcer, question, Some(&[rule]))?;
            if answers.contains(&rule) && self.opens(rule, question) {
                found.push(rule);
            }
        }
        if self.index.is_none() {
            // Later questions are about all rules.
            let held = enforcer.get_mut_model();
            held.clear_policy();
            self.rows.iter().for_each(|row| {
                held.add_policy("p", "p", row.clone());
            });
        }
        Ok(found)
    }

    /// Whether the rule counts for closed projects, if the question is about one.
    fn opens(&self, rule: usize, question: &Question<'_>) -> bool {
        let Some([_, project, _, action, _, effect]) = self.rows.get(rule).map(Vec::as_slice) else {
            return false;
        };
        let is_for_all = project == ANY && effect != "deny" && action != Action::Administer.as_str();
        !is_for_all || !self.closed.contains(question.project)
    }

    /// Asks about `some` rules, or about all that casbin holds.
    fn ask_casbin(
        &self,
        question: &Question<'_>,
        some: Option<&[usize]>,
    ) -> Result<Vec<usize>, casbin::Error> {
        self.enforce(&mut self.enforcer.lock(), question, some)
    }

    fn enforce(
        &self,
        enforcer: &mut Enforcer,
        question: &Question<'_>,
        some: Option<&[usize]>,
    ) -> Result<Vec<usize>, casbin::Error> {
        let Question {
            subject,
            project,
            environment,
            action,
            open,
        } = question;
        let request = [subject, project, environment, action, open].map(|&text| text.to_owned());
        if let Some(some) = some {
            let held = enforcer.get_mut_model();
            held.clear_policy();
            for &rule in some {
                held.add_policy("p", "p", self.rows[rule].clone());
            }
        }
        let (_, rows) = enforcer.enforce_ex(request.to_vec())?;
        Ok(rows
            .iter()
            .filter_map(|row| self.rules.get(row))
            .flatten()
            .copied()
            .collect())
    }

    /// Asks one question per line, once for the line's subject and once for a stranger.
    fn probe(&self, lines: &PolicyLines) -> Result<(), String> {
        for rule in lines.rules.iter().take(PROBES) {
            let or = |text, instead| if text == ANY { instead } else { text };
            let open = window_key(&rule.window);
            let question = |subject| Question {
                subject,
                project: &rule.key,
                environment: &rule.environment,
                action: or(rule.action.as_str(), "view"),
                open: &open,
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

/// Does long work without holding up the tasks that share this thread.
fn beside_others<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// An enforcer for `rows`, with the role and action links of `lines`.
fn enforcer(
    model: &PolicyModel,
    lines: &PolicyLines,
    rows: &[Vec<String>],
) -> Result<Enforcer, casbin::Error> {
    let mut definitions = DefaultModel::default();
    for (section, key, value) in &model.definitions {
        definitions.add_def(section, key, value);
    }
    for row in rows {
        definitions.add_policy("p", "p", row.clone());
    }
    let graphs = [
        ("g", &lines.roles),
        ("g2", &lines.implications),
        ("g3", &lines.groups),
    ];
    for (key, links) in graphs {
        for link in links {
            definitions.add_policy("g", key, vec![link.from.clone(), link.to.clone()]);
        }
    }
    // Nothing is read from a file, so this never waits.
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

/// Casbin's own logger would start a thread per enforcer and log user names.
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
