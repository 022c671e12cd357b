//! Who comes back: a cookie with a random id, and the session it names in the store.
//!
//! The sessions are tower-sessions' own; its layer does not fit poem, so [`open`] and [`close`]
//! do its work before and after a request. A visitor who is not logged in has no session: no row
//! is written for a robot that looks at the login page. The end of a session slides with use; to
//! spare a write per request it is moved at most once per [`TOUCH_EVERY`].

use std::sync::Arc;

use chrono::TimeDelta;
use poem::http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use tower_sessions::{Expiry, Session};

use super::Settings;
use super::flash::Flash;
use crate::app::logins::Known;
use crate::domain::{Error, Instant, Result, UserId};
use crate::store::sessions::SessionRows;

/// The session cookie's name; over https browsers hold it to the `__Host-` rules.
const COOKIE: &str = "deployer_session";
/// Under which key of the session [`SignedIn`] lies.
const WHO: &str = "who";
/// Under which key of the session messages for the next page lie.
const FLASHES: &str = "flashes";
/// How often at most an unchanged session is written, only to move its end.
const TOUCH_EVERY: TimeDelta = TimeDelta::hours(1);
/// More messages than this for one next page would be noise.
const FLASH_LIMIT: usize = 8;

/// The person a session belongs to, as of the login.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedIn {
    /// The user's row.
    pub id: UserId,
    /// The user's name in policy lines.
    pub name: String,
    /// Told the password's changes; see [`Known::stamp`].
    pub stamp: String,
    /// The secret behind this session's form tokens.
    pub csrf: String,
    /// When the session was last written.
    pub seen: Instant,
}

/// The session that the request's cookie names; nothing is read or written yet.
pub fn open(sessions: &SessionRows, settings: &Settings, headers: &HeaderMap) -> Session {
    let id = cookie(headers, &cookie_name(settings)).and_then(|value| value.parse().ok());
    let days = time::Duration::days(i64::from(settings.session_days));
    Session::new(id, Arc::new(sessions.clone()), Some(Expiry::OnInactivity(days)))
}

/// The same session as it is in the store by now.
pub fn again(session: &Session, sessions: &SessionRows, settings: &Settings) -> Session {
    let days = time::Duration::days(i64::from(settings.session_days));
    Session::new(
        session.id(),
        Arc::new(sessions.clone()),
        Some(Expiry::OnInactivity(days)),
    )
}

/// Who is logged in with this session; moves its end when it is time to.
pub async fn signed_in(session: &Session, now: Instant) -> Result<Option<SignedIn>> {
    if session.id().is_none() {
        return Ok(None);
    }
    let Some(mut who) = session.get::<SignedIn>(WHO).await.map_err(unavailable)? else {
        return Ok(None);
    };
    if now - who.seen > TOUCH_EVERY {
        who.seen = now;
        session.insert(WHO, &who).await.map_err(unavailable)?;
    }
    Ok(Some(who))
}

/// Makes the session that of `known`, under a new id, so that an id known before is worth nothing.
pub async fn sign_in(session: &Session, known: &Known, now: Instant) -> Result<()> {
    session.clear().await;
    session.cycle_id().await.map_err(unavailable)?;
    let who = SignedIn {
        id: known.user.id,
        name: known.user.name.to_string(),
        stamp: known.stamp.clone(),
        csrf: super::csrf::new_secret(),
        seen: now,
    };
    session.insert(WHO, who).await.map_err(unavailable)
}

/// Forgets the session, here and in the browser.
pub async fn sign_out(session: &Session) -> Result<()> {
    session.flush().await.map_err(unavailable)
}

/// Leaves a message for the next page that is shown. Without a login it is dropped: it would
/// cost a session.
pub async fn leave_flash(session: &Session, flash: Flash) -> Result<()> {
    if session.id().is_none() && session.is_empty().await {
        return Ok(());
    }
    let mut flashes: Vec<Flash> = session
        .get(FLASHES)
        .await
        .map_err(unavailable)?
        .unwrap_or_default();
    flashes.push(flash);
    if flashes.len() > FLASH_LIMIT {
        flashes.remove(0);
    }
    session.insert(FLASHES, flashes).await.map_err(unavailable)
}

/// Takes the messages for this page.
pub async fn take_flashes(session: &Session) -> Result<Vec<Flash>> {
    if session.id().is_none() {
        return Ok(Vec::new());
    }
    if session.get_value(FLASHES).await.map_err(unavailable)?.is_none() {
        return Ok(Vec::new());
    }
    let flashes = session.remove(FLASHES).await.map_err(unavailable)?;
    Ok(flashes.unwrap_or_default())
}

/// Writes what changed, and tells the browser.
pub async fn close(
    session: &Session,
    settings: &Settings,
    headers: &mut HeaderMap,
    had_cookie: bool,
) -> Result<()> {
    let name = cookie_name(settings);
    if session.is_modified() && !session.is_empty().await {
        session.save().await.map_err(unavailable)?;
        let id = session.id().map(|id| id.to_string()).unwrap_or_default();
        set_cookie(
            headers,
            settings,
            &name,
            &id,
            session.expiry_age().whole_seconds(),
        );
    } else if session.is_empty().await && had_cookie {
        set_cookie(headers, settings, &name, "", 0);
    }
    Ok(())
}

/// Whether the request carries a session cookie, valid or not.
pub fn has_cookie(settings: &Settings, headers: &HeaderMap) -> bool {
    cookie(headers, &cookie_name(settings)).is_some()
}

fn cookie_name(settings: &Settings) -> String {
    prefixed(settings, COOKIE)
}

/// `name` as it is called on this site: bound to the host where https allows that.
pub fn prefixed(settings: &Settings, name: &str) -> String {
    if settings.https {
        format!("__Host-{name}")
    } else {
        name.to_owned()
    }
}

/// The value of the request's cookie `name`.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key.trim() == name).then_some(value.trim()))
}

/// Adds a cookie that scripts cannot read and other sites' forms do not send. `seconds` of 0
/// removes it.
pub fn set_cookie(headers: &mut HeaderMap, settings: &Settings, name: &str, value: &str, seconds: i64) {
    let secure = if settings.https { "; Secure" } else { "" };
    let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    if let Ok(line) = HeaderValue::from_str(&line) {
        headers.append(header::SET_COOKIE, line);
    }
}

fn unavailable(source: tower_sessions::session::Error) -> Error {
    Error::unavailable("The sessions cannot be read or written at the moment. Try again soon.")
        .because(source)
}
