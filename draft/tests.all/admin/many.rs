//! Many servers at once: added from lines, their keys fetched and trusted together.

use deployer::store::servers;

use super::{page, send, site};
use crate::support::sshd::Sshd;

const LIST: &str = "/admin/new/servers";
const TRUST: &str = "/admin/trust";

/// The values of the boxes of keys on a page.
fn keys(page: &str) -> Vec<String> {
    let boxes = page.split("name=\"key\" value=\"").skip(1);
    let values = boxes.filter_map(|rest| rest.split_once('"'));
    values
        .map(|(value, _)| value.replace("&#43;", "+").replace("&#61;", "="))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_looked_at_before_all_or_none_of_them_are_added() {
    let (_world, site) = site().await;
    let text = "web1 10.0.0.1\nweb2 10.0.0.2 no\nweb1 10.0.0.3";
    let (status, _, shown) = send(&site, LIST, LIST, &[("lines", text), ("act", "preview")]).await;
    assert_eq!(status, 200);
    assert!(shown.contains("2 lines to correct"), "{shown}");
    assert!(shown.contains("Write a whole number from 1 to 65535."), "{shown}");
    assert!(
        shown.contains("There is a server “web1” already above."),
        "{shown}"
    );
    assert!(shown.contains(text), "what was typed is kept: {shown}");
    let (status, _, shown) = send(&site, LIST, LIST, &[("lines", text), ("act", "add")]).await;
    assert_eq!(status, 422);
    assert!(shown.contains("Line 2: ") && shown.contains(text), "{shown}");
    assert!(
        servers::list(&site.store).await.unwrap().is_empty(),
        "none was added"
    );

    let text = "# fleet\nweb1 10.0.0.1\nweb2 10.0.0.2 2222";
    let (_, _, shown) = send(&site, LIST, LIST, &[("lines", text), ("act", "preview")]).await;
    assert!(shown.contains("Add 2 servers"), "{shown}");
    let (status, place, _) = send(&site, LIST, LIST, &[("lines", text), ("act", "add")]).await;
    assert_eq!((status, place.as_str()), (303, TRUST));
    assert!(page(&site, TRUST).await.contains("2 servers added"));
    let all = servers::list(&site.store).await.unwrap();
    let all: Vec<String> = all
        .iter()
        .map(|one| format!("{} {}:{}", one.name, one.address, one.port))
        .collect();
    assert_eq!(all, ["web1 10.0.0.1:22", "web2 10.0.0.2:2222"]);
    let audited = site.audited().await.join("\n");
    assert!(audited.contains("server.added server web1") && audited.contains("server.added server web2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_many_are_compared_once_and_trusted_together() {
    let (_world, site) = site().await;
    let (first, second) = (Sshd::builder().start().await, Sshd::builder().start().await);
    let text = format!(
        "one 127.0.0.1 {}\ntwo 127.0.0.1 {}\ngone 127.0.0.1 1",
        first.port, second.port
    );
    send(&site, LIST, LIST, &[("lines", &text), ("act", "add")]).await;
    let scan = format!("{TRUST}/scan");
    let (status, _, shown) = send(&site, TRUST, &scan, &[]).await;
    assert_eq!(status, 200);
    for told in [
        &first.host_key.fingerprint,
        &second.host_key.fingerprint,
        "cannot be reached",
        "2 of 3 answered",
    ] {
        assert!(shown.contains(told), "{told} in {shown}");
    }
    let seen = keys(&shown);
    assert_eq!(seen.len(), 2, "{seen:?}");

    // One of them is another server by now: its key is not trusted, the other is.
    let other = seen[1].split_once(' ').unwrap();
    let swapped = format!("{} {}", other.0, seen[0].split_once(' ').unwrap().1);
    let (status, _, refused) = send(&site, TRUST, TRUST, &[("key", &seen[0]), ("key", &swapped)]).await;
    assert_eq!(status, 409);
    assert!(
        refused.contains("1 host key not trusted") && refused.contains("1 host key trusted now"),
        "{refused}"
    );
    let (status, ..) = send(&site, TRUST, TRUST, &[("key", &seen[1])]).await;
    assert_eq!(status, 303);
    let all = servers::list(&site.store).await.unwrap();
    let trusted = |name: &str| {
        let server = all.iter().find(|one| one.name.as_str() == name).unwrap();
        server.host_key.as_ref().map(|key| key.fingerprint.clone())
    };
    assert_eq!(trusted("one").as_ref(), Some(&first.host_key.fingerprint));
    assert_eq!(trusted("two").as_ref(), Some(&second.host_key.fingerprint));
    assert_eq!(trusted("gone"), None);
    assert!(
        page(&site, TRUST)
            .await
            .contains("1 server without a trusted key")
    );
    let (status, place, _) = send(&site, TRUST, TRUST, &[]).await;
    assert_eq!((status, place.as_str()), (303, TRUST));
}
