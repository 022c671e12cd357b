//! The login shell, what it prints and how it reads a command, decides nothing.

use std::fs;

use deployer::domain::SyncMethod;
use deployer::ssh::{Command, Exit, Run, Stdin};

use super::Site;
use crate::support::sshd::Sshd;

const SHELLS: [&str; 5] = [
    "exec bash -c",
    "exec dash -c",
    "exec fish -c",
    "exec tcsh -c",
    "echo Welcome to this server; echo; printf 'a b\\0c'; exec sh -c",
];

async fn with_shell(shell: &str) -> Sshd {
    let line = format!("ForceCommand {shell} \"$SSH_ORIGINAL_COMMAND\"");
    Sshd::builder().line(&line).start().await
}

#[tokio::test]
async fn a_deployment_works_under_any_login_shell() {
    for shell in SHELLS {
        for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
            let sshd = with_shell(shell).await;
            let target = sshd.dir().join("srv/it's \\' a \"shop\" !$x");
            let mut site = Site::at(sshd, &target, method, &["kept"], &[]).await;
            site.write("f", "1");
            site.write("odd ' name\n!", "1");
            site.deploy().await;
            site.write("f", "2");
            site.write("big", &"0123456789".repeat(20_000));
            site.deploy().await;
            assert!(site.inspect().await.release.is_some(), "{shell}");
        }
    }
}

#[tokio::test]
async fn a_command_gets_its_words_and_its_input_as_they_are() {
    for shell in SHELLS {
        let sshd = with_shell(shell).await;
        let pool = sshd.pool();
        let session = pool.session(&sshd.endpoint()).await.unwrap();
        let words = ["it's", "\\", "\\'", "a\nb", "!x", "$HOME", "", "*", "~"];
        let command = Command::script("printf '%s|' \"$@\" \"$VALUE\"; cat; exit 3")
            .args(words)
            .env("VALUE", "it's\n!\\'");
        for input in ["", "line\n\\ more"] {
            let stdin = match input {
                "" => Stdin::Empty,
                input => Stdin::Bytes(input.into()),
            };
            let how = Run {
                stdin,
                ..Run::default()
            };
            let done = session.capture(&command, how, 10_000).await.unwrap();
            let expected = format!("{}|it's\n!\\'|{input}", words.join("|"));
            assert_eq!(String::from_utf8_lossy(&done.stdout), expected, "{shell}");
            assert_eq!(done.exit, Exit::Code(3), "{shell}");
        }
    }
}

#[tokio::test]
async fn what_a_server_says_that_runs_nothing_is_told() {
    let sshd = with_shell("echo No logins today.; exit 0; true").await;
    let site = Site::at(sshd, "/srv/x".as_ref(), SyncMethod::InPlace, &[], &[]).await;
    let missing = deployer::sync::missing_tools(&site.session, &site.limits).await;
    let refused = missing.unwrap_err().to_string();
    assert!(refused.contains("No logins today."), "{refused}");
    assert!(!fs::exists("/srv/x").unwrap());
}
