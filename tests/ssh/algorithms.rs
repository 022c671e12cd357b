//! Servers that encrypt or let people in otherwise than most.

use deployer::ssh::{Connections, Error, Options};

use super::printed;
use crate::support::sshd::{Sshd, keygen, keys};

/// Why nobody gets to a server with these lines in its configuration.
async fn refusal(lines: &[&str]) -> String {
    let builder = lines
        .iter()
        .fold(Sshd::builder(), |builder, line| builder.line(line));
    let sshd = builder.start().await;
    let error = sshd.pool().session(&sshd.endpoint()).await.unwrap_err();
    error.to_string()
}

#[tokio::test]
async fn every_usual_key_exchange_will_do() {
    for exchange in [
        "curve25519-sha256",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group14-sha256",
    ] {
        let sshd = Sshd::builder()
            .line(&format!("KexAlgorithms {exchange}"))
            .start()
            .await;
        let options = Options {
            connect_timeout: std::time::Duration::from_secs(60),
            ..sshd.options()
        };
        let session = Connections::new(options).session(&sshd.endpoint()).await.unwrap();
        assert_eq!(printed(&session, "echo $1", &["hi"]).await, "hi", "{exchange}");
    }
}

#[tokio::test]
async fn what_is_not_in_common_is_named_with_what_to_allow() {
    let said = refusal(&["KexAlgorithms sntrup761x25519-sha512@openssh.com"]).await;
    assert!(
        said.contains(
            "no key exchange in common: it offers sntrup761x25519-sha512@openssh.com. Allow one of"
        ) && said.contains("(KexAlgorithms): mlkem768x25519-sha256, curve25519-sha256")
            && !said.contains("kex-strict"),
        "{said}"
    );
    let said = refusal(&["Ciphers aes256-ctr", "MACs umac-128-etm@openssh.com"]).await;
    assert!(
        said.contains("no MAC in common: it offers umac-128-etm@openssh.com. Allow one of these"),
        "{said}"
    );
}

#[tokio::test]
async fn a_server_that_takes_no_keys_is_told_from_one_that_refuses_ours() {
    let said = refusal(&["PubkeyAuthentication no", "KbdInteractiveAuthentication yes"]).await;
    assert!(
        said.contains("It takes no keys at all for that account"),
        "{said}"
    );
    assert!(said.contains("PubkeyAuthentication yes"), "{said}");
    // Nor is it offered one key after the other until it hangs up.
    let sshd = Sshd::builder()
        .line("PubkeyAuthentication no")
        .line("KbdInteractiveAuthentication yes")
        .line("MaxAuthTries 2")
        .start()
        .await;
    let own = ["one", "two", "three"].map(|name| keygen(sshd.dir(), name, "ed25519"));
    let pool = Connections::new(Options {
        keys: keys(&[&own[0], &own[1], &own[2]]),
        ..Options::default()
    });
    let said = pool.session(&sshd.endpoint()).await.unwrap_err().to_string();
    assert!(
        said.contains("It takes no keys at all for that account"),
        "{said}"
    );
}

#[tokio::test]
async fn two_keys_are_given_where_two_are_demanded_and_one_is_said_to_be_too_few() {
    let sshd = Sshd::builder()
        .line("AuthenticationMethods publickey,publickey")
        .start()
        .await;
    let error = sshd.pool().session(&sshd.endpoint()).await.unwrap_err();
    let Error::MoreDemanded {
        accepted, methods, ..
    } = &error
    else {
        unreachable!("{error}")
    };
    assert!(accepted.contains("client") && methods == "publickey", "{error}");

    let second = keygen(sshd.dir(), "second", "ed25519");
    let both =
        [&sshd.client_key, &second].map(|key| std::fs::read_to_string(key.with_extension("pub")).unwrap());
    std::fs::write(sshd.dir().join("authorized_keys"), both.concat()).unwrap();
    let options = Options {
        keys: keys(&[&sshd.client_key, &second]),
        ..sshd.options()
    };
    Connections::new(options).session(&sshd.endpoint()).await.unwrap();
}
