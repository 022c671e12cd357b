//! Pushes in the shape of each Git host: signed, forged, damaged, and of everything that is no push.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use poem::http::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use serde_json::{Value, json};

use super::bodies::read;
use super::signature::check;
use crate::app::pushes::Told;
use crate::domain::{HookSender, Instant, PushedBranch};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const COMMIT: &str = "1481a2de7b2a7d02428ad93446ab166be7793fbb";
const ZEROS: &str = "0000000000000000000000000000000000000000";

fn now() -> Instant {
    "2026-11-29T10:00:00Z".parse().unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn hex_of(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex::encode(hmac::sign(&key, body))
}

/// A signature as Standard Webhooks has it.
fn standard(id: &str, at: Instant, body: &[u8]) -> String {
    let key = BASE64.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = [format!("{id}.{}.", at.timestamp()).as_bytes(), body].concat();
    format!("v1,{}", BASE64.encode(hmac::sign(&key, &signed)))
}

fn verdict(pairs: &[(&str, &str)], body: &[u8]) -> Result<HookSender, HookSender> {
    check(&headers(pairs), body, SECRET, now()).map_err(|unsigned| unsigned.sender)
}

fn told(sender: HookSender, event: (&str, &str), body: &Value) -> Result<Told, String> {
    read(sender, &headers(&[event]), body.to_string().as_bytes())
}

fn at(branch: &str, commit: Option<&str>) -> Told {
    Told::Branches(vec![PushedBranch {
        name: branch.parse().unwrap(),
        commit: commit.map(|commit| commit.parse().unwrap()),
    }])
}

fn is_nothing(told: Result<Told, String>) -> bool {
    matches!(told, Ok(Told::Nothing(_)))
}

/// A push in the shape of GitHub's, Gitea's and GitLab's, as far as they agree, with much that is not read.
fn ref_push(reference: &str, after: Value) -> Value {
    json!({
        "ref": reference, "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246", "after": after,
        "created": false, "deleted": after == ZEROS, "forced": false, "base_ref": null,
        "object_kind": "push", "event_name": "push", "checkout_sha": after,
        "compare": "https://git.example/shop/compare/a...b",
        "commits": [{
            "id": COMMIT, "message": "Update \u{1F680} README", "timestamp": "2026-11-29T09:00:00+01:00",
            "author": { "name": "Ada", "email": "ada@example.com", "username": "ada" },
            "added": [], "removed": [], "modified": ["README.md"],
        }],
        "head_commit": null, "repository": { "id": 186853002, "full_name": "acme/shop", "private": false },
        "pusher": { "name": "ada" }, "sender": { "login": "ada", "id": 21031067 },
    })
}

#[test]
fn each_host_is_known_by_its_signature() {
    let body = b"{\"ref\":\"refs/heads/main\"}".as_slice();
    let bare = hex_of(SECRET, body);
    let named = format!("sha256={bare}");
    let signed = standard("msg_1", now(), body);
    let seconds = now().timestamp().to_string();
    let of_standard = |signature| {
        [
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", seconds.as_str()),
            ("webhook-signature", signature),
        ]
    };
    for (pairs, sender) in [
        (vec![("x-hub-signature-256", named.as_str())], HookSender::GitHub),
        (vec![("x-hub-signature", named.as_str())], HookSender::Bitbucket),
        (vec![("x-gitea-signature", bare.as_str())], HookSender::Gitea),
        (vec![("x-forgejo-signature", bare.as_str())], HookSender::Gitea),
        (vec![("x-gogs-signature", bare.as_str())], HookSender::Gitea),
        (vec![("x-gitlab-token", SECRET)], HookSender::GitLab),
        (
            vec![("x-deployer-signature-256", named.as_str())],
            HookSender::Program,
        ),
        (of_standard(&signed).to_vec(), HookSender::Program),
    ] {
        assert_eq!(verdict(&pairs, body), Ok(sender), "{pairs:?}");
        // A signature is of these bytes alone; a token in clear is of none.
        if sender != HookSender::GitLab {
            assert_eq!(verdict(&pairs, b"{}"), Err(sender), "{pairs:?}");
        }
        // Two of a header: nobody knows which one counts.
        let mut doubled = headers(&pairs);
        for (name, value) in headers(&pairs) {
            doubled.append(name.unwrap(), value);
        }
        assert!(check(&doubled, body, SECRET, now()).is_err(), "{pairs:?}");
    }
    let two = format!("v1,AAAA {signed}");
    let mut of_gitlab = of_standard(&two).to_vec();
    of_gitlab.push(("x-gitlab-event", "Push Hook"));
    assert_eq!(verdict(&of_gitlab, body), Ok(HookSender::GitLab));
    for (value, is_right) in [
        (format!("Bearer {SECRET}"), true),
        (format!("bearer  {SECRET} "), true),
        (format!("Basic {SECRET}"), false),
        (SECRET.to_owned(), false),
        ("Bearer x".to_owned(), false),
    ] {
        let found = verdict(&[("authorization", &value)], body);
        assert_eq!(found.is_ok(), is_right, "{value}");
    }
}

#[test]
fn what_is_forged_cut_or_old_is_refused() {
    let body = b"{}".as_slice();
    let bare = hex_of(SECRET, body);
    let other = hex_of("another secret of somebody", body);
    for (pairs, sender) in [
        (vec![], HookSender::Unknown),
        (vec![("x-hub-signature-256", bare.clone())], HookSender::GitHub),
        (vec![("x-hub-signature-256", String::new())], HookSender::GitHub),
        (
            vec![("x-hub-signature-256", "sha256=".to_owned())],
            HookSender::GitHub,
        ),
        (
            vec![("x-hub-signature-256", format!("sha256={}", &bare[..62]))],
            HookSender::GitHub,
        ),
        (
            vec![("x-hub-signature-256", format!("sha256={other}"))],
            HookSender::GitHub,
        ),
        (
            vec![("x-hub-signature", format!("sha1={}", &bare[..40]))],
            HookSender::Bitbucket,
        ),
        // Gitea sends headers of GitHub's as well: its own decides.
        (
            vec![
                ("x-gitea-signature", other),
                ("x-hub-signature-256", format!("sha256={bare}")),
            ],
            HookSender::Gitea,
        ),
        (
            vec![("x-gitlab-token", SECRET[1..].to_owned())],
            HookSender::GitLab,
        ),
        (vec![("x-gitlab-token", String::new())], HookSender::GitLab),
        (
            vec![("webhook-signature", standard("x", now(), body))],
            HookSender::Program,
        ),
    ] {
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(verdict(&pairs, body), Err(sender), "{pairs:?}");
    }
    for (minutes, is_in_time) in [(0, true), (4, true), (-4, true), (6, false), (-6, false)] {
        let then = now() + chrono::TimeDelta::minutes(minutes);
        let (seconds, signed) = (then.timestamp().to_string(), standard("m", then, body));
        let pairs = [
            ("webhook-id", "m"),
            ("webhook-timestamp", seconds.as_str()),
            ("webhook-signature", signed.as_str()),
        ];
        assert_eq!(verdict(&pairs, body).is_ok(), is_in_time, "{minutes}");
    }
}

#[test]
fn pushes_to_branches_are_read() {
    let push = ref_push("refs/heads/feature/x", json!(COMMIT));
    let expected = Ok(at("feature/x", Some(COMMIT)));
    for (sender, event) in [
        (HookSender::GitHub, ("x-github-event", "push")),
        (HookSender::Gitea, ("x-gitea-event", "push")),
        (HookSender::Gitea, ("x-forgejo-event", "push")),
        (HookSender::Gitea, ("x-gogs-event", "push")),
        (HookSender::GitLab, ("x-gitlab-event", "Push Hook")),
    ] {
        assert_eq!(told(sender, event, &push), expected, "{sender}");
        let tag = ref_push("refs/tags/v1", json!(COMMIT));
        assert!(is_nothing(told(sender, event, &tag)));
        let gone = ref_push("refs/heads/old", json!(ZEROS));
        assert!(is_nothing(told(sender, event, &gone)));
        let note = ref_push("refs/notes/commits", json!(COMMIT));
        assert!(is_nothing(told(sender, event, &note)));
        let unnamed = ref_push("refs/heads/main", Value::Null);
        assert_eq!(told(sender, event, &unnamed), Ok(at("main", None)));
        for bad in [
            ref_push("refs/heads/a..b", json!(COMMIT)),
            ref_push("refs/heads/main", json!("abc")),
            ref_push("refs/heads/main", json!(7)),
            json!([]),
        ] {
            assert!(told(sender, event, &bad).is_err(), "{sender} {bad}");
        }
    }
    let ping = json!({ "zen": "Keep it logically awesome.", "hook_id": 1 });
    assert!(is_nothing(told(
        HookSender::GitHub,
        ("x-github-event", "ping"),
        &ping
    )));
    assert!(told(HookSender::GitHub, ("x-other", "push"), &push).is_err());
    let tag = json!({ "object_kind": "tag_push", "ref": "refs/tags/v1", "after": COMMIT });
    assert!(is_nothing(told(
        HookSender::GitLab,
        ("x-gitlab-event", "Tag Push Hook"),
        &tag
    )));
}

#[test]
fn a_form_with_the_payload_is_read_too() {
    let push = ref_push("refs/heads/main", json!(COMMIT)).to_string();
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", &push)
        .finish();
    let of_github = headers(&[
        ("x-github-event", "push"),
        ("content-type", "application/x-www-form-urlencoded"),
    ]);
    let told = read(HookSender::GitHub, &of_github, form.as_bytes());
    assert_eq!(told, Ok(at("main", Some(COMMIT))));
    assert!(read(HookSender::GitHub, &of_github, b"other=1").is_err());
}

#[test]
fn bitbucket_names_several_branches_at_once() {
    let cloud = |new: Value| json!({ "push": { "changes": [{ "old": null, "new": new, "forced": false }] } });
    let branch = json!({ "type": "branch", "name": "main", "target": { "type": "commit", "hash": COMMIT } });
    let event = ("x-event-key", "repo:push");
    let of_cloud = |new| told(HookSender::Bitbucket, event, &cloud(new));
    assert_eq!(of_cloud(branch), Ok(at("main", Some(COMMIT))));
    assert!(is_nothing(of_cloud(Value::Null)));
    let tag = json!({ "type": "tag", "name": "v1", "target": { "hash": COMMIT } });
    assert!(is_nothing(of_cloud(tag)));
    let change = |reference: &str, kind: &str| {
        let to = if kind == "DELETE" { ZEROS } else { COMMIT };
        json!({
            "ref": { "id": reference, "displayId": "x", "type": "BRANCH" }, "refId": reference,
            "fromHash": ZEROS, "toHash": to, "type": kind,
        })
    };
    let server = json!({
        "eventKey": "repo:refs_changed", "date": "2026-11-29T10:00:00+0100",
        "changes": [
            change("refs/heads/main", "UPDATE"), change("refs/heads/new", "ADD"),
            change("refs/heads/old", "DELETE"), change("refs/tags/v1", "ADD"),
        ],
    });
    let said = told(
        HookSender::Bitbucket,
        ("x-event-key", "repo:refs_changed"),
        &server,
    );
    let branches = match &said {
        Ok(Told::Branches(branches)) => branches.as_slice(),
        _ => &[],
    };
    let names: Vec<&str> = branches.iter().map(|branch| branch.name.as_str()).collect();
    assert_eq!(names, ["main", "new"]);
    let test = json!({ "test": true });
    assert!(is_nothing(told(
        HookSender::Bitbucket,
        ("x-event-key", "diagnostics:ping"),
        &test
    )));
}

#[test]
fn a_program_names_branch_and_commit() {
    let program = |body: Value| told(HookSender::Program, ("x-other", "1"), &body);
    assert_eq!(
        program(json!({ "branch": "main", "commit": COMMIT.to_uppercase(), "repository": "shop" })),
        Ok(at("main", Some(COMMIT)))
    );
    assert_eq!(
        program(json!({ "branch": "refs/heads/a/b" })),
        Ok(at("a/b", None))
    );
    assert!(is_nothing(program(json!({ "branch": "main", "commit": ZEROS }))));
    assert!(is_nothing(program(
        json!({ "branch": "refs/tags/v1", "commit": COMMIT })
    )));
    for bad in [
        json!({}),
        json!({ "branch": "" }),
        json!({ "branch": "-x" }),
        json!({ "branch": "main", "commit": "HEAD" }),
        json!({ "branch": ["main"] }),
        json!("main"),
    ] {
        let why = program(bad.clone()).expect_err("this is no push");
        assert!(why.ends_with('.'), "{bad}: {why}");
    }
}

#[test]
fn a_push_of_two_thousand_commits_is_read() {
    let mut push = ref_push("refs/heads/main", json!(COMMIT));
    let one = push["commits"][0].clone();
    push["commits"] = Value::Array(vec![one; 2000]);
    let told = told(HookSender::GitHub, ("x-github-event", "push"), &push);
    assert_eq!(told, Ok(at("main", Some(COMMIT))));
}
