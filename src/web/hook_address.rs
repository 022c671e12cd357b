//! The addresses of hooks: outside of the pages, and secret in part.

/// What they begin with.
const BEGINNING: &str = "/hooks/";

/// The address of a hook, without the host.
pub fn of(token: &str) -> String {
    format!("{BEGINNING}{token}")
}

/// Whether `path` is one, whatever token it names.
pub fn is_one(path: &str) -> bool {
    path.starts_with(BEGINNING)
}
