//! Large fleets and forms with many faults: one sentence for many servers, and each fault leads to its field.

use deployer::store::{clusters, environments, servers};

use super::{page, send, site};
use crate::history::support as past;
use crate::support::store::{bring_in, change, cluster, environment, server};

#[tokio::test(flavor = "multi_thread")]
async fn many_servers_without_a_trusted_key_are_one_warning_that_leads_to_their_keys() {
    let site = past::site_for("admin").await;
    let (shop, _) = past::project(&site, "shop", &[]).await;
    let tx = change(&site.store).await;
    let mut hosts = Vec::new();
    for number in 1..=60 {
        let mut host = server(&format!("web{number}"));
        host.address = format!("host{number}.example.org");
        host.host_key = None;
        hosts.push(servers::insert(&tx, &host).await.unwrap());
    }
    let front = clusters::insert(&tx, &cluster("front", &hosts)).await.unwrap();
    let back = clusters::insert(&tx, &cluster("back", &hosts[..1]))
        .await
        .unwrap();
    for (name, group) in [("dev", &back), ("prod", &front)] {
        let mut place = environment(&shop, name);
        place.clusters = vec![group.id];
        environments::insert(&tx, &place).await.unwrap();
    }
    bring_in(tx).await;
    let form = page(&site, "/admin/projects/shop/environments/prod").await;
    let many = "60 servers have no trusted host key: deployments here will fail. <a href=\"/admin/trust\">";
    assert!(form.contains(many), "{form}");
    assert_eq!(form.matches("trusted host key").count(), 1);
    let form = page(&site, "/admin/projects/shop/environments/dev").await;
    assert!(
        form.contains("Server “web1” has no trusted host key: deployments here will fail."),
        "{form}"
    );
    let start = page(&site, "/admin").await;
    assert!(
        start.contains("60 servers have no trusted host key: nothing connects to them."),
        "{start}"
    );
    assert!(!start.contains("web17"), "{start}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_complaint_above_a_form_names_its_field_and_leads_to_it() {
    let (_world, site) = site().await;
    let new = "/admin/new/project";
    let fields = [
        ("name", "a/b"),
        ("git_url", "http://git.example/x"),
        ("method", "magic"),
    ];
    let (_, _, said) = send(&site, new, new, &fields).await;
    for (field, label) in [
        ("name", "Name"),
        ("git_url", "Repository URL"),
        ("method", "Method"),
    ] {
        assert!(
            said.contains(&format!("<a href=\"#{field}\">{label}</a>: ")),
            "{said}"
        );
        assert!(said.contains(&format!(" id=\"{field}\"")), "{said}");
    }
    let new = "/admin/new/servers";
    let (_, _, said) = send(
        &site,
        new,
        new,
        &[("lines", "web1 10.0.0.1\nweb2 a b c d"), ("act", "preview")],
    )
    .await;
    assert!(
        said.contains("<td class=\"grow\" colspan=\"2\"><code>web2 a b c d</code><span class=\"wrong\">"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_without_servers_says_so_once_and_leads_to_its_clusters() {
    let (mut world, site) = site().await;
    world.repository.write("a", "1");
    world.commit("First").await;
    let tx = change(&site.store).await;
    let shop = deployer::store::projects::by_name(&site.store, "shop")
        .await
        .unwrap();
    let mut place = environment(&shop, "dev");
    place.options.approval_hours = Some(4);
    environments::insert(&tx, &place).await.unwrap();
    bring_in(tx).await;
    let seen = page(&site, "/projects/shop/dev").await;
    let settings = "/admin/projects/shop/environments/dev";
    assert!(seen.contains("This environment has no servers yet."), "{seen}");
    assert!(!seen.contains("active server in"), "said twice: {seen}");
    assert_eq!(
        seen.matches(&format!("href=\"{settings}\">Choose clusters</a>"))
            .count(),
        2,
        "{seen}"
    );
    assert!(seen.contains(" Settings</a>"), "{seen}");
    assert!(
        seen.contains("Required from a second person, within 4 h"),
        "{seen}"
    );
    // What decides about old releases stands together.
    let form = page(&site, settings).await;
    let order = ["Requires approval within (hours)", "Strategy"];
    let at = |words: &str| {
        form.find(words)
            .unwrap_or_else(|| panic!("no “{words}” in {form}"))
    };
    assert!(at(order[0]) < at(order[1]));
    let between = &form[at("Old releases kept")..at("Keep old releases at least (days)")];
    assert_eq!(between.matches("<label").count(), 1, "{between}");
    let balancers = page(&site, "/admin/balancers").await;
    assert!(
        balancers.contains("name its backends in the clusters behind it"),
        "{balancers}"
    );
}
