//! Ports, and the way to them through the server's sshd.

use super::*;

#[tokio::test]
async fn a_port_is_healthy_when_it_accepts_connections() {
    let server = Server::start().await;
    let backend = Backend::start(|_, _| String::new()).await;
    let dead = dead_port().await;
    for (from, well, refused) in [
        (
            AskedFrom::Deployer,
            format!("127.0.0.1:{} accepts connections.", backend.port),
            format!("127.0.0.1:{dead} refused the connection: nothing listens there."),
        ),
        (
            AskedFrom::Server,
            format!("127.0.0.1:{} on “web1” accepts connections.", backend.port),
            format!("Nothing accepts connections at 127.0.0.1:{dead} on server “web1”."),
        ),
    ] {
        let (outcome, _) = server.ask(&check(tcp(backend.port), from, 1)).await;
        assert_eq!(outcome.expect("healthy"), well);
        let sentence = server.complaint(&check(tcp(dead), from, 3)).await;
        assert_eq!(sentence, format!("Not healthy after 3 attempts. {refused}"));
    }
}

#[tokio::test]
async fn a_server_checks_itself_where_the_deployer_cannot_reach_it() {
    let mut server = Server::start().await;
    server.address = "127.0.0.9";
    let backend = Backend::start(|_, _| page(200, "")).await;
    let probe = || Probe::Http(http(backend.port));
    let sentence = server.complaint(&check(probe(), AskedFrom::Deployer, 1)).await;
    let refused = format!(
        "127.0.0.9:{} refused the connection: nothing listens there.",
        backend.port
    );
    assert_eq!(sentence, format!("Not healthy after 1 attempt. {refused}"));
    let (outcome, _) = server.ask(&check(probe(), AskedFrom::Server, 1)).await;
    outcome.expect("healthy");
    assert_eq!(
        server.sshd.connections(),
        1,
        "all of it goes over the one connection"
    );
}

#[tokio::test]
async fn a_server_that_forbids_forwarding_is_reported_at_once() {
    let server = Server::with(Sshd::builder().line("AllowTcpForwarding no")).await;
    let backend = Backend::start(|_, _| page(200, "")).await;
    for probe in [Probe::Http(http(backend.port)), tcp(backend.port)] {
        let (outcome, seen) = server.ask(&check(probe, AskedFrom::Server, 50)).await;
        let ended = outcome.expect_err("forbidden");
        let to = format!("127.0.0.1:{}", backend.port);
        let begins = format!(
            "Server “web1” does not let us reach {to} through its sshd. Allow it there (AllowTcpForwarding,"
        );
        assert!(ended.starts_with(&begins), "{ended}");
        assert_eq!(seen.attempts.len(), 1, "another attempt would end the same way");
    }
    assert_eq!(backend.asked(), 0);
}

#[tokio::test]
async fn connections_through_sshd_free_their_channels() {
    let server = Server::start().await;
    let backend = Backend::start(|_, _| page(200, &"x".repeat(3_000_000))).await;
    // Far more than there are channels, one after the other and cut off in the middle.
    let mut wanted = check(Probe::Http(http(backend.port)), AskedFrom::Server, 40);
    wanted.successes = 40;
    let (outcome, seen) = server.ask(&wanted).await;
    outcome.expect("healthy");
    assert_eq!(seen.attempts.len(), 40);
    // And many at once, which have to share the room there is.
    wanted.successes = 1;
    let many = (0..30).map(|_| server.ask(&wanted));
    for (outcome, seen) in futures_util::future::join_all(many).await {
        outcome.expect("healthy");
        assert_eq!(seen.attempts.len(), 1);
    }
    let (outcome, _) = server.ask(&check(command("true"), AskedFrom::Server, 1)).await;
    outcome.expect("commands still run");
}

#[tokio::test]
async fn a_broken_ssh_connection_is_made_anew_by_the_next_attempt() {
    let server = Server::start().await;
    let backend = Backend::start(|_, _| page(200, "")).await;
    server.sshd.kill_connections();
    let (outcome, _) = server
        .ask(&check(Probe::Http(http(backend.port)), AskedFrom::Server, 3))
        .await;
    outcome.expect("healthy");
}
