//! A person's own sessions; and the list that the pages of administrators share.

use askama::Template;
use poem::web::Form;
use poem::{Response, handler};

use super::profile::{ProfileTabs, account, profile_tabs};
use crate::app::sessions;
use crate::domain::{Result, UserSession, WhichSessions};
use crate::web::flash::Flash;
use crate::web::format::count;
use crate::web::forms::FormData;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::session;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/profile/sessions.html`.
#[derive(Template)]
#[template(path = "profile/sessions.html")]
struct SessionsPage {
    frame: Frame,
    tabs: ProfileTabs,
    sessions: SessionList,
}

/// The contract of `templates/components/sessions.html`.
pub struct SessionList {
    pub rows: Vec<SessionRow>,
    /// Where sessions are ended (POST).
    pub end: String,
}

/// One session of a list.
pub struct SessionRow {
    pub session: UserSession,
    /// Browser and system in short.
    pub browser: String,
    /// Whether the page itself was asked for with it.
    pub is_present: bool,
}

impl SessionList {
    /// `sessions`, which are ended at `ending`, as the session with the key `present` sees them.
    pub fn new(sessions: Vec<UserSession>, ending: String, present: Option<&str>) -> Self {
        let row = |session: UserSession| SessionRow {
            browser: short_name(&session.signed_in.browser),
            is_present: present == Some(session.key.as_str()),
            session,
        };
        Self {
            rows: sessions.into_iter().map(row).collect(),
            end: ending,
        }
    }
}

/// What browsers call themselves, from the most particular: most claim to be others too.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];
/// The same of systems.
const SYSTEMS: &[(&str, &str)] = &[
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// Browser and system in short, from what a browser calls itself.
fn short_name(told: &str) -> String {
    let known = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(sign, _)| told.contains(sign));
        found.map(|(_, name)| *name)
    };
    match (known(BROWSERS), known(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "Unknown browser".to_owned(),
    }
}

/// Which sessions a form asks to end, as the session with the key `present` sees them.
pub fn chosen(form: &FormData, present: Option<&str>) -> WhichSessions {
    match (form.text("which"), present) {
        ("all", _) | ("others", None) => WhichSessions::All,
        ("others", Some(present)) => WhichSessions::Others(present.to_owned()),
        (key, _) => WhichSessions::One(key.to_owned()),
    }
}

/// What is said after sessions were ended.
pub fn ended(number: usize, which: &WhichSessions) -> String {
    match (number, which) {
        (0, WhichSessions::Others(_)) => "There is no other session.".to_owned(),
        (0, _) => "There is no session to end.".to_owned(),
        _ => format!(
            "{} ended. Open pages stop within five seconds.",
            count(number, "session")
        ),
    }
}

/// `GET /profile/sessions`
#[handler]
pub async fn show(visitor: Visitor) -> Result<Response> {
    let own = sessions::own(visitor.app(), account(&visitor)?).await?;
    let present = session::key(visitor.session());
    html(&SessionsPage {
        frame: visitor.frame("Sessions", Section::Elsewhere).await?,
        tabs: profile_tabs(urls::sessions()),
        sessions: SessionList::new(own, urls::end_sessions().to_owned(), present.as_deref()),
    })
}

/// `POST /profile/sessions/end`
#[handler]
pub async fn end(visitor: Visitor, Form(form): Form<FormData>) -> Result<Response> {
    let own = (visitor.actor(), account(&visitor)?);
    let present = session::key(visitor.session());
    let which = chosen(&form, present.as_deref());
    let number = sessions::end_own(visitor.app(), own, &which).await?;
    if present.is_some_and(|present| which.include(&present)) {
        session::sign_out(visitor.session()).await?;
        return Ok(go_to(&urls::with_query(urls::login(), &[("left", "yes")])));
    }
    visitor.flash(Flash::done(ended(number, &which))).await?;
    Ok(go_to(urls::sessions()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_by_what_they_alone_say() {
        for (told, short) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            ("curl/7.88.1", "curl"),
            ("", "Unknown browser"),
        ] {
            assert_eq!(short_name(told), short, "{told}");
        }
    }
}
