//! The demo's contents, as data: the files of `src/demo/data`, which are compiled in.
//!
//! `people.toml` and `fleet.toml` list people and servers. Each project has a folder with the history of
//! its repository and the scripts and pictures of its commits.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

#[derive(rust_embed::RustEmbed)]
#[folder = "src/demo/data/"]
struct Files;

/// Whether there is a file of this name.
pub fn exists(name: &str) -> bool {
    Files::get(name).is_some()
}

/// The content of a file.
pub fn bytes(name: &str) -> Cow<'static, [u8]> {
    let file = Files::get(name);
    file.expect("the demo's files are compiled in, and tests read every one that is named")
        .data
}

/// The content of a text file.
pub fn text(name: &str) -> String {
    String::from_utf8(bytes(name).into_owned()).expect("tests read every text file of the demo")
}

/// Reads a TOML file.
pub fn read<T: DeserializeOwned>(name: &str) -> T {
    toml::from_str(&text(name)).expect("tests read every TOML file of the demo")
}

#[cfg(test)]
mod tests {
    use super::super::{fleet::FLEET, people::PEOPLE};
    use super::*;

    #[test]
    fn every_file_is_used_and_loads() {
        let mut used = vec![
            "people.toml".to_owned(),
            "fleet.toml".to_owned(),
            "policy.csv".to_owned(),
            "past.toml".to_owned(),
        ];
        assert!(!PEOPLE.accounts.is_empty());
        for project in &FLEET.projects {
            used.push(format!("{}/history.toml", project.name));
            let copied = project.history().into_iter().flat_map(|event| event.copied());
            used.extend(copied.map(|file| format!("{}/{file}", project.name)));
        }
        let mut there: Vec<String> = Files::iter().map(String::from).collect();
        used.sort();
        used.dedup();
        there.sort();
        assert_eq!(used, there);
    }
}
