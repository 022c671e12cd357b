//! An installation with its site, and a browser that is logged in.

use std::sync::Arc;

use deployer::web::{self, Site};
use reqwest::{Client, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::support::setup::Setup;
use crate::support::world::World;
use crate::web::support::{PASSWORD, browser, operator};

/// Who may what, beside the shipped lines.
const POLICY: &str = "g, dora, role:developer\ng, rita, role:reader";

/// An installation and its site; stops when dropped.
pub struct Pages {
    pub world: World,
    url: String,
    browser: Client,
    _stop: oneshot::Sender<()>,
}

impl Pages {
    /// One project `shop` with these environments on one server; `who` is logged in.
    pub async fn start(environments: &[&'static str], who: &str) -> Self {
        Self::with(World::project().environments(environments), who).await
    }

    pub async fn with(project: Setup, who: &str) -> Self {
        let world = project.policy(POLICY).start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let site = Arc::new(Site::new(world.app.clone()));
        tokio::spawn(web::serve(site, listener, async {
            let _ = stopped.await;
        }));
        let pages = Self {
            world,
            url,
            browser: browser(),
            _stop: stop,
        };
        for name in ["admin", "dora", "rita", "nobody"] {
            crate::web::support::add_user_to(&pages.world.store, &operator(), name).await;
        }
        pages.log_in(who).await;
        pages
    }

    pub async fn log_in(&self, who: &str) {
        let (_, page) = self.get("/login").await;
        let token = value(&page, "csrf");
        let form = [("csrf", token.as_str()), ("name", who), ("password", PASSWORD)];
        let answer = self.send("/login", &form).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{who} could not log in");
    }

    pub async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self
            .browser
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// The page, which must be there.
    pub async fn page(&self, path: &str) -> String {
        let (status, page) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        page
    }

    /// What htmx gets.
    pub async fn fragment(&self, path: &str) -> String {
        let request = self.browser.get(format!("{}{path}", self.url));
        let answer = request.header("hx-request", "true").send().await.unwrap();
        answer.text().await.unwrap()
    }

    pub async fn send(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self.browser.post(format!("{}{path}", self.url));
        request.form(form).send().await.unwrap()
    }

    /// Waits until a background fetch has ended.
    pub async fn fetched(&self, path: &str) -> String {
        for _ in 0..100 {
            let page = self.page(path).await;
            if !page.contains("Fetching") {
                return page;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{path} is being fetched for ever");
    }
}

/// The value of a hidden field of a page.
pub fn value(page: &str, name: &str) -> String {
    let (_, rest) = page
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap_or_else(|| panic!("there is no field {name} in {page}"));
    rest.split_once('"').unwrap().0.to_owned()
}

/// Where an answer leads.
pub fn location(answer: &Response) -> String {
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    answer.headers()["location"].to_str().unwrap().to_owned()
}
