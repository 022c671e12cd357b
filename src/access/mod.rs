//! Who may do what, where and when: casbin files that a sysadmin owns.
//!
//! A policy directory holds `model.conf`, `policy.csv`, `calendar.toml` and `tests.toml`
//! (`policies/README.md` tells a sysadmin about them). Loading goes through each in turn: `model`,
//! `calendar_file` and `lines` read and complain by line, `roles` checks the lines together, `judge`
//! gives them to a new casbin enforcer and tries it out, `expectations` runs the policy's own tests,
//! `suspicions` warns of what is hardly meant. Only then it becomes the [`Access`] in force, by exchanging one pointer; a broken directory leaves
//! the last good policy in force.
//!
//! Questions about a policy as a whole are [`OpenedPolicy`]'s: `lints` says what is hardly meant, `grid`
//! works out what all lines say together in all `states` of time, from which `who` and `diff` answer,
//! `explain`, `week` and `coverage` ask casbin. Pages ask the policy in force, or one that was, by
//! [`PolicyAnswers`].
//!
//! A decision is about an [`Actor`]'s names: the user, the groups from the login, and the user
//! `default`, whose rights everybody has. A deny for one of them overrides everything.

mod administrators;
mod answers;
mod calendar_file;
mod calendar_times;
mod cells;
mod columns;
mod coverage;
mod describe;
mod diff;
mod expectations;
mod explain;
mod files;
mod grid;
mod ical;
mod index;
mod judge;
mod layout;
mod lines;
mod lints;
mod load;
mod model;
mod opened;
mod other_times;
mod permit;
mod places;
mod policy;
mod policy_answers;
mod problem;
mod question;
mod rename;
mod rights;
mod rights_table;
mod roles;
mod rule;
mod scope;
mod seconds;
mod shift;
mod snapshot;
mod states;
mod suspicions;
#[cfg(test)]
mod tests;
mod verdict;
mod week;
mod who;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;

pub use diff::{PolicyDiff, RightsChange};
pub use explain::{Explanation, Ruling, SpeakingLine};
pub use files::{FILE_LIMIT, FilesStamp, PolicyFiles, SHIPPED};
pub use layout::aligned;
pub use lints::Existing;
pub use load::check;
pub use opened::{OpenedPolicy, names_for};
pub use permit::Permit;
pub use places::NamedPlaces;
pub use policy_answers::PolicyAnswers;
pub use problem::{PolicyReport, Problem, Severity};
pub use question::PolicyQuestion;
pub use rights_table::{AllowedTime, RightsRow, RightsTable};
pub use shift::Shift;
pub use snapshot::PolicySnapshot;
pub use suspicions::is_taken_for;
pub use week::{DaySpan, DrawnDay};
pub use who::{Holder, Holders};

use self::files::{FILES, Source};
use self::load::Followed;
use self::policy::Policy;
use self::scope::{decide, names_of, narrowing};
use self::verdict::Verdict;
use crate::domain::{Action, Actor, Area, Calendar, Instant, PolicyLine, Refusal, Resource};

/// Users that are named who may do something: administrators to whoever sets an installation up, others to whoever
/// was refused it.
const HOLDERS_SHOWN: usize = 3;
/// How many users of a policy are asked about to find them.
const LOOKED_AT: usize = 500;

tokio::task_local! {
    /// The policy that this task goes on seeing, whatever is read meanwhile, and the address of the [`Access`]
    /// that it belongs to.
    static STEADY: (usize, Arc<Policy>);
}

/// The policy in force.
pub struct Access {
    source: Source,
    policy: RwLock<Arc<Policy>>,
    problems: RwLock<Vec<Problem>>,
    /// The files that were last looked for, and their state when they were read.
    followed: RwLock<Followed>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Loads `model.conf`, `policy.csv`, `calendar.toml` and `tests.toml` of `dir`.
    ///
    /// # Errors
    /// All problems found, when at least one of them is an error.
    pub fn load(dir: &Path) -> Result<Self, Vec<Problem>> {
        Self::from_source(Source::Directory(dir.to_owned()))
    }

    /// The policy shipped inside the program, for when no directory is configured. It gives
    /// nothing to anybody but the user `admin` and the groups it names.
    pub fn builtin() -> Self {
        Self::from_source(Source::Builtin).expect("a test loads what is shipped")
    }

    /// As [`Access::load`]; where the files have errors, `kept` is in force until they are good.
    ///
    /// # Errors
    /// The problems of `dir`, when `kept` cannot be used either.
    pub fn load_or_kept(dir: &Path, kept: PolicyFiles) -> Result<Self, Vec<Problem>> {
        let broken = match Self::load(dir) {
            Ok(access) => return Ok(access),
            Err(problems) => problems,
        };
        let access = Self::from_source(Source::Kept(kept)).map_err(|_| broken.clone())?;
        Ok(Self {
            source: Source::Directory(dir.to_owned()),
            problems: RwLock::new(broken),
            ..access
        })
    }

    fn from_source(source: Source) -> Result<Self, Vec<Problem>> {
        let mut followed = Followed {
            names: FILES.map(str::to_owned).into(),
            stamp: FilesStamp::default(),
        };
        let (policy, report) = load::followed(&source, &mut followed);
        let policy = policy.ok_or_else(|| report.problems.clone())?;
        Ok(Self {
            source,
            policy: RwLock::new(Arc::new(policy)),
            problems: RwLock::new(report.problems),
            followed: RwLock::new(followed),
        })
    }

    /// The state of the files now; as long as it equals [`Access::stamp_read`] there is nothing to read.
    pub fn stamp(&self) -> FilesStamp {
        self.source.stamp(&self.followed.read().names)
    }

    /// The state of the files when they were last read.
    pub fn stamp_read(&self) -> FilesStamp {
        self.followed.read().stamp.clone()
    }

    /// The files in force at this moment, as they were read.
    pub fn files(&self) -> PolicyFiles {
        self.policy.read().files.clone()
    }

    /// The policy in force at this moment.
    pub fn snapshot(&self) -> PolicySnapshot {
        PolicySnapshot::new(Arc::clone(&self.policy.read()))
    }

    /// Whether it is the policy shipped inside the program, which nobody edits.
    pub fn is_shipped(&self) -> bool {
        matches!(self.source, Source::Builtin)
    }

    /// The digest of the files in force at this moment.
    pub fn digest(&self) -> String {
        self.policy.read().digest.clone()
    }

    /// Lets `work` see the policy that is in force now throughout, so that its decisions never come from two
    /// policies. What it spawns sees each change at once.
    pub async fn steadily<F: Future>(&self, work: F) -> F::Output {
        STEADY.scope((self.address(), self.in_force()), work).await
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Reads the files again. When they are good they take effect as a whole; otherwise the policy in
    /// force stays, and [`Access::problems`] says why.
    ///
    /// # Errors
    /// The problems found, when at least one of them is an error.
    pub fn reload(&self) -> Result<(), Vec<Problem>> {
        let mut followed = self.followed.read().clone();
        let (policy, report) = load::followed(&self.source, &mut followed);
        *self.followed.write() = followed;
        *self.problems.write() = report.problems.clone();
        if let Some(policy) = policy {
            *self.policy.write() = Arc::new(policy);
            return Ok(());
        }
        for problem in report.problems.iter().filter(|problem| problem.is_error()) {
            tracing::error!(%problem, "the policy was not reloaded; the last good one stays in force");
        }
        Err(report.problems)
    }

    /// The problems of the files when they were last read: warnings, or the errors that keep an older
    /// policy in force.
    pub fn problems(&self) -> Vec<Problem> {
        self.problems.read().clone()
    }

    /// The permit for `actor` to do `action` on `resource` at `at`.
    ///
    /// Seeing a project as a whole needs the right to see one of its environments; doing anything
    /// else to a project as a whole needs a line for every environment (`*`), and none that denies
    /// it for one of them. [`Resource::Everything`] needs a line for every project (`*`).
    ///
    /// # Errors
    /// The refusal, with the line that decided and the next instant at which it would be allowed.
    pub fn permit(
        &self,
        actor: &Actor,
        action: Action,
        resource: &Resource,
        at: Instant,
    ) -> Result<Permit, Box<Refusal>> {
        let policy = self.in_force();
        let names = names_of(actor);
        let verdict = decide(&policy, actor, action, resource, at);
        let line = verdict.rule().and_then(|rule| policy.line(rule));
        if let (Verdict::Allowed(allowance), Some(line)) = (&verdict, &line) {
            let permit = Permit::new(actor.clone(), action, resource.clone(), at, line.clone());
            return Ok(permit.with(policy.second_of(allowance)));
        }
        // At no time is allowed what the scope of a token leaves out.
        let in_scope = narrowing(actor, action, resource).is_none();
        let outside_window = match in_scope {
            true => policy.outside_window(&names, action, resource, at),
            false => Vec::new(),
        };
        let another_time = in_scope && (line.is_some() || !outside_window.is_empty());
        let next_allowed = another_time
            .then(|| policy.next_allowed(&names, action, resource, at))
            .flatten();
        let (actor, resource) = (actor.clone(), resource.clone());
        Err(Box::new(Refusal {
            actor,
            action,
            resource,
            at,
            line,
            outside_window,
            next_allowed,
        }))
    }

    /// The permit for `actor` to read `area` at `at`: by a line for it, or by the right to all that it is
    /// part of. A line that denies it overrides both.
    ///
    /// # Errors
    /// The refusal.
    pub fn reading(&self, actor: &Actor, area: Area, at: Instant) -> Result<Permit, Box<Refusal>> {
        let policy = self.in_force();
        let own = policy.decide_own(&names_of(actor), area, at);
        let all = || self.permit(actor, area.right_to_all(), &Resource::Everything, at);
        let one = || self.permit(actor, Action::View, &Resource::Area(area), at);
        match own {
            Verdict::Denied(_) => one(),
            Verdict::Allowed(_) => all().or_else(|_| one()),
            Verdict::Silent => all(),
        }
    }

    /// Whether [`Access::reading`] would give a permit.
    pub fn may_read(&self, actor: &Actor, area: Area, at: Instant) -> bool {
        self.may(actor, Action::View, &Resource::Area(area), at)
    }

    /// Whether `actor` is one of `subjects`: a user, or somebody with the role or of the group.
    pub fn is_one_of(&self, actor: &Actor, subjects: &[String]) -> bool {
        let (policy, names) = (self.in_force(), names_of(actor));
        let roles = policy.roles_of(&names);
        let mut known = names.iter().chain(&roles);
        known.any(|name| subjects.contains(name))
    }

    /// Whether [`Access::permit`] would give one: for hiding buttons and filtering lists, cheap
    /// enough to be asked a thousand times per page.
    pub fn may(&self, actor: &Actor, action: Action, resource: &Resource, at: Instant) -> bool {
        decide(&self.in_force(), actor, action, resource, at).is_allowed()
    }

    /// The calendar in force.
    pub fn calendar(&self) -> Calendar {
        self.in_force().calendar.clone()
    }

    /// The file of policy lines in force, as written.
    pub fn policy_text(&self) -> String {
        self.in_force()
            .files
            .0
            .get(files::POLICY)
            .cloned()
            .unwrap_or_default()
    }

    /// The roles that policy gives the user `name`, without those of groups that a login adds.
    pub fn roles_of(&self, name: &str) -> Vec<String> {
        self.in_force().roles_of(&names_of(&Actor::user(name, "")))
    }

    /// The users that the policy names and that a reader takes for `name`.
    pub fn named_like(&self, name: &str) -> Vec<String> {
        let policy = self.in_force();
        let users = policy.users().into_iter();
        let alike = users.filter(|user| is_taken_for(user, name));
        alike.map(str::to_owned).collect()
    }

    /// Some of the users that the policy names and that may administer everything at `at`.
    pub fn administrators(&self, at: Instant) -> Vec<String> {
        self.some_who_may((Action::Administer, &Resource::Everything), at, |_| true)
    }

    /// Some of the users that the policy names, that are `known`, and that may do this at `at`.
    pub fn some_who_may(
        &self,
        (action, resource): (Action, &Resource),
        at: Instant,
        known: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let policy = self.in_force();
        let users = policy.users().into_iter().filter(|name| known(name));
        let may = |name: &&str| decide(&policy, &Actor::user(*name, ""), action, resource, at).is_allowed();
        let found = users.take(LOOKED_AT).filter(may).take(HOLDERS_SHOWN);
        found.map(str::to_owned).collect()
    }

    /// The policy in force, to ask it questions.
    pub fn answers(&self) -> PolicyAnswers {
        PolicyAnswers::new(self.in_force())
    }

    fn in_force(&self) -> Arc<Policy> {
        let steady = STEADY.try_with(|(of, policy)| (*of == self.address()).then(|| Arc::clone(policy)));
        steady
            .ok()
            .flatten()
            .unwrap_or_else(|| Arc::clone(&self.policy.read()))
    }

    /// The permit for an administrative command on the deployer's own host. Its user can change the database
    /// and the policy files anyway, so policy could not stop them; the permit records who it was. It needs no
    /// policy, so a broken policy keeps nobody from fixing it.
    pub fn local_operator(os_user: &str, at: Instant) -> Permit {
        let line = PolicyLine {
            file: permit::HOST_FILE.to_owned(),
            line: 0,
            text: "command line on the deployer's host".to_owned(),
            policy: None,
        };
        let actor = Actor::user(os_user, "cli");
        Permit::new(actor, Action::Administer, Resource::Everything, at, line)
    }
}
