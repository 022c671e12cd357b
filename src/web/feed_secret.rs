//! The API token in the address of the calendar feed, as calendar programs send no headers. No other address
//! takes one.

use poem::Request;

use super::urls;

/// The token that the address of `request` holds, where it is the address of the feed.
pub fn named(request: &Request) -> Option<String> {
    if request.uri().path() != urls::calendar_feed() {
        return None;
    }
    let pairs = url::form_urlencoded::parse(request.uri().query()?.as_bytes());
    let mut secrets = pairs.filter(|(name, _)| name == "token");
    secrets.next().map(|(_, secret)| secret.into_owned())
}
