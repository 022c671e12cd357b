//! From nothing to a deployment, with a browser only.

use deployer::app::deployments::DeployRequest;
use deployer::domain::{Deployment, DeploymentState};
use deployer::store::{clusters, environments, projects, servers};
use tokio_util::sync::CancellationToken;

use super::first_steps::next_step;
use super::{environment, page, send, site};
use crate::support::sshd::Sshd;
use crate::support::world::World;
use crate::web::support::TestSite;

/// The key a page offers to trust.
pub(super) fn offered(page: &str) -> String {
    let (_, rest) = page
        .split_once("name=\"openssh\" value=\"")
        .expect("a key to trust");
    rest.split_once('"')
        .unwrap()
        .0
        .replace("&#43;", "+")
        .replace("&#61;", "=")
}

/// Tries a repository and adds a project of it.
async fn add_project(site: &TestSite, url: &str) {
    let new = "/admin/new/project";
    let fields = [
        ("name", "books"),
        ("git_url", url),
        ("method", "symlink"),
        ("act", "probe"),
    ];
    let (status, _, found) = send(site, new, new, &fields).await;
    assert!(
        status == 200 && found.contains("The repository can be reached"),
        "{status}: {found}"
    );
    assert!(projects::by_name(&site.store, "books").await.is_err());
    let (status, place, _) = send(site, new, new, &fields[..3]).await;
    assert_eq!((status, place.as_str()), (303, "/admin/projects/books"));
}

/// Adds a server, looks at its key, trusts it, and tries the connection.
async fn add_server(site: &TestSite, sshd: &Sshd) {
    let (new, port) = ("/admin/new/server", sshd.port.to_string());
    let fields = [
        ("name", "web1"),
        ("address", "127.0.0.1"),
        ("port", port.as_str()),
        ("active", "yes"),
    ];
    let (status, server, _) = send(site, new, new, &fields).await;
    assert_eq!(status, 303);
    let (_, _, shown) = send(site, &server, &format!("{server}/key"), &[]).await;
    assert!(shown.contains(&sshd.host_key.fingerprint), "{shown}");
    let key = offered(&shown);
    assert_eq!(key, sshd.host_key.openssh);
    let stored = servers::by_name(&site.store, "web1").await.unwrap();
    assert!(stored.host_key.is_none());
    let (status, ..) = send(site, &server, &format!("{server}/trust"), &[("openssh", &key)]).await;
    assert_eq!(status, 303);
    let user = [("user", sshd.user.as_str())];
    let (_, _, tried) = send(site, &server, &format!("{server}/test"), &user).await;
    assert!(
        tried.contains("Logged in as") && tried.contains("Linux"),
        "{tried}"
    );
}

/// Adds a cluster of that server, and an environment that is deployed to it.
async fn add_environment(site: &TestSite, sshd: &Sshd) {
    let new = "/admin/new/cluster";
    let id = servers::by_name(&site.store, "web1")
        .await
        .unwrap()
        .id
        .to_string();
    let fields = [("name", "front"), ("members", id.as_str())];
    assert_eq!(send(site, new, new, &fields).await.0, 303);
    let cluster = clusters::by_name(&site.store, "front").await.unwrap();
    let id = cluster.id.to_string();
    let new = "/admin/projects/books/new";
    let (status, place, answer) = send(site, new, new, &environment(&sshd.user, &id)).await;
    assert_eq!(
        (status, place.as_str()),
        (303, "/admin/projects/books/environments/prod"),
        "{answer}"
    );
}

/// Deploys a commit there and waits for the end.
async fn deploy(world: &World, commit: &str) -> Deployment {
    let project = projects::by_name(&world.store, "books").await.unwrap();
    let mirror = world.app.mirror(&project).unwrap();
    mirror.fetch(&CancellationToken::new()).await.unwrap();
    let wanted = DeployRequest {
        project: "books".into(),
        environment: "prod".into(),
        ..World::request(commit)
    };
    let asked = world.ask(wanted).await;
    world.end(asked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_made_with_forms_can_be_deployed() {
    let (mut world, site) = site().await;
    world.repository.write("index.html", "hello\n");
    world.script("deploy.sh", "printf %s \"$COLOUR $API_TOKEN\" > ~/seen");
    let commit = world.commit("Say hello").await;
    let key = world.dir.path().join("deployer");
    let sshd = Sshd::builder().accept(&key).start().await;

    add_project(&site, &world.repository.url()).await;
    assert_eq!(next_step(&page(&site, "/").await), "Add a server");
    add_server(&site, &sshd).await;
    assert_eq!(next_step(&page(&site, "/").await), "Add a cluster");
    add_environment(&site, &sshd).await;
    assert_eq!(next_step(&page(&site, "/").await), "Deploy");
    let start = page(&site, "/admin").await;
    assert!(start.contains("Project “shop” has no environment yet."));
    let deployment = deploy(&world, &commit).await;

    let log = world.log(deployment.id).await;
    assert_eq!(deployment.state, DeploymentState::Succeeded, "{log}");
    let read = |path: &str| std::fs::read_to_string(sshd.home().join(path)).unwrap();
    assert_eq!(read("live/books/index.html"), "hello\n");
    assert_eq!(read("seen"), "green s3cret-value-of-the-token");
    assert!(
        !page(&site, "/").await.contains("First steps"),
        "that was the last of them"
    );
    assert!(page(&site, "/admin/servers").await.contains("books/prod"));
    let audited = site.audited().await.join("\n");
    for told in [
        "project.added project books",
        "server.added server web1",
        "server.host_key_trusted server web1",
        "cluster.added cluster front",
        "environment.added books/prod",
    ] {
        assert!(audited.contains(told), "{told} in {audited}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_key_that_was_shown_can_be_trusted() {
    let (_world, site) = site().await;
    let (first, second) = (Sshd::builder().start().await, Sshd::builder().start().await);
    let ports = [first.port.to_string(), second.port.to_string()];
    let fields = |port| {
        [
            ("name", "web1"),
            ("address", "127.0.0.1"),
            ("port", port),
            ("active", "yes"),
        ]
    };
    let (_, server, _) = send(
        &site,
        "/admin/new/server",
        "/admin/new/server",
        &fields(&ports[0]),
    )
    .await;
    let (key, trust) = (format!("{server}/key"), format!("{server}/trust"));
    let (_, _, shown) = send(&site, &server, &key, &[]).await;
    let seen = offered(&shown);

    // Between the look and the trust, another server answers at that place.
    send(&site, &server, &server, &fields(&ports[1])).await;
    send(&site, &server, &trust, &[("openssh", &seen)]).await;
    assert!(page(&site, &server).await.contains("Not trusted: server"));
    assert!(
        servers::by_name(&site.store, "web1")
            .await
            .unwrap()
            .host_key
            .is_none()
    );

    send(&site, &server, &server, &fields(&ports[0])).await;
    send(&site, &server, &trust, &[("openssh", &seen)]).await;
    send(&site, &server, &trust, &[("openssh", &seen)]).await;
    let id = servers::by_name(&site.store, "web1").await.unwrap().id;
    assert_eq!(servers::host_key_history(&site.store, id).await.unwrap().len(), 1);

    // A changed key is told loudly, old beside new, and trusting it is an act of its own.
    send(&site, &server, &server, &fields(&ports[1])).await;
    let (_, _, shown) = send(&site, &server, &key, &[]).await;
    for told in [
        "This is not the key that was trusted",
        &first.host_key.fingerprint,
        &second.host_key.fingerprint,
    ] {
        assert!(shown.contains(told), "{told}");
    }
    send(&site, &server, &trust, &[("openssh", &offered(&shown))]).await;
    let history = servers::host_key_history(&site.store, id).await.unwrap();
    assert_eq!((history.len(), history[1].1.is_some()), (2, true));
    let all = environments::all(&site.store).await.unwrap();
    assert!(all.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_reported_in_a_sentence() {
    let (_world, site) = site().await;
    let fields = [
        ("name", "gone"),
        ("address", "127.0.0.1"),
        ("port", "1"),
        ("active", "yes"),
    ];
    let (_, server, _) = send(&site, "/admin/new/server", "/admin/new/server", &fields).await;
    let (status, place, _) = send(&site, &server, &format!("{server}/key"), &[]).await;
    assert_eq!((status, place), (303, server.clone()));
    assert!(
        page(&site, &server)
            .await
            .contains("cannot be reached at 127.0.0.1:1")
    );
    let test = format!("{server}/test");
    let (status, _, said) = send(&site, &server, &test, &[]).await;
    assert!(
        status == 422 && said.contains("enter the user to log in as"),
        "{said}"
    );
    let (status, _, said) = send(&site, &server, &test, &[("user", "deploy")]).await;
    assert!(status == 200 && said.contains("cannot be reached"), "{said}");
}
