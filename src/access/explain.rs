//! Why somebody may or may not do something at an instant, and when that changes next.

use std::collections::{BTreeSet, HashMap, VecDeque};

use serde::Serialize;

use super::policy::Policy;
use super::question::Question;
use super::rule::ANY;
use super::verdict::Verdict;
use crate::domain::{Action, Instant, PolicyLine, Resource};

/// How far ahead the next change is looked for: over a year, so that yearly holidays are seen.
const DAYS_AHEAD: u16 = 400;
/// Groups of which it is tried whether they would make an answer another one.
const GROUPS_TRIED: usize = 200;
/// Groups of those that are named.
const GROUPS_NAMED: usize = 3;
/// What the names of groups begin with.
const GROUP: &str = "group:";

/// Whether something is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ruling {
    pub allowed: bool,
    /// The roles, groups and users of whom one has to approve; empty: nobody has to.
    pub with: Vec<String>,
}

/// A line that speaks for or against something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpeakingLine {
    pub line: PolicyLine,
    /// From a name of who asks, over roles, to the subject of the line.
    pub way: Vec<String>,
}

/// Why somebody may or may not do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Their names for policy: the user, groups, and `default`, whose rights everybody has.
    pub names: Vec<String>,
    pub action: Action,
    /// What it is done to, in words.
    pub place: String,
    pub at: Instant,
    #[serde(flatten)]
    pub ruling: Ruling,
    /// The line that decided; `None` when no line speaks for it.
    pub line: Option<PolicyLine>,
    /// The lines that allow it at another time, where it is not allowed.
    pub outside_window: Vec<PolicyLine>,
    /// The next instant at which it is allowed, where it is not allowed now and one is near enough to be found.
    pub next_allowed: Option<Instant>,
    pub speak_for: Vec<SpeakingLine>,
    pub speak_against: Vec<SpeakingLine>,
    /// When it changes next, and to what; `None`: not within a year.
    pub next: Option<(Instant, Ruling)>,
}

impl Policy {
    /// Whether somebody of these names may do `action` on `resource` at `at`.
    pub fn ruling(&self, names: &[String], action: Action, resource: &Resource, at: Instant) -> Ruling {
        self.ruling_of(&self.decide(names, action, resource, at))
    }

    pub fn ruling_of(&self, verdict: &Verdict) -> Ruling {
        Ruling {
            allowed: verdict.is_allowed(),
            with: match verdict {
                Verdict::Allowed(allowance) => self.second_of(allowance),
                Verdict::Silent | Verdict::Denied(_) => Vec::new(),
            },
        }
    }

    /// Explains what [`Policy::decide`] answers.
    pub fn explain(&self, names: &[String], action: Action, resource: &Resource, at: Instant) -> Explanation {
        let verdict = self.decide(names, action, resource, at);
        let ruling = self.ruling_of(&verdict);
        let changes = self.calendar.changes(at, DAYS_AHEAD).into_iter();
        let mut later = changes.map(|change| (change, self.ruling(names, action, resource, change)));
        let next = later.find(|(_, then)| *then != ruling);
        let mut lines = Vec::new();
        for (place, action) in self.asked_places(names, action, resource, at, &verdict) {
            for name in names {
                lines.extend(self.speaking(name, action, &place, at));
            }
        }
        lines.sort_by_key(|(line, _): &(SpeakingLine, bool)| line.line.line);
        lines.dedup_by(|one, other| one.0.line == other.0.line);
        let (against, fore): (Vec<_>, Vec<_>) = lines.into_iter().partition(|(_, denies)| *denies);
        let plain = |lines: Vec<(SpeakingLine, bool)>| lines.into_iter().map(|(line, _)| line).collect();
        Explanation {
            names: names.to_vec(),
            action,
            place: resource.to_string(),
            at,
            line: verdict.rule().and_then(|rule| self.line(rule)),
            outside_window: match ruling.allowed {
                true => Vec::new(),
                false => self.other_lines(names, action, resource, at),
            },
            next_allowed: match ruling.allowed {
                true => None,
                false => self.next_allowed(names, action, resource, at),
            },
            ruling,
            speak_for: plain(fore),
            speak_against: plain(against),
            next,
        }
    }

    /// Some groups of which each alone would make the answer another one, if the login told it.
    pub fn deciding_groups(
        &self,
        names: &[String],
        action: Action,
        resource: &Resource,
        at: Instant,
    ) -> Vec<String> {
        let lines = self.lines();
        let in_rules = lines.rules.iter().map(|rule| rule.subject.as_str());
        let in_roles = lines.roles.iter().map(|link| link.from.as_str());
        let groups = in_rules.chain(in_roles).filter(|name| name.starts_with(GROUP));
        let groups: BTreeSet<&str> = groups
            .filter(|group| !names.iter().any(|name| name == group))
            .collect();
        let answer = self.ruling(names, action, resource, at);
        let decides = |group: &&str| {
            let with: Vec<String> = [*group]
                .into_iter()
                .map(str::to_owned)
                .chain(names.iter().cloned())
                .collect();
            self.ruling(&with, action, resource, at).allowed != answer.allowed
        };
        let tried = groups.into_iter().take(GROUPS_TRIED).filter(decides);
        tried
            .take(GROUPS_NAMED)
            .map(|group| group[GROUP.len()..].to_owned())
            .collect()
    }

    /// The lines that allow it at another time, with the policy that they are of.
    fn other_lines(
        &self,
        names: &[String],
        action: Action,
        resource: &Resource,
        at: Instant,
    ) -> Vec<PolicyLine> {
        let of_this = |line| PolicyLine {
            policy: Some(self.digest.clone()),
            ..line
        };
        let lines = self.outside_window(names, action, resource, at).into_iter();
        lines.map(of_this).collect()
    }

    /// What was asked in the end: the environment that decides about a project, or the right to
    /// everything that includes an area.
    pub fn asked_places(
        &self,
        names: &[String],
        action: Action,
        resource: &Resource,
        at: Instant,
        verdict: &Verdict,
    ) -> Vec<(Resource, Action)> {
        let mut asked = vec![(resource.clone(), action)];
        match resource {
            Resource::Project(project) => {
                let decides = |part: &Resource| self.decide_place(names, action, part, at) == *verdict;
                let whole = self.decide_place(names, action, resource, at);
                let part = self.parts(project).find(decides).filter(|_| whole != *verdict);
                asked.extend(part.map(|part| (part, action)));
            }
            Resource::Area(area) => {
                asked = area
                    .actions()
                    .iter()
                    .map(|&action| (resource.clone(), action))
                    .collect();
                asked.push((Resource::Everything, area.right_to_all()));
            }
            Resource::Everything | Resource::Environment(..) => {}
        }
        asked
    }

    /// The lines that speak for `name`, and whether each denies.
    pub fn speaking(
        &self,
        name: &str,
        action: Action,
        place: &Resource,
        at: Instant,
    ) -> Vec<(SpeakingLine, bool)> {
        let open = self.open_for(place, at);
        let question = Question {
            subject: name,
            project: &self.key(place),
            environment: place.environment(),
            action: self.asked(action).as_str(),
            open: &open,
        };
        let found = self.judge().matching(&question).unwrap_or_default().into_iter();
        found
            .filter_map(|index| {
                let rule = self.rules().get(index)?;
                let line = SpeakingLine {
                    line: self.line(index)?,
                    way: self.way(name, &rule.subject),
                };
                Some((line, rule.deny))
            })
            .collect()
    }

    /// From a name over roles to the subject of a line, as short as can be.
    pub fn way(&self, name: &str, subject: &str) -> Vec<String> {
        let roles = &self.lines().roles;
        let mut from: HashMap<&str, &str> = HashMap::new();
        let mut waiting = VecDeque::from([name]);
        while let Some(one) = waiting.pop_front() {
            for link in roles.iter().filter(|link| link.from == one) {
                if link.to != name && !from.contains_key(link.to.as_str()) {
                    from.insert(&link.to, one);
                    waiting.push_back(&link.to);
                }
            }
        }
        if subject == ANY || subject == name {
            return vec![name.to_owned()];
        }
        let (mut way, mut at) = (vec![subject.to_owned()], subject);
        while let Some(&before) = from.get(at) {
            way.push(before.to_owned());
            at = before;
        }
        way.reverse();
        way
    }

    /// The open windows as casbin gets them, those of freezes included.
    pub fn open_for(&self, place: &Resource, at: Instant) -> String {
        format!("{} {}", self.open_windows(at), self.freezes(place, at))
    }
}
