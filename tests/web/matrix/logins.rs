//! The kinds of login: what proves who somebody is, in every way there is.

use deployer::app::tokens;
use deployer::domain::TokenScope;
use reqwest::{Client, RequestBuilder};

use super::site::{PROXY_SECRET, Role, RoleSite, code};
use crate::web::support::{PASSWORD, browser, header, operator};
use crate::web::tokens::{new, token_of};

/// What proves who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoginKind {
    /// A guest proves nothing.
    Nothing,
    Password,
    /// A password and the code of an app.
    SecondFactor,
    /// An OpenID provider.
    Oidc,
    Proxy,
    Plugin,
    /// The token of a person, whose scope is everything.
    Token,
    /// The same of a service account.
    Service,
    /// The token of somebody else, who acts for the account.
    Impersonation,
}

/// All that a role with accounts has.
pub const KINDS: [LoginKind; 8] = [
    LoginKind::Password,
    LoginKind::SecondFactor,
    LoginKind::Oidc,
    LoginKind::Proxy,
    LoginKind::Plugin,
    LoginKind::Token,
    LoginKind::Service,
    LoginKind::Impersonation,
];

impl LoginKind {
    /// As the table calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Password => "password",
            Self::SecondFactor => "code",
            Self::Oidc => "oidc",
            Self::Proxy => "proxy",
            Self::Plugin => "plugin",
            Self::Token => "token",
            Self::Service => "service",
            Self::Impersonation => "acting",
        }
    }
}

/// Somebody at an address, with what proves who they are.
pub struct Sender {
    pub client: Client,
    /// The token of forms; empty where none is needed.
    pub csrf: String,
    /// What each request brings along.
    headers: Vec<(&'static str, String)>,
}

impl Sender {
    /// The request with what proves who sends it.
    pub fn proven(&self, request: RequestBuilder) -> RequestBuilder {
        let headers = self.headers.iter();
        headers.fold(request, |request, (name, value)| request.header(*name, value))
    }

    /// The token of the forms on the page at `path`.
    async fn form_token(&self, url: &str, path: &str) -> String {
        let request = self.proven(self.client.get(format!("{url}{path}")));
        let page = request.send().await.unwrap().text().await.unwrap();
        token_in(&page)
    }
}

fn token_in(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect(page);
    rest.split_once('"').unwrap().0.to_owned()
}

/// Somebody of this role who came in by this kind of login.
pub async fn sit_down(site: &RoleSite, role: &Role, kind: LoginKind) -> Sender {
    let mut sender = Sender {
        client: browser(),
        csrf: String::new(),
        headers: Vec::new(),
    };
    let account = role.account(kind);
    let url = &site.site.url;
    let page = match kind {
        LoginKind::Nothing => "/login",
        LoginKind::Password | LoginKind::SecondFactor | LoginKind::Plugin | LoginKind::Oidc => {
            log_in(site, &sender, &account, kind).await;
            "/profile"
        }
        LoginKind::Proxy => {
            sender.headers = vec![
                ("x-deployer-proxy-secret", PROXY_SECRET.to_owned()),
                ("x-forwarded-user", account),
                ("x-forwarded-groups", role.group.to_owned()),
            ];
            "/profile"
        }
        LoginKind::Token | LoginKind::Service | LoginKind::Impersonation => {
            sender.headers = by_token(site, account, kind).await;
            return sender;
        }
    };
    sender.csrf = sender.form_token(url, page).await;
    sender
}

/// Opens a session.
async fn log_in(site: &RoleSite, sender: &Sender, account: &str, kind: LoginKind) {
    let url = &site.site.url;
    if kind == LoginKind::Oidc {
        let begun = sender.client.get(format!("{url}/login/with/own?next="));
        let begun = begun.send().await.unwrap();
        let (code, state) = site.provider.log_in(header(&begun, "location"));
        let back = format!("{url}/login/with/own/back?code={code}&state={state}");
        let answer = sender.client.get(back).send().await.unwrap();
        assert_eq!(answer.status(), 303, "{account}");
        return;
    }
    let csrf = sender.form_token(url, "/login").await;
    let form = [("csrf", csrf.as_str()), ("name", account), ("password", PASSWORD)];
    let request = sender.client.post(format!("{url}/login")).form(&form);
    let mut answer = request.send().await.unwrap();
    if kind == LoginKind::SecondFactor {
        let page = answer.text().await.unwrap();
        let (csrf, code) = (token_in(&page), code(&site.app_secret, site.clock.now()));
        let form = [("csrf", csrf.as_str()), ("code", &code), ("next", "/")];
        let request = sender.client.post(format!("{url}/login/code")).form(&form);
        answer = request.send().await.unwrap();
    }
    assert_eq!(answer.status(), 303, "{account}");
}

/// The headers of a program that is `account`, or acts for it.
async fn by_token(site: &RoleSite, account: String, kind: LoginKind) -> Vec<(&'static str, String)> {
    let site = &site.site;
    let whole = TokenScope::default();
    let secret = match kind {
        LoginKind::Service => {
            let made = tokens::make(&site.store, &operator(), &account, new("ci", whole)).await;
            made.unwrap().secret
        }
        LoginKind::Impersonation => token_of(site, "boss", whole).await,
        _ => token_of(site, &account, whole).await,
    };
    let mut headers = vec![("authorization", format!("Bearer {secret}"))];
    if kind == LoginKind::Impersonation {
        headers.push(("x-impersonate-username", account));
    }
    headers
}
