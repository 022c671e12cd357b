//! No other site's page may act with our visitor's cookies.
//!
//! Every request that may change something is checked here, before any handler. First where it comes from,
//! according to the browser: `Sec-Fetch-Site`, else `Origin`, which has to be the requested host or the
//! configured public address (a proxy may reach us by another host). Then the token that only our own pages
//! hold, in the form field `csrf` or the header `X-CSRF-Token`. The token's secret lies in the session; for
//! visitors without one, in a cookie of its own, so that a login form costs no session. A page holds the
//! secret under a fresh mask, so that compressing pages cannot leak it.

use bytes::Bytes;
use poem::Request;
use poem::http::Method;

use crate::domain::{Error, ErrorKind};

/// The form field that carries the token.
pub const FIELD: &str = "csrf";
/// The header that carries it for requests made by htmx.
pub const HEADER: &str = "x-csrf-token";
/// The cookie that holds the secret of a visitor who is not logged in.
pub const COOKIE: &str = "deployer_form";
/// 128 bits cannot be guessed.
const SECRET_BYTES: usize = 16;
/// The largest form we have is an environment with long lists; this is a hundred times that.
pub const FORM_LIMIT: usize = 1024 * 1024;

/// A fresh secret, in hexadecimal digits.
pub fn new_secret() -> String {
    hex::encode(rand::random::<[u8; SECRET_BYTES]>())
}

/// Whether `text` could have come from [`new_secret`].
pub fn is_secret(text: &str) -> bool {
    text.len() == 2 * SECRET_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A token for `secret`, different each time.
pub fn mask(secret: &str) -> String {
    let mask = rand::random::<[u8; SECRET_BYTES]>();
    let secret = hex::decode(secret).unwrap_or_default();
    let masked: Vec<u8> = mask.iter().zip(&secret).map(|(mask, byte)| mask ^ byte).collect();
    format!("{}{}", hex::encode(mask), hex::encode(masked))
}

fn fits(token: &str, secret: &str) -> bool {
    let (Ok(token), Ok(secret)) = (hex::decode(token), hex::decode(secret)) else {
        return false;
    };
    if token.len() != 2 * SECRET_BYTES || secret.len() != SECRET_BYTES {
        return false;
    }
    let (mask, masked) = token.split_at(SECRET_BYTES);
    // All bytes are compared even when the first ones differ, so that the time taken reveals nothing.
    let difference = mask
        .iter()
        .zip(masked)
        .zip(&secret)
        .fold(0, |sum, ((mask, masked), byte)| sum | (mask ^ masked ^ byte));
    difference == 0
}

/// What a checked request is.
pub enum FormCheck {
    /// It changes nothing, or it comes from a page of ours that this visitor was shown.
    Ours,
    /// The browser says that a page of ours sent this form, but the token is of an earlier session.
    Expired(Bytes),
}

/// Refuses a request that changes something unless it comes from a page of ours. Reads a form's
/// body to find the token, and puts it back.
///
/// # Errors
/// Forbidden; 413 for a body larger than [`FORM_LIMIT`], however it is sent.
pub async fn check(
    request: &mut Request,
    secret: Option<&str>,
    public_origin: Option<&str>,
) -> poem::Result<FormCheck> {
    if only_asks(request) {
        return Ok(FormCheck::Ours);
    }
    let Some(sender) = sender(request, public_origin) else {
        return Err(refused("The form was sent by a page of another site.").into());
    };
    let body = take_in(request).await?;
    let token = match request.header(HEADER) {
        Some(token) => Some(token.to_owned()),
        None => form_field(request, &body),
    };
    match (token, secret, sender) {
        (Some(token), Some(secret), _) if fits(&token, secret) => Ok(FormCheck::Ours),
        (Some(_), _, Sender::Ours) if is_form(request) => Ok(FormCheck::Expired(body)),
        _ => Err(expired().into()),
    }
}

/// Takes in the body of a request that needs no token, as [`check`] does.
///
/// # Errors
/// Invalid for a form with a NUL; 413 for a body larger than [`FORM_LIMIT`], however it is sent.
pub async fn take_in_unchecked(request: &mut Request) -> poem::Result<()> {
    match only_asks(request) {
        true => Ok(()),
        false => take_in(request).await.map(drop),
    }
}

/// Whether a request asks for something and changes nothing.
pub fn only_asks(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Reads the body of a request, and puts it back.
async fn take_in(request: &mut Request) -> poem::Result<Bytes> {
    let body = request.take_body().into_bytes_limit(FORM_LIMIT).await?;
    request.set_body(body.clone());
    if is_form(request) && holds_nul(&body) {
        return Err(nul_refused().into());
    }
    Ok(body)
}

/// The error for a form with a token that does not fit.
pub fn expired() -> Error {
    refused("The form has expired or came from elsewhere.")
}

fn refused(what: &str) -> Error {
    Error::new(
        ErrorKind::Forbidden,
        format!("{what} Nothing was done. Go back, reload the page and send the form again."),
    )
}

/// Who sent a request, according to the browser.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Ours,
    /// Old browsers name no sender, and a typed address has none: the token decides.
    Unnamed,
}

/// The sender of a request; `None` for a page of another site.
fn sender(request: &Request, public_origin: Option<&str>) -> Option<Sender> {
    match request.header("sec-fetch-site") {
        Some("same-origin") => return Some(Sender::Ours),
        Some("none") => return Some(Sender::Unnamed),
        Some(_) => return None,
        None => {}
    }
    let Some(origin) = request.header("origin") else {
        return Some(Sender::Unnamed);
    };
    let host = request.header("host").unwrap_or_default();
    let is_host = |(_, authority): (&str, &str)| authority == host;
    let is_ours = public_origin == Some(origin) || origin.split_once("://").is_some_and(is_host);
    is_ours.then_some(Sender::Ours)
}

fn is_form(request: &Request) -> bool {
    request
        .content_type()
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

/// Whether an address or a form, still encoded, holds the one character that not every database
/// stores.
pub fn holds_nul(encoded: &[u8]) -> bool {
    encoded.contains(&0) || encoded.windows(3).any(|three| three == b"%00")
}

/// The error for such an address or form.
pub fn nul_refused() -> Error {
    Error::invalid(
        "The address or form holds a NUL character, which cannot be stored. Nothing was done; remove it and try again.",
    )
}

fn form_field(request: &Request, body: &[u8]) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(if is_form(request) { body } else { &[] });
    pairs
        .find(|(name, _)| name == FIELD)
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_its_secret_only() {
        let (secret, other) = (new_secret(), new_secret());
        let token = mask(&secret);
        assert!(fits(&token, &secret));
        assert!(fits(&mask(&secret), &secret));
        assert_ne!(token, mask(&secret));
        for bad in ["", "zz", &token[..30], &secret] {
            assert!(!fits(bad, &secret), "{bad}");
        }
        assert!(!fits(&token, &other));
        assert!(!fits(&token, ""));
        assert!(!fits(&mask(""), ""));
    }
}
