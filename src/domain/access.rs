//! The vocabulary of permission: actors, actions, resources. The `access` module decides, and alone
//! can make a permit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::TokenId;
use super::names::Name;
use super::words::words;

/// The name under which a request without login acts.
pub const GUEST: &str = "default";
/// What expectations about the policy call a request without login.
pub const VISITOR: &str = "guest";
/// What expectations and pages call the installation as a whole.
pub const EVERYTHING: &str = "everything";
/// The account that deploys automatically on push.
pub const AUTO: &str = "auto";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The user name, as policy lines write it. [`GUEST`] when nobody is logged in.
    pub name: String,
    /// Groups from the login (single sign-on); policy writes them as `group:NAME`.
    pub groups: Vec<String>,
    /// The account that acts in the name of `name`, if any.
    pub impersonator: Option<String>,
    /// The API token that they act by, if any. Its scope narrows every permit.
    #[serde(default)]
    pub token: Option<UsedToken>,
    /// Where the request came from: an IP address, or `cli`.
    pub address: String,
}

impl Actor {
    /// The user `name` at `address`.
    pub fn user(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            groups: Vec::new(),
            impersonator: None,
            token: None,
            address: address.into(),
        }
    }

    /// A visitor who is not logged in.
    pub fn guest(address: impl Into<String>) -> Self {
        Self::user(GUEST, address)
    }

    /// Whether nobody is logged in.
    pub fn is_guest(&self) -> bool {
        self.name == GUEST
    }

    /// Whether the account `name` is behind it: in its own name, or acting as another one.
    pub fn is_by(&self, name: &str) -> bool {
        let behind = [Some(self.name.as_str()), self.impersonator.as_deref()];
        behind
            .into_iter()
            .flatten()
            .any(|one| one.eq_ignore_ascii_case(name))
    }

    /// The API token whose scope leaves `action` on `resource` out.
    pub(super) fn too_narrow_for(&self, action: Action, resource: &Resource) -> Option<&UsedToken> {
        let token = self.token.as_ref();
        token.filter(|token| !token.scope.includes(action, resource))
    }
}

words! {
    /// What policy can allow.
    Action {
        /// See pages, logs and history.
        View = "view", "View";
        /// Put a commit onto servers.
        Deploy = "deploy", "Deploy";
        /// Go back to an earlier release.
        Rollback = "rollback", "Roll back";
        /// End a deployment that runs or waits.
        Cancel = "cancel", "Cancel";
        /// Run a task of the project on its servers.
        Run = "run", "Run";
        /// Lock an environment, and lift one's own lock.
        Lock = "lock", "Lock";
        /// Lift or override the locks of others.
        Unlock = "unlock", "Unlock";
        /// Approve another account's deployment.
        Approve = "approve", "Approve";
        /// Read and verify the audit log.
        Audit = "audit", "Audit";
        /// Change projects, environments, servers, clusters; touch balancers by hand.
        Configure = "configure", "Configure";
        /// Act for another user.
        Impersonate = "impersonate", "Impersonate";
        /// Everything, users and policy included.
        Administer = "administer", "Administer";
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|action| action.as_str()).collect();
            let known = known.join(", ");
            format!("“{text}” is not an action; the actions are {known}")
        })
    }
}

/// The part of its account's rights that an API token has. It narrows what policy allows and adds nothing to
/// it. An empty list stands for all.
///
/// A version that does not know a way to narrow refuses the token, and never widens it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenScope {
    /// Viewing goes with each, and rolling back with deploying: an automatic rollback is part of its deployment.
    #[serde(default)]
    pub actions: Vec<Action>,
    #[serde(default)]
    pub projects: Vec<Name>,
    #[serde(default)]
    pub environments: Vec<Name>,
}

/// The API token that somebody acts by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedToken {
    pub id: TokenId,
    pub name: String,
    pub scope: TokenScope,
}

impl TokenScope {
    /// Whether it includes `action` on `resource`. A project as a whole is viewed where one of its environments
    /// is; `access` asks for these one by one.
    pub fn includes(&self, action: Action, resource: &Resource) -> bool {
        let named = |wanted| self.actions.is_empty() || self.actions.contains(&wanted);
        let acts = match action {
            // Who may look at a place reads the log, people, policy or servers only by an action for them.
            Action::View => match resource {
                Resource::Area(area) => {
                    let own = area
                        .actions()
                        .iter()
                        .copied()
                        .filter(|action| *action != Action::View);
                    let mut reading = own.chain([area.right_to_all(), Action::Administer]);
                    reading.any(named)
                }
                _ => true,
            },
            Action::Rollback => named(Action::Rollback) || named(Action::Deploy),
            _ => named(action),
        };
        // Acting for another account happens nowhere in particular; what is done then is asked for by itself.
        acts && (action == Action::Impersonate || self.reaches(action, resource))
    }

    /// Whether it is to view, and nothing else.
    pub fn only_views(&self) -> bool {
        self.actions == [Action::View]
    }

    fn reaches(&self, action: Action, resource: &Resource) -> bool {
        let holds = |names: &[Name], name: &str| {
            names.is_empty() || names.iter().any(|one| one.as_str().eq_ignore_ascii_case(name))
        };
        let everywhere = self.environments.is_empty();
        match resource {
            Resource::Everything | Resource::Area(_) => self.projects.is_empty() && everywhere,
            Resource::Project(project) => {
                holds(&self.projects, project) && (everywhere || action == Action::View)
            }
            Resource::Environment(project, environment) => {
                holds(&self.projects, project) && holds(&self.environments, environment)
            }
        }
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &[Name]| names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        if !self.actions.is_empty() {
            let words: Vec<&str> = self.actions.iter().map(|action| action.as_str()).collect();
            parts.push(words.join(", "));
        }
        if !self.projects.is_empty() {
            parts.push(format!("projects {}", names(&self.projects)));
        }
        if !self.environments.is_empty() {
            parts.push(format!("environments {}", names(&self.environments)));
        }
        match parts.is_empty() {
            true => f.write_str("all that the account may do"),
            false => f.write_str(&parts.join("; ")),
        }
    }
}

words! {
    /// What belongs to no project and can be read by itself.
    Area {
        /// The audit log.
        Audit = "audit", "the audit log";
        /// Accounts and their roles.
        Users = "users", "the users";
        /// The policy files and the calendar.
        Policy = "policy", "the policy";
        /// Servers, clusters and balancers.
        Servers = "servers", "the servers";
    }
}

/// What an action is done to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Resource {
    /// The installation itself: users, servers, clusters, audit log.
    Everything,
    /// A part of the installation. It is seen by whom a line names it for, whatever lines for every
    /// project say.
    Area(Area),
    /// A project as a whole. Seeing it is granted when seeing any of its environments is; every
    /// other action needs a line for all of them, and none that denies it for one.
    Project(String),
    /// An environment of a project: both names.
    Environment(String, String),
}

impl Area {
    /// Its name among projects, where it must not be taken for a project.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Audit => "area:audit",
            Self::Users => "area:users",
            Self::Policy => "area:policy",
            Self::Servers => "area:servers",
        }
    }

    /// The actions of lines for the area that let somebody read it.
    pub const fn actions(self) -> &'static [Action] {
        match self {
            Self::Audit => &[Action::View, Action::Audit],
            Self::Users | Self::Policy | Self::Servers => &[Action::View],
        }
    }

    /// The action on everything that includes reading it.
    pub const fn right_to_all(self) -> Action {
        match self {
            Self::Audit => Action::Audit,
            Self::Users => Action::Administer,
            Self::Policy | Self::Servers => Action::Configure,
        }
    }
}

impl Resource {
    /// The project's name in policy lines, `*` for the installation. An area has a name that no
    /// project can have.
    pub fn project(&self) -> &str {
        match self {
            Self::Everything => "*",
            Self::Area(area) => area.key(),
            Self::Project(project) | Self::Environment(project, _) => project,
        }
    }

    /// The environment's name in policy lines, `*` where none is named.
    pub fn environment(&self) -> &str {
        match self {
            Self::Everything | Self::Area(_) | Self::Project(_) => "*",
            Self::Environment(_, environment) => environment,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str(EVERYTHING),
            Self::Area(area) => f.write_str(area.title()),
            Self::Project(project) => f.write_str(project),
            Self::Environment(project, environment) => write!(f, "{project}/{environment}"),
        }
    }
}

/// A line of the policy file, as cited for a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyLine {
    /// File name, without folders.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// The line as written.
    pub text: String,
    /// The digest of the policy that it was a line of; `None` where that was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

impl fmt::Display for PolicyLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What the program itself allows stands in no file.
        match self.line {
            0 => f.write_str(&self.text),
            line => write!(f, "{}:{line}: {}", self.file, self.text),
        }
    }
}
