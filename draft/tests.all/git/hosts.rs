//! Which hosts are known, and which repositories of theirs cannot be fetched from.

use std::process::Command;

use deployer::git::{Error, GitOptions, check_url, probe};

use super::support::{Origin, Sshd, fetch};

#[tokio::test]
async fn known_hosts_files_are_read_as_openssh_reads_them() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    let sshd = Sshd::start(origin.dir.path());
    let url = check_url(&sshd.url(&origin.path())).unwrap();
    let key = std::fs::read_to_string(sshd.dir.join("host.pub")).unwrap();
    let other = std::fs::read_to_string(sshd.dir.join("user.pub")).unwrap();
    let file = sshd.dir.join("known");
    let options = GitOptions {
        known_hosts: vec![file.clone()],
        ..sshd.options()
    };
    let port = sshd.port;
    let odd = format!("[127.0.0.1]:{port} ssh-ed25519 AAAAnonsense\n[127.0.0.1]:{port}\n@odd line\n\u{fffd}");
    for line in [
        format!("[127.0.0.1]:{port} {key}"),
        format!("[127.0.0.*]:{port},other {key}"),
        format!("{odd}\n[127.0.0.1]:{port}\t{key}"),
        format!("  [127.0.0.1]:{port}   {key}"),
    ] {
        std::fs::write(&file, &line).unwrap();
        let found = probe(&url, &options).await;
        assert_eq!(
            found.map(|found| found.len()).map_err(|error| error.to_string()),
            Ok(1),
            "{line}"
        );
    }
    std::fs::write(&file, format!("[127.0.0.1]:{port} {key}")).unwrap();
    let hashed = Command::new("ssh-keygen").arg("-Hf").arg(&file).output().unwrap();
    assert!(hashed.status.success() && std::fs::read_to_string(&file).unwrap().starts_with("|1|"));
    assert_eq!(probe(&url, &options).await.unwrap().len(), 1);
    std::fs::write(&file, format!("other.example {key}")).unwrap();
    let hashed = Command::new("ssh-keygen").arg("-Hf").arg(&file).output().unwrap();
    assert!(hashed.status.success());
    let stranger = std::fs::read_to_string(&file).unwrap();
    assert!(stranger.starts_with("|1|"));
    for (line, expected) in [
        (stranger, "is not known here"),
        (odd.clone(), "is not known here"),
        (format!("*,![127.0.0.1]:{port} {key}"), "is not known here"),
        (format!("* {other}"), "is not the one that is known here"),
        (format!("* {key}\n@revoked * {key}"), "is marked as revoked"),
    ] {
        std::fs::write(&file, &line).unwrap();
        let sentence = probe(&url, &options).await.unwrap_err().to_string();
        assert!(sentence.contains(expected), "{line}: {sentence}");
    }
    // Perhaps the one that revokes the key.
    std::fs::write(&file, format!("* {key}")).unwrap();
    let options = GitOptions {
        known_hosts: vec![file, sshd.dir.clone(), sshd.dir.join("missing")],
        ..options
    };
    let sentence = probe(&url, &options).await.unwrap_err().to_string();
    assert!(sentence.contains("cannot be read"), "{sentence}");
}

#[tokio::test]
async fn a_host_that_shows_a_certificate_is_known_by_who_signed_it() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    for (principal, validity, expected) in [
        ("127.0.0.1", "always:forever", None),
        ("other.example", "always:forever", Some("is for another host")),
        ("127.0.0.1", "20200101:20200102", Some("is not valid now")),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let sshd = Sshd::start_with_certificate(dir.path(), principal, validity);
        let url = check_url(&sshd.url(&origin.path())).unwrap();
        let authority = std::fs::read_to_string(sshd.dir.join("authority.pub")).unwrap();
        let file = sshd.dir.join("known");
        std::fs::write(&file, format!("@cert-authority [127.0.0.1]:* {authority}")).unwrap();
        let options = GitOptions {
            known_hosts: vec![file.clone()],
            ..sshd.options()
        };
        let found = probe(&url, &options).await;
        match (found, expected) {
            (Ok(found), None) => assert_eq!(found.len(), 1),
            (Err(error), Some(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            (found, _) => unreachable!("{principal} {validity}: {found:?}"),
        }
        std::fs::write(&file, format!("@cert-authority other {authority}")).unwrap();
        let sentence = probe(&url, &options).await.unwrap_err().to_string();
        assert!(sentence.contains("is not known here"), "{sentence}");
        let key = std::fs::read_to_string(sshd.dir.join("host.pub")).unwrap();
        let lines = format!("* {key}\n@cert-authority * {authority}\n@revoked * {authority}");
        std::fs::write(&file, lines).unwrap();
        let sentence = probe(&url, &options).await.unwrap_err().to_string();
        assert!(sentence.contains("is marked as revoked"), "{sentence}");
    }
}

#[tokio::test]
async fn repositories_that_cannot_be_fetched_from_say_what_they_are() {
    let mut origin = Origin::new();
    for n in 0..3 {
        origin.write("file", n.to_string());
        origin.commit("one");
    }
    let at = |name: &str| origin.dir.path().join(name);
    origin.git(&[
        "clone",
        "-q",
        "--depth",
        "1",
        &origin.url(),
        at("shallow").to_str().unwrap(),
    ]);
    origin.git(&[
        "init",
        "-q",
        "--object-format=sha256",
        at("long").to_str().unwrap(),
    ]);
    origin.git(&[
        "-C",
        at("long").to_str().unwrap(),
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
    ]);
    let sshd = Sshd::start(origin.dir.path());
    for (name, expected) in [
        (
            "shallow",
            "is a shallow clone, without the beginning of its history",
        ),
        ("long", "names its objects by SHA-256"),
    ] {
        let mirror = origin.mirror_of(&format!("file://{}", at(name).display()), GitOptions::default());
        let sentence = fetch(&mirror).await.unwrap_err().to_string();
        assert!(sentence.contains(expected), "{sentence}");
        let mirror = origin.mirror_of(&sshd.url(&at(name)), sshd.options());
        let sentence = fetch(&mirror).await.unwrap_err().to_string();
        assert!(sentence.contains(expected), "over SSH: {sentence}");
        let commit = "0123456789012345678901234567890123456789".parse().unwrap();
        let error = mirror.commit(&commit).await.unwrap_err();
        assert!(matches!(error, Error::NotFetched), "{error}");
    }
}
