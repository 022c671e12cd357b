//! Repositories of other accounts of this host, and those that lead elsewhere.

use std::path::Path;
use std::process::Command;

use deployer::git::{Error, GitOptions, check_url, probe};

use super::support::{Origin, fetch};
use crate::support::sshd::is_root;

fn give_away(path: &Path) {
    let done = Command::new("chown")
        .args(["-R", "65534:65534"])
        .arg(path)
        .status();
    assert!(done.unwrap().success());
}

fn below(directory: &Path) -> GitOptions {
    GitOptions {
        local_directories: vec![directory.to_owned()],
        ..GitOptions::default()
    }
}

#[tokio::test]
async fn a_repository_of_another_account_is_trusted_below_a_named_directory() {
    if !is_root() {
        return;
    }
    let mut origin = Origin::new();
    origin.write("file", "x");
    let commit = origin.commit("one");
    let dir = origin.dir.path().to_owned();
    origin.git(&["worktree", "add", "-q", "../linked", "-b", "side"]);
    origin.git(&["clone", "-q", "--bare", ".", "../bare.git"]);
    origin.git(&["clone", "-q", ".", "../elsewhere"]);
    let elsewhere = dir.join("elsewhere");
    let tree = elsewhere.display().to_string();
    origin.git(&["-C", &tree, "config", "core.worktree", &tree]);
    for name in ["origin", "linked", "bare.git", "elsewhere"] {
        give_away(&dir.join(name));
    }
    for name in ["origin", "linked", "bare.git", "elsewhere"] {
        let url = format!("file://{}", dir.join(name).display());
        let branches = probe(&check_url(&url).unwrap(), &below(&dir)).await.unwrap();
        let main = branches.iter().find(|(branch, _)| branch.as_str() == "main");
        assert_eq!(main.unwrap().1.as_str(), commit, "{name}");
        let mirror = origin.mirror_of(&url, GitOptions::default());
        fetch(&mirror).await.unwrap();
        let file = mirror.file(&commit.parse().unwrap(), "file").await.unwrap();
        assert_eq!(file.unwrap().bytes, b"x", "{name}");
        let owner =
            std::fs::metadata(dir.join(name)).map(|known| std::os::unix::fs::MetadataExt::uid(&known));
        assert_eq!(owner.unwrap(), 65534, "{name} was changed");
    }
}

#[tokio::test]
async fn a_repository_that_leads_out_of_the_named_directories_is_refused() {
    let mut origin = Origin::new();
    origin.commit("one");
    let named = origin.dir.path().join("named");
    std::fs::create_dir(&named).unwrap();
    let linked = named.join("linked");
    origin.git(&["worktree", "add", "-q", linked.to_str().unwrap(), "-b", "side"]);
    let url = check_url(&format!("file://{}", linked.display())).unwrap();
    let refused = probe(&url, &below(&named)).await.unwrap_err();
    assert!(matches!(refused, Error::LocalAddress { .. }), "{refused}");
    assert_eq!(
        probe(&url, &below(origin.dir.path())).await.unwrap().len(),
        2,
        "it leads nowhere else"
    );
    let empty = check_url(&format!("file://{}", named.display())).unwrap();
    let missing = probe(&empty, &below(&named)).await.unwrap_err();
    assert!(matches!(missing, Error::NoRepository { .. }), "{missing}");
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_holds_nothing_up() {
    for name in ["HEAD", ".git"] {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join(name);
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        let url = check_url(&format!("file://{}", dir.path().display())).unwrap();
        let options = below(dir.path());
        let probing = tokio::time::timeout(std::time::Duration::from_secs(5), probe(&url, &options));
        let refused = probing.await.expect("an answer").unwrap_err();
        assert!(matches!(refused, Error::NoRepository { .. }), "{name}: {refused}");
    }
}
