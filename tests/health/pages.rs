//! Pages: what is well, what is not, and redirects. Each is asked from here and by the server.

use std::time::Instant;

use super::*;

const EVERYWHERE: [AskedFrom; 2] = [AskedFrom::Deployer, AskedFrom::Server];

/// Who is said to have answered.
fn who(from: AskedFrom, port: u16) -> String {
    match from {
        AskedFrom::Deployer => format!("127.0.0.1:{port}"),
        AskedFrom::Server => format!("127.0.0.1:{port} on “web1”"),
    }
}

#[tokio::test]
async fn a_service_that_comes_up_is_healthy_after_some_attempts() {
    let server = Server::start().await;
    for from in EVERYWHERE {
        let backend = Backend::start(|number, _| page(if number < 3 { 503 } else { 200 }, "")).await;
        let (outcome, seen) = server.ask(&check(Probe::Http(http(backend.port)), from, 5)).await;
        let who = who(from, backend.port);
        assert_eq!(outcome.expect("healthy"), format!("{who} answered 200."));
        let not_yet = format!("{who} answered 503; 200-399 is expected.");
        assert_eq!(
            seen.attempts,
            [not_yet.clone(), not_yet, format!("{who} answered 200.")]
        );
    }
}

#[tokio::test]
async fn several_healthy_answers_in_a_row_can_be_required() {
    let server = Server::start().await;
    let backend = Backend::start(|number, _| page(if number == 2 { 500 } else { 200 }, "")).await;
    let mut wanted = check(Probe::Http(http(backend.port)), AskedFrom::Deployer, 5);
    wanted.successes = 2;
    let (outcome, seen) = server.ask(&wanted).await;
    outcome.expect("healthy");
    assert_eq!(seen.attempts.len(), 4);
    let flapping =
        Backend::start(|number, _| page(if number.is_multiple_of(2) { 500 } else { 200 }, "")).await;
    wanted.probe = Probe::Http(http(flapping.port));
    let sentence = server.complaint(&wanted).await;
    let end = "The last attempts passed, but only 1 of 2 in a row.";
    assert_eq!(sentence, format!("Not healthy after 5 attempts. {end}"));
}

#[tokio::test]
async fn a_page_must_have_the_expected_status_and_text() {
    let server = Server::start().await;
    let backend = Backend::start(|_, _| page(204, "all is well")).await;
    for from in EVERYWHERE {
        let who = who(from, backend.port);
        let mut probe = http(backend.port);
        probe.status = "200".parse().expect("a status");
        let sentence = server.complaint(&check(Probe::Http(probe), from, 1)).await;
        assert_eq!(
            sentence,
            format!("Not healthy after 1 attempt. {who} answered 204; 200 is expected.")
        );
    }
    let backend = Backend::start(|_, _| page(200, "all is well")).await;
    for from in EVERYWHERE {
        let who = who(from, backend.port);
        let mut probe = http(backend.port);
        probe.text = "is well".to_owned();
        let (outcome, _) = server.ask(&check(Probe::Http(probe.clone()), from, 1)).await;
        assert_eq!(outcome.expect("healthy"), format!("{who} answered 200."));
        probe.text = "is bad".to_owned();
        let sentence = server.complaint(&check(Probe::Http(probe), from, 1)).await;
        let why = format!("{who} answered 200, but “is bad” is not in the page.");
        assert_eq!(sentence, format!("Not healthy after 1 attempt. {why}"));
    }
    // Only the first MiB is looked through.
    let mebibyte = "x".repeat(1 << 20);
    for (before, is_found) in [(&mebibyte[7..], true), (&mebibyte[..], false)] {
        let text = format!("{before}is well");
        let backend = Backend::start(move |_, _| page(200, &text)).await;
        let mut probe = http(backend.port);
        probe.text = "is well".to_owned();
        let (outcome, _) = server
            .ask(&check(Probe::Http(probe), AskedFrom::Deployer, 1))
            .await;
        assert_eq!(outcome.is_ok(), is_found);
    }
}

#[tokio::test]
async fn the_host_header_is_the_configured_one() {
    let server = Server::start().await;
    let backend = Backend::start(|_, request| {
        let asked = request.to_lowercase().contains("\r\nhost: shop.example\r\n");
        page(if asked { 200 } else { 404 }, "")
    })
    .await;
    for from in EVERYWHERE {
        let mut probe = http(backend.port);
        let sentence = server
            .complaint(&check(Probe::Http(probe.clone()), from, 1))
            .await;
        assert!(sentence.contains("404"), "{sentence}");
        probe.host = "shop.example".to_owned();
        let (outcome, _) = server.ask(&check(Probe::Http(probe), from, 1)).await;
        outcome.expect("healthy");
    }
}

#[tokio::test]
async fn redirects_are_answers_unless_they_should_be_followed() {
    let server = Server::start().await;
    let backend = Backend::start(|_, request| match request.split(' ').nth(1) {
        Some("/up") => redirect("/in/there?a=b"),
        Some("/in/there?a=b") => redirect("http://shop.example:81/in/end"),
        Some("/in/end") => page(200, "the end"),
        _ => page(404, ""),
    })
    .await;
    for from in EVERYWHERE {
        let mut probe = http(backend.port);
        probe.host = "shop.example".to_owned();
        let (outcome, _) = server.ask(&check(Probe::Http(probe.clone()), from, 1)).await;
        let said = outcome.expect("a redirect is well by default");
        assert!(said.ends_with("answered 302."), "{said}");
        probe.redirects = true;
        probe.text = "the end".to_owned();
        let (outcome, _) = server.ask(&check(Probe::Http(probe), from, 1)).await;
        let said = outcome.expect("the page at the end");
        assert!(said.ends_with("answered 200."), "{said}");
    }
}

#[tokio::test]
async fn endless_and_foreign_redirects_are_reported() {
    let server = Server::start().await;
    let circle = Backend::start(|number, _| redirect(&format!("/up?{number}"))).await;
    for (backend, from, ending) in [
        (
            &circle,
            AskedFrom::Deployer,
            "redirects too often: after 5 redirects it leads to “/up?6”.",
        ),
        (
            &circle,
            AskedFrom::Server,
            "redirects too often: after 5 redirects it leads to “/up?12”.",
        ),
        (
            &Backend::start(|_, _| redirect("http://elsewhere.example/")).await,
            AskedFrom::Deployer,
            "redirects to “http://elsewhere.example/”, which is another host; only redirects on the same one are followed.",
        ),
        (
            &Backend::start(|_, _| redirect("https://127.0.0.1/up")).await,
            AskedFrom::Server,
            "redirects to “https://127.0.0.1/up”, which asks for TLS; let the check ask that port instead.",
        ),
    ] {
        let mut probe = http(backend.port);
        probe.redirects = true;
        let sentence = server.complaint(&check(Probe::Http(probe), from, 1)).await;
        let who = who(from, backend.port);
        assert_eq!(sentence, format!("Not healthy after 1 attempt. {who} {ending}"));
    }
    assert_eq!(circle.asked(), 12, "six requests each");
}

#[tokio::test]
async fn a_silent_listener_costs_one_limit_per_attempt() {
    let server = Server::start().await;
    // The system accepts for it, but nobody ever reads.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = silent.local_addr().expect("bound").port();
    for from in EVERYWHERE {
        let mut asked = check(Probe::Http(http(port)), from, 2);
        asked.limit = 1;
        let begun = Instant::now();
        let sentence = server.complaint(&asked).await;
        let why = format!("{} did not answer within 1 s.", who(from, port));
        assert_eq!(sentence, format!("Not healthy after 2 attempts. {why}"));
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(2) && took < SOON, "{took:?}");
    }
}

#[tokio::test]
async fn cancelling_ends_a_check_promptly_wherever_it_is() {
    let server = Server::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = silent.local_addr().expect("bound").port();
    let mut pausing = check(tcp(dead_port().await), AskedFrom::Deployer, 3);
    pausing.interval = 60;
    let mut asked: Vec<HealthCheck> = EVERYWHERE
        .map(|from| check(Probe::Http(http(port)), from, 3))
        .into();
    asked.extend(EVERYWHERE.map(|from| check(command("sleep 60"), from, 3)));
    asked.push(pausing);
    for mut one in asked {
        one.limit = 60;
        let server = Server {
            cancel: CancellationToken::new(),
            session: server.session.clone(),
            ..Server::start().await
        };
        let (cancel, begun) = (server.cancel.clone(), Instant::now());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            cancel.cancel();
        });
        let ended = server.ask(&one).await.0.expect_err("cancelled");
        assert_eq!(ended, "The health check was cancelled.", "{one:?}");
        assert!(begun.elapsed() < SOON, "{one:?}: {:?}", begun.elapsed());
    }
}
