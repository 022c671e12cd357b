//! What surrounds the content of every page: `templates/layouts/page.html` draws it.
//!
//! A page struct holds a `frame: Frame`, had from [`Visitor::frame`]; its template begins with
//! `{% extends "layouts/page.html" %}` and fills the block `content`.

use askama::Template;
use poem::Response;

use super::flash::Flash;
use super::urls;
use super::visitor::Visitor;
use crate::domain::{Action, Error, Instant, Resource, Result};

/// Light, dark, or as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// As the system says.
    Auto,
    /// Light.
    Light,
    /// Dark.
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
    /// What goes on now.
    Activity,
    /// What was.
    History,
    /// Who did what.
    Audit,
    /// Configuration.
    Admin,
    /// None of these.
    Elsewhere,
}

/// An entry of the navigation.
#[derive(Debug, Clone)]
pub struct NavItem {
    /// The word.
    pub label: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// Where it leads.
    pub url: &'static str,
    /// Whether the page belongs to it.
    pub current: bool,
}

/// A warning above every page until its cause is gone.
#[derive(Debug, Clone)]
pub struct Banner {
    /// One sentence.
    pub text: String,
    /// Where more is said; may be empty.
    pub url: String,
}

/// What a page stands in.
#[derive(Debug, Clone)]
pub struct Frame {
    /// For the window's title.
    pub title: String,
    /// The name of who is logged in.
    pub user: Option<String>,
    /// For the hidden field of forms and for htmx; see the component `forms::token`.
    pub csrf: String,
    /// The chosen colours.
    pub theme: Theme,
    /// The navigation, as far as this visitor may follow it.
    pub nav: Vec<NavItem>,
    /// Messages shown once.
    pub flashes: Vec<Flash>,
    /// Standing warnings.
    pub banners: Vec<Banner>,
    /// The instant that relative times are told from.
    pub now: Instant,
    /// The local address to come back to after logging in or changing colours.
    pub here: String,
    /// What the search box holds.
    pub search: String,
}

impl Frame {
    pub(super) fn new(visitor: &Visitor, title: String, section: Section, flashes: Vec<Flash>) -> Self {
        let site = visitor.site();
        let may = |action| {
            site.app
                .policy()
                .may(visitor.actor(), action, &Resource::Everything, visitor.now())
        };
        let administers = may(Action::Administer);
        Self {
            title,
            user: visitor.user().map(|user| user.title().to_owned()),
            csrf: visitor.form_token(),
            theme: visitor.theme(),
            nav: nav(section, may(Action::View), may(Action::Configure)),
            flashes,
            banners: if administers { site.banners() } else { Vec::new() },
            now: visitor.now(),
            here: visitor.return_path().to_owned(),
            search: String::new(),
        }
    }
}

fn nav(section: Section, views_all: bool, configures: bool) -> Vec<NavItem> {
    let everything = [
        (
            "Overview",
            "layout-grid",
            urls::overview(),
            Section::Overview,
            true,
        ),
        ("Activity", "activity", urls::activity(), Section::Activity, true),
        ("History", "history", urls::history(), Section::History, true),
        ("Audit", "shield-check", urls::audit(), Section::Audit, views_all),
        ("Admin", "settings", urls::admin(), Section::Admin, configures),
    ];
    everything
        .into_iter()
        .filter(|(_, _, _, _, shown)| *shown)
        .map(|(label, icon, url, of, _)| NavItem {
            label,
            icon,
            url,
            current: of == section,
        })
        .collect()
}

/// A rendered template as an answer; a template that fails is our fault, not the visitor's.
pub fn html(template: &impl Template) -> Result<Response> {
    let text = template.render().map_err(Error::internal)?;
    Ok(Response::builder()
        .content_type("text/html; charset=utf-8")
        .body(text))
}

/// After a form: go and look at `url` (303, so that reloading does not send the form again).
pub fn go_to(url: &str) -> Response {
    Response::builder()
        .status(poem::http::StatusCode::SEE_OTHER)
        .header("location", url)
        .finish()
}
