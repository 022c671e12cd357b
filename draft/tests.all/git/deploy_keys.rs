//! A deploy key for each repository of one Git host.

use std::path::Path;
use std::process::Command;

use deployer::domain::{KeyName, ProjectId};
use deployer::git::{GitOptions, Mirrors, check_url, probe};
use deployer::handshake::keys::KeyFiles;

use super::support::{Origin, Sshd, fetch};
use crate::support::sshd::{keygen, keys};

/// Lets the key in `public` fetch the repository at `path` through git-shell, and nothing else.
fn only(public: &Path, path: &Path) -> String {
    let key = std::fs::read_to_string(public.with_extension("pub")).unwrap();
    let wanted = format!("git-upload-pack '{}'", path.display());
    let script = format!(
        r#"test \"$SSH_ORIGINAL_COMMAND\" = \"{wanted}\" || {{ echo not yours >&2; exit 1; }}; exec git-shell -c \"$SSH_ORIGINAL_COMMAND\""#
    );
    format!("restrict,command=\"{script}\" {key}")
}

#[tokio::test]
async fn each_repository_of_a_host_is_fetched_with_the_key_that_is_named_for_it() {
    let (mut shop, mut blog) = (Origin::new(), Origin::new());
    let commits = [shop.commit("shop"), blog.commit("blog")];
    let sshd = Sshd::start(shop.dir.path());
    let names = ["shop_key", "blog_key"];
    let lines = [(names[0], shop.path()), (names[1], blog.path())].map(|(name, path)| {
        let key = keygen(&sshd.dir, name, "ed25519");
        only(&key, &path)
    });
    std::fs::write(sshd.dir.join("authorized_keys"), lines.concat()).unwrap();
    let options = GitOptions {
        keys: KeyFiles {
            directory: Some(sshd.dir.clone()),
            ..keys(&[&sshd.dir.join(names[0]), &sshd.dir.join(names[1])])
        },
        ..sshd.options()
    };
    let urls = [shop.path(), blog.path()].map(|path| check_url(&sshd.url(&path)).unwrap());

    // The first key logs in, and it is the other repository's.
    let refused = probe(&urls[1], &options).await.unwrap_err().to_string();
    assert!(refused.contains("not yours"), "{refused}");
    let mirrors = Mirrors::new(sshd.dir.join("mirrors"), options.clone());
    for ((name, url), commit) in names.iter().zip(&urls).zip(&commits) {
        let key: KeyName = name.parse().unwrap();
        let url = url.clone().with_key(Some(key));
        let branches = probe(&url, &options).await.unwrap();
        assert_eq!(branches[0].1.as_str(), commit);
        fetch(&mirrors.mirror(ProjectId(1), &url)).await.unwrap();
    }
    // A mirror that is open already goes by the name that was given last.
    let mirror = mirrors.mirror(
        ProjectId(1),
        &urls[1].clone().with_key(Some(names[0].parse().unwrap())),
    );
    let refused = fetch(&mirror).await.unwrap_err().to_string();
    assert!(refused.contains("not yours"), "{refused}");
    let gone = urls[0].clone().with_key(Some("gone".parse().unwrap()));
    let said = probe(&gone, &options).await.unwrap_err().to_string();
    assert!(said.contains("/gone cannot be used: it cannot be read"), "{said}");
}

#[tokio::test]
async fn a_certificate_lets_us_in_on_a_git_host_and_each_refusal_is_told_as_what_it_was() {
    let mut origin = Origin::new();
    origin.commit("one");
    let authority = keygen(origin.dir.path(), "users", "ed25519");
    let trusted = format!(
        "TrustedUserCAKeys {}\n",
        authority.with_extension("pub").display()
    );
    let sshd = Sshd::start_with(origin.dir.path(), |_| trusted);
    let key = keygen(&sshd.dir, "signed", "ed25519");
    let url = check_url(&sshd.url(&origin.path())).unwrap();
    let options = GitOptions {
        keys: keys(&[&key]),
        ..sshd.options()
    };
    let said = probe(&url, &options).await.unwrap_err().to_string();
    assert!(said.contains("KEY-cert.pub"), "{said}");
    let (user, _) = url.as_str()["ssh://".len()..].split_once('@').unwrap();
    let signed = Command::new("ssh-keygen")
        .arg("-qs")
        .arg(&authority)
        .args(["-I", "test", "-n", user])
        .arg(key.with_extension("pub"))
        .status();
    assert!(signed.unwrap().success());
    assert_eq!(probe(&url, &options).await.unwrap().len(), 1);

    let lines = "PasswordAuthentication yes\nAuthenticationMethods publickey,password\n";
    let dir = tempfile::tempdir().unwrap();
    let strict = Sshd::start_with(dir.path(), |_| lines.to_owned());
    let url = check_url(&strict.url(&origin.path())).unwrap();
    let said = probe(&url, &strict.options()).await.unwrap_err().to_string();
    assert!(
        said.contains("demands more: password") && said.contains("second factor"),
        "{said}"
    );
}
