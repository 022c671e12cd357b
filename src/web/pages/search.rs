//! Search: a page of its own, and the same below the search box while one types.

use askama::Template;
use poem::web::Query;
use poem::{Response, handler};
use serde::Deserialize;

use crate::app::search::{
    self, FoundCommit, FoundEnvironment, FoundPerson, FoundServer, Hits, SearchResults, is_enough,
};
use crate::domain::{Deployment, Project, Result};
use crate::web::format;
use crate::web::frame::{Frame, Section, html};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// Finds of each kind on the page.
const ON_PAGE: usize = 20;
/// The same below the search box.
const BELOW_BOX: usize = 5;

/// The contract of `templates/search/index.html`.
#[derive(Template)]
#[template(path = "search/index.html", blocks = ["found"])]
struct Page {
    frame: Frame,
    groups: Vec<Group>,
    /// Whether enough was typed to search for.
    is_enough: bool,
    is_cut_short: bool,
    /// This search as a page.
    all: String,
    /// How many there are, in words.
    count: String,
}

/// The finds of one kind.
struct Group {
    title: &'static str,
    icon: &'static str,
    links: Vec<Link>,
    more: bool,
}

/// A find.
struct Link {
    url: String,
    title: String,
    /// Below the title; may be empty.
    sub: String,
}

/// What is searched for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SearchQuery {
    q: String,
}

/// `GET /search`
#[handler]
pub async fn show(visitor: Visitor, Query(query): Query<SearchQuery>) -> Result<Response> {
    let limit = if visitor.wants_fragment() {
        BELOW_BOX
    } else {
        ON_PAGE
    };
    let found = search::search(visitor.app(), visitor.actor(), &query.q, limit).await?;
    let mut frame = visitor.frame("Search", Section::Elsewhere).await?;
    frame.search.clone_from(&query.q);
    let is_cut_short = found.is_cut_short;
    let groups = groups(found);
    let shown: usize = groups.iter().map(|group| group.links.len()).sum();
    let page = Page {
        frame,
        count: format::count(shown, "result"),
        is_enough: is_enough(&query.q),
        is_cut_short,
        all: urls::with_query(urls::search(), &[("q", &query.q)]),
        groups,
    };
    if visitor.wants_fragment() {
        return html(&page.as_found());
    }
    html(&page)
}

fn groups(found: SearchResults) -> Vec<Group> {
    let groups = [
        group("Projects", "git-branch", found.projects, project),
        group("Environments", "route", found.environments, environment),
        group("Servers", "server", found.servers, server),
        group("Deployments", "rocket", found.deployments, deployment),
        group("Commits", "git-commit", found.commits, commit),
        group("People", "user", found.people, person),
    ];
    groups
        .into_iter()
        .filter(|group| !group.links.is_empty())
        .collect()
}

fn group<T>(title: &'static str, icon: &'static str, hits: Hits<T>, link: fn(T) -> Link) -> Group {
    Group {
        title,
        icon,
        more: hits.more,
        links: hits.items.into_iter().map(link).collect(),
    }
}

fn project(project: Project) -> Link {
    Link {
        url: urls::project(project.name.as_str()),
        title: project.name.to_string(),
        sub: project.description,
    }
}

fn environment(found: FoundEnvironment) -> Link {
    Link {
        url: urls::environment(&found.project, &found.environment),
        title: format!("{}/{}", found.project, found.environment),
        sub: found
            .runs
            .map(|commit| format!("runs {commit}"))
            .unwrap_or_default(),
    }
}

fn server(found: FoundServer) -> Link {
    let first = found.places.first();
    let place = first.map(|(project, environment)| urls::environment(project, environment));
    let names: Vec<String> = found
        .places
        .iter()
        .map(|(project, environment)| format!("{project}/{environment}"))
        .collect();
    Link {
        url: found.id.map(urls::admin_server).or(place).unwrap_or_default(),
        title: found.name,
        sub: names.join(", "),
    }
}

fn deployment(one: Deployment) -> Link {
    Link {
        url: urls::deployment(one.id),
        sub: format!(
            "{}/{} · {} · {}",
            one.project,
            one.environment,
            one.state.title(),
            one.commit.short()
        ),
        title: format!("{} {}", one.id, one.commit_title),
    }
}

fn commit(found: FoundCommit) -> Link {
    let FoundCommit {
        project,
        environment,
        branch,
        commit,
    } = found;
    let list = urls::commits(&project, &environment, branch.as_str(), commit.id.as_str(), "");
    Link {
        url: format!("{list}#commits"),
        sub: format!("{project} · {} · {}", commit.id.short(), commit.author),
        title: commit.title,
    }
}

fn person(found: FoundPerson) -> Link {
    Link {
        url: match found.has_page {
            true => urls::admin_user(&found.name),
            false => urls::with_query(urls::history(), &[("user", &found.name)]),
        },
        title: found.name,
        sub: found.title,
    }
}
