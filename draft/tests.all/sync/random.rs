//! Random trees deployed over each other: whatever is in the tree, it is on the server afterwards.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use deployer::domain::SyncMethod;

use super::Site;
use crate::support::rounds::{Dice, rounds};

/// Names that need care, and some that files and directories compete for.
const NAMES: [&str; 12] = [
    "a",
    "b",
    "c",
    "with space",
    "-rf",
    "it's",
    "a\"b",
    "$HOME",
    "été",
    "*",
    "line\nbreak",
    ".hidden",
];
const CHANGES: usize = 8;

fn path(dice: &mut Dice) -> String {
    let depth = 1 + dice.below(3);
    let names: Vec<&str> = (0..depth).map(|_| NAMES[dice.below(NAMES.len())]).collect();
    names.join("/")
}

/// Makes room for `path`: nothing is there, and nothing above it is a file or a link.
fn clear(site: &Site, path: &str) {
    let mut above = String::new();
    for name in path.split('/') {
        above.push_str(name);
        let here = site.tree().join(&above);
        let is_directory = here.is_dir() && !here.is_symlink();
        if above.len() == path.len() || !is_directory && here.symlink_metadata().is_ok() {
            if here.symlink_metadata().is_ok() {
                site.remove(&above);
            }
            return;
        }
        above.push('/');
    }
}

/// One change of the tree, in words.
fn change(site: &Site, dice: &mut Dice) -> String {
    let path = path(dice);
    match dice.below(5) {
        0 => {
            clear(site, &path);
            format!("remove {path:?}")
        }
        1 => {
            clear(site, &path);
            let to = NAMES[dice.below(NAMES.len())];
            fs::create_dir_all(site.tree().join(&path).parent().unwrap()).unwrap();
            site.link(&path, to);
            format!("link {path:?} to {to:?}")
        }
        kind => {
            clear(site, &path);
            let content = format!("{}{}", "x".repeat(dice.below(20_000)), dice.below(3));
            site.write(&path, &content);
            let mode = if kind == 2 { 0o755 } else { 0o644 };
            fs::set_permissions(site.tree().join(&path), fs::Permissions::from_mode(mode)).unwrap();
            format!("write {path:?}, {} bytes, {mode:o}", content.len())
        }
    }
}

async fn deploy_random_trees(method: SyncMethod, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut site = Site::new(method, &[], &[]).await;
    site.write("first", "1");
    site.deploy().await;
    for round in 0..rounds(12, 1000) {
        let changes: Vec<String> = (0..CHANGES).map(|_| change(&site, &mut dice)).collect();
        if let Err(error) = site.put_in_service().await {
            panic!("round {round}: {error}: {changes:#?}");
        }
        site.assert_same();
    }
}

#[tokio::test]
async fn random_trees_arrive_in_place_as_they_are() {
    deploy_random_trees(SyncMethod::InPlace, 11).await;
}

#[tokio::test]
async fn random_trees_arrive_as_releases_as_they_are() {
    deploy_random_trees(SyncMethod::Symlink, 12).await;
}
