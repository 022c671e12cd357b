//! Who signed a push. Each Git host has a header of its own; the first one that is there decides.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use chrono::TimeDelta;
use poem::http::HeaderMap;
use ring::hmac;

use crate::domain::{HookSender, Instant};

/// How far the time of a signed push may be from ours.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);
/// Signatures of one push that are looked at: while a secret is exchanged there are two.
const MOST_SIGNATURES: usize = 10;
/// What a secret begins with whose rest is Base64.
const ENCODED_SECRET: &str = "whsec_";
/// What Gitea and its relatives sign with: their digits alone. They send headers of GitHub's too.
const BARE: [&str; 3] = ["x-forgejo-signature", "x-gitea-signature", "x-gogs-signature"];
/// Headers with `sha256=` before the digits.
const NAMED: [(&str, HookSender); 3] = [
    ("x-hub-signature-256", HookSender::GitHub),
    ("x-hub-signature", HookSender::Bitbucket),
    ("x-deployer-signature-256", HookSender::Program),
];
/// What senders call a delivery.
const DELIVERIES: [&str; 9] = [
    "x-forgejo-delivery",
    "x-gitea-delivery",
    "x-gogs-delivery",
    "x-github-delivery",
    "webhook-id",
    "x-gitlab-event-uuid",
    "x-request-uuid",
    "x-request-id",
    "x-deployer-delivery",
];

/// A push that nobody signed who knows the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unsigned {
    /// As whose it was sent.
    pub sender: HookSender,
    pub why: &'static str,
}

/// What the sender calls this delivery; empty where it has no name.
pub(super) fn delivery(headers: &HeaderMap) -> &str {
    let mut named = DELIVERIES.iter().filter_map(|name| text(headers, name));
    named.next().unwrap_or_default()
}

/// The sender of `body`, who knows `secret`.
pub(super) fn check(
    headers: &HeaderMap,
    body: &[u8],
    secret: &str,
    now: Instant,
) -> Result<HookSender, Unsigned> {
    let unsigned = |sender| Unsigned {
        sender,
        why: "The signature does not fit the secret of this hook.",
    };
    let verdict = |fits: bool, sender| if fits { Ok(sender) } else { Err(unsigned(sender)) };
    if let Some(name) = BARE.iter().find(|name| headers.contains_key(**name)) {
        let fits = text(headers, name).is_some_and(|digits| is_mac(secret, &[body], digits));
        return verdict(fits, HookSender::Gitea);
    }
    if headers.contains_key("webhook-signature") {
        let sender = match headers.contains_key("x-gitlab-event") {
            true => HookSender::GitLab,
            false => HookSender::Program,
        };
        return standard(headers, body, secret, now)
            .map_or_else(|why| Err(Unsigned { sender, why }), |fits| verdict(fits, sender));
    }
    if headers.contains_key("x-gitlab-token") {
        let fits = text(headers, "x-gitlab-token").is_some_and(|token| is_secret(secret, token));
        return verdict(fits, HookSender::GitLab);
    }
    if let Some((name, sender)) = NAMED.iter().find(|(name, _)| headers.contains_key(*name)) {
        let digits = text(headers, name).and_then(|value| value.strip_prefix("sha256="));
        return verdict(
            digits.is_some_and(|digits| is_mac(secret, &[body], digits)),
            *sender,
        );
    }
    if headers.contains_key("authorization") {
        let bearer = text(headers, "authorization").and_then(|value| value.split_once(' '));
        let fits = bearer.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && is_secret(secret, token.trim())
        });
        return verdict(fits, HookSender::Program);
    }
    Err(Unsigned {
        sender: HookSender::Unknown,
        why: "The request has no signature.",
    })
}

/// The one value of a header; `None` where it is not there, comes twice, or is no plain text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.trim();
    values.next().is_none().then_some(value)
}

/// Whether `digits` are the code of these parts under `secret`. It takes as long whatever they are.
fn is_mac(secret: &str, parts: &[&[u8]], digits: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex::decode(digits).is_ok_and(|code| fits(&key, parts, &code))
}

fn fits(key: &hmac::Key, parts: &[&[u8]], code: &[u8]) -> bool {
    hmac::verify(key, &parts.concat(), code).is_ok()
}

/// Whether `token` is the secret. What is compared are codes of both, so the time tells nothing.
fn is_secret(secret: &str, token: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>());
    let code = hmac::sign(&key, secret.as_bytes());
    hmac::verify(&key, token.as_bytes(), code.as_ref()).is_ok()
}

/// Whether a push is signed as Standard Webhooks has it.
fn standard(headers: &HeaderMap, body: &[u8], secret: &str, now: Instant) -> Result<bool, &'static str> {
    let all = |name| text(headers, name);
    let (Some(id), Some(at), Some(signatures)) = (
        all("webhook-id"),
        all("webhook-timestamp"),
        all("webhook-signature"),
    ) else {
        return Err("A signature needs webhook-id and webhook-timestamp beside it, once each.");
    };
    let sent = at
        .parse()
        .ok()
        .and_then(|seconds| Instant::from_timestamp(seconds, 0));
    let Some(sent) = sent else {
        return Err("webhook-timestamp is no number of seconds since 1970.");
    };
    let key = match secret
        .strip_prefix(ENCODED_SECRET)
        .map(|rest| BASE64.decode(rest))
    {
        Some(Ok(bytes)) => hmac::Key::new(hmac::HMAC_SHA256, &bytes),
        _ => hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
    };
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", at.as_bytes(), b".", body];
    let signatures = signatures.split(' ').take(MOST_SIGNATURES);
    let mut codes = signatures.filter_map(|one| BASE64.decode(one.strip_prefix("v1,")?).ok());
    if !codes.any(|code| fits(&key, &parts, &code)) {
        return Ok(false);
    }
    match (now - sent).abs() > TOLERANCE {
        true => Err("The push was signed more than five minutes ago, or the clocks differ."),
        false => Ok(true),
    }
}
