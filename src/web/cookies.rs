//! Reading and setting cookies.

use poem::http::{HeaderMap, HeaderValue, header};
use tower_sessions::cookie::time::Duration;
use tower_sessions::cookie::{Cookie, SameSite};

use super::settings::Settings;

/// The value of the request's cookie `name`.
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == name)
        .and_then(|cookie| cookie.value_raw())
}

/// Adds a cookie that scripts cannot read and other sites' forms do not send. `seconds` of 0
/// removes it.
pub fn set(headers: &mut HeaderMap, settings: &Settings, name: &str, value: &str, seconds: i64) {
    let cookie = Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(seconds))
        .secure(settings.https);
    if let Ok(line) = HeaderValue::from_str(&cookie.to_string()) {
        headers.append(header::SET_COOKIE, line);
    }
}
