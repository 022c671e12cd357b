//! A loaded policy: turns "may this actor do that, there, now?" into questions for casbin, and the
//! answers into a decision.
//!
//! Casbin is asked about each name of an actor by itself. Its answer depends on nothing but the
//! name, the place, the action and the windows that are open, so it is kept: a page that asks a
//! thousand times pays for a handful of answers.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::judge::Judge;
use super::lines::{ANY, PolicyLines, Rule, is_user};
use super::question::Question;
use crate::domain::access::GUEST;
use crate::domain::calendar::{ALWAYS, FREEZE};
use crate::domain::{Action, Calendar, Instant, PolicyLine, Resource};

/// How many answers are kept before starting anew: some tens of megabytes at most.
const KEPT_ANSWERS: usize = 100_000;
/// How many days ahead to look for the next instant at which an action would be allowed.
const DAYS_AHEAD: u16 = 60;

/// A decision, with the index of the rule behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This rule allows it.
    Allowed(usize),
    /// No rule allows it.
    Silent,
    /// This rule denies it; `None`: casbin failed, which is a denial too.
    Denied(Option<usize>),
}

impl Verdict {
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

/// A loaded policy. Never changed; a reload makes another.
pub(super) struct Policy {
    pub calendar: Calendar,
    /// The file of lines, as written.
    pub text: String,
    roles: Vec<(String, String)>,
    rules: Vec<Rule>,
    judge: Judge,
    named: Named,
    answers: RwLock<HashMap<String, Verdict>>,
    /// The windows open in the minute last asked about; they open and close on whole minutes.
    open: Mutex<(i64, Arc<str>)>,
}

/// The names in the policy. The shipped matcher treats all other names alike, so they share answers.
struct Named {
    all_differ: bool,
    subjects: HashSet<String>,
    projects: HashSet<String>,
    environments: BTreeSet<String>,
}

impl Named {
    fn subject<'a>(&self, name: &'a str) -> &'a str {
        if self.all_differ || self.subjects.contains(name) {
            name
        } else {
            ""
        }
    }

    fn project<'a>(&self, name: &'a str) -> &'a str {
        if self.all_differ || self.projects.contains(name) {
            name
        } else {
            ANY
        }
    }

    fn environment<'a>(&self, name: &'a str) -> &'a str {
        if self.all_differ || self.environments.contains(name) {
            name
        } else {
            ANY
        }
    }
}

impl Policy {
    pub fn new(calendar: Calendar, text: String, lines: PolicyLines, judge: Judge, standard: bool) -> Self {
        let PolicyLines { rules, roles, .. } = lines;
        let subjects = rules
            .iter()
            .map(|rule| &rule.subject)
            .chain(roles.iter().map(|link| &link.from));
        let frozen = calendar.freezes.iter().flat_map(|freeze| &freeze.environments);
        let environments = rules.iter().map(|rule| &rule.environment).chain(frozen);
        let named = Named {
            all_differ: !standard,
            subjects: subjects.cloned().collect(),
            projects: rules.iter().map(|rule| rule.project.clone()).collect(),
            environments: environments.filter(|&name| name != ANY).cloned().collect(),
        };
        let open = Mutex::new((i64::MIN, Arc::from("")));
        Self {
            calendar,
            text,
            roles: roles.into_iter().map(|link| (link.from, link.to)).collect(),
            rules,
            judge,
            named,
            answers: RwLock::default(),
            open,
        }
    }

    /// The roles that `names` have, directly or through another role, in the order they are found.
    pub fn roles_of(&self, names: &[String]) -> Vec<String> {
        let mut known: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut next = 0;
        while let Some(&name) = known.get(next) {
            for (_, role) in self.roles.iter().filter(|(from, _)| from == name) {
                if !known.contains(&role.as_str()) {
                    known.push(role);
                }
            }
            next += 1;
        }
        known.into_iter().skip(names.len()).map(str::to_owned).collect()
    }

    /// The users that lines name, each once, in the order of their names.
    pub fn users(&self) -> BTreeSet<&str> {
        let in_roles = self.roles.iter().map(|(from, _)| from.as_str());
        let in_rules = self.rules.iter().map(|rule| rule.subject.as_str());
        in_roles
            .chain(in_rules)
            .filter(|name| is_user(name) && *name != GUEST)
            .collect()
    }

    /// What casbin is asked through.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// The number of the line by which everybody may administer everything, at some time.
    pub fn administered_by_all(&self) -> Option<u32> {
        let windows: BTreeSet<&str> = self.rules.iter().map(|rule| rule.window.as_str()).collect();
        windows.into_iter().find_map(|window| {
            let open = format!("{ALWAYS} {window}");
            let found = self.rules_for(GUEST, Action::Administer, &Resource::Everything, &open)?;
            let rules: Vec<&Rule> = found.iter().filter_map(|&rule| self.rules.get(rule)).collect();
            let is_allowed = rules.iter().all(|rule| !rule.deny);
            rules.first().filter(|_| is_allowed).map(|rule| rule.line.line)
        })
    }

    /// The rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The line of the rule at `index`.
    pub fn line(&self, index: usize) -> Option<PolicyLine> {
        self.rules.get(index).map(|rule| rule.line.clone())
    }

    /// Decides for somebody with these names.
    ///
    /// Seeing a project as a whole is allowed when any environment of it may be seen. Everything
    /// else done to a project as a whole is done to all its environments: no line may deny it for
    /// one of them.
    pub fn decide(&self, names: &[String], action: Action, resource: &Resource, at: Instant) -> Verdict {
        let whole = self.decide_place(names, action, resource, at);
        let Resource::Project(project) = resource else {
            return whole;
        };
        let mut parts = self.parts(project);
        let part = |resource| self.decide_place(names, action, &resource, at);
        match (action, whole.is_allowed()) {
            (Action::View, true) => whole,
            (Action::View, false) => parts
                .map(part)
                .find(|verdict| verdict.is_allowed())
                .unwrap_or(whole),
            (_, false) => whole,
            (_, true) => parts
                .by_ref()
                .map(part)
                .find(|verdict| !verdict.is_allowed())
                .unwrap_or(whole),
        }
    }

    /// The environments named in the policy, as environments of `project`.
    fn parts(&self, project: &str) -> impl Iterator<Item = Resource> {
        self.named
            .environments
            .iter()
            .map(move |name| Resource::Environment(project.to_owned(), name.clone()))
    }

    fn decide_place(&self, names: &[String], action: Action, resource: &Resource, at: Instant) -> Verdict {
        let open = self.open_windows(at);
        let frozen = self.calendar.freeze_for(resource, at).is_some();
        let mut decided = Verdict::Silent;
        for name in names {
            match (self.answer(name, action, resource, &open, frozen), decided) {
                (denied @ Verdict::Denied(_), _) => return denied,
                (allowed @ Verdict::Allowed(_), Verdict::Silent) => decided = allowed,
                _ => {}
            }
        }
        decided
    }

    /// The answer for one name, from memory if it was asked before.
    fn answer(&self, name: &str, action: Action, resource: &Resource, open: &str, frozen: bool) -> Verdict {
        let freeze = if frozen { FREEZE } else { "" };
        let key = [
            self.named.subject(name),
            action.as_str(),
            self.named.project(resource.project()),
            self.named.environment(resource.environment()),
            freeze,
            open,
        ]
        .join("\n");
        if let Some(&known) = self.answers.read().get(&key) {
            return known;
        }
        let verdict = self.ask(name, action, resource, &format!("{open} {freeze}"));
        let mut answers = self.answers.write();
        if answers.len() >= KEPT_ANSWERS {
            answers.clear();
        }
        answers.insert(key, verdict);
        verdict
    }

    fn ask(&self, name: &str, action: Action, resource: &Resource, open: &str) -> Verdict {
        let Some(indices) = self.rules_for(name, action, resource, open) else {
            return Verdict::Denied(None);
        };
        let denied = indices.iter().copied().find(|&index| self.rules[index].deny);
        match (denied, indices.first()) {
            (Some(denied), _) => Verdict::Denied(Some(denied)),
            (None, Some(&allowed)) => Verdict::Allowed(allowed),
            (None, None) => Verdict::Silent,
        }
    }

    /// The rules that match a question; `None` when casbin failed, which the probes at loading make
    /// unlikely.
    fn rules_for(&self, name: &str, action: Action, resource: &Resource, open: &str) -> Option<Vec<usize>> {
        let question = Question {
            subject: name,
            project: resource.project(),
            environment: resource.environment(),
            action: action.as_str(),
            open,
        };
        let answer = self.judge.ask(&question);
        if let Err(trouble) = &answer {
            tracing::error!(%trouble, %action, %resource, "casbin could not decide; refused");
        }
        answer.ok()
    }

    /// The names of the windows open at `at`, without [`FREEZE`], which depends on the resource.
    fn open_windows(&self, at: Instant) -> Arc<str> {
        let minute = at.timestamp().div_euclid(60);
        let mut kept = self.open.lock();
        if kept.0 != minute {
            let windows = self
                .calendar
                .windows
                .keys()
                .filter(|name| self.calendar.is_open(name, at));
            let names: Vec<&str> = [ALWAYS].into_iter().chain(windows.map(String::as_str)).collect();
            *kept = (minute, names.join(" ").into());
        }
        Arc::clone(&kept.1)
    }

    /// The lines that would allow the action at another time, in the order of the file.
    pub fn outside_window(
        &self,
        names: &[String],
        action: Action,
        resource: &Resource,
        at: Instant,
    ) -> Vec<PolicyLine> {
        let now = self.open_windows(at);
        let closed: BTreeSet<&str> = self
            .rules
            .iter()
            .map(|rule| rule.window.as_str())
            .filter(|window| now.split(' ').all(|open| open != *window))
            .collect();
        let mut places = vec![resource.clone()];
        if let (Resource::Project(project), Action::View) = (resource, action) {
            places.extend(self.parts(project));
        }
        let mut found = BTreeSet::new();
        for (place, name) in places
            .iter()
            .flat_map(|place| names.iter().map(move |name| (place, name)))
        {
            for window in &closed {
                found.extend(self.rules_for(name, action, place, window).unwrap_or_default());
            }
        }
        let allows = found
            .into_iter()
            .filter_map(|index| self.rules.get(index))
            .filter(|rule| !rule.deny);
        allows.map(|rule| rule.line.clone()).collect()
    }

    /// The first instant after `at` at which the action would be allowed, within [`DAYS_AHEAD`].
    pub fn next_allowed(
        &self,
        names: &[String],
        action: Action,
        resource: &Resource,
        at: Instant,
    ) -> Option<Instant> {
        let changes = self.calendar.changes(at, DAYS_AHEAD);
        changes
            .into_iter()
            .find(|&change| self.decide(names, action, resource, change).is_allowed())
    }
}
