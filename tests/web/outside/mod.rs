//! Logins from outside: OpenID providers, a proxy that names people, a plugin that knows them.

mod ldap;
mod linking;
mod oidc;
mod oidc_refused;
mod plugin;
mod proxy;

use std::path::Path;

use deployer::access::Access;
use deployer::app::start;
use deployer::clock::Clock;
use deployer::config::{Config, OidcSettings, Secret};
use deployer::store::{AuditFilter, Page, audit};

use super::support::TestSite;
use crate::support::oidc::Provider;
use crate::support::store::TestStore;

/// What the proxy and an endpoint prove themselves by.
const SECRET: &str = "between the proxy and us";
/// The group may administer; ann and petra are named by policy and have no account.
const POLICY: &str =
    "p, group:ops, *, *, administer, always, allow\ng, ann, role:sysadmin\ng, petra, role:reader";

/// A site whose clock the test moves, with the accounts admin and bob.
struct Stage {
    site: TestSite,
    clock: Clock,
    _store: TestStore,
    _policies: tempfile::TempDir,
    /// Where programs of a test are.
    dir: tempfile::TempDir,
}

async fn stage(settle: impl FnOnce(&mut Config, &Path)) -> Stage {
    let store = TestStore::new().await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config {
        data_dir: store.database.directory.path().to_owned(),
        ..Config::default()
    };
    settle(&mut config, dir.path());
    let policies = tempfile::tempdir().unwrap();
    let access: Access = crate::support::world::access(policies.path(), POLICY);
    let clock = Clock::set_to(Clock::System.now());
    let app = start::assemble(config, store.store.clone(), access, clock.clone());
    let site = TestSite::over(app, store.store.clone()).await;
    for name in ["admin", "bob"] {
        site.add_user(name).await;
    }
    Stage {
        site,
        clock,
        _store: store,
        _policies: policies,
        dir,
    }
}

/// The settings of a provider, which believe the group `ops` and those of teams.
pub fn settings_of(issuer: &str, secret: &str) -> OidcSettings {
    OidcSettings {
        title: "Example & Sons".to_owned(),
        issuer: issuer.to_owned(),
        client_id: "deployer".to_owned(),
        client_secret: Some(Secret::new(secret)),
        groups: vec!["ops".to_owned(), "team-*".to_owned()],
        ..OidcSettings::default()
    }
}

/// A site with one provider, called `own`.
async fn with_provider(provider: &Provider) -> Stage {
    let own = settings_of(provider.issuer(), crate::support::oidc::SECRET);
    stage(|config, _| drop(config.oidc.insert("own".to_owned(), own))).await
}

impl Stage {
    /// The sentences of the audit log about people's logins, newest first.
    async fn told(&self) -> Vec<String> {
        let page = audit::list(&self.site.store, &AuditFilter::default(), Page::Newest, 100).await;
        let events = page.unwrap().items.into_iter().map(|one| one.event);
        events
            .map(|event| deployer::app::audit::words::sentence(&event))
            .collect()
    }
}
