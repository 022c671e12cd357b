//! Root beside the data of another account: what it would make there, the service could not use.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use super::{Installation, names, run};
use crate::support::sshd::is_root;

/// Any account that is not root.
const SERVICE: u32 = 65534;

fn give(path: &Path) {
    chown(path, Some(SERVICE), Some(SERVICE)).unwrap();
}

#[test]
fn root_makes_nothing_in_a_directory_of_another_account() {
    if !is_root() {
        return;
    }
    let here = Installation::new();
    std::fs::create_dir(here.data()).unwrap();
    give(&here.data());
    for words in [
        "user add alice --generate",
        "user list",
        "migrate",
        "key rotate",
        "key forget x",
        "serve",
    ] {
        let refused = here.run(words);
        refused.badly(&format!("{} belongs to the account ", here.data().display()));
        refused.badly("sudo -u '");
        assert_eq!(names(&here.data()), [""; 0], "{words}");
    }
    // The database decides where there is one: a directory that was mounted for root belongs to anybody.
    chown(here.data(), Some(0), Some(0)).unwrap();
    here.run("user add alice --generate")
        .well("User “alice” was added.");
    give(&here.data());
    here.run("user list").well("alice");
    give(&here.database());
    let database = format!("{} belongs to the account ", here.database().display());
    here.run("user list").badly(&database);
    here.run("migrate").badly(&database);
    assert_eq!(std::fs::metadata(here.database()).unwrap().uid(), SERVICE);
}

#[test]
fn root_takes_no_key_file_away_from_its_account() {
    if !is_root() {
        return;
    }
    let here = Installation::new();
    let key = here.dir.path().join("own.key");
    run(super::program().arg("key").arg("new").arg(&key)).well("The key ");
    give(&key);
    let before = std::fs::read_to_string(&key).unwrap();
    let refused = run(here
        .command("key rotate")
        .env("DEPLOYER__SECRETS__KEY_FILE", &key));
    refused.badly(&format!("{} belongs to the account ", key.display()));
    assert_eq!(std::fs::read_to_string(&key).unwrap(), before);
    assert_eq!(std::fs::metadata(&key).unwrap().uid(), SERVICE);
    assert_eq!(names(here.dir.path()), ["data", "deployer.toml", "own.key"]);
}
