//! Browser sessions: a cookie with a random id, and what the store keeps under it.
//!
//! The sessions are tower-sessions' own; its layer does not fit poem, so [`open`] and [`close`] do
//! its work before and after a request. A visitor who is not logged in has no session: no row is
//! written for a robot that looks at the login page. Every use moves the end of a session; to spare
//! a write per request, the end moves at most once per [`TOUCH_EVERY`].

use std::sync::Arc;

use chrono::TimeDelta;
use poem::http::HeaderMap;
use serde::{Deserialize, Serialize};
use tower_sessions::session::{Error as SessionError, Id};
use tower_sessions::{Expiry, Session};

use super::flash::Flash;
use super::settings::Settings;
use super::{cookies, csrf};
use crate::app::logins::LoggedIn;
use crate::domain::{Error, Instant, Result, UserId};
use crate::store::sessions::SessionRows;

/// The session cookie's name; over https browsers hold it to the `__Host-` rules.
const COOKIE: &str = "deployer_session";
/// The cookie by which a login knows a browser that logged in before.
const DEVICE_COOKIE: &str = "deployer_device";
/// Longer than most holidays.
const DEVICE_SECONDS: i64 = 180 * 24 * 3600;
/// The session's key for [`SignedIn`].
const SIGNED_IN: &str = "who";
/// The session's key for messages for the next page.
const FLASHES: &str = "flashes";
/// An unchanged session is written at most this often, to extend it.
const TOUCH_EVERY: TimeDelta = TimeDelta::hours(1);
/// More messages than this for one next page would be noise.
const FLASH_LIMIT: usize = 8;

/// The person a session belongs to, as of the login.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedIn {
    pub id: UserId,
    /// The user's name in policy lines.
    pub name: String,
    /// The groups that came with the login.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Changes with the password; see [`LoggedIn::stamp`].
    pub stamp: String,
    /// The secret behind this session's form tokens.
    pub csrf: String,
    /// When the session was last written.
    pub seen: Instant,
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
    let days = time::Duration::days(i64::from(settings.session_days));
    Session::new(id, Arc::new(sessions.clone()), Some(Expiry::OnInactivity(days)))
}

/// Who is logged in with this session; extends the session when that is due.
pub async fn signed_in(session: &Session, now: Instant) -> Result<Option<SignedIn>> {
    // Without a cookie the session has no id, and this reads nothing from the store.
    let Some(mut known) = session.get::<SignedIn>(SIGNED_IN).await.map_err(unavailable)? else {
        return Ok(None);
    };
    if now - known.seen > TOUCH_EVERY {
        known.seen = now;
        session.insert(SIGNED_IN, &known).await.map_err(unavailable)?;
    }
    Ok(Some(known))
}

/// Logs `known` in, under a new session id, so that an id that leaked before is worthless.
pub async fn sign_in(session: &Session, known: &LoggedIn, now: Instant) -> Result<()> {
    session.clear().await;
    session.cycle_id().await.map_err(unavailable)?;
    let signed_in = SignedIn {
        id: known.user.id,
        name: known.user.name.to_string(),
        groups: known.groups.clone(),
        stamp: known.stamp.clone(),
        csrf: csrf::new_secret(),
        seen: now,
    };
    session.insert(SIGNED_IN, signed_in).await.map_err(unavailable)
}

/// The mark that the browser got at an earlier login.
pub fn device<'a>(settings: &Settings, headers: &'a HeaderMap) -> Option<&'a str> {
    cookies::read(headers, &settings.cookie_name(DEVICE_COOKIE))
}

/// Marks the browser as one that logged in.
pub fn mark_device(settings: &Settings, headers: &mut HeaderMap, known: &LoggedIn) {
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
    if flashes.len() > crate::sabotage::most("u18", FLASH_LIMIT) {
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
