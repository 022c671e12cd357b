//! Every component on one page, with made-up content, to look at while working on the look.
//! Only in debug builds. `?show=NAME` shows a made-up deployment instead; see `rollouts`.

pub mod rollouts;

use askama::Template;
use chrono::TimeDelta;
use poem::web::Query;
use poem::{Response, handler};
use serde::Deserialize;

use crate::domain::deployment::ServerState;
use crate::domain::{DeploymentState, Error, FieldError, Instant, PolicyLine, Result, StepKind, StepState};
use crate::web::ansi;
use crate::web::forms::Complaints;
use crate::web::frame::{Frame, Section, html};
use crate::web::pages::deployment;
use crate::web::visitor::Visitor;

#[derive(Template)]
#[template(path = "gallery/index.html")]
struct GalleryPage {
    frame: Frame,
    trail: Vec<(&'static str, String)>,
    tabs: Vec<(&'static str, &'static str, bool)>,
    deployment_states: &'static [DeploymentState],
    step_states: &'static [StepState],
    step_kinds: &'static [StepKind],
    server_states: &'static [ServerState],
    hash: &'static str,
    other: &'static str,
    recent: Instant,
    earlier: Instant,
    old: Instant,
    lines: Vec<String>,
    complaints: Complaints,
    options: Vec<(&'static str, &'static str)>,
    policy: PolicyLine,
}

const LINES: [&str; 8] = [
    "$ sh deploy.sh beta web-1 3f2a9c1d",
    "\u{1b}[1mInstalling dependencies\u{1b}[0m",
    "  \u{1b}[32m✓\u{1b}[0m 214 packages, \u{1b}[33m3 warnings\u{1b}[0m",
    "  \u{1b}[36mvite\u{1b}[0m building for production… \u{1b}[2m(1.4 s)\u{1b}[0m",
    "\u{1b}[31mwarning:\u{1b}[0m the variable CACHE_URL is not set; <script>alert(1)</script>",
    "\u{1b}[44;97m INFO \u{1b}[0m reloading workers 1/4",
    "\u{1b}[44;97m INFO \u{1b}[0m reloading workers 4/4",
    "\u{1b}[32;1mdone\u{1b}[0m in 4.2 s",
];

/// What is asked for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    show: String,
}

/// The page.
#[handler]
pub async fn show(visitor: Visitor, asked: Query<Asked>) -> Result<Response> {
    let now = visitor.now();
    if let Some(watched) = rollouts::sample(&asked.0.show, now) {
        return deployment::sample(visitor.frame("Gallery", Section::Overview).await?, watched);
    }
    let wrong = Error::fields(vec![FieldError {
        field: "name".to_owned(),
        message: "“shop/2” cannot be a name: use letters, digits, “.”, “_” and “-”.".to_owned(),
    }]);
    html(&GalleryPage {
        frame: visitor.frame("Gallery", Section::Overview).await?,
        trail: vec![("Overview", "/".to_owned()), ("webshop", "#".to_owned())],
        tabs: vec![
            ("Deploy", "#", true),
            ("Commits", "#", false),
            ("Servers", "#", false),
            ("History", "#", false),
        ],
        deployment_states: DeploymentState::ALL,
        step_states: StepState::ALL,
        step_kinds: &StepKind::ALL[..6],
        server_states: ServerState::ALL,
        hash: "3f2a9c1d5be07a6618a2d8fd2b9a1c7e44c0a911",
        other: "9b01c7e2ffe07a6618a2d8fd2b9a1c7e44c0a911",
        recent: now - TimeDelta::seconds(42),
        earlier: now - TimeDelta::minutes(185),
        old: now - TimeDelta::days(30),
        lines: LINES.iter().map(|line| ansi::to_html(line)).collect(),
        complaints: Complaints::of_error(&wrong),
        options: vec![("in_place", "In place"), ("symlink", "Symlink to releases")],
        policy: PolicyLine {
            file: "policy.csv".to_owned(),
            line: 12,
            text: "p, role:webshop, webshop, beta, deploy, business-hours, allow".to_owned(),
        },
    })
}
