//! The pages, as browsers see them: poem for HTTP, Askama for HTML, htmx for live updates.
//!
//! **The path of a request.** [`gate`] gives it an id, identifies its sender ([`principal`]), refuses forms
//! that are not ours ([`csrf`]), calls the handler, turns an error into a page, a fragment or JSON
//! ([`errors`]), and adds the security headers. The table of [`mod@routes`] lists every address; a handler
//! extracts, calls `app` once, and returns a view.
//!
//! **The floors**, from the top; no file uses one above it. `routes` knows every page. `pages`
//! extract, call and answer, `api` does the same for programs. `live` streams what happens, `views` holds what pages and streams both
//! draw. Below them `gate`, `errors` and `kept` surround each page, `visitor` is what a page knows of its
//! request, and `principal`, `session` and `site` are what that is made from. On the ground are
//! words, addresses and forms: `urls`, `look`, `format`, `escape`, `terminal`, `frame`, `forms`,
//! `strategy_form`, `flash`, `csrf`, `cookies`, `settings`, `trail`, `assets`, `table`, and the
//! `connections` that requests come in on.
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
//! [`format`](mod@format), states are drawn by `ui::state` through [`look::Look`], log lines
//! go through [`terminal`].
//!
//! **Forms** are plain `<form method="post">` with `{{ forms::token(frame.csrf) }}` as first
//! child; the handler does its work, leaves a [`flash::Flash`] and answers
//! [`go_to`](frame::go_to). A form that cannot be accepted is shown again with status 422 and the
//! complaints beside their fields ([`crate::domain::FieldError`]). htmx sends the same token in a
//! header.
//!
//! **Without JavaScript** everything works: `static/app.js` and htmx only spare reloads.
//! **Without inline anything**: the content security policy forbids scripts and styles in
//! templates; a width that depends on a number is a `<progress>`, a `<meter>`, or an attribute inside an `<svg>`.
//!
//! **Look.** Tabler's style sheet below, `static/app.css` above it; its head lists the
//! vocabulary.

mod api;
mod api_address;
pub mod assets;
pub mod connections;
mod cookies;
pub mod csrf;
pub mod errors;
pub mod escape;
mod feed_secret;
pub mod flash;
pub mod format;
pub mod forms;
pub mod frame;
pub mod gate;
mod hook_address;
mod hooks;
pub mod kept;
pub mod labels;
mod live;
mod login_proxy;
pub mod look;
mod pages;
pub mod principal;
pub mod problem;
pub mod rate;
pub mod routes;
pub mod session;
pub mod settings;
pub mod site;
pub mod strategy_form;
pub mod table;
pub mod terminal;
pub mod trail;
pub mod urls;
mod views;
pub mod visitor;
pub mod zone;

pub use self::api::{document as api_document, operations as api_operations};
pub use self::routes::{entries, routes, serve};
pub use self::settings::Settings;
pub use self::site::Site;
