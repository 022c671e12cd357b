//! Any headers and bytes that come to a hook: nobody is believed without the secret, and whatever is read is
//! read or refused with a sentence.

use poem::http::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;

use super::bodies::read;
use super::signature::{check, delivery};
use crate::cases::cases;
use crate::domain::{HookSender, Instant};

/// Headers that decide about a push, and pieces of what they hold.
const NAMES: &[&str] = &[
    "authorization",
    "content-type",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-deployer-signature-256",
    "x-event-key",
    "x-gitea-event",
    "x-gitea-signature",
    "x-github-delivery",
    "x-github-event",
    "x-gitlab-event",
    "x-gitlab-token",
    "x-hub-signature",
    "x-hub-signature-256",
];
const PIECES: &[&str] = &[
    "application/x-www-form-urlencoded",
    "sha256=",
    "v1,",
    "Bearer ",
    "push",
    "repo:push",
    "repo:refs_changed",
    "99999999999999999999",
    "-1",
    "00",
    "\u{e9}",
    " ",
];

fn pieces(all: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(all).prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// Pieces of bodies.
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"ref\"",
    "\"refs/heads/main\"",
    "\"after\"",
    "null",
    "1e999",
    "\"push\"",
    "\"changes\"",
    "\"new\"",
    "\"object_kind\"",
    "\"branch\"",
    "payload=",
    "%7B",
    "\\u0000",
];

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn any_headers_and_bytes_have_an_answer(
        pairs in vec((prop::sample::select(NAMES), pieces(PIECES)), 0..5),
        body in pieces(JSON),
    ) {
        let mut all = HeaderMap::new();
        for (name, value) in pairs {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                all.append(HeaderName::from_static(name), value);
            }
        }
        prop_assert!(check(&all, &body, "a secret that nobody guesses", Instant::UNIX_EPOCH).is_err());
        delivery(&all);
        for sender in HookSender::ALL {
            if let Err(why) = read(*sender, &all, &body) {
                prop_assert!(why.ends_with('.') && why.len() < 300, "{why}");
            }
        }
    }
}
