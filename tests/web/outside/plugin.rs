//! A program or an endpoint that checks logins.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deployer::app::outside::links;
use deployer::config::Secret;
use deployer::domain::{LoginProvider, PluginPlace};
use ring::hmac;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::support::{PASSWORD, browser, operator};
use super::{SECRET, Stage, stage};

fn written(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("login");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A plugin that knows petra, by a password or a cookie, and writes down what it is asked.
const PLUGIN: &str = r#"#!/bin/sh
question=$(cat)
printf '%s\n' "$question" >> "$(dirname "$0")/asked"
case $question in
*'"password":"open sesame"'*|*'"cookie":"good"'*)
    echo '{"output": {"name": "petra", "subject": "id-7", "groups": ["ops", "else"], "lifetime": 3600, "new": 1}}' ;;
*'"name":"rude"'*) echo '{"error": "You are locked there."}' ;;
*'"name":"broken"'*) echo 'no document' ;;
*'"name":"failing"'*) echo 'it hurts' >&2; exit 3 ;;
*'"name":"slow"'*) sleep 30 ;;
*'"name":"endless"'*) yes '{"output": {"name": "harry"}}' ;;
*'"name":"clean"'*) env > "$(dirname "$0")/env"; echo "$*" > "$(dirname "$0")/args" ;;
*'"name":"bobby"'*) echo '{"output": {"name": "bob"}}' ;;
esac
"#;

async fn with_plugin() -> Stage {
    stage(|config, dir| {
        config.login_plugin.place = Some(PluginPlace::Program(written(dir, PLUGIN)));
        config.login_plugin.timeout = Duration::from_secs(2);
        config.login_plugin.cookie = "elsewhere".into();
        config.login_plugin.groups = vec!["ops".into()];
    })
    .await
}

#[tokio::test]
async fn the_plugin_is_asked_about_whoever_has_no_password_here() {
    let mut stage = with_plugin().await;
    // Policy names her, so an administrator has to link an account.
    assert_eq!(stage.site.log_in("petra", "open sesame").await.status(), 403);
    let asked = || std::fs::read_to_string(stage.dir.path().join("asked")).unwrap();
    assert!(
        asked().contains(r#""api":"deployer/v1","call":"login""#),
        "{}",
        asked()
    );
    stage.site.add_user("petra").await;
    let by_host = operator();
    let link = (&LoginProvider::Plugin, "id-7");
    links::link(&stage.site.store, &by_host, "petra", link)
        .await
        .unwrap();
    assert_eq!(stage.site.log_in("petra", "open sesame").await.status(), 303);
    assert_eq!(
        stage.site.get("/admin/users").await.status(),
        200,
        "her group counts"
    );
    let sessions = stage.site.get("/profile/sessions").await.text().await.unwrap();
    assert!(sessions.contains("This one"), "{sessions}");

    let lines = asked().lines().count();
    stage.site.browser = browser();
    assert_eq!(stage.site.log_in("bob", "guess").await.status(), 422);
    assert_eq!(
        asked().lines().count(),
        lines,
        "bob's password is nobody else's business"
    );
}

#[tokio::test]
async fn a_plugin_in_trouble_lets_nobody_in_and_finds_nothing_of_ours() {
    let stage = with_plugin().await;
    for (name, status, said) in [
        ("nobody", 422, "Wrong name or password."),
        ("rude", 422, "Wrong name or password."),
        ("bobby", 403, "An administrator can link an account to you"),
        ("broken", 503, "Logins cannot be checked at the moment."),
        ("failing", 503, "Logins cannot be checked at the moment."),
        ("endless", 503, "Logins cannot be checked at the moment."),
        ("slow", 503, "Logins cannot be checked at the moment."),
    ] {
        let answer = stage.site.log_in(name, "x").await;
        assert_eq!(answer.status(), status, "{name}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(said), "{name}: {text}");
    }
    assert_eq!(stage.site.log_in("clean", "in no argument").await.status(), 422);
    let seen = |file: &str| std::fs::read_to_string(stage.dir.path().join(file)).unwrap();
    assert_eq!(seen("args"), "\n");
    let environment = seen("env");
    let ours = environment.lines().filter(|line| {
        !["PATH=", "PWD=", "SHLVL=", "_="]
            .iter()
            .any(|own| line.starts_with(own))
    });
    assert_eq!(ours.collect::<Vec<_>>(), [""; 0]);
    assert_eq!(
        stage.site.log_in("bob", PASSWORD).await.status(),
        303,
        "local accounts get in"
    );
}

#[tokio::test]
async fn what_was_linked_ends_with_the_link() {
    let stage = with_plugin().await;
    stage.site.add_user("petra").await;
    let by_host = operator();
    let link = (&LoginProvider::Plugin, "id-7");
    links::link(&stage.site.store, &by_host, "petra", link)
        .await
        .unwrap();
    stage.site.log_in("petra", "open sesame").await;
    assert_eq!(stage.site.get("/profile").await.status(), 200);
    links::unlink(&stage.site.store, &by_host, "petra", link)
        .await
        .unwrap();
    assert_eq!(stage.site.get("/profile").await.status(), 303);
}

#[tokio::test]
async fn another_systems_cookie_lets_somebody_in_whom_the_plugin_knows() {
    let stage = with_plugin().await;
    stage.site.add_user("petra").await;
    let by_host = operator();
    links::link(
        &stage.site.store,
        &by_host,
        "petra",
        (&LoginProvider::Plugin, "id-7"),
    )
    .await
    .unwrap();
    let asked = async |cookie: &str| {
        let request = browser().get(format!("{}/profile", stage.site.url));
        request
            .header("cookie", format!("elsewhere={cookie}"))
            .send()
            .await
            .unwrap()
    };
    let known = asked("good").await;
    assert_eq!(known.status(), 200);
    let session = crate::web::support::cookies(&known);
    assert!(
        session.iter().any(|line| line.starts_with("deployer_session=")),
        "{session:?}"
    );
    assert_eq!(asked("bad").await.status(), 303);
    let count = || {
        std::fs::read_to_string(stage.dir.path().join("asked"))
            .unwrap()
            .lines()
            .count()
    };
    let before = count();
    for _ in 0..5 {
        assert_eq!(asked("bad").await.status(), 303);
    }
    assert_eq!(count(), before, "one cookie is asked about again and again");
}

/// Answers one request, if it is signed.
async fn endpoint(listener: tokio::net::TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    let (head, body) = loop {
        let mut some = [0; 4096];
        let length = stream.read(&mut some).await.unwrap();
        request.extend_from_slice(&some[..length]);
        let text = String::from_utf8(request.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.ends_with("}")
            && body.matches('{').count() == body.matches('}').count()
        {
            break (head.to_lowercase(), body.to_owned());
        }
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hex::encode(hmac::sign(&key, body.as_bytes()));
    let is_signed = head.contains(&format!("x-deployer-signature: sha256={signature}"));
    let answer = r#"{"output": {"name": "harry"}}"#;
    let answer = match is_signed {
        true => format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        ),
        false => "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n".to_owned(),
    };
    stream.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn an_endpoint_gets_signed_questions() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/login", listener.local_addr().unwrap());
    let stage = stage(|config, _| {
        config.login_plugin.place = Some(PluginPlace::Endpoint(url));
        config.login_plugin.secret = Some(Secret::new(SECRET));
    })
    .await;
    let serving = tokio::spawn(endpoint(listener));
    assert_eq!(stage.site.log_in("harry", "x").await.status(), 303);
    serving.await.unwrap();
    let page = stage.site.get("/profile").await.text().await.unwrap();
    assert!(page.contains("Menu of harry"), "{page}");
}

#[tokio::test]
async fn the_shell_example_checks_a_file_of_hashes() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/login.sh");
    let text = std::fs::read_to_string(shipped).unwrap();
    let stage = stage(|config, dir| {
        let text = text.replace("/etc/deployer/passwords", &dir.join("passwords").display().to_string());
        std::fs::write(
            dir.join("passwords"),
            // openssl passwd -6 -salt example 'open sesame'
            "harry:$6$example$qlLXhcZY2e8RR5ajkmUAMJdLEgbTIKKKCQqK8Y.55H8PiwqhFKUSIYWPz3vBzjXQ3HpuzGmhXQ5JpCZiljCmm1:ops,team-web\n",
        )
        .unwrap();
        config.login_plugin.place = Some(PluginPlace::Program(written(dir, &text)));
        config.login_plugin.groups = vec!["ops".into()];
    })
    .await;
    assert_eq!(stage.site.log_in("harry", "guess").await.status(), 422);
    assert_eq!(stage.site.log_in("nobody", "open sesame").await.status(), 422);
    assert_eq!(stage.site.log_in("harry", "open sesame").await.status(), 303);
    assert_eq!(stage.site.get("/admin/users").await.status(), 200);
}
