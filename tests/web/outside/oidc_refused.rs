//! Logins at an OpenID provider that prove nothing: each is refused with a sentence.

use serde_json::json;

use super::super::support::browser;
use super::{Stage, settings_of, stage, with_provider};
use crate::support::oidc::{Provider, SECRET, Ways};

/// What is said of a login for which the provider is bent.
async fn refused(bend: impl FnOnce(&mut Ways)) -> (u16, String) {
    let provider = Provider::start().await;
    let stage = with_provider(&provider).await;
    // It is known by now: what is bent is its answer, unless it is all of them.
    let url = stage.begin("").await;
    provider.bend(bend);
    let (code, state) = provider.log_in(&url);
    let answer = stage.come_back((&code, &state)).await;
    let status = answer.status().as_u16();
    let page = answer.text().await.unwrap();
    assert_eq!(
        stage.site.get("/profile").await.status(),
        303,
        "somebody is logged in"
    );
    (status, complaint(&page))
}

/// The complaint of a login page.
fn complaint(page: &str) -> String {
    let (_, rest) = page
        .split_once("role=\"alert\"")
        .unwrap_or_else(|| panic!("no complaint: {page}"));
    let (_, rest) = rest.split_once("<span>").unwrap();
    rest.split_once("</span>")
        .unwrap()
        .0
        .replace("&#38;", "&")
        .replace("&#34;", "\"")
}

/// Makes the provider do something else than it should.
type Bend = fn(&mut Ways);

#[tokio::test]
async fn tokens_that_prove_nothing_let_nobody_in() {
    let cases: [(&str, Bend); 12] = [
        ("its token has expired.", |ways| ways.lasts = -120),
        // A clock that is behind by a day.
        ("its token has expired.", |ways| ways.ahead = -86_400),
        ("its token is from the future: the clock", |ways| {
            ways.ahead = 3600
        }),
        ("it calls itself by another address", |ways| {
            ways.claims["iss"] = "https://evil.example".into()
        }),
        ("its token is for another application.", |ways| {
            ways.claims["aud"] = "others".into()
        }),
        ("its token is for another application.", |ways| {
            ways.claims["aud"] = json!(["deployer", "others"])
        }),
        ("its token is for another login than this one.", |ways| {
            ways.claims["nonce"] = "guess".into()
        }),
        (
            "its token is not signed in a way that proves who made it",
            |ways| ways.algorithm = "none",
        ),
        (
            "its token is not signed in a way that proves who made it",
            |ways| ways.algorithm = "HS256",
        ),
        ("its answer cannot be used", |ways| {
            ways.claims["exp"] = "soon".into()
        }),
        ("did not say who you are", |ways| ways.claims["sub"] = "".into()),
        ("its answer cannot be used", |ways| ways.status = 500),
    ];
    for (wanted, bend) in cases {
        let (status, said) = refused(bend).await;
        assert!(said.contains(wanted), "{wanted}: {said}");
        assert!(
            said.contains("Example & Sons: ") || wanted == "did not say who you are",
            "{said}"
        );
        assert_eq!(status, 403, "{said}");
    }
}

#[tokio::test]
async fn clocks_that_differ_by_a_little_keep_nobody_out() {
    for ahead in [-340, 50] {
        let provider = Provider::start().await;
        let stage = with_provider(&provider).await;
        provider.bend(|ways| ways.ahead = ahead);
        assert_eq!(stage.log_in_at(&provider).await.status(), 303, "{ahead}");
    }
}

#[tokio::test]
async fn claims_of_another_kind_let_nobody_in() {
    let cases: [(&str, Bend); 7] = [
        (
            "the claim “groups”, which should be a list of groups, is something else",
            |ways| ways.claims["groups"] = json!({ "a": 1 }),
        ),
        (
            "the claim “groups”, which should be a list of groups, is something else",
            |ways| ways.claims["groups"] = json!(["ops", 7]),
        ),
        ("you are in too many groups for the claim “groups”", |ways| {
            ways.claims.as_object_mut().unwrap().remove("groups");
            ways.user_info = json!({ "sub": "id-7" });
            ways.claims["_claim_names"] = json!({ "groups": "src1" });
            ways.claims["_claim_sources"] = json!({ "src1": { "endpoint": "https://graph.example/me" } });
        }),
        ("the provider told no claim “preferred_username”", |ways| {
            ways.claims = json!({ "sub": "id-7" });
            ways.user_info = json!({ "sub": "id-7" });
        }),
        (
            "the claim “preferred_username”, which should hold your name, holds something else",
            |ways| ways.claims["preferred_username"] = "".into(),
        ),
        ("no account can be made for “olga@example.org”", |ways| {
            ways.claims["preferred_username"] = "olga@example.org".into()
        }),
        ("“bob” is an account here already", |ways| {
            ways.claims["preferred_username"] = "bob".into()
        }),
    ];
    for (wanted, bend) in cases {
        let (status, said) = refused(bend).await;
        assert!(said.contains(wanted), "{wanted}: {said}");
        assert_eq!(status, 403, "{said}");
    }
    // No groups at all are fine, and one that is not in a list.
    for groups in [json!(null), json!([]), json!("ops")] {
        let provider = Provider::start().await;
        let stage = with_provider(&provider).await;
        provider.bend(|ways| ways.claims["groups"] = groups.clone());
        assert_eq!(stage.log_in_at(&provider).await.status(), 303, "{groups}");
        let may = stage.site.get("/admin/users").await.status() == 200;
        assert_eq!(may, groups == "ops");
    }
}

#[tokio::test]
async fn a_try_of_another_browser_or_of_nobody_is_refused() {
    let provider = Provider::start().await;
    let mut stage = with_provider(&provider).await;
    let url = stage.begin("").await;
    let (code, state) = provider.log_in(&url);
    let own = std::mem::replace(&mut stage.site.browser, browser());
    let elsewhere = stage.come_back((&code, &state)).await;
    assert_eq!(elsewhere.status(), 403);
    let said = complaint(&elsewhere.text().await.unwrap());
    assert_eq!(
        said,
        "This login was not begun in this browser, or too long ago. Begin it again."
    );
    stage.site.browser = own;
    for state in ["", "guess", &state[..state.len() - 1], &format!("{state}x")] {
        assert_eq!(stage.come_back((&code, state)).await.status(), 403, "{state}");
    }
    // The code of one try is worthless in another one.
    let (_, other) = provider.log_in(&stage.begin("").await);
    let answer = stage
        .site
        .get(&format!("/login/with/own/back?code=nonsense&state={other}"))
        .await;
    let said = complaint(&answer.text().await.unwrap());
    assert!(
        said.contains("it did not accept the login: “no such &#60;code&#62;”"),
        "{said}"
    );
    assert_eq!(stage.come_back((&code, &state)).await.status(), 303);
    // A try is spent: its secrets are gone with it.
    stage.site.post_at("/profile", "/logout").await;
    assert_eq!(stage.come_back((&code, &state)).await.status(), 403);
}

#[tokio::test]
async fn a_try_ends_after_a_while_whatever_the_clock_does() {
    let provider = Provider::start().await;
    for minutes in [16, -2] {
        let stage = with_provider(&provider).await;
        let (code, state) = provider.log_in(&stage.begin("").await);
        stage
            .clock
            .move_to(stage.clock.now() + chrono::TimeDelta::minutes(minutes));
        let said = complaint(&stage.come_back((&code, &state)).await.text().await.unwrap());
        assert_eq!(said, "This login took too long. Begin it again.");
    }
}

#[tokio::test]
async fn a_provider_that_lets_nobody_in_is_quoted() {
    let provider = Provider::start().await;
    let stage = with_provider(&provider).await;
    for (query, wanted) in [
        (
            "error=access_denied&error_description=Not%20%3Cyou%3E",
            "The provider let nobody in. It says: “Not &#60;you&#62;”.",
        ),
        (
            "error=server_error",
            "The provider let nobody in. It says: “server_error”.",
        ),
        (
            "x=",
            "The provider let nobody in, and did not say why. Begin again.",
        ),
    ] {
        let (_, state) = provider.log_in(&stage.begin("").await);
        let answer = stage
            .site
            .get(&format!("/login/with/own/back?state={state}&{query}"))
            .await;
        assert_eq!(answer.status(), 403);
        assert_eq!(complaint(&answer.text().await.unwrap()), wanted);
    }
    for path in ["/login/with/nobody", "/login/with/nobody/leave"] {
        let answer = stage.site.get(path).await;
        assert_eq!(answer.status(), 404);
        let wanted =
            "No login provider “nobody” is configured here. Choose Example & Sons on the login page.";
        assert_eq!(complaint(&answer.text().await.unwrap()), wanted);
    }
    for path in ["/login/oidc/nobody", "/login/plugin/none", "/login/proxy"] {
        let answer = stage.site.get(path).await;
        assert_eq!(answer.status(), 404);
        let text = answer.text().await.unwrap();
        assert!(
            text.contains(&format!("No way to log in is configured at “{path}”.")),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_provider_that_is_down_or_another_one_stops_nobody_else() {
    let provider = Provider::start().await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let other = format!("{}/", provider.issuer());
    let stage = stage(|config, _| {
        for (name, issuer) in [
            ("own", provider.issuer().to_owned()),
            ("gone", format!("http://{gone}")),
            ("other", other),
        ] {
            config.oidc.insert(name.to_owned(), settings_of(&issuer, SECRET));
        }
    })
    .await;
    let begin = async |name: &str| {
        let answer = stage.site.get(&format!("/login/with/{name}")).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, page) = begin("gone").await;
    assert_eq!(status, 503);
    let said = complaint(&page);
    assert!(
        said.contains("it cannot be reached at the moment. Try again soon, or log in another way."),
        "{said}"
    );
    assert!(page.contains("name=\"password\""), "the local form stays: {page}");
    let (status, page) = begin("other").await;
    assert_eq!(status, 403);
    let said = complaint(&page);
    assert!(
        said.contains("it calls itself by another address than the configuration does"),
        "{said}"
    );
    assert_eq!(stage.log_in_at(&provider).await.status(), 303);
    let stage = with_provider(&provider).await;
    provider.bend(|ways| ways.status = 500);
    let answer = stage.site.get("/login/with/own").await;
    assert_eq!(answer.status(), 503);
    let said = complaint(&answer.text().await.unwrap());
    assert!(said.contains("it answered with status 500"), "{said}");
    // It is left alone for a while, and asked again after that.
    provider.bend(|_| {});
    assert_eq!(stage.site.get("/login/with/own").await.status(), 503);
    stage
        .clock
        .move_to(stage.clock.now() + chrono::TimeDelta::seconds(11));
    assert_eq!(stage.site.get("/login/with/own").await.status(), 303);
}

#[tokio::test]
async fn who_is_refused_is_recorded_with_what_to_do() {
    let provider = Provider::start().await;
    let stage: Stage = with_provider(&provider).await;
    provider.bend(|ways| ways.claims["preferred_username"] = "bob".into());
    let answer = stage.log_in_at(&provider).await;
    let said = complaint(&answer.text().await.unwrap());
    let issuer = provider.issuer();
    assert_eq!(
        said,
        format!(
            "{issuer} let you in, but “bob” is an account here already, and a login does not prove that it is yours. An \
             administrator can link an account to you: under Admin, Users, the account, “Logins from outside”, or by \
             “deployer user link NAME --provider {issuer} --subject id-7”."
        )
    );
    let told = stage.told().await;
    assert_eq!(
        told[0],
        format!("Somebody at 127.0.0.1 was let in as “id-7” by {issuer}, and was refused here.")
    );
}
