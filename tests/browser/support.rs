//! A browser of one's own for a test, gone after it.
#![allow(
    clippy::disallowed_methods,
    reason = "the driver outlives the call that starts it; it is ended with its test"
)]

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::world::World;
use crate::web::support::{PASSWORD, TestSite};

/// For what is pressed or filled to come.
const PRESS_PATIENCE: Duration = Duration::from_secs(10);
/// How long a page may take to become what it should be, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(45);

/// A Chromium with an empty profile, at a site.
pub struct Browser {
    pub page: Client,
    site: TestSite,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// A browser that is logged in to the site of an installation as `admin`.
    pub async fn over(world: &World) -> Self {
        Self::start(site_of(world).await, true).await
    }

    /// The same, of a visitor without JavaScript.
    pub async fn without_scripts(world: &World) -> Self {
        Self::start(site_of(world).await, false).await
    }

    /// A browser that is logged in to a site as its user `admin`.
    pub async fn start(site: TestSite, scripts: bool) -> Self {
        let browser = Self::visiting(site, scripts).await;
        browser.log_in("admin").await;
        browser
    }

    /// A browser at a site, of somebody who is not logged in.
    pub async fn visiting(site: TestSite, scripts: bool) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // The browser is in it, too, and ends with it when a test fails.
            .process_group(0)
            .spawn()
            .expect("chromedriver is installed");
        let options = json!({
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                // Pages of others name further hosts.
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                format!("--user-data-dir={}", profile.path().display()),
            ],
            "prefs": { "profile.managed_default_content_settings.javascript": if scripts { 1 } else { 2 } },
        });
        let mut wanted = serde_json::Map::new();
        wanted.insert("goog:chromeOptions".into(), options);
        wanted.insert("goog:loggingPrefs".into(), json!({ "browser": "ALL" }));
        let start = Instant::now();
        let page = loop {
            let connected = ClientBuilder::new(HttpConnector::new())
                .capabilities(wanted.clone())
                .connect(&format!("http://127.0.0.1:{port}"))
                .await;
            match connected {
                Ok(page) => break page,
                Err(error) => assert!(start.elapsed() < PATIENCE, "the browser does not start: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        Self {
            page,
            site,
            driver,
            _profile: profile,
        }
    }

    /// Writes into a field in place of what is there.
    pub async fn fill(&self, css: &str, text: &str) {
        let coming = self.page.wait().at_most(PRESS_PATIENCE);
        let field = coming.for_element(Locator::Css(css)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses a button or follows a link once it is there, by script: while one page fades into the next, and below
    /// the bar at the bottom of a window, neither takes the driver's click.
    pub async fn press(&self, css: &str) {
        let script =
            "const found = document.querySelector(arguments[0]); found?.click(); return found !== null";
        let start = Instant::now();
        loop {
            let pressed = self.page.execute(script, vec![css.into()]).await;
            match pressed {
                Ok(Value::Bool(true)) => return,
                other => assert!(
                    start.elapsed() < PRESS_PATIENCE,
                    "{css} cannot be pressed: {other:?}"
                ),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Logs out on whatever page is open.
    pub async fn log_out(&self) {
        self.press("form[action='/logout'] button").await;
        self.until_text("main", "You are logged out.").await;
    }

    /// Opens the page at `path`.
    pub async fn open(&self, path: &str) {
        let address = format!("{}{path}", self.site.url);
        self.page.goto(&address).await.unwrap();
    }

    /// Sends the form of the login, which is open.
    pub async fn enter(&self, name: &str, password: &str) {
        self.fill("main input[name=name]", name).await;
        self.fill("main input[name=password]", password).await;
        self.press("main form .btn-primary").await;
    }

    async fn log_in(&self, name: &str) {
        self.open("/login").await;
        self.enter(name, PASSWORD).await;
        self.until("logged in", || async {
            !self
                .page
                .current_url()
                .await
                .unwrap()
                .path()
                .starts_with("/login")
        })
        .await;
    }

    /// Waits until `is_so`.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, is_so: impl Fn() -> F) {
        let start = Instant::now();
        while !is_so().await {
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain until {what}:\n{}",
                self.text("body").await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The text that a person sees in the first element of this kind; empty where there is none.
    pub async fn text(&self, css: &str) -> String {
        match self.page.find(Locator::Css(css)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until the text of an element holds `wanted`.
    pub async fn until_text(&self, css: &str, wanted: &str) {
        self.until(&format!("{css} says “{wanted}”"), || async {
            self.text(css).await.contains(wanted)
        })
        .await;
    }

    /// Waits until the tab's title holds `wanted`.
    pub async fn until_title(&self, wanted: &str) {
        self.until(&format!("the title says “{wanted}”"), || async {
            self.page.title().await.unwrap_or_default().contains(wanted)
        })
        .await;
    }

    /// The address of the tab's icon.
    pub async fn icon(&self) -> String {
        let icon = self
            .ask("document.querySelector('link[rel=icon]').getAttribute('href')")
            .await;
        icon.as_str().unwrap_or_default().to_owned()
    }

    /// Sends a command of the DevTools protocol.
    pub async fn devtools(&self, command: &'static str, parameters: Value) -> Value {
        let command = DevTools { command, parameters };
        self.page.issue_cmd(command).await.unwrap()
    }

    /// What a script in the page answers.
    pub async fn ask(&self, script: &str) -> Value {
        self.page
            .execute(&format!("return {script}"), Vec::new())
            .await
            .unwrap()
    }

    /// Marks the page that is open now.
    pub async fn mark(&self) {
        self.ask("window.kept = 'yes'").await;
    }

    /// It is still the page that was marked: nothing has loaded it again.
    pub async fn assert_not_loaded_again(&self) {
        assert_eq!(self.ask("window.kept").await, "yes");
    }

    /// Takes pictures into `DEPLOYER_PICTURES`, when somebody wants to look: at desk and phone
    /// width, light and dark.
    pub async fn picture(&self, name: &str) {
        let Some(dir) = std::env::var_os("DEPLOYER_PICTURES") else {
            return;
        };
        for (width, height) in [(1280, 900), (390, 844)] {
            self.page.set_window_size(width, height).await.unwrap();
            for theme in ["light", "dark"] {
                let script = format!("document.documentElement.dataset.bsTheme = '{theme}'");
                self.page.execute(&script, Vec::new()).await.unwrap();
                // Colours fade over.
                tokio::time::sleep(Duration::from_millis(400)).await;
                let picture = self.page.screenshot().await.unwrap();
                let file = format!("{name}-{width}-{theme}.png");
                std::fs::write(std::path::Path::new(&dir).join(file), picture).unwrap();
            }
        }
        self.page.set_window_size(1280, 900).await.unwrap();
    }

    /// Ends it.
    pub async fn close(self) {
        let _ = self.page.clone().close().await;
    }
}

/// The site of an installation, with the user `admin`.
async fn site_of(world: &World) -> TestSite {
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    site.add_user("admin").await;
    site
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = i32::try_from(self.driver.id()).expect("a process's number");
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        let _ = self.driver.wait();
    }
}

/// A command of the DevTools protocol.
#[derive(Debug)]
struct DevTools {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!(
            "session/{}/goog/cdp/execute",
            session.unwrap_or_default()
        ))
    }

    fn method_and_body(&self, _: &url::Url) -> (poem::http::Method, Option<String>) {
        let body = json!({ "cmd": self.command, "params": self.parameters });
        (poem::http::Method::POST, Some(body.to_string()))
    }
}
