//! What a policy with a shipped matcher answers, worked out for all subjects, places, actions and
//! states of time at once, without asking casbin.
//!
//! Serving never uses this: casbin decides. It is for questions about a policy as a whole: which
//! lines decide nothing, who may do what somewhere, what differs between two policies. Tests compare
//! it with casbin.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::answers::{answered, bit};
use super::columns::{TWO_PERSON_ACTIONS, is_project_group, project_key, project_of};
use super::lines::PolicyLines;
use super::model::CLOSED;
use super::policy::Policy;
use super::rule::{ANY, Rule};
use super::states::{StateSet, States};
use crate::domain::access::GUEST;
use crate::domain::calendar::{FREEZE, ONE_FREEZE};
use crate::domain::{Action, Freeze, Resource};

/// Stands for a project or environment that nothing names.
pub(super) const OTHER: &str = "";

/// Where something is asked: a project as casbin knows it, and an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Spot<'a> {
    /// [`ANY`]: the installation; [`OTHER`]: any project that nothing names.
    pub project: &'a str,
    /// [`ANY`]: the project as a whole; [`OTHER`]: any environment that nothing names.
    pub environment: &'a str,
}

/// The installation.
pub(super) const NOWHERE: Spot<'static> = Spot {
    project: ANY,
    environment: ANY,
};

impl<'a> Spot<'a> {
    /// As a question would name it, with words for what stands for others.
    pub fn resource(self) -> Resource {
        let word = |name: &'a str, other: &str| match name {
            OTHER => other.to_owned(),
            name => project_of(name).unwrap_or(name).to_owned(),
        };
        let project = word(self.project, "any other project");
        match (self.project, self.environment) {
            (ANY, _) => Resource::Everything,
            (_, ANY) => Resource::Project(project),
            (_, environment) => Resource::Environment(project, word(environment, "any other environment")),
        }
    }
}

/// What a subject may do at a spot, by the states of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorkedAnswer {
    /// Allowed without anybody else.
    pub alone: StateSet,
    /// Allowed together with a second person of this role, group or name; only where nothing allows it
    /// alone.
    pub with: Vec<(String, StateSet)>,
    /// Denied, whatever allows it.
    pub denied: StateSet,
}

impl WorkedAnswer {
    /// Allowed, with or without a second person.
    pub fn allowed(&self) -> StateSet {
        let mut allowed = self.alone.clone();
        for (_, states) in &self.with {
            allowed.add(states);
        }
        allowed
    }
}

/// A policy, prepared for being worked out.
pub(super) struct Grid<'p> {
    policy: &'p Policy,
    states: &'p States,
    /// Which of the states' calendars is the policy's.
    number: usize,
    by_subject: HashMap<&'p str, Vec<usize>>,
    roles: HashMap<&'p str, Vec<&'p str>>,
    /// The members of each group, as casbin knows them.
    members: HashMap<&'p str, HashSet<String>>,
    closed: HashSet<String>,
    /// The projects that freezes name, as casbin knows them.
    frozen: Vec<String>,
    /// By rule: the actions that it answers, as bits in the order of [`Action::ALL`].
    actions: Vec<u32>,
    /// By rule, when its window is open, if that is the same everywhere.
    windows: Vec<Option<StateSet>>,
}

impl<'p> Grid<'p> {
    pub fn new(policy: &'p Policy, states: &'p States, number: usize) -> Self {
        let lines = policy.lines();
        let mut by_subject: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, rule) in lines.rules.iter().enumerate() {
            by_subject.entry(&rule.subject).or_default().push(index);
        }
        let mut roles: HashMap<&str, Vec<&str>> = HashMap::new();
        for link in &lines.roles {
            roles.entry(&link.from).or_default().push(&link.to);
        }
        let members = members(lines);
        let nowhere = |_: &Freeze| false;
        let window = |rule: &Rule| {
            let is_same = rule.window != FREEZE && !rule.window.starts_with(ONE_FREEZE);
            is_same.then(|| states.open(number, &policy.calendar, &rule.window, nowhere))
        };
        let freezes = policy.calendar.freezes.iter();
        let named = freezes.flat_map(|freeze| freeze.projects.iter().chain(&freeze.members));
        Self {
            frozen: named
                .map(|name| project_key(name, policy.knows_groups()).into_owned())
                .collect(),
            closed: members.get(CLOSED).cloned().unwrap_or_default(),
            windows: lines.rules.iter().map(window).collect(),
            actions: answered(lines),
            policy,
            states,
            number,
            by_subject,
            roles,
            members,
        }
    }

    pub fn rules(&self) -> &'p [Rule] {
        self.policy.rules()
    }

    pub fn states(&self) -> &'p States {
        self.states
    }

    /// A name, the user whose rights everybody has, everybody, and the roles of all these.
    pub fn names_of<'n>(&self, subject: &'n str) -> Vec<&'n str>
    where
        'p: 'n,
    {
        let mut names: Vec<&str> = vec![subject];
        names.extend([GUEST, ANY].iter().filter(|one| **one != subject));
        let mut next = 0;
        while let Some(&name) = names.get(next) {
            for role in self.roles.get(name).into_iter().flatten() {
                if !names.contains(role) {
                    names.push(*role);
                }
            }
            next += 1;
        }
        names
    }

    /// The rules that count for somebody of this one name: those for it, its roles, everybody, and the
    /// user whose rights everybody has. In the order of the file.
    pub fn rules_of(&self, subject: &str) -> Vec<usize> {
        let names = self.names_of(subject);
        let mut rules: Vec<usize> = names
            .iter()
            .filter_map(|name| self.by_subject.get(*name))
            .flatten()
            .copied()
            .collect();
        rules.sort_unstable();
        rules
    }

    /// Whether a window has a beginning or an end.
    pub fn has_end(&self, window: &str) -> bool {
        let windows = &self.policy.calendar.windows;
        windows
            .get(window)
            .is_some_and(|one| one.from.is_some() || one.until.is_some())
    }

    /// The actions that the rule at `index` answers, as bits.
    pub fn bits(&self, index: usize) -> u32 {
        self.actions.get(index).copied().unwrap_or_default()
    }

    /// The projects that a rule is about; or `true`, and those that it leaves out.
    pub fn projects_of(&self, rule: &Rule) -> (bool, Vec<String>) {
        let opens = rule.deny || rule.action == Action::Administer.as_str();
        let sorted = |keys: Option<&HashSet<String>>| {
            let mut keys: Vec<String> = keys.into_iter().flatten().cloned().collect();
            keys.sort_unstable();
            keys
        };
        match rule.key.as_str() {
            ANY if opens => (true, Vec::new()),
            ANY => (true, sorted(Some(&self.closed))),
            key if is_project_group(key) => (false, sorted(self.members.get(key))),
            key => (false, vec![key.to_owned()]),
        }
    }

    /// What freezes there are: for what, by name, and when.
    pub fn freezes(&self) -> Vec<(String, StateSet)> {
        let calendar = &self.policy.calendar;
        let freezes = calendar.freezes.iter();
        let one = |freeze: &Freeze| {
            let states = self
                .states
                .open(self.number, calendar, &freeze.window(), |one| one == freeze);
            let lists = [&freeze.projects, &freeze.members, &freeze.environments];
            (format!("{} {lists:?}", freeze.name), states)
        };
        freezes.map(one).collect()
    }

    /// The spots that these rules can tell apart.
    pub fn spots(&self, rules: &[usize]) -> BTreeSet<Spot<'_>> {
        let all = self.rules();
        let own = || rules.iter().filter_map(|&rule| all.get(rule));
        let freezes = &self.policy.calendar.freezes;
        let mut projects: BTreeSet<&str> = BTreeSet::from([OTHER, ANY]);
        let mut environments: BTreeSet<&str> = BTreeSet::from([OTHER, ANY]);
        // What a rule for everything leaves out, or applies to during a freeze only.
        let lines = self.policy.lines();
        if own().any(|rule| rule.key == ANY) {
            projects.extend(
                lines
                    .groups
                    .iter()
                    .map(|link| link.from.as_str())
                    .filter(|key| self.closed.contains(*key)),
            );
        }
        for rule in own() {
            match self.members.get(rule.key.as_str()) {
                Some(_) => {
                    let keys = lines.groups.iter().map(|link| link.from.as_str());
                    projects.extend(keys.filter(|key| self.is_in(key, &rule.key)));
                }
                None => {
                    projects.insert(&rule.key);
                }
            }
            environments.insert(&rule.environment);
        }
        let is_freeze = |rule: &Rule| rule.window == FREEZE || rule.window.starts_with(ONE_FREEZE);
        if own().any(is_freeze) {
            projects.extend(self.frozen.iter().map(String::as_str));
            environments.extend(
                freezes
                    .iter()
                    .flat_map(|freeze| &freeze.environments)
                    .map(String::as_str),
            );
        }
        // Groups are not places.
        projects.retain(|project| !is_project_group(project));
        let mut spots = BTreeSet::new();
        for &project in &projects {
            let own = environments
                .iter()
                .map(|&environment| Spot { project, environment });
            spots.extend(own.filter(|spot| is_spot(*spot)));
        }
        spots
    }

    fn is_in(&self, project: &str, group: &str) -> bool {
        self.members
            .get(group)
            .is_some_and(|members| members.contains(project))
    }

    /// Whether `rule` is about `spot`.
    pub fn is_about(&self, rule: &Rule, spot: Spot<'_>) -> bool {
        self.is_of(rule, spot.project) && (rule.environment == ANY || rule.environment == spot.environment)
    }

    /// Whether `rule` is about `project` in some environment.
    fn is_of(&self, rule: &Rule, project: &str) -> bool {
        let opens = rule.deny || rule.action == Action::Administer.as_str();
        rule.key == ANY && (opens || !self.closed.contains(project))
            || rule.key == project
            || self.is_in(project, &rule.key)
    }

    /// Those of some rules that are about `project` in some environment.
    pub fn rules_about(&self, rules: &[usize], project: &str) -> Vec<usize> {
        let is_of = |rule: &usize| {
            self.rules()
                .get(*rule)
                .is_some_and(|rule| self.is_of(rule, project))
        };
        rules.iter().copied().filter(is_of).collect()
    }

    /// Whether the rule at `index` answers questions about `action`.
    pub fn answers(&self, index: usize, action: Action) -> bool {
        self.actions
            .get(index)
            .is_some_and(|bits| bits & bit(action) != 0)
    }

    /// When the rule at `index` counts at `spot`.
    pub fn window(&self, index: usize, spot: Spot<'_>) -> StateSet {
        if let Some(Some(states)) = self.windows.get(index) {
            return states.clone();
        }
        let Some(rule) = self.rules().get(index) else {
            return self.states.none().clone();
        };
        let named = |listed: &[String], name: &str| listed.iter().any(|one| one == name);
        let project = project_of(spot.project).unwrap_or(spot.project);
        let concerns = |freeze: &Freeze| {
            let of_project = freeze.projects.is_empty()
                || named(&freeze.projects, project)
                || named(&freeze.members, project);
            of_project && (freeze.environments.is_empty() || named(&freeze.environments, spot.environment))
        };
        self.states
            .open(self.number, &self.policy.calendar, &rule.window, concerns)
    }

    /// What some rules answer about `action` at `spot`.
    pub fn answer(&self, rules: &[usize], spot: Spot<'_>, action: Action) -> WorkedAnswer {
        let mut answer = WorkedAnswer {
            alone: self.states.none().clone(),
            with: Vec::new(),
            denied: self.states.none().clone(),
        };
        let takes_two = TWO_PERSON_ACTIONS.contains(&action.as_str());
        for &index in rules {
            let Some(rule) = self.rules().get(index) else {
                continue;
            };
            if !self.answers(index, action) || !self.is_about(rule, spot) {
                continue;
            }
            let states = self.window(index, spot);
            match &rule.second {
                _ if rule.deny => answer.denied.add(&states),
                Some(second) if takes_two => match answer.with.iter_mut().find(|(one, _)| one == second) {
                    Some((_, known)) => known.add(&states),
                    None => answer.with.push((second.clone(), states)),
                },
                _ => answer.alone.add(&states),
            }
        }
        answer.alone.take(&answer.denied);
        for (_, states) in &mut answer.with {
            states.take(&answer.denied);
            states.take(&answer.alone);
        }
        answer.with.retain(|(_, states)| !states.is_empty());
        answer.with.sort();
        answer
    }
}

/// Each project of some spots with each of their environments.
pub(super) fn crossed<'a>(spots: &BTreeSet<Spot<'a>>) -> BTreeSet<Spot<'a>> {
    let environments: BTreeSet<&str> = spots.iter().map(|spot| spot.environment).collect();
    let projects: BTreeSet<&str> = spots.iter().map(|spot| spot.project).collect();
    let with_each = |project| {
        let spot = move |environment| Spot { project, environment };
        environments.iter().copied().map(spot)
    };
    let crossed = projects.into_iter().flat_map(with_each);
    crossed.filter(|spot| is_spot(*spot)).collect()
}

/// The installation has no environments, nor have areas.
fn is_spot(spot: Spot<'_>) -> bool {
    let is_whole = spot.project == ANY || spot.project.starts_with("area:");
    !is_whole || spot.environment == ANY
}

/// The members of each group, over others too.
fn members(lines: &PolicyLines) -> HashMap<&str, HashSet<String>> {
    let mut members: HashMap<&str, HashSet<String>> = HashMap::new();
    for group in lines.groups.iter().map(|link| link.to.as_str()) {
        if !members.contains_key(group) {
            members.insert(group, lines.keys_in(group));
        }
    }
    members
}
