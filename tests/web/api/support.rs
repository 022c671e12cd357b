//! A program that asks the API with a token.

use deployer::app::App;
use deployer::app::tokens::{self, NewToken};
use deployer::domain::{Actor, TokenScope};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

use crate::web::support::{TestSite, header};

/// A program with a token, or without one.
pub struct Program {
    pub url: String,
    pub token: String,
    pub client: Client,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub text: String,
    pub etag: String,
    pub link: String,
    pub location: String,
    pub kind: String,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let status = response.status().as_u16();
        let named = |name| header(&response, name).to_owned();
        let (etag, link, location) = (named("etag"), named("link"), named("location"));
        let kind = named("content-type");
        assert!(!header(&response, "x-request-id").is_empty());
        let text = response.text().await.unwrap();
        Self {
            status,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
            etag,
            link,
            location,
            kind,
        }
    }

    /// It has this status; its body.
    #[track_caller]
    pub fn with(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// It is a problem of this kind; its body.
    #[track_caller]
    pub fn problem(self, status: u16, slug: &str) -> Value {
        assert_eq!(self.kind, "application/problem+json", "{}", self.text);
        assert_eq!(
            self.body["type"],
            format!("/api/problems/{slug}"),
            "{}",
            self.text
        );
        assert_eq!(self.body["status"], status);
        self.with(status)
    }
}

/// The secret of a token that `name` makes.
pub async fn token(app: &App, name: &str) -> String {
    let own = Actor::user(name, "192.0.2.7");
    let new = NewToken {
        name: "ci".parse().unwrap(),
        expires_at: None,
        scope: TokenScope::default(),
    };
    tokens::make_own(app, &own, new).await.unwrap().secret
}

impl Program {
    /// With a token of `name`.
    pub async fn of(site: &TestSite, name: &str) -> Self {
        Self {
            token: token(&site.app, name).await,
            ..Self::guest(site)
        }
    }

    /// Without a token.
    pub fn guest(site: &TestSite) -> Self {
        Self {
            url: site.url.clone(),
            token: String::new(),
            client: Client::new(),
        }
    }

    /// A request, to be completed and sent.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        let request = self.client.request(method, format!("{}/api/v1{path}", self.url));
        match self.token.as_str() {
            "" => request,
            token => request.bearer_auth(token),
        }
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::read(request.send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send_json("POST", path, body).await
    }

    pub async fn send_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = self
            .request(method, path)
            .header("content-type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    /// Changes what is at `path`, as it is there now.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        let version = self.get(path).await.etag;
        let request = self.request("PATCH", path).header("if-match", version);
        let request = request.header("content-type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    /// Deletes what is at `path`, as it is there now.
    pub async fn delete(&self, path: &str) -> Answer {
        let version = self.get(path).await.etag;
        self.send(self.request("DELETE", path).header("if-match", version))
            .await
    }
}
