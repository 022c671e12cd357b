//! Jump hosts, keys and weak algorithms, set with forms; and everything that connects goes that way.

use deployer::app::{drift, live_release};
use deployer::domain::Server;
use deployer::ssh::Endpoint;
use deployer::store::{AuditFilter, Page, audit, clusters, observations, servers, ways};

use super::installation::offered;
use super::{page, send};
use crate::support::sshd::{Sshd, keygen};
use crate::support::world::{World, admin};
use crate::web::support::{PASSWORD, TestSite};

/// A world with one server in a cluster, its pages, and a jump host.
async fn behind_a_hop() -> (World, TestSite, Sshd) {
    let world = World::project().clusters(&[1]).start().await;
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    site.add_user("admin").await;
    site.log_in("admin", PASSWORD).await;
    let hop = Sshd::builder()
        .accept(&world.dir.path().join("deployer"))
        .start()
        .await;
    (world, site, hop)
}

/// Sends the form of the cluster with these jump hosts.
async fn set_via(site: &TestSite, via: &str) -> (u16, String) {
    let cluster = clusters::by_name(&site.store, "cluster1").await.unwrap();
    let member = cluster.members[0].server.to_string();
    let form = "/admin/clusters/cluster1";
    let fields = [
        ("name", "cluster1"),
        ("members", member.as_str()),
        ("projects", "1"),
        ("via", via),
    ];
    let (status, _, said) = send(site, form, form, &fields).await;
    (status, said)
}

/// All audit events with their details.
async fn audited(site: &TestSite) -> String {
    let page = audit::list(&site.store, &AuditFilter::default(), Page::Newest, 100).await;
    let events = page.unwrap().items.into_iter().map(|one| one.event);
    let lines = events.map(|event| format!("{} {} {}\n", event.action, event.resource, event.detail));
    lines.collect()
}

async fn trust(site: &TestSite, server: &Server) {
    let at = format!("/admin/servers/{}", server.id);
    let (_, _, shown) = send(site, &at, &format!("{at}/key"), &[]).await;
    let key = offered(&shown);
    let (status, ..) = send(site, &at, &format!("{at}/trust"), &[("openssh", &key)]).await;
    assert_eq!(status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_connects_goes_through_the_jump_host_of_the_cluster() {
    let (mut world, site, mut hop) = behind_a_hop().await;
    world.repository.write("index.html", "hello\n");
    let commit = world.commit("Say hello").await;
    let (status, said) = set_via(&site, &format!("{}@127.0.0.1:{}", hop.user, hop.port)).await;
    assert_eq!(status, 303, "{said}");
    let added = servers::by_name(&site.store, "127.0.0.1").await.unwrap();
    assert_eq!(added.port, hop.port, "a server was added for it");
    let answer = page(&site, "/admin/clusters/cluster1").await;
    assert!(
        answer.contains("Jump host “127.0.0.1” was added as a server. Nothing is reached through it before")
            && answer.contains(&format!(
                "<a href=\"/admin/servers/{}#host-key\">Trust its host key</a>",
                added.id
            )),
        "{answer}"
    );
    let untrusted = world.deploy(&commit).await;
    let parts = world.parts(untrusted.id).await;
    assert!(
        parts[0]
            .detail
            .contains("is reached through “127.0.0.1”, which failed: Nobody has trusted"),
        "{parts:?}"
    );

    trust(&site, &added).await;
    let deployment = world.deploy(&commit).await;
    world.assert_succeeded(&deployment).await;
    assert_eq!(world.read(1, "dev/shop/index.html"), "hello\n");
    assert_eq!(hop.connections(), 1);
    for (path, told) in [
        ("/admin/clusters", "through "),
        ("/admin/clusters/cluster1", "@127.0.0.1</textarea>"),
    ] {
        let shown = page(&site, path).await;
        assert!(shown.contains(told), "{path}: {shown}");
    }
    let carrier = page(&site, &format!("/admin/servers/{}", added.id)).await;
    assert!(carrier.contains("Jump host for"), "{carrier}");
    let audited = audited(&site).await;
    assert!(
        audited.contains("jump_hosts") && audited.contains("server 127.0.0.1"),
        "{audited}"
    );

    hop.go_down();
    world.ssh.shutdown().await;
    let lost = "is reached through “127.0.0.1”, which failed";
    let asked = live_release::ask(&world.app, &admin(), "shop", "dev", "web1").await;
    assert!(asked.unwrap_err().message().contains(lost));
    drift::look(&world.app).await.unwrap();
    let seen = observations::all(&world.store).await.unwrap();
    assert!(seen[0].trouble.contains(lost), "{seen:?}");
    let target = servers::by_name(&world.store, "web1").await.unwrap();
    let at = format!("/admin/servers/{}", target.id);
    let (_, _, tried) = send(&site, &at, &format!("{at}/test"), &[]).await;
    assert!(tried.contains(lost), "{tried}");
    let (_, _, fetched) = send(&site, &at, &format!("{at}/key"), &[]).await;
    assert!(!fetched.contains("name=\"openssh\""), "{fetched}");
    assert!(page(&site, &at).await.contains(lost));
    let failed = world.deploy(&commit).await;
    assert!(world.parts(failed.id).await[0].detail.contains(lost));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_leads_nowhere_is_refused_beside_its_field() {
    let (_world, site, hop) = behind_a_hop().await;
    let login = format!("{}@127.0.0.1:{}", hop.user, hop.port);
    for (via, told) in [
        ("nobody", "is no jump host"),
        ("deploy@web1", "leads through “web1” to itself"),
        (
            "a@1.1.1.1\na@1.1.1.2\na@1.1.1.3\na@1.1.1.4\na@1.1.1.5\na@1.1.1.6\na@1.1.1.7\na@1.1.1.8\na@1.1.1.9",
            "8 jump hosts at most",
        ),
    ] {
        let (status, said) = set_via(&site, via).await;
        assert!(status == 422 && said.contains(told), "{via}: {said}");
    }
    let left = servers::list(&site.store).await.unwrap();
    assert_eq!(left.len(), 1, "nothing is left of what was refused");

    // The jump host is itself reached through another, and that one through the first: a circle.
    assert_eq!(set_via(&site, &login).await.0, 303);
    let first = servers::by_name(&site.store, "127.0.0.1").await.unwrap();
    let form = format!("/admin/servers/{}", first.id);
    let port = hop.port.to_string();
    let fields = |via: &'static str| {
        vec![
            ("name", "bastion"),
            ("address", "127.0.0.1"),
            ("port", port.as_str()),
            ("active", "yes"),
            ("via", via),
        ]
    };
    assert_eq!(
        send(&site, &form, &form, &fields("deploy@10.0.0.9:22")).await.0,
        303
    );
    let second = servers::by_name(&site.store, "10.0.0.9").await.unwrap();
    let other = format!("/admin/servers/{}", second.id);
    let circle = [
        ("name", "outer"),
        ("address", "10.0.0.9"),
        ("port", "22"),
        ("via", "deploy@bastion"),
    ];
    let (status, _, said) = send(&site, &other, &other, &circle).await;
    assert!(status == 422 && said.contains("to itself"), "{said}");

    // Nobody takes a jump host away from those behind it.
    let (_, _, said) = send(&site, &form, &format!("{form}/delete"), &[]).await;
    let kept = page(&site, &form).await;
    assert!(
        kept.contains("The way to cluster “cluster1” leads through server “bastion”"),
        "{said}{kept}"
    );

    // Two ways to one server need a word about which.
    let target = servers::by_name(&site.store, "web1")
        .await
        .unwrap()
        .id
        .to_string();
    let new = "/admin/new/cluster";
    let twice = [("name", "twice"), ("members", target.as_str())];
    let (status, _, said) = send(&site, new, new, &twice).await;
    assert!(
        status == 422 && said.contains("is in several clusters that are reached in different ways"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_jump_host_adds_no_server() {
    let (_world, site, _hop) = behind_a_hop().await;
    for (via, told) in [
        (
            "deploy@wbe1",
            "There is no server “wbe1” here. Name one that is, or write deploy@wbe1:22",
        ),
        ("deploy@::2", "or write deploy@[::2]:22"),
    ] {
        let (status, said) = set_via(&site, via).await;
        assert!(status == 422 && said.contains(told), "{via}: {said}");
    }
    assert_eq!(servers::list(&site.store).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_behind_different_jump_hosts_may_have_one_address() {
    let (_world, site, _hop) = behind_a_hop().await;
    let new = "/admin/new/server";
    for (name, via, status) in [
        ("a", "d@10.9.0.1:22", 303),
        ("b", "d@10.9.0.2:22", 303),
        ("c", "d@10.9.0.2", 422),
    ] {
        let fields = [
            ("name", name),
            ("address", "192.168.0.5"),
            ("port", "22"),
            ("via", via),
        ];
        let (got, _, said) = send(&site, new, new, &fields).await;
        assert_eq!(got, status, "{name}: {said}");
    }
}

/// A world, its pages, a commit, and the key “other” that no server lets in.
async fn beside_another_key() -> (World, TestSite, String) {
    let (mut world, site, _hop) = behind_a_hop().await;
    world.repository.write("index.html", "hello\n");
    let commit = world.commit("Say hello").await;
    let directory = world.dir.path().join("keys");
    std::fs::create_dir(&directory).unwrap();
    keygen(&directory, "other", "ed25519");
    (world, site, commit)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_weak_algorithms_are_chosen_by_name_and_told_in_the_audit_log() {
    let (world, site, commit) = beside_another_key().await;
    let target = servers::by_name(&world.store, "web1").await.unwrap();
    let (form, port) = (format!("/admin/servers/{}", target.id), target.port.to_string());
    let with_key = |key: &'static str| {
        vec![
            ("name", "web1"),
            ("address", "127.0.0.1"),
            ("port", port.as_str()),
            ("active", "yes"),
            ("key", key),
        ]
    };
    for (key, told) in [
        ("../deployer", "cannot be the name of a key file"),
        ("gone", "There is no private key “gone”"),
    ] {
        let (status, _, said) = send(&site, &form, &form, &with_key(key)).await;
        assert!(status == 422 && said.contains(told), "{key}: {said}");
    }
    assert_eq!(send(&site, &form, &form, &with_key("other")).await.0, 303);
    assert!(
        page(&site, &form)
            .await
            .contains("<option value=\"other\" selected>")
    );
    let refused = world.deploy(&commit).await;
    let detail = world.parts(refused.id).await[0].detail.clone();
    assert!(
        detail.contains("refused every key") && detail.contains("keys/other"),
        "{detail}"
    );
    assert!(
        !detail.contains("/deployer,"),
        "no other key is offered: {detail}"
    );

    let mut legacy = with_key("");
    legacy.push(("legacy", "yes"));
    assert_eq!(send(&site, &form, &form, &legacy).await.0, 303);
    assert!(
        page(&site, "/admin/servers")
            .await
            .contains("weak algorithms allowed")
    );
    world.assert_succeeded(&world.deploy(&commit).await).await;
    let audited = audited(&site).await;
    for told in ["legacy_algorithms", "\"other\""] {
        assert!(audited.contains(told), "{told}: {audited}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_the_environment_counts_where_the_server_has_none() {
    let (world, site, commit) = beside_another_key().await;
    let form = "/admin/projects/shop/environments/dev";
    let user = world.servers[0].user.clone();
    let cluster = clusters::by_name(&world.store, "cluster1")
        .await
        .unwrap()
        .id
        .to_string();
    let mut fields = super::environment(&user, &cluster);
    fields.retain(|(name, _)| !["name", "target_path"].contains(name));
    fields.extend([("name", "dev"), ("target_path", "~/dev/shop"), ("key", "other")]);
    let (status, _, said) = send(&site, form, form, &fields).await;
    assert_eq!(status, 303, "{said}");
    let refused = world.deploy(&commit).await;
    assert!(world.parts(refused.id).await[0].detail.contains("keys/other"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_keeps_its_order_and_its_logins_and_has_an_end() {
    let (_world, site, _hop) = behind_a_hop().await;
    let add = async |name: &str, address: &str, via: &str| {
        let new = "/admin/new/server";
        let fields = [("name", name), ("address", address), ("port", "22"), ("via", via)];
        let (status, _, said) = send(&site, new, new, &fields).await;
        (status, said)
    };
    for (name, address) in [("inner", "10.8.1.1"), ("outer", "10.8.1.2")] {
        assert_eq!(add(name, address, "").await.0, 303);
    }
    // By its name or by its address, it is the server that is here already.
    let (status, said) = add("far", "10.8.1.3", "olga@outer\nida@10.8.1.1").await;
    assert_eq!(status, 303, "{said}");
    assert_eq!(servers::list(&site.store).await.unwrap().len(), 4);
    let far = servers::by_name(&site.store, "far").await.unwrap();
    let way = ways::to(&site.store, &far).await.unwrap();
    let endpoint = Endpoint::of(&far, "deploy", None, &way);
    let mut told = vec![(endpoint.name.as_str(), endpoint.user.as_str())];
    let mut via = endpoint.via.as_deref();
    while let Some(hop) = via {
        told.push((&hop.name, &hop.user));
        via = hop.via.as_deref();
    }
    assert_eq!(told, [("far", "deploy"), ("inner", "ida"), ("outer", "olga")]);

    for number in 0..9 {
        let (name, address) = (format!("link{number}"), format!("10.8.2.{number}"));
        let via = match number {
            0 => String::new(),
            _ => format!("d@link{}", number - 1),
        };
        let (status, said) = add(&name, &address, &via).await;
        assert_eq!(status, 303, "{said}");
    }
    let (status, said) = add("link9", "10.8.2.9", "d@link8").await;
    assert!(
        status == 422 && said.contains("has more than 8 jump hosts"),
        "{said}"
    );
}
