//! Who is at the other end of this request, and what a page needs to know of them.
//!
//! The gate makes one [`Visitor`] per request; handlers take it as an argument. It gives the
//! [`Actor`] for every decision, the instant that the request is judged by, and the frame that a
//! page stands in.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use poem::http::{HeaderMap, Method};
use poem::{FromRequest, Request, RequestBody};
use tower_sessions::Session;

use super::flash::Flash;
use super::frame::{Frame, Section, Theme};
use super::live::{Changes, Channels};
use super::session;
use super::{Settings, Site, csrf, urls};
use crate::app::App;
use crate::config::Network;
use crate::domain::user::User;
use crate::domain::{Actor, Error, Instant, Result};

/// Longer than a browser's year of keeping a form open would need.
const FORM_COOKIE_SECONDS: i64 = 14 * 24 * 3600;

/// One visitor, for the length of one request. Cloning shares it.
#[derive(Clone)]
pub struct Visitor(Arc<Inner>);

struct Inner {
    site: Arc<Site>,
    actor: Actor,
    user: Option<User>,
    session: Session,
    had_session_cookie: bool,
    form_secret: String,
    form_secret_is_new: bool,
    form_secret_used: AtomicBool,
    theme: Theme,
    path: String,
    is_question: bool,
    htmx: bool,
    json: bool,
    request_id: String,
    now: Instant,
}

impl Visitor {
    /// Reads who is there from cookies and address. Where the sessions cannot be read the
    /// visitor is a guest, and the error says so.
    pub(super) async fn open(site: &Arc<Site>, request: &Request, request_id: String) -> (Self, Result<()>) {
        let now = site.app.now();
        let (bare, path) = (HeaderMap::new(), request.uri().path());
        // Style sheets are the same for everybody: nobody is looked up for them, and nobody gets
        // another secret for their forms with one that is missing.
        let is_asset = path.starts_with("/static/");
        let headers = if is_asset { &bare } else { request.headers() };
        let session = session::open(&site.sessions, &site.settings, headers);
        let (signed_in, outcome) = match site.who(&session, now).await {
            Ok(signed_in) => (signed_in, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let address = address(request, &site.settings);
        let (user, session_secret) = signed_in.unzip();
        let actor = match &user {
            Some(user) => Actor::user(user.name.as_str(), &address),
            None => Actor::guest(&address),
        };
        let form_cookie = session::cookie(headers, &session::prefixed(&site.settings, csrf::COOKIE))
            .filter(|value| csrf::is_secret(value))
            .map(str::to_owned);
        let brought = session_secret.or(form_cookie);
        let accepts = request.header("accept").unwrap_or_default();
        let inner = Inner {
            site: Arc::clone(site),
            actor,
            form_secret_is_new: brought.is_none() && !is_asset,
            form_secret: brought.unwrap_or_else(csrf::new_secret),
            user,
            session,
            had_session_cookie: session::has_cookie(&site.settings, headers),
            form_secret_used: AtomicBool::new(false),
            theme: Theme::of(session::cookie(headers, Theme::COOKIE).unwrap_or_default()),
            path: request
                .uri()
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            is_question: matches!(*request.method(), Method::GET | Method::HEAD),
            htmx: request.header("hx-request").is_some(),
            json: accepts.contains("application/json") && !accepts.contains("text/html"),
            request_id,
            now,
        };
        (Self(Arc::new(inner)), outcome)
    }

    /// Writes the session and the cookies that are due.
    pub(super) async fn close(&self, headers: &mut HeaderMap) -> Result<()> {
        let inner = &self.0;
        let settings = &inner.site.settings;
        session::close(&inner.session, settings, headers, inner.had_session_cookie).await?;
        if inner.form_secret_is_new && inner.form_secret_used.load(Ordering::Relaxed) {
            let name = session::prefixed(settings, csrf::COOKIE);
            session::set_cookie(headers, settings, &name, &inner.form_secret, FORM_COOKIE_SECONDS);
        }
        Ok(())
    }

    /// The secret that form tokens of this request are checked against; `None` when the visitor
    /// brought none.
    pub(super) fn form_secret(&self) -> Option<&str> {
        (!self.0.form_secret_is_new).then_some(self.0.form_secret.as_str())
    }

    /// A token for the forms of one page.
    pub fn form_token(&self) -> String {
        self.0.form_secret_used.store(true, Ordering::Relaxed);
        csrf::mask(&self.0.form_secret)
    }

    /// The live streams of deployments.
    pub(super) fn channels(&self) -> &Channels {
        &self.0.site.channels
    }

    /// What counts changes of anything.
    pub(super) fn changes(&self) -> Changes {
        self.0.site.changes()
    }

    /// Where a page listens for changes of anything from now on. To be asked for before what the
    /// page shows is read, so that nothing falls in between; see `live/changes.rs`.
    pub fn live_url(&self) -> String {
        urls::live_after(self.changes().count())
    }

    /// Who asks, for `access` and the audit log.
    pub fn actor(&self) -> &Actor {
        &self.0.actor
    }

    /// Who is logged in, if anybody is.
    pub fn user(&self) -> Option<&User> {
        self.0.user.as_ref()
    }

    /// Whether by now, long after the request began, the same person is still logged in. Guests
    /// stay guests; what cannot be found out changes nothing.
    pub(super) async fn still_stands(&self) -> bool {
        let (inner, site) = (&self.0, &self.0.site);
        let Some(user) = &inner.user else {
            return true;
        };
        let session = session::again(&inner.session, &site.sessions, &site.settings);
        match site.who(&session, site.app.now()).await {
            Ok(found) => found.is_some_and(|(found, _)| found.id == user.id),
            Err(_) => true,
        }
    }

    /// The instant by which this request is judged.
    pub fn now(&self) -> Instant {
        self.0.now
    }

    /// The session, for logging in and out.
    pub(super) fn session(&self) -> &Session {
        &self.0.session
    }

    /// The use cases.
    pub fn app(&self) -> &App {
        &self.0.site.app
    }

    /// What the whole web part shares.
    pub fn site(&self) -> &Arc<Site> {
        &self.0.site
    }

    /// The local address that was asked for, with its query.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Whether htmx asks, and so for a fragment.
    pub fn wants_fragment(&self) -> bool {
        self.0.htmx
    }

    /// Whether a program asks that reads JSON and no HTML.
    pub fn wants_json(&self) -> bool {
        self.0.json
    }

    /// What this request is called in the log.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// The chosen colours.
    pub fn theme(&self) -> Theme {
        self.0.theme
    }

    /// Where to go back to after a detour: this page, or the overview for what cannot be asked
    /// for again.
    pub fn return_path(&self) -> &str {
        if self.0.is_question && !self.0.htmx {
            urls::local_or_overview(&self.0.path)
        } else {
            urls::overview()
        }
    }

    /// Leaves a message for the next page.
    pub async fn flash(&self, flash: Flash) -> Result<()> {
        session::leave_flash(&self.0.session, flash).await
    }

    /// What surrounds the content of a page: title, navigation, messages. Takes the messages.
    pub async fn frame(&self, title: impl Into<String>, section: Section) -> Result<Frame> {
        let flashes = session::take_flashes(&self.0.session).await?;
        Ok(Frame::new(self, title.into(), section, flashes))
    }
}

impl<'a> FromRequest<'a> for Visitor {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let visitor = request.data::<Visitor>().cloned();
        Ok(visitor.ok_or_else(|| Error::internal("a page stands outside the gate"))?)
    }
}

/// The address the request came from: the socket's, or what trusted proxies say.
fn address(request: &Request, settings: &Settings) -> String {
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

/// Walks from the socket outwards for as long as each hop is a proxy we trust.
fn client_of(peer: IpAddr, named: &[&str], trusted: &[Network]) -> IpAddr {
    let mut client = peer;
    for hop in named.iter().rev() {
        if !trusted.iter().any(|network| network.contains(client)) {
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
