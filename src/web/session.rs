//! Browser sessions: a cookie with a random id, and what the store keeps under it.
//!
//! The sessions are tower-sessions' own; its layer does not fit poem, so [`open`] and [`close`] do
//! its work before and after a request. A visitor who is not logged in has no session: no row is
//! written for a robot that looks at the login page. Every use moves the end of a session; to spare
//! a write per request, the end moves at most once per [`TOUCH_EVERY`]. However much it is used, a session
//! ends some time after its login.

use std::sync::Arc;
use std::time::Duration;

use poem::http::{HeaderMap, header};
use tower_sessions::session::{Error as SessionError, Id};
use tower_sessions::{Expiry, Session};

use super::flash::Flash;
use super::settings::Settings;
use super::{cookies, csrf};
use crate::app::logins::LoggedIn;
use crate::domain::{Error, HalfIn, Instant, Result, SignedIn};
use crate::store::sessions::{self, SessionRows};

/// The session cookie's name; over https browsers hold it to the `__Host-` rules.
const COOKIE: &str = "deployer_session";
/// The cookie by which a login knows a browser that logged in before.
const DEVICE_COOKIE: &str = "deployer_device";
/// Longer than most holidays.
const DEVICE_SECONDS: i64 = 180 * 24 * 3600;
/// The session's key for messages for the next page.
const FLASHES: &str = "flashes";
/// An unchanged session is written at most this often, to extend it and to note its use.
const TOUCH_EVERY: Duration = Duration::from_secs(5 * 60);
/// Where sessions end sooner, it is written this often until then.
const TOUCHES: u32 = 10;
/// How much is kept of what a browser calls itself.
const BROWSER_CHARS: usize = 300;
/// More messages than this for one next page would be noise.
const FLASH_LIMIT: usize = 8;

/// Where a session is used from.
#[derive(Debug, Clone, Copy)]
pub struct SeenFrom<'a> {
    /// An IP address.
    pub address: &'a str,
    /// What the browser calls itself.
    pub browser: &'a str,
    pub at: Instant,
}

impl<'a> SeenFrom<'a> {
    /// A request with these `headers` from `address`.
    pub fn of(headers: &'a HeaderMap, address: &'a str, at: Instant) -> Self {
        let browser = headers.get(header::USER_AGENT);
        let browser = browser.and_then(|name| name.to_str().ok()).unwrap_or_default();
        Self { address, browser, at }
    }
}

/// The session that the request's cookie names; nothing is read or written yet.
pub fn open(sessions: &SessionRows, settings: &Settings, headers: &HeaderMap) -> Session {
    let id = cookies::read(headers, &settings.cookie_name(COOKIE)).and_then(|value| value.parse().ok());
    of(id, sessions, settings)
}

/// The same session as the store has it by now.
pub fn again(session: &Session, sessions: &SessionRows, settings: &Settings) -> Session {
    of(session.id(), sessions, settings)
}

fn of(id: Option<Id>, sessions: &SessionRows, settings: &Settings) -> Session {
    let idle = time::Duration::seconds(settings.session_idle.as_secs().cast_signed());
    Session::new(id, Arc::new(sessions.clone()), Some(Expiry::OnInactivity(idle)))
}

/// Who is logged in with this session; notes its use when that is due. A session over the limit of its age
/// is ended.
pub async fn signed_in(
    session: &Session,
    settings: &Settings,
    address: &str,
    now: Instant,
) -> Result<Option<SignedIn>> {
    // Without a cookie the session has no id, and this reads nothing from the store.
    let Some(mut known) = session
        .get::<SignedIn>(SignedIn::KEY)
        .await
        .map_err(unavailable)?
    else {
        return Ok(None);
    };
    let since = *known.since.get_or_insert(known.seen);
    let age = (now - since).to_std().unwrap_or_default();
    if age >= settings.session_limit || known.until.is_some_and(|until| until <= now) {
        sign_out(session).await?;
        return Ok(None);
    }
    let unnoted = (now - known.seen).to_std().unwrap_or_default();
    if unnoted > settings.session_idle.min(TOUCH_EVERY * TOUCHES) / TOUCHES {
        known.seen = now;
        address.clone_into(&mut known.address);
        session.insert(SignedIn::KEY, &known).await.map_err(unavailable)?;
    }
    Ok(Some(known))
}

/// By what the store and the pages name the session; `None` while it is not stored.
pub fn key(session: &Session) -> Option<String> {
    session.id().map(|id| sessions::key(&id))
}

/// Logs `known` in, under a new session id, so that an id that leaked before is worthless.
pub async fn sign_in(session: &Session, known: &LoggedIn, from: SeenFrom<'_>) -> Result<()> {
    session.clear().await;
    session.cycle_id().await.map_err(unavailable)?;
    let signed_in = SignedIn {
        id: known.user.id,
        name: known.user.name.to_string(),
        groups: known.groups.clone(),
        stamp: known.stamp.clone(),
        second_factor: known.second_factor,
        csrf: csrf::new_secret(),
        seen: from.at,
        since: Some(from.at),
        until: known.until,
        provider: known.provider.clone(),
        address: from.address.to_owned(),
        browser: from.browser.chars().take(BROWSER_CHARS).collect(),
    };
    session
        .insert(SignedIn::KEY, signed_in)
        .await
        .map_err(unavailable)
}

/// Keeps a login that awaits its second factor, under a new session id. Until then the session is nobody's.
pub async fn keep_half(session: &Session, half: &HalfIn) -> Result<()> {
    session.clear().await;
    session.cycle_id().await.map_err(unavailable)?;
    session.insert(HalfIn::KEY, half).await.map_err(unavailable)
}

/// The login that awaits its second factor.
pub async fn half(session: &Session) -> Result<Option<HalfIn>> {
    session.get(HalfIn::KEY).await.map_err(unavailable)
}

/// Notes that a second factor was set up, or turned off, in this session.
pub async fn note_second_factor(session: &Session, is_on: bool) -> Result<()> {
    let known: Option<SignedIn> = session.get(SignedIn::KEY).await.map_err(unavailable)?;
    let Some(mut known) = known else { return Ok(()) };
    known.second_factor = is_on;
    session.insert(SignedIn::KEY, known).await.map_err(unavailable)
}

/// The mark that the browser got at an earlier login.
pub fn device<'a>(settings: &Settings, headers: &'a HeaderMap) -> Option<&'a str> {
    cookies::read(headers, &settings.cookie_name(DEVICE_COOKIE))
}

/// Marks the browser as one that logged in, if the login gave it a mark.
pub fn mark_device(settings: &Settings, headers: &mut HeaderMap, known: &LoggedIn) {
    if known.device.is_empty() {
        return;
    }
    let name = settings.cookie_name(DEVICE_COOKIE);
    cookies::set(headers, settings, &name, &known.device, DEVICE_SECONDS);
}

/// Forgets the session, here and in the browser.
pub async fn sign_out(session: &Session) -> Result<()> {
    session.flush().await.map_err(unavailable)
}

/// Leaves a message for the next page. Without a login it is dropped: it would cost a session.
pub async fn leave_flash(session: &Session, flash: Flash) -> Result<()> {
    if session.is_empty().await {
        return Ok(());
    }
    let flashes: Option<Vec<Flash>> = session.get(FLASHES).await.map_err(unavailable)?;
    let mut flashes = flashes.unwrap_or_default();
    flashes.retain(|one| *one != flash);
    flashes.push(flash);
    if flashes.len() > FLASH_LIMIT {
        flashes.remove(0);
    }
    session.insert(FLASHES, flashes).await.map_err(unavailable)
}

/// Takes the messages for this page.
pub async fn take_flashes(session: &Session) -> Result<Vec<Flash>> {
    // Removing marks the session as changed even where there is nothing to remove.
    if session.is_empty().await || session.get_value(FLASHES).await.map_err(unavailable)?.is_none() {
        return Ok(Vec::new());
    }
    let flashes = session.remove(FLASHES).await.map_err(unavailable)?;
    Ok(flashes.unwrap_or_default())
}

/// Writes what changed and sets the cookie. `had_cookie`: whether the request named a session.
pub async fn close(
    session: &Session,
    settings: &Settings,
    headers: &mut HeaderMap,
    had_cookie: bool,
) -> Result<()> {
    let name = settings.cookie_name(COOKIE);
    if session.is_empty().await {
        if had_cookie {
            cookies::set(headers, settings, &name, "", 0);
        }
        return Ok(());
    }
    if session.is_modified() {
        session.save().await.map_err(unavailable)?;
        let id = session.id().map(|id| id.to_string()).unwrap_or_default();
        let seconds = session.expiry_age().whole_seconds();
        cookies::set(headers, settings, &name, &id, seconds);
    }
    Ok(())
}

/// Whether the request carries a session cookie, valid or not.
pub fn has_cookie(settings: &Settings, headers: &HeaderMap) -> bool {
    cookies::read(headers, &settings.cookie_name(COOKIE)).is_some()
}

fn unavailable(source: SessionError) -> Error {
    Error::unavailable("Sessions cannot be read or written at the moment. Try again soon.").because(source)
}
