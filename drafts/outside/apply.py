import os,shutil
R='/work/wt/identity/'
def put(src,dst):
    os.makedirs(os.path.dirname(R+dst),exist_ok=True); shutil.copy('/tmp/slice4/'+src,R+dst)
def sub(p,*pairs):
    s=open(R+p).read()
    for a,b in pairs:
        assert a in s,(p,a)
        s=s.replace(a,b,1)
    open(R+p,'w').write(s)
put('m20261129_000103_identities.rs','migrations/src/m20261129_000103_identities.rs')
put('domain_identity.rs','src/domain/identity.rs')
put('store_identities.rs','src/store/identities.rs')
put('app_outside.rs','src/app/outside.rs')
put('outside_plugin.rs','src/app/outside/plugin.rs')
put('plugin.rs','src/plugin.rs')
put('web_outside.rs','src/web/login_proxy.rs')
sub('migrations/src/lib.rs',("mod m20261129_000102_second_factors;\n","mod m20261129_000102_second_factors;\nmod m20261129_000103_identities;\n"),
 ("            Box::new(m20261129_000102_second_factors::Change),\n","            Box::new(m20261129_000102_second_factors::Change),\n            Box::new(m20261129_000103_identities::Change),\n"))
sub('src/domain/ids.rs',('''    /// An API token.
    TokenId;''','''    /// An API token.
    TokenId;
    /// By what an account is known outside.
    IdentityId;'''))
sub('src/domain/mod.rs',("pub mod health;\npub mod ids;","pub mod health;\npub mod identity;\npub mod ids;"),
 ("pub use health::HealthCheck;\n","pub use health::HealthCheck;\npub use identity::{Identity, LoginProvider, OutsideLogin, PluginPlace};\n"))
sub('src/store/mod.rs',("pub mod hops;\n","pub mod hops;\npub mod identities;\n"),
 ("[`users`], [`second_factors`],","[`users`], [`identities`], [`second_factors`],"))
sub('src/store/entities/people.rs',('''entity!(second_factors,''','''entity!(identities, "identities" {
    #[sea_orm(primary_key)]
    id: i64,
    user_id: i64,
    provider: String,
    subject: String,
    created_at: i64,
});

entity!(retired_names, "retired_names" {
    #[sea_orm(primary_key)]
    id: i64,
    name_key: String,
});

entity!(second_factors,'''))
sub('src/store/users.rs',('''    by_id(change, id).await?;
    Entity::delete_by_id(id.0).exec(change.connection()).await?;
    Ok(())
}''','''    let user = by_id(change, id).await?;
    Entity::delete_by_id(id.0).exec(change.connection()).await?;
    if !is_retired(change, &user.name).await? {
        let row = retired_names::ActiveModel {
            id: NotSet,
            name_key: Set(key(user.name.as_str())),
        };
        row.insert(change.connection()).await?;
    }
    Ok(())
}

/// Whether an account had the name that was deleted.
pub async fn is_retired(on: &impl Reader, name: &Name) -> Result<bool> {
    let found = retired_names::Entity::find()
        .filter(retired_names::Column::NameKey.eq(key(name.as_str())))
        .one(on.db())
        .await?;
    Ok(found.is_some())
}'''),
 ("use super::entities::users::{ActiveModel, Column, Entity, Model};","use super::entities::retired_names;\nuse super::entities::users::{ActiveModel, Column, Entity, Model};"),
 ("use crate::domain::{Error, Instant, Result, User, UserId};","use crate::domain::{Error, Instant, Name, Result, User, UserId};"),
 ("/// Deletes a user. What they did","/// Deletes a user, and remembers the name. What they did"))
sub('src/domain/event.rs',('''        /// Somebody began to set up a second factor.''','''        /// An administrator linked an account to a login from outside.
        IdentityLinked = "user.linked", "Login linked";
        IdentityUnlinked = "user.unlinked", "Login unlinked";
        /// Somebody began to set up a second factor.'''))
sub('src/access/mod.rs',('''    /// Some of the users that the policy names and''','''    /// Whether the policy names the user `name`, in whatever case.
    pub fn names(&self, name: &str) -> bool {
        let policy = self.in_force();
        let mut users = policy.users().into_iter();
        users.any(|user| user.eq_ignore_ascii_case(name))
    }

    /// Some of the users that the policy names and'''))
sub('src/app/mod.rs',("pub mod naming;\n","pub mod naming;\npub mod outside;\n"))
sub('src/lib.rs',("pub mod process;\n","pub mod plugin;\npub mod process;\n"),
 ('''//! - [`web`]: pages,''','''//! - [`plugin`]: asks programs and HTTP endpoints of the sysadmin's, one document in, one out.
//! - [`web`]: pages,'''))
# config
sub('src/config/sections.rs',('''        /// Who has to have a second factor.
''','''        /// Addresses of the proxy that says who somebody is; none: no proxy does.
        proxy_addresses: Vec<Network> = Vec::new(), any;
        /// By what it proves itself.
        proxy_secret: Option<Secret> = None, long_secret;
        /// The header that names somebody.
        proxy_user_header: String = "X-Forwarded-User".to_owned(), header_name;
        /// The header with their groups, separated by commas.
        proxy_groups_header: String = "X-Forwarded-Groups".to_owned(), header_name;
        /// The groups that are believed; `*` at the end stands for anything.
        proxy_groups: Vec<String> = vec!["*".to_owned()], any;
        /// The program or endpoint that checks logins; `None`: accounts' own passwords only.
        plugin: Option<PluginPlace> = None, any;
        /// What signs questions to an endpoint.
        plugin_secret: Option<Secret> = None, long_secret;
        /// How long it may take.
        plugin_timeout: Duration = Duration::from_secs(10), some_time;
        /// As for the proxy.
        plugin_groups: Vec<String> = vec!["*".to_owned()], any;
        /// The cookie of another system that it is asked about; empty: none.
        plugin_cookie: String = String::new(), any;
        /// Who has to have a second factor.
'''),
('''/// Refuses an address that the store cannot open.''','''/// Refuses what cannot be the name of an HTTP header.
fn header_name(name: &String) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match !name.is_empty() && name.bytes().all(plain) {
        true => Ok(()),
        false => Err("must be the name of a header, such as \\"X-Forwarded-User\\"".to_owned()),
    }
}

/// Refuses a secret that can be guessed.
fn long_secret(secret: &Option<Secret>) -> Result<(), String> {
    const SHORTEST: usize = 16;
    match secret {
        Some(secret) if secret.expose().len() < SHORTEST => {
            Err(format!("must have at least {SHORTEST} characters"))
        }
        _ => Ok(()),
    }
}

/// Refuses an address that the store cannot open.'''))
s=open(R+'src/config/sections.rs').read()
s=s.replace("use crate::domain::{DatabaseUrl, Network, OtherHost, ProxyException};","use crate::domain::{DatabaseUrl, Network, OtherHost, PluginPlace, ProxyException};")
open(R+'src/config/sections.rs','w').write(s)
sub('src/config/values.rs',("use crate::domain::{Network, OtherHost, ProxyException, network};","use crate::domain::{Network, OtherHost, PluginPlace, ProxyException, network};"),
('''impl Value for OtherHost {''','''impl Value for PluginPlace {
    const EXPECTED: &'static str = "the absolute path of a program, or an address that begins with https://";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("must be {}, not “{text}”", Self::EXPECTED))
    }
}

impl Value for OtherHost {'''))
sub('src/config/mod.rs',('''            logins: LoginSettings::read(reader),
''','''            logins: read_logins(reader),
'''),('''/// The address of the SQLite file in''','''/// The settings of logins, checked together: a loopback address alone proves nothing, as every program of this host
/// has it.
fn read_logins(reader: &mut KeyReader<'_>) -> LoginSettings {
    let logins = LoginSettings::read(reader);
    let on_this_host = ["127.0.0.1", "::1"].into_iter().filter_map(|text| text.parse().ok());
    let mut on_this_host = on_this_host.filter(|address| {
        let mut networks = logins.proxy_addresses.iter();
        networks.any(|network| network.contains(*address))
    });
    if on_this_host.next().is_some() && logins.proxy_secret.is_none() {
        let message = "must be set where logins.proxy_addresses holds a loopback address: every program on this host could claim to be anybody";
        reader.complain("logins", "proxy_secret", message);
    }
    logins
}

/// The address of the SQLite file in'''))
sub('deployer.sample.toml',('''# "optional": whoever wants sets up''','''# Addresses or ranges of a login proxy that says in a header who somebody is, such as ["10.0.0.5"]. From
# elsewhere such a header is refused. Not set: no proxy does. The proxy has to remove the headers that
# browsers send.
proxy_addresses = []
# What the proxy sends in the header X-Deployer-Proxy-Secret, at least 16 characters; necessary where
# proxy_addresses holds a loopback address. Better by the environment: DEPLOYER__LOGINS__PROXY_SECRET.
proxy_secret = ""
# The header with the name, and the one with groups, separated by commas.
proxy_user_header = "X-Forwarded-User"
proxy_groups_header = "X-Forwarded-Groups"
# The groups that are believed; a * at the end stands for anything: ["deploy-*"].
proxy_groups = ["*"]
# A program ("/etc/deployer/login") or endpoint ("https://login.example.org/deployer") that checks names and
# passwords of whoever has no account with a password of its own. docs/logins.md has the protocol.
plugin = ""
# Signs questions to an endpoint; at least 16 characters. By the environment: DEPLOYER__LOGINS__PLUGIN_SECRET.
plugin_secret = ""
# How long an answer may take.
plugin_timeout = "10s"
# The groups that are believed, as for the proxy.
plugin_groups = ["*"]
# The name of another system's session cookie: somebody who is not logged in and has it is let in if the
# plugin knows it.
plugin_cookie = ""
# "optional": whoever wants sets up'''))
