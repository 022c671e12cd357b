//! The way from the overview to a page: labels and addresses above its title.

use super::urls;

/// Labels and addresses, from the top.
pub type Trail = Vec<(String, String)>;

/// The trail of pages below the overview.
pub fn overview() -> Trail {
    vec![("Overview".to_owned(), urls::overview().to_owned())]
}

/// The trail of pages below a project.
pub fn project(project: &str) -> Trail {
    let mut trail = overview();
    trail.push((project.to_owned(), urls::project(project)));
    trail
}

/// The trail of pages below an environment.
pub fn environment(project: &str, environment: &str) -> Trail {
    let mut trail = self::project(project);
    trail.push((environment.to_owned(), urls::environment(project, environment)));
    trail
}

/// The trail of pages below one of the lists of the configuration.
pub fn admin(list: &str, url: &str) -> Trail {
    vec![
        ("Admin".to_owned(), urls::admin().to_owned()),
        (list.to_owned(), url.to_owned()),
    ]
}
