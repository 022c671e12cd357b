//! An installation configured by nothing but its forms, and the log that tells of it.

mod answers;
mod audit_log;
mod closed;
mod first_steps;
mod forms;
mod installation;
mod jump_hosts;
mod many;
mod many_of_a_kind;
mod opening;
mod people;
mod renaming;
mod saved_forms;

use crate::support::setup::Setup;
use crate::support::world::World;
use crate::web::support::{PASSWORD, TestSite};

/// A world without servers and environments, and its pages with `admin` logged in.
async fn site() -> (World, TestSite) {
    site_of(World::project()).await
}

/// The same of a project that is set up otherwise.
async fn site_of(project: Setup) -> (World, TestSite) {
    let world = project.clusters(&[]).environments(&[]).start().await;
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    site.add_user("admin").await;
    site.log_in("admin", PASSWORD).await;
    (world, site)
}

/// Sends a form that stands on the page `page` to `path`.
async fn send(site: &TestSite, page: &str, path: &str, fields: &[(&str, &str)]) -> (u16, String, String) {
    let token = site.token(page).await;
    let mut form = vec![("csrf", token.as_str())];
    form.extend(fields);
    let request = site.browser.post(format!("{}{path}", site.url)).form(&form);
    let answer = request.send().await.unwrap();
    let location = crate::web::support::header(&answer, "location").to_owned();
    (answer.status().as_u16(), location, answer.text().await.unwrap())
}

/// What a page says.
async fn page(site: &TestSite, path: &str) -> String {
    let answer = site.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

/// The fields of an environment that can be accepted.
fn environment<'a>(user: &'a str, cluster: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("name", "prod"),
        ("branch", "main"),
        ("target_path", "~/live/books"),
        ("remote_user", user),
        ("position", "1"),
        ("clusters", cluster),
        ("excluded", "uploads"),
        ("shared", ""),
        ("variables", "COLOUR=green"),
        ("secret-name", "API_TOKEN"),
        ("secret-value", "s3cret-value-of-the-token"),
        ("local_timeout", "60"),
        ("remote_timeout", "60"),
        ("parallel", "5"),
        ("keep_releases", "3"),
    ]
}
