//! An OpenID provider that can be bent: it answers what a test tells it to, right or wrong.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64_STANDARD, URL_SAFE_NO_PAD as BASE64};
use parking_lot::Mutex;
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::web::{Data, Form, Json};
use poem::{EndpointExt as _, IntoResponse as _, Response, Route, Server, get, handler, post};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use url::Url;

/// What a client proves itself by.
pub const SECRET: &str = "the secret of a client";

/// How it answers.
#[derive(Clone)]
pub struct Ways {
    /// What its token says, over what it has to say.
    pub claims: Value,
    /// What it says when it is asked about people.
    pub user_info: Value,
    /// What it calls itself.
    pub called: Option<String>,
    /// The algorithm in the head of its token.
    pub algorithm: &'static str,
    /// Seconds that its clock is ahead.
    pub ahead: i64,
    /// Seconds that its tokens are good for.
    pub lasts: i64,
    /// The status of all its answers, unless 200.
    pub status: u16,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            claims: json!({ "sub": "id-7", "preferred_username": "olga", "groups": ["ops", "staff"] }),
            user_info: json!({}),
            called: None,
            algorithm: "ES256",
            ahead: 0,
            lasts: 300,
            status: 200,
        }
    }
}

struct Inner {
    issuer: String,
    ways: Mutex<Ways>,
    key: Mutex<(String, Arc<EcdsaKeyPair>)>,
    keys_fetched: Mutex<usize>,
}

/// A provider on the loopback.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

impl Provider {
    /// Starts one; it ends with the test.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let own = Self(Arc::new(Inner {
            issuer,
            ways: Mutex::default(),
            key: Mutex::new(new_key("first")),
            keys_fetched: Mutex::new(0),
        }));
        let routes = Route::new()
            .at("/.well-known/openid-configuration", get(describe))
            .at("/keys", get(keys))
            .at("/token", post(token))
            .at("/me", get(about))
            .data(own.clone());
        let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).unwrap());
        tokio::spawn(server.run(routes));
        own
    }

    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Answers differently from now on.
    pub fn bend(&self, bend: impl FnOnce(&mut Ways)) {
        let mut ways = Ways::default();
        bend(&mut ways);
        *self.0.ways.lock() = ways;
    }

    /// Signs with another key, called `name`, from now on.
    pub fn rotate(&self, name: &str) {
        *self.0.key.lock() = new_key(name);
    }

    /// How often its keys were fetched.
    pub fn keys_fetched(&self) -> usize {
        *self.0.keys_fetched.lock()
    }

    /// Somebody logs in here after they were sent to `url`: the code that they bring back, and the state.
    pub fn log_in(&self, url: &str) -> (String, String) {
        let url: Url = url.parse().unwrap();
        assert!(
            url.as_str().starts_with(&format!("{}/authorize?", self.issuer())),
            "{url}"
        );
        let value = |name: &str| {
            let found = url.query_pairs().find(|(known, _)| known == name);
            found.unwrap_or_else(|| panic!("{name} in {url}")).1.into_owned()
        };
        assert_eq!(
            (value("response_type").as_str(), value("client_id").as_str()),
            ("code", "deployer")
        );
        assert_eq!(value("code_challenge_method"), "S256");
        assert!(value("scope").starts_with("openid"));
        let code = json!({ "nonce": value("nonce"), "challenge": value("code_challenge"), "back": value("redirect_uri") });
        (BASE64.encode(code.to_string()), value("state"))
    }
}

fn new_key(name: &str) -> (String, Arc<EcdsaKeyPair>) {
    let random = SystemRandom::new();
    let written = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, written.as_ref(), &random).unwrap();
    (name.to_owned(), Arc::new(pair))
}

/// An answer under the status that is wanted.
fn answer(provider: &Provider, value: Value) -> Response {
    let status = StatusCode::from_u16(provider.0.ways.lock().status).unwrap();
    Json(value).with_status(status).into_response()
}

#[handler]
fn describe(Data(provider): Data<&Provider>) -> Response {
    let at = |path: &str| format!("{}{path}", provider.issuer());
    let called = provider.0.ways.lock().called.clone();
    let description = json!({
        "issuer": called.unwrap_or_else(|| provider.issuer().to_owned()),
        "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"), "jwks_uri": at("/keys"),
        "userinfo_endpoint": at("/me"), "end_session_endpoint": at("/end"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    answer(provider, description)
}

#[handler]
fn keys(Data(provider): Data<&Provider>) -> Response {
    *provider.0.keys_fetched.lock() += 1;
    let (name, pair) = provider.0.key.lock().clone();
    let point = pair.public_key().as_ref();
    let key = json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": name,
        "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..65]),
    });
    answer(provider, json!({ "keys": [key] }))
}

#[handler]
fn about(Data(provider): Data<&Provider>) -> Response {
    let told = provider.0.ways.lock().user_info.clone();
    answer(provider, told)
}

#[derive(Deserialize)]
struct Exchange {
    code: String,
    code_verifier: String,
    redirect_uri: String,
}

#[handler]
fn token(Data(provider): Data<&Provider>, Form(sent): Form<Exchange>, request: &poem::Request) -> Response {
    let login = BASE64_STANDARD.encode(format!("deployer:{}", SECRET.replace(' ', "+")));
    assert_eq!(
        request.header("authorization"),
        Some(format!("Basic {login}").as_str())
    );
    let code = BASE64.decode(&sent.code).ok();
    let code: Option<Value> = code.and_then(|code| serde_json::from_slice(&code).ok());
    let Some(code) = code else {
        let refusal = json!({ "error": "invalid_grant", "error_description": "no such <code>" });
        return Json(refusal).with_status(StatusCode::BAD_REQUEST).into_response();
    };
    let challenge = BASE64.encode(Sha256::digest(&sent.code_verifier));
    assert_eq!(code["challenge"], challenge.as_str(), "PKCE");
    assert_eq!(code["back"], sent.redirect_uri.as_str());
    let ways = provider.0.ways.lock().clone();
    let now = deployer::clock::Clock::System.now().timestamp() + ways.ahead;
    let mut claims = json!({
        "iss": provider.issuer(), "aud": "deployer", "iat": now, "exp": now + ways.lasts, "nonce": code["nonce"],
    });
    for (name, value) in ways.claims.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let (name, pair) = provider.0.key.lock().clone();
    let head = json!({ "alg": ways.algorithm, "typ": "JWT", "kid": name });
    let signed = format!(
        "{}.{}",
        BASE64.encode(head.to_string()),
        BASE64.encode(claims.to_string())
    );
    let signature = match ways.algorithm {
        "none" => String::new(),
        "HS256" => {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
            BASE64.encode(ring::hmac::sign(&key, signed.as_bytes()))
        }
        _ => BASE64.encode(pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap()),
    };
    let tokens = json!({
        "access_token": "for asking", "token_type": "Bearer", "expires_in": 300,
        "id_token": format!("{signed}.{signature}"),
    });
    answer(provider, tokens)
}
