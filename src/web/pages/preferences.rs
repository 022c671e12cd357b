//! Small choices that a visitor keeps in a cookie.

use poem::web::Form;
use poem::{Response, handler};
use serde::Deserialize;

use crate::domain::Result;
use crate::web::frame::{Theme, go_to};
use crate::web::visitor::Visitor;
use crate::web::{cookies, urls};

/// A year: the choice of colours is no secret.
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
    cookies::set(
        response.headers_mut(),
        settings,
        Theme::COOKIE,
        theme.as_str(),
        KEEP_SECONDS,
    );
    Ok(response)
}
