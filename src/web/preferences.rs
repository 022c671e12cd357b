//! Small choices that a visitor keeps in a cookie.

use poem::web::Form;
use poem::{Response, handler};
use serde::Deserialize;

use super::frame::{Theme, go_to};
use super::visitor::Visitor;
use super::{session, urls};
use crate::domain::Result;

/// A year: the choice of colours is no secret and hurts nobody.
const KEEP_SECONDS: i64 = 365 * 24 * 3600;

#[derive(Deserialize)]
struct ThemeForm {
    theme: String,
    #[serde(default)]
    next: String,
}

/// Keeps the choice of colours, and goes back to where it was made.
#[handler]
pub async fn theme(visitor: Visitor, Form(form): Form<ThemeForm>) -> Result<Response> {
    let theme = Theme::of(&form.theme);
    let mut response = go_to(urls::local_or_overview(&form.next));
    let settings = &visitor.site().settings;
    session::set_cookie(
        response.headers_mut(),
        settings,
        Theme::COOKIE,
        theme.as_str(),
        KEEP_SECONDS,
    );
    Ok(response)
}
