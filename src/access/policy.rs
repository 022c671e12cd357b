//! A loaded policy: turns "may this actor do that, there, now?" into questions for casbin, and the
//! answers into a decision.
//!
//! Casbin is asked about each name of an actor by itself. Its answer depends on nothing but the
//! name, the place, the action and the windows that are open, so it is kept: a page that asks a
//! thousand times pays for a handful of answers.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::columns::{TWO_PERSON_ACTIONS, is_user, project_key};
use super::files::PolicyFiles;
use super::judge::Judge;
use super::lines::PolicyLines;
use super::model::PolicyModel;
use super::question::Question;
use super::rule::{ANY, Rule, window_key};
use super::verdict::{Allowance, Verdict};
use crate::domain::access::GUEST;
use crate::domain::calendar::{ALWAYS, FREEZE};
use crate::domain::{Action, Area, Calendar, Instant, PolicyLine, Resource};

/// How many answers are kept before starting anew: some tens of megabytes at most.
const KEPT_ANSWERS: usize = 100_000;
/// A loaded policy. Never changed; a reload makes another.
pub(super) struct Policy {
    pub calendar: Calendar,
    /// What it was read from.
    pub files: PolicyFiles,
    /// Of the files.
    pub digest: String,
    lines: PolicyLines,
    judge: Judge,
    named: Named,
    /// Whether there are groups of projects and areas.
    groups: bool,
    /// Whether lines know `unlock` apart from `lock`.
    knows_unlock: bool,
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
    pub fn new(
        calendar: Calendar,
        files: PolicyFiles,
        lines: PolicyLines,
        judge: Judge,
        model: &PolicyModel,
    ) -> Self {
        let (rules, roles, groups) = (&lines.rules, &lines.roles, &lines.groups);
        let subjects = rules
            .iter()
            .map(|rule| &rule.subject)
            .chain(roles.iter().map(|link| &link.from));
        let projects = rules
            .iter()
            .map(|rule| &rule.key)
            .chain(groups.iter().map(|link| &link.from));
        let frozen = calendar.freezes.iter().flat_map(|freeze| &freeze.environments);
        let environments = rules.iter().map(|rule| &rule.environment).chain(frozen);
        let named = Named {
            all_differ: !model.standard,
            subjects: subjects.cloned().collect(),
            projects: projects.cloned().collect(),
            environments: environments.filter(|&name| name != ANY).cloned().collect(),
        };
        Self {
            calendar,
            digest: files.digest(),
            files,
            knows_unlock: lines.know_unlock(),
            lines,
            judge,
            named,
            groups: model.groups,
            answers: RwLock::default(),
            open: Mutex::new((i64::MIN, Arc::from(""))),
        }
    }

    /// The roles that `names` have, directly or through another role, in the order they are found.
    pub fn roles_of(&self, names: &[String]) -> Vec<String> {
        let mut known: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut next = 0;
        while let Some(&name) = known.get(next) {
            for link in self.lines.roles.iter().filter(|link| link.from == name) {
                if !known.contains(&link.to.as_str()) {
                    known.push(&link.to);
                }
            }
            next += 1;
        }
        known.into_iter().skip(names.len()).map(str::to_owned).collect()
    }

    /// The users that lines name, each once, in the order of their names.
    pub fn users(&self) -> BTreeSet<&str> {
        let in_roles = self.lines.roles.iter().map(|link| link.from.as_str());
        let in_rules = self.lines.rules.iter().map(|rule| rule.subject.as_str());
        in_roles
            .chain(in_rules)
            .filter(|name| is_user(name) && *name != GUEST)
            .collect()
    }

    /// Whether its matcher is the shipped one, so that it can be worked out without casbin.
    pub fn is_standard(&self) -> bool {
        !self.named.all_differ
    }

    /// What casbin is asked through.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// The rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.lines.rules
    }

    /// The lines of every kind.
    pub fn lines(&self) -> &PolicyLines {
        &self.lines
    }

    /// Whether there are groups of projects and areas.
    pub fn knows_groups(&self) -> bool {
        self.groups
    }

    /// The line of the rule at `index`.
    pub fn line(&self, index: usize) -> Option<PolicyLine> {
        self.rules().get(index).map(|rule| PolicyLine {
            policy: Some(self.digest.clone()),
            ..rule.line.clone()
        })
    }

    /// Of whom the second person has to be that `allowance` takes, each once, in the order of the file.
    pub fn second_of(&self, allowance: &Allowance) -> Vec<String> {
        let rules: BTreeSet<usize> = allowance.with.iter().copied().collect();
        let mut second: Vec<String> = Vec::new();
        for one in rules
            .into_iter()
            .filter_map(|rule| self.rules().get(rule)?.second.as_ref())
        {
            if !second.contains(one) {
                second.push(one.clone());
            }
        }
        second
    }

    /// Decides for somebody with these names.
    ///
    /// Seeing a project as a whole is allowed when any environment of it may be seen. Everything
    /// else done to a project as a whole is done to all its environments: no line may deny it for
    /// one of them.
    ///
    /// Reading an area is allowed by a line for it or by the right to all that includes it; a line that
    /// denies it overrides both.
    pub fn decide(&self, names: &[String], action: Action, resource: &Resource, at: Instant) -> Verdict {
        if let Resource::Area(area) = resource
            && area.actions().contains(&action)
        {
            return match self.decide_own(names, *area, at) {
                Verdict::Silent => self.decide_place(names, area.right_to_all(), &Resource::Everything, at),
                own => own,
            };
        }
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

    /// What lines for an area itself say about reading it.
    pub fn decide_own(&self, names: &[String], area: Area, at: Instant) -> Verdict {
        let one = |action: &Action| self.decide_place(names, *action, &Resource::Area(area), at);
        let mut all: Vec<Verdict> = area.actions().iter().map(one).collect();
        let denied = all.iter().position(|one| matches!(one, Verdict::Denied(_)));
        let best = denied.or_else(|| all.iter().position(Verdict::is_allowed));
        best.map_or(Verdict::Silent, |place| all.swap_remove(place))
    }

    /// Whether a line names the project of `resource`.
    pub fn names_project(&self, resource: &Resource) -> bool {
        let key = self.key(resource);
        let in_groups = self.lines.groups.iter().map(|link| link.from.as_str());
        let mut keys = in_groups.chain(self.lines.rules.iter().map(|rule| rule.key.as_str()));
        keys.any(|one| one == key)
    }

    /// The environments named in the policy.
    pub fn environments(&self) -> impl Iterator<Item = &str> {
        self.named.environments.iter().map(String::as_str)
    }

    /// The same, as environments of `project`.
    pub fn parts(&self, project: &str) -> impl Iterator<Item = Resource> {
        self.environments()
            .map(move |name| Resource::Environment(project.to_owned(), name.to_owned()))
    }

    pub fn decide_place(
        &self,
        names: &[String],
        action: Action,
        resource: &Resource,
        at: Instant,
    ) -> Verdict {
        if matches!(resource, Resource::Area(_)) && !self.groups {
            return Verdict::Silent;
        }
        let (open, frozen) = (self.open_windows(at), self.freezes(resource, at));
        let mut decided = Verdict::Silent;
        for name in names {
            decided = match (self.answer(name, action, resource, &open, &frozen), decided) {
                (denied @ Verdict::Denied(_), _) => return denied,
                (Verdict::Silent, before) => before,
                (Verdict::Allowed(more), Verdict::Allowed(before)) => Verdict::Allowed(before.or(more)),
                (allowed, _) => allowed,
            };
        }
        decided
    }

    /// The windows of the freezes in force for `resource`, as casbin gets them.
    pub fn freezes(&self, resource: &Resource, at: Instant) -> String {
        let mut windows = String::new();
        // Most calendars have none, and a page asks a thousand times.
        for freeze in self.calendar.freezes_for(resource, at) {
            if windows.is_empty() {
                windows.push_str(FREEZE);
            }
            windows.push(' ');
            windows.push_str(&window_key(&freeze.window()));
        }
        windows
    }

    /// The answer for one name, from memory if it was asked before.
    fn answer(&self, name: &str, action: Action, resource: &Resource, open: &str, frozen: &str) -> Verdict {
        let key = [
            self.named.subject(name),
            action.as_str(),
            self.named.project(&self.key(resource)),
            self.named.environment(resource.environment()),
            frozen,
            open,
        ]
        .join("\n");
        if let Some(known) = self.answers.read().get(&key) {
            return known.clone();
        }
        let verdict = self.ask(name, action, resource, &format!("{open} {frozen}"));
        let mut answers = self.answers.write();
        if answers.len() >= KEPT_ANSWERS {
            answers.clear();
        }
        answers.insert(key, verdict.clone());
        verdict
    }

    fn ask(&self, name: &str, action: Action, resource: &Resource, open: &str) -> Verdict {
        let Some(indices) = self.rules_for(name, action, resource, open) else {
            return Verdict::Denied(None);
        };
        if let Some(denied) = indices.iter().copied().find(|&index| self.rules()[index].deny) {
            return Verdict::Denied(Some(denied));
        }
        let takes_two = TWO_PERSON_ACTIONS.contains(&action.as_str());
        let alone = |index: &usize| !takes_two || self.rules()[*index].second.is_none();
        match (indices.iter().copied().find(alone), indices.first()) {
            (Some(rule), _) => Verdict::Allowed(Allowance {
                rule,
                with: Vec::new(),
            }),
            (None, Some(&rule)) => Verdict::Allowed(Allowance { rule, with: indices }),
            (None, None) => Verdict::Silent,
        }
    }

    /// The project of `resource` as casbin knows it.
    pub fn key<'r>(&self, resource: &'r Resource) -> Cow<'r, str> {
        match resource {
            Resource::Everything | Resource::Area(_) => resource.project().into(),
            Resource::Project(name) | Resource::Environment(name, _) => project_key(name, self.groups),
        }
    }

    /// What casbin is asked for `action`: for `unlock` the action `lock`, where no line knows the
    /// difference.
    pub fn asked(&self, action: Action) -> Action {
        match action {
            Action::Unlock if !self.knows_unlock => Action::Lock,
            action => action,
        }
    }

    /// The rules that match a question; `None` when casbin failed, which the probes at loading make
    /// unlikely.
    pub fn rules_for(
        &self,
        name: &str,
        action: Action,
        resource: &Resource,
        open: &str,
    ) -> Option<Vec<usize>> {
        let question = Question {
            subject: name,
            project: &self.key(resource),
            environment: resource.environment(),
            action: self.asked(action).as_str(),
            open,
        };
        let answer = self.judge.ask(&question);
        if let Err(trouble) = &answer {
            tracing::error!(%trouble, %action, %resource, "casbin could not decide; refused");
        }
        answer.ok()
    }

    /// The names of the windows open at `at`, without those of freezes, which depend on the resource.
    pub fn open_windows(&self, at: Instant) -> Arc<str> {
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
}
