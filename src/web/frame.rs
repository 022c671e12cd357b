//! What surrounds the content of every page: `templates/layouts/page.html` draws it.
//!
//! A page struct holds a `frame: Frame`, which the visitor makes; its template begins with
//! `{% extends "layouts/page.html" %}` and fills the block `content`.

use askama::Template;
use poem::Response;

use super::flash::Flash;
use super::look::TabSign;
use super::urls;
use crate::domain::{Error, Instant, Result};

/// Light, dark, or the system's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    Auto,
    Light,
    Dark,
}

impl Theme {
    /// The cookie that keeps the choice.
    pub const COOKIE: &'static str = "deployer_theme";

    /// Reads a cookie or form value; anything unknown is [`Theme::Auto`].
    pub fn of(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::Auto,
        }
    }

    /// As cookie, form and the attribute `data-bs-theme` write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The part of the navigation a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// What runs where, and everything below a project.
    Overview,
    /// What is happening now.
    Activity,
    /// Past deployments.
    History,
    /// Who did what.
    Audit,
    Admin,
    Elsewhere,
}

/// An entry of the navigation.
#[derive(Debug, Clone)]
pub struct NavItem {
    pub label: &'static str,
    pub icon: &'static str,
    pub url: &'static str,
    /// Whether the page belongs to it.
    pub current: bool,
}

/// A warning above every page until its cause is gone.
#[derive(Debug, Clone)]
pub struct Banner {
    /// One sentence.
    pub text: String,
    /// The address of a page with details; may be empty.
    pub url: String,
}

/// Everything around the content of a page.
#[derive(Debug, Clone)]
pub struct Frame {
    /// For the window's title.
    pub title: String,
    /// The state that the browser's tab shows.
    pub tab: TabSign,
    /// The name of the logged-in user.
    pub user: Option<String>,
    /// For the hidden field of forms and for htmx; see the component `forms::token`.
    pub csrf: String,
    pub theme: Theme,
    pub nav: Vec<NavItem>,
    pub flashes: Vec<Flash>,
    /// Standing warnings.
    pub banners: Vec<Banner>,
    /// Whether the visitor may read the policy, and so follow the lines that pages cite.
    pub reads_policy: bool,
    /// The instant that relative times refer to.
    pub now: Instant,
    /// The local address to come back to after logging in or changing colours.
    pub here: String,
    /// What the search box holds.
    pub search: String,
}

impl Frame {
    /// The title of the browser's tab, without the state before it.
    pub fn tab_title(&self) -> String {
        format!("{} · Deployer", self.title)
    }
}

/// The rights that add entries to the navigation.
#[derive(Debug, Clone, Copy)]
pub struct NavRights {
    pub audits: bool,
    /// The first administrative page that the visitor may open.
    pub admin: Option<&'static str>,
}

/// The navigation of a visitor with `rights`, on a page of `section`.
pub fn nav(section: Section, rights: NavRights) -> Vec<NavItem> {
    let item = |label, icon, url, of| NavItem {
        label,
        icon,
        url,
        current: of == section,
    };
    let mut items = vec![
        item("Overview", "layout-grid", urls::overview(), Section::Overview),
        item("Activity", "activity", urls::activity(), Section::Activity),
        item("History", "history", urls::history(), Section::History),
    ];
    if rights.audits {
        items.push(item("Audit", "shield-check", urls::audit(), Section::Audit));
    }
    if let Some(url) = rights.admin {
        items.push(item("Admin", "settings", url, Section::Admin));
    }
    items
}

/// A rendered template as an answer; a template that fails is our fault, not the visitor's.
pub fn html(template: &impl Template) -> Result<Response> {
    Ok(page(template.render().map_err(Error::internal)?))
}

/// Two parts of a page as one answer.
///
/// # Errors
/// As [`html`].
pub fn both(first: &impl Template, second: &impl Template) -> Result<Response> {
    let first = first.render().map_err(Error::internal)?;
    let second = second.render().map_err(Error::internal)?;
    Ok(page(format!("{first}{second}")))
}

fn page(text: String) -> Response {
    Response::builder()
        .content_type("text/html; charset=utf-8")
        .body(text)
}

/// After a form: go and look at `url` (303, so that reloading does not send the form again).
pub fn go_to(url: &str) -> Response {
    Response::builder()
        .status(poem::http::StatusCode::SEE_OTHER)
        .header("location", url)
        .finish()
}
