//! Taking servers out and putting them back in.

use std::time::Duration;

use deployer::balancer::{Admin, Error, Health, Sought, State};
use tokio::time::Instant;

use super::{LONG, Pair, get, never, over_both, seen, slot};
use crate::support::backend::Backend;
use crate::support::haproxy::{Haproxy, open};

over_both! {
    the_state_tells_everything_about_a_server
    draining_waits_for_the_session_in_flight
    draining_says_how_many_sessions_are_left_at_the_limit
    maintenance_and_back
    a_server_is_up_only_after_a_check
    coming_up_is_waited_for_up_to_a_limit
    a_server_nobody_checks_is_up_when_ready
    maintenance_by_hand_is_seen
    unknown_names_are_told_with_the_known_ones
    one_server_in_several_backends
    all_endpoints_are_acted_upon
    waiting_can_be_cancelled
}

async fn the_state_tells_everything_about_a_server(kind: &str) {
    let pair = Pair::start(kind).await;
    let held = pair.hold().await;
    let (holder, its_slot, _) = pair.holder();
    let merged = seen(&pair.balancer, &its_slot.to_string()).await;
    assert_eq!(
        (merged.admin, merged.up, merged.agree, merged.sessions),
        (Admin::Ready, true, true, 1)
    );
    let [line] = merged.per_endpoint.as_slice() else {
        panic!("one endpoint, one line: {merged:?}")
    };
    assert_eq!(
        (line.health, line.status.as_str(), line.weight),
        (Health::Up, "UP", 1)
    );
    assert_eq!(line.endpoint, pair.haproxy.endpoint(kind));
    assert!(line.last_check.starts_with("L7OK 200"), "{}", line.last_check);
    assert!(line.since < LONG);
    if kind == "runtime" {
        assert_eq!(line.address, Some(format!("127.0.0.1:{}", holder.port)));
    }
    let state = pair.balancer.state().await.expect("it can be read");
    let backends: Vec<&str> = state
        .servers
        .iter()
        .map(|one| one.slot.backend.as_str())
        .collect();
    assert_eq!(backends, ["web", "web"]);
    holder.release();
    held.await.expect("answered");
}

async fn draining_waits_for_the_session_in_flight(kind: &str) {
    let pair = Pair::start(kind).await;
    let held = pair.hold().await;
    let (holder, drained, other) = pair.holder();
    let slots = [drained];
    pair.balancer.drain(&slots).await.expect("it drains");
    assert_eq!(
        seen(&pair.balancer, &slots[0].to_string()).await.admin,
        Admin::Drain
    );
    let before = other.served();
    for _ in 0..4 {
        get(pair.haproxy.url("web")).await;
    }
    assert_eq!(other.served(), before + 4, "new requests go to the other server");

    let balancer = pair.balancer.clone();
    let waiting = tokio::spawn(async move { balancer.wait_drained(&slots, LONG, &never()).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "a session is left");
    holder.release();
    let drained = waiting.await.expect("no panic").expect("it can be read");
    assert_eq!((drained.left_sessions, drained.again), (0, false));
    assert!(
        held.await.expect("no panic").starts_with("web"),
        "the session ended in peace"
    );
}

async fn draining_says_how_many_sessions_are_left_at_the_limit(kind: &str) {
    let pair = Pair::start(kind).await;
    let held = pair.hold().await;
    let (holder, drained, _) = pair.holder();
    let slots = [drained];
    pair.balancer.drain(&slots).await.expect("it drains");
    let limit = Duration::from_millis(400);
    let begun = Instant::now();
    let drained = pair
        .balancer
        .wait_drained(&slots, limit, &never())
        .await
        .expect("no error");
    assert_eq!(drained.left_sessions, 1);
    assert!(begun.elapsed() >= limit);
    holder.release();
    held.await.expect("answered");
}

async fn maintenance_and_back(kind: &str) {
    let pair = Pair::start(kind).await;
    let web1 = [slot("web/web1")];
    pair.balancer.maint(&web1).await.expect("it goes");
    let merged = seen(&pair.balancer, "web/web1").await;
    assert_eq!((merged.admin, merged.up), (Admin::Maint, false));
    assert_eq!(merged.per_endpoint[0].health, Health::Unknown);
    pair.balancer
        .maint(&web1)
        .await
        .expect("twice is as good as once");

    pair.balancer.ready(&web1).await.expect("it comes back");
    pair.balancer
        .wait_up(&web1, LONG, &never())
        .await
        .expect("it comes up");
    assert!(seen(&pair.balancer, "web/web1").await.is_proven());
    assert!(
        seen(&pair.balancer, "web/web2").await.up,
        "the other one was left alone"
    );
}

/// HAProxy counts a server as up as soon as its maintenance ends, before anybody has looked at it.
async fn a_server_is_up_only_after_a_check(kind: &str) {
    let pair = Pair::start(kind).await;
    let web1 = [slot("web/web1")];
    pair.balancer.maint(&web1).await.expect("it goes");
    pair.web1.fail(true);
    pair.balancer.ready(&web1).await.expect("it comes back");
    let limit = Duration::from_secs(1);
    let error = pair
        .balancer
        .wait_up(&web1, limit, &never())
        .await
        .expect_err("it is broken");
    let at = pair.haproxy.endpoint(kind);
    // While the next check is on its way, HAProxy does not tell the code of the last.
    let expected =
        format!("The balancer did not report web/web1 UP within 1 s: {at} says web/web1 is DOWN (L7STS");
    assert!(error.to_string().starts_with(&expected), "{error}");
    let domain: deployer::domain::Error = error.into();
    assert_eq!(domain.kind(), deployer::domain::ErrorKind::Unavailable);
}

async fn coming_up_is_waited_for_up_to_a_limit(kind: &str) {
    let pair = Pair::start(kind).await;
    let web1 = [slot("web/web1")];
    pair.web1.fail(true);
    while seen(&pair.balancer, "web/web1").await.up {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let balancer = pair.balancer.clone();
    let waiting = tokio::spawn(async move { balancer.wait_up(&web1, LONG, &never()).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "it is down");
    pair.web1.fail(false);
    waiting.await.expect("no panic").expect("it comes up");
}

async fn a_server_nobody_checks_is_up_when_ready(kind: &str) {
    let web1 = Backend::start("web1").await;
    let haproxy = Haproxy::builder()
        .backend("web", &[("web1", web1.port)])
        .unchecked()
        .start()
        .await;
    let (balancer, slots) = (haproxy.balancer(kind), [slot("web/web1")]);
    balancer
        .wait_up(&slots, LONG, &never())
        .await
        .expect("it counts as up");
    assert_eq!(
        seen(&balancer, "web/web1").await.per_endpoint[0].health,
        Health::NoCheck
    );
    for out in [Admin::Drain, Admin::Maint] {
        match out {
            Admin::Drain => balancer.drain(&slots).await.expect("it goes"),
            _ => balancer.maint(&slots).await.expect("it goes"),
        }
        let merged = seen(&balancer, "web/web1").await;
        assert_eq!((merged.admin, merged.up), (out, false));
        balancer
            .wait_up(&slots, Duration::ZERO, &never())
            .await
            .expect_err("it is out");
    }
    balancer.ready(&slots).await.expect("it comes back");
    balancer.wait_up(&slots, LONG, &never()).await.expect("it is up");
}

async fn maintenance_by_hand_is_seen(kind: &str) {
    let pair = Pair::start(kind).await;
    let by_hand = pair.haproxy.balancer("runtime");
    by_hand.maint(&[slot("web/web2")]).await.expect("a sysadmin may");
    let merged = seen(&pair.balancer, "web/web2").await;
    assert_eq!(
        (merged.admin, merged.per_endpoint[0].inherited),
        (Admin::Maint, false)
    );
    assert_eq!(seen(&pair.balancer, "web/web1").await.admin, Admin::Ready);
}

async fn unknown_names_are_told_with_the_known_ones(kind: &str) {
    let pair = Pair::start(kind).await;
    let at = pair.haproxy.endpoint(kind);
    let told = async |text: &str| {
        pair.balancer
            .drain(&[slot("web/web1"), slot(text)])
            .await
            .expect_err(text)
            .to_string()
    };
    assert_eq!(
        told("web/web9").await,
        format!("Backend web of {at} has no server “web9”; it has: web1, web2.")
    );
    assert_eq!(
        told("shop/web1").await,
        format!("{at} has no backend “shop”; it has: web.")
    );
    assert!(
        seen(&pair.balancer, "web/web1").await.up,
        "the known one was not touched either"
    );

    let state = pair.balancer.state().await.expect("it can be read");
    let sought = Sought {
        name: "web2.example.org",
        address: "127.0.0.1",
        balancer_name: None,
    };
    let slots = state
        .slots_of(&["web".to_owned()], sought)
        .expect("by its short name");
    assert_eq!(slots, [slot("web/web2")]);
    let injected = deployer::balancer::BackendSlot {
        backend: "web".to_owned(),
        server: "web1 state maint;set server web/web2".to_owned(),
    };
    let error = pair.balancer.drain(&[injected]).await.expect_err("not a name");
    assert!(matches!(error, Error::BadName { .. }), "{error}");
    assert!(seen(&pair.balancer, "web/web2").await.up);
}

async fn one_server_in_several_backends(kind: &str) {
    let (web1, web2) = (Backend::start("web1").await, Backend::start("web2").await);
    let servers = [("web1", web1.port), ("web2", web2.port)];
    let haproxy = Haproxy::builder()
        .backend("web", &servers)
        .backend("api", &servers)
        .start()
        .await;
    let balancer = haproxy.balancer(kind);
    let state = balancer.state().await.expect("it can be read");
    let sought = Sought {
        name: "web1",
        address: "127.0.0.1",
        balancer_name: None,
    };
    let slots = state
        .slots_of(&["api".to_owned(), "web".to_owned()], sought)
        .expect("in both");
    assert_eq!(slots, [slot("api/web1"), slot("web/web1")]);
    balancer.drain(&slots).await.expect("it drains");
    let drained = balancer
        .wait_drained(&slots, LONG, &never())
        .await
        .expect("no session");
    assert_eq!(drained.left_sessions, 0);
    for (text, admin) in [
        ("web/web1", Admin::Drain),
        ("api/web1", Admin::Drain),
        ("web/web2", Admin::Ready),
        ("api/web2", Admin::Ready),
    ] {
        assert_eq!(seen(&balancer, text).await.admin, admin, "{text}");
    }
    balancer.ready(&slots).await.expect("it comes back");
    balancer.wait_up(&slots, LONG, &never()).await.expect("in both");
}

async fn all_endpoints_are_acted_upon(kind: &str) {
    let (web1, web2) = (Backend::start("web1").await, Backend::start("web2").await);
    let servers = [("web1", web1.port), ("web2", web2.port)];
    let one = Haproxy::builder().backend("web", &servers).start().await;
    let two = Haproxy::builder().backend("web", &servers).start().await;
    let logins = tempfile::NamedTempFile::new().expect("a file");
    let lines = [&one, &two].map(|haproxy| std::fs::read_to_string(haproxy.credentials()).expect("there"));
    std::fs::write(logins.path(), lines.concat()).expect("written");
    let balancer = open(
        kind,
        &[one.endpoint(kind), two.endpoint(kind)],
        Some(logins.path()),
    );
    let slots = [slot("web/web1")];
    balancer.drain(&slots).await.expect("both drain");
    for haproxy in [&one, &two] {
        assert_eq!(
            seen(&haproxy.balancer(kind), "web/web1").await.admin,
            Admin::Drain
        );
    }
    let state = balancer.state().await.expect("both answer");
    assert_eq!(state.of(&slots[0]).expect("known").per_endpoint.len(), 2);
    let agreed = |state: &State| state.of(&slots[0]).expect("known").agreed();
    agreed(&state).expect("they say the same");

    one.balancer(kind).ready(&slots).await.expect("by hand");
    let state = balancer.state().await.expect("both answer");
    let error = agreed(&state).expect_err("one was changed").to_string();
    assert!(
        error.contains(&format!("{} says web/web1 is UP", one.endpoint(kind))),
        "{error}"
    );
    assert!(
        error.contains(&format!("{} says web/web1 is DRAIN", two.endpoint(kind))),
        "{error}"
    );
    let error = balancer
        .wait_up(&slots, Duration::from_millis(200), &never())
        .await
        .expect_err("not on both");
    assert!(
        !error.to_string().contains(&one.endpoint(kind)),
        "only the late one is named: {error}"
    );
    balancer.ready(&slots).await.expect("both");
    balancer.wait_up(&slots, LONG, &never()).await.expect("on both");
}

async fn waiting_can_be_cancelled(kind: &str) {
    let pair = Pair::start(kind).await;
    let held = pair.hold().await;
    let (holder, drained, _) = pair.holder();
    let slots = [drained];
    pair.balancer.drain(&slots).await.expect("it drains");
    let cancel = never();
    let stop = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(150)).await;
        stop.cancel();
    });
    let begun = Instant::now();
    let error = pair
        .balancer
        .wait_drained(&slots, LONG, &cancel)
        .await
        .expect_err("cancelled");
    assert!(matches!(error, Error::Cancelled), "{error}");
    let error = pair
        .balancer
        .wait_up(&slots, LONG, &cancel)
        .await
        .expect_err("cancelled");
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    holder.release();
    held.await.expect("answered");
}
