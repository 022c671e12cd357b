//! Certificates of users and of hosts.

use std::path::{Path, PathBuf};

use deployer::handshake::known_hosts::KnownHost;
use deployer::ssh::{Connections, Endpoint, Error, Options};
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{Certificate, PrivateKey};
use tempfile::TempDir;

use crate::support::sshd::{Sshd, keygen, keys};

/// Has `authority` sign the public key of `key`, as `ssh-keygen -s` does with `words`.
#[allow(clippy::disallowed_methods, reason = "a one-off of a test")]
fn sign(authority: &Path, key: &Path, words: &[&str]) {
    let done = std::process::Command::new("ssh-keygen")
        .arg("-q")
        .arg("-s")
        .arg(authority)
        .args(["-I", "test"])
        .args(words)
        .arg(key.with_extension("pub"))
        .status()
        .unwrap();
    assert!(done.success());
}

/// A server that lets in whom an authority has signed.
struct ByAuthority {
    sshd: Sshd,
    authority: PathBuf,
    /// A client's key that is in no list of the server.
    key: PathBuf,
    dir: TempDir,
}

impl ByAuthority {
    async fn start(kind: &'static str, lines: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let authority = keygen(dir.path(), "authority", "ed25519");
        let trusted = format!("TrustedUserCAKeys {}", authority.with_extension("pub").display());
        let builder = Sshd::builder().line(&trusted);
        let builder = lines.iter().fold(builder, |builder, line| builder.line(line));
        Self {
            sshd: builder.start().await,
            authority,
            key: keygen(dir.path(), "signed", kind),
            dir,
        }
    }

    async fn reach(&self) -> Result<(), String> {
        let pool = Connections::new(Options {
            keys: keys(&[&self.key]),
            ..Options::default()
        });
        let outcome = pool.session(&self.sshd.endpoint()).await;
        outcome.map(drop).map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn the_certificate_beside_a_key_lets_us_in() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let with = ByAuthority::start(kind, &[]).await;
        let said = with.reach().await.unwrap_err();
        assert!(said.contains("KEY-cert.pub"), "{said}");
        sign(&with.authority, &with.key, &["-n", &with.sshd.user]);
        assert_eq!(with.reach().await, Ok(()), "{kind}");
    }
}

#[tokio::test]
async fn a_server_that_takes_only_certificates_takes_ours() {
    let lines = ["PubkeyAcceptedAlgorithms ssh-ed25519-cert-v01@openssh.com"];
    let with = ByAuthority::start("ed25519", &lines).await;
    let pool = with.sshd.pool();
    let said = pool.session(&with.sshd.endpoint()).await.unwrap_err().to_string();
    assert!(said.contains("Where only certificates are taken"), "{said}");
    sign(&with.authority, &with.key, &["-n", &with.sshd.user]);
    assert_eq!(with.reach().await, Ok(()));
}

#[tokio::test]
async fn a_certificate_that_does_not_help_says_why() {
    let with = ByAuthority::start("ed25519", &[]).await;
    let (authority, key, user) = (&with.authority, &with.key, with.sshd.user.as_str());
    let stranger = keygen(with.dir.path(), "stranger", "ed25519");
    let said = async || with.reach().await.unwrap_err();
    sign(authority, key, &["-n", user, "-V", "20200101:20200102"]);
    let expired = said().await;
    assert!(
        expired.contains("signed-cert.pub is not valid now: it expired at 2020-01-"),
        "{expired}"
    );
    sign(authority, key, &["-n", user, "-V", "20990101:20990102"]);
    let early = said().await;
    assert!(early.contains("it begins at "), "{early}");
    sign(authority, key, &["-n", "somebody-else"]);
    let other = said().await;
    assert!(
        other.contains("it is made for somebody-else") && other.contains("let "),
        "{other}"
    );
    sign(&stranger, key, &["-n", user]);
    let unknown = said().await;
    assert!(
        unknown.contains("TrustedUserCAKeys") && unknown.contains("signed by SHA256:"),
        "{unknown}"
    );
    sign(authority, key, &["-h", "-n", user]);
    let host = said().await;
    assert!(host.contains("is one for hosts, not for users"), "{host}");
    let beside = with.dir.path().join("signed-cert.pub");
    std::fs::write(&beside, "nonsense").unwrap();
    let odd = said().await;
    assert!(odd.contains("is no certificate in a known form"), "{odd}");
    sign(authority, &stranger, &["-n", user]);
    std::fs::copy(with.dir.path().join("stranger-cert.pub"), &beside).unwrap();
    let foreign = said().await;
    assert!(foreign.contains("belongs to another key"), "{foreign}");
}

/// A server that shows a certificate, and a way to it that trusts what `known` says.
struct Shows {
    sshd: Sshd,
    authority: String,
    dir: TempDir,
}

impl Shows {
    async fn start(words: &[&str], lines: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let authority = keygen(dir.path(), "authority", "ed25519");
        let key = keygen(dir.path(), "shown", "ed25519");
        sign(&authority, &key, words);
        let own = [
            format!("HostKey {}", key.display()),
            format!("HostCertificate {}", dir.path().join("shown-cert.pub").display()),
        ];
        let builder = own
            .iter()
            .fold(Sshd::builder(), |builder, line| builder.line(line));
        let builder = lines.iter().fold(builder, |builder, line| builder.line(line));
        Self {
            sshd: builder.start().await,
            authority: std::fs::read_to_string(authority.with_extension("pub")).unwrap(),
            dir,
        }
    }

    async fn reach(&self, known: &str, pinned: bool) -> Result<(), Error> {
        let file = self.dir.path().join("known");
        std::fs::write(&file, known).unwrap();
        let pool = Connections::new(Options {
            known_hosts: vec![file],
            ..self.sshd.options()
        });
        let endpoint = self.sshd.endpoint();
        let host_key = endpoint.host_key.clone().filter(|_| pinned);
        pool.session(&Endpoint { host_key, ..endpoint }).await.map(drop)
    }
}

#[tokio::test]
async fn a_server_is_known_by_the_authority_that_signed_its_certificate() {
    for (words, expected) in [
        (&["-h", "-n", "127.0.0.1"][..], None),
        (&["-h", "-n", "web1.example"], Some("is for another host")),
        (
            &["-h", "-n", "127.0.0.1", "-V", "20200101:20200102"],
            Some("is not valid now: it expired at 2020"),
        ),
    ] {
        let shows = Shows::start(words, &[]).await;
        let line = format!("@cert-authority [127.0.0.1]:* {}", shows.authority);
        let outcome = shows.reach(&line, false).await.map_err(|error| error.to_string());
        match expected {
            None => assert_eq!(outcome, Ok(())),
            Some(why) => {
                let said = outcome.unwrap_err();
                assert!(said.contains(why) && said.contains("Nothing was sent"), "{said}");
            }
        }
        // A key that somebody confirmed is as good.
        shows.reach("", true).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_files_say_of_a_server_is_obeyed() {
    let shows = Shows::start(&["-h", "-n", "127.0.0.1"], &[]).await;
    let own = &shows.sshd.host_key.openssh;
    let unknown = shows.reach("", false).await.unwrap_err();
    assert!(matches!(unknown, Error::HostKeyUnknown { .. }), "{unknown}");
    shows
        .reach(&format!("[127.0.0.1]:{} {own}", shows.sshd.port), false)
        .await
        .unwrap();
    let other = format!("* {}", shows.authority);
    let changed = shows.reach(&other, false).await.unwrap_err().to_string();
    assert!(
        changed.contains("another key than the files of known hosts have"),
        "{changed}"
    );
    for pinned in [true, false] {
        let revoked = shows.reach(&format!("* {own}\n@revoked * {own}"), pinned).await;
        let revoked = revoked.unwrap_err().to_string();
        assert!(revoked.contains("marked as revoked"), "{revoked}");
    }
    // The authority of another host says nothing about this one.
    let elsewhere = format!("@cert-authority web1.example {}", shows.authority);
    let unknown = shows.reach(&elsewhere, false).await.unwrap_err();
    assert!(matches!(unknown, Error::HostKeyUnknown { .. }), "{unknown}");
}

#[tokio::test]
async fn a_server_that_shows_nothing_but_certificates_is_told_and_reached() {
    let only = "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com";
    let shows = Shows::start(&["-h", "-n", "127.0.0.1"], &[only]).await;
    for pinned in [true, false] {
        let said = shows.reach("", pinned).await.unwrap_err().to_string();
        assert!(
            said.contains("It shows only host certificates") && said.contains("@cert-authority"),
            "{said}"
        );
    }
    let line = format!("@cert-authority * {}", shows.authority);
    shows.reach(&line, false).await.unwrap();
}

/// A key that is always the same.
fn key(number: u8) -> PrivateKey {
    Ed25519Keypair::from_seed(&[number; 32]).into()
}

/// A certificate for the host “web1.example” that `authority` has signed, from second 100 to 200.
fn certificate(host: &PrivateKey, authority: &PrivateKey, kind: CertType, option: Option<&str>) -> Certificate {
    let mut made = Builder::new([1_u8; 16], host.public_key().key_data().clone(), 100, 200).unwrap();
    made.cert_type(kind).unwrap();
    made.valid_principal("web1.example").unwrap();
    if let Some(option) = option {
        made.critical_option(option, "x").unwrap();
    }
    made.sign(authority).unwrap()
}

#[test]
fn a_certificate_that_no_sshd_would_show_is_not_believed() {
    let (host, authority) = (key(1), key(2));
    let file = tempfile::NamedTempFile::new().unwrap();
    let public = |key: &PrivateKey| key.public_key().to_openssh().unwrap();
    let trusted = format!("@cert-authority *.example {}\n", public(&authority));
    let verdict = |lines: &str, shown: &Certificate| {
        std::fs::write(file.path(), lines).unwrap();
        let known = KnownHost::look_up("web1.example", 22, &[file.path().to_owned()]).unwrap();
        known.check_certificate(shown, 150).map_err(|doubt| doubt.to_string())
    };
    let good = certificate(&host, &authority, CertType::Host, None);
    assert_eq!(verdict(&trusted, &good), Ok(()));
    let mut bytes = good.to_bytes().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Certificate::from_bytes(&bytes).unwrap();
    for (shown, told) in [
        (forged, "bears a signature that is not its authority's"),
        (certificate(&host, &authority, CertType::User, None), "is not one for hosts"),
        (
            certificate(&host, &authority, CertType::Host, Some("only-on-mondays")),
            "is not one for hosts",
        ),
        (certificate(&host, &key(3), CertType::Host, None), "no authority we know has signed"),
    ] {
        let said = verdict(&trusted, &shown).unwrap_err();
        assert!(said.contains(told), "{said}");
    }
    for revoked in [&host, &authority] {
        let lines = format!("{trusted}@revoked * {}\n", public(revoked));
        let said = verdict(&lines, &good).unwrap_err();
        assert!(said.contains("is marked as revoked"), "{said}");
    }
}
