//! Where the JSON API is, for those below it that treat its requests differently from those of pages.

/// What every address of the API begins with. A change that breaks clients gets another one.
pub const ROOT: &str = "/api/v1";

/// Whether `path`, perhaps with a query, is an address of the API.
pub fn is_api(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_the_root_is_of_the_api() {
        for inside in ["/api/v1", "/api/v1/", "/api/v1/projects", "/api/v1?a=b"] {
            assert!(is_api(inside), "{inside}");
        }
        for outside in ["/", "/api", "/api/v10", "/api/v2/projects"] {
            assert!(!is_api(outside), "{outside}");
        }
    }
}
