//! A person's own second factor: setting it up with a QR code, and turning it off.

use askama::Template;
use poem::web::Form;
use poem::{Response, handler};
use qrcode::{Color, QrCode};
use serde::Deserialize;

use super::profile::{ProfileTabs, account, profile_tabs};
use crate::app::logins::code::CodeAct;
use crate::app::second_factor::{self, FactorState};
use crate::domain::{Error, ErrorKind, Result};
use crate::web::flash::Flash;
use crate::web::forms::Complaints;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::pages::form_page;
use crate::web::visitor::Visitor;
use crate::web::{session, urls};

/// Modules of white that a QR code needs around it to be found.
const QUIET_ZONE: usize = 4;

/// The contract of `templates/profile/second_factor.html`.
#[derive(Template)]
#[template(path = "profile/second_factor.html")]
struct FactorPage {
    frame: Frame,
    tabs: ProfileTabs,
    state: FactorState,
    /// What an authenticator app scans, while it is set up.
    qr: Option<QrImage>,
    /// Whether the configuration demands a second factor of the visitor.
    is_demanded: bool,
    /// Whether the session began before there was one.
    is_older: bool,
    has_password: bool,
    /// The form that was sent: `confirm`, `off` or `codes`; empty where none was.
    tried: String,
    complaints: Complaints,
}

/// The contract of `templates/profile/recovery.html`: shown once.
#[derive(Template)]
#[template(path = "profile/recovery.html")]
struct RecoveryPage {
    frame: Frame,
    codes: Vec<String>,
}

/// A QR code as what an SVG draws.
struct QrImage {
    /// Width and height in modules.
    size: usize,
    /// The dark modules, as a path.
    path: String,
}

impl QrImage {
    fn of(text: &str) -> Result<Self> {
        let code = QrCode::new(text).map_err(|cause| Error::internal(cause.to_string()))?;
        let width = code.width();
        let dark = code.to_colors().into_iter().enumerate();
        let dark = dark.filter(|(_, color)| *color == Color::Dark);
        let module = |(at, _)| {
            let (x, y) = (at % width + QUIET_ZONE, at / width + QUIET_ZONE);
            format!("M{x} {y}h1v1h-1z")
        };
        Ok(Self {
            size: width + 2 * QUIET_ZONE,
            path: dark.map(module).collect(),
        })
    }
}

/// `GET /profile/second-factor`
#[handler]
pub async fn show(visitor: Visitor) -> Result<Response> {
    html(&page(&visitor, "", Complaints::default()).await?)
}

#[derive(Deserialize)]
struct BeginForm {
    #[serde(default)]
    old: String,
}

/// `POST /profile/second-factor`: makes a secret for an authenticator app.
#[handler]
pub async fn begin(visitor: Visitor, Form(form): Form<BeginForm>) -> Result<Response> {
    account(&visitor)?;
    let (site, actor) = (visitor.site(), visitor.actor());
    let begun = site
        .logins
        .begin_second_factor(&site.app, actor, &form.old, visitor.now());
    match begun.await {
        Ok(()) => Ok(go_to(urls::second_factor())),
        Err(error) => refused(&visitor, "", error).await,
    }
}

#[derive(Deserialize)]
struct ActForm {
    act: String,
    code: String,
}

/// `POST /profile/second-factor/act`: confirms it, turns it off or makes other recovery codes.
#[handler]
pub async fn act(visitor: Visitor, Form(form): Form<ActForm>) -> Result<Response> {
    let own = (visitor.actor(), account(&visitor)?);
    let act = match form.act.as_str() {
        "confirm" => CodeAct::Confirm,
        "off" => CodeAct::TurnOff,
        "codes" => CodeAct::NewCodes,
        _ => return Err(Error::invalid("Choose what to do on the page, and try again.")),
    };
    let site = visitor.site();
    let done = site
        .logins
        .act_with_code(&site.app, own, (act, &form.code), visitor.now());
    let codes = match done.await {
        Ok(codes) => codes,
        Err(error) => return refused(&visitor, &form.act, error).await,
    };
    if act != CodeAct::NewCodes {
        session::note_second_factor(visitor.session(), act == CodeAct::Confirm).await?;
    }
    if act == CodeAct::TurnOff {
        visitor
            .flash(Flash::done("The second factor is turned off."))
            .await?;
        return Ok(go_to(urls::second_factor()));
    }
    html(&RecoveryPage {
        frame: visitor.frame("Recovery codes", Section::Elsewhere).await?,
        codes,
    })
}

/// `GET /profile/second-factor/act`: where an answer to a form is asked for again, or its address was kept.
#[handler]
pub async fn act_again() -> Response {
    go_to(urls::second_factor())
}

/// Shows the page again with what was wrong with the form that was `tried`.
async fn refused(visitor: &Visitor, tried: &str, error: Error) -> Result<Response> {
    if !matches!(
        error.kind(),
        ErrorKind::Invalid | ErrorKind::Throttled | ErrorKind::Conflict
    ) {
        return Err(error);
    }
    let page = page(visitor, tried, Complaints::of_error(&error)).await?;
    form_page(&page, &page.complaints)
}

async fn page(visitor: &Visitor, tried: &str, complaints: Complaints) -> Result<FactorPage> {
    let state = second_factor::state(visitor.app(), account(visitor)?).await?;
    let qr = match &state {
        FactorState::Pending(setup) => Some(QrImage::of(&setup.url)?),
        FactorState::Off | FactorState::On { .. } => None,
    };
    let is_on = matches!(state, FactorState::On { .. });
    Ok(FactorPage {
        frame: visitor.frame("Second factor", Section::Elsewhere).await?,
        tabs: profile_tabs(urls::second_factor()),
        is_demanded: second_factor::is_demanded(visitor.app(), visitor.actor()),
        has_password: account(visitor)?.has_password,
        is_older: is_on && !visitor.principal().has_second_factor(),
        state,
        qr,
        tried: tried.to_owned(),
        complaints,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_has_its_three_corners_and_white_around_it() {
        let image = QrImage::of("otpauth://totp/Deployer:alice?secret=ABC").unwrap();
        let has = |x: usize, y: usize| image.path.contains(&format!("M{x} {y}h1"));
        let last = image.size - QUIET_ZONE - 1;
        for (x, y) in [(QUIET_ZONE, QUIET_ZONE), (last, QUIET_ZONE), (QUIET_ZONE, last)] {
            assert!(has(x, y), "{x} {y}");
        }
        assert!((0..image.size).all(|at| !has(at, 0) && !has(0, at)));
    }
}
