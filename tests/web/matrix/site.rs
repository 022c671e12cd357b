//! A site with one of everything, made once and copied for each role and kind of login.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use deployer::access::{Access, Permit};
use deployer::app::accounts::{self, Keeping, NewUser};
use deployer::app::locks::{self, NewLock};
use deployer::app::logins::Logins;
use deployer::app::logins::code::CodeAct;
use deployer::app::second_factor::{self, FactorState};
use deployer::app::start;
use deployer::app::throttle::LoginLimits;
use deployer::app::tokens;
use deployer::clock::Clock;
use deployer::config::{Config, Secret};
use deployer::domain::{Actor, DeploymentState, Instant, PluginPlace, Resource, TokenScope};
use deployer::store::{Store, StoreOptions, clusters, environments};
use totp_rs::{Builder, Secret as TotpSecret};

use super::logins::{KINDS, LoginKind};
use crate::history::support::{asked, past, project, server};
use crate::support::databases::sealing_key;
use crate::support::oidc::{Provider, SECRET};
use crate::support::store::after;
use crate::web::outside::settings_of;
use crate::web::support::{PASSWORD, TestSite, add_user_to};
use crate::web::tokens::new;

/// Who asks, and what for.
pub struct Role {
    /// What the column is called.
    pub title: &'static str,
    /// The role of policy; empty for guests.
    role: &'static str,
    /// The group that gives it to whom a login tells groups of.
    pub group: &'static str,
    /// The project that is asked for.
    pub project: &'static str,
}

const fn role(title: &'static str, role: &'static str, group: &'static str) -> Role {
    Role {
        title,
        role,
        group,
        project: "shop",
    }
}

/// In the order of the columns. `own` may configure the vault alone, and asks for the shop; `out` is a developer who
/// asks for the vault, which is closed.
pub static ROLES: [Role; 8] = [
    role("gst", "", ""),
    role("vie", "role:reader", "readers"),
    role("dev", "role:developer", "developers"),
    role("rel", "role:releaser", "releasers"),
    role("aud", "role:auditor", "auditors"),
    role("own", "role:keeper", "keepers"),
    Role {
        project: "vault",
        ..role("out", "role:developer", "developers")
    },
    role("sys", "role:sysadmin", "sysadmins"),
];

impl Role {
    /// The kinds of login that it has.
    pub fn kinds(&self) -> &'static [LoginKind] {
        if self.role.is_empty() {
            &[LoginKind::Nothing]
        } else {
            &KINDS
        }
    }

    /// The number of the deployment and of the lock of its project.
    pub fn number(&self) -> &'static str {
        if self.project == "shop" { "1" } else { "2" }
    }

    /// The account of this role for a kind of login.
    pub fn account(&self, kind: LoginKind) -> String {
        match kind {
            LoginKind::Nothing => "guest".to_owned(),
            LoginKind::Password | LoginKind::Token | LoginKind::Impersonation => self.title.to_owned(),
            own => format!("{}-{}", self.title, own.word()),
        }
    }
}

/// Accounts with passwords: of each role, one that impersonates, and one that is asked about.
const OTHERS: [&str; 2] = ["boss", "victim"];
/// What is proven to the login proxy.
pub const PROXY_SECRET: &str = "between the proxy and us";

/// The installation that sites are copies of.
pub struct Template {
    dir: tempfile::TempDir,
    /// What each account with a second factor enters into its app.
    secrets: Vec<(String, String)>,
}

/// One copy, at work.
pub struct RoleSite {
    pub site: TestSite,
    pub clock: Clock,
    pub provider: Provider,
    /// What the app of the account with a second factor was told.
    pub app_secret: String,
    _dir: tempfile::TempDir,
}

/// Within business hours, and after all that was.
fn begin() -> Instant {
    after(24 * 3600)
}

fn operator() -> Permit {
    Access::local_operator("test", begin())
}

/// Beside the shipped lines: which account has which role, and what the vault is.
fn policy() -> String {
    let mut lines = "g3, vault, projects:closed\np, role:keeper, vault, *, configure, always, allow\n\
                     g, group:keepers, role:keeper\np, boss, *, *, impersonate, always, allow\n"
        .to_owned();
    for role in ROLES.iter().filter(|role| !role.role.is_empty()) {
        for kind in [LoginKind::Password, LoginKind::SecondFactor, LoginKind::Service] {
            lines.push_str(&format!("g, {}, {}\n", role.account(kind), role.role));
        }
    }
    lines
}

/// A plugin that knows one account of each role.
fn plugin() -> String {
    let known = ROLES.iter().map(|role| {
        let name = role.account(LoginKind::Plugin);
        let group = role.group;
        format!(
            "*'\"name\":\"{name}\"'*) echo '{{\"output\": {{\"name\": \"{name}\", \"groups\": [\"{group}\"]}}}}' ;;\n"
        )
    });
    format!("#!/bin/sh\ncase $(cat) in\n{}esac\n", known.collect::<String>())
}

/// A site with one of everything in each of two projects.
pub async fn filled() -> Template {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("login");
    std::fs::write(&program, plugin()).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let access = crate::support::world::access(dir.path(), &policy());
    let store = open(&dir.path().join("deployer.db")).await;
    store.migrate().await.unwrap();
    let config = Config {
        data_dir: dir.path().to_owned(),
        ..Config::default()
    };
    let app = start::assemble(config, store.clone(), access, Clock::set_to(begin()));
    let site = TestSite::over(app, store.clone()).await;
    let secrets = people(&site).await;
    things(&site).await;
    drop(site);
    store.close().await.unwrap();
    Template { dir, secrets }
}

async fn open(file: &Path) -> Store {
    let url = format!("sqlite://{}", file.display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    store.set_sealing_keys(vec![sealing_key()]);
    store
}

/// Adds the accounts: what those with a second factor enter into their apps.
async fn people(site: &TestSite) -> Vec<(String, String)> {
    for name in OTHERS {
        add_user_to(&site.store, &operator(), name).await;
    }
    // The first token is somebody else's.
    let victim = Actor::user("victim", "192.0.2.7");
    tokens::make_own(&site.app, &victim, new("other", TokenScope::default()))
        .await
        .unwrap();
    let mut secrets = Vec::new();
    for role in ROLES.iter().filter(|role| !role.role.is_empty()) {
        add_user_to(&site.store, &operator(), &role.account(LoginKind::Password)).await;
        let name = role.account(LoginKind::SecondFactor);
        add_user_to(&site.store, &operator(), &name).await;
        let secret = second_factor_of(site, &name).await;
        secrets.push((name, secret));
        let service = NewUser {
            name: role.account(LoginKind::Service).parse().unwrap(),
            display_name: String::new(),
            email: String::new(),
            password: None,
            keeping: Keeping::ForGood,
        };
        accounts::add(&site.store, &operator(), service).await.unwrap();
    }
    secrets
}

/// Sets up a second factor for the account `name`: what its app is told.
async fn second_factor_of(site: &TestSite, name: &str) -> String {
    let app = &site.app;
    let logins = Logins::new(LoginLimits::default());
    let (actor, now) = (Actor::user(name, "192.0.2.7"), begin());
    logins
        .begin_second_factor(app, &actor, PASSWORD, now)
        .await
        .unwrap();
    let user = deployer::store::users::by_name(&site.store, name).await.unwrap();
    let FactorState::Pending(setup) = second_factor::state(app, &user).await.unwrap() else {
        panic!("no second factor was begun");
    };
    let (act, code) = (CodeAct::Confirm, code(&setup.secret, now));
    logins
        .act_with_code(app, (&actor, &user), (act, &code), now)
        .await
        .unwrap();
    setup.secret
}

/// What an app that was told `secret` shows at `now`.
pub fn code(secret: &str, now: Instant) -> String {
    let secret = TotpSecret::try_from_base32(secret).unwrap();
    let totp = Builder::new().with_secret(secret).build().unwrap();
    totp.generate(now.timestamp().unsigned_abs()).to_string()
}

/// The same number is the shop's and the vault's: 1 and 2.
async fn things(site: &TestSite) {
    let host = server(site, "web1").await;
    let tx = crate::support::store::change(&site.store).await;
    let cluster = crate::support::store::cluster("web", &[host]);
    let cluster = clusters::insert(&tx, &cluster).await.unwrap();
    crate::support::store::bring_in(tx).await;
    for name in ["shop", "vault"] {
        let (project, mut places) = project(site, name, &["dev", "beta", "prod"]).await;
        let tx = crate::support::store::change(&site.store).await;
        for (position, place) in (1..).zip(&mut places) {
            place.position = position;
            place.clusters = vec![cluster.id];
            environments::update(&tx, place).await.unwrap();
        }
        crate::support::store::bring_in(tx).await;
        let ended = (asked(&project, &places[1], 1), DeploymentState::Succeeded);
        past(site, vec![ended]).await;
        let lock = NewLock {
            over: Resource::Environment(name.to_owned(), "prod".to_owned()),
            reason: "moving house".to_owned(),
            ends_at: None,
        };
        let by = Actor::user("sys", "192.0.2.7");
        locks::create(&site.app, &by, lock).await.unwrap();
    }
}

impl Template {
    /// A copy, whose provider lets somebody of this role in.
    pub async fn site(&self, role: &Role) -> RoleSite {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("deployer.db");
        std::fs::copy(self.dir.path().join("deployer.db"), &file).unwrap();
        let store = open(&file).await;
        let clock = Clock::set_to(begin() + TimeDelta::minutes(1));
        let provider = Provider::start().await;
        let ahead = (clock.now() - Clock::System.now()).num_seconds();
        let name = role.account(LoginKind::Oidc);
        provider.bend(|ways| {
            ways.claims =
                serde_json::json!({ "sub": name, "preferred_username": name, "groups": [role.group] });
            ways.ahead = ahead;
        });
        let config = config(dir.path(), self.dir.path().join("login"), &provider);
        let access = Access::load(&self.dir.path().join("policies")).unwrap();
        let app = start::assemble(config, store.clone(), access, clock.clone());
        let account = role.account(LoginKind::SecondFactor);
        let known = self.secrets.iter().find(|(name, _)| *name == account);
        RoleSite {
            site: TestSite::over(app, store).await,
            clock,
            provider,
            app_secret: known.map(|(_, secret)| secret.clone()).unwrap_or_default(),
            _dir: dir,
        }
    }
}

/// Every way to log in, open at once.
fn config(dir: &Path, program: PathBuf, provider: &Provider) -> Config {
    let mut config = Config {
        data_dir: dir.to_owned(),
        ..Config::default()
    };
    let groups: Vec<String> = ROLES.iter().map(|role| role.group.to_owned()).collect();
    config.login_proxy.addresses = vec!["127.0.0.0/8".parse().unwrap()];
    config.login_proxy.secret = Some(Secret::new(PROXY_SECRET));
    config.login_proxy.groups = groups.clone();
    config.login_plugin.place = Some(PluginPlace::Program(program));
    config.login_plugin.groups = groups.clone();
    let mut own = settings_of(provider.issuer(), SECRET);
    own.groups = groups;
    config.oidc.insert("own".to_owned(), own);
    config
}
