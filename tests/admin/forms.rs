//! What a form cannot accept is told beside its field; nothing typed is lost; secrets stay secret.

use deployer::store::{environments, projects, servers};

use super::{environment, page, send, site};

#[tokio::test(flavor = "multi_thread")]
async fn each_field_shows_its_own_error_and_keeps_its_value() {
    let (_world, site) = site().await;
    let new = "/admin/new/project";
    let fields = [
        ("name", "a/b🚀"),
        ("git_url", "http://git.example/x"),
        ("method", "magic"),
    ];
    let (status, _, said) = send(&site, new, new, &fields).await;
    assert_eq!(status, 422);
    for told in [
        "cannot be a name",
        "is not encrypted",
        "Choose how a release",
        "value=\"http://git.example/x\"",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert_eq!(said.matches("aria-invalid").count(), 3, "{said}");

    let new = "/admin/new/server";
    let fields = [("name", "web1"), ("address", "10.0.0.1"), ("port", "22")];
    assert_eq!(send(&site, new, new, &fields).await.0, 303);
    let (status, _, said) = send(
        &site,
        new,
        new,
        &[("name", "WEB1"), ("address", "10.0.0.2"), ("port", "22")],
    )
    .await;
    assert!(
        status == 422 && said.contains("There is already a server “WEB1”."),
        "{said}"
    );
    assert!(said.contains("value=\"10.0.0.2\""));
    let twin = [("name", "web2"), ("address", "10.0.0.1"), ("port", "22")];
    let (status, _, said) = send(&site, new, new, &twin).await;
    assert!(
        status == 422 && said.contains("Server web1 has this address and port already."),
        "{said}"
    );
    let (status, _, said) = send(
        &site,
        new,
        new,
        &[("name", "w"), ("address", "-x"), ("port", "0")],
    )
    .await;
    assert!(
        status == 422 && said.contains("from 1 to 65535") && said.contains("neither a host name"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_checked_field_by_field() {
    let (_world, site) = site().await;
    let new = "/admin/projects/shop/new";
    for (field, value, told) in [
        ("name", "", "Give it a name."),
        ("branch", "--output=x", "is not a branch name"),
        ("target_path", "/", "cannot be a target path"),
        ("target_path", "srv/x", "cannot be a target path"),
        ("remote_user", "root;id", "cannot be a user"),
        ("position", "-1", "Write a whole number from 1"),
        ("excluded", "../etc", "cannot be an excluded or shared path"),
        ("shared", "up*", "a shared path is one path"),
        ("variables", "nonsense", "NAME=value"),
        ("secret-name", "DEPLOYER_X", "set by the deployer itself"),
        ("local_timeout", "0", "from 1 to 86400"),
        ("parallel", "many", "Write a whole number"),
        ("clusters", "99", "does not exist any more"),
    ] {
        let mut fields = environment("deploy", "");
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let (status, _, said) = send(&site, new, new, &fields).await;
        assert_eq!(status, 422, "{field}={value}");
        assert!(said.contains(told), "{field}={value}: {said}");
        assert!(!said.contains("s3cret"), "{field}={value}");
    }
    assert!(environments::all(&site.store).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_of_a_secret_is_never_on_a_page_nor_in_the_log() {
    let (_world, site) = site().await;
    let new = "/admin/projects/shop/new";
    send(&site, new, new, &environment("deploy", "")).await;
    let place = "/admin/projects/shop/environments/prod";
    let shown = page(&site, place).await;
    assert!(
        shown.contains("API_TOKEN") && shown.contains("COLOUR=green"),
        "{shown}"
    );

    // An empty field keeps the value, also when the form is refused first.
    let mut kept = environment("deploy", "");
    kept.retain(|(name, _)| *name != "secret-value");
    kept.push(("secret-value", ""));
    let mut wrong = kept.clone();
    wrong.push(("secret-name", "OTHER"));
    wrong.push(("secret-value", "s3"));
    let (status, _, said) = send(&site, place, place, &wrong).await;
    assert_eq!(status, 422, "{said}");
    assert_eq!(send(&site, place, place, &kept).await.0, 303);
    let project = projects::by_name(&site.store, "shop").await.unwrap();
    let stored = environments::by_name(&site.store, project.id, "prod")
        .await
        .unwrap();
    let secret = &stored.options.variables["API_TOKEN"];
    assert!(secret.secret && secret.value == "s3cret-value-of-the-token");

    let mut changed = kept.clone();
    changed.retain(|(name, _)| *name != "secret-value");
    changed.push(("secret-value", "s3cret-another"));
    assert_eq!(send(&site, place, place, &changed).await.0, 303);
    for path in [place, "/admin/projects/shop", "/audit", "/admin"] {
        assert!(!page(&site, path).await.contains("s3cret"), "{path}");
    }
    assert!(page(&site, "/audit").await.contains("API_TOKEN"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_sent_twice_does_no_harm() {
    let (_world, site) = site().await;
    let fields = [
        ("name", "web1"),
        ("address", "10.0.0.1"),
        ("port", "22"),
        ("active", "yes"),
    ];
    let (_, server, _) = send(&site, "/admin/new/server", "/admin/new/server", &fields).await;
    for _ in 0..2 {
        assert_eq!(send(&site, &server, &server, &fields).await.0, 303);
        let off = [("active", "no")];
        assert_eq!(
            send(&site, &server, &format!("{server}/active"), &off).await.0,
            303
        );
    }
    for _ in 0..2 {
        let delete = format!("{server}/delete");
        let (status, place, _) = send(&site, "/admin", &delete, &[]).await;
        assert_eq!((status, place.as_str()), (303, "/admin/servers"));
    }
    assert!(page(&site, "/admin/servers").await.contains("Nothing was done."));
    assert!(servers::list(&site.store).await.unwrap().is_empty());
    let mut told: Vec<String> = site.audited().await;
    told.retain(|line| line.starts_with("server."));
    assert_eq!(
        told,
        [
            "server.deleted server web1",
            "server.deactivated server web1",
            "server.changed server web1",
            "server.deactivated server web1",
            "server.added server web1"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_can_be_reordered_and_cannot_share_directories() {
    let (_world, site) = site().await;
    let fields = [
        ("name", "web1"),
        ("address", "10.0.0.1"),
        ("port", "22"),
        ("active", "yes"),
    ];
    send(&site, "/admin/new/server", "/admin/new/server", &fields).await;
    let id = servers::by_name(&site.store, "web1")
        .await
        .unwrap()
        .id
        .to_string();
    for name in ["front", "back"] {
        let fields = [("name", name), ("members", &id)];
        send(&site, "/admin/new/cluster", "/admin/new/cluster", &fields).await;
    }
    let new = "/admin/projects/shop/new";
    assert_eq!(send(&site, new, new, &environment("deploy", "1")).await.0, 303);
    let mut beta = environment("deploy", "2");
    beta[0] = ("name", "beta");
    let (status, _, said) = send(&site, new, new, &beta).await;
    assert!(
        status == 422 && said.contains("the two would overwrite each other"),
        "{said}"
    );
    // The directory of releases, what lies inside the other's release, and inside of its store.
    for taken in [
        "~/live/shop_releases",
        "~/live/books/api",
        "~/live/shop_shared/api",
    ] {
        beta[2] = ("target_path", taken);
        let (status, _, said) = send(&site, new, new, &beta).await;
        assert!(
            status == 422 && said.contains("the two would overwrite each other"),
            "{taken}: {said}"
        );
    }
    beta[2] = ("target_path", "~/beta/books");
    beta.push(("clusters", "1"));
    beta[4] = ("position", "2");
    assert_eq!(send(&site, new, new, &beta).await.0, 303);
    let warned = page(&site, "/admin/clusters").await;
    assert!(warned.contains("is in several clusters of shop/beta"), "{warned}");

    let shift = "/admin/projects/shop/environments/beta/move";
    for _ in 0..2 {
        send(&site, "/admin/projects/shop", shift, &[("to", "earlier")]).await;
    }
    let all = environments::all(&site.store).await.unwrap();
    let order: Vec<(&str, i32)> = all.iter().map(|one| (one.name.as_str(), one.position)).collect();
    assert_eq!(order, [("beta", 1), ("prod", 2)]);
}

/// How often a health check asks, as typed.
const HEALTH_NUMBERS: [(&str, &str); 4] = [
    ("health_attempts", "9"),
    ("health_interval", "1"),
    ("health_limit", "3"),
    ("health_successes", "2"),
];

fn with_health<'a>(fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&environment("deploy", ""), fields, &HEALTH_NUMBERS].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_of_a_health_check_shows_its_error_and_keeps_its_value() {
    let (_world, site) = site().await;
    let new = "/admin/projects/shop/new";
    let wrong = with_health(&[
        ("health_kind", "http"),
        ("health_from", "server"),
        ("health_port", "70000"),
        ("health_path", "up here"),
        ("health_status", "fine"),
        ("health_text", "is <well>"),
        ("health_host", "http://shop"),
        ("health_tls", "yes"),
    ]);
    let (status, _, said) = send(&site, new, new, &wrong).await;
    assert_eq!(status, 422, "{said}");
    assert_eq!(said.matches("aria-invalid").count(), 4, "{said}");
    for told in [
        "Write a whole number from 1 to 65535.",
        "Begin the path with “/”.",
        "Write a status such as 200",
        "Write a host name alone",
        "value=\"up here\"",
        "value=\"70000\"",
        "value=\"is &#60;well&#62;\"",
        "<option value=\"server\" selected>",
        "name=\"health_tls\" value=\"yes\" checked",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_is_stored_shown_removed_and_audited() {
    let (_world, site) = site().await;
    let new = "/admin/projects/shop/new";
    let right = with_health(&[
        ("health_kind", "tcp"),
        ("health_from", "server"),
        ("health_port", "8080"),
    ]);
    assert_eq!(send(&site, new, new, &right).await.0, 303);
    let place = "/admin/projects/shop/environments/prod";
    let shown = page(&site, place).await;
    for told in [
        "<option value=\"tcp\" selected>",
        "name=\"health_port\" value=\"8080\"",
        "name=\"health_successes\" value=\"2\"",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let project = projects::by_name(&site.store, "shop").await.unwrap();
    let stored = async || {
        let found = environments::by_name(&site.store, project.id, "prod").await;
        found.unwrap().options.health
    };
    let health = stored().await.unwrap();
    assert_eq!(
        health.to_string(),
        "a connection to port 8080, asked by the server itself"
    );
    let numbers = (health.attempts, health.interval, health.limit, health.successes);
    assert_eq!(numbers, (9, 1, 3, 2));

    let none = with_health(&[("health_kind", "")]);
    assert_eq!(send(&site, place, place, &none).await.0, 303);
    assert_eq!(stored().await, None);
    let log = page(&site, "/audit").await;
    let change = "by the server itself; at most 9 times, 1 s apart, each within 3 s, 2 good in a row → none";
    assert!(log.contains(change), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_shares_files_between_releases_keeps_its_name() {
    let (world, site) = site().await;
    let store = &world.store;
    let rename = |name: &'static str, url: String| {
        vec![
            ("name", name.to_owned()),
            ("git_url", url),
            ("method", "symlink".to_owned()),
        ]
    };
    let new = "/admin/projects/shop/new";
    let mut fields = environment("deploy", "");
    fields.retain(|(name, _)| *name != "shared");
    fields.push(("shared", "uploads/"));
    assert_eq!(send(&site, new, new, &fields).await.0, 303);
    let shop = projects::by_name(store, "shop").await.unwrap();
    let form = rename("store", shop.git_url.clone());
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let path = "/admin/projects/shop";

    let (status, _, said) = send(&site, path, path, &form).await;
    assert_eq!(status, 422, "{said}");
    assert!(said.contains("are on its servers in “shop_shared”"), "{said}");

    let mut prod = environments::by_name(store, shop.id, "prod").await.unwrap();
    prod.options.shared.clear();
    let tx = crate::support::store::change(store).await;
    environments::update(&tx, &prod).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(send(&site, path, path, &form).await.0, 303);
}
