//! What a page needs to know about a request and its sender.
//!
//! The gate makes one [`Visitor`] for each request; handlers take it as an argument. It gives the
//! [`Actor`] for every decision, the instant that the request is judged by, and the frame around the
//! page. [`Principal`] proves who the sender is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono_tz::Tz;
use poem::http::{HeaderMap, Method};
use poem::{FromRequest, Request, RequestBody};
use tower_sessions::Session;

use super::flash::Flash;
use super::frame::{Banner, Frame, NavRights, Section, Theme, nav};
use super::look::TabSign;
use super::principal::{self, Principal};
use super::settings::Settings;
use super::site::Site;
use super::{api_address, cookies, csrf, feed_secret, hook_address, session, urls};
use crate::app::App;
use crate::app::health::POLICY_FAULT;
use crate::domain::user::User;
use crate::domain::{Action, Actor, Area, Error, Instant, Resource, Result};

/// The cookie in which a script of the pages keeps the name of the browser's time zone.
const ZONE_COOKIE: &str = "deployer_zone";
/// Longer than anybody keeps a form open.
const FORM_COOKIE_SECONDS: i64 = 14 * 24 * 3600;

/// One visitor, for the length of one request. Cloning shares it.
#[derive(Clone)]
pub struct Visitor(Arc<Inner>);

struct Inner {
    site: Arc<Site>,
    principal: Principal,
    session: Session,
    had_session_cookie: bool,
    form_secret: String,
    form_secret_is_new: bool,
    form_secret_used: AtomicBool,
    theme: Theme,
    zone: Option<Tz>,
    path: String,
    is_question: bool,
    htmx: bool,
    json: bool,
    is_api: bool,
    has_authorization: bool,
    request_id: String,
    now: Instant,
}

impl Visitor {
    /// Identifies the sender. If that fails the visitor is a guest, and the error says why.
    pub(super) async fn open(site: &Arc<Site>, request: &Request, request_id: String) -> (Self, Result<()>) {
        let now = site.app.now();
        let (none, path) = (HeaderMap::new(), request.uri().path());
        // Style sheets are the same for everyone: they need no session, and a missing one must not
        // replace the secret of a guest's forms. Nor do hooks, which know their senders otherwise.
        let is_asset = path.starts_with("/static/") || hook_address::is_one(path);
        let has_authorization =
            principal::has_authorization(request.headers()) || feed_secret::named(request).is_some();
        let headers = if is_asset || has_authorization {
            &none
        } else {
            request.headers()
        };
        let session = session::open(&site.sessions, &site.settings, headers);
        let guest = || Principal::guest(&principal::address(request, &site.settings));
        let (principal, outcome) = if is_asset {
            (guest(), Ok(()))
        } else {
            match Principal::of(site, request, &session, now).await {
                Ok(principal) => (principal, Ok(())),
                Err(error) => (guest(), Err(error)),
            }
        };
        let form_cookie = form_cookie(&site.settings, headers);
        let brought = principal.form_secret().map(str::to_owned).or(form_cookie);
        let accepts = request.header("accept").unwrap_or_default();
        let is_api = api_address::is_api(path);
        let inner = Inner {
            site: Arc::clone(site),
            form_secret_is_new: brought.is_none() && !is_asset && !has_authorization,
            form_secret: brought.unwrap_or_else(csrf::new_secret),
            principal,
            session,
            had_session_cookie: session::has_cookie(&site.settings, headers),
            form_secret_used: AtomicBool::new(false),
            theme: Theme::of(cookies::read(headers, Theme::COOKIE).unwrap_or_default()),
            zone: cookies::read(headers, ZONE_COOKIE).and_then(zone_of),
            path: request
                .uri()
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            is_question: matches!(*request.method(), Method::GET | Method::HEAD),
            htmx: request.header("hx-request").is_some(),
            json: is_api || (accepts.contains("application/json") && !accepts.contains("text/html")),
            is_api,
            has_authorization,
            request_id,
            now,
        };
        (Self(Arc::new(inner)), outcome)
    }

    /// The same visitor after a login in this request.
    ///
    /// # Errors
    /// Unavailable where sessions cannot be read.
    pub(super) async fn logged_in(&self) -> Result<Self> {
        let inner = &self.0;
        let principal = inner
            .principal
            .after_login(&inner.site, &inner.session, inner.now);
        let principal = principal.await?;
        let secret = principal.form_secret().unwrap_or(&inner.form_secret);
        Ok(Self(Arc::new(Inner {
            site: Arc::clone(&inner.site),
            form_secret: secret.to_owned(),
            form_secret_is_new: false,
            form_secret_used: AtomicBool::new(false),
            principal,
            session: inner.session.clone(),
            path: inner.path.clone(),
            request_id: inner.request_id.clone(),
            ..**inner
        })))
    }

    /// Writes the session and the cookies that are due.
    pub(super) async fn close(&self, headers: &mut HeaderMap) -> Result<()> {
        let inner = &self.0;
        let settings = &inner.site.settings;
        session::close(&inner.session, settings, headers, inner.had_session_cookie).await?;
        if inner.form_secret_is_new && inner.form_secret_used.load(Ordering::Relaxed) {
            let name = settings.cookie_name(csrf::COOKIE);
            cookies::set(headers, settings, &name, &inner.form_secret, FORM_COOKIE_SECONDS);
        }
        Ok(())
    }

    /// The secret that form tokens of this request are checked against; `None` when the request came
    /// without one.
    pub(super) fn form_secret(&self) -> Option<&str> {
        (!self.0.form_secret_is_new).then_some(self.0.form_secret.as_str())
    }

    /// A token for the forms of one page.
    pub fn form_token(&self) -> String {
        self.0.form_secret_used.store(true, Ordering::Relaxed);
        csrf::mask(&self.0.form_secret)
    }

    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// The sender, for `access` and the audit log.
    pub fn actor(&self) -> &Actor {
        self.0.principal.actor()
    }

    pub fn user(&self) -> Option<&User> {
        self.0.principal.user()
    }

    /// See [`Principal::still_stands`].
    pub(super) async fn still_stands(&self) -> bool {
        let inner = &self.0;
        inner.principal.still_stands(&inner.site, &inner.session).await
    }

    /// The instant by which this request is judged.
    pub fn now(&self) -> Instant {
        self.0.now
    }

    /// The time zone that the browser told, if it did.
    pub fn zone(&self) -> Option<Tz> {
        self.0.zone
    }

    /// The session, for logging in and out.
    pub(super) fn session(&self) -> &Session {
        &self.0.session
    }

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

    /// Whether htmx sent it, to replace a part of the page.
    pub fn wants_fragment(&self) -> bool {
        self.0.htmx
    }

    /// Whether the sender is a program that reads JSON instead of HTML.
    pub fn wants_json(&self) -> bool {
        self.0.json
    }

    /// Whether the JSON API was asked.
    pub fn is_api(&self) -> bool {
        self.0.is_api
    }

    /// Whether the request has an `Authorization` header: then a login form is no answer to it.
    pub(super) fn has_authorization(&self) -> bool {
        self.0.has_authorization
    }

    /// The name of this request in the log.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// Where to go back to after a detour: this page, or the overview for requests that cannot be
    /// repeated.
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

    /// What surrounds the content of a page: title, navigation, messages. Takes the messages, unless
    /// the answer is a fragment, which does not show them.
    pub async fn frame(&self, title: impl Into<String>, section: Section) -> Result<Frame> {
        let flashes = if self.wants_fragment() {
            Vec::new()
        } else {
            session::take_flashes(&self.0.session).await?
        };
        Ok(Frame {
            flashes,
            ..self.frame_without_flashes(title, section)
        })
    }

    /// The same without a look at the session, for when that cannot be read.
    pub(super) fn frame_without_flashes(&self, title: impl Into<String>, section: Section) -> Frame {
        let may = |action| {
            let policy = self.app().policy();
            policy.may(self.actor(), action, &Resource::Everything, self.now())
        };
        let reads = |area| self.app().policy().may_read(self.actor(), area, self.now());
        let rights = NavRights {
            audits: reads(Area::Audit),
            admin: match may(Action::Configure) {
                true => Some(urls::admin()),
                false => ADMIN_PAGES
                    .into_iter()
                    .find_map(|(area, url)| reads(area).then(url)),
            },
        };
        Frame {
            title: title.into(),
            tab: TabSign::default(),
            user: self.user().map(|user| user.title().to_owned()),
            csrf: self.form_token(),
            theme: self.0.theme,
            nav: nav(section, rights),
            reads_policy: reads(Area::Policy),
            flashes: Vec::new(),
            banners: if may(Action::Administer) {
                banners(self.app())
            } else {
                Vec::new()
            },
            now: self.now(),
            here: self.return_path().to_owned(),
            search: String::new(),
        }
    }
}

/// Gives the address of a page.
type PageUrl = fn() -> &'static str;

/// Administrative pages that can be read by themselves.
const ADMIN_PAGES: [(Area, PageUrl); 3] = [
    (Area::Servers, urls::admin_servers),
    (Area::Users, urls::admin_users),
    (Area::Policy, urls::admin_policy),
];

/// Warnings that administrators see on every page.
fn banners(app: &App) -> Vec<Banner> {
    let problems = app.policy().problems();
    let first = problems.iter().find(|problem| problem.is_error());
    let banner = |problem| Banner {
        text: format!("{POLICY_FAULT} {problem}"),
        url: urls::admin_policy().to_owned(),
    };
    let audit = app.audit_fault().map(|text| Banner {
        text,
        url: urls::audit().to_owned(),
    });
    first.map(banner).into_iter().chain(audit).collect()
}

/// The zone that a cookie names: browsers' names have slashes, which some write as `%2F`.
fn zone_of(cookie: &str) -> Option<Tz> {
    cookie.replace("%2F", "/").parse().ok()
}

/// The secret of a guest's forms, which lies in a cookie of its own.
fn form_cookie(settings: &Settings, headers: &HeaderMap) -> Option<String> {
    cookies::read(headers, &settings.cookie_name(csrf::COOKIE))
        .filter(|value| csrf::is_secret(value))
        .map(str::to_owned)
}

impl<'a> FromRequest<'a> for Visitor {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let visitor = request.data::<Visitor>().cloned();
        Ok(visitor.ok_or_else(|| Error::internal("a handler runs outside the gate"))?)
    }
}
