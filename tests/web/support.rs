//! A site of its own for each test: real store, real policy, real sockets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deployer::access::{Access, Permit};
use deployer::app::accounts::{self, Keeping, NewUser};
use deployer::app::logins::Logins;
use deployer::app::throttle::LoginLimits;
use deployer::app::{App, start};
use deployer::clock::Clock;
use deployer::config::Config;
use deployer::domain::Name;
use deployer::domain::audit::AuditEvent;
use deployer::domain::user::User;
use deployer::engine::live::Hub;
use deployer::store::{AuditFilter, Page, Store, StoreOptions, audit};
use deployer::web::connections::Limits;
use deployer::web::{self, Site};
use reqwest::cookie::{CookieStore, Jar};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::support::databases::sealing_key;

/// What everybody's password is.
pub const PASSWORD: &str = "correct horse battery";

/// A running site; stops when dropped.
pub struct TestSite {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    pub store: Store,
    pub app: App,
    /// A browser that does not follow redirects by itself.
    pub browser: Client,
    _stop: oneshot::Sender<()>,
    /// Where the engine tells what happens.
    pub hub: Hub,
    cookies: Arc<Jar>,
    _directory: Option<tempfile::TempDir>,
}

/// What makes one test's site differ from another's.
#[derive(Default)]
pub struct Options {
    pub https: bool,
    /// Lines beside those of the shipped policy.
    pub policy: Option<&'static str>,
    /// How often open streams are judged, where a test cannot wait.
    pub judge_every: Option<Duration>,
    /// Limits of connections, where a test cannot open thousands or wait a minute.
    pub connections: Option<Limits>,
    /// Requests of the API in a minute, where a test cannot send thousands.
    pub api_requests: Option<std::num::NonZeroU32>,
    /// Limits of logins, where a test cannot wait.
    pub logins: Option<LoginLimits>,
    /// Where the database is, when it is not an SQLite file of the site's own.
    pub database: Option<String>,
}

/// Logins of which none may wait: what is over a limit is turned away.
pub fn impatient() -> Options {
    Options {
        logins: Some(LoginLimits {
            waiting: 0,
            ..LoginLimits::default()
        }),
        ..Options::default()
    }
}

/// A browser with an empty cookie jar.
pub fn browser() -> Client {
    browser_with(Arc::new(Jar::default()))
}

fn browser_with(cookies: Arc<Jar>) -> Client {
    Client::builder()
        .cookie_provider(cookies)
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
        let own = || format!("sqlite://{}", file.display());
        let url = options.database.clone().unwrap_or_else(own);
        let store = Store::open(&url, StoreOptions::default()).await.unwrap();
        store.set_sealing_keys(vec![sealing_key()]);
        store.migrate().await.unwrap();
        let access = match options.policy {
            None => Access::builtin(),
            Some(lines) => crate::support::world::access(directory.path(), lines),
        };
        let app = app(&store, directory.path(), options.https, access);
        Self::serve(app, store, options, Some(directory)).await
    }

    /// A site over an application that somebody else holds.
    pub async fn over(app: App, store: Store) -> Self {
        Self::serve(app, store, Options::default(), None).await
    }

    /// The same at an address that is known before.
    pub async fn over_at(listener: TcpListener, app: App, store: Store) -> Self {
        Self::serve_at(listener, app, store, Options::default(), None).await
    }

    async fn serve(app: App, store: Store, options: Options, directory: Option<tempfile::TempDir>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve_at(listener, app, store, options, directory).await
    }

    async fn serve_at(
        listener: TcpListener,
        app: App,
        store: Store,
        options: Options,
        directory: Option<tempfile::TempDir>,
    ) -> Self {
        let hub = app.hub().clone();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let mut site = Site::new(app.clone());
        site.settings.check_viewers_every = options.judge_every.unwrap_or(site.settings.check_viewers_every);
        site.settings.connections = options.connections.unwrap_or(site.settings.connections);
        site.settings.api_requests = options.api_requests.unwrap_or(site.settings.api_requests);
        if let Some(limits) = options.logins {
            site.logins = Logins::new(limits);
        }
        tokio::spawn(web::serve(Arc::new(site), listener, async {
            let _ = stopped.await;
        }));
        let cookies = Arc::new(Jar::default());
        Self {
            url,
            store,
            app,
            browser: browser_with(Arc::clone(&cookies)),
            hub,
            cookies,
            _stop: stop,
            _directory: directory,
        }
    }

    /// What the browser sends to say who it is.
    pub fn session_cookie(&self) -> String {
        let url = self.url.parse().unwrap();
        let sent = self.cookies.cookies(&url).expect("somebody is logged in");
        sent.to_str().unwrap().to_owned()
    }

    /// Adds an account whose password is [`PASSWORD`].
    pub async fn add_user(&self, name: &str) -> User {
        add_user_to(&self.store, &operator(), name).await
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

    /// Sends an empty form that stands on the page `page` to `path`.
    pub async fn post_at(&self, page: &str, path: &str) -> Response {
        let token = self.token(page).await;
        let request = self.browser.post(format!("{}{path}", self.url));
        request.form(&[("csrf", token.as_str())]).send().await.unwrap()
    }

    /// Sends the button `which` that stands on the page `page` to `path`.
    pub async fn post_from(&self, page: &str, path: &str, which: &str) -> Response {
        let token = self.token(page).await;
        let request = self.browser.post(format!("{}{path}", self.url));
        let form = [("csrf", token.as_str()), ("which", which)];
        request.form(&form).send().await.unwrap()
    }

    /// Tries to log in.
    pub async fn log_in(&self, name: &str, password: &str) -> Response {
        self.post("/login", &[("name", name), ("password", password)])
            .await
    }

    /// The audit log, newest first, as `action resource`.
    pub async fn audited(&self) -> Vec<String> {
        let page = audit::list(&self.store, &AuditFilter::default(), Page::Newest, 100).await;
        let say = |event: &AuditEvent| format!("{} {}", event.event.action, event.event.resource);
        page.unwrap().items.iter().map(say).collect()
    }
}

/// Adds an account whose password is [`PASSWORD`].
pub async fn add_user_to(store: &Store, permit: &Permit, name: &str) -> User {
    let new = NewUser {
        name: name.parse::<Name>().unwrap(),
        display_name: String::new(),
        email: String::new(),
        password: Some(PASSWORD.to_owned()),
        keeping: Keeping::ForGood,
    };
    // A world makes accounts for the people of its policy, without passwords.
    if deployer::store::users::by_name(store, name).await.is_ok() {
        return accounts::set_password(store, permit, name, PASSWORD.to_owned(), Keeping::ForGood)
            .await
            .unwrap();
    }
    accounts::add(store, permit, new).await.unwrap()
}

/// An application over `store` that never reaches outside `directory`.
pub fn app(store: &Store, directory: &Path, https: bool, access: Access) -> App {
    let mut config = Config {
        data_dir: directory.to_owned(),
        ..Config::default()
    };
    config.http.public_url = https.then(|| "https://deployer.example".parse().unwrap());
    start::assemble(config, store.clone(), access, Clock::System)
}

/// What somebody at the command line may do.
pub fn operator() -> Permit {
    Access::local_operator("test", Clock::System.now())
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
