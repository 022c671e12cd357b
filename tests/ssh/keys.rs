//! Which keys are offered, and what each refusal is told as.

use deployer::domain::KeyName;
use deployer::handshake::keys::{KeyFiles, check_key_file};
use deployer::ssh::{Connections, Endpoint, Error, Options};

use crate::support::sshd::{Builder, Sshd, keygen, keys};

/// Why nobody gets in on a server with these lines, which count for every account.
async fn refusal(builder: Builder, lines: &[&str]) -> String {
    let sshd = with(builder, lines).start().await;
    let error = sshd.pool().session(&sshd.endpoint()).await.unwrap_err();
    error.to_string()
}

fn with(builder: Builder, lines: &[&str]) -> Builder {
    lines.iter().fold(builder, |builder, line| builder.line(line))
}

/// An ECDSA key whose number has 31 bytes; lets nobody in anywhere.
const SHORT: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----\n\
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS\n\
1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQRNWZrGEKxKY1LZ8auF9h35mXJPH54s\n\
57cFzDlUu4hzaYay6bZtNQ+5hfPWnBwswDal/NghFUtt89iKY0A107NRAAAAoAnKRlkJyk\n\
ZZAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBE1ZmsYQrEpjUtnx\n\
q4X2HfmZck8fnizntwXMOVS7iHNphrLptm01D7mF89acHCzANqX82CEVS23z2IpjQDXTs1\n\
EAAAAfbi2vnvk1zhxfyDtl6YsUjoIc9Kua16LinThaTShCEAAAAAVzaG9ydAECAwQ=\n\
-----END OPENSSH PRIVATE KEY-----\n";

#[tokio::test]
async fn a_key_that_cannot_be_read_is_told_with_what_to_do() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("short");
    std::fs::write(&path, SHORT).unwrap();
    let refused = check_key_file(&path, 0).unwrap_err().to_string();
    assert!(refused.contains("ssh-keygen -t ed25519"), "{refused}");
}

#[tokio::test]
async fn only_the_named_key_is_offered() {
    let sshd = with(Sshd::builder(), &["MaxAuthTries 1"]).start().await;
    let wrong = keygen(sshd.dir(), "wrong", "ed25519");
    let name: KeyName = "client".parse().unwrap();
    let pool = Connections::new(Options {
        keys: KeyFiles {
            directory: Some(sshd.dir().to_owned()),
            ..keys(&[&wrong])
        },
        ..Options::default()
    });
    let named = Endpoint {
        key: Some(name.clone()),
        ..sshd.endpoint()
    };
    pool.session(&named).await.unwrap();
    // The kept connection of one key is not that of another.
    let error = pool.session(&sshd.endpoint()).await.unwrap_err();
    assert!(error.to_string().contains("wrong"), "{error}");
    let gone = Endpoint {
        key: Some("gone".parse().unwrap()),
        ..sshd.endpoint()
    };
    let error = pool.session(&gone).await.unwrap_err();
    assert!(matches!(error, Error::BadKey(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("/gone cannot be used: it cannot be read"),
        "{error}"
    );
    // One of the configured ones can be named too.
    let pool = Connections::new(Options {
        keys: keys(&[&wrong, &sshd.client_key]),
        ..Options::default()
    });
    pool.session(&named).await.unwrap();
}

#[test]
fn what_can_be_named_are_files_of_keys() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "b_key",
        "a_key",
        "a_key.pub",
        "a_key-cert.pub",
        ".hidden",
        "odd name",
    ] {
        std::fs::write(dir.path().join(name), "x").unwrap();
    }
    std::fs::create_dir(dir.path().join("directory")).unwrap();
    let files = KeyFiles {
        files: vec!["/etc/deployer/id_ed25519".into()],
        directory: Some(dir.path().to_owned()),
    };
    let names: Vec<String> = files.names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a_key", "b_key", "id_ed25519"]);
}

#[tokio::test]
async fn a_second_factor_is_told_as_one() {
    let said = refusal(
        Sshd::builder(),
        &[
            "PasswordAuthentication yes",
            "AuthenticationMethods publickey,password",
        ],
    )
    .await;
    assert!(
        said.contains("accepted ") && said.contains("demands more: password."),
        "{said}"
    );
    assert!(
        said.contains("a second factor, which nobody is there to give"),
        "{said}"
    );
}

#[tokio::test]
async fn a_server_that_has_enough_of_our_keys_is_told_from_one_that_refuses_them() {
    let sshd = with(Sshd::builder(), &["MaxAuthTries 2"]).start().await;
    let wrong = ["one", "two", "three"].map(|name| keygen(sshd.dir(), name, "ed25519"));
    let pool = Connections::new(Options {
        keys: keys(&[&wrong[0], &wrong[1], &wrong[2], &sshd.client_key]),
        ..Options::default()
    });
    let said = pool.session(&sshd.endpoint()).await.unwrap_err().to_string();
    assert!(
        said.contains("It hung up after 2 offers") && said.contains("Too many authentication failures"),
        "{said}"
    );
    assert!(said.contains("name the key to use"), "{said}");
    // With sshd's usual limit of six it is never made to hang up.
    let sshd = Sshd::start().await;
    let many: Vec<_> = (0..8)
        .map(|n| keygen(sshd.dir(), &format!("k{n}"), "ed25519"))
        .collect();
    let many: Vec<_> = many.iter().map(std::path::PathBuf::as_path).collect();
    let pool = Connections::new(Options {
        keys: keys(&many),
        ..Options::default()
    });
    let said = pool.session(&sshd.endpoint()).await.unwrap_err().to_string();
    assert!(
        said.contains("authorized_keys") && !said.contains("hung up"),
        "{said}"
    );
}

#[tokio::test]
async fn weak_algorithms_are_used_only_where_somebody_allowed_them() {
    for lines in [
        &["KexAlgorithms diffie-hellman-group14-sha1"][..],
        &["KexAlgorithms diffie-hellman-group1-sha1"],
        &["HostKeyAlgorithms ssh-rsa"],
        &["Ciphers aes128-cbc", "MACs hmac-sha1"],
        &["PubkeyAcceptedAlgorithms ssh-rsa"],
    ] {
        let builder = Sshd::builder().host_keys(&["rsa"], 0).client_key("rsa");
        let builder = lines.iter().fold(builder, |builder, line| builder.line(line));
        let sshd = builder.start().await;
        let error = sshd.pool().session(&sshd.endpoint()).await.unwrap_err();
        assert!(
            matches!(error, Error::NoCommonAlgorithm { .. } | Error::KeyRefused { .. }),
            "{lines:?}: {error}"
        );
        if matches!(error, Error::NoCommonAlgorithm { .. }) {
            assert!(error.to_string().contains("allow weak algorithms"), "{error}");
        }
        let old = Endpoint {
            legacy: true,
            ..sshd.endpoint()
        };
        let outcome = sshd.pool().session(&old).await;
        assert!(outcome.is_ok(), "{lines:?}: {outcome:?}");
    }
}
