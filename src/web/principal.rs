//! Who sent a request, and what proves it.
//!
//! The gate makes one [`Principal`] for each request, before anything else looks at it. A request
//! proves its sender in one way only: if it has an `Authorization` header, that is an API token or the
//! request is refused, and cookies are ignored; else, what the login proxy says, where there is one; else the
//! cookie of a session. The calendar feed alone takes a token in its address.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use poem::Request;
use poem::http::{HeaderMap, Method, header};
use tower_sessions::Session;

use super::login_proxy::{self, NamedByProxy, only};
use super::session::{self, SeenFrom};
use super::settings::Settings;
use super::site::Site;
use super::{cookies, feed_secret};
use crate::app::logins::{self, Logins};
use crate::app::outside::{self, OutsideAccount};
use crate::app::tokens::{self, TokenHolder};
use crate::config::Network;
use crate::domain::user::User;
use crate::domain::{Actor, Error, ErrorKind, Instant, Result, SignedIn};

/// The sender of a request, and the proof.
#[derive(Debug, Clone)]
pub struct Principal {
    proof: Proof,
    actor: Actor,
}

/// What proves who the sender is.
#[derive(Debug, Clone)]
pub enum Proof {
    /// Nothing does.
    Guest,
    /// The cookie of a session that began with a login.
    Session {
        user: Box<User>,
        /// Whether a second factor was asked for, or was set up since.
        second_factor: bool,
        /// What said who this is, where their password did not.
        provider: Option<String>,
        /// When the session ends, where the login said so.
        until: Option<Instant>,
        /// The secret behind the tokens of this session's forms.
        form_secret: String,
    },
    /// A proxy in front, which adds this to whatever a browser sends.
    Proxy(Box<OutsideAccount>),
    /// An API token. No browser sends one by itself.
    Token(Box<TokenHolder>),
}

/// The header that names the account which the holder of a token acts for.
const IMPERSONATE: &str = "x-impersonate-username";

impl Principal {
    /// A guest at `address`.
    pub fn guest(address: &str) -> Self {
        Self {
            proof: Proof::Guest,
            actor: Actor::guest(address),
        }
    }

    /// The sender of `request`, which came with `session`.
    ///
    /// # Errors
    /// Unauthenticated for an `Authorization` header, unavailable where sessions cannot be read.
    pub async fn of(site: &Site, request: &Request, session: &Session, now: Instant) -> Result<Self> {
        let address = address(request, &site.settings);
        hint_at_undeclared_proxy(site, request);
        let for_account = for_account(request.headers())?;
        if has_authorization(request.headers()) {
            let Some(secret) = bearer(request.headers()) else {
                site.app.unknown_token(&address).await?;
                return Err(no_token());
            };
            let holder = site.tokens.holder(&site.app, secret, (&address, for_account));
            return holder.await.map(Self::by_token);
        }
        if for_account.is_some() {
            return Err(Error::invalid(
                "X-Impersonate-Username needs an API token in the Authorization header. Nothing was done.",
            ));
        }
        if let Some(secret) = feed_secret::named(request) {
            let holder = site.tokens.holder(&site.app, &secret, (&address, None)).await?;
            // An address is kept by calendar programs and logged by proxies.
            if !holder.only_views() {
                return Err(Error::new(
                    ErrorKind::Forbidden,
                    "The address of a calendar takes an API token whose scope is the action “view” alone.",
                ));
            }
            return Ok(Self::by_token(holder));
        }
        if let Some(proxy) = &site.settings.login_proxy
            && let Some(named) = login_proxy::named(proxy, request)?
        {
            return Self::by_proxy(site, named, &address).await;
        }
        let mut known = of_session(site, session, &address, now).await?;
        if known.is_none() && enter_by_cookie(site, request, session, (&address, now)).await? {
            known = of_session(site, session, &address, now).await?;
        }
        Ok(known.unwrap_or_else(|| Self::guest(&address)))
    }

    async fn by_proxy(site: &Site, named: NamedByProxy, address: &str) -> Result<Self> {
        let login = named.into_login(&site.app.config().login_proxy.groups);
        let known = outside::account(&site.app, &login, address).await?;
        let actor = Actor {
            groups: login.groups,
            ..Actor::user(known.user.name.as_str(), address)
        };
        outside::note_request(&site.app, &actor, &known).await?;
        Ok(Self {
            actor,
            proof: Proof::Proxy(Box::new(known)),
        })
    }

    fn by_token(holder: TokenHolder) -> Self {
        Self {
            actor: holder.actor.clone(),
            proof: Proof::Token(Box::new(holder)),
        }
    }

    /// Who this is after `session` was logged in within the same request.
    ///
    /// # Errors
    /// Unavailable where sessions cannot be read.
    pub async fn after_login(&self, site: &Site, session: &Session, now: Instant) -> Result<Self> {
        let known = of_session(site, session, &self.actor.address, now).await?;
        Ok(known.unwrap_or_else(|| Self::guest(&self.actor.address)))
    }

    /// The sender, for `access` and the audit log.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The account in whose name the request is made.
    pub fn user(&self) -> Option<&User> {
        match &self.proof {
            Proof::Session { user, .. } => Some(user),
            Proof::Proxy(known) => Some(&known.user),
            Proof::Token(holder) => Some(&holder.user),
            Proof::Guest => None,
        }
    }

    /// Whether it is by a session.
    pub fn is_session(&self) -> bool {
        matches!(self.proof, Proof::Session { .. })
    }

    /// Whether somebody sits at a browser: some of what an account does to itself takes that.
    pub fn is_person(&self) -> bool {
        matches!(self.proof, Proof::Session { .. } | Proof::Proxy(_))
    }

    /// What said who this is, as the store writes it; `None` where a password or a token did.
    pub fn provider(&self) -> Option<&str> {
        match &self.proof {
            Proof::Session { provider, .. } => provider.as_deref(),
            Proof::Proxy(known) => Some(known.identity.provider.as_str()),
            Proof::Guest | Proof::Token(_) => None,
        }
    }

    /// When the session ends, where the login said so.
    pub fn until(&self) -> Option<Instant> {
        match self.proof {
            Proof::Session { until, .. } => until,
            Proof::Guest | Proof::Token(_) | Proof::Proxy(_) => None,
        }
    }

    /// Whether the session was opened with a second factor, or one was set up in it.
    pub fn has_second_factor(&self) -> bool {
        matches!(self.proof, Proof::Session { second_factor, .. } if second_factor)
    }

    /// The secret behind the tokens of this principal's forms, if it has one of its own.
    pub fn form_secret(&self) -> Option<&str> {
        match &self.proof {
            Proof::Session { form_secret, .. } => Some(form_secret),
            Proof::Guest | Proof::Token(_) | Proof::Proxy(_) => None,
        }
    }

    /// Whether another site's page could make a browser send this proof: then forms need a token that
    /// only our pages hold. Guests' forms need one too, as a forged login form would log its victim
    /// in to the attacker's account.
    pub fn needs_form_token(&self) -> bool {
        match &self.proof {
            Proof::Guest | Proof::Session { .. } | Proof::Proxy(_) => true,
            Proof::Token(_) => false,
        }
    }

    /// Whether the same person is still logged in, long after the request began. True for guests, and
    /// while the store cannot be read.
    pub async fn still_stands(&self, site: &Site, session: &Session) -> bool {
        let user = match &self.proof {
            Proof::Guest => return true,
            Proof::Proxy(known) => {
                return outside::still_stands(&site.app, known).await.unwrap_or(true);
            }
            Proof::Token(holder) => return tokens::still_stands(&site.app, holder).await.unwrap_or(true),
            Proof::Session { user, .. } => user,
        };
        let session = session::again(session, &site.sessions, &site.settings);
        match of_session(site, &session, &self.actor.address, site.app.now()).await {
            Ok(found) => found.is_some_and(|found| found.user().map(|one| one.id) == Some(user.id)),
            Err(_) => true,
        }
    }
}

/// The person who is logged in with this session. A session is ended here if its account was deleted
/// or disabled, or has got another password.
async fn of_session(
    site: &Site,
    session: &Session,
    address: &str,
    now: Instant,
) -> Result<Option<Principal>> {
    let Some(signed_in) = session::signed_in(session, &site.settings, address, now).await? else {
        return Ok(None);
    };
    let SignedIn { id, name, stamp, .. } = &signed_in;
    let Some(user) = logins::still_known(&site.app, *id, name, stamp).await? else {
        session::sign_out(session).await?;
        return Ok(None);
    };
    Ok(Some(Principal {
        actor: Actor {
            groups: signed_in.groups,
            ..Actor::user(user.name.as_str(), address)
        },
        proof: Proof::Session {
            user: Box::new(user),
            second_factor: signed_in.second_factor,
            provider: signed_in.provider,
            until: signed_in.until,
            form_secret: signed_in.csrf,
        },
    }))
}

/// Logs in whoever asks for a page with the cookie of another system that the login plugin knows.
async fn enter_by_cookie(
    site: &Site,
    request: &Request,
    session: &Session,
    (address, now): (&str, Instant),
) -> Result<bool> {
    let cookie = Logins::foreign_cookie(&site.app).and_then(|name| cookies::read(request.headers(), name));
    let Some(cookie) = cookie.filter(|_| request.method() == Method::GET) else {
        return Ok(false);
    };
    let Some(entered) = site.logins.by_cookie(&site.app, cookie, address, now).await? else {
        return Ok(false);
    };
    session::sign_in(session, &entered, SeenFrom::of(request.headers(), address, now)).await?;
    Ok(true)
}

/// Whether a request has an `Authorization` header.
pub fn has_authorization(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION)
}

/// The secret of the one `Authorization: Bearer …` that a request has.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = only(headers, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// The account that the holder of a token acts for.
///
/// # Errors
/// Invalid where that is not one text.
fn for_account(headers: &HeaderMap) -> Result<Option<&str>> {
    match (headers.contains_key(IMPERSONATE), only(headers, IMPERSONATE)) {
        (false, _) => Ok(None),
        (true, Some(name)) => Ok(Some(name.trim())),
        (true, None) => Err(Error::invalid(
            "X-Impersonate-Username has to be there once and name one account. Nothing was done.",
        )),
    }
}

fn no_token() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "The Authorization header has to be “Bearer” and an API token, once. Nothing was done. People leave \
         the header out and log in with their name and password.",
    )
}

/// The address the request came from: the socket's, or the one that trusted proxies name.
pub fn address(request: &Request, settings: &Settings) -> String {
    let Some(peer) = request
        .remote_addr()
        .as_socket_addr()
        .map(|socket| socket.ip().to_canonical())
    else {
        return "local".to_owned();
    };
    let forwarded = request.headers().get_all("x-forwarded-for");
    let named: Vec<&str> = forwarded
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .collect();
    client_of(peer, &named, &settings.trusted_proxies).to_string()
}

/// Logs once that a proxy which the configuration does not name seems to be in front of us: all visitors then
/// share its address and its limit of login attempts.
fn hint_at_undeclared_proxy(site: &Site, request: &Request) {
    if !request.headers().contains_key("x-forwarded-for") {
        return;
    }
    let Some(socket) = request.remote_addr().as_socket_addr() else {
        return;
    };
    let peer = socket.ip().to_canonical();
    if is_trusted(peer, &site.settings.trusted_proxies) || site.hinted_at_proxy.swap(true, Ordering::Relaxed)
    {
        return;
    }
    tracing::warn!(
        %peer,
        "X-Forwarded-For came from {peer}, which is not among http.trusted_proxies, and is ignored. If that \
         is your proxy, add its address: until then everybody shares its limit of login attempts."
    );
}

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// Walks from the socket outwards for as long as each hop is a proxy we trust.
fn client_of(peer: IpAddr, named: &[&str], trusted: &[Network]) -> IpAddr {
    let mut client = peer;
    for hop in named.iter().rev() {
        if !is_trusted(client, trusted) {
            break;
        }
        match hop.trim().parse::<IpAddr>() {
            Ok(address) => client = address.to_canonical(),
            Err(_) => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_may_name_the_client() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let trusted = ["10.0.0.0/24".parse::<Network>().unwrap()];
        let claims = ["6.6.6.6", " 203.0.113.9", "10.0.0.2"];
        assert_eq!(client_of(ip("10.0.0.1"), &claims, &trusted), ip("203.0.113.9"));
        assert_eq!(
            client_of(ip("198.51.100.7"), &claims, &trusted),
            ip("198.51.100.7")
        );
        assert_eq!(client_of(ip("10.0.0.1"), &["nonsense"], &trusted), ip("10.0.0.1"));
    }
}
