exec(open('/tmp/slice4/apply.py').read().split("put('m2026")[0])
sub('src/web/settings.rs',('''    /// How often the viewer of an open''','''    /// The proxy that says who somebody is.
    pub login_proxy: Option<LoginProxy>,
    /// The cookie of another system that the login plugin is asked about; empty: none.
    pub plugin_cookie: String,
    /// How often the viewer of an open'''),
('''            check_viewers_every: CHECK''','''            login_proxy: LoginProxy::of(config),
            plugin_cookie: match config.logins.plugin {
                Some(_) => config.logins.plugin_cookie.clone(),
                None => String::new(),
            },
            check_viewers_every: CHECK'''),
('''impl Settings {
''','''/// A proxy that says who somebody is, and how it does.
#[derive(Debug, Clone)]
pub struct LoginProxy {
    pub addresses: Vec<Network>,
    pub secret: Option<Secret>,
    pub user_header: String,
    pub groups_header: String,
}

impl LoginProxy {
    fn of(config: &Config) -> Option<Self> {
        let logins = &config.logins;
        (!logins.proxy_addresses.is_empty()).then(|| Self {
            addresses: logins.proxy_addresses.clone(),
            secret: logins.proxy_secret.clone(),
            user_header: logins.proxy_user_header.to_lowercase(),
            groups_header: logins.proxy_groups_header.to_lowercase(),
        })
    }
}

impl Settings {
'''),
("use crate::config::{Config, Network};","use crate::config::{Config, Network, Secret};"))
sub('src/web/mod.rs',)
s=open(R+'src/web/mod.rs').read()
s=s.replace("mod look;\n","mod login_proxy;\nmod look;\n") if "\nmod look;\n" in s else s.replace("pub mod look;\n","mod login_proxy;\npub mod look;\n")
assert 'login_proxy' in s
open(R+'src/web/mod.rs','w').write(s)
sub('tests/house/floors.rs',('''                "kept",
                "principal",''','''                "kept",
                "login_proxy",
                "principal",'''))
a=open(R+'src/web/principal.rs').read()
i=a.index('/// The value of the header `name`, if there is just one'); j=a.index('fn no_token() -> Error')
a=a[:i]+a[j:]
open(R+'src/web/principal.rs','w').write(a)
sub('src/web/principal.rs',("use super::session;\n","use super::login_proxy::{self, ByProxy, only};\nuse super::session::{self, SeenFrom};\nuse super::cookies;\n"),
('''    /// An API token. No browser''','''    /// A proxy in front, which adds this to whatever a browser sends.
    Proxy {
        user: Box<User>,
        login: Box<OutsideLogin>,
    },
    /// An API token. No browser'''),
('''        let known = of_session(site, session, &address, now).await?;
        Ok(known.unwrap_or_else(|| Self::guest(&address)))
    }

    fn by_token''','''        if let Some(proxy) = &site.settings.login_proxy
            && let Some(named) = login_proxy::named(proxy, request)?
        {
            return Self::by_proxy(site, named, &address).await;
        }
        let mut known = of_session(site, session, &address, now).await?;
        if known.is_none()
            && request.method() == Method::GET
            && let Some(cookie) = cookies::read(request.headers(), &site.settings.plugin_cookie)
            && let Some(entered) = site.logins.by_cookie(&site.app, cookie, &address, now).await?
        {
            let from = SeenFrom::of(request.headers(), &address, now);
            session::sign_in(session, &entered, from).await?;
            known = of_session(site, session, &address, now).await?;
        }
        Ok(known.unwrap_or_else(|| Self::guest(&address)))
    }

    async fn by_proxy(site: &Site, named: ByProxy, address: &str) -> Result<Self> {
        let believed = &site.app.config().logins.proxy_groups;
        let login = OutsideLogin {
            provider: LoginProvider::Proxy,
            name: named.subject.clone(),
            subject: named.subject,
            display_name: String::new(),
            email: String::new(),
            groups: outside::groups(named.groups.into_iter(), believed),
        };
        let user = outside::account(&site.app, &login, address).await?;
        let actor = Actor {
            groups: login.groups.clone(),
            ..Actor::user(user.name.as_str(), address)
        };
        outside::note_login(&site.app, (&actor, &user), login.provider).await?;
        let (user, login) = (Box::new(user), Box::new(login));
        Ok(Self {
            actor,
            proof: Proof::Proxy { user, login },
        })
    }

    fn by_token'''),
('''            Proof::Session { user, .. } => Some(user),
            Proof::Token(holder)''','''            Proof::Session { user, .. } | Proof::Proxy { user, .. } => Some(user),
            Proof::Token(holder)'''),
('''    /// Whether somebody logged in: some of what an account does to itself takes that.
    pub fn is_session(&self) -> bool {
        matches!(self.proof, Proof::Session { .. })
    }
''','''    /// Whether it is by a session.
    pub fn is_session(&self) -> bool {
        matches!(self.proof, Proof::Session { .. })
    }

    /// Whether somebody sits at a browser: some of what an account does to itself takes that.
    pub fn is_person(&self) -> bool {
        matches!(self.proof, Proof::Session { .. } | Proof::Proxy { .. })
    }
'''),
('''            Proof::Guest | Proof::Token(_) => None,
        }
    }

    /// Whether another''','''            Proof::Guest | Proof::Proxy { .. } | Proof::Token(_) => None,
        }
    }

    /// Whether another'''),
('''            Proof::Guest | Proof::Session { .. } => true,
            Proof::Token(_) => false,''','''            Proof::Guest | Proof::Session { .. } | Proof::Proxy { .. } => true,
            Proof::Token(_) => false,'''),
('''            Proof::Token(holder) => return tokens''','''            Proof::Proxy { user, login } => {
                return outside::still_stands(&site.app, login, user).await.unwrap_or(true);
            }
            Proof::Token(holder) => return tokens'''),
("use poem::http::{HeaderMap, header};","use poem::http::{HeaderMap, Method, header};"),
("use crate::app::logins;\n","use crate::app::logins;\nuse crate::app::outside;\n"),
("use crate::domain::{Actor, Error, ErrorKind, Instant, Result, SignedIn};","use crate::domain::{Actor, Error, ErrorKind, Instant, LoginProvider, OutsideLogin, Result, SignedIn};"),
('''//! request is refused, and cookies are ignored.
''','''//! request is refused, and cookies are ignored; else, what the login proxy says, where there is one; else the
//! cookie of a session.
'''))
sub('src/web/pages/profile.rs',("    if visitor.principal().is_session() {\n        return Ok(own);","    if visitor.principal().is_person() {\n        return Ok(own);"))
