//! The pages, as browsers see them: poem for HTTP, Askama for HTML, htmx for what moves.
//!
//! **The way of a request.** [`gate`] names it, finds out who is there ([`visitor`], [`session`]),
//! refuses forms that are not ours ([`csrf`]), calls the handler, turns an error into a page, a
//! fragment or JSON ([`errors`]), and adds the security headers. The table of routes below is
//! all there is; a handler extracts, calls `app` once, and returns a view.
//!
//! **How to write a page.**
//! ```text
//! /// The contract of `templates/deployments/show.html`.
//! #[derive(Template)]
//! #[template(path = "history/index.html", blocks = ["rows"])]
//! struct HistoryPage { frame: Frame, rows: Vec<Row> }
//!
//! #[handler]
//! pub async fn index(visitor: Visitor, filter: Query<Filter>) -> Result<Response> {
//!     let rows = deployments::history(visitor.app(), visitor.actor(), &filter).await?;
//!     html(&HistoryPage { frame: visitor.frame("History", Section::History).await?, rows })
//! }
//! ```
//! The template begins with `{% extends "layouts/page.html" %}`, imports
//! `components/ui.html as ui` and `components/forms.html as forms`, and fills the block
//! `content`. With `visitor.wants_fragment()` answer `page.as_rows()` instead (one file, one
//! struct, page and fragment). Addresses come from [`urls`], words for times and amounts from
//! [`format`](mod@format), states are drawn by `ui::state` through [`look::Look`], log lines go through [`ansi`].
//!
//! **Forms** are plain `<form method="post">` with `{{ forms::token(frame.csrf) }}` as first
//! child; the handler does its work, leaves a [`flash::Flash`] and answers
//! [`go_to`](frame::go_to). A form that cannot be accepted is shown again with status 422 and the
//! complaints beside their fields ([`crate::domain::FieldError`]). htmx sends the same token in a
//! header by itself.
//!
//! **Without JavaScript** everything works: `static/app.js` and htmx only spare reloads.
//! **Without inline anything**: the content security policy forbids scripts and styles in
//! templates; a width that depends on a number is a `<progress>` or a `<meter>`.
//!
//! **Look.** Tabler's style sheet below, `static/app.css` above it; its head lists the
//! vocabulary.

pub mod ansi;
pub mod assets;
pub mod csrf;
pub mod errors;
pub mod flash;
pub mod format;
pub mod forms;
pub mod frame;
pub mod gate;
mod health;
mod live;
mod login;
pub mod look;
mod pages;
mod preferences;
mod profile;
pub mod session;
pub mod strategy_form;
pub mod table;
pub mod urls;
pub mod visitor;

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use poem::listener::TcpAcceptor;
use poem::{Endpoint, Response, Server};
use tokio::sync::Semaphore;
use tower_sessions::Session;

use self::frame::Banner;
use self::gate::Gate;
use self::live::{Changes, Channels};
use self::pages::{activity, deployment, diff, environment, history, overview, project};
use self::table::{Entry, Table, get, post};
use crate::app::App;
use crate::app::logins::{self, Logins};
use crate::config::{Config, Network};
use crate::domain::user::User;
use crate::domain::{Instant, Result};
use crate::store::sessions::SessionRows;

/// How long open streams may go on after a stop was asked for; browsers reconnect by themselves.
const GRACE: Duration = Duration::from_secs(3);

/// How long somebody who may no longer see a stream goes on seeing it, at most; each question
/// takes two reads of the store, and there may be hundreds of viewers.
const JUDGE_STREAMS_EVERY: Duration = Duration::from_secs(30);

/// How many servers pages ask at once for what they run: many people may look at large
/// environments, and deployments need the connections more.
const QUESTIONS: usize = 12;

/// What the web part is told by the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether people reach us by https (through a proxy): cookies then demand it.
    pub https: bool,
    /// What browsers send as `Origin` from the configured public address.
    pub public_origin: Option<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Days after which an unused session ends.
    pub session_days: u32,
    /// How often an open stream is asked whether its viewer still may see it.
    pub judge_streams_every: Duration,
}

impl Settings {
    /// What `config` says of them.
    pub fn of(config: &Config) -> Self {
        Self {
            https: config.is_https(),
            public_origin: config
                .http
                .public_url
                .as_ref()
                .map(|url| url.origin().ascii_serialization()),
            trusted_proxies: config.http.trusted_proxies.clone(),
            session_days: config.http.session_days,
            judge_streams_every: JUDGE_STREAMS_EVERY,
        }
    }
}

/// What all requests share.
pub struct Site {
    /// The use cases and what they work with.
    pub app: App,
    /// From the configuration.
    pub settings: Settings,
    sessions: SessionRows,
    logins: Logins,
    channels: Channels,
    changes: OnceLock<Changes>,
    /// Taken while a page asks a server something.
    pub(crate) questions: Semaphore,
}

impl Site {
    /// A site over `app`.
    pub fn new(app: App) -> Self {
        Self {
            settings: Settings::of(app.config()),
            sessions: app.sessions(),
            logins: Logins::default(),
            channels: Channels::default(),
            changes: OnceLock::new(),
            questions: Semaphore::new(QUESTIONS),
            app,
        }
    }

    /// Who is logged in with this session, with the secret of its forms. A session whose account
    /// is gone, disabled or has another password by now is ended.
    async fn who(&self, session: &Session, now: Instant) -> Result<Option<(User, String)>> {
        let Some(who) = session::signed_in(session, now).await? else {
            return Ok(None);
        };
        let known = logins::still_known(&self.app, who.id, &who.name, &who.stamp).await?;
        if known.is_none() {
            session::sign_out(session).await?;
        }
        Ok(known.map(|known| (known.user, who.csrf)))
    }

    /// The count of changes, begun when it is first asked for.
    fn changes(&self) -> Changes {
        self.changes.get_or_init(|| Changes::begin(&self.app)).clone()
    }

    /// What administrators have to know on every page.
    fn banners(&self) -> Vec<Banner> {
        let problems = self.app.policy().problems();
        let Some(first) = problems.iter().find(|problem| problem.is_error()) else {
            return Vec::new();
        };
        vec![Banner {
            text: format!("The policy files have an error; the last good policy is in force. {first}"),
            url: urls::admin_policy().to_owned(),
        }]
    }
}

fn table() -> Table {
    let routes = Table::default()
        .at("/static/*path", get(assets::serve))
        .at(urls::login(), get(login::show).post(login::log_in))
        .at(urls::logout(), post(login::log_out))
        .at(urls::profile(), get(profile::show).post(profile::change_password))
        .at(urls::theme(), post(preferences::theme))
        .at(urls::health(), get(health::show))
        .at(urls::activity(), get(activity::show))
        .at(urls::live(), get(activity::events))
        .at(urls::history(), get(history::show))
        .at(urls::history_csv(), get(history::csv))
        .at("/deployments/:id", get(deployment::show))
        .at("/deployments/:id/acts", get(deployment::acts))
        .at("/deployments/:id/events", get(deployment::events))
        .at("/deployments/:id/log", get(deployment::download))
        .at("/deployments/:id/cancel", post(deployment::deeds::cancel))
        .at("/deployments/:id/pause", post(deployment::deeds::pause))
        .at("/deployments/:id/unpause", post(deployment::deeds::unpause))
        .at("/deployments/:id/answer", post(deployment::deeds::answer))
        .at("/deployments/:id/approve", post(deployment::deeds::approve))
        .at("/deployments/:id/reject", post(deployment::deeds::reject))
        .at("/deployments/:id/retry", post(deployment::deeds::retry))
        .at("/deployments/:id/resume", post(deployment::deeds::resume))
        .at("/deployments/:id/promote", post(deployment::deeds::promote))
        .at("/deployments/:id/again", post(deployment::deeds::again))
        .at("/deployments/:id/rollback", post(deployment::deeds::roll_back))
        .at(urls::overview(), get(overview::index))
        .at("/projects/:project", get(project::show).post(project::fetch))
        .at("/projects/:project/diff", get(diff::show))
        .at(
            "/projects/:project/:environment",
            get(environment::show).post(environment::deploy),
        )
        .at(
            "/projects/:project/:environment/lock",
            post(environment::locking::lock),
        )
        .at("/locks/projects/:project", post(project::lock_all))
        .at("/locks/:id/lift", post(environment::locking::lift))
        .at(
            "/projects/:project/:environment/plan",
            get(environment::show_plan),
        )
        .at(
            "/projects/:project/:environment/servers/:server",
            get(environment::live_release).post(environment::read_files),
        );
    pages::admin::routes(routes)
        .at(urls::audit(), get(pages::audit::show))
        .at(urls::audit_verify(), post(pages::audit::verify))
}

/// Method and pattern of every route, for those who check that none is forgotten.
pub fn entries() -> Vec<Entry> {
    table().into_entries()
}

/// All routes, behind the gate.
pub fn routes(site: Arc<Site>) -> impl Endpoint<Output = Response> {
    Gate::new(site, table().into_endpoint())
}

/// Serves the pages on `listener` until `shutdown` comes true.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(
    site: Arc<Site>,
    listener: tokio::net::TcpListener,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let acceptor = TcpAcceptor::from_tokio(listener)?;
    Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(routes(site), shutdown, Some(GRACE))
        .await
}
