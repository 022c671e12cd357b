//! Pages over TLS, with a certificate that no public authority signed.

use deployer::http::{Host, Limits, Request, Tls};
use tempfile::TempDir;

use super::*;
use crate::support::tls::Identity;

/// A backend that speaks TLS as `shop.example`, and its certificate's file.
async fn secure_backend(dir: &TempDir) -> (u16, std::path::PathBuf, JoinHandle<()>) {
    let identity = Identity::new(dir.path(), "DNS:shop.example");
    let acceptor = identity.acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, |_| page(200, "in secret")).await;
                }
            });
        }
    });
    (port, identity.certificate, task)
}

#[tokio::test]
async fn a_certificate_is_verified_unless_switched_off() {
    let dir = TempDir::new().expect("a directory");
    let (port, _, _task) = secure_backend(&dir).await;
    let server = Server::start().await;
    for from in [AskedFrom::Deployer, AskedFrom::Server] {
        let mut probe = http(port);
        (probe.tls, probe.text) = (true, "in secret".to_owned());
        probe.host = "shop.example".to_owned();
        let sentence = server
            .complaint(&check(Probe::Http(probe.clone()), from, 1))
            .await;
        assert!(
            sentence.ends_with(": its certificate is signed by nobody we trust."),
            "{sentence}"
        );
        probe.verify = false;
        let (outcome, _) = server.ask(&check(Probe::Http(probe), from, 1)).await;
        outcome.expect("healthy");
    }
}

#[tokio::test]
async fn certificates_from_a_file_are_trusted_only_for_their_names() {
    let dir = TempDir::new().expect("a directory");
    let (port, certificate, _task) = secure_backend(&dir).await;
    let host = Host {
        name: "127.0.0.1".to_owned(),
        port,
        tls: Some(Tls::with_certificates(&certificate).expect("one certificate")),
    };
    let (limits, cancel) = (Limits::default(), CancellationToken::new());
    let answer = host
        .fetch(&Request::get("/").host("shop.example"), &limits, &cancel)
        .await
        .expect("an answer");
    assert_eq!(answer.text(), "in secret");
    let other = host
        .fetch(&Request::get("/").host("other.example"), &limits, &cancel)
        .await
        .expect_err("another name");
    assert!(
        other
            .to_string()
            .ends_with(": its certificate is for another name."),
        "{other}"
    );
    let none = Tls::with_certificates(&dir.path().join("key.pem")).expect_err("no certificate");
    assert!(none.to_string().ends_with("there is none in it."), "{none}");
}
