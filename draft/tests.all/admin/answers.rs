//! “Test connection” and “Check files” of servers whose answers are none: nothing that logs in and runs no
//! command is called well, and what the server said instead is shown.

use deployer::app::live_release;
use deployer::domain::Server;
use deployer::store::servers;

use crate::support::sshd::Sshd;
use crate::support::world::{World, admin, bring_in, change};
use crate::web::support::operator;

/// What a login runs instead of the command, and what is shown of it.
const NONE: [(&str, &str); 4] = [
    ("echo No logins today.", "No logins today."),
    ("/usr/sbin/nologin", "This account is currently not available."),
    ("echo Restricted to SFTP. >&2; false", "Restricted to SFTP."),
    ("true", "it said nothing"),
];

/// From now on another sshd answers for the only server.
async fn answered_by(world: &World, line: &str) -> (Sshd, Server) {
    let key = world.dir.path().join("deployer");
    let line = format!("ForceCommand {line}");
    let sshd = Sshd::builder().accept(&key).line(&line).start().await;
    let tx = change(&world.store).await;
    let mut server = servers::by_name(&tx, "web1").await.unwrap();
    server.port = sshd.port;
    servers::update(&tx, &server).await.unwrap();
    servers::pin_host_key(&tx, server.id, &sshd.host_key)
        .await
        .unwrap();
    bring_in(tx).await;
    let server = servers::by_name(&world.store, "web1").await.unwrap();
    (sshd, server)
}

/// What testing the connection, asking for the release and checking the files say.
async fn asked(world: &World, server: &Server) -> [Result<String, String>; 3] {
    let (app, who) = (&world.app, &admin());
    let mut tried = deployer::app::admin::servers::test(app, &operator(), server.id, None)
        .await
        .unwrap();
    let tried = tried.remove(0).outcome.map(|reply| reply.system);
    let live = live_release::ask(app, who, "shop", "dev", "web1").await;
    let files = live_release::really(app, who, "shop", "dev", "web1").await;
    [
        tried,
        live.map(|_| "a release".to_owned())
            .map_err(|error| error.message().to_owned()),
        files
            .map(|_| "files".to_owned())
            .map_err(|error| error.message().to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_runs_nothing_is_never_called_well() {
    let world = World::simple().await;
    world.account("admin").await;
    for (line, shown) in NONE {
        let (_sshd, server) = answered_by(&world, line).await;
        for answer in asked(&world, &server).await {
            let refused = answer.expect_err(line);
            assert!(refused.contains(shown), "{line}: {refused}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_is_no_answer_and_no_obstacle() {
    let world = World::simple().await;
    world.account("admin").await;
    let greeting = "echo Linux 1.0; echo; exec sh -c \"$SSH_ORIGINAL_COMMAND\"";
    let (_sshd, server) = answered_by(&world, greeting).await;
    let [tried, live, files] = asked(&world, &server).await;
    let system = tried.unwrap();
    assert!(system.starts_with("Linux ") && system != "Linux 1.0", "{system}");
    live.unwrap();
    files.unwrap();
}
