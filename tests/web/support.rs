//! A site of its own for each test: real store, real policy, real sockets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use deployer::access::Access;
use deployer::app::App;
use deployer::app::users::hash_password;
use deployer::clock::Clock;
use deployer::config::Config;
use deployer::domain::audit::AuditEvent;
use deployer::domain::user::User;
use deployer::domain::{Name, UserId};
use deployer::engine::{self, Engine, Parts};
use deployer::git::{GitOptions, Mirrors};
use deployer::ssh::{self, Pool};
use deployer::store::{Page, Store, StoreOptions, audit, users};
use deployer::web::{self, Site};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What everybody's password is.
pub const PASSWORD: &str = "correct horse battery";

/// A running site; stops when dropped.
pub struct TestSite {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    pub store: Store,
    /// A browser that does not follow redirects by itself.
    pub browser: Client,
    _stop: oneshot::Sender<()>,
    _directory: tempfile::TempDir,
}

/// What makes one test's site differ from another's.
pub struct Options {
    pub https: bool,
    pub address: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            https: false,
            address: "127.0.0.1:0",
        }
    }
}

/// A browser with an empty cookie jar.
pub fn browser() -> Client {
    Client::builder()
        .cookie_store(true)
        .redirect(Policy::none())
        .build()
        .unwrap()
}

impl TestSite {
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("deployer.db");
        let url = format!("sqlite://{}", file.display());
        let store = Store::open(&url, StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let site = Site::new(app(&store, directory.path(), options.https));
        let listener = TcpListener::bind(options.address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(web::serve(Arc::new(site), listener, async {
            let _ = stopped.await;
        }));
        Self {
            url,
            store,
            browser: browser(),
            _stop: stop,
            _directory: directory,
        }
    }

    /// Adds an account whose password is [`PASSWORD`].
    pub async fn add_user(&self, name: &str) -> User {
        let hash = hash_password(PASSWORD).await.unwrap();
        let user = User {
            id: UserId(0),
            name: name.parse::<Name>().unwrap(),
            display_name: String::new(),
            email: String::new(),
            disabled: false,
            created_at: DateTime::UNIX_EPOCH,
            last_login_at: None,
        };
        let tx = self.store.begin().await.unwrap();
        let user = users::insert(&tx, &user, Some(&hash)).await.unwrap();
        tx.commit().await.unwrap();
        user
    }

    pub async fn get(&self, path: &str) -> Response {
        self.browser
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap()
    }

    /// The token that the forms of a page hold.
    pub async fn token(&self, path: &str) -> String {
        let page = self.get(path).await.text().await.unwrap();
        let (_, rest) = page
            .split_once("name=\"csrf\" value=\"")
            .expect("a form on the page");
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// Sends a form as the page at `path` would.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let token = self.token(path).await;
        let mut form = vec![("csrf", token.as_str())];
        form.extend(fields);
        let request = self.browser.post(format!("{}{path}", self.url));
        request.form(&form).send().await.unwrap()
    }

    /// Tries to log in.
    pub async fn log_in(&self, name: &str, password: &str) -> Response {
        self.post("/login", &[("name", name), ("password", password)])
            .await
    }

    /// The audit log, newest first, as `action resource`.
    pub async fn audited(&self) -> Vec<String> {
        let page = audit::list(&self.store, &audit::Filter::default(), Page::Newest, 100).await;
        let say = |event: &AuditEvent| format!("{} {}", event.event.action, event.event.resource);
        page.unwrap().items.iter().map(say).collect()
    }
}

/// An application over `store` that never reaches outside `directory`.
fn app(store: &Store, directory: &Path, https: bool) -> App {
    let mut config = Config::default();
    config.data_dir = directory.to_owned();
    config.http.public_url = https.then(|| "https://deployer.example".parse().unwrap());
    let access = Arc::new(Access::builtin());
    let mirrors = Mirrors::new(directory.join("mirrors"), GitOptions::default());
    let ssh = Pool::new(ssh::Options::default());
    let engine = Engine::new(Parts {
        store: store.clone(),
        access: Arc::clone(&access),
        mirrors: mirrors.clone(),
        ssh: ssh.clone(),
        clock: Clock::System,
        settings: engine::Settings {
            instance: "test".to_owned(),
            workers: 1,
            work_dir: directory.join("work"),
            lease: Duration::from_secs(30),
            secrets: Vec::new(),
        },
    });
    App {
        store: store.clone(),
        access,
        mirrors,
        ssh,
        engine,
        clock: Clock::System,
        config: Arc::new(config),
    }
}

/// The cookies that an answer sets, as sent.
pub fn cookies(response: &Response) -> Vec<String> {
    let lines = response.headers().get_all("set-cookie");
    lines
        .iter()
        .map(|line| line.to_str().unwrap().to_owned())
        .collect()
}

/// One header of an answer; empty when it is not there.
pub fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}
